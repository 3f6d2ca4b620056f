"""The README is true: its example runs, and its figures are those of bench/results."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import ash
from ash.cli.cli import _parser
from ash.cli.cli_export import export_parser
from ash.cli.cli_predict import predict_parser
from ash.cli.cli_show import show_parser
from bench import report
from bench.record import RESULTS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    [code] = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert float(capsys.readouterr().out.split()[-1]) > 0.9
    assert (tmp_path / "model.safetensors").exists()


def test_the_example_is_short() -> None:
    [code] = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15


def test_what_it_names_exists() -> None:
    arguments = {name for line in re.findall(r"`([^`\n]+)`", README) for name in re.findall(r"\b(\w+)=", line)}
    assert {"time_limit", "epoch_limit", "target", "schedule", "memory_limit"} <= arguments
    assert arguments <= set(inspect.signature(ash.tune).parameters)
    attributes = set(re.findall(r"\bresult\.(\w+)", README))
    assert "digest" in attributes and attributes <= {*dir(ash.Result), *ash.Result.__dataclass_fields__}
    options = set(re.findall(r"(?<!\S)--[a-z-]+", README))
    helps = "".join(parser().format_help() for parser in (_parser, export_parser, predict_parser, show_parser))
    assert {"--candidates", "--proba"} <= options <= set(re.findall(r"--[a-z-]+", helps))
    names = set(re.findall(r"\bash\.(\w+)", README))
    assert "tune" in names and names <= set(ash.__all__)


def test_the_figures_are_those_of_the_benches() -> None:
    found = report.filled(README, RESULTS)
    assert report.unmarked(found) == report.unmarked(README), "run: python -m bench report"
    assert set(re.findall(r"<!-- figures: (\w+) -->", README)) == {"quality", "peers", "step", "teams", "tables"}
