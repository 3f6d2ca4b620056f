"""Tests that llms.txt lists every page of a documentation, and that only the HTML builder writes it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import needs

needs.installed("sphinx")

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {
    "index": "Tables\n======\n\n*Finds* models\nfor tables. Saves them.\n\n.. toctree::\n\n   start\n   guide/index",
    "start": "Start\n=====\n\n.. note:: Look here.\n\nHow do I ``fit(0.5)`` it? So.",
    "guide/index": "Guide\n=====\n\nNo full stop\n\n.. toctree::\n\n   deep/down\n   last",
    "guide/deep/down": "Down\n====\n\n.. toctree::\n   :hidden:\n\n   under\n\n- Low!\n- Lower.",
    "guide/deep/under": "Under\n=====\n\nLowest. The end.",
    "guide/last": "Last\n====\n\n====  ====\none   two\n====  ====\n\nIt ends.",
}
INDEX = """\
# Tables

> Finds models for tables.

## Start

- [Start](HOMEstart.html): How do I fit(0.5) it?

## Guide

- [Guide](HOMEguide/index.html): No full stop
- [Down](HOMEguide/deep/down.html): Low!
- [Under](HOMEguide/deep/under.html): Lowest.
- [Last](HOMEguide/last.html): It ends.
"""


def build(folder: Path, builder: str, *settings: str) -> Path:
    for page, text in PAGES.items():
        path = folder / f"{page}.rst"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    changed = [word for setting in ("extensions=ash_docs.llms", *settings) for word in ("-D", setting)]
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-C", "-b", builder, *changed, folder, folder / "built"]
    paths = os.pathsep.join([str(DOCS), os.environ.get("PYTHONPATH", "")])
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": paths})
    return folder / "built" / "llms.txt"


@pytest.mark.parametrize("home", ["", "https://ash.example/docs/"])
def test_llms_txt_lists_every_page_by_title_address_and_first_sentence(home: str, tmp_path: Path) -> None:
    index = build(tmp_path, "html", f"html_baseurl={home}")
    assert index.read_text(encoding="utf-8") == INDEX.replace("HOME", home)


def test_other_builders_write_no_llms_txt(tmp_path: Path) -> None:
    assert not build(tmp_path, "text").exists()
