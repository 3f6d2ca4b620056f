"""What is seen of a run: the counts, who sees what, and outputs that fail."""

import contextlib
import io
import math
import os
import pty
import sys
import threading

import pytest
from rich.console import Console
from sklearn.datasets import load_wine

import ash
import data_help
from ash.executors.dispatcher import Status
from ash.progress.board import Board, BoardView, View
from ash.progress.views import open_view

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
    """Return all that is written to a terminal until its other side is closed, which Linux reports as an error."""
    parts = []
    with os.fdopen(terminal, "rb", buffering=0) as file, contextlib.suppress(OSError):
        while part := file.read(1 << 16):
            parts.append(part)
    return b"".join(parts).decode()


def options(progress, **changes):
    return data_help.options(**{"candidates": 4, "threads": 1, "metric": "accuracy", "progress": progress, **changes})


def board(status=None, **changes):
    return Board(LADDER, options(None, **changes), lambda: status)


def test_events_are_counted():
    counts = board()
    counts.apply(EVENTS[:3])
    counts.apply(EVENTS[3:])
    lower, upper = counts.rungs
    assert (lower.running, lower.finished, lower.promoted, lower.diverged, lower.waiting) == (0, 3, 1, 1, 1)
    assert (upper.running, upper.finished, upper.promoted, upper.diverged, upper.waiting) == (1, 0, 0, 0, 0)
    assert (counts.done_epochs, counts.total_epochs) == (3, 8)
    assert lower.best_score == 0.75 and upper.best_score == -math.inf


def test_time_left():
    counts = board()
    assert counts.seconds_left is None
    counts.apply(EVENTS)
    counts.started -= 3.0
    assert counts.seconds_left == pytest.approx(3.0 / 3 * 5, rel=0.01)
    limited = board(time_limit=4.0)
    limited.started -= 3.0
    limited.apply(EVENTS)
    assert limited.seconds_left == pytest.approx(1.0, abs=0.1)


def test_epochs_left_by_an_epoch_limit():
    limited = board(epoch_limit=5)
    limited.apply(EVENTS)
    limited.started -= 3.0
    assert limited.total_epochs == 5 and limited.share == 3 / 5
    assert limited.seconds_left == pytest.approx(3.0 / 3 * 2, rel=0.01)
    assert board(epoch_limit=1000).total_epochs == 8


def test_an_endless_ladder_has_no_total():
    timed = board(candidates=None, time_limit=4.0)
    assert [number for number, _ in timed.shown_rungs] == [0]
    timed.apply(EVENTS)
    timed.started -= 3.0
    assert timed.total_epochs is None and timed.line().startswith("3 epochs in 3 s, best accuracy 0.7500; about ")
    assert timed.share == pytest.approx(0.75, abs=0.01) and timed.seconds_left == pytest.approx(1.0, abs=0.1)
    assert [number for number, _ in timed.shown_rungs] == [0, 1]
    aimed = board(candidates=None, target=0.9)
    aimed.apply(EVENTS)
    assert aimed.share is None and aimed.seconds_left is None and "left" not in aimed.line()
    assert board(candidates=None, epoch_limit=12).total_epochs == 12


def test_a_line_says_it_all():
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
    from ash.progress.live_view import render

    stream = io.StringIO()
    Console(file=stream, width=80, no_color=True, force_terminal=False).print(render(board(status)))
    assert stream.getvalue().splitlines()[-1] == line
    assert line in board(status).line().split("; ") and "workers" not in board().line()


def test_plain_lines_come_every_few_seconds_and_at_the_end():
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
    ("progress", "stream", "term", "kind"),
    [
        (None, Terminal(), "xterm", "LiveView"),
        (None, Terminal(), "dumb", "BoardView"),
        (None, io.StringIO(), "xterm", "View"),
        (True, Terminal(), "xterm", "LiveView"),
        (True, io.StringIO(), "xterm", "BoardView"),
        (False, Terminal(), "xterm", "View"),
        (True, None, "xterm", "View"),
    ],
)
def test_who_sees_what(progress, stream, term, kind, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    assert type(open_view(options(progress), LADDER)).__name__ == kind


def test_silent_is_silent(capfd):
    ash.tune(*load_wine(return_X_y=True), candidates=4, progress=False)
    ash.tune(*load_wine(return_X_y=True), candidates=4)
    assert capfd.readouterr() == ("", "")


def test_plain_lines_of_a_run(capfd):
    ash.tune(*load_wine(return_X_y=True), candidates=4, progress=True)
    out, err = capfd.readouterr()
    assert out == "" and err.splitlines()[-1].startswith("ash: 8 of 8 epochs in ")


@pytest.mark.parametrize("failing", [Broken, Terminal], ids=["broken pipe", "closed"])
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_run_outlives_its_terminal(failing, term, monkeypatch):
    stream = failing()
    if failing is Terminal:
        stream.isatty = lambda: True
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    result = ash.tune(*load_wine(return_X_y=True), candidates=4, progress=True)
    assert result.ended == "finished"


def test_a_closed_stream_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    assert type(open_view(options(None), LADDER)) is View


@pytest.mark.parametrize("width", [20, 80, 300])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_live_table_fits(width, encoding):
    from ash.progress.live_view import render

    counts = board()
    counts.apply(EVENTS)
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    Console(file=stream, width=width, no_color=True, force_terminal=False).print(render(counts))
    stream.flush()
    lines = raw.getvalue().decode(encoding).splitlines()
    assert max(map(len, lines)) <= width and len(lines) >= 5
    if width > 20:
        assert any(line.split()[:5] == ["0", "1", "0", "1", "1"] and "0.7500" in line for line in lines)


def test_the_live_table_of_an_endless_ladder_shows_what_was_reached():
    from ash.progress.live_view import render

    def shown(counts):
        stream = io.StringIO()
        Console(file=stream, width=80, no_color=True, force_terminal=False).print(render(counts))
        return stream.getvalue()

    counts = board(candidates=None, time_limit=100.0)
    assert [line.split()[0] for line in shown(counts).splitlines()[:2]] == ["rung", "0"]
    counts.started -= 50.0
    assert "#" * 20 + "." * 20 in shown(counts)
    counts.apply(EVENTS)
    assert [line.split()[0] for line in shown(counts).splitlines()[:3]] == ["rung", "1", "0"]
    aimed = shown(board(candidates=None, target=0.9))
    assert "#" not in aimed and "...." not in aimed and "0 epochs in" in aimed


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"COLUMNS": "20"}], ids=["plain", "no color", "narrow"])
def test_live_on_a_terminal(variables, monkeypatch):
    """A real terminal: the table is drawn and wiped, one line stays, the cursor is shown again."""
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shown = io.StringIO()
    reader = threading.Thread(target=lambda: shown.write(read_all(master)))
    reader.start()
    threads = threading.active_count()
    with os.fdopen(slave, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with open_view(options(None), LADDER) as view:
            assert threading.active_count() == threads
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
    with pytest.raises(RuntimeError), open_view(options(None), LADDER):
        raise RuntimeError
    assert stream.getvalue().count("\x1b[?25h") == 1
