"""Checks whether an outer domain contains an inner one, so that a run can be continued with a larger space.

listed levels      each inner level must be an outer level, or a number between the bounds of an outer domain of floats
unlisted levels    the outer domain must also have unlisted levels, be of the same kind and contain the inner bounds; if
                   levels are whole numbers, it must also contain the inner domain's second level, so that the steps fit
"""

from collections.abc import Sequence

from ash.space.domains import INTEGERS, Domain

IN_JOURNAL, IN_CALL = "in the journal", "in this call"


def misfit(inner: Sequence[Domain], outer: Sequence[Domain]) -> str | None:
    """Return why the `outer` domains of a name do not contain the `inner` ones, or None if they do.

    The returned text follows the name in a message. `inner` comes from a journal, `outer` from this call.
    """
    if [each.conditions for each in inner] != [each.conditions for each in outer]:
        return "has other conditions in the space"
    return next(filter(None, map(_misfit, inner, outer)), None)


def _misfit(inner: Domain, outer: Domain) -> str | None:
    if inner.has_list:
        lost = [level for level in inner.levels if not outer.takes(level)]
        return f"has {lost[0]!r} {IN_JOURNAL}, which is not in {outer.shown()} {IN_CALL}" if lost else None
    spans = f"is {_words(inner)} {IN_JOURNAL}, which is not within {_words(outer)} {IN_CALL}"
    if outer.has_list or outer.kind != inner.kind:
        return spans
    ends = inner.levels[0], inner.levels[-1]
    if inner.kind in INTEGERS:
        return None if all(map(outer.has, (*ends, inner.levels[1]))) else spans
    return None if all(map(outer.spans, ends)) else spans


def _words(domain: Domain) -> str:
    step = getattr(domain.levels, "step", 1)
    return f"{domain.kind}: {domain.shown()}{f' in steps of {step}' if step != 1 else ''}"
