"""Resumes the training of estimators in the way that suits their library, or retrains them if this is impossible.

    way_of(estimator, resource) -> Way                        what an epoch is, and how training is resumed
        way.begin(estimator) -> Resumable                     an estimator in training
            .more(rows, epochs)   .more(rows, epochs)   ...   trains for this many more epochs
            .estimator                                        the estimator as trained so far
            .at(epochs)                                       the estimator as it was after this many epochs
            .rest()                                           frees memory that is not needed until the next job

An epoch is one unit of the resource: a tree, a round of boosting, a pass over the rows, or a row. A `Resumable` is the
state between two jobs. It holds no rows, and can be pickled if the estimator can be pickled.

    ensembles.py    forests and boosting: scikit-learn (by warm_start), LightGBM, XGBoost, CatBoost
    partial_fit.py  passes over the rows, or further rows; skorch: PyTorch modules with their optimizer
    steps.py        pipelines: keeps the fitted transformers and resumes the last step
    choose.py       chooses one of these ways; other estimators are retrained from scratch, with more epochs or rows

Invariant: training k epochs and then l more epochs gives the same model as training k + l epochs at once. The models
are equal bit for bit if the library guarantees this and draws no random numbers per round.
tests/search/test_continuing.py tests each library.
"""
