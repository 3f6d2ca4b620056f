"""
Ask and tell: the ladder around something else
==============================================

`ash.Ladder` decides; what a candidate is and how it is trained is yours. Here it is a linear model of scikit-learn that
learns by ``partial_fit``, 60 at a time.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import ash

X, y = load_digits(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X / 16.0, y, random_state=0)

rng = np.random.default_rng(0)
candidates = [
    {
        "alpha": 10 ** rng.uniform(-6, -1),
        "loss": str(rng.choice(["hinge", "log_loss", "modified_huber"])),
        "penalty": str(rng.choice(["l2", "l1", "elasticnet"])),
        "learning_rate": "constant",
        "eta0": 10 ** rng.uniform(-4, 0),
    }
    for _ in range(60)
]
models = {}

# %%
# The loop: ask for a job, train from where the candidate stands, tell the score. ``take_retired`` names those that can
# never be promoted any more, so nothing has to be kept of them.

ladder = ash.Ladder(len(candidates), eta=3, min_epochs=1)
curves = {number: [] for number in range(len(candidates))}
most = 0
while (job := ladder.next()) is not None:
    if job.candidate not in models:
        models[job.candidate] = SGDClassifier(random_state=0, **candidates[job.candidate])
    model = models[job.candidate]
    for _ in range(job.epochs):
        model.partial_fit(X_train, y_train, classes=np.arange(10))
    score = model.score(X_valid, y_valid)
    done = curves[job.candidate][-1][0] if curves[job.candidate] else 0
    curves[job.candidate].append((done + job.epochs, score))
    ladder.report(job, score)
    most = max(most, len(models))
    for retired in ladder.take_retired():
        models.pop(retired)

print(ladder)
print("kept at the same time:", most, "of", len(candidates), "models")
best = max(curves, key=lambda number: curves[number][-1][1])
print(candidates[best], curves[best][-1])

# %%
# Most of the epochs went to the few that were worth it. A thread or a process more is a second loop like this one: a
# ladder may be shared, and a job is a value that can be sent away and reported later.

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for number, curve in curves.items():
    style = (
        {"color": "#d55e00", "linewidth": 2.5, "zorder": 3} if number == best else {"color": "0.6", "linewidth": 0.8}
    )
    ax.plot(*zip(*curve, strict=True), marker="o", markersize=4, **style)
ax.set_xscale("log", base=3)
ax.set_xlabel("epochs")
ax.set_ylabel("validation accuracy")
plt.show()
