"""Tests states of waiting candidates: in memory up to a limit, beyond it in temporary files; recomputed if lost."""

import contextlib
import errno
import gc
import os
import pickle
import stat
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest

import ash
import needs
from ash.function.answers import pack
from ash.function.job_runners import RunnerThreads
from ash.function.retraining import Retraining
from ash.function.state_store import LOST, States, size_of
from fault_help import Canary
from function_help import FAILURES, job_of, run, train
from function_journal_help import outcome, tune

SIZE = 1000
"""The number of floats in a state."""


def with_array(params: dict[str, Any], epochs: int, state: Any) -> tuple[float, Any]:
    score, done = train(params, epochs, None if state is None else int(state[0]))
    return score, np.full(SIZE, done)


class Model:
    """An object whose size can only be measured by pickling it."""

    def __init__(self, done: int) -> None:
        self.weights = np.full(SIZE, done)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and bool((other.weights == self.weights).all())

    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: Any) -> Self:
        return type(self)(int(self.weights[0]))


def with_model(params: dict[str, Any], epochs: int, state: Any, kind: type[Model] = Model) -> tuple[float, Any]:
    score, done = train(params, epochs, None if state is None else int(state.weights[0]))
    return score, kind(done)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def comparable(result: ash.FunctionResult) -> list[Any]:
    found = outcome(result)
    return [*found[:4], int(np.sum(getattr(found[4], "weights", found[4]))), found[5]]


@pytest.mark.parametrize("function", [train, with_array, with_model], ids=lambda each: str(each.__name__))
@pytest.mark.parametrize("places", [{}, {"n_jobs": 2}, {"executor": "processes"}], ids=str)
def test_states_that_do_not_fit_in_memory_are_restored_from_files(
    function: Any, places: dict[str, Any], files: Path
) -> None:
    limit = 3 * 28 if function is train and not places.get("executor") else 30_000 if function is not train else 40
    tight = tune(None, function=function, config=ash.SearchConfig(memory_limit=limit), **places)
    assert comparable(tight) == comparable(tune(None, function=function))
    memory = tight.memory
    assert memory["spilled"] > 0 and (memory["dropped"], memory["retrained_epochs"]) == (0, 0)
    assert memory["limit"] == limit >= memory["peak_bytes"]
    assert list(files.iterdir()) == []


def test_f109_files_can_be_accessed_only_by_their_owner(files: Path) -> None:
    modes: set[tuple[int, int]] = set()

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        for file in files.rglob("*"):
            if file.is_file():
                modes.add((stat.S_IMODE(file.parent.stat().st_mode), stat.S_IMODE(file.stat().st_mode)))
        return with_array(params, epochs, state)

    before = os.umask(0)
    try:
        tune(None, function=function, config=ash.SearchConfig(memory_limit=1))
    finally:
        os.umask(before)
    assert modes == {(0o700, 0o600)}


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGE: dict[str, Any] = {
    "flipped": flipped,
    "emptied": lambda file: file.write_bytes(b""),
    "longer": lambda file: file.write_bytes(file.read_bytes() + b"."),
    "gone": Path.unlink,
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "canary": lambda file: file.write_bytes(pickle.dumps(Canary())),
}


@pytest.mark.parametrize("name", DAMAGE, ids=lambda name: f"F72-F103-{name}")
def test_a_changed_file_is_not_loaded(name: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files.parent)
    changed: set[Path] = set()

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        for file in set(files.glob("*/waiting-*/*")) - changed:
            DAMAGE[name](file)
            changed.add(file)
        return with_array(params, epochs, state)

    result = tune(None, function=function, config=ash.SearchConfig(memory_limit=20_000))
    assert comparable(result) == comparable(tune(None, function=with_array))
    assert changed and result.memory["retrained_epochs"] > 0 and not Path("canary").exists()


def test_f62_a_full_disk_only_costs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def full(path: Any, *arguments: Any, **named: Any) -> int:
        if "waiting-" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, *arguments, **named)

    monkeypatch.setattr("ash.function.state_store.os.open", full)
    with pytest.warns(UserWarning, match="cannot be written \\(No space left on device\\); they are dropped") as warned:
        result = tune(None, function=with_array, config=ash.SearchConfig(memory_limit=20_000))
    assert len(warned) == 1 and comparable(result) == comparable(tune(None, function=with_array))
    assert result.memory["dropped"] > 0 and result.memory["retrained_epochs"] > 0 == result.memory["spilled"]


def test_f109_a_journal_folder_behind_a_link_is_not_used(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "run.ash-states").symlink_to(elsewhere)
    with pytest.warns(UserWarning, match="is a link"):
        result = tune(tmp_path / "run.ash", function=with_array, config=ash.SearchConfig(memory_limit=20_000))
    assert result.memory["dropped"] > 0 and list(elsewhere.iterdir()) == []


class Locked(Model):
    """An object that cannot be pickled."""

    def __init__(self, done: int) -> None:
        super().__init__(done)
        self.lock = threading.Lock()


class Shy(Model):
    """An object that cannot be unpickled."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


@pytest.mark.parametrize("kind", [Locked, Shy])
def test_states_that_cannot_be_unpickled_are_recomputed(kind: type[Model]) -> None:
    function = partial(with_model, kind=kind)
    result = tune(None, function=function, config=ash.SearchConfig(memory_limit=1))
    assert comparable(result) == comparable(tune(None, function=function))
    assert result.memory["retrained_epochs"] > 0 and (kind is Shy or result.memory["dropped"] > 0)


@pytest.mark.filterwarnings(*FAILURES)
def test_a_rung_that_fails_during_recomputation_fails_the_job() -> None:
    calls: list[Any] = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if epochs == 1 and params in calls:
            raise OSError("not again")
        calls.append(params)
        return train(params, epochs, None)[0], threading.Lock()  # a lock cannot be stored in a file

    result = tune(None, function=function, config=ash.SearchConfig(memory_limit=1, max_rungs=2))
    above = [job for job in result.jobs if job.rung == 1]
    assert len(above) == len(result.failures) > 5 and result.best_rung == 0
    for failure in result.failures:
        assert failure.rung == 1 and failure.text.startswith("trained again, in rung 0: ")
        assert "not again" in failure.text


@pytest.mark.parametrize(("candidate", "threads"), [(0, 2), (1, 1)])
def test_the_best_state_is_recomputed_while_a_thread_is_still_busy(candidate: int, threads: int) -> None:
    """Let the run end during a job of the best candidate, which is being retrained, or of another candidate."""
    calls: list[Any] = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        calls.append((params["x"], epochs))
        return train(params, epochs, state)

    params: Any = [{"x": x, "depth": 1} for x in (0, 1)]
    with RunnerThreads(function, threads, None) as runners, States(None, None, packed=False) as states:
        retraining = Retraining(runners, states, params, lambda key: job_of(*key, 2 ** key[1]), runners.start)
        task: Any = SimpleNamespace(candidate=candidate, rung=2)
        retraining.begin(task)
        answer = retraining.complete((0, 1), "resume")
    assert answer is not None and answer.state == 3
    assert calls == ([(1, 1)] if candidate else []) + [(0, 1), (0, 2)]


def test_memory_is_bounded(files: Path) -> None:
    megabyte, limit = 1 << 20, 8 << 20

    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        done = epochs + (0 if state is None else int(state[0]))
        return -abs(params["x"] - 0.3) - 1 / done, np.full(megabyte // 8, float(done))

    gc.collect()
    tracemalloc.start()
    result = run(function, candidates=80, n_jobs=1, algorithm="sh", memory_limit=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(result.jobs) > 150 and result.memory["spilled"] > 60
    # the limit excludes the states in training, the best state, and the bytes of a state that is being pickled
    assert result.memory["peak_bytes"] <= limit and peak < limit + 6 * megabyte
    assert list(files.iterdir()) == []


def test_the_least_promising_states_are_moved_to_files_first() -> None:
    with States(1000, None, packed=True) as states:
        for candidate, (rung, score) in enumerate([(1, 0.1), (0, 0.9), (0, 0.2), (2, 0.0), (0, 0.2)]):
            states.keep(candidate, rung, score, bytes(200))
        assert states.memory["peak_bytes"] <= 1000 and states.memory["spilled"] == 2
        assert sorted(states._in_files) == [2, 4]
        assert [states.take(candidate) for candidate in range(5)] == [bytes(200)] * 5
        assert states.take(0) is None
        states.keep(7, 0, 1.0, LOST)
        assert states.take(7) is LOST and states.take(7) is None
        states.keep(8, 0, 1.0, LOST)
        states.drop(8)
        assert states.take(8) is None


def test_files_are_deleted_with_their_candidates(files: Path) -> None:
    with States(1, None, packed=False) as states:
        for candidate in range(4):
            states.keep(candidate, 0, 0.5, [candidate] * 100)
        assert len(list(files.glob("*/waiting-*/*"))) == 4
        states.drop(2)
        assert states.take(3) == [3] * 100 and len(list(files.glob("*/waiting-*/*"))) == 2
    assert list(files.iterdir()) == []


SIZES: dict[str, tuple[Any, bool]] = {
    "int": (3, True),
    "text": ("a" * 1000, True),
    "array": (np.zeros(1000), True),
    "parts": ({"weights": [np.zeros(10), np.zeros(20)], "epochs": 3, "none": None}, True),
    "many": (list(range(1000)), False),
    "deep": ([[[[1]]]], False),
    "objects": (np.array([object()]), False),
    "model": (Model(3), False),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_states_are_estimated(name: str) -> None:
    state, known = SIZES[name]
    found = size_of(state)
    assert (found is not None) == known
    if found is not None:
        assert len(pack(state)) - 100 < found < len(pack(state)) + 1000 + sys.getsizeof(state)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_modules_and_tensors_are_measured_on_any_device(device: str) -> None:
    torch = needs.package("torch")
    module = torch.nn.Sequential(torch.nn.Linear(100, 10), torch.nn.BatchNorm1d(10)).to(device)
    bytes_of_module = 4 * (100 * 10 + 10 + 2 * 10) + 4 * 2 * 10 + 8  # parameters, running moments, number of batches
    for state, size in (
        (module, bytes_of_module),
        (torch.zeros(1000, device=device), 4000),
        ((module, 3), bytes_of_module),
    ):
        found = size_of(state)
        assert found is not None and size <= found < size + 500


def arrays(params: dict[str, Any]) -> Iterator[Any]:
    done, array = 0, np.zeros(2**19)
    while True:
        done += 1
        yield train(params, done, None)[0], array


def reported_arrays(params: dict[str, Any], report: Any) -> None:
    for score, array in arrays(params):
        report(score, state=array)


@pytest.mark.parametrize("function", [arrays, reported_arrays], ids=lambda each: str(each.__name__))
def test_paused_generators_count_their_last_state_and_files_do_not_contain_it(
    function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    write = States._write

    def written(states: States, state: Any) -> Any:
        spilled = write(states, state)
        sizes.append(spilled.path.stat().st_size)
        return spilled

    monkeypatch.setattr(States, "_write", written)
    limit = 30 * 2**20  # seven arrays, each of 4 MiB
    found = tune(None, function=function, config=ash.SearchConfig(memory_limit=limit))
    assert found.digest == tune(None).digest and found.best_state.nbytes == 2**22
    assert 2**22 < found.memory["peak_bytes"] <= limit and found.memory["spilled"] > 0
    assert found.memory["retrained_epochs"] > 0 and max(sizes) < 1000


class FakeGPU:
    """Stands in for PyTorch and a GPU with memory for ten models; a model has its memory until it is deleted.

    It shows when ash lets go of models. It does not show how CUDA's allocator behaves.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used = self.peak = 0
        self._lock = threading.Lock()
        cuda = SimpleNamespace(
            is_initialized=lambda: True,
            device_count=lambda: 1,
            mem_get_info=lambda device: (10 - self.used, 10),
            memory_allocated=lambda device: self.used,
            memory_reserved=lambda device: self.used,
        )
        torch = SimpleNamespace(cuda=cuda, nn=SimpleNamespace(Module=self.Model), Tensor=np.memmap)
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setattr(f"{__name__}.GPU", self)

    def allocate(self, model: Any) -> None:
        with self._lock:
            self.used += 1
            self.peak = max(self.peak, self.used)
        weakref.finalize(model, self._free)

    def _free(self) -> None:
        with self._lock:
            self.used -= 1

    class Model:
        """A model whose only number is the number of its epochs; a copy has memory of its own."""

        def __init__(self, done: int = 0) -> None:
            self.done = done
            GPU.allocate(self)

        def parameters(self) -> list[Any]:
            return [np.zeros(1)]

        def buffers(self) -> list[Any]:
            return []

        def __reduce__(self) -> Any:
            return type(self), (self.done,)


GPU: Any = None


def local_model(params: dict[str, Any]) -> Iterator[float]:
    model = FakeGPU.Model()
    while True:
        model.done += 1
        yield train(params, model.done, None)[0]


def yielded_model(params: dict[str, Any]) -> Iterator[Any]:
    model = FakeGPU.Model()
    while True:
        model.done += 1
        yield train(params, model.done, None)[0], model


def model_in_a_cycle(params: dict[str, Any]) -> Iterator[Any]:
    trainer = SimpleNamespace(model=FakeGPU.Model())
    trainer.itself = trainer
    while True:
        trainer.model.done += 1
        yield train(params, trainer.model.done, None)[0]


def reported_model(params: dict[str, Any], report: Any) -> None:
    for score, model in yielded_model(params):
        report(score, state=model)


def returned_model(params: dict[str, Any], epochs: int, state: Any) -> Any:
    model = state or FakeGPU.Model()
    model.done += epochs
    return train(params, model.done, None)[0], model


FORMS = [local_model, yielded_model, model_in_a_cycle, reported_model, returned_model]


@pytest.mark.parametrize("function", FORMS, ids=lambda each: str(each.__name__))
@pytest.mark.parametrize("threads", [1, 2])
def test_waiting_models_leave_a_gpu_that_is_nearly_full(
    function: Any, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = FakeGPU(monkeypatch)
    found = run(function, n_jobs=threads)
    assert found.memory["spilled"] > 0 and found.memory["dropped"] == 0 and not found.failures
    if threads == 1:  # on two threads, the schedule and the number of running jobs depend on timing
        assert gpu.peak <= 10 and found.digest == run(train, n_jobs=1).digest
        assert (found.memory["retrained_epochs"] > 0) == (function is not returned_model)


def test_no_further_state_is_moved_after_one_that_frees_no_memory_of_a_full_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu = FakeGPU(monkeypatch)
    with States(None, None, packed=False) as states:
        for candidate in range(5):
            states.keep(candidate, 0, candidate / 10, np.zeros(SIZE))
        others = [FakeGPU.Model() for _ in range(9)]
        assert states.memory["spilled"] == 0
        states.keep(5, 0, 0.5, np.zeros(SIZE))
        assert states.memory["spilled"] == 1 and gpu.used == len(others)


def test_measuring_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[Any] = []
    monkeypatch.setattr("ash.function.state_store.MEASURING", 0.0)
    monkeypatch.setattr("ash.function.state_store.pack", lambda state: packed.append(state) or pack(state))
    result = tune(None, function=with_model)
    assert len(packed) == len({job.rung for job in result.jobs})
    assert result.memory["peak_bytes"] > 20 * 8 * SIZE


def test_a_failed_run_leaves_no_files(files: Path) -> None:
    def function(params: dict[str, Any], epochs: int, state: Any) -> Any:
        if epochs == 2 and len(list(files.glob("*/waiting-*/*"))) > 3:
            raise SystemExit
        return with_array(params, epochs, state)

    with contextlib.suppress(SystemExit):
        tune(None, function=function, config=ash.SearchConfig(memory_limit=1))
        raise AssertionError
    assert list(files.iterdir()) == []
