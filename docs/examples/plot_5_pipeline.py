"""
Pipelines and cross-validation
==============================

`ash.ASHClassifier` works in pipelines and cross-validation like any other estimator. It can also cross-validate its
candidates itself.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ash

X, y = load_wine(return_X_y=True)
contenders = {
    "ash": ash.ASHClassifier(candidates=16, n_jobs=1, random_state=0),
    "PCA, ash": make_pipeline(StandardScaler(), PCA(6), ash.ASHClassifier(candidates=16, n_jobs=1, random_state=0)),
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
    "random forest": RandomForestClassifier(n_estimators=100, random_state=0),
}
scores = {name: cross_val_score(model, X, y, cv=5) for name, model in contenders.items()}
for name, own in scores.items():
    print(f"{name:20} {own.mean():.3f} +- {own.std() / np.sqrt(len(own)):.3f}")

# %%
# Each point is a fold. The search within a fold sees only that fold's training rows, so these scores are not
# optimistic. With only 178 rows, the scores say little more than that all models are good.

fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for place, own in enumerate(scores.values()):
    ax.scatter(own, np.full(len(own), place) + np.linspace(-0.15, 0.15, len(own)), color="#0072b2")
    ax.plot([own.mean()] * 2, [place - 0.3, place + 0.3], color="#d55e00", linewidth=2.5)
ax.set_yticks(range(len(scores)), scores)
ax.set_xlabel("accuracy on the fold left out")
ax.invert_yaxis()
plt.show()

# %%
# On few rows a single split judges candidates poorly. With ``cv=5`` each job trains all folds, and the score of a
# candidate is the mean. The final model averages the networks of all folds.

model = ash.ASHClassifier(candidates=16, cv=5, n_jobs=1, random_state=0).fit(X, y)
print(model.best_score_, model.best_params_["hidden"])
folds = model.result_.fold_scores
print(folds["scores"][-3:])
