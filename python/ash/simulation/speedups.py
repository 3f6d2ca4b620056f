"""Speed-ups of a run by threads: simulated on its own costs, with its bounds, and what was measured.

W: the seconds of all jobs on one thread    D: those of the candidate with most    p: threads
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ash.simulation.simulate import TEAM_EFFICIENCY, THREADS, simulate_result

if TYPE_CHECKING:
    from ash.history.history import History


@dataclass(frozen=True)
class Speedups:
    """What `ash.simulate` says of a run, a number for each number of threads; see `Result.plot_scaling`.

    Attributes
    ----------
    threads : list of int
        Which is also the bound with teams, W by W/p.
    bound, halving, alone : list of float
        The bound without teams, W by max(W/p, D); SH with barriers; the schedule of the run, without teams.
    shared : list of float or None
        The schedule of the run with teams of `TEAM_EFFICIENCY`; None where the run was to have none.
    measured : float
        Of the run itself, on its threads: `core_seconds / wall_seconds`.
    """

    threads: list[int]
    bound: list[float]
    halving: list[float]
    alone: list[float]
    shared: list[float] | None
    measured: float


def speedups_of(result: "History", threads: int | Sequence[int] | None = None) -> Speedups:
    """Return the speed-ups of a run for numbers of threads, powers of two by default."""
    counts = THREADS if threads is None else threads
    rows = simulate_result(result, counts, teams=False).rows
    shared = None
    if result.options.teams:
        with_teams = simulate_result(result, counts, teams=True, team_efficiency=TEAM_EFFICIENCY).rows
        shared = [row["speedup"] for row in with_teams]
    return Speedups(
        threads=[row["threads"] for row in rows],
        bound=_speedups(rows, "bound"),
        halving=_speedups(rows, "halving"),
        alone=[row["speedup"] for row in rows],
        shared=shared,
        measured=result.core_seconds / result.wall_seconds,
    )


def _speedups(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    """Return the work W by the seconds in a column of the simulation."""
    return [row["threads"] * row["work_per_thread"] / row[name] for row in rows]
