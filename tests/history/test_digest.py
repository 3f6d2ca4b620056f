"""Tests the digest: its exact bytes, what it includes and omits, and runs that must have the same digest."""

import dataclasses
import hashlib
import json
import struct

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine

import ash
from ash.cli.command import main
from config_help import configured
from result_help import columns, make_result

pytestmark = pytest.mark.core

PARAMS = ({"learning_rate": 0.1, "hidden": (64, 32)}, {"learning_rate": 1e-05, "activation": "relu"})
FIELDS = ("candidate", "rung", "epochs", "score", "loss", "training_loss", "diverged", "weights_hash")
JOBS = [
    (0, 0, 1, 0.5, 1.25, 2.0, False, 2**64 - 1),
    (1, 0, 1, np.nan, np.inf, np.nan, True, 0),
    (0, 1, 2, 0.75, 0.5, 0.25, False, 7),
]
DIGEST = "dd3fb9d5f19063936e858cdc24ae4243c8d03128ddac612b88ebc03b9c8dc185"


@pytest.fixture(scope="module")
def result():
    return make_result(candidates=8, diverge=0.2)


@pytest.fixture
def small(result):
    table = columns([dict(zip(FIELDS, job, strict=True)) for job in JOBS])
    return dataclasses.replace(result, params=PARAMS, columns=table, best_candidate=0, best_rung=1)


def test_every_byte_is_as_documented(small):
    texts = [b'{"hidden":[64,32],"learning_rate":0.1}', b'{"activation":"relu","learning_rate":1e-05}']
    content = b"ash digest 1\n" + struct.pack("<q", 2)
    for candidate, text in enumerate(texts):
        content += struct.pack("<qq", candidate, len(text)) + text
    nan = struct.unpack("<d", bytes.fromhex("000000000000f87f"))[0]
    content += struct.pack("<q", 3)
    content += struct.pack("<qqqdddBQ", 0, 0, 1, 0.5, 1.25, 2.0, 0, 2**64 - 1)
    content += struct.pack("<qqqdddBQ", 1, 0, 1, nan, np.inf, nan, 1, 0)
    content += struct.pack("<qqqdddBQ", 0, 1, 2, 0.75, 0.5, 0.25, 0, 7)
    content += struct.pack("<qq", 0, 1)
    assert small.digest == hashlib.sha256(content).hexdigest() == DIGEST


@pytest.mark.parametrize("name", ["candidate", "rung", "epochs", "score", "loss", "training_loss", "weights_hash"])
def test_the_digest_depends_on_the_last_bit_of_every_column(small, name):
    table = {key: values.copy() for key, values in small.columns.items()}
    one = table[name][-1:]
    one[...] = np.nextafter(one, np.inf) if one.dtype.kind == "f" else one ^ one.dtype.type(1)
    assert dataclasses.replace(small, columns=table).digest != small.digest


def test_the_digest_depends_on_decisions_parameters_and_the_best(small):
    swapped = {key: values[[1, 0, 2]] for key, values in small.columns.items()}
    healthy = {**small.columns, "diverged": np.zeros(3, bool)}
    other = ({**PARAMS[0], "learning_rate": np.nextafter(0.1, 1)}, PARAMS[1])
    digests = {
        small.digest,
        dataclasses.replace(small, columns=swapped).digest,
        dataclasses.replace(small, columns=healthy).digest,
        dataclasses.replace(small, columns={key: values[:2] for key, values in small.columns.items()}).digest,
        dataclasses.replace(small, params=other).digest,
        dataclasses.replace(small, params=({**PARAMS[0], "dropout": 0.0}, PARAMS[1])).digest,
        dataclasses.replace(small, best_rung=0).digest,
        dataclasses.replace(small, best_candidate=1).digest,
    }
    assert len(digests) == 8


def test_the_digest_ignores_times_threads_teams_and_memory(small):
    elsewhere = {**small.columns}
    for name in ("thread", "worker", "team", "start", "end", "virtual_start", "virtual_end", "core_seconds"):
        elsewhere[name] = small.columns[name] + 1
    other = dataclasses.replace(
        small,
        columns=elsewhere,
        assists={name: values[:0] for name, values in small.assists.items()},
        memory={"limit": 1, "peak_bytes": 1, "dropped": 9, "retrained_epochs": 9},
        options=dataclasses.replace(small.options, threads=7, teams=False),
        wall_seconds=100.0,
    )
    assert other.digest == small.digest


def test_the_digest_ignores_memory_layout_and_candidates_that_never_ran(small):
    big_endian = {name: values.astype(values.dtype.newbyteorder(">")) for name, values in small.columns.items()}
    assert dataclasses.replace(small, columns=big_endian).digest == small.digest
    other_nan = struct.unpack("<d", bytes.fromhex("01000000000cf8ff"))[0]
    scores = np.array([0.5, other_nan, 0.75])
    assert scores.tobytes() != small.columns["score"].tobytes()
    assert dataclasses.replace(small, columns={**small.columns, "score": scores}).digest == small.digest
    turned = {name: PARAMS[0][name] for name in reversed(PARAMS[0])}
    assert dataclasses.replace(small, params=(turned, PARAMS[1], {"dropout": 0.5})).digest == small.digest


def test_the_digest_is_shown(result):
    assert f"digest {result.digest[:16]};" in repr(result) and f"digest {result.digest[:16]};" in result._repr_html_()
    greedy = dataclasses.replace(result, options=dataclasses.replace(result.options, schedule="greedy"))
    assert f"digest {result.digest[:16]} (of this run only: greedy);" in repr(greedy)
    alone = dataclasses.replace(greedy, options=dataclasses.replace(greedy.options, threads=1))
    assert "of this run only" not in repr(alone) and "its record" not in repr(alone)
    for ended in ("time_limit", "stopped", "interrupted"):
        assert "(its record repeats it);" in repr(dataclasses.replace(result, ended=ended))
    assert "its record" not in repr(dataclasses.replace(result, ended="stop_score"))


@pytest.mark.parametrize("load", [load_wine, load_diabetes])
def test_runs_agree_on_any_threads_and_only_with_the_same_seed(load):
    X, y = load(return_X_y=True)
    wished = {"candidates": 12, "validation": 0.2, "random_state": 3, "verbose": 0}
    first = ash.tune(X, y, n_jobs=1, config=ash.SearchConfig(teams=False), **wished)
    second = ash.tune(X, y, n_jobs=2, config=ash.SearchConfig(teams=True), **wished)
    assert len(first.digest) == 64 and first.digest == second.digest
    assert ash.tune(X, y, n_jobs=2, **configured({**wished, "random_state": 4})).digest != first.digest
    assert ash.tune(X, y, n_jobs=2, config=ash.SearchConfig(virtual_workers=3), **wished).digest != first.digest


def test_the_command_prints_part_of_the_digest_and_writes_all_of_it(tmp_path, capsys):
    arguments = ["wine", "--force", "--candidates", "8", "--out", str(tmp_path), "--json", str(tmp_path / "s.json")]
    digests = set()
    for threads in ("1", "2"):
        assert main([*arguments, "--threads", threads]) == 0
        summary = json.loads((tmp_path / "s.json").read_text())
        assert f"digest {summary['digest'][:16]};" in capsys.readouterr().out
        assert summary["memory"]["peak_bytes"] > 0 and summary["rungs"][0]["recall"] <= 1.0
        assert summary["rungs"][-1]["recall"] is None
        digests.add(summary["digest"])
    assert len(digests) == 1
