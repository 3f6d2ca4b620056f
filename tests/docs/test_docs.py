"""Tests the documentation: the code blocks of its pages run, and the reference lists every public name.

`sphinx-build`, which .ci/run calls with warnings as errors, runs the same blocks and the gallery examples.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import ash
import needs
from ash_docs.blocks import LANGUAGES, Block, Session, blocks_of, missing
from ash_docs.drawings import DRAWINGS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def blocks(page: str) -> list[Block]:
    return blocks_of((DOCS / page).read_text(encoding="utf-8"))


def lacking(block: Block) -> list[str]:
    """Return a block's missing requirements, except those that the extra `test` installs."""
    return [name for name in missing(block) if name in needs.HOW]


def runs() -> Iterator[tuple[str, str]]:
    """Yield each page that has blocks to run, once with "" and once with each missing requirement of its blocks."""
    for page in PAGES:
        to_run = [block for block in blocks(page) if block.runs]
        if to_run:
            yield page, ""
        yield from ((page, name) for name in sorted({name for block in to_run for name in lacking(block)}))


@pytest.mark.parametrize(("page", "absent"), list(runs()))
def test_the_blocks_of_a_page_run(page: str, absent: str, tmp_path: Path) -> None:
    if absent:
        needs.lacks(absent)
    session = Session(page.removesuffix(".md"), tmp_path)
    for block in blocks(page):
        if block.runs and not lacking(block):
            session.run(block)


@pytest.mark.parametrize("page", PAGES)
def test_every_fence_has_a_known_purpose(page: str) -> None:
    """Check that each fenced block is code to run, code with a reason not to run it, or a directive."""
    for block in blocks(page):
        assert block.language in LANGUAGES or block.language.startswith("{"), f"{page}, line {block.first + 1}"
        assert block.wishes.get("not run") != ""


def test_the_reference_lists_every_public_name() -> None:
    pages = "".join((DOCS / "reference" / page).read_text(encoding="utf-8") for page in ("index.md", "errors.md"))
    listed = set(re.findall(r"^   (\w+)$", pages, re.MULTILINE))
    listed |= set(re.findall(r"^\.\. (?:autoexception|py:data):: (\w+)$", pages, re.MULTILINE))
    assert listed == set(ash.__all__) - {"callbacks"} | set(ash.callbacks.__all__)


def test_the_glossary_defines_and_links_every_word_of_the_design() -> None:
    [block] = [block for block in blocks("reference/glossary.md") if block.language == "{glossary}"]
    entries = dict(entry.split("\n", 1) for entry in block.source.strip().split("\n\n"))
    words = (DOCS.parent / "cpp" / "DESIGN.md").read_text(encoding="utf-8").split("\n## ")[1]
    listed = set(re.findall(r"^\| (\w+) \|", words, re.MULTILINE)) - {"word"}
    assert len(listed) > 12 and listed <= entries.keys()
    assert list(entries) == sorted(entries)
    assert [word for word, sentence in entries.items() if not re.search(r"\]\(\.\./\S+\)\)\.$", sentence)] == []


@pytest.mark.parametrize("name", list(DRAWINGS))
def test_a_drawing_is_well_formed_and_fits_its_frame(name: str) -> None:
    picture = ElementTree.fromstring(DRAWINGS[name]())[0]
    width, height = map(float, picture.attrib["viewBox"].split()[2:])
    boxes = [each.attrib for each in picture.iter() if each.tag.endswith("rect")]
    edges = [(float(box["x"]) + float(box["width"]), float(box["y"]) + float(box["height"])) for box in boxes]
    dots = [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in picture.iter() if "cx" in each.attrib]
    assert edges or dots
    assert all(0 < x <= width and 0 < y <= height for x, y in [*edges, *dots])


def run(text: str, folder: Path) -> list[str]:
    session = Session("page", folder)
    return [session.run(block).text for block in blocks_of(text)]


def test_blocks_share_a_namespace_and_a_folder(tmp_path: Path) -> None:
    first = "```python\nx = 2\nfrom pathlib import Path\nPath('file').touch()\n```"
    second = "```python\nprint(x, [path.name for path in Path().iterdir()])\n```"
    assert run(f"{first}\n{second}", tmp_path) == ["", "2 ['file']\n"]


def test_the_charts_of_a_block_are_shown_as_svg(tmp_path: Path) -> None:
    source = "run = ash.tune_function(lambda p, n, s: (p['x'], None), {'x': [1, 2]}, candidates=2, verbose=0)"
    [block] = blocks_of(f"```python\nimport ash\n{source}\nrun.plot_ladder()\nrun.plot()\nrun.seed\n```")
    output = Session("page", tmp_path).run(block)
    assert [path.name for path in output.figures] == ["page-1.svg", "page-2.svg"] and output.text == ""
    assert "<svg" in output.figures[0].read_text(encoding="utf-8")


def test_a_page_written_by_a_block_is_shown(tmp_path: Path) -> None:
    [block] = blocks_of("```python shows: run.html\n__import__('pathlib').Path('run.html').touch()\n```")
    assert Session("page", tmp_path).run(block).page == tmp_path / "run.html"


def test_an_expected_warning_is_shown(tmp_path: Path) -> None:
    text = "```python warns: careful\nimport warnings\nwarnings.warn('be careful')\n```"
    assert run(text, tmp_path) == ["UserWarning: be careful\n"]


def test_an_expected_error_is_shown(tmp_path: Path) -> None:
    assert run("```python raises: ValueError\nint('x')\n```", tmp_path)[0].startswith("ValueError: invalid literal")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```python\n1 / 0\n```", ZeroDivisionError),
        ("```python raises: ValueError\n1 / 0\n```", ZeroDivisionError),
        ("```python raises: ValueError\n1\n```", AssertionError),
        ("```python shows: run.html\n1\n```", AssertionError),
        ("```python warns: careful\n1\n```", AssertionError),
        ("```python later\n1\n```", ValueError),
        ("```console\n$ ash-tune no-such-table.csv\n```", AssertionError),
        ("```console exits: 2\n$ ash-tune --version\n```", AssertionError),
        ("```console\n$ rm file\n```", ValueError),
        ("```console\nash-tune digits\n```", ValueError),
    ],
)
def test_an_incorrect_block_fails(text: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        run(text, tmp_path)


def test_a_command_shows_its_output(tmp_path: Path) -> None:
    assert run("```console\n$ ash-tune --version\n```", tmp_path) == [f"ash-tune {ash.__version__}\n"]


def test_missing_requirements_are_named() -> None:
    [block] = blocks_of("```python needs: numpy, no_such_package, sh\nx = 1\n```")
    assert block.runs and missing(block) == ["no_such_package"]
