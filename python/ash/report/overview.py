"""The head of a report: what was asked and what was found, in sentences and in a few figures."""

from ash._utils.display import show, show_seconds
from ash.history.digest import SHORT_DIGEST
from ash.report.chart import counted
from ash.report.facts import Facts, Section
from ash.report.markup import Markup, join, tag

ALGORITHMS = {
    "ash": "asynchronous successive halving",
    "sh": "successive halving with a barrier after each rung",
    "random": "training every candidate to the last rung",
}
ERRORS = frozenset(("rmse", "mae", "log_loss"))
"""Metrics that are negated."""

ENDED = {
    "finished": "It ended because all was done.",
    "target": "It ended because the target was reached.",
    "epoch_limit": "It ended because the epochs allowed were used up.",
    "time_limit": "It ended because the time was over.",
    "stopped": "It was stopped by a callback.",
    "interrupted": "It was interrupted.",
    "failures": "It ended because too many jobs failed in a row.",
    "running": "It is still running.",
}


def headline(facts: Facts) -> str:
    """Return the outcome in a few words."""
    return f"{facts.history.metric} {show(facts.history.best_score)}"


def overview(facts: Facts) -> Section:
    """Return the head."""
    body = join(tag("p", _found(facts), class_="lead"), tag("p", _asked(facts)), _figures(facts))
    return Section("overview", "Overview", body)


def _found(facts: Facts) -> Markup:
    history = facts.history
    kept = history.validation_pool
    where = facts.where if kept is None else f" on {len(kept.targets):,} validation rows"
    best = tag(
        "button", f"candidate {history.best_candidate}", class_="link", type="button", data_c=history.best_candidate
    )
    return join(
        "The best of ",
        f"{counted(len(facts.ranked), 'candidate')}, ",
        best,
        f", has {history.metric} {show(history.best_score)}{where} after rung {history.best_rung}. ",
        ENDED[history.ended],
    )


def _asked(facts: Facts) -> str:
    options = facts.history.options
    count = _candidates(facts)
    limits = [
        "" if options.time_limit is None else f"at most {show_seconds(options.time_limit)}",
        "" if options.epoch_limit is None else f"at most {options.epoch_limit:,} epochs",
        "" if options.target is None else f"until {options.metric} {show(options.target)}",
    ]
    limited = "".join(f", {limit}" for limit in limits if limit)
    negated = " (an error, negated: higher is better)" if options.metric in ERRORS else ""
    return (
        f"The run was to find the highest {options.metric}{negated} of {count}{limited}, for {options.task}, by "
        f"{ALGORITHMS[options.algorithm]}: of each rung the best 1/{options.eta} go on, with {options.eta} times the "
        "epochs."
    )


def _candidates(facts: Facts) -> str:
    """Return how many there were to be; of a run that goes on only those with a job are known."""
    wanted, history = facts.history.options.candidates, facts.history
    if wanted is None:
        return "an endless stream of candidates"
    return counted(len(history.params) if facts.over else min(wanted, history.space.size), "candidate")


def _figures(facts: Facts) -> Markup:
    history = facts.history
    digest = facts.history.digest[:SHORT_DIGEST] if facts.over else None
    figures = [
        (f"best {history.metric}", show(history.best_score)),
        ("candidates", f"{len(facts.ranked):,}"),
        ("jobs", f"{len(history.columns['rung']):,}"),
        ("epochs", f"{history.epochs:,}"),
        ("time", show_seconds(history.wall_seconds)),
        (f"thread{'s' * (history.threads > 1)}", f"{history.threads}, {history.utilization:.0%} busy"),
        ("seed", str(history.seed)),
        ("digest", tag("code", digest) if digest else "at the end"),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in figures), class_="figures")
