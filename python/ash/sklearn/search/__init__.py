"""What `ash.ASHSearchCV` is made of: a search by scikit-learn's conventions as a run of `ash.tune_function`.

    search_ladder.py    how many epochs the rungs have, by the resource
    search_scorers.py   `scoring` and `refit`: what is measured, and what ranks
    routing.py          which of the parameters of `fit` go to estimator, scorer and splitter
    forecast.py         what a score will be after the next rung
    constant.py         the score of a constant, where learning curves begin
    trainer.py          the function that is tuned: a job trains all folds of a candidate further, and scores them
    inner.py            the threads that libraries start themselves
    idle_threads.py     threads without a job, which train folds
    search_results.py   `cv_results_`
    search_docs.py      the docstring of the class

The answer of a job has the scores of its folds beside its score; `FunctionResult.infos` keeps them.
"""
