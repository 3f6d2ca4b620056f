"""Tests that recipes of the guide do what the guide says of them; test_docs.py tests that all its blocks run."""

import json
import subprocess
import sys
from pathlib import Path

import lightgbm
import pytest

import needs
from ash_docs.blocks import Block, Session, blocks_of

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"


def blocks_up_to(words: str, page: str) -> list[Block]:
    """Return the blocks of a page up to the first one that contains these words."""
    blocks = blocks_of((GUIDE / page).read_text(encoding="utf-8"))
    return blocks[: 1 + next(place for place, block in enumerate(blocks) if words in block.source)]


def test_lightgbm_trains_each_candidate_on_a_dataset_of_its_own(tmp_path: Path) -> None:
    session = Session("loops", tmp_path)
    for block in blocks_up_to("lgb.train", "loops.md"):
        session.run(block)
    X, X_held, y, y_held, result = map(session.namespace.get, ("X_train", "X_valid", "y_train", "y_valid", "result"))
    assert {"min_child_samples", "max_bin"} < set(result.space.domains)
    settings = {"objective": "multiclass", "num_class": 10, "verbose": -1, "num_threads": 1, "seed": 0}
    for candidate, params in enumerate(result.params):
        losses: dict[str, dict[str, list[float]]] = {}
        record, data = lightgbm.record_evaluation(losses), lightgbm.Dataset(X, y)
        held_out = data.create_valid(X_held, y_held)
        lightgbm.train(settings | params, data, num_boost_round=16, valid_sets=[held_out], callbacks=[record])
        rounds = 0
        for job in result.jobs:
            if job.candidate == candidate:
                rounds += job.epochs
                assert -job.score == losses["valid_0"]["multi_logloss"][rounds - 1]
        assert rounds > 0


KILLS = """
import ast, itertools, json, os, signal, sys, tempfile
from pathlib import Path
import sklearn.datasets, sklearn.model_selection, torch, torch._dynamo  # once, before the forks
import ash

*earlier, recipe = json.loads(sys.argv[1])

def definitions(source):
    "Leave out the runs and the output of earlier recipes on the page."
    is_run = lambda node: isinstance(node, ast.Expr) or "tune_function" in ast.unparse(node)
    return ast.Module([node for node in ast.parse(source).body if not is_run(node)], [])

def run(folder, last):
    "Run the recipe, and kill the process after this many calls of train_epoch, torch.save and accuracy."
    os.chdir(folder)
    names, calls = {"__name__": "__main__"}, itertools.count(1)
    for source in earlier:
        exec(compile(definitions(source), "page", "exec"), names)

    def counted(function):
        def call(*arguments):
            answer = function(*arguments)
            if next(calls) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer
        return call

    names |= {name: counted(names[name]) for name in ("train_epoch", "accuracy")}
    torch.save = counted(torch.save)
    exec(recipe, names)
    result = names["result"]
    jobs = [(job.candidate, job.rung, job.score) for job in result.jobs]
    Path("result").write_text(json.dumps([next(calls) - 1, result.digest, result.best_params, jobs]))

def forked(folder, last=None):
    process = os.fork()
    if process == 0:
        status = 1
        try:
            with open(os.devnull, "w") as sys.stdout:
                run(folder, last)
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(process, 0)[1]
    assert status == (0 if last is None else signal.SIGKILL), (status, last)
    return None if last else json.loads((folder / "result").read_text())

def new():
    return Path(tempfile.mkdtemp(dir=sys.argv[2]))

calls, *whole = forked(new())
found = []
for last in range(1, calls + 1, int(sys.argv[3])):
    folder = new()
    forked(folder, last)
    more, *resumed = forked(folder)
    found.append([resumed == whole, last + more - calls])
print(json.dumps(found))
"""


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 11])
def test_a_killed_pytorch_run_continues_from_its_checkpoints(step: int, tmp_path: Path) -> None:
    """Kill the recipe for checkpoints after an epoch, a save or a score, and run it again; each `step`-th in turn."""
    needs.installed("torch")
    sources = [block.source for block in blocks_up_to("checkpoint.pt", "pytorch.md")]
    call = [sys.executable, "-c", KILLS, json.dumps(sources), str(tmp_path), str(step)]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    same, repeated = zip(*json.loads(done.stdout), strict=True)
    assert len(same) * step > 60 and all(same)
    assert max(repeated) <= 9  # at most the job that was killed, whose checkpoint was not in place: 8 epochs and a save
