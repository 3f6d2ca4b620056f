"""
The speed-up on more cores
==========================

This example estimates how long a run would take on more threads. A run records the time of each job. From these times,
the ladder and schedule of the run can be simulated on any number of threads, without training.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import ash

X, y = load_digits(return_X_y=True)
space = ash.Space(hidden=ash.choice((32,), (64,), (128,), (128, 64)), learning_rate=ash.loguniform(1e-3, 1e-1))
result = ash.tune(X, y, space, candidates=64, n_jobs=1, random_state=0)
print(result.simulate(threads=[1, 2, 4, 8, 16, 64]))

# %%
# The more threads there are, the more of them are idle in the top rungs. The jobs of one candidate run one after the
# other. Only a team of threads can share a job, and the steps of small networks are too small to share.

result.plot_scaling()
plt.show()

# %%
# Costs can also be assumed before there is a run. Here all epochs cost the same. Without teams the speed-up is at most
# W / D, the work of all jobs divided by the work of the longest chain of jobs.

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
# If there are more threads than workers of the virtual clock, the additional threads bring no speed-up. Set ``workers``
# to more than 32 on larger machines. Note that ``workers`` changes the outcome.

for workers in (8, 32, 128):
    row = ash.simulate(1024, threads=64, virtual_workers=workers, teams=False).rows[0]
    print(f"{workers:4} workers on 64 threads: speed-up {row['speedup']:.1f}")
