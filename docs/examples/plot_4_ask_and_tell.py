"""
Ask and tell: the ladder in your own loop
=========================================

To use the ladder in your own loop, ask `ash.Ladder` for jobs and tell it their scores. The ladder decides what to
train, and your code trains it. The candidates in this example are 60 linear models of scikit-learn, which are trained
by ``partial_fit``.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import ash

X, y = load_digits(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X / 16, y, random_state=0)

space = ash.FunctionSpace(
    alpha=ash.loguniform(1e-6, 1e-1),
    eta0=ash.loguniform(1e-4, 1),
    loss=["hinge", "log_loss", "modified_huber"],
    penalty=["l2", "l1", "elasticnet"],
)
candidates = space.sample(60, random_state=0)

# %%
# The loop asks for a job, trains the candidate further, and reports the score. ``take_retired`` names candidates that
# can no longer be promoted, so that their models can be deleted.

ladder = ash.Ladder(len(candidates), eta=3)
models, scores, most = {}, {number: [] for number in range(len(candidates))}, 0
while (job := ladder.ask()) is not None:
    if job.rung == 0:
        models[job.candidate] = SGDClassifier(learning_rate="constant", random_state=0, **candidates[job.candidate])
    model = models[job.candidate]
    for _ in range(job.epochs):
        model.partial_fit(X_train, y_train, classes=np.arange(10))
    scores[job.candidate].append(model.score(X_valid, y_valid))
    ladder.tell(job, scores[job.candidate][-1])
    most = max(most, len(models))
    for retired in ladder.take_retired():
        del models[retired]

best = max(scores, key=lambda number: scores[number][-1])
print(ladder)
print("kept at the same time:", most, "of", len(candidates), "models")
print(candidates[best], scores[best])

# %%
# Each line is the path of a candidate from rung to rung. Most epochs were spent on the few good candidates.
#
# A ladder is thread-safe, so several threads may run this loop at once. If no job is available until another thread
# reports, ``ask`` returns None although the search has not ended, and ``finished`` is False. A job may also be sent to
# another process and reported later.

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for number, curve in scores.items():
    ax.plot(curve, "o-", color="#d55e00" if number == best else "0.6", zorder=3 if number == best else 2)
ax.set_xticks(range(len(ladder.rungs)), [rung["epochs"] for rung in ladder.rungs])
ax.set_ylim(0.6, 1)
ax.set_xlabel("epochs of the job")
ax.set_ylabel("validation accuracy")
plt.show()
