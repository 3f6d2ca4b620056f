"""
Your own score
==============

To rank candidates by your own score, pass the name of a scikit-learn scorer, or a function. Here a missed tumor costs
twenty times as much as a false alarm.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import confusion_matrix, make_scorer
from sklearn.model_selection import cross_val_predict, cross_val_score

import ash

data = load_breast_cancer()
labels = data.target_names[data.target]
MISSED, ALARM = 20.0, 1.0


def cost(truth, predicted):
    """Return the mean cost per patient."""
    (_, missed), (alarms, _) = confusion_matrix(truth, predicted, labels=["malignant", "benign"])
    return (MISSED * missed + ALARM * alarms) / len(truth)


def held_out_cost(model):
    """Return the mean cost on the held-out folds of a cross-validation."""
    return -cross_val_score(model, data.data, labels, cv=5, scoring=scorer).mean()


scorer = make_scorer(cost, greater_is_better=False)
space = ash.Space(hidden=ash.choice((16,), (32,), (32, 16)), learning_rate=ash.loguniform(1e-3, 1e-1))
by_accuracy = ash.ASHClassifier(space, candidates=16, n_jobs=1, random_state=0)
by_cost = ash.ASHClassifier(space, candidates=16, scoring=scorer, n_jobs=1, random_state=0)
print(f"ranked by accuracy: {held_out_cost(by_accuracy):.3f} per patient")
print(f"ranked by cost: {held_out_cost(by_cost):.3f} per patient")

# %%
# A Python function is called for one candidate at a time, even on many threads. The core itself computes the metrics
# that `ash.ASHClassifier` lists, which is faster.
#
# All networks were trained to predict probabilities, and they are ranked on few validation rows. So ranking by another
# score changes little. The threshold between the classes matters more here. For F1 and balanced accuracy ash tunes it.
# If the costs of both errors are known, no tuning is needed: an alarm is expected to cost less if the probability of a
# malignant tumor is above 1 / 21.

threshold = ALARM / (ALARM + MISSED)
decided = ash.ASHClassifier(
    space, candidates=16, pos_label="malignant", decision_threshold=threshold, n_jobs=1, random_state=0
)
print(f"with a threshold: {held_out_cost(decided):.3f} per patient")

probability = cross_val_predict(by_accuracy, data.data, labels, cv=5, method="predict_proba")[:, 1]
thresholds = np.linspace(0.005, 0.9, 180)
costs = [cost(labels, np.where(probability > each, "malignant", "benign")) for each in thresholds]
fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
ax.plot(thresholds, costs)
ax.axvline(threshold, color="#d55e00", linestyle="--", label=f"by the costs: {threshold:.2f}")
ax.set_ylim(0, 1)
ax.set_xlabel("probability above which a tumor counts as malignant")
ax.set_ylabel("mean cost per patient")
ax.legend()
plt.show()
