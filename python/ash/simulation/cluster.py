"""Contains `ash.Cluster`, which describes processes and the network between them for `ash.simulate`."""

import math
from dataclasses import dataclass
from typing import Any

from ash import _core
from ash._utils.checks import is_number, one_of, whole
from ash.errors import SettingError

STATES = ("stay", "travel")
MOST_IN_FLIGHT = 1024
"""The maximum number of jobs in flight per thread, which is enough to hide any realistic latency."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cluster:
    """Processes that are connected by lines to one coordinator, for `ash.simulate`; immutable.

    The coordinator receives results and sends the next jobs one at a time, taking `decision_seconds` for each job. Each
    line transmits one message at a time in each direction. A message arrives `latency` seconds after both the sender's
    line and the receiver's line have transmitted it. A job goes to the process that has its state if that process has
    room for another job, otherwise to the process with the most room. By default messages and decisions take no time.

    Parameters
    ----------
    threads_per_process : int, default 1
        Threads of each process; the last process has the remaining threads. `ash.simulate` takes the total number of
        threads.
    in_flight : int, default 1
        The maximum number of unfinished jobs per thread of a process, including the running job, 1 to 1024. With 2 the
        next job has already arrived when the running job ends.
    latency : float, default 0.0
        Seconds between the transmission of a message and its arrival, each way.
    bandwidth : float, optional
        Bytes per second of the coordinator's line, each way. Unlimited by default.
    process_bandwidth : float, optional
        Bytes per second of each process's line, each way. Unlimited by default.
    data_bytes : float, default 0.0
        Bytes that each process needs before its first job. Processes that have received these data pass them on to
        other processes.
    state_bytes : number, array, distribution or callable, default 0.0
        Bytes of a candidate's state after a job. An array of shape (candidates,) has one size per candidate. An array
        of shape (candidates, rungs) has one size per candidate and rung. Distributions and callables are used as for
        the argument ``costs`` of `ash.simulate`.
    states : {"stay", "travel"}, default "stay"
        "stay": a state stays on the process of its last job, and moves directly to another process if the next job runs
        there. "travel": a state is sent to the coordinator with each result, and back out with the next job.
    decision_seconds : float, default 0.0
        Seconds that the coordinator needs for each job.

    Raises
    ------
    SettingError
        An argument is not allowed; the message names the argument, its value and the allowed values.

    Examples
    --------
    >>> import ash
    >>> cluster = ash.Cluster(latency=0.005, decision_seconds=0.001)
    >>> found = ash.simulate(1024, costs=0.01, max_rungs=5, threads=[4, 64], virtual_workers=64, cluster=cluster)
    >>> [(row["threads"], row["bounded_by"]) for row in found.rows]
    [(4, 'work'), (64, 'coordinator')]
    """

    threads_per_process: int = 1
    in_flight: int = 1
    latency: float = 0.0
    bandwidth: float | None = None
    process_bandwidth: float | None = None
    data_bytes: float = 0.0
    state_bytes: Any = 0.0
    states: str = "stay"
    decision_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Check all fields except `state_bytes`, which is checked when the number of candidates and rungs is known."""
        whole("threads_per_process", self.threads_per_process, 1, 2**16)
        whole("in_flight", self.in_flight, 1, MOST_IN_FLIGHT)
        one_of("states", self.states, STATES)
        for name in ("latency", "data_bytes", "decision_seconds"):
            value = getattr(self, name)
            if not is_number(value) or value < 0:
                raise SettingError(f"{name} must be a number of at least 0, got {value!r}")
        for name in ("bandwidth", "process_bandwidth"):
            value = getattr(self, name)
            if value is not None and (not is_number(value) or value <= 0):
                raise SettingError(f"{name} must be bytes per second above 0, or None, got {value!r}")


def core_settings(cluster: Cluster) -> _core.Cluster:
    """Return the cluster in the form that the core expects, without `state_bytes`."""

    def width(value: float | None) -> float:
        return math.inf if value is None else float(value)

    return _core.Cluster(
        threads_per_process=int(cluster.threads_per_process),
        in_flight=int(cluster.in_flight),
        states_stay=cluster.states == "stay",
        latency=float(cluster.latency),
        bandwidth=width(cluster.bandwidth),
        process_bandwidth=width(cluster.process_bandwidth),
        data_bytes=float(cluster.data_bytes),
        decision_seconds=float(cluster.decision_seconds),
    )
