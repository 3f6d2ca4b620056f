"""Tests that the page about likely mistakes shows the real outcome of each mistake."""

import json

import ash
import mistakes

LIKELY = 120
REFUSED = ("DataError", "SettingError", "UnknownArgument", "ModelFormatError", "NotFittedError")


def test_the_page_shows_the_real_outcomes() -> None:
    found = mistakes.outcomes()
    before = json.loads(mistakes.BEFORE.read_text(encoding="utf-8"))
    assert len(found) >= LIKELY and before.keys() == found.keys()
    for code, outcome in found.items():
        kind = outcome.split(" | ")[-1].split(":")[0]
        assert not kind.endswith("Error") or kind in REFUSED, (code, outcome)
        assert "Traceback" not in outcome, (code, outcome)
    assert all(hasattr(ash, name) or name == "NotFittedError" for name in REFUSED)
    shown = mistakes.PAGE.read_text(encoding="utf-8")
    assert all(f"| {case.what} |" in shown for cases in mistakes.CASES.values() for case in cases)
    if mistakes.made_with() in shown:  # other library versions raise other messages and types
        assert shown == mistakes.page(before, found)
