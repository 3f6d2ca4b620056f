"""Helpers for tests of reports: functions that parse a page, and results from which pages are made."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ash.models.model_pool import Kept
from ash.result import Result
from result_help import make_result

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\x00\ud800\u202e<b>"
"""A hostile name for columns, labels and values."""


class Outline(HTMLParser):
    """The headings in order, the ids, the links and all elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.headings: list[tuple[int, str]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._heading: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self.elements.append((tag, own))
        if identity := own.get("id"):
            self.ids.append(identity)
        if tag == "a":
            self.links.append(own.get("href") or "")
        if re.fullmatch("h[1-6]", tag):
            self._heading = ""

    def handle_data(self, data: str) -> None:
        if self._heading is not None:
            self._heading += data

    def handle_endtag(self, tag: str) -> None:
        if self._heading is not None and re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), self._heading))
            self._heading = None


def section(text: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', text, re.DOTALL)
    assert found is not None, name
    return found[0]


def pictures(text: str) -> dict[str, ElementTree.Element]:
    """Return the charts of a page by their ids (without "-title")."""
    parsed = [ElementTree.fromstring(one) for one in re.findall(r"<svg xmlns.*?</svg>", text, re.DOTALL)]
    return {one[0].attrib["id"].removesuffix("-title"): one for one in parsed}


def group(picture: ElementTree.Element, classes: str) -> list[ElementTree.Element]:
    return [child for one in picture.iter(f"{SVG}g") if one.get("class") == classes for child in one]


def data(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


def table(text: str, caption: str) -> list[list[str]]:
    found = re.search(rf"<table[^>]*><caption[^>]*>{caption}.*?</table>", text, re.DOTALL)
    assert found is not None, caption
    rows = ElementTree.fromstring(found[0]).iter("tr")
    return [["".join(cell.itertext()) for cell in row] for row in rows]


def with_predictions(result: Result, labels: list[str], rows: int = 90) -> Result:
    """Return a copy of the result with random predictions by the best candidate, and random true labels."""
    random = np.random.default_rng(0)
    outputs = random.dirichlet(np.ones(len(labels)), (1, rows)).astype(np.float32)
    targets = random.integers(0, len(labels), (rows, 1)).astype(float)
    result.model.classes_ = np.array(labels, object)
    folds, units = np.zeros(rows, np.int64), np.arange(rows)
    kept = Kept(((result.model,),), (0,), (0,), (1.0,), outputs, targets, None, folds, units)
    return dataclasses.replace(result, kept=kept)


def hostile_result() -> Result:
    """Return a result with hostile names of hyperparameters, values, labels and metric."""
    made = with_predictions(make_result(candidates=40, n_jobs=2, diverge=0.2), [HOSTILE, "b", HOSTILE + "c"])
    params = tuple({**one, HOSTILE: (HOSTILE, "plain")[number % 2]} for number, one in enumerate(made.params))
    return dataclasses.replace(made, params=params, options=dataclasses.replace(made.options, metric=HOSTILE))
