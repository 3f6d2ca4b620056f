"""The live view in a notebook: a real one is executed, and what its kernel sends is read."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ash._utils.display import in_notebook
from ash.executors.dispatcher import Status
from ash.progress.board import BoardView, View
from ash.progress.views import open_view, render
from test_progress import EVENTS, LADDER, board, options

CELL = """
import ash, ash.progress.views
from sklearn.datasets import load_wine
ash.progress.views.NotebookView.period = 0
space = ash.Space(hidden=(8,), learning_rate=ash.log(1e-3, 1e-1), batch_size=64)
result = ash.tune(*load_wine(return_X_y=True), space, candidates=16, progress={progress})
"""


def outputs(*cells: str) -> tuple[list[Any], list[Any]]:
    """Execute cells in one kernel; return what was displayed, each message, and what is left in the cells."""
    import nbclient
    import nbformat

    messages = []

    class Listening(nbclient.NotebookClient):
        def process_message(self, message: Any, *rest: Any) -> Any:
            messages.append(message)
            return super().process_message(message, *rest)

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    Listening(notebook, timeout=120, kernel_name="python3").execute()
    shown = [one["content"] for one in messages if one["msg_type"] in ("display_data", "update_display_data")]
    return shown, [output for cell in notebook.cells for output in cell.outputs]


@pytest.mark.filterwarnings("ignore")  # of the notebook's own packages
def test_a_notebook_shows_a_table_that_becomes_a_line() -> None:
    shown, left = outputs(CELL.format(progress=True), CELL.format(progress=None), CELL.format(progress=False))
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
    endless = board(candidates=None, target=0.9)
    assert "<progress" not in render(endless) and "opacity" in render(endless)


def test_elsewhere_nothing_changes() -> None:
    assert not in_notebook()
    assert type(open_view(options(True), LADDER)) is BoardView and type(open_view(options(None), LADDER)) is View


def test_a_terminal_of_ipython_is_no_notebook() -> None:
    code = "import ipykernel.zmqshell, ash._utils.display; print('notebook', ash._utils.display.in_notebook())"
    command = [sys.executable, "-m", "IPython", "--no-banner", "--quick", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "notebook False" in done.stdout, done.stdout + done.stderr
