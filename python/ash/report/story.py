"""Collects what the sections of a report use: a history, values derived from it, and the candidates to draw.

    ranked (have a job)  >=  known (can be selected; at most MOST_KNOWN)  >=  drawn (line or row; at most MOST_DRAWN)

If there are too many candidates, half of the places go to the best candidates, and the other half to evenly spaced
ranks among the rest. So a chart shows both the best candidates and the range of candidates that were tried.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ash._utils.cached import cached_property
from ash.history.chart_data import ParameterAxis, parameter_axes
from ash.history.history import RUNNING, History
from ash.history.records import Standing, standing_of
from ash.report.chart import shade
from ash.report.markup import Markup
from ash.run_record import FUNCTION

MOST_KNOWN = 4096
MOST_DRAWN = 512

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Section:
    """A part of the page: `name` is its anchor, `body` the content under its heading."""

    name: str
    title: str
    body: Markup


@dataclass(frozen=True, eq=False)
class Story:
    """A history with the derived values that sections use."""

    history: History

    @property
    def scored(self) -> str:
        """Return the name by which axes label the score: the metric, or "validation" and the metric."""
        metric = self.history.metric
        return metric if self.history.task == FUNCTION else f"validation {metric}"

    @property
    def where(self) -> str:
        """Return " on the validation rows" as the end of a sentence about scores; empty for the run of a function."""
        return "" if self.history.task == FUNCTION else " on the validation rows"

    @property
    def over(self) -> bool:
        """Return whether the run has ended."""
        return self.history.ended != RUNNING

    @cached_property
    def standing(self) -> Standing:
        """Return the standing (highest rung, best score, rank) of each candidate."""
        return standing_of(self.history.columns, len(self.history.params))

    @cached_property
    def ranked(self) -> Rows:
        """Return the candidates with a job: first the winner, then the other candidates by rank (ties by number)."""
        standing, best = self.standing, self.history.best_candidate
        rows = np.flatnonzero(standing.rung >= 0)
        order = rows[np.lexsort((rows, -standing.rank[rows], rows != best))]
        return np.asarray(order, np.int64)

    @cached_property
    def known(self) -> Rows:
        """Return the candidates that a reader of the page can select, at most MOST_KNOWN, the best first."""
        return thinned(self.ranked, MOST_KNOWN)

    @cached_property
    def drawn(self) -> Rows:
        """Return the candidates that are drawn as a line or listed as a row, the best first."""
        return thinned(self.known, MOST_DRAWN)

    @cached_property
    def others(self) -> list[int]:
        """Return `drawn` without the winner, in reverse order (best last), since SVG draws later elements on top."""
        return [number for number in self.drawn.tolist()[::-1] if number != self.history.best_candidate]

    @cached_property
    def is_known(self) -> NDArray[np.bool_]:
        """Return for each job whether its candidate is in `known`."""
        return np.isin(self.history.columns["candidate"], self.known)

    @cached_property
    def axes(self) -> list[ParameterAxis]:
        """Return the axes of all hyperparameters."""
        return parameter_axes(self.history)

    @cached_property
    def varying(self) -> list[ParameterAxis]:
        """Return the axes of the hyperparameters in which candidates differ."""
        return [axis for axis in self.axes if axis.varies]

    def shade(self, rung: int) -> str:
        """Return the CSS class for the shade of a rung."""
        return shade(rung, len(self.history.rungs))

    def shade_of(self, candidate: int) -> str:
        """Return the CSS class for the shade of the highest rung that a candidate has reached."""
        return self.shade(int(self.standing.rung[candidate]))

    @property
    def drawn_remark(self) -> str:
        """Return a sentence about the candidates that are not drawn; empty if all are drawn."""
        drawn, all_of_them = len(self.drawn), len(self.ranked)
        if drawn == all_of_them:
            return ""
        return f" {drawn:,} of {all_of_them:,} candidates are drawn: the best, and an even selection of the others."


def thinned(rows: Rows, most: int) -> Rows:
    """Return at most `most` of the rows, in order: the first `most // 2`, and rows evenly spaced in the rest."""
    if len(rows) <= most:
        return rows
    first = most // 2
    rest = np.linspace(first, len(rows) - 1, most - first).round().astype(np.int64)
    chosen: Rows = rows[np.concatenate([np.arange(first), rest])]
    return chosen
