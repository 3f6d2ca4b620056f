"""Builds the page of a report: its sections in order, in a template with the style and script of this package.

    History -> Story -> sections -> page.html( style.css, script.js, data of the candidates )

Nothing is loaded from elsewhere: a Content-Security-Policy allows only this style and this script, by their hashes. The
page depends only on the history and this installation. It contains no random names, and no date except that of the
run's start.
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from string import Template

from ash._utils.atomic_file import replace_file
from ash.history.history import History
from ash.report.candidates import candidates, data_block, parallel, selection_data
from ash.report.hyperparameters import importance, parameters
from ash.report.ladder import curves, ladder
from ash.report.markup import Markup, asset, escape, join, tag
from ash.report.overview import headline, overview, settings
from ash.report.story import Section, Story
from ash.report.threads import scaling, timeline
from ash.report.winner import winner

SECTIONS = (overview, ladder, curves, winner, importance, parameters, parallel, candidates, timeline, scaling, settings)
OF_TIME = frozenset(("overview", "timeline", "scaling", "settings"))
"""The sections that show times, threads or the machine, and so may differ between two runs with the same digest."""


def write_report(result: History, path: str | os.PathLike[str]) -> Path:
    """Write the page of a run; see `Result.report`."""
    target = Path(path)
    replace_file(target, page(result).encode("utf-8"))
    return target


def page(history: History) -> str:
    """Return the page of a run."""
    story = Story(history)
    sections = [section(story) for section in SECTIONS]
    titles = [(section.name, section.title) for section in sections]
    return fill(headline(story), titles, join(*map(render, sections)), data_block(selection_data(story)))


def fill(
    head: str,
    titles: Sequence[tuple[str, str]],
    body: Markup,
    data: Markup,
    live: int | None = None,
    live_script: str = "",
) -> str:
    """Return the page with the given sections, the outcome in a few words, and links to the sections.

    `live` is the version of a live page; its `live_script` asks for newer versions.
    """
    script = asset("script.js") + live_script
    style = asset("chart.css") + asset("style.css")
    policy = [
        "default-src 'none'",
        f"script-src '{_hash(script)}'",
        f"style-src '{_hash(style)}'",
        "img-src data:",
        "connect-src 'none'" if live is None else "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return Template(asset("page.html")).substitute(
        policy="; ".join(policy),
        style=style,
        script=script,
        title=escape(f"{head} \u00b7 ash"),
        head=escape(head),
        version="" if live is None else f' data-version="{live}"',
        links=join(*(tag("li", tag("a", title, href=f"#{name}")) for name, title in titles)),
        sections=body,
        data=data,
    )


def render(section: Section) -> Markup:
    """Return a section with its heading."""
    heading = tag("h2", section.title, id=f"{section.name}-heading")
    return tag("section", heading, section.body, id=section.name, aria_labelledby=f"{section.name}-heading")


def _hash(content: str) -> str:
    """Return the hash by which a Content-Security-Policy allows an inline element."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode('utf-8')).digest()).decode('ascii')}"
