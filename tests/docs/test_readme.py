"""The README is true: each block runs, what it names exists, and its figures are those of bench/results.

The blocks run in order and in one namespace; searches that take a minute end after some epochs.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

import ash
import needs
from ash.cli.cli import _parser
from ash.cli.cli_export import export_parser
from ash.cli.cli_predict import predict_parser
from ash.cli.cli_show import show_parser
from ash.options import CONFIG_FIELDS
from ash_docs.blocks import Block, Session
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
    assert {"time_limit", "epoch_limit", "stop_score", "schedule", "memory_limit"} <= arguments
    assert arguments <= {*inspect.signature(ash.tune).parameters, *CONFIG_FIELDS}
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


SHORTER = {
    "time_limit=60": "time_limit=60, config=ash.SearchConfig(epoch_limit=600)",
    "time_limit=10": "time_limit=60, config=ash.SearchConfig(epoch_limit=300)",
    "--time-limit 60": "--time-limit 60 --epoch-limit 300",
}
"""The time limit stays far off, since a busy machine may be slow to begin."""
ELSEWHERE = ("pip install", "mpiexec ")
"""Commands that .ci/run gives in fresh environments, and those of a cluster, which test_cli_executor.py gives."""
STAND_INS = {
    "from distributed import Client ": "from concurrent.futures import ThreadPoolExecutor as Client ",
    'Client("tcp://scheduler:8786")': "Client(2)",
}
"""Two threads in place of a cluster: tests/executors/test_dask_client.py has one."""


def blocks() -> Iterator[Block]:
    """Yield what is to be run: Python, and commands as lines of a console."""
    for token in MarkdownIt("commonmark").parse(README):
        if token.type not in ("fence", "code_block") or token.map is None:
            continue
        source = token.content
        for written, meant in {**SHORTER, **STAND_INS}.items():
            source = source.replace(written, meant)
        if source.startswith("ash-tune "):
            yield Block("console", re.sub("^", "$ ", source.rstrip(), flags=re.MULTILINE), *token.map)
        elif not source.startswith((*ELSEWHERE, "rung ")):  # the ladder that is drawn
            yield Block("python", source, *token.map)


def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    area, place = random.normal(100, 30, 300), random.choice(["hills", "harbour"], 300)
    price = np.where(area * (1 + (place == "hills")) > 140, "dear", "cheap")
    return pd.DataFrame(
        {"area": np.where(random.random(300) < 0.1, np.nan, area), "place": place, "price": price.astype(object)}
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of other packages, in what they use of each other
def test_every_block_runs(tmp_path: Path) -> None:
    matplotlib.use("Agg")
    houses = table()
    houses.to_csv(tmp_path / "table.csv", index=False)
    houses.drop(columns="price").to_csv(tmp_path / "new.csv", index=False)
    session = Session("README.md", tmp_path)
    session.namespace |= {"frame": houses[["area", "place"]], "labels": houses["price"]}
    session.namespace["new_frame"] = session.namespace["frame"][:9]
    lacking = False
    for block in blocks():
        try:
            session.run(block)
        except ash.MissingExtra as error:
            assert "torch" in str(error)
            lacking = True
    assert (tmp_path / "run.json").exists() and (tmp_path / "ash-tune-out" / "model.safetensors").exists()
    if lacking:
        needs.lacks("torch")


def test_there_is_as_much_to_run_as_there_seems() -> None:
    found = list(blocks())
    assert len([block for block in found if block.language == "console"]) >= 1
    assert len([block for block in found if block.language == "python"]) >= 5
