"""The table of all hyperparameters (name, allowed values, default), and their conversion to the core's settings.

A hyperparameter that a candidate does not name has its default. ``activation`` is one name for all hidden layers, or a
tuple with one name per hidden layer; without hidden layers a name has no effect, and a tuple must be empty.
``weight_decay`` is decoupled from the gradient. ``adam`` with weight decay is called ``adamw`` (Loshchilov and Hutter,
arXiv:1711.05101), so ``adam`` with a ``weight_decay`` above 0 is refused. The default of ``beta2`` is 0.95, since 0.999
increases the error on tables by 2 % (classification) and 23 % (regression) (Holzmueller et al., arXiv:2407.04491,
tables B.1 and B.2). With ``parametric_activation`` each hidden neuron computes x + a (f(x) - x), where ``f`` is the
activation, and ``a`` is learned, starting from 1 (same source).

The hyperparameters of boosted trees are in boosters.py.
"""

from collections.abc import Mapping
from typing import Any

from ash import _core
from ash._utils.checks import is_integer, near_names
from ash.errors import SettingError
from ash.space.boosters import BOOSTERS, MODELS, NETWORK, OF_TREES, is_boosted
from ash.space.hyperparameter import Hyperparameter, name_of, number, switch

ACTIVATIONS = ("relu", "sigmoid", "tanh", "gelu", "silu", "selu", "mish", "identity")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw")
MOST_WIDTH = 16_384
MOST_DEPTH = 64

Params = dict[str, Any]


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


def _read_batch_size(value: Any) -> int | str | None:
    return "full" if isinstance(value, str) and value == "full" else _read_count(value, 2**31 - 1)


_OF_NETWORKS: Mapping[str, Hyperparameter] = {
    "hidden": Hyperparameter(
        (64, 64),
        f"a tuple of widths from 1 to {MOST_WIDTH}, one per hidden layer, at most {MOST_DEPTH}; () for none",
        _read_hidden,
    ),
    "activation": Hyperparameter(
        "relu", f"one of {', '.join(ACTIVATIONS)}, or a tuple of them, one per hidden layer", _read_activation
    ),
    "optimizer": name_of("adamw", *OPTIMIZERS),
    "learning_rate": number(3e-3, 1e-30, 1e30),
    "learning_rate_schedule": name_of("cycle", "cycle", "constant"),
    "momentum": number(0.9, 0, 0.999999),
    "beta1": number(0.9, 0, 0.999999),
    "beta2": number(0.95, 0, 0.999999),
    "epsilon": number(1e-8, 1e-30, 1),
    "l2": number(0.0, 0, 1e6),
    "weight_decay": number(0.0, 0, 1e6),
    "dropout": number(0.0, 0, 0.99),
    "label_smoothing": number(0.0, 0, 0.99),
    "batch_size": Hyperparameter(32, 'an integer of at least 1, or "full" for one update per epoch', _read_batch_size),
    "initialization": name_of("auto", "auto", "he", "xavier"),
    "parametrization": name_of("standard", "standard", "ntk"),
    "input_scaling": switch(False),
    "parametric_activation": switch(False),
    "embedding": name_of("none", "none", "periodic"),
    "embedding_frequency": number(0.1, 0, 1e6),
    "precision": name_of("fp32", "fp32", "bf16"),
}
_OF_ALL = {"target_transform": name_of("none", "none", "log"), "model": name_of(NETWORK, *MODELS)}


def _joined() -> dict[str, Hyperparameter]:
    """Return the rows of all hyperparameters, each with the kinds of model that have it."""
    of_trees = {
        name: row._replace(models=tuple(model for model in BOOSTERS if name in BOOSTERS[model].hyperparameters))
        for name, row in OF_TREES.items()
    }
    of_networks = {name: row._replace(models=(NETWORK,)) for name, row in _OF_NETWORKS.items()}
    return {**of_networks, **{name: row._replace(models=MODELS) for name, row in _OF_ALL.items()}, **of_trees}


HYPERPARAMETERS: Mapping[str, Hyperparameter] = _joined()

_BUDGET = frozenset(
    (
        *("budget", "candidates", "max_total_epochs", "epoch_rows", "epochs", "eta", "max_epochs", "max_iter"),
        *("max_rungs", "min_epochs", "n_epochs", "n_iter", "n_jobs", "rungs", "threads", "time_limit", "work_limit"),
    )
)
OF_THE_RUN = {
    *("callbacks", "config", "cv", "ensemble", "executor", "first", "groups", "journal", "random_state", "record"),
    *("refit", "sample_weight", "scoring", "validation"),
}
"""Names of arguments for the whole run, which are no hyperparameters; options.py adds those of all options."""
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
    "colsample_bytree": "feature_fraction",
    "subsample": "bagging_fraction",
    "max_depth": "depth",
    "reg_alpha": "lambda_l1",
    "reg_lambda": "lambda_l2",
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
    if name in OF_THE_RUN:
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
    if is_boosted(full):
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
