"""Estimators that are trained on from where they stand, each library in its own way; what cannot go on is retrained.

    way_of(estimator, resource) -> Way                        what counts its training, and how it goes on
        way.begin(estimator) -> Continued                     an estimator under training
            .more(rows, epochs)   .more(rows, epochs)   ...   so many epochs beyond those that it has
            .estimator                                        what scores and predicts now
            .at(epochs)                                       what predicted after its first epochs
            .rest()                                           lets go of what the next job does not need

An epoch is one unit of the resource: a tree, a round of boosting, a pass over the rows, a row. A `Continued` is the
state between two jobs: it holds no rows, and can be pickled where the estimator can.

    ensembles.py    forests and boosting: scikit-learn's by warm_start, LightGBM, XGBoost, CatBoost
    partial_fit.py  passes over the rows, or further rows; skorch: PyTorch modules with their optimizer
    steps.py        a Pipeline: fitted transformers, and its last step by one of these
    choose.py       which way; anything else: from scratch, for all its epochs or on all its rows

Invariant: k epochs and then l more give what k + l at once do, bit for bit where the library promises so and draws no
random numbers by round; tests/search/test_continuing.py has a test of each.
"""
