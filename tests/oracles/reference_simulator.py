"""Simulates runs on threads and clusters in plain Python, as oracles for ash's simulator.

The simulations use the ladder of reference.py. The reproducible schedule is computed in another way than in the core.
First only the ladder is run, on virtual workers, as if the time of every job were its cost. This gives a plan: the
tasks, the order of their decisions, and the number of decisions that each task must wait for. Then the threads execute
the plan.

No value is stored that can be recomputed. A line of a cluster stores all messages that ever entered it, and each query
recomputes the times of their passage. Each query counts vacancies and idle threads again, over all jobs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reference import Job, ReferenceLadder

Number = Callable[[Job], float]
Outcome = Callable[[Job], tuple[float, float]]


@dataclass(frozen=True)
class Task:
    """A planned job; `after` is the number of results that must be known before the task starts."""

    job: Job
    worker: int = 0
    start: float = 0.0
    finish: float = 0.0
    after: int = 0


class Greedy:
    """The greedy plan: the next decision is made as soon as a job ends."""

    def __init__(self, ladder: ReferenceLadder, outcome: Outcome) -> None:
        self.ladder, self.outcome = ladder, outcome
        self.decided: list[Job] = []

    def next(self) -> Task | None:
        job = self.ladder.next()
        return None if job is None else Task(job)

    def finish(self, task: Task) -> None:
        self.ladder.report(task.job, *self.outcome(task.job))
        self.decided.append(task.job)


class Planned:
    """A plan made in virtual time. A task may be executed once enough earlier results are known."""

    def __init__(self, ladder: ReferenceLadder, outcome: Outcome, cost: Number, workers: int, order: str) -> None:
        self.tasks, self.decisions = plan(ladder, outcome, cost, workers)
        self.ended: set[Job] = set()
        keys = {"finish": lambda t: (t.finish, t.start, t.worker), "start": lambda t: (t.start, t.finish, t.worker)}
        keys["rung"] = lambda t: (-t.job.rung, t.finish, t.worker)
        self.key = keys[order]

    @property
    def decided(self) -> list[Job]:
        """Return the jobs of the longest prefix of the decisions in which all jobs have ended."""
        for count, task in enumerate(self.decisions):
            if task.job not in self.ended:
                return [each.job for each in self.decisions[:count]]
        return [each.job for each in self.decisions]

    def next(self) -> Task | None:
        known = len(self.decided)
        task = min((task for task in self.tasks if task.after <= known), key=self.key, default=None)
        if task is not None:
            self.tasks.remove(task)
        return task

    def finish(self, task: Task) -> None:
        self.ended.add(task.job)


def plan(ladder: ReferenceLadder, outcome: Outcome, cost: Number, workers: int) -> tuple[list[Task], list[Task]]:
    """Run the ladder in virtual time; return its tasks in two lists: in order of start, and in order of decision."""
    tasks: list[Task] = []
    decisions: list[Task] = []
    running: dict[int, Task] = {}
    now = 0.0
    while True:
        for worker in range(workers):
            job = ladder.next() if worker not in running else None
            if job is not None:
                running[worker] = Task(job, worker, now, now + cost(job), len(decisions))
                tasks.append(running[worker])
        if not running:
            return tasks, decisions
        task = min(running.values(), key=lambda each: (each.finish, each.worker))
        del running[task.worker]
        now = task.finish
        ladder.report(task.job, *outcome(task.job))
        decisions.append(task)


@dataclass
class Execution:
    """A task on a thread, its remaining seconds of work, and the threads that help."""

    task: Task
    thread: int
    start: float
    left: float
    helpers: set[int] = field(default_factory=set)
    team: int = 1
    most: int = 1  # maximum number of members, including the task's own thread

    def rate(self, efficiency: float) -> float:
        return 1 + len(self.helpers) * efficiency

    @property
    def members(self) -> int:
        return 1 + len(self.helpers)


@dataclass
class Threads:
    """Runs tasks on threads; everything is recomputed at each event."""

    count: int
    efficiency: float | None  # None if there are no teams
    most: Callable[[Job], int] | None = None  # largest team for a job; None for all threads
    now: float = 0.0
    busy: float = 0.0
    running: dict[int, Execution] = field(default_factory=dict)
    jobs: dict[Job, tuple[int, float, float, int]] = field(default_factory=dict)  # thread, start, end, team size

    def run(self, clock: Greedy | Planned, seconds: Number) -> None:
        self.employ(clock, seconds)
        while self.running:
            self.end_first(clock)
            self.employ(clock, seconds)

    def end_first(self, clock: Greedy | Planned) -> None:
        efficiency = self.efficiency or 0.0
        ends = {thread: job.left / job.rate(efficiency) for thread, job in self.running.items()}
        first = min(ends, key=lambda thread: (ends[thread], thread))
        passed = ends[first]
        for job in self.running.values():
            job.left -= passed * job.rate(efficiency)
            self.busy += passed * job.members
        self.now += passed
        job = self.running.pop(first)
        self.jobs[job.task.job] = (first, job.start, self.now, job.team)
        clock.finish(job.task)

    def employ(self, clock: Greedy | Planned, seconds: Number) -> None:
        while True:
            free = self.idle()
            helping = sorted(helper for job in self.running.values() for helper in job.helpers)
            task = clock.next() if free or helping else None
            if task is None:
                break
            thread = (free or helping)[0]
            for job in self.running.values():
                job.helpers.discard(thread)
            most = self.count if self.most is None else self.most(task.job)
            self.running[thread] = Execution(task, thread, self.now, seconds(task.job), most=most)
        if self.efficiency is not None and self.running:
            for thread in self.idle():
                self.join(thread)

    def idle(self) -> list[int]:
        """Return the threads that neither run a job nor help another thread."""
        helping = {helper for job in self.running.values() for helper in job.helpers}
        return [thread for thread in range(self.count) if thread not in self.running and thread not in helping]

    def join(self, thread: int) -> None:
        """Help the job with the most work left per member, among jobs with incomplete teams (ties: last thread)."""

        def need(job: Execution) -> tuple[float, int]:
            return job.left / job.members, job.thread

        job = max((job for job in self.running.values() if job.members < job.most), key=need, default=None)
        if job is not None:
            job.helpers.add(thread)
            job.team = max(job.team, job.members)


# Clusters


@dataclass
class Line:
    """One direction of a network line, with all messages that entered it in order: (time of entering, bytes)."""

    bandwidth: float
    entered: list[tuple[float, float]] = field(default_factory=list)

    def passed(self) -> list[tuple[float, float]]:
        """Return, for each message, the times at which its passage starts and ends."""
        times: list[tuple[float, float]] = []
        for came, size in self.entered:
            begin = max(times[-1][1] if times else 0.0, came)
            times.append((begin, begin + size / self.bandwidth))
        return times

    def enter(self, now: float, size: float) -> float:
        """Add a message and return the time at which it has passed; a message without bytes does not wait."""
        if size == 0:
            return now
        self.entered.append((now, size))
        return self.passed()[-1][1]

    def busy(self, now: float) -> float:
        return sum(max(0.0, min(end, now) - min(begin, now)) for begin, end in self.passed())


@dataclass
class Process:
    number: int
    threads: list[int]
    into: Line
    out: Line
    data: float = 0.0


@dataclass
class Flight:
    """A job of a cluster, from its dispatch until its result is known."""

    task: Task
    process: Process
    number: int
    stage: str  # arriving, waiting, running, returning
    until: float  # time at which the stage ends; for a waiting job, the time of its arrival
    thread: int = -1
    start: float = 0.0
    end: float = 0.0


RANKS = {"returning": 0, "free": 1, "arriving": 2, "running": 3}


@dataclass
class Cluster:
    """Simulates a run on a cluster, with the settings of the core's `Cluster`."""

    threads: int
    settings: dict[str, Any]
    state: Callable[[Job], float]
    now: float = 0.0
    busy: float = 0.0
    bytes: float = 0.0
    moves: int = 0
    given: int = 0
    free_at: float = 0.0
    flights: list[Flight] = field(default_factory=list)
    homes: dict[int, Process] = field(default_factory=dict)
    jobs: dict[Job, tuple[int, float, float]] = field(default_factory=dict)  # thread, start, end

    def __post_init__(self) -> None:
        own = self.settings
        self.into, self.out = Line(own["bandwidth"]), Line(own["bandwidth"])
        numbers = [
            list(range(first, min(first + own["threads_per_process"], self.threads)))
            for first in range(0, self.threads, own["threads_per_process"])
        ]
        width = own["process_bandwidth"]
        self.processes = [Process(k, each, Line(width), Line(width)) for k, each in enumerate(numbers)]

    def run(self, clock: Greedy | Planned, seconds: Callable[[Job], float]) -> None:
        self.send_data()
        self.give_out(clock)
        while self.flights:
            moving = [each for each in self.flights if each.stage != "waiting"]
            events = [(each.until, RANKS[each.stage], self.tie(each), each) for each in moving]
            if self.free_at > self.now:
                events.append((self.free_at, RANKS["free"], 0, None))
            self.now, _, _, flight = min(events, key=lambda event: event[:3])
            if flight is not None:
                self.go_on(flight, clock)
            self.start_waiting(seconds)
            self.give_out(clock)
            self.start_waiting(seconds)

    def tie(self, flight: Flight) -> int:
        return flight.number if flight.stage == "arriving" else flight.thread

    def send(self, out: Line, into: Line, now: float, size: float) -> float:
        self.bytes += size
        return max(out.enter(now, size), into.enter(now, size)) + self.settings["latency"]

    def send_data(self) -> None:
        """Distribute the data in rounds; in each, every process that has the data sends them to another process."""
        holders: list[tuple[Line, float, Process | None]] = [(self.out, 0.0, None)]
        missing = list(self.processes) if self.settings["data_bytes"] else []
        while missing:
            for out, since, _ in list(holders):
                if missing:
                    to = missing.pop(0)
                    to.data = self.send(out, to.into, since, self.settings["data_bytes"])
                    holders.append((to.out, to.data, to))

    def vacancies(self, process: Process) -> int:
        flying = sum(1 for each in self.flights if each.process is process)
        return self.settings["in_flight"] * len(process.threads) - flying

    def give_out(self, clock: Greedy | Planned) -> None:
        while self.free_at <= self.now and any(self.vacancies(each) > 0 for each in self.processes):
            task = clock.next()
            if task is None:
                return
            home = self.homes.get(task.job.candidate)
            to = max(self.processes, key=lambda each: (self.vacancies(each), -each.number))
            if self.settings["states_stay"] and home is not None and self.vacancies(home) > 0:
                to = home
            self.free_at = self.now + self.settings["decision_seconds"]
            arrival = max(self.arrival(task.job, home, to), to.data)
            self.flights.append(Flight(task, to, self.given, "arriving", arrival))
            self.given += 1

    def arrival(self, job: Job, home: Process | None, to: Process) -> float:
        told = self.free_at + self.settings["latency"]
        if home is None:
            return told
        size = self.state(Job(job.candidate, job.rung - 1, 0))
        if not self.settings["states_stay"]:
            return self.send(self.out, to.into, self.free_at, size)
        if home is to:
            return told
        self.moves += 1
        return self.send(home.out, to.into, told, size)

    def go_on(self, flight: Flight, clock: Greedy | Planned) -> None:
        if flight.stage == "arriving":
            flight.stage = "waiting"
        elif flight.stage == "running":
            flight.stage, flight.end = "returning", self.now
            self.busy += flight.end - flight.start
            self.homes[flight.task.job.candidate] = flight.process
            if self.settings["states_stay"]:
                flight.until = self.now + self.settings["latency"]
            else:
                size = self.state(flight.task.job)
                flight.until = self.send(flight.process.out, self.into, self.now, size)
        else:
            self.flights.remove(flight)
            self.jobs[flight.task.job] = (flight.thread, flight.start, flight.end)
            clock.finish(flight.task)

    def start_waiting(self, seconds: Callable[[Job], float]) -> None:
        """Let idle threads start the jobs that wait at their process, first come, first served."""
        for flight in sorted(self.flights, key=lambda each: (each.until, each.number)):
            taken = {each.thread for each in self.flights if each.stage == "running"}
            idle = [thread for thread in flight.process.threads if thread not in taken]
            if flight.stage == "waiting" and idle:
                flight.stage, flight.thread, flight.start = "running", idle[0], self.now
                flight.until = self.now + seconds(flight.task.job)

    def line(self) -> float:
        """Return the busy seconds of the busiest line in one direction."""
        ways = [self.into, self.out, *(way for each in self.processes for way in (each.into, each.out))]
        return max(way.busy(self.now) for way in ways)
