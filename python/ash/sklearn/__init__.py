"""Estimators and searches that follow scikit-learn's conventions.

    estimators.py            `ASHClassifier` and `ASHRegressor`: networks, tuned by the run of `ash.tune`
    search_cv.py             `ASHSearchCV`: any estimator, tuned by the run of `ash.tune_function`; its parts:
      search_arguments.py    checks arguments, and routes the parameters of `fit`
      estimator_space.py     converts the space: estimators become text, and several spaces become one
      search_ladder.py       computes the epochs of the rungs, which depend on the resource
      trainer.py             the function that is tuned: a job trains all folds of a candidate further, and scores them
      forecast.py            forecasts the score after the next rung
      search_threads.py      limits the threads of libraries, and uses idle threads
    halving_search_cv.py     `HalvingSearchCV`: the same search, with the names of `HalvingRandomSearchCV`
      param_distributions.py draws candidates as scikit-learn does
    resumable/               resumes the training of estimators
    cv_results.py            builds `cv_results_` of all four classes

A job of a search returns its score and the scores of its folds, which are stored in `FunctionResult.infos`. This
package is imported only by the command line, and by `ash` when one of the four classes is used.
"""
