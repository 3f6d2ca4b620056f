"""The faults of those around us: workers of joblib and Dask that fit in parallel (F81), and orders of imports (F82)."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import needs
from fault_help import run


@pytest.fixture(scope="module")
def digest() -> str:
    """The digest of the run that all of them do."""
    return run("print(quick(X, Y).digest)")


THREADS_OF = """
def threads_of(n_jobs):
    from ash.sklearn.estimator_parameters import threads_of
    return threads_of(n_jobs)
CPUS = len(os.sched_getaffinity(0))
"""


@pytest.mark.parametrize("backend", ["loky", "threading"], ids=lambda backend: f"F81-{backend}")
def test_workers_of_joblib_share_the_processors(backend: str) -> None:
    code = f"""
import joblib
if __name__ == "__main__":
    with joblib.parallel_config(backend="{backend}", n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(threads_of)(-1) for n in range(4))
    assert all(2 * count <= max(2, CPUS) for count in found), found
    print("shared", joblib.Parallel(2, "{backend}")(joblib.delayed(threads_of)(None) for n in range(2)))
"""
    assert run(THREADS_OF + code) == "shared [1, 1]"


@pytest.mark.parametrize("processes", [True, False], ids=["F81-dask-processes", "F81-dask-threads"])
def test_workers_of_dask_share_the_processors(processes: bool, digest: str, tmp_path: Path) -> None:
    code = f"""
warnings.simplefilter("ignore")
import dask, distributed
def fitted(number):
    x, y = table()
    own = ash.ASHClassifier(small_space(), candidates=4, random_state=number, n_jobs=-1).fit(x, y).result_
    return own.threads, own.digest, quick(x, y, journal=f"{{number}}.ash").digest == EXPECTED
if __name__ == "__main__":
    dask.config.set({{"distributed.worker.daemon": False}})
    workers, threads = (2, 1) if {processes} else (1, 2)
    settings = dict(processes={processes}, n_workers=workers, threads_per_worker=threads, dashboard_address=None)
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        found = client.gather(client.map(fitted, range(4), pure=False))
    here = [fitted(number)[1] for number in range(4)]
    assert [text for _, text, _ in found] == here, found
    print(sum(sorted(count for count, *_ in found)[-2:]) <= max(2, CPUS), all(same for *_, same in found))
"""
    assert run(THREADS_OF + code, expected=digest, folder=tmp_path) == "True True"


@pytest.mark.parametrize("order", [*itertools.permutations(["ash", "sklearn"]), *[
    pair for name in ("torch", "lightgbm", "xgboost") for pair in ((name, "ash"), ("ash", name))
]], ids=lambda order: f"F82-{'-'.join(order)}")  # fmt: skip
def test_any_order_of_imports(order: tuple[str, str], digest: str) -> None:
    for name in order:
        needs.installed(name)
    imports = "".join(f"import {name}\n" for name in order)
    assert run("print(quick(X, Y, threads=2).digest)", before=imports) == digest
