"""Tests the README: blocks print the output shown, all names exist, and its figures match bench/results."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import ash
from ash.cli.command import _parser
from ash.options import CONFIG_FIELDS
from ash_docs.blocks import Block, Session
from bench import report
from bench.record import RESULTS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_LINES = 130
NUMBER = re.compile(r"\d+\.\d+(?:e-?\d+)?|\d+")
TOLERANCE = 0.03
"""The tolerance for printed numbers: results depend on the time limit and on versions of libraries."""
SHORTER = {"time_limit=10": "time_limit=100, config=ash.SearchConfig(max_total_epochs=400)"}
"""Changes of a README block: an epoch limit ends its run, since a time limit would end it early on a busy machine."""
HOME = "https://github.com/ash-tune/ash/blob/main/"
PICTURES = "https://raw.githubusercontent.com/ash-tune/ash/main/"


def blocks() -> Iterator[tuple[Block, str]]:
    """Yield each Python block together with the output that the README shows for it."""
    tokens = [token for token in MarkdownIt("commonmark").parse(README) if token.type in ("fence", "code_block")]
    for block, output in zip(tokens, [*tokens[1:], None], strict=True):
        if block.type == "fence" and block.info == "python" and block.map is not None:
            assert output is not None and output.type == "code_block", "no output is shown"
            source = block.content
            for written, meant in SHORTER.items():
                source = source.replace(written, meant)
            yield Block("python", source, *block.map), output.content


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES
    assert all(len(block.source.split("\n")) <= 16 for block, _ in blocks())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # packages use deprecated parts of each other
def test_every_block_prints_the_output_shown(tmp_path: Path) -> None:
    session = Session("README.md", tmp_path)
    found = [(session.run(block).text, shown) for block, shown in blocks()]
    assert len(found) == 3
    for printed, shown in found:
        assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
        numbers = [[float(number) for number in NUMBER.findall(text)] for text in (printed, shown)]
        assert numbers[0] == pytest.approx(numbers[1], abs=TOLERANCE)


def test_all_names_in_the_readme_exist() -> None:
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    code = " ".join([*(block.source for block, _ in blocks()), *re.findall(r"`([^`\n]+)`", prose)])
    arguments = set(re.findall(r"\b(\w+)=", code)) & {*inspect.signature(ash.tune).parameters, *CONFIG_FIELDS, "target"}
    assert {"time_limit", "candidates", "journal"} <= arguments and "target" not in arguments
    attributes = set(re.findall(r"\bresult\.(\w+)", README))
    fields = ash.FunctionResult.__dataclass_fields__
    assert "best_params" in attributes and attributes <= {*dir(ash.FunctionResult), *fields}
    options = set(re.findall(r"(?<!\S)--[a-z-]+", README))
    assert {"--target", "--time-limit"} <= options <= set(re.findall(r"--[a-z-]+", _parser().format_help()))
    names = set(re.findall(r"\bash\.(\w+)", README))
    assert "tune" in names and names <= set(ash.__all__)


def test_links_are_absolute_and_their_targets_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) > 15 and all(link.startswith("https://") for link in links)
    own = [link.removeprefix(home) for link in links for home in (HOME, PICTURES) if link.startswith(home)]
    assert len(own) > 12 and [path for path in own if not (ROOT / path).exists()] == []


def test_figures_match_the_benches() -> None:
    found = report.filled(README, RESULTS)
    assert found == README, "run: python -m bench report"
    assert set(re.findall(r"<!-- figures: (\w+) -->", README)) == {"quality", "peers", "step", "tables", "origin"}


def test_the_setup_commands_are_present() -> None:
    assert len(re.findall(r"^ +pip install .*&&", README, re.MULTILINE)) == 2  # .ci/run runs these commands
