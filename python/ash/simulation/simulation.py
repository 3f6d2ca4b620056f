"""What `ash.simulate` returns: a row for each number of threads, beside the bounds that no schedule beats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ash._utils.display import format_table
from ash.history.records import to_frame

if TYPE_CHECKING:
    import pandas

_COLUMNS = {
    "threads": "threads",
    "makespan": "makespan",
    "speedup": "speed-up",
    "utilization": "busy",
    "work_per_thread": "W/p",
    "bound": "max(W/p, D)",
    "halving": "SH, barriers",
}
_CLUSTER_COLUMNS = {
    "processes": "processes",
    **{name: _COLUMNS[name] for name in ("threads", "makespan", "speedup", "utilization", "work_per_thread")},
    **{name: name for name in ("coordinator", "line", "latency", "bytes")},
    "bounded_by": "bounded by",
}


class SimulatedRun(NamedTuple):
    """One run of the core: its totals, and the (jobs, seconds) of each rung."""

    totals: dict[str, float]
    rungs: Sequence[tuple[int, float]]


@dataclass(frozen=True, repr=False, eq=False)
class Simulation:
    """The outcome of `ash.simulate`. Immutable. All times are in seconds, or in whatever unit the costs are.

    Attributes
    ----------
    rows : list of dict
        One for each number of threads, in the order asked for:

        threads
            How many there are, p.
        makespan
            From the start until the last job has ended.
        utilization
            The share of the threads' time that they spent in jobs, help included, 0 to 1.
        speedup
            The makespan on one thread, of no cluster, by this one.
        bound
            ``max(W / p, D)``: without teams no schedule of these jobs is shorter.
        work_per_thread
            ``W / p``: with teams no schedule is shorter.
        halving
            The sum over the rungs of their work by ``min(jobs, p)``: these jobs with a barrier after each rung, and
            no more threads in a rung than it has jobs.
        jobs, epochs
            How many were finished.
        work, chain
            W and D of this row. With ``schedule="greedy"`` decisions depend on the threads, and so do these.

        and of a cluster, where seconds are again such that no schedule is shorter:

        processes
            How many there are.
        bytes
            Of data and states, each time that they were sent.
        moves
            Of states that stay, from one process to another.
        coordinator
            Seconds that the coordinator was busy with decisions.
        line
            Seconds that the busiest line was passing bytes one way.
        latency
            Seconds that messages were under way: two latencies for each job of the longest ladder of one candidate, or
            for each of the jobs that share a place in flight, whichever is more.
        bounded_by
            Which of these is the longest: "work" (``W / p``), "longest chain" (D), "coordinator", "line" or "latency";
            or "workers", W by the virtual workers of a reproducible schedule, which are then too few for the threads.
            Where the makespan is far above all of them, some share the blame.
    W : float
        The seconds of all jobs on one thread, of the run on one thread.
    D : float
        The largest sum of the jobs of one candidate, which must follow each other, of the run on one thread.
    settings : dict
        The checked arguments.
    """

    rows: list[dict[str, Any]]
    W: float
    D: float
    settings: dict[str, Any]

    def to_pandas(self) -> "pandas.DataFrame":
        """Return `rows` as a DataFrame.

        Raises
        ------
        MissingExtra
            pandas is not installed.
        """
        return to_frame(self.rows)

    def __repr__(self) -> str:
        """Show the arguments that matter most, W and D, and the rows as a table."""
        own = self.settings
        schedule = f"reproducible with {own['workers']} workers" if own["schedule"] == "reproducible" else "greedy"
        teams = f"teams of efficiency {own['team_efficiency']:g}" if own["teams"] else "no teams"
        headline = f"{own['candidates']} candidates, eta {own['eta']}, {own['algorithm']}, {schedule}, {teams}"
        columns = _COLUMNS if own["cluster"] is None else _CLUSTER_COLUMNS
        table = format_table(list(columns.values()), [[row[name] for name in columns] for row in self.rows])
        return "\n".join([headline, f"work W {self.W:.6g}, longest chain D {self.D:.6g}", "", *table])


def simulation_of(
    run: Callable[[int], SimulatedRun],
    alone: Callable[[], SimulatedRun],
    threads: Sequence[int],
    settings: dict[str, Any],
) -> Simulation:
    """Return the simulation with a row of `run(count)` for each number of threads, by `alone()`: one, of no cluster."""
    runs = {count: run(count) for count in dict.fromkeys(threads)}
    here = settings["cluster"] is None
    base = runs[1].totals if here and 1 in runs else alone().totals
    rows = [_row(count, runs[count], base["makespan"]) for count in threads]
    if not here:
        rows = [{**row, **_cluster_row(row, runs[row["threads"]], settings)} for row in rows]
    return Simulation(rows=rows, W=base["work"], D=base["chain"], settings=settings)


def _row(threads: int, run: SimulatedRun, alone: float) -> dict[str, Any]:
    totals = run.totals
    return {
        "threads": threads,
        "makespan": totals["makespan"],
        "utilization": totals["busy"] / (threads * totals["makespan"]),
        "speedup": alone / totals["makespan"],
        "bound": max(totals["work"] / threads, totals["chain"]),
        "work_per_thread": totals["work"] / threads,
        "halving": sum(seconds / min(jobs, threads) for jobs, seconds in run.rungs if jobs),
        "jobs": int(totals["jobs"]),
        "epochs": int(totals["epochs"]),
        "work": totals["work"],
        "chain": totals["chain"],
    }


def _cluster_row(row: dict[str, Any], run: SimulatedRun, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what only a cluster has, and what bounds it."""
    totals, cluster = run.totals, settings["cluster"]
    rungs = sum(1 for jobs, _ in run.rungs if jobs)
    latency = 2 * cluster.latency * max(rungs, row["jobs"] / (row["threads"] * cluster.in_flight))
    own = {
        "processes": int(totals["processes"]),
        "bytes": totals["bytes"],
        "moves": int(totals["moves"]),
        **{"coordinator": totals["coordinator"], "line": totals["line"], "latency": latency},
    }
    bounds = {"work": row["work_per_thread"], "longest chain": row["chain"]}
    bounds |= {name: own[name] for name in ("coordinator", "line", "latency")}
    if settings["schedule"] == "reproducible":
        bounds["workers"] = row["work"] / settings["workers"]
    return {**own, "bounded_by": max(bounds, key=lambda name: bounds[name])}
