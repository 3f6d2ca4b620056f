"""Tests faults of processes (F79 to F92): forks, other libraries' workers, interpreter exits, threads, copies, memory.

Each test runs in a fresh interpreter, since the outcome depends on what a process has done before.
"""

import itertools
from pathlib import Path

import pytest

import needs
from fault_help import run


@pytest.fixture(scope="module")
def digest() -> str:
    return run("print(quick(X, Y).digest)")


def test_f79_children_can_fit_after_their_parent(digest: str) -> None:
    code = """
import multiprocessing
def again(_):
    return quick(X, Y, n_jobs=2).digest
def in_child():
    child = os.fork()
    if child == 0:
        os._exit(0 if again(0) == EXPECTED else 1)
    return child
if __name__ == "__main__":
    warnings.simplefilter("ignore")
    again(0)
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in [in_child() for _ in range(3)]])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(set(pool.map(again, range(4))) == {EXPECTED})
"""
    assert run(code, expected=digest) == "[0, 0, 0]\nTrue"


def test_f80_a_fork_while_another_thread_tunes_does_no_harm(digest: str) -> None:
    code = """
found = []
thread = threading.Thread(target=lambda: found.append(quick(X, Y, candidates=64, min_epochs=8, n_jobs=2).digest))
thread.start()
statuses = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(7)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    time.sleep(0.002)
thread.join()
print(found == [quick(X, Y, candidates=64, min_epochs=8).digest] and set(statuses) == {7})
"""
    assert run("warnings.simplefilter('ignore')\n" + code, expected=digest) == "True"


def test_f80_children_forked_while_another_thread_tunes_can_tune(digest: str) -> None:
    code = """
quick(X, Y, n_jobs=2)  # all is imported: a fork beside an import leaves a lock of Python's behind
over = threading.Event()
def endless():
    while not over.is_set():
        quick(X, Y, candidates=32, n_jobs=2)
thread = threading.Thread(target=endless)
thread.start()
statuses = []
for _ in range(40):
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        os._exit(0 if quick(X, Y, n_jobs=2).digest == EXPECTED else 1)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
over.set()
thread.join()
print(set(statuses))
"""
    assert run("warnings.simplefilter('ignore')\n" + code, expected=digest) == "{0}"


ON_JOB = """
warnings.simplefilter("ignore")
from concurrent.futures import ThreadPoolExecutor
class Forks(ash.Callback):
    def on_start(self, run):
        self.run = run
    def on_job(self, job, params):
        global child
        if child is None:
            child = os.fork()
            if child == 0:
                signal.alarm(120)
                {does}
            self.run.stop()
child = None
space = small_space(learning_rate=ash.loguniform(1e-3, 1e-1))
found = quick(X, Y, space, candidates=None, stop_score=2.0, callbacks=[Forks()], {run})  # has no end of its own
if child == 0:
    os._exit(5)  # the run has gone on to its end
print(found.ended, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
IN_CHILD = {
    "exits": ("sys.exit(7)", 7),
    "exits at once": ("os._exit(7)", 7),
    "raises": ("raise ValueError('in the child')", 1),
    "returns": ("return", 1),
    "tunes and exits": ("sys.exit(7 if quick(X, Y).digest == EXPECTED else 8)", 7),
}
RUNS = {
    "here": "n_jobs=2",
    "journal": "n_jobs=2, journal='a.ash'",
    "executor": "n_jobs=None, executor=ThreadPoolExecutor(2)",
}


@pytest.mark.parametrize("kind", RUNS, ids=lambda kind: f"F80-{kind}")
@pytest.mark.parametrize("way", IN_CHILD)
def test_a_child_forked_during_a_run_can_exit(way: str, kind: str, digest: str, tmp_path: Path) -> None:
    """A forked child has none of the run's threads. If it continues the run anyway, it gets an error."""
    does, status = IN_CHILD[way]
    code = ON_JOB.format(does=does, run=RUNS[kind])
    assert run(code, expected=digest, folder=tmp_path) == f"stopped {status}"


IN_FUNCTION = """
warnings.simplefilter("ignore")
from concurrent.futures import ThreadPoolExecutor
def train(params, epochs, count):
    time.sleep(1e-3)  # so that the run is not over at the first call of `on_job`
    assert ash.current_job().directory.is_dir()  # a child deletes nothing of the run
    return params["a"], (count or 0) + epochs
class Forks(ash.Callback):
    child = None
    def on_job(self, job, params):
        if self.child is None:
            self.child = os.fork()
            if self.child == 0:
                signal.alarm(120)
                {does}
            print(os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1]))
def tune(**changes):
    return ash.tune_function(train, {{"a": ash.loguniform(1e-3, 1)}}, candidates=200, verbose=0, **changes).digest
print(tune({run}, callbacks=[Forks()]) == tune())
"""
RUNS_OF_FUNCTIONS = RUNS | {"here": "n_jobs=1", "threads": "n_jobs=2", "processes": "n_jobs=2, executor='processes'"}


@pytest.mark.parametrize("kind", RUNS_OF_FUNCTIONS, ids=lambda kind: f"F80-{kind}")
@pytest.mark.parametrize("way", ["exits", "raises", "returns"])
def test_a_child_forked_during_a_run_of_a_function_can_exit(way: str, kind: str, tmp_path: Path) -> None:
    does, status = IN_CHILD[way]
    code = IN_FUNCTION.format(does=does, run=RUNS_OF_FUNCTIONS[kind])
    assert run(code, folder=tmp_path) == f"{status}\nTrue"


def test_f87_scorers_and_callbacks_may_import_log_lock_and_call_ash() -> None:
    code = """
import logging, io
logging.basicConfig(stream=io.StringIO(), level=logging.DEBUG)
lock = threading.Lock()
def scorer(estimator, X, y):
    import decimal, fractions
    with lock:
        logging.info("scored %s", len(X))
        print("scored", file=sys.stderr)
    if threading.active_count() < 20:
        quick(X, y, candidates=1, max_rungs=1)
    return float((estimator.predict(X) == y).mean())
class Logs(ash.Callback):
    def on_job(self, job, params):
        with lock:
            logging.info("job %s", job)
        quick(*table(), candidates=1, max_rungs=1)
fitted = ash.ASHClassifier(small_space(), candidates=4, scoring=scorer, random_state=0, n_jobs=2, callbacks=[Logs()])
print(fitted.fit(X, Y).best_score_ > 0.5)
"""
    assert run(code) == "True"


LONG = """
begun = threading.Event()
class Begun(ash.Callback):
    def on_job(self, job, params):
        begun.set()
def long():
    quick(X, Y, candidates=1000, min_epochs=500, n_jobs=2, callbacks=[Begun()])
def leave():
    begun.wait()
    os._exit(0)
"""
ENDINGS = {
    "daemon thread": """
threading.Thread(target=long, daemon=True).start()
begun.wait()
""",
    "daemon thread that scores": """
def scorer(estimator, X, y):
    begun.set()
    return float((estimator.predict(X) == y).mean())
def scored():
    ash.ASHClassifier(small_space(), candidates=2000, scoring=scorer, random_state=0, n_jobs=2).fit(X, Y)
threading.Thread(target=scored, daemon=True).start()
begun.wait()
""",
    "daemon thread that searches": """
from sklearn.linear_model import SGDClassifier
def scorer(estimator, X, y):
    begun.set()
    return float((estimator.predict(X) == y).mean())
space = {"alpha": ash.loguniform(1e-5, 1e-1)}
search = ash.ASHSearchCV(SGDClassifier(), space, scoring=scorer, candidates=2000, n_jobs=2)
threading.Thread(target=search.fit, args=(X, Y), daemon=True).start()
begun.wait()
""",
    "atexit": """
import atexit
atexit.register(lambda: quick(X, Y))
""",
    "del": """
class Late:
    def __del__(self):
        quick(X, Y, candidates=2)
late = Late()
""",
    "exit": """
threading.Thread(target=leave).start()
long()
""",
}


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: f"F88-{ending}")
def test_the_interpreter_can_exit_during_a_run(ending: str) -> None:
    run("warnings.simplefilter('ignore')\n" + LONG + ENDINGS[ending])


@pytest.mark.parametrize("model", ["lightgbm", "catboost", "xgboost"])
def test_the_interpreter_can_exit_while_trees_are_boosted(model: str) -> None:
    """Leave during the first job, which calls Python after each round and would take minutes."""
    needs.installed(model)
    code = f"""
from ash.engine import tree_trainer
begun, boost = threading.Event(), tree_trainer.boost_trees
def spy(*given):
    begun.set()
    return boost(*given)
tree_trainer.boost_trees = spy
def long():
    config = ash.SearchConfig(models=[{model!r}], min_epochs=2000)
    ash.tune(X, Y, candidates=9, n_jobs=2, verbose=0, config=config)
threading.Thread(target=long, daemon=True).start()
begun.wait()
"""
    run("warnings.simplefilter('ignore')\n" + code)


def test_f89_threads_can_fit_and_predict_at_once() -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
model = quick(X, Y).model
expected = model.predict_proba(X)
def both(number):
    own = quick(X, Y, random_state=number % 2)
    return number % 2, own.digest, (model.predict_proba(X) == expected).all()
with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(both, range(16)))
print(len({(seed, text) for seed, text, _ in found}), all(same for *_, same in found))
"""
    assert run(code) == "2 True"


def test_f90_reloading_has_no_effect() -> None:
    code = """
import importlib
before = quick(X, Y).digest
importlib.reload(ash)
importlib.reload(importlib.import_module("ash.engine.run"))
print(quick(X, Y).digest == before)
"""
    assert run(code) == "True"


def test_f90_a_second_interpreter_is_refused(digest: str) -> None:
    code = """
name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
interpreters = __import__(name)
other = interpreters.create()
found = interpreters.run_string(other, "try:\\n    import ash\\nexcept ImportError:\\n    pass\\n")
print(found is None and quick(X, Y).digest == EXPECTED)
"""
    assert run(code, expected=digest) == "True"


@pytest.mark.parametrize(("warm", "more"), [(50, 100), pytest.param(200, 800, marks=pytest.mark.slow)])
def test_f92_many_fits_leak_nothing(warm: int, more: int) -> None:
    """Check that a fit leaves no file or thread, and less than 10 kB of memory (any table or network is larger)."""
    code = f"""
def held():
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * os.sysconf("SC_PAGESIZE"), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
def fit():
    quick(X, Y, candidates=2, max_rungs=1, n_jobs=2)
for _ in range({warm}):
    fit()
before = held()
for _ in range({more}):
    fit()
until = time.monotonic() + 60
while (after := held())[2] > before[2] and time.monotonic() < until:
    time.sleep(0.01)  # the system lists a thread for some time after its end
print(after[0] - before[0] < {more} * 1e4, after[1] - before[1], after[2] <= before[2])
"""
    assert run(code) == "True 0 True"


def test_f92_insufficient_memory_is_refused_beforehand(digest: str) -> None:
    code = """
import resource
quick(X, Y)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * os.sysconf("SC_PAGESIZE") + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    quick(X, Y, ash.Space(hidden=ash.choice((8192, 8192))), candidates=1)
except ash.DataError as error:
    print("scratch" in str(error))
print(quick(X, Y).digest == EXPECTED)
"""
    assert run(code, expected=digest).split() == ["True", "True"]


THREADS_OF = """
def threads_of(n_jobs):
    from ash._utils.machine import threads_of
    return threads_of("n_jobs", n_jobs)
CPUS = len(os.sched_getaffinity(0))
"""


@pytest.mark.parametrize("backend", ["loky", "threading"], ids=lambda backend: f"F81-{backend}")
def test_joblib_workers_share_the_processors(backend: str) -> None:
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
def test_dask_workers_share_the_processors(processes: bool, digest: str, tmp_path: Path) -> None:
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
    settings = dict(processes={processes}, n_workers=workers, threads_per_worker=threads, dashboard_address=':0')
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
def test_ash_can_be_imported_before_or_after_other_libraries(order: tuple[str, str], digest: str) -> None:
    for name in order:
        needs.installed(name)
    imports = "".join(f"import {name}\n" for name in order)
    assert run("print(quick(X, Y, n_jobs=2).digest)", before=imports) == digest
