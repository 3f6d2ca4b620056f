"""ash by the conventions of scikit-learn: `ASHClassifier`, `ASHRegressor`, `ASHSearchCV` and `HalvingSearchCV`.

    estimators.py            networks, by the run of `ash.tune`
    search_cv.py             any estimator, by the run of `ash.tune_function`; its parts:
      search_arguments.py    what is measured and what ranks; which parameters of `fit` go where
      estimator_space.py     the space: estimators stand as their text, several spaces become one
      search_ladder.py       how many epochs the rungs have, by the resource
      trainer.py             the function that is tuned: a job trains all folds of a candidate further, and scores them
      forecast.py            what a score will be after the next rung
      search_threads.py      threads that libraries start, and threads without a job
    halving_search_cv.py     the same search, by the names of `HalvingRandomSearchCV`
      param_distributions.py candidates as scikit-learn draws them
    resumable/               how estimators are trained further
    cv_results.py            `cv_results_` of all

The answer of a job of a search has the scores of its folds beside its score; `FunctionResult.infos` keeps them. Only
the command line imports this package, and `ash` itself when one of the four is asked for.
"""
