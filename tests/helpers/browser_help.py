"""A headless Chromium for tests of pages. It records the messages and the requests of each page."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

import needs

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1100, "height": 900}
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
"""Chromium runs without its sandbox, which does not work as root and is not needed for the tests' own pages."""


@contextlib.contextmanager
def open_browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = needs.program("chromium", *CHROMIUM)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=SWITCHES)
        yield browser
        browser.close()


@dataclass
class Visit:
    """An open page, with its logged messages and the addresses that it has requested."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def number(self, script: str) -> float:
        return float(self.page.evaluate(script))

    def wait_for(self, script: str) -> None:
        """Wait until a JavaScript expression is true; the browser itself evaluates it, since the page forbids eval."""
        for _ in range(600):
            if self.page.evaluate(script):
                return
            self.page.wait_for_timeout(100)
        pytest.fail(f"never came true: {script}")

    def color(self, selector: str, name: str = "background-color") -> str:
        return str(self.page.eval_on_selector(selector, f"one => getComputedStyle(one)['{name}']"))

    def shown(self, selector: str) -> int:
        """Return how many matching elements take part in the layout and are not hidden."""
        script = "all => all.filter(one => one.getClientRects().length && !one.classList.contains('out')).length"
        return int(self.page.eval_on_selector_all(selector, script))


@contextlib.contextmanager
def visit(browser: Any, address: str, **settings: Any) -> Iterator[Visit]:
    """Open the page at an address and yield it; then assert that the page has logged no error."""
    context = browser.new_context(**{"viewport": DESKTOP, **settings})
    page = context.new_page()
    opened = Visit(page)
    page.on("console", lambda message: opened.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: opened.said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (opened.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: opened.asked.append(request.url))
    page.goto(address)
    yield opened
    context.close()
    assert opened.said == []


def tones(picture: bytes) -> int:
    """Return the number of different colors in a screenshot."""
    return len(Image.open(io.BytesIO(picture)).convert("RGB").getcolors(2**24) or ())
