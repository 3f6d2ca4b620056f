"""Runs on a Dask cluster with faults, and their outcomes.

    python cluster_runs.py --kills 50 --mode segfault     workers die at random
    python cluster_runs.py --seconds 20                   the connection to the scheduler is interrupted for 20 seconds

Prints JSON. `unlike` counts runs whose digest differs from that of a run on threads. `wrong` counts runs whose journal
differs from that of a run on threads: an additional job, a missing job, or a job with other results.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ash

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from callback_help import After
from cluster_help import cluster, jobs_in
from executor_help import tuned

SETTINGS: dict[str, Any] = {"candidates": 64, "min_epochs": 8}
LIFE = "3 s"
"""The average lifetime of a worker."""
WORKERS = 2
AFTER = 9
"""The number of jobs after which a run is about half done."""


class Runs:
    def __init__(self, folder: Path) -> None:
        self.folder, self.count, self.unlike, self.wrong = folder, 0, 0, 0
        self.digest, self.jobs = self._run(n_jobs=2)

    def add(self, executor: Any, *callbacks: ash.Callback) -> None:
        self.compare(*self._run(executor=executor, callbacks=callbacks))

    def compare(self, digest: str, jobs: list[Any]) -> None:
        self.count += 1
        self.unlike += digest != self.digest
        self.wrong += jobs != self.jobs

    def told(self) -> dict[str, int]:
        return {"runs": self.count, "jobs": len(self.jobs), "unlike": self.unlike, "wrong": self.wrong}

    def path(self) -> Path:
        return self.folder / f"{len(list(self.folder.iterdir()))}.ash"

    def _run(self, **given: Any) -> tuple[str, list[Any]]:
        path = self.path()
        return tuned(journal=path, **SETTINGS, **given).digest, jobs_in(path)


def killed(kills: int, mode: str) -> dict[str, Any]:
    """Start runs until `kills` workers have died during them."""
    import distributed
    from distributed.chaos import KillWorker
    from distributed.diagnostics.plugin import SchedulerPlugin

    class Lost(SchedulerPlugin):
        count = 0

        def remove_worker(self, *given: Any, **more: Any) -> None:
            self.count += 1

    shape = {"n_workers": WORKERS, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    lost, during = Lost(), 0
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(Path(folder))
        with distributed.LocalCluster(**shape) as local, distributed.Client(local, set_as_default=False) as client:
            client.wait_for_workers(WORKERS)
            local.adapt(minimum=WORKERS, maximum=WORKERS)  # otherwise a worker that exits is not restarted
            local.scheduler.add_plugin(lost)
            client.register_plugin(KillWorker(delay=LIFE, mode=mode), name="kill")
            while during < kills:
                before = lost.count
                runs.add(client)
                during += lost.count - before
    return {"mode": mode, "kills": during, **runs.told()}


def held(seconds: float) -> dict[str, Any]:
    """Do a run in which, about halfway, no data pass to or from the scheduler for this many seconds."""
    import distributed

    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as file:
        runs = Runs(Path(folder))
        with (
            cluster(Path(file), WORKERS) as started,
            distributed.Client(started.wire.address, set_as_default=False) as client,
        ):
            client.wait_for_workers(WORKERS, timeout=60)
            began = time.monotonic()
            runs.add(client, After(AFTER, lambda run: started.wire.hold(seconds)))
            took = time.monotonic() - began
    return {"held": seconds, "seconds": took, **runs.told()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int)
    parser.add_argument("--mode", choices=("segfault", "sys.exit"), default="segfault")
    parser.add_argument("--seconds", type=float)
    given = parser.parse_args()
    print(json.dumps(held(given.seconds) if given.kills is None else killed(given.kills, given.mode)))


if __name__ == "__main__":
    main()
