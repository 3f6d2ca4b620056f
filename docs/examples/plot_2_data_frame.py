"""
A data frame with text and missing cells
========================================

This example fits a table with numbers, text and missing cells. It shows the features that its columns become, and how
much each column contributes.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split

import ash

# %%
# The task is to predict the progress of diabetes after a year from measurements of 442 patients. Two columns are turned
# into words and some cells are removed, to imitate an unprepared table.

frame = load_diabetes(as_frame=True, scaled=False).frame
frame["sex"] = frame["sex"].map({1: "one", 2: "other"})
frame["weight"] = pd.cut(frame["bmi"], [0, 22, 27, 32, 99], labels=["slim", "usual", "heavy", "very heavy"])
lost = np.random.default_rng(0).random(len(frame)) < 0.15
frame.loc[lost, "bp"] = np.nan
train, test = train_test_split(frame, random_state=0)
print(ash.describe(train.drop(columns="target"), train["target"]))

# %%
# The output lists the features of each column. The table can be fitted as it is, without preparation.

model = ash.ASHRegressor(candidates=32, n_jobs=1, random_state=0)
model.fit(train.drop(columns="target"), train["target"])
print(model.model_)
print("R2", round(model.score(test.drop(columns="target"), test["target"]), 3))

# %%
# To see which columns matter, permute one column at a time and see how far the score falls. scikit-learn's function for
# this works as usual.

falls = permutation_importance(model, test.drop(columns="target"), test["target"], n_repeats=5, random_state=0)
order = falls.importances_mean.argsort()
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.barh(model.feature_names_in_[order], falls.importances_mean[order], xerr=falls.importances_std[order])
left.set_xlabel("fall of R2 when permuted")
right.scatter(test["target"], model.predict(test.drop(columns="target")), s=15)
right.axline((150, 150), slope=1, color="0.6", linestyle="--")
right.set_xlabel("target")
right.set_ylabel("prediction")
plt.show()
