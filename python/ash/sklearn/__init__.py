"""Estimators and searches that follow scikit-learn's conventions.

    estimators.py            `ASHClassifier` and `ASHRegressor`: networks, tuned in the same way as by `ash.tune`
    search_cv.py             `ASHSearchCV`: any estimator, tuned by `ash.tune_function`; its parts:
      search_arguments.py    checks arguments, and routes the parameters of `fit`
      estimator_space.py     converts the space: estimators become text, and several spaces become one
      search_ladder.py       computes the epochs of each rung for the resource of the search
      trainer.py             the function that is tuned: a job trains all folds of a candidate further, and scores them
      forecast.py            forecasts the score after the next rung
      search_threads.py      limits the threads that libraries start, and lets idle threads help jobs
    halving_search_cv.py     `HalvingRandomSearchCV`: the same search, with scikit-learn's parameters
      param_distributions.py draws the same candidates as scikit-learn
    resumable/               resumes the training of estimators
    cv_results.py            builds `cv_results_` of both estimators and both searches

A job of a search returns its score and the scores of its folds. The fold scores are stored in `FunctionResult.infos`.
This package is imported by the command line, and by `ash` when one of the four public classes is first used.
"""
