"""
A space with conditions
=======================

With a condition, a hyperparameter applies only if another hyperparameter has certain values. Here SGD has a momentum,
Adam has none, and their learning rates differ. Conditions are part of the space, so no candidate is drawn twice.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import ash

space = ash.Space(
    hidden=ash.choice((32,), (64,), (64, 32)),
    optimizer=ash.choice("adam", "momentum"),
    learning_rate=[
        ash.loguniform(1e-3, 0.3).when(optimizer="momentum"),
        ash.loguniform(1e-4, 1e-1),
    ],
    momentum=ash.choice(0.8, 0.9, 0.95, 0.99, default=0.9).when(optimizer="momentum"),
    batch_size=ash.choice(16, 32),
)
print(space)
for candidate in space.sample(4, random_state=0):
    print(candidate)

# %%
# The search works as usual. A candidate has only the hyperparameters that apply to it.

X, y = load_digits(return_X_y=True)
result = ash.tune(X, y, space, candidates=64, scoring="neg_log_loss", n_jobs=1, random_state=0)
print(result.best_params, result.best_score)

# %%
# This plot shows the score of each candidate in its last rung against its learning rate. The larger the circle, the
# higher the rung. The score is the negated log loss: all errors are negated, so that higher is better.

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for optimizer, color in (("adam", "#0072b2"), ("momentum", "#d55e00")):
    rows = [row for row in result.candidates if row["params"]["optimizer"] == optimizer and np.isfinite(row["score"])]
    rates = [row["params"]["learning_rate"] for row in rows]
    sizes = [12 * row["rungs"] ** 1.5 for row in rows]
    ax.scatter(rates, [row["score"] for row in rows], s=sizes, color=color, alpha=0.6, label=optimizer)
ax.set_xscale("log")
ax.set_ylim(-1.0, 0.0)
ax.set_xlabel("learning rate")
ax.set_ylabel("validation log loss, negated")
ax.legend()
plt.show()
