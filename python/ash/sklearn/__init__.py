"""Estimators and searches with scikit-learn's conventions: `ASHClassifier`, `ASHRegressor` and the searches.

    estimators.py            networks, by the run of `ash.tune`
    search_cv.py             `ASHSearchCV`: any estimator, by the run of `ash.tune_function`; its parts:
      search_arguments.py    scorers, and the routing of the parameters of `fit`
      estimator_space.py     the space: estimators are represented by text, several spaces are combined
      search_ladder.py       the epochs of the rungs, by the resource
      trainer.py             the function that is tuned: a job trains all folds of a candidate further, and scores them
      forecast.py            the expected score after the next rung
      search_threads.py      threads that libraries start, and threads without a job
    halving_search_cv.py     `HalvingSearchCV`: the same search, with the names of `HalvingRandomSearchCV`
      param_distributions.py candidates as scikit-learn draws them
    resumable/               how estimators are trained further
    cv_results.py            `cv_results_` of all

The answer of a job of a search has the scores of its folds besides its score; `FunctionResult.infos` keeps them. Only
the command line imports this package, and `ash` itself when one of its four classes is used.
"""
