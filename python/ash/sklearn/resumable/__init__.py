"""Trains estimators further from their state, each library in its own way, and retrains those that cannot continue.

    way_of(estimator, resource) -> Way                        what an epoch is, and how training continues
        way.begin(estimator) -> Continued                     an estimator under training
            .more(rows, epochs)   .more(rows, epochs)   ...   trains this many epochs more
            .estimator                                        scores and predicts now
            .at(epochs)                                       predicts as it did after its first epochs
            .rest()                                           frees what the next job does not need

An epoch is one unit of the resource: a tree, a round of boosting, a pass over the rows, a row. A `Continued` is the
state between two jobs. It holds no rows, and can be pickled if the estimator can.

    ensembles.py    forests and boosting: scikit-learn's by warm_start, LightGBM, XGBoost, CatBoost
    partial_fit.py  passes over the rows, or further rows; skorch: PyTorch modules with their optimizer
    steps.py        a Pipeline: fitted transformers, and its last step by one of these
    choose.py       which way; anything else: from scratch, for all its epochs or on all its rows

Invariant: k epochs and then l more give the same as k + l at once, bit for bit if the library promises this and draws
no random numbers per round; tests/search/test_continuing.py tests each library.
"""
