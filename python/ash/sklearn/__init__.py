"""ash by the conventions of scikit-learn: `ASHClassifier`, `ASHRegressor` and `ASHSearchCV`.

Start with estimators.py or search_cv.py. search/ is what a search is made of, resumable/ how estimators are trained
further. Only the command line imports this package, and `ash` itself when one of the three is asked for.
"""
