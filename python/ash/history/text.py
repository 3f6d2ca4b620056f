"""A Result as text: for a terminal, and as HTML for a notebook."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ash._utils.display import format_table, show, show_param, show_params, show_seconds
from ash.history.digest import SHORT_DIGEST

if TYPE_CHECKING:
    from ash.history.history import History

ENDED = {
    "finished": "",
    "target": ", target reached",
    "epoch_limit": ", epoch limit reached",
    "time_limit": ", stopped by the time limit",
    "stopped": ", stopped by a callback",
    "interrupted": ", interrupted",
}


def result_text(result: "History", memory: Mapping[str, int]) -> str:
    """Return a few lines: the winner, what it cost, its digest, its hyperparameters, the ladder."""
    return "\n".join(
        [*_headlines(result, memory), "", *show_params(result.best_params), "", *format_table(*_ladder_table(result))]
    )


def result_html(result: "History", memory: Mapping[str, int]) -> str:
    """Return the same as HTML, everything escaped."""
    params = [[name, show_param(value)] for name, value in result.best_params.items()]
    headlines = "<br>".join(map(html.escape, _headlines(result, memory)))
    return f"<p>{headlines}</p>{_html_table([], params)}{_html_table(*_ladder_table(result))}"


def _headlines(result: "History", memory: Mapping[str, int]) -> list[str]:
    dropped = f", {memory['dropped']} dropped, {memory['retrained_epochs']} epochs retrained"
    return [
        f"{result.metric} {show(result.best_score)} by candidate {result.best_candidate} in rung {result.best_rung}",
        f"{len(result.params)} candidates, {len(result.columns['rung'])} jobs, {result.epochs} epochs"
        f" in {show_seconds(result.wall_seconds)} on {result.threads} thread{'s' * (result.threads > 1)}"
        f" ({result.utilization:.0%} busy), seed {result.seed}{ENDED[result.ended]}",
        f"digest {result.digest[:SHORT_DIGEST]}{_of_this_run_only(result)};"
        f" states of at most {memory['peak_bytes'] / 1e6:.3g} MB{dropped * (memory['dropped'] > 0)}",
    ]


def _of_this_run_only(result: "History") -> str:
    """Return a remark where another run with the same arguments may have another digest."""
    if result.options.schedule == "greedy" and result.threads > 1:
        return " (of this run only: greedy)"
    return " (of this run only)" if result.ended in ("time_limit", "stopped", "interrupted") else ""


def _ladder_table(result: "History") -> tuple[list[str], list[list[Any]]]:
    names = ["rung", "epochs", "places", "finished", "promoted", "recall", "rank_correlation", "diverged", "best_score"]
    if result.options.candidates is None:
        names.remove("places")
    header = [f"best {result.metric}" if name == "best_score" else name for name in names]
    rows = [{**rung, **{name: _share(rung[name]) for name in ("recall", "rank_correlation")}} for rung in result.rungs]
    return header, [[row[name] for name in names] for row in rows]


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _html_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(show(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' * bool(header)}{body}</table>"
