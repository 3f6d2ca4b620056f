"""Takes the screenshots of the report and the dashboard for the documentation, from a real run.

    python docs/screenshots.py

The script writes them to docs/images/. It needs the extra `test` and Chromium (Debian: apt-get install chromium), and
takes a minute.
"""

import io
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from sklearn.datasets import load_digits

import ash

IMAGES = Path(__file__).resolve().parent / "images"
SCHEMES = ("light", "dark")
DESKTOP, PHONE = {"width": 1100, "height": 1180}, {"width": 360, "height": 720}
LARGEST = 250_000
"""The maximum size of a picture in bytes."""
JOBS = 90
"""The number of finished jobs after which the dashboard's screenshots are taken."""


def tune(*callbacks: ash.Callback) -> ash.Result:
    """Run the search that the pictures show, and return its result."""
    return ash.tune(
        *load_digits(return_X_y=True), candidates=128, random_state=0, verbose=0, callbacks=[*callbacks], validation=0.2
    )


def keep(name: str, picture: bytes) -> None:
    """Write a picture, and exit if its file is too large for the repository."""
    path = IMAGES / f"{name}.png"
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size:,} bytes")
    if path.stat().st_size > LARGEST:
        sys.exit(f"{path.name} is larger than {LARGEST:,} bytes")


def take_report(open_page: Callable[..., Page], address: str) -> None:
    """Take the screenshots of the report: its top, a selected candidate, a filter, and the view on a phone."""
    for scheme in SCHEMES:
        page = open_page(address, scheme, DESKTOP)
        keep(f"report-{scheme}", page.screenshot())
        page.locator("[aria-label='batch_size: 32']").click()
        keep(f"report-parallel-{scheme}", page.locator("#parallel").screenshot())
        page.click("#filter-clear")
        page.locator("#candidates tbody button").nth(2).click()
        page.locator("#ladder").scroll_into_view_if_needed()
        page.evaluate("document.getElementById('ladder').scrollIntoView()")
        keep(f"report-selected-{scheme}", page.screenshot())
        keep(f"report-phone-{scheme}", open_page(address, scheme, PHONE).screenshot())


class Waiting(ash.Callback):
    """Pauses the run after `JOBS` jobs until the pictures are taken."""

    def __init__(self) -> None:
        self.jobs, self.reached, self.taken = 0, threading.Event(), threading.Event()

    def on_job(self, job: Any, params: dict[str, Any]) -> None:
        """Count the jobs, and wait once `JOBS` have finished."""
        self.jobs += 1
        if self.jobs == JOBS:
            self.reached.set()
            self.taken.wait()


def take_dashboard(open_page: Callable[..., Page]) -> None:
    """Take the screenshots of the dashboard during a run."""
    waiting = Waiting()
    with ash.Dashboard() as dashboard:
        run = threading.Thread(target=tune, args=(dashboard, waiting))
        run.start()
        waiting.reached.wait()
        for scheme in SCHEMES:
            keep(f"dashboard-{scheme}", open_page(dashboard.address, scheme, DESKTOP).screenshot())
        waiting.taken.set()
        run.join()


def main() -> None:
    """Take all screenshots."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])

        def open_page(address: str, scheme: str, size: dict[str, int]) -> Page:
            page = browser.new_page(viewport=size, color_scheme=scheme, device_scale_factor=1.0)
            page.goto(address)
            return page

        take_report(open_page, tune().report(Path(folder) / "report.html").as_uri())
        take_dashboard(open_page)
        browser.close()


if __name__ == "__main__":
    main()
