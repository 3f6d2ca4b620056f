"""The command's wishes for schedule, budgets and memory, as they arrive in the run."""

import argparse
import json

import pytest

from ash.cli.cli import _bytes, main


def test_schedule_and_limits(tmp_path):
    def summary(*arguments):
        assert main(["wine", "--quiet", "--out", str(tmp_path), "--json", str(tmp_path / "s.json"), *arguments]) == 0
        return json.loads((tmp_path / "s.json").read_text())

    stream = summary("--candidates", "all", "--epochs", "40", "--memory-limit", "3k", "--workers", "8")
    assert stream["ended"] == "epoch_limit" and stream["epochs"] <= 40
    for name, value in {"candidates": None, "epoch_limit": 40, "memory_limit": 3072, "workers": 8}.items():
        assert stream["settings"][name] == value
    aimed = summary("--candidates", "all", "--stop-at", "0.5", "--schedule", "greedy", "--no-teams")
    assert aimed["ended"] == "target" and aimed["validation_score"] >= 0.5
    for name, value in {"target": 0.5, "schedule": "greedy", "teams": False}.items():
        assert aimed["settings"][name] == value


@pytest.mark.parametrize(
    ("text", "size"), [("7", 7), ("2K", 2048), ("500m", 500 << 20), ("2G", 2 << 30), ("1T", 1 << 40)]
)
def test_sizes_in_bytes(text, size):
    assert _bytes(text) == size


@pytest.mark.parametrize("text", ["", "M", "2GB", "1.5G", "-1", "2 G", "\u0661"])
def test_what_is_no_size(text):
    with pytest.raises(argparse.ArgumentTypeError, match="K, M, G or T"):
        _bytes(text)
