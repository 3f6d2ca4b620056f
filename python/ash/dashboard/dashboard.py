"""Defines `ash.Dashboard`, which shows the report of a run in the browser during the run.

ash.tune -> on_start, on_job, on_end -> LivePage <- LiveServer on 127.0.0.1 <- browser, once a second
"""

import time
from typing import TYPE_CHECKING, Any, Self

from ash._utils.checks import whole
from ash._utils.user_warnings import warn_user
from ash.callbacks.base import Callback, Run
from ash.errors import SettingError
from ash.history.records import JobRecord

if TYPE_CHECKING:
    from ash.dashboard.live_page import LivePage
    from ash.dashboard.server import LiveServer
    from ash.result import RunResult

LINGER_SECONDS = 3.0
"""The maximum time that `close` waits for an open page to fetch the last state."""
LOOKED_SECONDS = 5.0
"""A page that has sent no request for this long counts as closed."""


class Dashboard(Callback):
    """A callback that shows the report of a run in the browser, redrawn as jobs finish.

    The page is served at `address`, to this machine only, from the creation of the object until `close` or the end of
    the process. The address contains a random token, so other users of the machine cannot read the page. Through a
    tunnel, open the same path at the tunnel's port. After a run it shows the run's report. A dashboard can show several
    runs, one after another. It draws in its own threads, only while a page is open, and uses at most a tenth of one
    core. A drawing error is shown on the page and does not affect the run. As a context manager, a dashboard is closed
    at the end of the block. A copy of a dashboard, as in a cloned estimator, is served on another free port.

    Parameters
    ----------
    port : int
        The port on 127.0.0.1, from 0 to 65535; 0 chooses any free port.

    Raises
    ------
    SettingError
        `port` is not allowed or not available.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> with ash.Dashboard() as dashboard:
    ...     address = dashboard.address  # http://127.0.0.1:.../.../, to be opened in a browser
    ...     result = ash.tune(*load_wine(return_X_y=True), candidates=8, callbacks=[dashboard])
    """

    def __init__(self, port: int = 0) -> None:
        self.port = whole("port", port, 0, 2**16 - 1)
        self._server: LiveServer | None = None
        self._page = _new_page()
        try:
            self._serve(self.port)
        except OSError as error:
            raise SettingError(
                f"port={self.port} is not available ({error.strerror}): give another one, or 0 for any"
            ) from error

    @property
    def address(self) -> str | None:
        """Return the address of the page, or None once the dashboard is closed."""
        return None if self._server is None else self._server.address

    def on_start(self, run: Run) -> None:
        """Begin to show the run."""
        if self._server is None:
            try:
                self._serve(0)
            except OSError as error:
                warn_user(f"the dashboard cannot be shown: {error}")
        self._page.start(run)
        if self._server is not None:
            self._server.seen = False

    def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
        """Add a job. It is shown the next time the page is drawn."""
        self._page.job(job, params)

    def on_end(self, result: "RunResult") -> None:
        """Show the report of the finished run."""
        self._page.end(result)

    def on_error(self, error: BaseException) -> None:
        """Show that the run ended without a result."""
        self._page.fail(error)

    def close(self) -> None:
        """Stop serving, after an open page has had up to three seconds to fetch the last state. Idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        until = time.monotonic() + LINGER_SECONDS if not self._page.running else 0.0
        while not server.seen and time.monotonic() < min(until, server.asked + LOOKED_SECONDS):
            time.sleep(0.05)
        server.close()

    def __enter__(self) -> Self:
        """Return the dashboard."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the dashboard."""
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"port": self.port}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.port, self._server, self._page = state["port"], None, _new_page()

    def _serve(self, port: int) -> None:
        from ash.dashboard.server import LiveServer  # imported late, since it imports http.server

        self._server = LiveServer(self._page, port)


def _new_page() -> "LivePage":
    from ash.dashboard.live_page import LivePage  # imported late, since it imports the report

    return LivePage()
