"""Writes llms.txt, an index of the pages as plain text (https://llmstxt.org).

The index begins with the title and first sentence of the root page. Each page in the root page's table of contents has
a section, which lists that page and all pages below it, each with its title, address and first sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect this extension's function to Sphinx, and return the extension's properties."""
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Write llms.txt into the root of the HTML pages."""
    if error or app.builder.format != "html":
        return
    env, root = app.env, app.config.root_doc
    lines = [f"# {env.titles[root].astext()}", "", f"> {first_sentence(env.get_doctree(root))}"]
    for section in env.toctree_includes.get(root, ()):
        lines += ["", f"## {env.titles[section].astext()}", ""]
        for page in pages_from(env, section):
            address = urljoin(app.config.html_baseurl, app.builder.get_target_uri(page))
            lines.append(f"- [{env.titles[page].astext()}]({address}): {first_sentence(env.get_doctree(page))}")
    Path(app.outdir, "llms.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def pages_from(env: BuildEnvironment, page: str) -> Iterator[str]:
    """Yield a page and all pages below it in the table of contents, in order."""
    yield page
    for below in env.toctree_includes.get(page, ()):
        yield from pages_from(env, below)


def first_sentence(page: nodes.document) -> str:
    """Return the first sentence of a page that is not in a note, warning or table."""
    outside = (nodes.Admonition, nodes.entry)
    paragraphs = (each for each in page.findall(nodes.paragraph) if not isinstance(each.parent, outside))
    return re.split(r"(?<=[.?!])\s", " ".join(next(paragraphs, nodes.paragraph()).astext().split()))[0]
