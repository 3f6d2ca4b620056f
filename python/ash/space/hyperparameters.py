"""The table of all hyperparameters (name, allowed values, default), and their conversion to the core's settings.

A hyperparameter that a candidate does not name has its default. ``activation`` is one name for all hidden layers, or a
tuple with one name per hidden layer; without hidden layers a name has no effect, and a tuple must be empty.
``weight_decay`` is decoupled from the gradient. ``adam`` with weight decay is called ``adamw`` (Loshchilov and Hutter,
arXiv:1711.05101), so ``adam`` with a ``weight_decay`` above 0 is refused. The default of ``beta2`` is 0.95, since 0.999
increases the error on tables by 2 % (classification) and 23 % (regression) (Holzmueller et al., arXiv:2407.04491,
tables B.1 and B.2). With ``parametric_activation`` each hidden neuron computes x + a (f(x) - x), where ``f`` is the
activation, and ``a`` is learned, starting from 1 (same source).

``categories`` says how trees get the columns that are categories: as the features that networks get ("encoded"), or as
level numbers ("native"). With level numbers, LightGBM splits sets of levels, and CatBoost computes statistics itself.

``model`` is the kind of a candidate: a network, or boosted trees of LightGBM or CatBoost. Hyperparameters of trees have
LightGBM's names, except for CatBoost's own ``depth`` and ``l2_leaf_reg``. Hyperparameters of trees do not affect
networks, and those of networks do not affect trees. ``shrinkage`` replaces the learning rate of trees: a job of R
boosting rounds has the learning rate shrinkage / R, but at most MOST_RATE (engine/tree_trainer.py).
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ash import _core
from ash._utils.checks import is_integer, is_number, near_names
from ash.errors import SettingError
from ash.options import CATBOOST, LIGHTGBM, MODELS, NETWORK, TREES, option_table

ACTIVATIONS = ("relu", "sigmoid", "tanh", "gelu", "silu", "selu", "mish", "identity")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw")
MOST_WIDTH = 16_384
MOST_DEPTH = 64

Params = dict[str, Any]


class Hyperparameter(NamedTuple):
    """One row of the table of hyperparameters.

    ``read`` returns the value in its plain form (int, float, str or tuple), or None for a value that is not allowed.
    ``models`` are the kinds of model that have the hyperparameter.
    """

    default: Any
    allowed: str
    read: Callable[[Any], Any]
    models: tuple[str, ...] = (NETWORK,)


def _name(*names: str) -> tuple[str, Callable[[Any], str | None]]:
    return f"one of {', '.join(names)}", lambda value: str(value) if isinstance(value, str) and value in names else None


def _number(low: float, high: float) -> tuple[str, Callable[[Any], float | None]]:
    def read(value: Any) -> float | None:
        return float(value) if is_number(value) and low <= value <= high else None

    return f"a number from {low:g} to {high:g}", read


def _read_count(value: Any, most: int) -> int | None:
    return int(value) if is_integer(value) and 1 <= value <= most else None


def _read_hidden(value: Any) -> tuple[int, ...] | None:
    layers = value if isinstance(value, (tuple, list)) else (value,)
    widths = [_read_count(width, MOST_WIDTH) for width in layers]
    return None if None in widths or len(widths) > MOST_DEPTH else tuple(width for width in widths if width)


def _read_activation(value: Any) -> str | tuple[str, ...] | None:
    if isinstance(value, (tuple, list)):
        valid = all(isinstance(name, str) and name in ACTIVATIONS for name in value)
        return tuple(str(name) for name in value) if valid else None
    return str(value) if isinstance(value, str) and value in ACTIVATIONS else None


def _integer(low: int, high: int) -> tuple[str, Callable[[Any], int | None]]:
    def read(value: Any) -> int | None:
        return int(value) if is_integer(value) and low <= value <= high else None

    return f"an integer from {low} to {high:,}", read


def _read_batch_size(value: Any) -> int | str | None:
    return "full" if isinstance(value, str) and value == "full" else _read_count(value, 2**31 - 1)


def _read_switch(value: Any) -> bool | None:
    return bool(value) if isinstance(value, (bool, np.bool_)) else None


HYPERPARAMETERS: Mapping[str, Hyperparameter] = {
    "hidden": Hyperparameter(
        (64, 64),
        f"a tuple of widths from 1 to {MOST_WIDTH}, one per hidden layer, at most {MOST_DEPTH}; () for none",
        _read_hidden,
    ),
    "activation": Hyperparameter(
        "relu", f"one of {', '.join(ACTIVATIONS)}, or a tuple of them, one per hidden layer", _read_activation
    ),
    "optimizer": Hyperparameter("adamw", *_name(*OPTIMIZERS)),
    "learning_rate": Hyperparameter(3e-3, *_number(1e-30, 1e30)),
    "learning_rate_schedule": Hyperparameter("cycle", *_name("cycle", "constant")),
    "momentum": Hyperparameter(0.9, *_number(0, 0.999999)),
    "beta1": Hyperparameter(0.9, *_number(0, 0.999999)),
    "beta2": Hyperparameter(0.95, *_number(0, 0.999999)),
    "epsilon": Hyperparameter(1e-8, *_number(1e-30, 1)),
    "l2": Hyperparameter(0.0, *_number(0, 1e6)),
    "weight_decay": Hyperparameter(0.0, *_number(0, 1e6)),
    "dropout": Hyperparameter(0.0, *_number(0, 0.99)),
    "label_smoothing": Hyperparameter(0.0, *_number(0, 0.99)),
    "batch_size": Hyperparameter(32, 'an integer of at least 1, or "full" for one update per epoch', _read_batch_size),
    "initialization": Hyperparameter("auto", *_name("auto", "he", "xavier")),
    "parametrization": Hyperparameter("standard", *_name("standard", "ntk")),
    "input_scaling": Hyperparameter(False, "True or False", _read_switch),
    "parametric_activation": Hyperparameter(False, "True or False", _read_switch),
    "embedding": Hyperparameter("none", *_name("none", "periodic")),
    "embedding_frequency": Hyperparameter(0.1, *_number(0, 1e6)),
    "precision": Hyperparameter("fp32", *_name("fp32", "bf16")),
    "target_transform": Hyperparameter("none", *_name("none", "log"), MODELS),
    "model": Hyperparameter(NETWORK, *_name(*MODELS), MODELS),
    "categories": Hyperparameter("encoded", *_name("encoded", "native"), TREES),
    "shrinkage": Hyperparameter(12.0, *_number(1e-6, 1e6), TREES),
    "num_leaves": Hyperparameter(31, *_integer(2, 131_072), (LIGHTGBM,)),
    "min_data_in_leaf": Hyperparameter(20, *_integer(1, 2**31 - 1), (LIGHTGBM,)),
    "depth": Hyperparameter(6, *_integer(1, 10), (CATBOOST,)),
    "feature_fraction": Hyperparameter(1.0, *_number(1e-6, 1), TREES),
    "bagging_fraction": Hyperparameter(1.0, *_number(1e-6, 1), TREES),
    "lambda_l1": Hyperparameter(0.0, *_number(0, 1e6), (LIGHTGBM,)),
    "lambda_l2": Hyperparameter(0.0, *_number(0, 1e6), (LIGHTGBM,)),
    "l2_leaf_reg": Hyperparameter(3.0, *_number(1e-3, 1e6), (CATBOOST,)),
    "extra_trees": Hyperparameter(False, "True or False", _read_switch, (LIGHTGBM,)),
}

_BUDGET = frozenset(
    (
        *("budget", "candidates", "max_total_epochs", "epoch_rows", "epochs", "eta", "max_epochs", "max_iter"),
        *("max_rungs", "min_epochs", "n_epochs", "n_iter", "n_jobs", "rungs", "threads", "time_limit", "work_limit"),
    )
)
_OF_THE_RUN = option_table().keys() | {
    *("callbacks", "config", "cv", "ensemble", "executor", "first", "groups", "journal", "random_state", "record"),
    *("refit", "sample_weight", "scoring", "validation"),
}
_PEERS = {
    "hidden_layer_sizes": "hidden",
    "layers": "hidden",
    "units": "hidden",
    "solver": "optimizer",
    "lr": "learning_rate",
    "learning_rate_init": "learning_rate",
    "alpha": "l2",
    "beta_1": "beta1",
    "beta_2": "beta2",
    "eps": "epsilon",
    "rsm": "feature_fraction",
    "subsample": "bagging_fraction",
}


def check_name(name: str) -> None:
    """Raise SettingError, with the closest names, unless there is a hyperparameter of this name."""
    if name in HYPERPARAMETERS:
        return
    if name in _BUDGET:
        raise SettingError(
            f"{name!r} is part of the budget, which the run itself sets (an argument of ash.tune); it cannot "
            "be searched"
        )
    if name in _OF_THE_RUN:
        raise SettingError(f"{name!r} is an argument of ash.tune for the whole run; it cannot be searched")
    near = [_PEERS[name]] if name in _PEERS else near_names(str(name), HYPERPARAMETERS)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(HYPERPARAMETERS)}"
    raise SettingError(f"unknown hyperparameter {name!r}: {hint}")


def check_value(name: str, value: Any) -> Any:
    """Return one value in its plain form, or raise SettingError with the name, the value and what is allowed."""
    check_name(name)
    read = HYPERPARAMETERS[name].read
    plain = read(value)
    if plain is None:
        several = isinstance(value, (tuple, list)) and all(read(one) == one for one in value)
        hint = "; for several values give a list, or a domain such as ash.loguniform" if several else ""
        raise SettingError(f"{name} must be {HYPERPARAMETERS[name].allowed}, got {value!r}{hint}")
    return plain


def conflict(params: Mapping[str, Any]) -> str | None:
    """Return why two of these hyperparameters exclude each other, or None if no two do."""
    hidden, activation = params.get("hidden"), params.get("activation")
    if hidden is not None and isinstance(activation, tuple) and len(activation) != len(hidden):
        return f"activation={activation!r} names {len(activation)} layers, but hidden={hidden!r} has {len(hidden)}"
    if params.get("optimizer") == "adam" and params.get("weight_decay", 0) > 0:
        return f"optimizer='adam' takes no weight_decay={params['weight_decay']:g}: use optimizer='adamw', or l2"
    return None


CONFLICTING = (("hidden", "activation"), ("optimizer", "weight_decay"))  # the pairs that conflict() checks


def model_of(params: Mapping[str, Any]) -> str:
    """Return the kind of model of a candidate."""
    return str(params.get("model", NETWORK))


def check_params(params: Mapping[str, Any]) -> Params:
    """Return a full configuration in plain form: all hyperparameters of its model, in table order, with defaults.

    `model` is included unless the model is a network.

    Raises
    ------
    SettingError
        A name is unknown, a value is not allowed, or two values exclude each other.
    """
    given = {name: check_value(name, value) for name, value in params.items()}
    model = model_of(given)
    full = {name: given.get(name, line.default) for name, line in HYPERPARAMETERS.items() if model in line.models}
    if model == NETWORK:
        del full["model"]
    reason = conflict(full)
    if reason:
        raise SettingError(reason)
    return full


def to_settings(params: Mapping[str, Any], external_cost: float = 1.0) -> _core.Settings:
    """Return the core's settings for one candidate's hyperparameters; raise the errors of `check_params`.

    `external_cost` is the cost in multiply-adds of one epoch of a candidate that is not a network.
    """
    full = check_params(params)
    settings = _core.Settings()
    if model_of(full) != NETWORK:
        settings.external_cost = external_cost
        return settings
    hidden, activation = full.pop("hidden"), full.pop("activation")
    batch_size = full.pop("batch_size")
    settings.hidden = list(hidden)
    settings.activations = list(activation) if isinstance(activation, tuple) else [activation] * len(hidden)
    settings.batch_size = 0 if batch_size == "full" else batch_size
    for name, value in full.items():
        setattr(settings, name, value)
    return settings
