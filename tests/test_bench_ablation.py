"""The bench of the recipe's parts: what it plans and keeps, what a variant trains, and what is made of known errors."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import ablation, ablation_run
from bench.ablation_figures import ERROR, LOG_LOSS, fits_of, logarithm, ratio, shown_ratio
from bench.ablation_run import epochs_of, measure, recipe_of
from bench.ablation_sections import sections
from bench.ablation_variants import RECIPE, VARIANTS, Times, Variant, configurations
from bench.quality_data import TABLES, Split, split
from bench.sections import Section, Table
from bench.suite import Case, Options

OF_CLASSES = {
    "activation": "selu",
    "learning_rate": 0.04,
    "parametrization": "ntk",
    "embedding": "none",
    "dropout": 0.1,
}
OF_NUMBERS = {"activation": "mish", "learning_rate": 0.16, "embedding": "periodic", "embedding_frequency": 0.1}


def options(**changes: Any) -> Options:
    return Options(**{"quick": False, "results": Path(), **changes})


# Variants


def test_a_variant_changes_what_it_names_and_nothing_else() -> None:
    assert configurations(VARIANTS["dropout"], OF_CLASSES) == [{**OF_CLASSES, "dropout": 0.0}]
    assert configurations(VARIANTS["rate-halved"], OF_CLASSES) == [{**OF_CLASSES, "learning_rate": 0.02}]
    assert configurations(VARIANTS[RECIPE], OF_CLASSES) == [OF_CLASSES]


@pytest.mark.parametrize("name", ["embedding-off", "embedding-frequency", "label-smoothing", "selu"])
def test_a_variant_that_is_the_recipe_is_left_out(name: str) -> None:
    assert configurations(VARIANTS[name], OF_CLASSES) == []


def test_what_is_left_out_for_classes_is_there_for_numbers() -> None:
    left_out = {name for name, variant in VARIANTS.items() if not configurations(variant, OF_NUMBERS)}
    assert left_out >= {"embedding-on", "mish", "label-smoothing"} and not left_out & {"embedding-off", "selu"}
    assert configurations(VARIANTS["embedding-frequency"], OF_NUMBERS)[0]["embedding_frequency"] == pytest.approx(0.4)


def test_another_parametrization_has_three_rates_less_those_of_the_recipe() -> None:
    rates = [params["learning_rate"] for params in configurations(VARIANTS["parametrization"], OF_CLASSES)]
    assert rates == [0.001, 0.003, 0.01]
    standard = {**OF_CLASSES, "parametrization": "standard", "learning_rate": 0.01}
    assert len(configurations(VARIANTS["parametrization"], standard)) == 2


def test_nothing_of_the_recipe_stays_in_a_variant_that_stands_alone() -> None:
    [plain] = configurations(VARIANTS["plain"], OF_NUMBERS)
    assert plain["hidden"] == (64, 64) and plain["embedding"] == "none" and "embedding_frequency" not in plain
    assert configurations(Variant("rate x 2", ({"learning_rate": Times(2)},), alone=True), OF_NUMBERS) == [
        {"learning_rate": 0.32}
    ]


# What is planned


def test_every_variant_is_planned_on_every_table_and_the_recipe_comes_first() -> None:
    planned = list(ablation.trials(quick=False))
    assert [(trial.table, trial.variant) for trial in planned] == [(t, v) for t in TABLES for v in VARIANTS]
    assert {trial.seeds for trial in planned} == {10} and next(iter(VARIANTS)) == RECIPE
    assert {trial.seeds for trial in ablation.trials(quick=False, seeds=3)} == {3}
    quick = list(ablation.trials(quick=True))
    assert {trial.seeds for trial in quick} == {1} and all(TABLES[trial.table].file is None for trial in quick)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, len(TABLES) * len(VARIANTS) + 2 * 9 + 5 + 8),
        ({"tables": ("letter",)}, len(VARIANTS) + 1),
        ({"tables": ("optdigits",), "variants": ("dropout", "relu")}, 3),
        ({"variants": ("rungs",)}, 2 * 9),
        ({"variants": ("final",)}, 5),
        ({"variants": ("selection",)}, 8),
        ({"variants": ("rungs", "recipe"), "tables": ("wine", "optdigits")}, 2 + 9),
        ({"variants": ("final", "relu"), "tables": ("wine", "diabetes")}, 4 + 1),
    ],
)
def test_what_is_chosen_is_a_part_of_the_same_cases(changes: dict[str, Any], count: int) -> None:
    whole, part = ablation.bench(options()), ablation.bench(options(**changes))
    assert [case.key for case in whole.cases] == [case.key for case in part.cases]
    assert sum(map(part.chosen, [case.key for case in part.cases])) == count


def case_of(key: str, **changes: Any) -> Case:
    return next(case for case in ablation.bench(options(**changes)).cases if case.key == key)


def test_a_case_counts_for_the_same_code_variant_and_as_many_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "package_commit", lambda: "new")
    whole, first = case_of("wine, dropout"), case_of("wine, dropout", seeds=1)
    changes = repr(VARIANTS["dropout"].changes)
    value = {"of": "new", "changes": changes, "seeds": 10, "rows": 133, "epochs": epochs_of(133)}
    assert whole.holds(value) and first.holds(value) and first.holds({**value, "seeds": 1})
    for other in ({"of": "old"}, {"seeds": 1}, {"epochs": 1}, {"changes": ""}, {"skipped": "no file"}):
        assert not whole.holds({**value, **other})


def test_a_ladder_counts_for_the_same_code_and_scope(tmp_path: Path) -> None:
    ladder = case_of("rungs, optdigits, eta 2, first rung 1", data=tmp_path)
    value = {name: each for name, each in ladder.run().items() if name != "skipped"}
    assert ladder.holds(value) and not ladder.holds({**value, "scope": ""}) and not ladder.holds({**value, "of": "old"})
    assert not ladder.holds(ladder.run())


def test_a_table_that_is_not_there_is_skipped_in_words(tmp_path: Path) -> None:
    found = case_of("letter, dropout", data=tmp_path).run()
    assert found["skipped"].startswith(("no file ", "pandas is not")) and found["variant"] == "dropout"


def test_a_case_is_a_process_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(module: str, function: str, given: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
        assert (module, function, environment["OMP_NUM_THREADS"]) == ("bench.ablation_run", "measure", "1")
        return {"fits": [], "given": given}

    monkeypatch.setattr(ablation, "call", answers)
    found = case_of("wine, dropout").run()
    whose = {"table": "wine", "variant": "dropout", "seeds": 10, "epochs": None}
    assert found["given"] == {**whose, "folder": None} and {**whose, "part": "variants"}.items() <= found.items()


# What is measured


def test_a_variant_is_compared_on_the_split_of_the_recipe() -> None:
    recipe, other = (measure("wine", name, None, seeds=2, epochs=2) for name in (RECIPE, "relu"))
    assert recipe["recipe"] == other["recipe"] and (recipe["rows"], recipe["epochs"]) == (133, 2)
    assert [fit["seed"] for fit in recipe["fits"][0]] == [0, 1]
    for fit in (*recipe["fits"][0], *other["fits"][0]):
        assert 0 <= fit["error"] <= 1 and fit["log_loss"] > 0 and fit["test_rows"] == 45 and not fit["diverged"]
    assert [fit["work"] for fit in recipe["fits"][0]] == [fit["work"] for fit in other["fits"][0]]
    assert recipe["fits"] != other["fits"]
    assert measure("wine", "selu", None, seeds=2, epochs=2)["fits"] == [], "it is the recipe of classes"


def test_the_recipe_by_name_is_the_default_candidate() -> None:
    rows = split("diabetes", None, 0, categories=False)
    default, named = (ablation_run.trained(rows, params, 2, seed=3) for params in (None, recipe_of(rows)))
    assert default.digest == named.digest


def test_what_diverges_counts_as_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    hot = {"wild": Variant("wild", ({"learning_rate": 1e30, "optimizer": "sgd", "parametrization": "standard"},))}
    monkeypatch.setattr(ablation_run, "VARIANTS", hot)
    rows = split("diabetes", None, 0, categories=False)
    [[fit]] = measure("diabetes", "wild", None, seeds=1, epochs=2)["fits"]
    assert fit["diverged"] and fit["error"] == pytest.approx(
        float(np.sqrt(np.mean((rows.y_test - rows.y.mean()) ** 2)))
    )


def test_a_guess_of_classes_has_their_shares() -> None:
    y = np.array([0, 1, 1, 1])
    found = ablation_run.scores(ablation_run._guess(Split(y[:, None], y, y[:, None], y, 2)), Split(y, y, y, y, 2))
    assert found["error"] == 0.25 and found["log_loss"] == pytest.approx(-(math.log(0.25) + 3 * math.log(0.75)) / 4)


def test_epochs_are_fewer_on_large_tables() -> None:
    assert [epochs_of(rows) for rows in (133, 9_999, 10_000, 19_999, 20_000)] == [64, 64, 32, 32, 8]


# What is made of it


def fit(seed: int, error: float, log_loss: float | None = None, **changes: Any) -> dict[str, Any]:
    found = {"seed": seed, "error": error, "test_rows": 50, "work": 100.0, "diverged": False, **changes}
    return found if log_loss is None else {**found, "log_loss": log_loss}


def case(table: str, variant: str, *fits: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    whose = {"part": "variants", "table": table, "variant": variant, "of": "abc", "seeds": 10, "epochs": 64}
    return {**whose, "rows": 150, "recipe": {"hidden": [64, 64], "dropout": 0.15}, "fits": list(fits), **changes}


def test_an_interval_is_students() -> None:
    found = ratio([math.log(2), math.log(8)])
    assert found is not None and found.low is not None and found.high is not None
    half = 12.7062047 * math.log(2)  # t of one degree of freedom; the standard error is log 2
    assert found.mean == pytest.approx(4) and math.log(found.high / found.mean) == pytest.approx(half)
    assert found.low * found.high == pytest.approx(found.mean**2)
    assert ratio([]) is None and shown_ratio(ratio([0.0])) == "1.000" and shown_ratio(None) == "-"


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [((1.1, 1.11, 1.12), "pays"), ((0.8, 0.81, 0.79), "costs"), ((0.9, 1.2, 1.0), "not shown"), ((2.0,), "not shown")],
)
def test_a_verdict_needs_an_interval_beside_one(ratios: tuple[float, ...], verdict: str) -> None:
    found = ratio(map(math.log, ratios))
    assert found is not None and found.verdict == verdict


def test_errors_of_classes_are_half_a_row_higher() -> None:
    assert logarithm(fit(0, 0.0, 0.2), ERROR) == pytest.approx(math.log(0.5 / 50))
    assert logarithm(fit(0, 0.1), ERROR) == pytest.approx(math.log(0.1)), "not those of numbers"
    assert (
        logarithm(fit(0, 0.0, 0.2), LOG_LOSS) == pytest.approx(math.log(0.2)) and logarithm(fit(0, 1), LOG_LOSS) is None
    )


def test_ratios_are_of_the_same_seed_and_the_best_configuration_counts() -> None:
    recipe = case("diabetes", RECIPE, [fit(0, 1.0), fit(1, 4.0)])
    worse, better = [fit(0, 3.0), fit(1, 12.0)], [fit(0, 2.0), fit(1, 8.0), fit(2, 0.1)]
    fits = fits_of([recipe, case("diabetes", "parametrization", worse, better), case("diabetes", "mish")])
    found = fits.log_ratios("diabetes", "parametrization", ERROR)
    assert found == {0: pytest.approx(math.log(2)), 1: pytest.approx(math.log(2))}
    assert fits.log_ratios("diabetes", "mish", ERROR) == {} == fits.log_ratios("wine", "relu", ERROR)


def test_all_tables_count_alike_for_the_seeds_that_they_share() -> None:
    cases = [
        case("diabetes", RECIPE, [fit(0, 1.0), fit(1, 1.0)]),
        case("diabetes", "relu", [fit(0, 2.0), fit(1, 2.0)]),
        case("california", RECIPE, [fit(0, 1.0)]),
        case("california", "relu", [fit(0, 8.0)]),
        case("adult", RECIPE, [fit(0, 0.1, 0.3)]),
    ]
    logs, tables = fits_of(cases).overall("relu", ERROR, TABLES)
    assert logs == {0: pytest.approx(math.log(4))} and sorted(tables) == ["california", "diabetes"]


def named(cases: list[dict[str, Any]]) -> dict[str, Any]:
    return {str(number): each for number, each in enumerate(cases)}


def table(shown: list[Section], begins: str) -> Table:
    return next(each for each in shown if isinstance(each, Table) and each.title.startswith(begins))


def row(found: Table, name: str) -> dict[str, str]:
    return next(dict(zip(found.header, cells, strict=True)) for cells in found.rows if cells[0] == name)


def test_tables_say_what_pays_and_what_was_not_there() -> None:
    cases = [
        case("letter", RECIPE, [fit(seed, 0.1, 0.2) for seed in range(3)]),
        case("letter", "relu", [fit(seed, 0.22 + 0.01 * seed, 0.1, work=50.0) for seed in range(3)]),
        case("diabetes", RECIPE, [fit(seed, 50.0) for seed in range(3)]),
        case("diabetes", "relu", [fit(seed, 60.0 + seed, diverged=seed == 0) for seed in range(3)]),
        {"part": "variants", "table": "adult", "variant": RECIPE, "of": "abc", "skipped": "no file adult.csv.gz"},
    ]
    shown = sections(named(cases))
    errors, losses = table(shown, "Error without a part, by"), table(shown, "Log loss without a part, by")
    relu = row(errors, "relu")
    assert (relu["verdict"], relu["tables"], relu["multiply-adds"]) == ("pays", "2", "0.71")
    assert relu["larger tables"].startswith("2.18") and " to " in relu["all tables"]
    assert errors.note.endswith("Diverged, and counted as guesses: relu on diabetes (1).")
    assert row(losses, "relu")["all tables"] == "0.500 (0.500 to 0.500)" and row(losses, "relu")["verdict"] == "costs"
    assert row(errors, "no dropout") == dict.fromkeys(errors.header, "-") | {"variant": "no dropout", "tables": "0"}
    assert table(shown, "Log loss without a part, table").header == ["variant", "letter"]
    recipe = table(shown, "The recipe, trained")
    assert row(recipe, "adult")["rows"] == "skipped: no file adult.csv.gz" and row(recipe, "letter")["seeds"] == "3"
    assert row(table(shown, "The recipe, by table"), "letter")["hidden"] == "64-64"


def test_a_bench_of_nothing_has_tables_of_nothing() -> None:
    assert all(section.as_text() and section.as_markdown() for section in sections({}))
    assert asdict(next(ablation.trials(quick=True)))["table"] == "wine"
