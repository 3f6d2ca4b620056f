"""`ash.Dashboard`: the report of a run in the browser, while it goes on.

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
"""How long `close` lets an open page fetch the end."""
LOOKED_SECONDS = 5.0
"""Since when a page that has not asked any more is closed."""


class Dashboard(Callback):
    """A callback that shows a run in the browser: the report, drawn anew as jobs finish.

    The page is at `address`, for this machine only, from when the object is made until `close` or the end of the
    process; after a run it is its report. One dashboard shows one run after the other. It draws in threads of its own
    and only while somebody looks, for at most a tenth of one core; what goes wrong there is told on the page and does
    the run no harm. A context manager, too, which closes it. A copy, as a clone of an estimator makes it, serves on a
    free port of its own.

    Parameters
    ----------
    port : int
        Of 127.0.0.1, 0 to 65535; 0: a free one.

    Raises
    ------
    SettingError
        `port` is not allowed or cannot be had.

    Examples
    --------
    >>> import ash
    >>> from sklearn.datasets import load_wine
    >>> with ash.Dashboard() as dashboard:
    ...     address = dashboard.address  # http://127.0.0.1:..., to be opened in a browser
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
        """Return the address of the page, None once it is closed."""
        return None if self._server is None else self._server.address

    def on_start(self, run: Run) -> None:
        """Show the run."""
        if self._server is None:
            try:
                self._serve(0)
            except OSError as error:
                warn_user(f"the dashboard cannot be shown: {error}")
        self._page.start(run)
        if self._server is not None:
            self._server.seen = False

    def on_job(self, job: JobRecord, params: dict[str, Any]) -> None:
        """Show the job when the page is drawn next."""
        self._page.job(job)

    def on_end(self, result: "RunResult") -> None:
        """Show the report."""
        self._page.end(result)

    def on_error(self, error: BaseException) -> None:
        """Show that there is no result."""
        self._page.fail(error)

    def close(self) -> None:
        """Stop serving; a page that is open is given up to three seconds to fetch the end. May be called again."""
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
        """Close it."""
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"port": self.port}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.port, self._server, self._page = state["port"], None, _new_page()

    def _serve(self, port: int) -> None:
        from ash.dashboard.server import LiveServer  # here: it imports http.server

        self._server = LiveServer(self._page, port)


def _new_page() -> "LivePage":
    from ash.dashboard.live_page import LivePage  # here: it imports the report

    return LivePage()
