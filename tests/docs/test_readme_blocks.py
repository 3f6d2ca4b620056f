"""Every block of the README runs, in order and in one namespace; searches that take a minute end after some epochs."""

from __future__ import annotations

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
from ash_docs.blocks import Block, Session

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
SHORTER = {
    "time_limit=60": "time_limit=60, epoch_limit=600",
    "time_limit=10": "time_limit=60, epoch_limit=300",
    "--time 60": "--time 60 --epochs 300",
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
    """300 houses: numbers with gaps, text, and what they are said to be worth."""
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
