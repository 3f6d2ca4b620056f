"""Networks trained with all parts of the default recipe, and with one part removed or changed at a time.

A case is one variant of the recipe on one table of `quality`, over all seeds. It runs in a separate process with one
thread; as many cases run at once as there are CPUs. The seed selects the three quarters of the rows that are fitted,
and the rest is held out. Most variants are single networks, so that no search can compensate for the removed part. They
are trained for 64 epochs, for 32 if the table has at least 10,000 rows, and for 8 if it has at least 20,000. Steps that
run after the ladder are measured with whole searches by the estimators.

The bench favors the recipe, since its rates and widths were chosen with all parts in place. It also favors variants
that are tried with several rates, since only the rate with the lowest loss on the held-out rows counts.

Each ratio compares a variant with the recipe on the same split and seed. Intervals are 95 % confidence intervals of the
mean logarithm over the seeds, by Student's t distribution. They apply only to these tables, and assume that the splits
of a table are independent. Half an error is added to each number of errors, since 0 has no logarithm.

A new part of the recipe needs a line in VARIANTS. --variants, --tables and --seeds choose what to measure now; other
results are kept.
"""

from __future__ import annotations

import math
import warnings
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from statistics import fmean, stdev
from typing import Any
from unittest.mock import patch

import ash
from ash.encoding import data_split
from ash.encoding.schema import Schema
from ash.engine import planning
from ash.space.hyperparameters import check_params
from bench.arguments import Parser, folder, integer, names
from bench.figures import Section, Table, shown, spread
from bench.machine import CORE, cpus
from bench.processes import ONE_THREAD, call
from bench.quality.measure import LEAST_PROBABILITY, scores
from bench.quality.tables import FILES, SKEWED, SMALL, TABLES, Split, split
from bench.record import Bench, Case

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Times:
    """A factor for the recipe's value. The change is not measured if the recipe lacks the hyperparameter."""

    factor: float


@dataclass(frozen=True)
class Variant:
    """The recipe with one part replaced. Of several `changes`, the one with the lowest loss on a table counts."""

    words: str  # description for the printed tables
    changes: Sequence[Params] = ({},)  # changed hyperparameters
    whole: bool = False  # whether the changes replace the whole recipe
    reading: str = ""  # part that ash must use on a measured table: "levels" (of numbers), "neighbors", "logarithms"
    without: bool = False  # whether to disable the part named by `reading`
    epochs: int | None = None  # number of epochs; None if it depends on the number of rows
    search: Params | None = None  # if given, compare whole searches by an estimator with these arguments


def _one(words: str, **changes: Any) -> Variant:
    return Variant(words, (changes,))


RECIPE, SEARCH = "recipe", "search"  # names of the two baselines with which variants are compared
LOGARITHMS, BF16 = "logarithms", "bf16"
OF_SKEWED = (BF16, LOGARITHMS)  # variants measured on the tables SKEWED; LOGARITHMS is measured on no other tables
VARIANTS: Mapping[str, Variant] = {
    RECIPE: Variant("the recipe"),
    "number-levels": Variant("no statistics of numbers", reading="levels", without=True),
    # A network with neighbor features soon overfits, so a search stops it early: 8 epochs are measured too.
    "neighbors": Variant("no neighbors", reading="neighbors", without=True),
    "neighbors-brief": Variant("neighbors, 8 epochs", reading="neighbors", epochs=8),
    "brief": Variant("no neighbors, 8 epochs", reading="neighbors", without=True, epochs=8),
    "embedding-off": _one("no embedding", embedding="none"),
    "embedding-on": _one("a periodic embedding", embedding="periodic"),
    "embedding-frequency": _one("embedding_frequency x 4", embedding_frequency=Times(4)),
    "input-scaling": _one("no input_scaling", input_scaling=False),
    "parametric-activation": _one("no parametric_activation", parametric_activation=False),
    # The recipe's learning rate does not suit the standard parametrization, so the best of three rates counts.
    "parametrization": Variant(
        "standard parametrization, best of 3 rates",
        tuple({"parametrization": "standard", "learning_rate": rate} for rate in (0.001, 0.003, 0.01)),
    ),
    "beta2": _one("beta2 0.999", beta2=0.999),
    "label-smoothing": _one("no label_smoothing", label_smoothing=0.0),
    "dropout": _one("no dropout", dropout=0.0),
    "dropout-doubled": _one("dropout x 2", dropout=Times(2)),
    "weight-decay": _one("no weight_decay", weight_decay=0.0),
    "weight-decay-doubled": _one("weight_decay x 2", weight_decay=Times(2)),
    "relu": _one("relu", activation="relu"),
    "selu": _one("selu", activation="selu"),
    "mish": _one("mish", activation="mish"),
    BF16: _one("products in bfloat16", precision="bf16"),
    "constant": _one("a constant learning rate", learning_rate_schedule="constant"),
    "rate-halved": _one("learning_rate x 0.5", learning_rate=Times(0.5)),
    "rate-doubled": _one("learning_rate x 2", learning_rate=Times(2)),
    "plain": Variant(
        "a plain network",  # the default network of ash before it had a recipe
        (
            {
                **{"hidden": (64, 64), "activation": "relu", "optimizer": "adamw", "learning_rate": 0.003},
                **{"batch_size": 32, "weight_decay": 0.0, "dropout": 0.0, "label_smoothing": 0.0},
                **{"parametrization": "standard", "input_scaling": False, "embedding": "none"},
                "parametric_activation": False,
            },
        ),
        whole=True,
    ),
    SEARCH: Variant("a search", search={}),
    "refit": Variant("a search without the refit on all rows", search={"refit": False}),
    "ensemble": Variant("a search that ends in the best network alone", search={"ensemble": 1}),
    LOGARITHMS: Variant("a search without logarithms of targets", search={}, reading="logarithms", without=True),
}
SOURCES = {**TABLES, **SKEWED}
EPOCHS, EPOCHS_FROM = 64, {10_000: 32, 20_000: 8}
"""Epochs by the minimum number of fitted rows. They have a few thousand updates; more would overfit large tables."""
SEEDS, SEARCH_SEEDS, QUICK_EPOCHS = 10, 4, 4
SEARCHED = ("optdigits", "winequality_white", "digits", "breast_cancer", "diabetes")
QUICK_TABLES, QUICK_VARIANTS = ("wine", "diabetes"), ("dropout", "embedding-off", "plain", "refit")
SEARCHES = {"candidates": 24, "validation": 0.2, "config": ash.SearchConfig(min_epochs=4, max_rungs=4)}
QUICK_SEARCHES = {"candidates": 8, "validation": 0.2, "config": ash.SearchConfig(min_epochs=2, max_rungs=2)}
HELD_OUT = 1  # validation rows of a single network: ash requires at least one, although nothing is selected
LEAST_ACCURACY = 0.9
CONFIDENCE = 0.95
DIGITS = 4  # significant digits of a recorded loss


# Measurement


def cases(options: Namespace) -> Sequence[Case]:
    """Return one case per table and variant, including the baselines of the chosen variants."""
    chosen = options.variants or (QUICK_VARIANTS if options.quick else tuple(VARIANTS))
    made = []
    for table in options.tables or (QUICK_TABLES if options.quick else (*FILES, *SMALL, *SKEWED)):
        here = [variant for variant in chosen if options.quick or _has(table, variant)]
        wanted = {*here, *map(base_of, here)}
        for variant, own in VARIANTS.items():
            if variant in wanted:
                most = 1 if options.quick else SEARCH_SEEDS if own.search is not None else SEEDS
                told = {"seeds": min(most, options.seeds or most)}
                made.append(Case(f"{table}, {variant}", partial(_run, options, table, variant, told["seeds"]), told))
    if options.tables and options.variants and not made:
        raise SystemExit(f"ash: {', '.join(options.variants)}: not measured on {', '.join(options.tables)}")
    return made


def _has(table: str, variant: str) -> bool:
    """Return whether a variant is measured on a table."""
    if table in SKEWED or variant == LOGARITHMS:
        return table in SKEWED and variant in OF_SKEWED
    return VARIANTS[variant].search is None or table in SEARCHED


def base_of(variant: str) -> str:
    """Return the baseline of a variant: the default search if the variant is a search, else the recipe."""
    return RECIPE if VARIANTS[variant].search is None else SEARCH


def _run(options: Namespace, table: str, variant: str, seeds: int) -> dict[str, Any]:
    if (missing := SOURCES[table].missing(options.data)) is not None:
        return {"skipped": missing}
    told = {"table": table, "variant": variant, "seeds": seeds, "folder": options.data, "quick": options.quick}
    return dict(call("bench.ablation", "measure", told, {**ONE_THREAD, "PYTHONWARNINGS": "ignore"}))


def measure(table: str, variant: str, seeds: int, folder: str | None, quick: bool) -> dict[str, Any]:
    """Return the losses by configuration and seed. There are none if the variant equals the recipe on this table.

    The entry `work` has the multiply-adds of the training by configuration, averaged over the seeds.
    """
    warnings.simplefilter("ignore")
    own, runs, rows = VARIANTS[variant], [], {}
    for seed in range(seeds):
        data = split(table, folder, seed, categories=False)
        rows = {"rows": len(data.y), "test_rows": len(data.y_test)}
        if own.search is not None:
            with _without(own.reading) if own.without else nullcontext():
                runs.append([_searched(data, {**(QUICK_SEARCHES if quick else SEARCHES), **own.search}, seed)])
            continue
        first = trained(data, None, epochs=1, seed=0)
        if own.reading and not _is_read_with(first.model.encoding.schema, own.reading):
            return {**rows, "error": []}
        rows["epochs"] = QUICK_EPOCHS if quick else own.epochs or epochs_of(len(data.y))
        with _without(own.reading) if own.without else nullcontext():
            runs.append([_fit(data, each, rows["epochs"], seed) for each in configurations(own, first.best_params)])
    fits = list(zip(*runs, strict=True))  # indexed by configuration, then by seed
    kinds = [what for what in ("error", "log_loss", "work") if fits and what in fits[0][0]]
    found = {what: [[fit[what] for fit in own] for own in fits] for what in kinds}
    if "work" in found:
        found["work"] = [fmean(own) for own in found["work"]]
    return {**rows, "error": [], **found, "diverged": sum(fit["diverged"] for own in fits for fit in own)}


def epochs_of(rows: int) -> int:
    """Return the number of epochs for a single network on this many rows."""
    return next((epochs for least, epochs in reversed(EPOCHS_FROM.items()) if rows >= least), EPOCHS)


def _is_read_with(schema: Schema, part: str) -> bool:
    if part == "neighbors":
        return schema.neighbors
    return any(column.kind == "number" and column.levels for column in schema.columns)


def _without(part: str) -> Any:
    """Return a context in which ash does not use `part` (such as "neighbors"), which no argument can disable."""
    if part == "logarithms":
        return patch.object(planning, "_is_skewed", lambda y: False)
    name = {"levels": "with_recurring", "neighbors": "with_neighbors"}[part]
    return patch.object(data_split, name, lambda schema, *table: schema)


def configurations(variant: Variant, recipe: Params) -> Sequence[Params]:
    """Return the variant's configurations for a table with this recipe, except those that equal the recipe."""
    if not any(variant.changes):
        return [recipe]
    found: list[Params] = []
    for changes in variant.changes:
        if any(isinstance(change, Times) and name not in recipe for name, change in changes.items()):
            continue
        values = {n: c.factor * recipe[n] if isinstance(c, Times) else c for n, c in changes.items()}
        params = values if variant.whole else {**recipe, **values}
        if check_params(params) != check_params(recipe):
            found.append(params)
    return found


def trained(data: Split, params: Params | None, epochs: int, seed: int) -> ash.Result:
    """Train one configuration and return the run; if `params` is None, train the recipe (the first candidate)."""
    return ash.tune(
        *(data.x, data.y, None if params is None else ash.Space(**params)),
        candidates=1,
        n_jobs=1,
        validation=HELD_OUT,
        task="classification" if data.classes else "regression",
        scoring="accuracy" if data.classes else "rmse",
        random_state=seed,
        verbose=0,
        config=ash.SearchConfig(min_epochs=epochs, max_rungs=1),
    )


def _fit(data: Split, params: Params, epochs: int, seed: int) -> dict[str, Any]:
    """Return a network's losses; if it diverged, the losses of predicting the class frequencies or the mean."""
    try:
        run = trained(data, params, epochs, seed)
    except ash.AllDivergedError:
        from sklearn.dummy import DummyClassifier, DummyRegressor

        guess = DummyClassifier(strategy="prior") if data.classes else DummyRegressor()
        return {**_losses(guess.fit(data.x, data.y), data), "diverged": True, "work": 0.0}
    work = float((run.columns["virtual_end"] - run.columns["virtual_start"]).sum())
    return {**_losses(run.model, data), "diverged": False, "work": work}


def _searched(data: Split, arguments: Params, seed: int) -> dict[str, Any]:
    """Return the losses of an estimator that has searched without a time limit."""
    estimator = ash.ASHClassifier if data.classes else ash.ASHRegressor
    fitted = estimator(**arguments, n_jobs=1, random_state=seed).fit(data.x, data.y)
    return {**_losses(fitted, data), "diverged": False}


def _losses(model: Any, data: Split) -> dict[str, float]:
    return {what: float(f"{loss:.{DIGITS}g}") for what, loss in scores(model, data).items() if isinstance(loss, float)}


def check(_: Namespace) -> None:
    """End the bench unless the recipe learns, and gives the same result if its values are passed explicitly."""
    rows = split("digits", None, 0, categories=False)
    first = trained(rows, None, EPOCHS, seed=0)
    second = trained(rows, first.best_params, EPOCHS, seed=0)
    accuracy = first.model.score(rows.x_test, rows.y_test)
    if accuracy < LEAST_ACCURACY:
        raise SystemExit(f"ash: an accuracy of {accuracy:.4f} on the digits: nothing to compare")
    if first.digest != second.digest:
        raise SystemExit("ash: the recipe by name is not the default candidate: nothing to compare")


# The page


@dataclass(frozen=True)
class Ratio:
    """A geometric mean with its confidence interval; a single value has no interval."""

    mean: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return f"{self.mean:.3f}" + ("" if self.low is None else f" ({self.low:.3f} to {self.high:.3f})")

    @property
    def verdict(self) -> str:
        """Return whether the part that the variant replaces improves the recipe, worsens it, or shows no effect."""
        if self.low is not None and self.low > 1:
            return "pays"
        return "costs" if self.high is not None and self.high < 1 else "not shown"


def ratio(logs: Iterable[float]) -> Ratio | None:
    """Return the geometric mean of ratios that are given by their logarithms; None if there are no ratios."""
    from scipy.stats import t

    values = list(logs)
    if not values:
        return None
    mean = fmean(values)
    if len(values) == 1:
        return Ratio(math.exp(mean))
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def log_ratios(values: Mapping[str, Any], table: str, variant: str, what: str) -> list[float]:
    """Return log(variant's loss / recipe's loss) for each seed, for the configuration with the lowest mean."""
    own, base = (values.get(f"{table}, {each}", {}) for each in (variant, base_of(variant)))
    if not own.get(what) or not base.get(what):
        return []
    half = 0.5 / own["test_rows"] if what == "error" and SOURCES[table].classes else 0.0

    def log(value: float) -> float:
        return math.log(max(value + half, LEAST_PROBABILITY))

    [recipe] = base[what]
    found = [[log(a) - log(b) for a, b in zip(losses, recipe, strict=False)] for losses in own[what]]
    return min(found, key=fmean)


def overall(values: Mapping[str, Any], variant: str, what: str, tables: Sequence[str]) -> tuple[Ratio | None, int]:
    """Return a variant's ratio and the number of its tables. Each seed's logarithms are averaged over these tables."""
    found = [logs for table in tables if (logs := log_ratios(values, table, variant, what))]
    return ratio(map(fmean, zip(*found, strict=False))), len(found)


def sections(values: Mapping[str, Any]) -> list[Section]:
    """Return the recipe's own results, and the value of each part, overall and by table."""
    there = [(table, v) for table in (*FILES, *SMALL, *SKEWED) for v in VARIANTS if f"{table}, {v}" in values]
    tables = list(dict.fromkeys(table for table, _ in there))
    compared = [v for v in VARIANTS if v not in (RECIPE, SEARCH) and v in {variant for _, variant in there}]
    note = "Geometric means over the seeds, with 95 % intervals. -: the recipe is so there, or it was not measured."
    found = [_recipe_table(values, tables), _overall_table(values, compared, tables)]
    usual, skewed = ([table for table in tables if (table in SKEWED) == own] for own in (False, True))
    variants = [variant for variant in compared if variant != LOGARITHMS]
    rows = [[VARIANTS[variant].words, *_errors(values, variant, usual)] for variant in variants]
    found.append(Table("Error by that of the recipe, table by table", ["variant", *usual], rows, note))
    if skewed:
        words = "RMSE by that of the recipe or of a search, tables with skewed targets"
        columns = [skewed, *(_errors(values, variant, skewed) for variant in OF_SKEWED)]
        header = ["table", *(VARIANTS[variant].words for variant in OF_SKEWED)]
        found.append(Table(words, header, [list(row) for row in zip(*columns, strict=True)], note))
    return found


def _errors(values: Mapping[str, Any], variant: str, tables: Sequence[str]) -> list[str]:
    return [str(ratio(log_ratios(values, table, variant, "error")) or "-") for table in tables]


def _recipe_table(values: Mapping[str, Any], tables: Sequence[str]) -> Table:
    rows = []
    for table in tables:
        name = table if SOURCES[table].classes else f"{table}, RMSE"
        own = values.get(f"{table}, {RECIPE}", {})
        if "error" in own:
            told = [f"{own['rows']:,}", str(own["epochs"]), str(len(own["error"][0]))]
            loss = shown(spread(own["log_loss"][0]), ".4f") if "log_loss" in own else ""
            rows.append([name, *told, shown(spread(own["error"][0]), ".4g"), loss])
        elif own:
            rows.append([name, own["skipped"], *[""] * 4])
    header = ["table", "rows", "epochs", "seeds", "error", "log loss"]
    return Table("The recipe, trained alone", header, rows, "Minimum / median / maximum over the seeds.")


def _overall_table(values: Mapping[str, Any], compared: Sequence[str], tables: Sequence[str]) -> Table:
    rows = []
    for variant in compared:
        error, count = overall(values, variant, "error", tables)
        larger, loss = (overall(values, variant, what, of)[0] for what, of in (("error", FILES), ("log_loss", tables)))
        verdict = "-" if error is None else error.verdict
        cells = [str(each or "-") for each in (error, larger, loss)]
        rows.append([VARIANTS[variant].words, *cells, str(count), verdict, _work(values, variant, tables)])
    diverged = [f"{key} ({value['diverged']})" for key, value in values.items() if value.get("diverged")]
    note = (
        "On the held-out rows: error (of numbers the root of the mean squared error) and log loss (of classes), by "
        "those of the recipe, or of the search as it is; geometric means over tables and seeds, with 95 % intervals "
        "over the seeds. Above 1 the variant is worse: what the recipe has in its place pays if the interval of the "
        "error is above 1, and costs if it is below. Of many lines without any effect, one in twenty would still be "
        "one or the other. Multiply-adds: of the training, by the recipe's."
    )
    note += f" Diverged, and counted as guesses: {', '.join(diverged)}." if diverged else ""
    header = ["variant", "error", "error, larger tables", "log loss", "tables", "verdict", "multiply-adds"]
    return Table("What each part is worth", header, rows, note)


def _work(values: Mapping[str, Any], variant: str, tables: Sequence[str]) -> str:
    both = [[values.get(f"{table}, {each}", {}).get("work") for each in (variant, RECIPE)] for table in tables]
    logs = [math.log(own[0] / recipe[0]) for own, recipe in both if own and recipe and own[0]]
    return f"{math.exp(fmean(logs)):.2f}" if logs else "-"


def arguments(parser: Parser) -> None:
    """Add this subject's own options."""
    tables = (*FILES, *SMALL, *SKEWED)
    parser.add_argument("--data", type=folder(), help="folder of the tables in CSV files (else ../shared/data)")
    parser.add_argument("--tables", type=names(tables), help=f"some of {','.join(tables)} (all)")
    parser.add_argument("--variants", type=names(VARIANTS), help=f"some of {','.join(VARIANTS)} (all)")
    parser.add_argument("--seeds", type=integer(SEEDS), help="the number of seeds, counted from 0 (10, of searches 4)")


BENCHES = (
    Bench(
        name="ablation",
        title="What each part of the recipe is worth",
        measures=CORE,
        cases=cases,
        sections=sections,
        check=check,
        packages=("scikit-learn",),
        anywhere=True,
        at_once=cpus,
    ),
)
