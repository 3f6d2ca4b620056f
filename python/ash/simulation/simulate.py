"""Contains `ash.simulate`, which simulates the ladder and schedule on any number of threads, without training.

    simulate, or simulate_result (the jobs of a run) -> _core.simulate, once for each number of threads -> Simulation

W is the sum of the seconds of all jobs on one thread. D is the sum of the seconds of one candidate's jobs, for the
candidate with the largest sum. p is the number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash import _core
from ash._utils.arguments import explained
from ash._utils.checks import is_integer, is_number, one_of, whole, yes_or_no
from ash._utils.display import counted, format_table
from ash._utils.machine import check_room
from ash.errors import SettingError
from ash.history.records import Columns, to_frame
from ash.ladder import LadderSettings, ladder_settings
from ash.options import LARGEST_SEED, MINIMIZE, MOST_WORKERS, SCHEDULES, decided_workers
from ash.simulation.cluster import Cluster, core_settings

if TYPE_CHECKING:
    import pandas

    from ash.history.history import History

Table = NDArray[np.float64]

THREADS = (1, 2, 4, 8, 16, 32, 64)
ORDERS = ("finish", "start", "rung")
MOST_THREADS = 2**16
MOST_NOISE = 10.0
MOST_AMOUNT = 1e200  # kMost of the core's bindings
TEAM_EFFICIENCY = 0.57
"""The speed that each thread beyond the first adds to a team, as a multiple of one thread's speed. It was measured for
a wide network on two threads (bench/results/teams.json)."""

_CANDIDATE_BYTES = 24
"""A lower bound of the bytes that the simulation needs for each candidate that waits in a rung."""
_SHORTEST = 1e-9  # in seconds; shorter recorded jobs are extended to this, so that no job is free
_FROM_THE_RUN = ("candidates", "costs", "eta", "min_epochs", "scores")

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


@dataclass(frozen=True, repr=False, eq=False)
class Simulation:
    """The outcome of `ash.simulate`; immutable. All times are in seconds, or in the unit of the costs.

    Attributes
    ----------
    rows : list of dict
        One row per number of threads, in the given order. The keys are:

        threads
            Number of threads, p.
        makespan
            Time from the start to the end of the last job.
        utilization
            The share of the threads' time that was spent in jobs, including help with other threads' jobs, 0 to 1.
        speedup
            The makespan on one thread without a cluster, divided by the makespan of this row.
        bound
            ``max(W / p, D)``, a lower bound of the makespan without teams.
        work_per_thread
            ``W / p``, a lower bound of the makespan with teams.
        halving
            A lower bound of the makespan of the same jobs with a barrier after each rung and at most one thread per
            job. It is the sum, over all rungs, of a rung's work divided by ``min(jobs, p)``.
        jobs, epochs
            Numbers of finished jobs and of their epochs.
        work, chain
            W and D of this row. With ``schedule="greedy"`` decisions depend on the number of threads, and so do W and
            D.

        Rows for a cluster also have the following keys. The values in seconds are further lower bounds of the makespan:

        processes
            Number of processes.
        bytes
            Total bytes of data and states that were sent.
        moves
            Number of moves of states from one process to another, with ``states="stay"``.
        coordinator
            Seconds that the coordinator was busy with decisions.
        line
            Seconds that the busiest line was transmitting in one direction.
        latency
            Seconds of the round trips that must follow one another. This is twice the latency times the larger of two
            numbers: the number of rungs that were reached, and the number of jobs divided by ``p * in_flight``.
        bounded_by
            The largest lower bound: "work" (``W / p``), "longest chain" (D), "coordinator", "line", "latency" or
            "virtual_workers". The bound "virtual_workers" is W divided by the number of virtual workers of a
            reproducible schedule. If it is the largest bound, there are too few virtual workers for the threads. If the
            makespan is far above all bounds, several bounds contribute.
    W : float
        The sum of the seconds of all jobs, in the run on one thread.
    D : float
        The largest sum of the seconds of one candidate's jobs in the run on one thread. These jobs must run one after
        the other.
    settings : dict
        The checked arguments.

    Examples
    --------
    >>> import ash
    >>> found = ash.simulate(128, threads=[1, 8], teams=False)
    >>> [round(row["speedup"], 2) for row in found.rows]
    [1.0, 4.98]
    """

    rows: list[dict[str, Any]]
    W: float
    D: float
    settings: dict[str, Any]

    def to_pandas(self) -> "pandas.DataFrame":
        """Return `rows` as a DataFrame.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        return to_frame(self.rows)

    def __repr__(self) -> str:
        """Return text with the most important arguments, W and D, and the rows as a table."""
        own = self.settings
        workers = f"reproducible with {counted(own['virtual_workers'], 'worker')}"
        schedule = workers if own["schedule"] == "reproducible" else "greedy"
        teams = f"teams of efficiency {own['team_efficiency']:g}" if own["teams"] else "no teams"
        candidates = counted(own["candidates"], "candidate")
        headline = f"{candidates}, eta {own['eta']}, {own['algorithm']}, {schedule}, {teams}"
        columns = _COLUMNS if own["cluster"] is None else _CLUSTER_COLUMNS
        table = format_table(list(columns.values()), [[row[name] for name in columns] for row in self.rows])
        return "\n".join([headline, f"work W {self.W:.6g}, longest chain D {self.D:.6g}", "", *table])


@explained()
def simulate(
    candidates: int = 128,
    *,
    eta: int = 2,
    min_epochs: int = 1,
    max_rungs: int | None = None,
    algorithm: str = "ash",
    promotion: str = "capped",
    threads: int | Sequence[int] = THREADS,
    costs: Any = None,
    scores: Any = None,
    virtual_workers: int = 32,
    schedule: str = "reproducible",
    order: str = "finish",
    teams: bool | None = None,
    team_efficiency: float = TEAM_EFFICIENCY,
    noise: float = 0.0,
    cluster: Cluster | None = None,
    random_state: int = 0,
) -> Simulation:
    """Simulate how long a run would take on any number of threads, with the ladder and schedule of a real run.

    Parameters
    ----------
    candidates, eta, min_epochs, max_rungs, algorithm, promotion
        As in `ash.tune`.
    threads : int or sequence of int, default (1, 2, 4, 8, 16, 32, 64)
        Numbers of threads, 1 to 65536 each; the result has one row per number.
    costs : None, number, array, distribution or callable, default None
        Seconds that jobs take on one thread, positive.

        - None: 1 second per epoch.
        - A number: seconds per epoch.
        - An array of shape (candidates,): seconds per epoch of each candidate.
        - An array of shape (candidates, rungs): seconds of the whole job of each candidate in each rung.
        - An object with ``rvs(size=, random_state=)``, such as scipy's frozen distributions: seconds per epoch, drawn
          for each candidate.
        - A callable: ``costs(generator, candidates)`` receives a NumPy generator and returns one of the two arrays.
    scores : None or array, default None
        Scores of shape (candidates,) or (candidates, rungs); higher is better, and NaN means diverged. By default a
        score is the candidate's quality plus noise, both drawn with `random_state`. The quality is uniform in 0..1. The
        noise is uniform in -1/2..1/2 in the lowest rung and shrinks by a factor of ``sqrt(eta)`` per rung, like the
        noise of an average over the epochs.
    virtual_workers : int, default 32
        Virtual workers of ``schedule="reproducible"``.
    schedule : {"reproducible", "greedy"}, default "reproducible"
        As in `ash.tune`. The virtual clock uses `costs` without noise.
    order : {"finish", "start", "rung"}, default "finish"
        Which outstanding job of the virtual clock a thread takes next: the job with the lowest virtual finish (as in
        `ash.tune`), with the lowest virtual start, or in the highest rung. The order does not change any decision.
    teams : bool, optional
        Whether a thread without a job helps with the job that has the most work left per thread. The default is True
        without a cluster; threads of a cluster do not form teams.
    team_efficiency : float, default 0.57
        The speed that each further thread adds to a job, 0 to 1: a team of s threads is
        ``1 + (s - 1) * team_efficiency`` times as fast as one thread.
    noise : float, default 0.0
        Noise of the real seconds of jobs, 0 to 10. Real seconds are the costs times a lognormal factor with mean 1,
        drawn with `random_state` for each job. `noise` is the standard deviation of the factor's logarithm; with 0.1
        the seconds vary by about 10 %.
    cluster : Cluster, optional
        The network between the coordinator and many processes, with its latency and bandwidths, the bytes that are
        sent, and the time that decisions take. By default all threads are in one process, and decisions are free.
    random_state : int, default 0
        The seed of all draws.

    Returns
    -------
    Simulation
        Makespan, utilization, speed-up and their bounds for each number of threads. With a cluster, the rows also have
        the bytes sent and the busy times of the coordinator and the lines.

    Raises
    ------
    SettingError
        An argument is not allowed; the message names the argument, its value and the allowed values.

    Notes
    -----
    The simulation runs the ladder and the clock of the tuner itself, not a copy of their rules. A million candidates
    take a few seconds per number of threads. W is the work of all jobs, D the longest chain of one candidate's jobs,
    and p the number of threads. No schedule takes less than ``W / p``, and without teams none takes less than D.

    Examples
    --------
    >>> import ash
    >>> ash.simulate(128, threads=[1, 8], teams=False)
    128 candidates, eta 2, ash, reproducible with 32 workers, no teams
    work W 896, longest chain D 127
    <BLANKLINE>
    threads  makespan  speed-up    busy       W/p  max(W/p, D)  SH, barriers
          1  896.0000    1.0000  1.0000  896.0000     896.0000      896.0000
          8  180.0000    4.9778  0.6222  112.0000     127.0000      176.0000
    """
    ladder = ladder_settings(
        candidates, eta=eta, min_epochs=min_epochs, max_rungs=max_rungs, algorithm=algorithm, promotion=promotion
    )
    settings = _settings(
        virtual_workers=virtual_workers,
        schedule=schedule,
        order=order,
        teams=_teams(teams, cluster),
        team_efficiency=team_efficiency,
        noise=noise,
        random_state=random_state,
    )
    counts = _threads(threads)
    check_room("candidates", ladder["candidates"], _CANDIDATE_BYTES, "simulate fewer candidates")
    tables = {
        "costs": _amounts("costs", 1.0 if costs is None else costs, ladder, settings["seed"], "seconds", zero=False),
        "scores": None if scores is None else _table("scores", scores, ladder),
    }
    return _simulation(ladder, settings, tables, counts, cluster)


def simulate_result(result: "History", threads: int | Sequence[int] = THREADS, **changes: Any) -> Simulation:
    """Simulate a run with its own costs and scores; see `Result.simulate`, and `recorded_jobs` for unrecorded jobs.

    By default teams are simulated if the run had teams. The recorded core seconds then include the overhead of sharing
    jobs, so the default `team_efficiency` is 1. If the run had no teams, the default is `TEAM_EFFICIENCY`. A team has
    at most as many threads as the candidate's recorded `team_limit`. If the ladder and the schedule are unchanged, the
    simulation makes the same decisions as a completed reproducible run. A run that was stopped early, or that drew its
    candidates from a stream, is simulated until all its candidates are done.

    Raises
    ------
    SettingError
        An argument is unknown, or must not differ from the run.
    """
    options = result.options
    of_run = ("max_rungs", "algorithm", "promotion", "max_total_epochs", "stop_score", "patience")
    rule = {name: getattr(options, name) for name in of_run}
    other: dict[str, Any] = {"virtual_workers": decided_workers(options), "schedule": options.schedule}
    shared = bool((result.columns["team"] > 1).any())
    other |= {"teams": None, "team_efficiency": 1.0 if shared else TEAM_EFFICIENCY}
    other |= {"order": "finish", "noise": 0.0, "cluster": None, "random_state": 0}
    for name, value in changes.items():
        if name not in rule and name not in other:
            reason = "is taken from the run" if name in _FROM_THE_RUN else "is not known"
            raise SettingError(f"{name}={value!r} {reason}: only {', '.join([*rule, *other])} can be changed")
    own_rule = rule
    rule = rule | {name: changes[name] for name in rule if name in changes}
    other |= {name: changes[name] for name in other if name in changes}
    cluster = other.pop("cluster")
    other["teams"] = _teams(other["teams"], cluster, shared)
    eta, min_epochs = options.eta, options.min_epochs
    ladder = ladder_settings(len(result.params), eta=eta, min_epochs=min_epochs, **rule)
    if getattr(options, "direction", None) == MINIMIZE:  # recorded scores are negated
        ladder["stop_score"] = -ladder["stop_score"]
    of_options = ladder_settings(result.ladder[0]["places"], eta=eta, min_epochs=min_epochs, **own_rule)
    if (rungs := given_rungs(result, _epochs(of_options))) is not None:
        ladder["rungs"] = rungs[: rule["max_rungs"]]
    settings, counts = _settings(**other), _threads(threads)
    check_room("candidates", ladder["candidates"], _CANDIDATE_BYTES, "simulate fewer candidates")
    tables = recorded_jobs(result.ranking, len(result.params), _epochs(ladder))
    return _simulation(ladder, settings, tables, counts, cluster)


def given_rungs(result: "History", epochs: Sequence[int]) -> list[tuple[int, int]] | None:
    """Return the places and epochs of a run's rungs, or None if they follow from the options without `max_epochs`.

    `epochs` are those of each rung in the ladder that follows from the run's options. If the run did not draw all its
    candidates, or if it eliminated none, each rung has as many places as its candidates can fill.
    """
    own = [rung["epochs"] for rung in result.ladder]
    if own == list(epochs) and getattr(result.options, "max_epochs", None) is None:
        return None
    count, eta, is_random = len(result.params), result.options.eta, result.options.algorithm == "random"
    places = [rung["places"] for rung in result.ladder]
    if count < places[0] or is_random:
        places = [max(int(is_random), count // eta**rung) for rung in range(len(own))]
    return [(place, each) for place, each in zip(places, own, strict=True) if place]


def _simulation(
    ladder: LadderSettings,
    settings: dict[str, Any],
    tables: dict[str, Any],
    threads: Sequence[int],
    cluster: Cluster | None,
) -> Simulation:
    elsewhere: dict[str, Any] = {}
    if cluster is not None:
        sizes = _amounts("state_bytes", cluster.state_bytes, ladder, settings["seed"], "bytes", zero=True)
        elsewhere = {"cluster": core_settings(cluster), "state_bytes": sizes}

    def run(count: int, **elsewhere: Any) -> tuple[dict[str, float], list[tuple[int, float]]]:
        totals, rungs, _ = _core.simulate(**ladder, **settings, **tables, **elsewhere, threads=count)
        return totals, rungs

    runs = {count: run(count, **elsewhere) for count in dict.fromkeys(threads)}
    alone, _ = runs[1] if cluster is None and 1 in runs else run(1)
    shown = {name: ladder[name] or None for name in ("max_rungs", "max_total_epochs", "patience")}
    own = {**ladder, **shown, **settings, "cluster": cluster}
    rows = [_row(count, *runs[count], alone["makespan"]) for count in threads]
    if cluster is not None:
        rows = [{**row, **_cluster_row(row, *runs[row["threads"]], own)} for row in rows]
    return Simulation(rows=rows, W=alone["work"], D=alone["chain"], settings=own)


def _row(threads: int, totals: dict[str, float], rungs: Sequence[tuple[int, float]], alone: float) -> dict[str, Any]:
    """Return the entries that a row has with and without a cluster.

    `rungs` has (jobs, seconds) of each rung. `alone` is the makespan on one thread without a cluster.
    """
    return {
        "threads": threads,
        "makespan": totals["makespan"],
        "utilization": totals["busy"] / (threads * totals["makespan"]),
        "speedup": alone / totals["makespan"],
        "bound": max(totals["work"] / threads, totals["chain"]),
        "work_per_thread": totals["work"] / threads,
        "halving": sum(seconds / min(jobs, threads) for jobs, seconds in rungs if jobs),
        "jobs": int(totals["jobs"]),
        "epochs": int(totals["epochs"]),
        "work": totals["work"],
        "chain": totals["chain"],
    }


def _cluster_row(
    row: dict[str, Any], totals: dict[str, float], rungs: Sequence[tuple[int, float]], settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the additional entries of a row for a cluster, including `bounded_by`."""
    cluster = settings["cluster"]
    reached = sum(1 for jobs, _ in rungs if jobs)
    latency = 2 * cluster.latency * max(reached, row["jobs"] / (row["threads"] * cluster.in_flight))
    own = {
        "processes": int(totals["processes"]),
        "bytes": totals["bytes"],
        "moves": int(totals["moves"]),
        **{"coordinator": totals["coordinator"], "line": totals["line"], "latency": latency},
    }
    bounds = {"work": row["work_per_thread"], "longest chain": row["chain"]}
    bounds |= {name: own[name] for name in ("coordinator", "line", "latency")}
    if settings["schedule"] == "reproducible":
        bounds["virtual_workers"] = row["work"] / settings["virtual_workers"]
    return {**own, "bounded_by": max(bounds, key=lambda name: bounds[name])}


def _teams(value: Any, cluster: Any, otherwise: bool = True) -> Any:
    """Check `cluster`, and return the setting `teams` with its default applied.

    Without a cluster, the value of `teams` is not checked here.
    """
    if cluster is None:
        return otherwise if value is None else value
    if not isinstance(cluster, Cluster):
        raise SettingError(f"cluster must be an ash.Cluster, or None, got {cluster!r}")
    if value is not None and value is not False:
        raise SettingError(
            f"teams={value!r} cannot be used with cluster=, whose threads form no teams: leave teams out"
        )
    return False


def _epochs(ladder: LadderSettings) -> list[int]:
    """Return, for each rung, the number of epochs that a job trains."""
    return [rung["epochs"] for rung in _core.Ladder(**ladder).rungs]


def _settings(**given: Any) -> dict[str, Any]:
    """Return the checked arguments that do not belong to the ladder, in the form that the core expects."""
    return {
        "virtual_workers": whole("virtual_workers", given["virtual_workers"], 1, MOST_WORKERS),
        "schedule": one_of("schedule", given["schedule"], SCHEDULES),
        "order": one_of("order", given["order"], ORDERS),
        "teams": yes_or_no("teams", given["teams"]),
        "team_efficiency": _number("team_efficiency", given["team_efficiency"], 1.0),
        "noise": _number("noise", given["noise"], MOST_NOISE),
        "seed": whole("random_state", given["random_state"], 0, LARGEST_SEED),
    }


def _number(name: str, value: Any, high: float) -> float:
    if not is_number(value) or not 0 <= value <= high:
        raise SettingError(f"{name} must be a number from 0 to {high:g}, got {value!r}")
    return float(value)


def _threads(value: Any) -> list[int]:
    if is_integer(value):
        return [whole("threads", value, 1, MOST_THREADS)]
    is_list = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes) and np.iterable(value)
    if not is_list or len(value) == 0:
        raise SettingError(
            f"threads must be an integer from 1 to {MOST_THREADS}, or a list of such integers, got {value!r}"
        )
    return [whole("threads", count, 1, MOST_THREADS) for count in value]


def _amounts(name: str, value: Any, ladder: LadderSettings, seed: int, unit: str, *, zero: bool) -> Table:
    """Return seconds or bytes as a checked array: [1] for a number, else the shape that `_table` returns.

    `value` may be a number, an array, a distribution or a callable. Values must be finite, and positive unless `zero`
    is allowed.
    """
    candidates = ladder["candidates"]
    if is_number(value):
        table = np.array([float(value)])
    else:
        if hasattr(value, "rvs"):
            value = value.rvs(size=candidates, random_state=np.random.default_rng(seed))
        elif callable(value):
            value = value(np.random.default_rng(seed), candidates)
        table = _table(name, value, ladder)
    wrong = ~(table <= MOST_AMOUNT) | (table < 0 if zero else table <= 0)
    if wrong.any():
        allowed = "finite and not negative" if zero else "positive and finite"
        if MOST_AMOUNT < table[wrong][0] < np.inf:
            allowed = f"at most {MOST_AMOUNT:g}"
        raise SettingError(f"{name} must be {unit} that are {allowed}, got {float(table[wrong][0])!r}")
    return table


def _table(name: str, value: Any, ladder: LadderSettings) -> Table:
    """Return a C-ordered float64 array of shape (candidates,) or (candidates, rungs)."""
    candidates, rungs = ladder["candidates"], len(_epochs(ladder))
    allowed = f"numbers of shape ({candidates},) or ({candidates}, {rungs})"
    try:
        table = np.ascontiguousarray(value, dtype=np.float64)
    except (OverflowError, TypeError, ValueError):
        raise SettingError(f"{name} must be {allowed}, got {value!r}") from None
    if np.shape(value) not in ((candidates,), (candidates, rungs)):
        raise SettingError(f"{name} must be {allowed}, got shape {np.shape(value)}")
    return table


def recorded_jobs(columns: Columns, candidates: int, epochs: Sequence[int]) -> dict[str, Table]:
    """Return the times and results of all jobs; those of unrecorded jobs are estimated.

    A recorded job takes its recorded `core_seconds`. Its virtual cost is the recorded one or, after a greedy run, its
    `core_seconds`. An unrecorded job takes its epochs times the seconds per epoch of the candidate's other jobs. Its
    score and loss are those of the candidate's job in the highest recorded rung. A candidate without recorded jobs gets
    the medians over the other candidates, and the median team limit of all recorded jobs.

    Parameters
    ----------
    columns : dict of str to ndarray
        `Result.columns`: candidate, rung, epochs, core_seconds, virtual_start, virtual_end, score, loss, diverged,
        team_limit.
    candidates : int
        Number of candidates, which are the rows of the tables.
    epochs : sequence of int
        The epochs of a job in each rung; rungs are the columns of the tables. Records of rungs above these are used
        only to estimate unrecorded jobs.

    Returns
    -------
    dict of str to float64 array
        Arguments of `_core.simulate`: virtual `costs`, real `seconds`, `scores` and `losses` [candidates, rungs], and
        `team_limits` [candidates], the maximum number of threads that share a job.
    """
    seconds = np.maximum(columns["core_seconds"], _SHORTEST)
    virtual = columns["virtual_end"] - columns["virtual_start"]
    costs = virtual if (virtual > 0).all() else seconds
    diverged = columns["diverged"].astype(bool)
    limits = np.full(candidates, np.floor(np.median(columns["team_limit"])))
    limits[columns["candidate"]] = columns["team_limit"]
    return {
        "costs": _durations(columns, costs, candidates, epochs),
        "seconds": _durations(columns, seconds, candidates, epochs),
        "scores": _results(columns, np.where(diverged, np.nan, columns["score"]), candidates, len(epochs)),
        "losses": _results(columns, np.where(diverged, np.nan, columns["loss"]), candidates, len(epochs)),
        "team_limits": limits,
    }


def _durations(columns: Columns, values: Table, candidates: int, epochs: Sequence[int]) -> Table:
    total = np.bincount(columns["candidate"], values, candidates)
    trained = np.bincount(columns["candidate"], columns["epochs"], candidates)
    known = trained > 0
    an_epoch = np.full(candidates, np.median(total[known] / trained[known]))
    an_epoch[known] = total[known] / trained[known]
    table = an_epoch[:, None] * np.asarray(epochs, np.float64)
    _put(table, columns, values)
    return table


def _results(columns: Columns, values: Table, candidates: int, rungs: int) -> Table:
    latest = np.full(candidates, np.nan)
    upwards = np.argsort(columns["rung"], kind="stable")  # so that the highest rung is assigned last
    latest[columns["candidate"][upwards]] = values[upwards]
    finite = latest[np.isfinite(latest)]
    latest[np.bincount(columns["candidate"], minlength=candidates) == 0] = np.median(finite) if len(finite) else 0.0
    table = np.repeat(latest[:, None], rungs, axis=1)
    _put(table, columns, values)
    return table


def _put(table: Table, columns: Columns, values: Table) -> None:
    """Write the values of recorded jobs into the table, except for rungs that the table does not have."""
    here = columns["rung"] < table.shape[1]
    table[columns["candidate"][here], columns["rung"][here]] = values[here]


@dataclass(frozen=True)
class Speedups:
    """The speed-ups of a run for each number of threads, simulated with `ash.simulate`; see `Result.plot_scaling`.

    Attributes
    ----------
    threads : list of int
        Numbers of threads. These are also the upper bounds of the speed-up with teams, W divided by W/p.
    bound, halving, alone : list of float
        `bound` is the upper bound without teams, W divided by max(W/p, D). `halving` is an upper bound of the speed-up
        of successive halving with barriers. `alone` is the speed-up of the run's schedule without teams.
    shared : list of float or None
        The speed-up of the run's schedule with teams, whose `team_efficiency` is TEAM_EFFICIENCY; None if teams were
        turned off.
    measured : float
        The measured speed-up of the run on its own number of threads: `core_seconds / wall_seconds`.
    """

    threads: list[int]
    bound: list[float]
    halving: list[float]
    alone: list[float]
    shared: list[float] | None
    measured: float


def speedups_of(result: "History", threads: int | Sequence[int] | None = None) -> Speedups:
    """Return the speed-ups for the given numbers of threads (default: powers of two) and for the run's, ascending."""
    counts = sorted({*_threads(THREADS if threads is None else threads), result.threads})
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
    """Return, for each row, the speed-up: the work W divided by the seconds in the column `name`."""
    return [row["threads"] * row["work_per_thread"] / row[name] for row in rows]
