"""Tests the bench `ablation`: how variants are trained, planned and measured, and the page made from given losses."""

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import ablation
from bench.ablation import (
    RECIPE,
    SEARCH,
    SEARCHED,
    VARIANTS,
    Times,
    Variant,
    configurations,
    epochs_of,
    log_ratios,
    measure,
    sections,
)
from bench.quality.tables import FILES, SKEWED, SMALL, Split, split
from bench_help import row, table

pytestmark = pytest.mark.slow

OF_CLASSES = {
    "activation": "selu",
    "learning_rate": 0.04,
    "parametrization": "ntk",
    "embedding": "none",
    "dropout": 0.1,
}
OF_NUMBERS = {"activation": "mish", "learning_rate": 0.16, "embedding": "periodic", "embedding_frequency": 0.1}


# Variants


def test_a_variant_changes_only_what_it_names() -> None:
    assert configurations(VARIANTS["dropout"], OF_CLASSES) == [{**OF_CLASSES, "dropout": 0.0}]
    assert configurations(VARIANTS["rate-halved"], OF_CLASSES) == [{**OF_CLASSES, "learning_rate": 0.02}]
    assert configurations(VARIANTS[RECIPE], OF_CLASSES) == [OF_CLASSES]
    rates = [params["learning_rate"] for params in configurations(VARIANTS["parametrization"], OF_CLASSES)]
    assert rates == [0.001, 0.003, 0.01]


@pytest.mark.parametrize("name", ["embedding-off", "embedding-frequency", "label-smoothing", "selu"])
def test_a_variant_equal_to_the_recipe_is_left_out(name: str) -> None:
    assert configurations(VARIANTS[name], OF_CLASSES) == []


def test_variants_left_out_for_classification_are_measured_for_regression() -> None:
    left_out = {name for name, variant in VARIANTS.items() if not configurations(variant, OF_NUMBERS)}
    assert left_out >= {"embedding-on", "mish", "label-smoothing"} and not left_out & {"embedding-off", "selu"}
    assert configurations(VARIANTS["embedding-frequency"], OF_NUMBERS)[0]["embedding_frequency"] == pytest.approx(0.4)


def test_a_whole_variant_takes_nothing_from_the_recipe() -> None:
    [plain] = configurations(VARIANTS["plain"], OF_NUMBERS)
    assert plain["hidden"] == (64, 64) and plain["embedding"] == "none" and "embedding_frequency" not in plain
    doubled = Variant("rate x 2", ({"learning_rate": Times(2)},), whole=True)
    assert configurations(doubled, OF_NUMBERS) == [{"learning_rate": 0.32}]


# Planned and measured cases


def options(**changes: Any) -> Namespace:
    return Namespace(**{"quick": False, **dict.fromkeys(("data", "tables", "variants", "seeds")), **changes})


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"tables": ("optdigits",), "variants": ("dropout",)}, ["optdigits, recipe", "optdigits, dropout"]),
        ({"tables": ("digits", "wine"), "variants": ("refit",)}, ["digits, search", "digits, refit"]),
        ({"tables": ("hitters",), "variants": ("logarithms", "relu")}, ["hitters, search", "hitters, logarithms"]),
        ({"tables": ("hitters",), "variants": ("bf16", "relu")}, ["hitters, recipe", "hitters, bf16"]),
        ({"tables": ("wine",), "variants": (RECIPE,), "seeds": 2}, ["wine, recipe"]),
    ],
)
def test_the_recipe_is_planned_with_the_variants_compared_with_it(changes: dict[str, Any], keys: list[str]) -> None:
    cases = ablation.cases(options(**changes))
    assert [case.key for case in cases] == keys
    seeds = changes.get("seeds", 10 if VARIANTS[changes["variants"][0]].search is None else 4)
    assert all(case.told["seeds"] == seeds for case in cases)


@pytest.mark.parametrize(("table", "variant"), [("digits", "logarithms"), ("hitters", "relu")])
def test_a_variant_measured_only_on_other_tables_is_refused(table: str, variant: str) -> None:
    with pytest.raises(SystemExit, match=f"{variant}: not measured on {table}"):
        ablation.cases(options(tables=(table,), variants=(variant,)))


def test_every_variant_is_planned_on_every_table_and_searches_on_some_tables() -> None:
    alone = [name for name, variant in VARIANTS.items() if variant.search is None]
    searched = len(VARIANTS) - len(alone) - 1  # without `logarithms`, which is measured on SKEWED, not on SEARCHED
    usual = len(alone) * len((*FILES, *SMALL)) + searched * len(SEARCHED)
    assert len(ablation.cases(options())) == usual + 4 * len(SKEWED)  # variants: recipe, search, bf16, logarithms


def test_a_missing_table_is_skipped_with_a_reason(tmp_path: Path) -> None:
    assert ablation._run(options(data=tmp_path), "letter", RECIPE, 1)["skipped"].startswith(
        ("no file ", "pandas is not")
    )


def test_a_variant_is_measured_on_the_same_split_as_the_recipe() -> None:
    recipe, other = (measure("wine", name, 2, None, quick=True) for name in (RECIPE, "relu"))
    assert recipe["rows"] == 133 and recipe["epochs"] == 4 and recipe["work"] == other["work"]
    assert len(recipe["error"][0]) == len(recipe["log_loss"][0]) == 2 and recipe["log_loss"] != other["log_loss"]
    assert measure("wine", "selu", 2, None, quick=True)["error"] == [], "it is the recipe of classes"


def test_search_variants_are_compared_with_the_unchanged_search() -> None:
    found = {name: measure("diabetes", name, 1, None, quick=True) for name in (SEARCH, "refit", "ensemble")}
    errors = [each["error"][0][0] for each in found.values()]
    assert len(set(errors)) == 3 and all(40 < error < 100 for error in errors)
    values = {f"diabetes, {name}": each for name, each in found.items()}
    assert log_ratios(values, "diabetes", "refit", "error") == [pytest.approx(math.log(errors[1] / errors[0]))]


def test_a_search_can_run_without_logarithms(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(300, 2))
    y = np.exp(2 * x[:, 0])
    monkeypatch.setattr(ablation, "split", lambda *_, **__: Split(x[:200], y[:200], x[200:], y[200:], 0))
    with_logarithms, without = (measure("hitters", name, 1, None, quick=True) for name in (SEARCH, "logarithms"))
    assert with_logarithms["error"] != without["error"]
    values = {"hitters, search": with_logarithms, "hitters, logarithms": without}
    tables = {each.title: each for each in sections(values)}
    [row] = tables["RMSE by that of the recipe or of a search, tables with skewed targets"].rows
    assert row[1] == "-" and float(row[2]) > 0


def test_numbers_are_not_encoded_as_levels_only_in_the_variant_without_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.random.default_rng(0).normal(size=(400, 2)), np.arange(400) % 2
    x[:, 1] = np.where(np.arange(400) % 5 == 0, (np.arange(400) % 200) ** 2, 0)
    lumpy, plain = Split(x, y, x[:40], y[:40], 2), Split(x[:, :1], y, x[:40, :1], y[:40], 2)
    seen: list[int] = []
    monkeypatch.setattr(ablation, "_losses", lambda model, data: seen.append(model.encoding.features) or {"error": 1.0})
    monkeypatch.setattr(ablation, "split", lambda *_, **__: lumpy)
    for variant in (RECIPE, "number-levels", RECIPE):
        assert len(measure("diabetes", variant, 1, None, quick=True)["error"]) == 1
    assert seen == [4, 2, 4]
    monkeypatch.setattr(ablation, "split", lambda *_, **__: plain)
    assert measure("diabetes", "number-levels", 1, None, quick=True)["error"] == []


@pytest.mark.filterwarnings("ignore:.*rows are equal to other rows")
def test_a_table_with_recurring_rows_is_read_without_neighbors_in_the_brief_variant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.random.default_rng(0).normal(size=(400, 2))
    y = x[:, 0] + 0.1 * np.random.default_rng(1).normal(size=400)
    x[320:], y[320:] = x[:80], y[:80]
    seen: list[tuple[str, ...]] = []
    monkeypatch.setattr(ablation, "_losses", lambda model, data: seen.append(model.encoding.names) or {"error": 1.0})
    monkeypatch.setattr(ablation, "split", lambda *_, **__: Split(x, y, x[:40], y[:40], 0))
    found = [measure("diabetes", variant, 1, None, quick=False) for variant in ("neighbors-brief", "brief")]
    assert seen == [("x0", "x1", "neighbors: target mean", "neighbors: closeness"), ("x0", "x1")]
    assert [each["epochs"] for each in found] == [8, 8] and found[1]["work"] < found[0]["work"]
    monkeypatch.undo()
    assert measure("diabetes", "neighbors", 1, None, quick=True)["error"] == []


@pytest.mark.parametrize("table", ["diabetes", "wine"])
def test_a_diverged_network_counts_as_a_constant_guess(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wild = Variant("wild", ({"learning_rate": 1e30, "optimizer": "sgd", "parametrization": "standard"},))
    monkeypatch.setattr(ablation, "VARIANTS", {**VARIANTS, "wild": wild})
    rows = split(table, None, 0, categories=False)
    found = measure(table, "wild", 1, None, quick=True)
    wrong = rows.y_test - rows.y.mean() if table == "diabetes" else rows.y_test != np.bincount(rows.y).argmax()
    guess = math.sqrt(np.mean(wrong**2)) if table == "diabetes" else wrong.mean()
    assert found["diverged"] == 1 and found["error"][0][0] == pytest.approx(guess, rel=1e-3)


def test_large_tables_get_fewer_epochs() -> None:
    assert [epochs_of(rows) for rows in (133, 9_999, 10_000, 19_999, 20_000)] == [64, 64, 32, 32, 8]


# The page


def value(*errors: list[float], work: float = 100.0, diverged: int = 0, **changes: Any) -> dict[str, Any]:
    found = {"rows": 150, "test_rows": 50, "epochs": 64, "error": list(errors), "diverged": diverged}
    return {**found, "work": [work] * len(errors), **changes}


def test_tables_show_which_variants_help_and_which_were_missing() -> None:
    values = {
        "letter, recipe": value([0.1, 0.1, 0.1], log_loss=[[0.2, 0.2, 0.2]]),
        "letter, relu": value([0.22, 0.23, 0.24], log_loss=[[0.1, 0.1, 0.1]], work=50.0),
        "diabetes, recipe": value([50.0, 50.0, 50.0]),
        "diabetes, relu": value([60.0, 61.0, 62.0], diverged=1),
        "adult, recipe": {"skipped": "no file adult.csv.gz"},
        "letter, dropout": value(),
        "letter, of the past": {},
    }
    shown = sections(values)
    worth = table(shown, "What each part")
    relu = row(worth, "relu")
    assert (relu["verdict"], relu["tables"], relu["multiply-adds"]) == ("pays", "2", "0.71")
    assert relu["error, larger tables"].startswith("2.18") and relu["log loss"] == "0.500 (0.500 to 0.500)"
    assert worth.note.endswith("Diverged, and counted as guesses: diabetes, relu (1).")
    assert [cells[0] for cells in worth.rows] == ["no dropout", "relu"], "what is on record"
    assert row(worth, "no dropout") == dict.fromkeys(worth.header, "-") | {"variant": "no dropout", "tables": "0"}
    recipe = table(shown, "The recipe, trained")
    assert row(recipe, "adult")["rows"] == "no file adult.csv.gz" and row(recipe, "letter")["seeds"] == "3"
    assert table(shown, "Error by that").header == ["variant", "letter", "adult", "diabetes"]
    assert all(section.as_text() and section.as_markdown() for section in sections({}))
