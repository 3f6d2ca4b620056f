"""Tests the progress of a run on a terminal and in a notebook: its counts, the choice of the view, failing outputs."""

import contextlib
import io
import math
import os
import pty
import subprocess
import sys
import tempfile
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from sklearn.datasets import load_wine

import ash
import data_help
from ash.executors.flights import Status
from ash.progress.board import Board, BoardView
from ash.progress.views import open_view, render
from fault_help import HANG_SECONDS

LADDER = [{"epochs": 1, "places": 4}, {"epochs": 2, "places": 2}]
NAN = math.nan
EVENTS = [
    ("started", 0, 0, 0.0, NAN),
    ("started", 1, 0, 0.0, NAN),
    ("finished", 0, 0, 0.1, 0.5),
    ("started", 2, 0, 0.1, NAN),
    ("finished", 1, 0, 0.2, 0.75),
    ("promoted", 1, 0, 0.2, NAN),
    ("started", 1, 1, 0.2, NAN),
    ("diverged", 2, 0, 0.3, NAN),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Broken(Terminal):
    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


def read_all(terminal):
    """Return everything written to a pseudo-terminal until its other end is closed, which Linux reports as an error."""
    parts = []
    with os.fdopen(terminal, "rb", buffering=0) as file, contextlib.suppress(OSError):
        while part := file.read(1 << 16):
            parts.append(part)
    return b"".join(parts).decode()


@pytest.fixture
def clock(monkeypatch):
    """Return the clock of the progress, which stands still until a test advances `now`."""
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr("ash.progress.board.time", clock)
    return clock


def options(verbose, **changes):
    return data_help.options(**{"candidates": 4, "n_jobs": 1, "scoring": "accuracy", "verbose": verbose, **changes})


def board(status=None, **changes):
    return Board(LADDER, options(1, **changes), lambda: status)


def live_table(counts, width=80, encoding="ascii"):
    from ash.progress.live_view import render

    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    Console(file=stream, width=width, no_color=True, force_terminal=False).print(render(counts))
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_events_are_counted():
    counts = board()
    counts.apply(EVENTS[:3])
    counts.apply(EVENTS[3:])
    lower, upper = counts.rungs
    assert (lower.running, lower.finished, lower.promoted, lower.diverged, lower.waiting) == (0, 3, 1, 1, 1)
    assert (upper.running, upper.finished, upper.promoted, upper.diverged, upper.waiting) == (1, 0, 0, 0, 0)
    assert (counts.done_epochs, counts.total_epochs) == (3, 8)
    assert lower.best_score == 0.75 and upper.best_score == -math.inf


def test_the_remaining_time_is_estimated(clock):
    counts = board()
    assert counts.seconds_left is None
    counts.apply(EVENTS)
    limited = board(time_limit=4.0)
    limited.apply(EVENTS)
    clock.now += 3.0
    assert counts.seconds_left == 3.0 / 3 * 5
    assert limited.seconds_left == 1.0


def test_a_plan_with_one_rung_tells_the_time_of_a_search_with_promotions():
    timed, others = board(time_limit=4.0), board()
    assert "promotions" not in timed.line()
    timed.fuller = others.fuller = 10.0
    assert "no score (a search with promotions takes about 40 s)" in timed.line()
    assert "no score (a search with promotions takes about 10 times as long)" in others.footer()


def test_the_remaining_epochs_follow_an_epoch_limit(clock):
    limited = board(max_total_epochs=5)
    limited.apply(EVENTS)
    clock.now += 3.0
    assert limited.total_epochs == 5 and limited.share == 3 / 5
    assert limited.seconds_left == pytest.approx(3.0 / 3 * 2)
    assert board(max_total_epochs=1000).total_epochs == 8


def test_an_endless_ladder_has_no_total(clock):
    timed = board(candidates=None, time_limit=4.0)
    assert [number for number, _ in timed.shown_rungs] == [0]
    timed.apply(EVENTS)
    clock.now += 3.0
    assert timed.total_epochs is None and timed.line().startswith("3 epochs in 3 s, best accuracy 0.7500, 1 diverged; ")
    assert timed.share == 0.75 and timed.seconds_left == 1.0
    assert [number for number, _ in timed.shown_rungs] == [0, 1]
    aimed = board(candidates=None, stop_score=0.9)
    aimed.apply(EVENTS)
    assert aimed.share is None and aimed.seconds_left is None and "left" not in aimed.line()
    assert board(candidates=None, max_total_epochs=12).total_epochs == 12


def test_one_line_contains_everything():
    counts = board()
    assert "0 of 8 epochs" in counts.line() and "no score" in counts.line()
    counts.apply(EVENTS)
    line = counts.line()
    for part in (
        "3 of 8 epochs",
        "best accuracy 0.7500",
        "left; rung 0: 0 running, 1 waiting, 1 promoted",
        "rung 1: 1 running",
    ):
        assert part in line
    assert "\n" not in line and line.isascii()


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (Status(2, 0, 8, 0), "workers: 2, jobs on their way: 8"),
        (Status(3, 1, 0, 1_500_000), "workers: 3 (1 lost), jobs on their way: 0, states moved: 1.5 MB"),
    ],
)
def test_the_workers_of_an_executor_have_a_line(status, line):
    assert live_table(board(status)).splitlines()[-1] == line
    assert line in board(status).line().split("; ") and "workers" not in board().line()


def test_plain_lines_are_printed_every_few_seconds_and_at_the_end():
    stream = io.StringIO()
    with BoardView(board(), stream) as view:
        view.update(EVENTS[:3])
        assert stream.getvalue() == ""
        view._drawn -= 6
        view.update(EVENTS[3:])
        view.update([])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "rung 1: 1 running" in lines[0] and lines[1].startswith("ash: 3 of 8 epochs in ")


@pytest.mark.parametrize(
    ("verbose", "stream", "term", "kind"),
    [
        (1, Terminal(), "xterm", "LiveView"),
        (1, Terminal(), "dumb", "BoardView"),
        (1, io.StringIO(), "xterm", "View"),
        (2, Terminal(), "xterm", "LiveView"),
        (2, io.StringIO(), "xterm", "BoardView"),
        (0, Terminal(), "xterm", "View"),
        (2, None, "xterm", "View"),
    ],
)
def test_the_view_depends_on_the_output(verbose, stream, term, kind, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    assert type(open_view(options(verbose), LADDER)).__name__ == kind


def test_nothing_is_printed_without_progress(capfd):
    ash.tune(*load_wine(return_X_y=True), candidates=4, verbose=0, validation=0.2)
    ash.tune(*load_wine(return_X_y=True), candidates=4, validation=0.2)
    assert capfd.readouterr() == ("", "")


def test_a_run_prints_plain_lines(capfd):
    ash.tune(*load_wine(return_X_y=True), candidates=4, verbose=2, validation=0.2)
    out, err = capfd.readouterr()
    assert out == "" and err.splitlines()[-1].startswith("ash: 8 of 8 epochs in ")


@pytest.mark.parametrize("failing", [Broken, Terminal], ids=["broken pipe", "closed"])
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_run_survives_the_end_of_its_terminal(failing, term, monkeypatch):
    stream = failing()
    if failing is Terminal:
        stream.isatty = lambda: True
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    result = ash.tune(*load_wine(return_X_y=True), candidates=4, verbose=2, validation=0.2)
    assert result.ended == "finished"


@pytest.mark.parametrize("width", [20, 80, 300])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_live_table_fits_the_terminal(width, encoding):
    counts = board()
    counts.apply(EVENTS)
    lines = live_table(counts, width, encoding).splitlines()
    assert max(map(len, lines)) <= width and len(lines) >= 5
    if width > 20:
        assert any(line.split()[:5] == ["0", "1", "0", "1", "1"] and "0.7500" in line for line in lines)


def test_the_live_table_of_an_endless_ladder_shows_the_rungs_reached(clock):
    counts = board(candidates=None, time_limit=100.0)
    assert [line.split()[0] for line in live_table(counts).splitlines()[:2]] == ["rung", "0"]
    clock.now += 50.0
    assert "#" * 20 + "." * 20 in live_table(counts)
    counts.apply(EVENTS)
    assert [line.split()[0] for line in live_table(counts).splitlines()[:3]] == ["rung", "1", "0"]
    aimed = live_table(board(candidates=None, stop_score=0.9))
    assert "#" not in aimed and "...." not in aimed and "0 epochs in" in aimed


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"COLUMNS": "20"}], ids=["plain", "no color", "narrow"])
def test_a_live_table_is_drawn_on_a_terminal(variables, monkeypatch):
    """Check on a real terminal that the table is drawn and erased, one line remains, and the cursor is shown again."""
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shown = io.StringIO()
    reader = threading.Thread(target=lambda: shown.write(read_all(master)))
    reader.start()
    before = {*threading.enumerate()}
    with os.fdopen(slave, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with open_view(options(1), LADDER) as view:
            assert {*threading.enumerate()} <= before
            view.update(EVENTS)
            view._drawn -= 1
            view.update([])
    reader.join()
    shown = shown.getvalue()
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1
    assert shown.replace("\r\n", "\n").splitlines()[-1].split("ash: ")[1].startswith("3 of 8 epochs")
    assert ("promoted" in shown) == ("COLUMNS" not in variables)
    if "NO_COLOR" in variables:
        assert "\x1b[3" not in shown.replace("\x1b[39m", "")


def test_an_error_in_a_run_restores_the_terminal(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(RuntimeError), open_view(options(1), LADDER):
        raise RuntimeError
    assert stream.getvalue().count("\x1b[?25h") == 1


# Notebooks: a real notebook is executed, and its kernel's messages are read


CELL = """
import ash, ash.progress.views
from sklearn.datasets import load_wine
ash.progress.views.NotebookView.period = 0
space = ash.Space(hidden=(8,), learning_rate=ash.loguniform(1e-3, 1e-1), batch_size=64)
result = ash.tune(*load_wine(return_X_y=True), space, candidates=16, validation=0.2, verbose={verbose})
"""


def outputs(*cells: str) -> tuple[list[Any], list[Any]]:
    """Execute cells in one kernel. Return all displayed messages, and the outputs left in the cells."""
    import nbclient
    import nbformat
    from traitlets.config import Config

    messages = []

    class Listening(nbclient.NotebookClient):
        def process_message(self, message: Any, *rest: Any) -> Any:
            messages.append(message)
            return super().process_message(message, *rest)

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with tempfile.TemporaryDirectory() as folder:  # sockets in a folder, since another process may take a free port
        config = Config(KernelManager={"transport": "ipc", "ip": f"{folder}/kernel"})
        Listening(notebook, timeout=HANG_SECONDS, kernel_name="python3", config=config).execute()
    shown = [one["content"] for one in messages if one["msg_type"] in ("display_data", "update_display_data")]
    return shown, [output for cell in notebook.cells for output in cell.outputs]


@pytest.mark.filterwarnings("ignore")  # warnings of the notebook's own packages
def test_a_notebook_shows_a_table_that_becomes_a_line() -> None:
    shown, left = outputs(CELL.format(verbose=2), CELL.format(verbose=1), CELL.format(verbose=0))
    assert len({content["transient"]["display_id"] for content in shown}) == 1
    tables, last = [content["data"]["text/html"] for content in shown[:-1]], shown[-1]["data"]
    assert len(tables) >= 2 and all(page.startswith("<table>") for page in tables)
    assert "<th>best accuracy</th>" in tables[0] and "0 of 64 epochs" in tables[0]
    assert "64 of 64 epochs" in tables[-1] and "<td>3</td><td>8</td><td>0</td><td>2</td>" in tables[-1]
    assert last["text/html"].startswith("<div>ash: 64 of 64 epochs in ") and "<table>" not in last["text/html"]
    assert last["text/plain"].startswith("ash: 64 of 64 epochs")
    assert [output.output_type for output in left] == ["display_data"]
    assert left[0].data["text/html"] == last["text/html"]


def test_a_table_is_complete_and_escaped() -> None:
    counts = board(time_limit=60.0)
    counts.apply(EVENTS)
    page = render(counts)
    assert page.count("<tr") == len(LADDER) + 1 and page.count("</td>") == 6 * len(LADDER)
    assert "<td>0</td><td>1</td><td>0</td><td>1</td><td>1</td><td>0.7500</td></tr>" in page
    assert '<progress value="0.3750" max="1">' in page and " left</div>" in page
    counts.metric = "<script>"
    assert "<script>" not in render(counts) and "&lt;script&gt;" in render(counts)
    assert render(board(Status(2, 1, 8, 0))).endswith("<div>workers: 2 (1 lost), jobs on their way: 8</div>")
    endless = board(candidates=None, stop_score=0.9)
    assert "<progress" not in render(endless) and "opacity" in render(endless)


def test_an_ipython_terminal_is_not_a_notebook() -> None:
    code = "import ipykernel.zmqshell, ash._utils.display; print('notebook', ash._utils.display.in_notebook())"
    command = [sys.executable, "-m", "IPython", "--no-banner", "--quick", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "notebook False" in done.stdout, done.stdout + done.stderr
