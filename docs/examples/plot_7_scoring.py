"""
A score of your own
===================

How do I rank candidates by a score of my own? Pass the name of a scikit-learn scorer, or a function. Here a
missed tumour costs twenty times as much as a false alarm.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import confusion_matrix, make_scorer
from sklearn.model_selection import train_test_split

import ash

data = load_breast_cancer()
labels = data.target_names[data.target]
X, X_test, y, y_test = train_test_split(data.data, labels, stratify=labels, random_state=0)
MISSED, ALARM = 20.0, 1.0


def cost(truth, predicted):
    """Return the mean cost per patient."""
    (_, missed), (alarms, _) = confusion_matrix(truth, predicted, labels=["malignant", "benign"])
    return (MISSED * missed + ALARM * alarms) / len(truth)


scorer = make_scorer(cost, greater_is_better=False)
space = ash.Space(hidden=ash.choice((16,), (32,), (32, 16)), learning_rate=ash.log(1e-3, 1e-1))
by_cost = ash.ASHClassifier(space, candidates=32, scoring=scorer, n_jobs=1, random_state=0).fit(X, y)
by_accuracy = ash.ASHClassifier(space, candidates=32, n_jobs=1, random_state=0).fit(X, y)
print("ranked by cost:    ", cost(y_test, by_cost.predict(X_test)))
print("ranked by accuracy:", cost(y_test, by_accuracy.predict(X_test)))

# %%
# A Python function is called for one candidate at a time, whatever the number of threads. The core is faster at the
# scores that it computes itself: accuracy, balanced_accuracy, neg_log_loss, roc_auc, average_precision, f1, f1_macro,
# f1_weighted, r2, neg_root_mean_squared_error and neg_mean_absolute_error.
#
# All networks were trained to predict probabilities, and few validation rows rank them. So either of the two above may
# cost less on the test rows. The threshold between the classes matters more here: choose the one with the lowest
# mean cost on training rows.

thresholds = np.linspace(0.01, 0.99, 99)
place = list(by_cost.classes_).index("malignant")
fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
for rows, truth, name, color in ((X, y, "training rows", "0.6"), (X_test, y_test, "test rows", "#0072b2")):
    malignant = by_cost.predict_proba(rows)[:, place]
    costs = [cost(truth, np.where(malignant >= line, "malignant", "benign")) for line in thresholds]
    ax.plot(thresholds, costs, color=color, label=name)
    if name == "training rows":
        chosen = thresholds[int(np.argmin(costs))]
ax.axvline(chosen, color="#d55e00", linestyle="--", label=f"chosen: {chosen:.2f}")
ax.set_xlabel("probability from which on a tumour counts as malignant")
ax.set_ylabel("mean cost of a patient")
ax.legend()
plt.show()
