"""What the script of the page knows of the candidates: hyperparameters, jobs and the parts of the axes they are in.

It is a block of JSON with all texts ready to be shown, so that the script computes nothing, and no "<", so that nothing
in it can end the block.
"""

import json
import math
from typing import Any

from ash._utils.display import show
from ash.history.chart_data import ABSENT, lines_of
from ash.report.bins import Bins, parameter_bins, score_bins
from ash.report.facts import Facts
from ash.report.markup import Markup

Job = tuple[int, int, str, str, str]


def parts_of(facts: Facts) -> list[tuple[str, Bins]]:
    """Return the name and the parts of each axis of the parallel coordinates, that of the score last."""
    axes, places, standing = lines_of(facts.history)
    named = [(axis.name, parameter_bins(axis)) for axis in axes]
    return [*named, (facts.history.metric, score_bins(standing.best_score, places[:, -1]))]


def selection_data(facts: Facts) -> dict[str, Any]:
    """Return the data of the script; all lists of candidates are in the order of `Facts.known`."""
    known, standing = facts.known.tolist(), facts.standing
    jobs = _jobs(facts)
    parts = parts_of(facts)
    return {
        "best": facts.history.best_candidate,
        "metric": facts.history.metric,
        "names": [axis.name for axis in facts.axes],
        "texts": [[*axis.texts, ABSENT] for axis in facts.axes],
        "axes": [name for name, _ in parts],
        "labels": [bins.labels for _, bins in parts],
        "numbers": known,
        # A level of -1, none, becomes the last of the texts.
        "levels": [[int(axis.level[row]) % (len(axis.values) + 1) for axis in facts.axes] for row in known],
        "parts": [[int(bins.of_candidate[row]) for _, bins in parts] for row in known],
        "scores": [_score(float(standing.best_score[row])) for row in known],
        "rungs": [int(standing.rung[row]) for row in known],
        "jobs": [jobs[number] for number in known],
    }


def _score(score: float) -> str:
    return "diverged" if math.isnan(score) else show(score)


def nothing_known() -> dict[str, Any]:
    """Return the same of no candidates."""
    names = ("names", "texts", "axes", "labels", "numbers", "levels", "parts", "scores", "rungs", "jobs")
    return {"best": None, "metric": "", **{name: [] for name in names}}


def data_block(data: dict[str, Any]) -> Markup:
    """Return the block that holds the data."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="data">{text}</script>')


def _jobs(facts: Facts) -> dict[int, list[Job]]:
    """Return rung, epochs, score, loss and training loss of each job by candidate."""
    jobs: dict[int, list[Job]] = {number: [] for number in facts.known.tolist()}
    for job in facts.history.jobs:
        if job.candidate in jobs:
            score = "diverged" if job.diverged else show(job.score)
            jobs[job.candidate].append((job.rung, job.epochs, score, show(job.loss), show(job.training_loss)))
    return jobs
