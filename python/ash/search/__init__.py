"""What `ash.ASHSearchCV` is made of: a search by scikit-learn's conventions as a run of `ash.tune_function`.

    ladder.py    how many epochs the rungs have, by the resource
    scorers.py   `scoring` and `refit`: what is measured, and what ranks
    routing.py   which of the parameters of `fit` go to estimator, scorer and splitter
    forecast.py  what a score will be after the next rung
    constant.py  the score of a constant, where learning curves begin
    trainer.py   the function that is tuned: a job trains all folds of a candidate on, and scores them
    inner.py     the threads that libraries start themselves
    tables.py    `cv_results_`
    docs.py      the docstring of the class

A job's answer has beside its score what the folds have scored, which `FunctionResult.infos` keeps.
"""
