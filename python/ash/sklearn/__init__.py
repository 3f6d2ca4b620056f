"""Estimators and searches that follow scikit-learn's conventions.

    estimators.py            `ASHClassifier` and `ASHRegressor`: networks, tuned by the run of `ash.tune`
    search_cv.py             `ASHSearchCV`: any estimator, tuned by the run of `ash.tune_function`; its parts:
      search_arguments.py    scorers, and the routing of the parameters of `fit`
      estimator_space.py     the space: estimators are represented by text, several spaces are combined
      search_ladder.py       the epochs of the rungs, which depend on the resource
      trainer.py             the function that is tuned: a job trains all folds of a candidate further, and scores them
      forecast.py            the expected score after the next rung
      search_threads.py      limits the threads of libraries, and uses idle threads
    halving_search_cv.py     `HalvingSearchCV`: the same search, with the names of `HalvingRandomSearchCV`
      param_distributions.py draws candidates as scikit-learn does
    resumable/               resumes the training of estimators
    cv_results.py            `cv_results_` of all four classes

A job of a search returns its score and the scores of its folds, which are stored in `FunctionResult.infos`. This
package is imported only by the command line, and by `ash` when one of the four classes is used.
"""
