"""Draws the report's first section (task and outcome) and last section (settings, versions, digest of the run)."""

import math
from typing import Any

from ash._utils.display import counted, show, show_seconds, shown_estimate
from ash._utils.installation import versions
from ash.encoding.table_summary import HEADER, model_summary, table_row
from ash.metrics import POSITIVE
from ash.options import RunOptions
from ash.report.markup import Markup, folded, join, pairs, table, tag
from ash.report.story import Section, Story
from ash.run_record import FUNCTION, SHORT_DIGEST

ALGORITHMS = {
    "ash": "asynchronous successive halving",
    "sh": "successive halving with a barrier after each rung",
    "random": "training every candidate to the last rung",
}
"""For each algorithm, the part of a sentence that says what the algorithm does."""

ENDED = {
    "finished": "The search completed.",
    "stop_score": "The search ended when it reached the stop score.",
    "patience": "The search ended when its patience was exhausted: too many jobs in a row without a better score.",
    "max_total_epochs": "The search ended when the epoch limit was used up.",
    "work_limit": "The search ended when the work limit was used up.",
    "time_limit": "The search ended at its time limit.",
    "stopped": "A callback stopped the search.",
    "interrupted": "The search was interrupted.",
    "failures": "The search ended because too many jobs in a row failed.",
    "running": "The search is still running.",
}

MOST_LABELS = 10
"""The maximum number of classes whose weights in the decision are listed."""


def headline(story: Story) -> str:
    """Return the outcome in a few words."""
    if estimated := _estimated(story):
        return f"estimated {story.history.metric} {estimated}"
    validation = "" if story.history.task == FUNCTION else "validation "
    return f"{validation}{story.history.metric} {show(story.history.best_score)}"


def _estimated(story: Story) -> str:
    """Return the estimated score with its standard error; empty for functions, during a run or if it is unknown."""
    history: Any = story.history  # a history during a run has no estimate
    score = getattr(history, "estimated_score", math.nan)
    return "" if math.isnan(score) else shown_estimate(score, history.estimated_score_std_error)


def _decision(story: Story) -> list[tuple[str, str]]:
    """Return the positive class and the threshold of the decision, or the weights of more than two classes, as text.

    The list is empty if the most probable class is predicted and the metric has no positive class.
    """
    model, weights = getattr(story.history, "model", None), getattr(story.history, "decision_weights", None)
    if model is None or model.classes_ is None:
        return []
    labels = [str(label) for label in model.classes_.tolist()]
    if len(labels) == 2 and (weights is not None or story.history.metric in POSITIVE):
        positive = 1 if model.positive is None else model.positive
        threshold = 0.5 if weights is None else float(1 - weights[positive])
        return [("positive class", labels[positive]), ("decision threshold", show(threshold))]
    if weights is None:
        return []
    shown = [f"{label} {show(weight)}" for label, weight in zip(labels, weights.tolist(), strict=True)]
    more = ", ..." if len(shown) > MOST_LABELS else ""
    return [("decision weights", ", ".join(shown[:MOST_LABELS]) + more)]


def overview(story: Story) -> Section:
    """Return the first section: the outcome in sentences and a few numbers."""
    history = story.history
    digest = history.digest[:SHORT_DIGEST] if story.over else None
    figures: list[tuple[str, str]] = [
        *([(f"estimated {history.metric}", estimated)] if (estimated := _estimated(story)) else []),
        *_decision(story),
        (f"best {history.metric}", show(history.best_score)),
        ("candidates", f"{len(story.ranked):,}"),
        ("jobs", f"{len(history.columns['rung']):,}"),
        ("epochs", f"{history.epochs:,}"),
        ("time", show_seconds(history.wall_seconds)),
        (f"thread{'s' * (history.threads > 1)}", f"{history.threads}, {history.utilization:.0%} busy"),
        ("seed", str(history.seed)),
        ("digest", tag("code", digest) if digest else "at the end"),
    ]
    sentences = join(tag("p", _found(story), class_="lead"), tag("p", _asked(story)))
    return Section("overview", "Overview", join(sentences, pairs(figures, "figures")))


def _found(story: Story) -> Markup:
    history = story.history
    kept = history.validation_pool
    where = story.where if kept is None else f" on {len(kept.targets):,} validation rows"
    best = history.best_candidate
    button = tag("button", f"candidate {best}", class_="link", type="button", data_c=best)
    highest = int(story.standing.rung[best])
    worse = "had no score" if story.standing.diverged[best] else "scored lower"
    further = f", and {worse} in rung {highest}" if highest > history.best_rung else ""
    estimated = _estimated(story)
    first = f"On new rows, the final model is expected to have {history.metric} {estimated}. " if estimated else ""
    luck = " The candidate was chosen by this score, so it is optimistic." if estimated else ""
    return join(
        f"{first}The best of {counted(len(story.ranked), 'candidate')}, ",
        button,
        f", has {history.metric} {show(history.best_score)}{where} after "
        f"{counted(history.best_epochs, 'epoch')}, in rung {history.best_rung}{further}.{luck} ",
        ENDED[history.ended],
    )


def _asked(story: Story) -> str:
    options = story.history.options
    count, work = _candidates(story), getattr(options, "work_limit", None)
    limits = [
        "" if options.time_limit is None else f"at most {show_seconds(options.time_limit)}",
        "" if options.max_total_epochs is None else f"at most {options.max_total_epochs:,} epochs",
        "" if work is None else f"at most {work:.3g} multiply-adds",
        "" if options.least_score is None else f"until {options.metric} {show(options.least_score)}",
        "" if options.patience is None else f"a patience of {options.patience:,} jobs",
    ]
    limited = "".join(f", {limit}" for limit in limits if limit)
    negated = " (an error, negated: higher is better)" if str(options.metric).startswith("neg_") else ""
    searched = "ash searched" if story.over else "ash searches"
    task = "" if options.task == FUNCTION else f" ({options.task})"
    return (
        f"{searched} {count} for the highest {options.metric}{task}{negated}{limited}, by "
        f"{ALGORITHMS[options.algorithm]}. {_promoted(options)}"
    )


def _promoted(options: RunOptions) -> str:
    """Return a sentence that explains how candidates are promoted."""
    best, times = ("half", "twice") if options.eta == 2 else (f"1/{options.eta}", f"{options.eta} times")
    how = f"further, {times} as long as before" if options.training == "resume" else f"from scratch, {times} as long"
    if options.algorithm == "random":
        return f"Each rung trains {times} as long as the one below."
    return f"The best {best} of each rung is promoted and trained {how}."


def _candidates(story: Story) -> str:
    """Return the number of candidates as text; during a run, the requested number, at most the size of the space."""
    wanted, history = story.history.options.candidates, story.history
    if wanted is None:
        return "an endless stream of candidates"
    return counted(len(history.params) if story.over else min(wanted, history.space.size), "candidate")


def settings(story: Story) -> Section:
    """Return the section on settings: arguments, memory of the states, versions, machine and digest."""
    rows = [[name, _shown(value)] for name, value in story.history.settings.items()]
    given = folded("Arguments of the run", table(["argument", "value"], rows, "Arguments of the run"))
    machine = table(["what", "which"], [[name, value] for name, value in versions().items()], "Versions and machine")
    started = tag("p", f"Started {story.history.started:%Y-%m-%d %H:%M:%S %Z}.")
    versions_and_machine = folded("Versions and machine", machine)
    parts = [_digest(story), started, _columns(story), given, versions_and_machine, _memory(story)]
    return Section("settings", "Settings", join(*parts))


def _columns(story: Story) -> Markup | None:
    """Return a description of the table's columns and their encoding, or None while there is no model."""
    model = getattr(story.history, "model", None)
    if model is None:
        return None
    title = "Columns of the table"
    return folded(title, table(list(HEADER), list(map(table_row, model_summary(model.encoding))), title))


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and value >= 10**6 else str(value)


def _digest(story: Story) -> Markup:
    if not story.over:
        return tag("p", "The digest is known once the run has ended.")
    return tag(
        "p",
        "Digest of hyperparameters, jobs, decisions and weights: ",
        tag("code", story.history.digest),
        ". It is equal for the same data, space, settings and seed on any number of threads, unless a time limit or an "
        "interruption ended the run, or the schedule was greedy on several threads.",
    )


def _memory(story: Story) -> Markup | None:
    memory = story.history.own_story().get("memory")
    if memory is None:
        return None
    text = (
        f"States of waiting candidates took at most {memory['peak_bytes'] / 1e6:,.3g} MB; {memory['dropped']:,} were "
        f"dropped, which cost {memory['retrained_epochs']:,} epochs of retraining."
    )
    return tag("p", text, class_="note")
