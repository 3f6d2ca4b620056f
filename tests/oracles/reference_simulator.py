"""A run on threads in plain Python, over the rules of reference.py: the oracle for the simulator.

The reproducible schedule is told quite differently from the core's. First the ladder is run on its virtual workers
alone, as if every job took just its cost: that settles which tasks there are, the order in which they are decided, and
how many must be decided before each can begin. Only then threads execute this plan.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from reference import Job, ReferenceLadder

Number = Callable[[Job], float]
Outcome = Callable[[Job], tuple[float, float]]


@dataclass(frozen=True)
class Task:
    """A job that was planned; `after` counts the results that must be known before."""

    job: Job
    worker: int = 0
    start: float = 0.0
    finish: float = 0.0
    after: int = 0


class Greedy:
    """A decision the moment a job ends."""

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
    """A plan made in virtual time, of which whatever is allowed by now may be executed."""

    def __init__(self, ladder: ReferenceLadder, outcome: Outcome, cost: Number, workers: int, order: str) -> None:
        self.tasks, self.decisions = plan(ladder, outcome, cost, workers)
        self.ended: set[Job] = set()
        keys = {"finish": lambda t: (t.finish, t.start, t.worker), "start": lambda t: (t.start, t.finish, t.worker)}
        keys["rung"] = lambda t: (-t.job.rung, t.finish, t.worker)
        self.key = keys[order]

    @property
    def decided(self) -> list[Job]:
        """Return the longest beginning of the decisions whose jobs have all ended."""
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
    """Return all tasks in order of beginning, and in order of decision."""
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
    """A task on a thread, the seconds of work that are left, and who helps."""

    task: Task
    thread: int
    start: float
    left: float
    helpers: set[int] = field(default_factory=set)
    team: int = 1
    most: int = 1  # members

    def rate(self, efficiency: float) -> float:
        return 1 + len(self.helpers) * efficiency

    @property
    def members(self) -> int:
        return 1 + len(self.helpers)


@dataclass
class Threads:
    """Who does what; everything is computed anew at each event."""

    count: int
    efficiency: float | None  # None: no teams
    most: Callable[[Job], int] | None = None  # members of a team; None: all threads
    now: float = 0.0
    busy: float = 0.0
    running: dict[int, Execution] = field(default_factory=dict)
    jobs: dict[Job, tuple[int, float, float, int]] = field(default_factory=dict)  # thread, start, end, team

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
        """Return the threads that neither have a job nor help in one."""
        helping = {helper for job in self.running.values() for helper in job.helpers}
        return [thread for thread in range(self.count) if thread not in self.running and thread not in helping]

    def join(self, thread: int) -> None:
        """Help where most is left for each member, and one more is taken; of equals, the job of the highest thread."""

        def need(job: Execution) -> tuple[float, int]:
            return job.left / job.members, job.thread

        job = max((job for job in self.running.values() if job.members < job.most), key=need, default=None)
        if job is not None:
            job.helpers.add(thread)
            job.team = max(job.team, job.members)
