"""The default space: a published recipe for tables, and variations of it.

Candidate 0 is RealMLP's default (Holzmueller et al., arXiv:2407.04491, table A.1): the NTK parametrization, learned
input scales, a periodic embedding of numbers, SELU (classification) or Mish (regression) in a learned mixture with the
identity, AdamW with beta2 = 0.95, dropout and weight decay. Labels are smoothed, unless there are two classes and the
metric is not accuracy. The learning rate differs from RealMLP's, as do the frequencies of the embedding for regression.
Widths, batch size and embedding depend on the size of the table. RealMLP also fits its layers to data before the first
epoch, which ash does not (cpp/DESIGN.md). `python -m bench ablation` measures the effect of each part.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from ash.space.boosters import BOOSTERS, NETWORK
from ash.space.domains import choice, loguniform
from ash.space.space import Space


class _Size(NamedTuple):
    """The layer widths and batch sizes for tables with fewer than `rows` rows; the middle values are the defaults."""

    rows: float
    widths: tuple[int, int, int]
    batches: tuple[int, int, int]


_SIZES = (
    _Size(1_000, (32, 64, 128), (16, 32, 64)),
    _Size(5_000, (128, 256, 512), (32, 64, 128)),
    _Size(50_000, (128, 256, 512), (64, 128, 256)),
    _Size(float("inf"), (128, 256, 512), (128, 256, 512)),
)
_COLUMNS_A_UNIT = 8  # with more columns per unit of the widest layer, the first layer would be a bottleneck
_FEW = 5_000  # from this many rows on, networks for classification embed numbers by default; see `bench ablation`
_MOST_EMBEDDED = 200  # with more numeric features there is no embedding, since it adds three values per feature


def default_space(
    rows: int,
    features: int,
    outputs: int,
    classes: int,
    *,
    numbers: int,
    metric: str,
    skewed: bool = False,
    models: Sequence[str] = (NETWORK,),
    has_categories: bool = False,
) -> Space:
    """Return the default space for a table.

    A table with many columns, outputs or classes gets the widths of larger tables. Labels are smoothed by default,
    unless there are two classes and the metric is not accuracy.

    Parameters
    ----------
    rows, features, outputs : int
        Numbers of training rows, of encoded columns, and of columns of the target.
    classes : int
        Number of classes; 0 for regression.
    numbers : int
        Number of features that are not levels of a category.
    metric : str
        The metric by which candidates are ranked.
    skewed : bool
        Whether the target is positive and skewed, so that its logarithm is worth trying.
    models : sequence of str
        The kinds of model; each configuration has one of them.
    has_categories : bool
        Whether the table has columns of categories.

    Returns
    -------
    Space
        The space. The model of its default configuration is the first kind in `models`. If this kind is a network, the
        default configuration is the recipe described at the top of this module.
    """
    transform = {"target_transform": choice("none", "log", default="none")} if skewed else {}
    parts = {
        model: BOOSTERS[model].domains(rows, has_categories)
        if model in BOOSTERS
        else _networks(rows, features, outputs, classes, numbers=numbers, metric=metric)
        for model in models
    }
    if len(models) == 1:
        named = {} if models[0] == NETWORK else {"model": models[0]}
        return Space(**named, **parts[models[0]], **transform)
    several: dict[str, Any] = {}
    for model in models:
        for name, domain in parts[model].items():
            if sum(name in parts[each] for each in models) > 1:
                several.setdefault(name, []).append(domain.when(model=model))
            else:
                several[name] = domain
    return Space(model=choice(*models), **several, **transform)


@cache
def _networks(rows: int, features: int, outputs: int, classes: int, *, numbers: int, metric: str) -> dict[str, Any]:
    """Return the domains of networks."""
    size = next(line for line in _SIZES if rows < line.rows)
    needed = max(features // _COLUMNS_A_UNIT, outputs, classes)
    widths = next((line.widths for line in _SIZES if line.rows >= size.rows and needed <= line.widths[-1]), _WIDEST)
    smoothing = choice(0.0, 0.03, 0.1, default=0.0 if classes == 2 and metric != "accuracy" else 0.1)
    rates = (
        loguniform(0.02, 0.32, levels=17, default=0.08) if classes else loguniform(0.04, 0.64, levels=17, default=0.16)
    )
    return {
        "hidden": choice(*_shapes(widths), default=(widths[1],) * 3),
        "activation": choice("selu", "mish", "relu", "silu", default="selu" if classes else "mish"),
        "optimizer": "adamw",
        "parametrization": "ntk",
        "input_scaling": True,
        "parametric_activation": True,
        "learning_rate": rates,
        "weight_decay": choice(0.0, 0.005, 0.02, 0.05, default=0.02),
        "dropout": choice(0.0, 0.05, 0.1, 0.15, 0.2, 0.3, default=0.15),
        "batch_size": choice(*size.batches, default=size.batches[1]),
        **(_embedding(classes, rows) if 0 < numbers <= _MOST_EMBEDDED else {}),
        **({"label_smoothing": smoothing} if classes else {}),
    }


_WIDEST = _SIZES[-1].widths


def _embedding(classes: int, rows: int) -> dict[str, Any]:
    by_default = classes == 0 or rows >= _FEW
    frequency = loguniform(0.05, 6.4, levels=15, default=0.1 if classes else 0.4).when(embedding="periodic")
    return {
        "embedding": choice("none", "periodic", default="periodic" if by_default else "none"),
        "embedding_frequency": frequency,
    }


def _shapes(widths: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """Return the choices of hidden layers: none, one wide layer, two or three equal layers, or five narrow layers."""
    narrow, wide = widths[0], widths[-1]
    equal = [(width,) * depth for depth in (2, 3) for width in widths]
    return [(), (wide,), *equal, (narrow,) * 5]
