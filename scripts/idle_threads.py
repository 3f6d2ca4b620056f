"""Simulates how long threads are idle if the costs of jobs are unknown: `python scripts/idle_threads.py`.

Real seconds per epoch differ between candidates, up to a factor `spread` (log-uniform). The virtual clock either counts
epochs, as without `costs=`, or knows the seconds. Printed is the median over 30 seeds of the share of thread time that
is idle, with the default of 8 virtual workers and with four per thread. Runs have 8,192 candidates, so that the end,
where few candidates are left, hardly counts, eta 3 and 5 rungs.
"""

import numpy as np

from ash import _core

CANDIDATES, SEEDS = 8192, 30


def idle(spread: float, threads: int, known: bool, schedule: str, workers: int, seed: int) -> float:
    """Return the share of the threads' time that is idle in one simulated run."""
    seconds = np.exp(np.random.default_rng(seed).uniform(0, np.log(spread), CANDIDATES)) if spread > 1 else np.ones(1)
    total, *_ = _core.simulate(
        CANDIDATES,
        seconds if known else np.ones(1),
        seconds=seconds,
        eta=3,
        max_rungs=5,
        schedule=schedule,
        virtual_workers=workers,
        threads=threads,
        teams=False,
        seed=seed,
    )
    return 1 - total["busy"] / (threads * total["makespan"])


def main() -> None:
    """Print a row per spread and number of threads."""
    print("| seconds per epoch | threads | 8 workers | and costs | 4 per thread | and costs | greedy |")
    print("|---|---|---|---|---|---|---|")
    for spread in (1, 5, 20):
        for threads in (2, 4, 8, 16, 32):
            kinds = [(known, "reproducible", workers) for workers in (8, 4 * threads) for known in (False, True)]
            kinds.append((False, "greedy", 8))
            shares = (np.median([idle(spread, threads, *kind, seed) for seed in range(SEEDS)]) for kind in kinds)
            print(f"| 1 to {spread} | {threads} |", " | ".join(f"{share:.1%}" for share in shares), "|")


if __name__ == "__main__":
    main()
