"""Tests that the page about likely mistakes shows the real outcome of each mistake."""

import mistakes

REFUSED = {
    "DataError",
    "ModelFormatError",
    "NotFittedError",
    "NothingFinishedError",
    "SettingError",
    "UnknownArgumentError",
}


def test_the_page_shows_the_real_outcomes() -> None:
    found = mistakes.outcomes()
    for code, outcome in found.items():
        kind = outcome.split(" | ")[-1].split(":")[0]
        assert not kind.endswith("Error") or kind in REFUSED, (code, outcome)
        assert "Traceback" not in outcome, (code, outcome)
    shown, page = (
        mistakes.BY_OTHERS.sub("", text) for text in (mistakes.PAGE.read_text("utf-8"), mistakes.page(found))
    )
    assert shown == page, "run: python tests/helpers/mistakes.py"
