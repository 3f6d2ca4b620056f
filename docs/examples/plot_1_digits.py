"""
Digits: a ladder of 64 networks
===============================

This example searches for a network that recognizes images of digits. Candidates are drawn from a small space and
trained briefly. The better half of each rung is promoted. A plot shows which candidates were promoted.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split

import ash

X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)

space = ash.Space(
    hidden=ash.choice((32,), (64,), (64, 32), (128, 64)),
    learning_rate=ash.loguniform(1e-3, 1e-1),
    dropout=ash.choice(0.0, 0.1, 0.2),
    batch_size=ash.choice(16, 32, 64),
)
result = ash.tune(X, y, space, candidates=64, n_jobs=1, random_state=0)
print(result)

# %%
# Each circle is a job at its validation score; filled circles were promoted. The dashed line is the lowest score that
# would have been promoted if promotions had waited for the whole rung. Filled circles to the left of the line were
# promoted because they finished early. The star is the best network.

result.plot_ladder()

# %%
# This plot shows the same scores by the number of epochs that each network had been trained for.

result.plot()

# %%
# Evaluate the best network on rows that no candidate has seen:

print("accuracy", round(result.model.score(X_test, y_test), 4))
ConfusionMatrixDisplay.from_predictions(y_test, result.model.predict(X_test), colorbar=False)
plt.show()
