"""
What would more cores bring?
============================

A run keeps what each job took. So its own ladder and schedule can go through the same jobs on any number of threads, on
a clock and without training.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import ash

X, y = load_digits(return_X_y=True)
space = ash.Space(hidden=ash.choice((32,), (64,), (128,), (128, 64)), learning_rate=ash.log(1e-3, 1e-1))
result = ash.tune(X, y, space, candidates=64, threads=1, seed=0)
print(result.simulate(threads=[1, 2, 4, 8, 16, 64]))

# %%
# The more threads, the more of them find nothing to do at the top of the ladder: the chain of jobs of one candidate can
# only be shared by a team, and the steps of small networks are too small to share.

result.plot_scaling()
plt.show()

# %%
# Before there is any run, costs can be assumed: here they are equal for all epochs. Without teams the speed-up ends at
# W / D, the whole work by the longest chain.

threads = [1, 2, 4, 8, 16, 32, 64]
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for candidates, color in ((32, "#0072b2"), (128, "#009e73"), (1024, "#d55e00")):
    for teams, style in ((False, "o--"), (True, "o-")):
        rows = ash.simulate(candidates, threads=threads, teams=teams).rows
        label = f"{candidates} candidates{', teams' if teams else ''}"
        ax.plot(threads, [row["speedup"] for row in rows], style, color=color, label=label)
ax.plot(threads, threads, ":", color="0.4", label="ideal")
ax.set_xscale("log", base=2)
ax.set_yscale("log", base=2)
ax.xaxis.set_major_formatter("{x:g}")
ax.yaxis.set_major_formatter("{x:g}")
ax.set_xlabel("threads")
ax.set_ylabel("speed-up, simulated")
ax.legend()
plt.show()

# %%
# With as many threads as workers of the virtual clock there is nothing more to gain: ``workers=`` beyond 32 is for
# machines that have them, and part of what determines the outcome.

for workers in (8, 32, 128):
    row = ash.simulate(1024, threads=64, workers=workers, teams=False).rows[0]
    print(f"{workers:4} workers on 64 threads: speed-up {row['speedup']:.1f}")
