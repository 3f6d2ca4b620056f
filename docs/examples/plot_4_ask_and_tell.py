"""
Ask and tell: the ladder around something else
==============================================

How do I use the ladder in a loop of my own? `ash.Ladder` decides; your code trains. Here 60 linear models of
scikit-learn learn by ``partial_fit``.
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
# The loop asks for a job, trains the candidate further, and reports the score. ``take_retired`` names candidates that
# can no longer be promoted, so that their models can be deleted.

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
# Most epochs went to the few candidates that were worth it. For more threads or processes, run this loop several
# times: a ladder is thread-safe, and a job is a value that can be sent elsewhere and reported later.

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
