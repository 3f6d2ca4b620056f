"""
Your own estimator
==================

To tune your own estimator, pass it to `ash.ASHSearchCV` with a space. Here the estimator is a forest. Promoted forests
keep their trees and grow more trees.
"""

from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import ash

X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)

forest = ExtraTreesClassifier(random_state=0)
space = {
    "max_features": ash.uniform(0.05, 1),
    "min_samples_leaf": ash.integers(1, 32, log=True),
    "criterion": ["gini", "entropy"],
}
search = ash.ASHSearchCV(forest, space, candidates=16, cv=3, scoring="neg_log_loss", n_jobs=1, random_state=0)
search.fit(X, y)
print(search.best_params_)

# %%
# Compare the best forest with a forest with default parameters, on rows that no candidate has seen. Lower is better.

for name, model in (("default", forest.fit(X, y)), ("tuned", search.best_estimator_)):
    print(f"{name:8} log loss {log_loss(y_test, model.predict_proba(X_test)):.3f}")

# %%
# The result of the search has the same plots as any other result. The ladder shows which candidates were given more
# trees.

# sphinx_gallery_thumbnail_path = '_static/ladder.svg'
search.result_.plot_ladder()

# %%
# This plot shows how the score depends on a hyperparameter.

search.result_.plot_parameter("min_samples_leaf")
