"""The section of importance: a bar for each hyperparameter."""

import math

from ash.history.importance import LEAST, importance_of
from ash.report.chart import counted, figure, folded, shares, svg, table
from ash.report.facts import Facts, Section
from ash.report.markup import Markup, join, num, short, tag

BAR, BAR_LEFT, BAR_WIDTH = 26.0, 190.0, 560.0


def importance(facts: Facts) -> Section:
    """Return the section of importance."""
    if not facts.over:
        return Section("importance", "Importance", tag("p", "It is computed when the run has ended."))
    found = importance_of(facts.history)
    known = sorted(
        ((share, name) for name, share in found.shares.items() if not math.isnan(share)),
        key=lambda one: (-one[0], one[1]),
    )
    if not known:
        few = found.candidates < LEAST
        reason = f"it takes {LEAST} of them" if few else "by its hyperparameters a forest cannot tell how well one does"
        text = f"Nothing can be told from {counted(found.candidates, 'candidate')}: {reason}."
        return Section("importance", "Importance", tag("p", text))
    caption = (
        "By how much worse a random forest predicts the ranks of candidates that it has not seen, when a "
        f"hyperparameter is shuffled among them; shares of the sum. The forest, of "
        f"{found.candidates:,} candidates, explains {shares(found.explained)} of the variance of the ranks: the less, "
        "the less these bars mean."
    )
    rows = [[name, shares(share)] for share, name in known]
    listed = table(["hyperparameter", "share"], rows, "Importance of hyperparameters", "numbers")
    picture = _bars(known)
    return Section(
        "importance",
        "Importance",
        join(figure(picture, caption, kind="medium", label="Importance"), folded("The same as a table", listed)),
    )


def _bars(known: list[tuple[float, str]]) -> Markup:
    widest = known[0][0]
    bars = []
    for place, (share, name) in enumerate(known):
        top = 8 + BAR * place
        length = (BAR_WIDTH - BAR_LEFT - 60) * share / widest
        bars.append(tag("text", short(name, 24), x=num(BAR_LEFT - 10), y=num(top + 14), text_anchor="end"))
        bars.append(
            tag("rect", x=num(BAR_LEFT), y=num(top), width=num(max(length, 1)), height="18", rx="2", class_="bar")
        )
        bars.append(tag("text", shares(share), x=num(BAR_LEFT + length + 8), y=num(top + 14)))
    description = ", ".join(f"{name} {share:.0%}" for share, name in known)
    height = 16 + BAR * len(known)
    return svg(
        "importance-chart",
        BAR_WIDTH,
        height,
        "Importance of hyperparameters",
        description,
        tag("g", *bars, class_="ticks"),
    )
