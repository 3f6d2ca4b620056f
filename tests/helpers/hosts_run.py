"""A run of digit networks on a cluster of Dask, by a program of its own, since it is to run on another host.

    python hosts_run.py SCHEDULER WORKERS JOURNAL SETTINGS      settings: JSON

Waits for so many workers. Prints a line for each job that has ended, in the end the digest, or why there is none.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import distributed

import ash
from executor_help import tuned


class Tell(ash.Callback):
    """Prints a line a job."""

    def on_job(self, job: Any, params: Any) -> None:
        print("job", flush=True)


def main() -> None:
    scheduler, workers, journal, settings = sys.argv[1:]
    with distributed.Client(scheduler, set_as_default=False, timeout=60) as client:
        client.wait_for_workers(int(workers), timeout=60)
        try:
            print(tuned(executor=client, journal=journal, callbacks=[Tell()], **json.loads(settings)).digest)
        except ash.ExecutorFailed as error:
            print(error)


if __name__ == "__main__":
    main()
