"""Lets Sphinx run the blocks of each page when it reads the page, and turns names in code into links.

    page.md      -> blocks are run and followed by their outputs    run_page
    `ash.tune`   -> a link, in pages                                NamesToLinks
    `threads`    -> a link or code, in docstrings                   plain_word, for words that are not names in ash

A word between single backticks in a docstring, and `ash.name` as code in a page, becomes a link if it names something
documented. Sphinx warns if `ash.name` does not exist, so the prose cannot mention a missing name.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

import ash
from ash_docs.blocks import Block, Output, Session, blocks_of, missing
from ash_docs.drawings import DRAWINGS

RETURNED = {
    f"ash.{name}" for name in ("Chart", "Ensemble", "Network", "Plan", "Result", "Run", "RungPlan", "Simulation")
}
"""Classes that users do not construct: functions return their objects."""

FIGURES = "generated"
"""The folder in docs/ for figures and HTML pages that blocks have written; conf.py tells Sphinx to copy it."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect this extension's functions to Sphinx, and return the extension's properties."""
    app.connect("source-read", run_page)
    app.connect("missing-reference", plain_word)
    app.connect("autodoc-process-signature", hide_constructor)
    app.connect("autodoc-process-docstring", escape_types, priority=100)  # runs before numpydoc's handler
    app.add_transform(NamesToLinks)
    app.add_directive("drawing", Drawing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def run_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Run the blocks of a Markdown page and insert the output of each block after it."""
    if Path(app.env.doc2path(page)).suffix != ".md":
        return
    lines = source[0].split("\n")
    with tempfile.TemporaryDirectory() as folder:
        session = Session(page, Path(folder))
        shown = {block.stop: _shown(app, session, block) for block in blocks_of(source[0]) if block.runs}
    source[0] = "\n".join(part for number, line in enumerate([*lines, ""]) for part in (*shown.get(number, ()), line))


def _shown(app: Sphinx, session: Session, block: Block) -> list[str]:
    absent = missing(block)
    if absent:
        return ["", f"*Not run here, where {' and '.join(absent)} is not installed.*", ""]
    output = session.run(block)
    kind = "output error" if "raises" in block.wishes or "exits" in block.wishes else "output"
    figures = [line for path in output.figures for line in _figure(app, path)]
    return [*_text(output, kind), *figures, *_page(app, session.name, output.page)]


def _text(output: Output, kind: str) -> list[str]:
    text = output.text.rstrip()
    return ["", "~~~~{code-block} text", f":class: {kind}", "", text, "~~~~", ""] if text else []


def _figure(app: Sphinx, path: Path) -> list[str]:
    shutil.copyfile(path, Path(app.srcdir) / FIGURES / path.name)
    return ["", f"![What the code above has drawn](/{FIGURES}/{path.name})", ""]


def _page(app: Sphinx, name: str, path: Path | None) -> list[str]:
    """Return the lines that embed an HTML page in a frame and link to it; no lines if `path` is None."""
    if path is None:
        return []
    shutil.copyfile(path, Path(app.srcdir) / FIGURES / path.name)
    address = "../" * name.count("/") + f"_static/{path.name}"
    frame = f'<iframe class="page" src="{address}" title="{path.name}" loading="lazy"></iframe>'
    return ["", "~~~{raw} html", f'{frame}<p><a href="{address}">{path.name}</a> in a window of its own</p>', "~~~", ""]


def hide_constructor(app: Sphinx, what: str, name: str, *others: Any) -> tuple[str, str] | None:
    """Hide the constructor's arguments of classes whose objects are only returned by functions, not made by users."""
    return ("", "") if what == "class" and name in RETURNED else None


def escape_types(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Escape names such as n_features_in_ in types, which reStructuredText would read as references."""
    for number, line in enumerate(lines):
        before, colon, kind = line.partition(" : ")
        lines[number] = before + colon + re.sub(r"(\w)_(?!\w)", r"\1\\_", kind)


def plain_word(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.Element | None:
    """Show a word of a docstring as plain code if it is not a public name of ash."""
    return content if node["reftype"] == "obj" and not public_name(node["reftarget"]) else None


def public_name(code: str) -> str | None:
    """Return "ash.name" or "ash.name.member" if the code is this public name or a call of it; otherwise None."""
    found = re.fullmatch(r"(ash\.(\w+)(?:\.\w+)?)(?:\(.*\))?", code, re.DOTALL)
    return found[1] if found and found[2] in ash.__all__ else None


class Drawing(SphinxDirective):
    """The directive `{drawing} NAME`, which inserts a drawing of drawings.py."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the drawing as raw HTML."""
        return [nodes.raw("", DRAWINGS[self.arguments[0]](), format="html")]


class NamesToLinks(SphinxTransform):
    """Turns `ash.name` as code in a page into a link to its documentation."""

    default_priority = 400

    def apply(self, **arguments: Any) -> None:
        """Replace each code literal that is a public name by a reference to its documentation."""
        for literal in list(self.document.findall(nodes.literal)):
            target = public_name(literal.astext())
            if target and not isinstance(literal.parent, (nodes.reference, pending_xref)):
                literal.replace_self(self._reference(target, literal))

    def _reference(self, target: str, literal: nodes.literal) -> pending_xref:
        options = {"refdomain": "py", "reftype": "obj", "reftarget": target, "refexplicit": True, "refwarn": True}
        return pending_xref("", literal.deepcopy(), refdoc=self.env.docname, **options)
