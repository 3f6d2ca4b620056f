"""The tables of the bench `ablation`, out of its JSON alone: the recipe, what each part is worth, rungs, refit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.ablation_figures import ERROR, LOG_LOSS, WORK, Fits, Run, fits_of, ratio, shown_ratio
from bench.ablation_final import final_sections
from bench.ablation_rungs import rung_sections
from bench.ablation_selection import selection_sections
from bench.ablation_variants import FINAL, RECIPE, RUNGS, SELECTION, VARIANTS
from bench.figures import shown, spread
from bench.quality_data import LARGER, TABLES
from bench.sections import Section, Table

HEADER = ("variant", "all tables", "larger tables", "tables", "verdict", "multiply-adds")
NOTES = {
    ERROR: "Error on the rows held out, of numbers the root of the mean squared error",
    LOG_LOSS: "Log loss on the rows held out, of classes alone",
}


def sections(results: Mapping[str, Any]) -> list[Section]:
    """Return the recipe, errors and log losses by those of the recipe in all and by table, rungs, refit, selection."""
    cases = [case for case in results.values() if case["part"] == "variants"]
    fits = fits_of(cases)
    return [
        *recipe_tables(cases),
        overall_table("Error without a part, by that of the recipe", fits, ERROR, cases),
        table_table("Error without a part, table by table", fits, ERROR),
        overall_table("Log loss without a part, by that of the recipe", fits, LOG_LOSS, cases),
        table_table("Log loss without a part, table by table", fits, LOG_LOSS),
        *rung_sections([case for case in results.values() if case["part"] == RUNGS]),
        *final_sections([case for case in results.values() if case["part"] == FINAL]),
        *selection_sections([case for case in results.values() if case["part"] == SELECTION]),
    ]


def recipe_tables(cases: Sequence[Run]) -> list[Table]:
    """Return how good the recipe is on each table, and what it is."""
    own = [case for case in cases if case["variant"] == RECIPE]
    fitted = [case for case in own if "fits" in case]
    commits = ", ".join(sorted({case["of"] for case in cases})) or "none"
    note = f"Minimum / median / maximum over the seeds. ash: commit {commits}."
    names = list(dict.fromkeys(name for case in fitted for name in case["recipe"]))
    values = [[case["table"], *(_shown_value(case["recipe"].get(name)) for name in names)] for case in fitted]
    header = ["table", "rows", "epochs", "seeds", "error", "log loss"]
    return [
        Table("The recipe, trained alone", header, [_recipe_row(case) for case in own], note),
        Table("The recipe, by table", ["table", *names], values, "What is not named has its default."),
    ]


def _recipe_row(case: Run) -> list[str]:
    name = case["table"] if TABLES[case["table"]].classes else f"{case['table']}, RMSE"
    if "fits" not in case:
        return [name, f"skipped: {case['skipped']}", *[""] * 4]
    [fits] = case["fits"]
    losses = [fit[LOG_LOSS] for fit in fits if LOG_LOSS in fit]
    return [
        *(name, f"{case['rows']:,}", str(case["epochs"]), str(len(fits))),
        shown(spread([fit[ERROR] for fit in fits]), ".4g"),
        shown(spread(losses), ".4f") if losses else "",
    ]


def _shown_value(value: Any) -> str:
    if value is None:
        return ""
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def overall_table(title: str, fits: Fits, what: str, cases: Sequence[Run]) -> Table:
    """Return a row a variant: its ratio over all tables, over the larger ones, and what follows."""
    rows = [_overall_row(fits, variant, what) for variant in VARIANTS if variant != RECIPE]
    note = (
        f"{NOTES[what]}; geometric means over the tables that have the variant and the seeds, with 95 % intervals over "
        "the seeds. Above 1 the variant is worse: what the recipe has in its place pays if the interval over all "
        "tables is above 1, and costs if it is below. Of many lines without any effect, one in twenty would still be "
        f"one or the other. Multiply-adds: of the training, by the recipe's.{_diverged(cases)}"
    )
    return Table(title, list(HEADER), rows, note)


def _overall_row(fits: Fits, variant: str, what: str) -> list[str]:
    words = VARIANTS[variant].words
    logs, tables = fits.overall(variant, what, TABLES)
    every, larger = ratio(logs.values()), ratio(fits.overall(variant, what, LARGER)[0].values())
    if every is None:
        return [words, "-", "-", "0", "-", "-"]
    work = ratio(fits.overall(variant, WORK, tables)[0].values())
    by_work = "-" if work is None else f"{work.mean:.2f}"
    return [words, shown_ratio(every), shown_ratio(larger), str(len(tables)), every.verdict, by_work]


def table_table(title: str, fits: Fits, what: str) -> Table:
    """Return a row a variant, a column a table."""
    tables = [table for table in TABLES if table in fits.runs and (what == ERROR or TABLES[table].classes)]
    rows = [
        [
            VARIANTS[variant].words,
            *(shown_ratio(ratio(fits.log_ratios(table, variant, what).values())) for table in tables),
        ]
        for variant in VARIANTS
        if variant != RECIPE
    ]
    note = "Geometric means over the seeds, with 95 % intervals. -: the variant is the recipe there, or not measured."
    return Table(title, ["variant", *tables], rows, note)


def _diverged(cases: Sequence[Run]) -> str:
    """Return which fits have diverged, as a sentence."""
    found = []
    for case in cases:
        count = sum(fit["diverged"] for fits in case.get("fits", []) for fit in fits)
        if count and case["variant"] in VARIANTS:
            found.append(f"{VARIANTS[case['variant']].words} on {case['table']} ({count})")
    return f" Diverged, and counted as guesses: {', '.join(found)}." if found else ""
