"""The section of settings: the arguments of the run, what its states took, versions and machine, the digest."""

from ash._utils.installation import versions
from ash.report.chart import folded, table
from ash.report.facts import Facts, Section
from ash.report.markup import Markup, join, tag


def settings(facts: Facts) -> Section:
    """Return the section."""
    rows = [[name, _shown(value)] for name, value in facts.history.settings.items()]
    given = folded("Arguments of the run", table(["argument", "value"], rows, "Arguments of the run"))
    machine = table(["what", "which"], [[name, value] for name, value in versions().items()], "Versions and machine")
    started = tag("p", f"Started {facts.history.started:%Y-%m-%d %H:%M:%S %Z}.")
    parts = [_digest(facts), started, given, folded("Versions and machine", machine), _memory(facts)]
    return Section("settings", "Settings", join(*parts))


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and value >= 10**6 else str(value)


def _digest(facts: Facts) -> Markup:
    if not facts.over:
        return tag("p", "The digest is known when the run has ended.")
    return tag(
        "p",
        "Digest of hyperparameters, jobs, decisions and weights: ",
        tag("code", facts.history.digest),
        ". It is equal for the same data, space, settings and seed on any number of threads, unless time or an "
        "interruption ended the run, or it was greedy on several threads.",
    )


def _memory(facts: Facts) -> Markup | None:
    memory = facts.history.own_story().get("memory")
    if memory is None:
        return None
    text = (
        f"States of waiting candidates took at most {memory['peak_bytes'] / 1e6:,.3g} MB; {memory['dropped']:,} were "
        f"dropped, which cost {memory['retrained_epochs']:,} epochs."
    )
    return tag("p", text, class_="note")
