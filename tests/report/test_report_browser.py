"""Tests the report in a browser: charts, selecting, filtering, sorting, dark and light mode, phones, hostile names."""

import pytest
from sklearn.datasets import load_digits

import ash
from browser_help import DESKTOP, PHONE, open_browser, tones, visit
from report_help import hostile_result, with_predictions
from result_help import make_result


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return the address of a report for each kind of run."""
    folder = tmp_path_factory.mktemp("reports")
    X, y = load_digits(return_X_y=True)
    space = ash.Space(
        hidden=ash.choice((16,), (32, 16)),
        optimizer=ash.choice("adam", "momentum"),
        learning_rate=ash.loguniform(1e-4, 1e-1),
        momentum=ash.uniform(0.5, 0.95, levels=4).when(optimizer="momentum"),
    )
    results = {
        "digits": ash.tune(X, y, space, candidates=32, random_state=0, verbose=0, validation=0.2),
        "one": make_result(candidates=1, n_jobs=1),
        "many": with_predictions(make_result(candidates=2048, n_jobs=16, diverge=0.1), ["a", "b"]),
        "hostile": hostile_result(),
    }
    return results, {name: one.report(folder / f"{name}.html").as_uri() for name, one in results.items()}


def test_the_report_logs_nothing_and_requests_nothing(browser, reports):
    for name, address in reports[1].items():
        with visit(browser, address) as seen:
            assert seen.asked == [address], name
            assert seen.shown("svg[role]") == seen.number(
                "document.querySelectorAll('main > section svg[role]').length"
            )


def test_all_charts_show_without_javascript(browser, reports, tmp_path):
    with visit(browser, reports[1]["digits"], java_script_enabled=False) as seen:
        charts = seen.page.locator("main svg[role=img]")
        assert charts.count() >= 11
        for place in range(charts.count()):
            assert tones(charts.nth(place).screenshot()) > 2
        assert not seen.page.locator("#theme").is_visible() and not seen.page.locator("#selected").is_visible()
        assert seen.page.locator("#candidates tbody tr").count() == 32


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_report_fits_the_screen_in_both_color_schemes(browser, reports, scheme, size, tmp_path):
    for name, address in reports[1].items():
        with visit(browser, address, viewport=size, color_scheme=scheme) as seen:
            assert seen.number("document.documentElement.scrollWidth") <= size["width"]
            picture = seen.page.screenshot(path=tmp_path / f"{name}.png", full_page=name == "digits")
            assert tones(picture) > 20
            background = [int(part) for part in seen.color("section")[4:-1].split(",")]
            assert (sum(background) < 200) == (scheme == "dark")


def test_the_button_switches_the_color_scheme(browser, reports):
    with visit(browser, reports[1]["one"], color_scheme="dark") as seen:
        dark = seen.color("section")
        seen.page.click("#theme")
        light = seen.color("section")
        assert light != dark and seen.page.inner_text("#theme") == "Dark"
        seen.page.click("#theme")
        assert seen.color("section") == dark


def test_a_click_selects_a_candidate_everywhere(browser, reports):
    results, addresses = reports
    result = results["digits"]
    with visit(browser, addresses["digits"]) as seen:
        page = seen.page
        other = next(
            number for number in range(32) if number != result.best_candidate and result.candidates[number]["rungs"] > 1
        )
        for selector in (
            f"#ladder circle[data-c='{other}']",
            f"#curves polyline[data-c='{other}']",
            f"#parameters circle[data-c='{other}']",
            f"#timeline rect[data-c='{other}']",
            f"#candidates tr[data-c='{other}']",
        ):
            page.locator(selector).first.dispatch_event("click", {"bubbles": True})
            assert f"Candidate {other}" in page.inner_text("#selected-title")
            selected = page.eval_on_selector_all(".sel", "all => [...new Set(all.map(one => one.dataset.c))]")
            assert selected == [str(other)]
            sections = page.eval_on_selector_all(
                ".sel", "all => [...new Set(all.map(one => one.closest('section').id))]"
            )
            assert set(sections) == {"ladder", "curves", "parameters", "parallel", "candidates", "timeline"}
            page.click("#selected-close")
            assert page.locator(".sel").count() == 0 and not page.locator("#selected").is_visible()
        page.click(f"#candidates button[data-c='{other}']")
        shown = page.inner_text("#selected")
        jobs = [job for job in result.jobs if job.candidate == other]
        assert f"{result.params[other]['learning_rate']:g}" in shown and result.params[other]["optimizer"] in shown
        assert page.locator("#selected tbody tr").count() == len(jobs)
        assert all(f"{job.score:.4f}" in shown for job in jobs)
        page.keyboard.press("Escape")
        assert not page.locator("#selected").is_visible()


def test_a_click_with_the_mouse_hits_a_thin_line(browser, reports):
    with visit(browser, reports[1]["digits"]) as seen:
        line = seen.page.locator("#curves .winner polyline")
        line.scroll_into_view_if_needed()
        box = seen.page.locator("#curves .winner circle").first.bounding_box()
        seen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] + 3)
        assert f"Candidate {reports[0]['digits'].best_candidate}, the best" in seen.page.inner_text("#selected-title")


def test_ranges_of_axes_filter_candidates(browser, reports):
    results, addresses = reports
    params = results["digits"].params
    with visit(browser, addresses["digits"]) as seen:
        page = seen.page
        page.locator("[aria-label='optimizer: momentum']").click()
        momentum = [number for number, one in enumerate(params) if one["optimizer"] == "momentum"]
        assert seen.shown("#candidates tbody tr") == len(momentum)
        left = page.eval_on_selector_all("#parallel polyline:not(.out)", "all => all.map(one => Number(one.dataset.c))")
        assert sorted(left) == momentum
        assert f"{len(momentum)} of 32 candidates, optimizer: momentum" in page.inner_text("#filter-text")
        page.locator("[aria-label='hidden: 16']").press("Enter")
        both = [number for number in momentum if params[number]["hidden"] == (16,)]
        assert seen.shown("#candidates tbody tr") == len(both)
        page.locator("[aria-label='hidden: 32-16']").press(" ")
        assert seen.shown("#candidates tbody tr") == len(momentum)
        page.click("#filter-clear")
        assert seen.shown("#candidates tbody tr") == 32 and page.locator(".out").count() == 0
        page.locator("[aria-label='momentum: not set']").click()
        assert seen.shown("#candidates tbody tr") == 32 - len(momentum)


def test_the_table_can_be_sorted_by_each_column(browser, reports):
    with visit(browser, reports[1]["digits"]) as seen:
        page = seen.page
        values = "all => all.map(row => row.cells[{}].innerText)"
        for column, name in ((0, "candidate"), (4, "score"), (5, "loss")):
            head = page.locator("#candidates thead th").nth(column)
            assert head.inner_text() == name
            head.locator("button").click()
            upwards = [float(text) for text in page.eval_on_selector_all("#candidates tbody tr", values.format(column))]
            assert upwards == sorted(upwards) and head.get_attribute("aria-sort") == "ascending"
            head.locator("button").click()
            downwards = [
                float(text) for text in page.eval_on_selector_all("#candidates tbody tr", values.format(column))
            ]
            assert downwards == sorted(upwards, reverse=True) and head.get_attribute("aria-sort") == "descending"


def test_everything_can_be_reached_by_keyboard(browser, reports):
    result = reports[0]["digits"]
    with visit(browser, reports[1]["digits"]) as seen:
        page = seen.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        first = page.locator("#candidates tbody button").first
        first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        second = page.evaluate("document.activeElement.dataset.c")
        assert f"Candidate {second}:" in page.inner_text("#selected-title")
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.dataset.c") == second
        page.keyboard.press("Enter")
        page.click("#selected-better")
        assert f"Candidate {result.best_candidate}, the best" in page.inner_text("#selected-title")
        assert page.locator("#selected-better").is_disabled()
        unreachable = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1 && one.tabIndex < 0).length"
        assert page.eval_on_selector_all(".chart, .table", unreachable) == 0


def test_nothing_moves_if_reduced_motion_is_requested(browser, reports):
    with visit(browser, reports[1]["one"], reduced_motion="reduce") as seen:
        assert seen.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_hostile_names_have_no_effect(browser, reports):
    with visit(browser, reports[1]["hostile"]) as seen:
        page = seen.page
        assert page.locator("main img, aside img, main b").count() == 0
        best = reports[0]["hostile"].best_candidate
        page.click(f"#candidates button[data-c='{best}']")
        assert "</script><img src=x onerror=alert(1)>" in page.inner_text("#selected")
        assert page.locator("#selected img").count() == 0
        page.locator(".part").last.click()
        assert page.evaluate("document.images.length") == 0


def test_many_candidates_can_be_selected_and_filtered(browser, reports):
    with visit(browser, reports[1]["many"]) as seen:
        page = seen.page
        page.locator("#ladder .waiting circle").first.dispatch_event("click", {"bubbles": True})
        assert page.locator("#selected").is_visible()
        page.locator("[aria-label='hidden: 64']").click()
        count = sum(one["hidden"] == (64,) for one in reports[0]["many"].params)
        assert f"{count} of 2048 candidates" in page.inner_text("#filter-text")
