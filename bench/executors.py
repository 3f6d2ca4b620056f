"""What it costs to have jobs done elsewhere, and what is left of a run whose workers die: the same digests everywhere.

    places      128 digit networks in threads of this process, and in two workers of each kind of executor, open already
                (Dask: two processes of this machine; MPI: mpiexec -n 3, or -n 2 and two threads in a rank;
                own processes each time, the second run in them)
    traffic     what is sent for that run, in bytes
    decisions   jobs that do nothing: what deciding and carrying take
    faults      workers of Dask that die at random; a wire to its scheduler that is dead for 20 seconds; hosts, each a
                network namespace, whose frames are late or lost, and of which one is cut off for 20 seconds

Overhead is the ratio of the medians of paired runs, against two threads without teams. Required: equal digests in all,
20,000 decisions a second, and nothing wrong after faults. What favours us: one machine, whose wire is its memory. What
does not: two cores, which the process that decides has to share with the workers.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from bench import executors_coordinator
from bench.executors_places import PLACES, WORKERS, missing, once, opened
from bench.figures import interleaved, shown, spread, verdict
from bench.machine import ROOT
from bench.sections import Section, Table
from bench.suite import Bench, Case, Options

CANDIDATES, QUICK_CANDIDATES = 128, 16
ROUNDS, QUICK_ROUNDS = 5, 1
JOBS, QUICK_JOBS = 20_000, 1_000
KILLS, QUICK_KILLS = 25, 1
HELD, QUICK_HELD = 20.0, 1.0
LEAST_RATE = 20_000.0
HERE = {"1 thread": {"threads": 1}, "2 threads": {"threads": 2}, "2 threads, no teams": {"threads": 2, "teams": False}}
BASE = "2 threads, no teams"
SENT = ("jobs", "results", "states out", "states back", "states moved")


def overhead(place: str, candidates: int, rounds: int) -> dict[str, Any]:
    """Time a place and threads here in turns; ends where a digest differs."""
    if (why := missing(place)) is not None:
        return {"skipped": why}
    here = partial(once, candidates, **HERE[BASE])
    here()
    if place in HERE:
        return _compared({BASE: here, place: partial(once, candidates, **HERE[place])}, place, rounds)
    with opened(place, candidates) as run:
        return _compared({BASE: here, place: run}, place, rounds)


def _compared(runs: Mapping[str, Any], place: str, rounds: int) -> dict[str, Any]:
    found = interleaved(runs, rounds)
    digests = {each["digest"] for values in found.values() for each in values}
    if len(digests) > 1:
        raise SystemExit(f"{place}: another digest than in threads here: nothing to time")
    seconds = {name: [each["seconds"] for each in values] for name, values in found.items()}
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {"digest": digests.pop(), "seconds": spread(seconds[place]), "overhead": medians[place] / medians[BASE]}


def traffic(place: str, candidates: int) -> dict[str, Any]:
    """Count what is sent to a place and back; ends where data went to a process twice, or not at all."""
    if (why := missing(place)) is not None:
        return {"skipped": why}
    with opened(place, candidates, count=True) as run:
        found = run()
    if found["digest"] != once(candidates, threads=1)["digest"]:
        raise SystemExit(f"{place}: another digest than in threads here: nothing to count")
    data = [name for name in ("file", "broadcast", "scattered") if found.get(name)]
    once_each = found[data[0]] == 1 and found.get("data", 0) == 0 and found["processes"] <= WORKERS
    if not once_each or (data == ["scattered"] and found.get("copied", 0) > WORKERS - 1):
        raise SystemExit(f"{place}: data were sent more than once to a process: {found}")
    return {**found, "way": data[0]}


def faults(*words: str) -> dict[str, Any]:
    """Make runs of tests/cluster_runs.py."""
    if find_spec("distributed") is None:
        return {"skipped": "distributed is not installed"}
    command = [sys.executable, "cluster_runs.py", *words]
    done = subprocess.run(command, cwd=ROOT / "tests", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"runs on a cluster: {done.stderr.strip()[-1000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def bench(options: Options) -> Bench:
    """Make a case of each place, of what it sends, of decisions, and of each fault."""
    quick = options.quick
    candidates, rounds = (QUICK_CANDIDATES, QUICK_ROUNDS) if quick else (CANDIDATES, ROUNDS)
    cases = [Case(f"place {name}", partial(overhead, name, candidates, rounds)) for name in (*HERE, *PLACES)]
    sending = [name for name in PLACES if name != "ThreadPoolExecutor"]
    cases += [Case(f"traffic {name}", partial(traffic, name, candidates)) for name in sending]
    jobs = QUICK_JOBS if quick else JOBS
    cases.append(Case("decisions", partial(executors_coordinator.measure, jobs, WORKERS, rounds)))
    kills, seconds = (QUICK_KILLS, QUICK_HELD) if quick else (KILLS, HELD)
    for mode in ("segfault", "sys.exit"):
        cases.append(Case(f"kills {mode}", partial(faults, "--kills", str(kills), "--mode", mode)))
    cases.append(Case("wire", partial(faults, "--seconds", str(seconds))))
    cases.append(Case("host", partial(faults, "--seconds", str(seconds), "--hosts")))
    packages = ("distributed", "loky", "mpi4py", "mpich", "scikit-learn")
    return Bench(cases, sections, packages=packages)


def sections(results: Mapping[str, Any]) -> Sequence[Section]:
    """Return the tables."""
    return [_places(results), _traffic(results), _decisions(results), _faults(results)]


def _of(results: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {key.removeprefix(kind).strip(): value for key, value in results.items() if key.startswith(kind)}


def _places(results: Mapping[str, Any]) -> Table:
    found = _of(results, "place ")
    digests = {value["digest"] for value in found.values() if "digest" in value}
    jobs = max((value.get("jobs", 0) for value in _of(results, "traffic ").values()), default=0)
    rows = []
    for name, value in found.items():
        if "skipped" in value:
            rows.append([name, value["skipped"], "", "", ""])
        else:
            same = "yes" if len(digests) == 1 else "NO"
            more = value["seconds"]["median"] * (1 - 1 / value["overhead"])
            a_job = f"{1e3 * more / jobs:.2f}" if jobs else "-"
            rows.append([name, shown(value["seconds"]), f"{value['overhead']:.2f}", a_job, same])
    note = (
        f"Overhead: seconds as a multiple of those of '{BASE}', measured in turns; ms a job: the difference by the "
        f"{jobs} jobs of the run."
    )
    return Table(
        "The same run in other places", ["place", "seconds", "overhead", "ms a job", "equal digests"], rows, note
    )


def _traffic(results: Mapping[str, Any]) -> Table:
    rows = []
    for name, value in _of(results, "traffic ").items():
        if "skipped" in value:
            rows.append([name, value["skipped"], *[""] * (1 + len(SENT))])
            continue
        data = f"{value[value['way'] + ' bytes']:,} ({value['way']})"
        sent = [f"{value.get(kind, 0):,}: {value.get(f'{kind} bytes', 0):,}" for kind in SENT]
        rows.append([name, data, str(value["processes"]), *sent])
    note = (
        "How many, and bytes of their pickles. Data: once to each process, by the way in brackets, which is checked; "
        "never with a job. States moved: between workers of Dask, as these have told, in bytes of their arrays; "
        "'back' has there what is fetched in the end."
    )
    header = ["place", "data, bytes", "processes", *SENT]
    return Table("Bytes sent for the same run", header, rows, note)


def _decisions(results: Mapping[str, Any]) -> Table:
    rows = []
    for value in _of(results, "decisions").values():
        names = {"mailbox": "a loop that answers the mailbox", "executor": f"ThreadPoolExecutor({value['threads']})"}
        for way, rate in value["rates"].items():
            held = verdict(rate["median"], ">=", LEAST_RATE)
            rows.append([names[way], f"{value['decisions']:,}", shown(rate, ",.0f"), held])
    header = ["jobs that do nothing, through", "decisions", "a second", "required"]
    return Table("Decisions a second of the process that decides", header, rows)


def _faults(results: Mapping[str, Any]) -> Table:
    found = [(f"workers killed, {mode}", each) for mode, each in _of(results, "kills ").items()]
    found += [(name, each) for name in ("wire", "host") for each in _of(results, name).values()]
    rows = []
    for name, value in found:
        if "skipped" in value:
            rows.append([name, value["skipped"], *[""] * 4])
            continue
        rows.append([name, _how_much(value), *(str(value[kind]) for kind in ("runs", "jobs", "unlike", "wrong"))])
    header = ["fault", "how much", "runs", "jobs of a run", "other digests", "wrong journals"]
    note = (
        "The last two must be 0: a journal is wrong that has a job too many, too few, twice or with other bits than "
        "that of threads. Workers live three seconds on average, by Dask's own KillWorker; counted are those that die "
        "during a run."
    )
    return Table("Runs on a cluster of Dask with faults", header, rows, note)


def _how_much(value: Mapping[str, Any]) -> str:
    if "kills" in value:
        return f"{value['kills']} workers"
    if "held" in value:
        return f"dead for {value['held']:g} s"
    return f"cut off for {value['cut']:g} s; frames {1000 * value['delay']:g} ms late, {100 * value['loss']:g} % lost"
