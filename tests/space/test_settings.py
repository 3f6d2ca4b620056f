"""Tests the table of hyperparameters: allowed values, errors for all others, and the settings passed to the core."""

import inspect
from typing import Any

import numpy as np
import pytest

import ash
from ash import _core
from ash.errors import AshError, SettingError
from ash.space.hyperparameters import HYPERPARAMETERS, check_params, check_value, to_settings


def test_errors_are_value_errors_too() -> None:
    assert issubclass(SettingError, AshError)
    assert issubclass(SettingError, ValueError)


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_every_default_is_allowed_and_in_its_standard_form(name: str) -> None:
    default = HYPERPARAMETERS[name].default
    assert check_value(name, default) == default
    assert type(check_value(name, default)) is type(default)


OF_NETWORKS = [name for name, line in HYPERPARAMETERS.items() if "network" in line.models and name != "model"]

PLAIN: dict[str, list[tuple[Any, Any]]] = {
    "hidden": [([128, 64], (128, 64)), ((np.int64(8),), (8,)), (32, (32,)), ((), ()), ((4096,), (4096,))],
    "activation": [(np.str_("tanh"), "tanh"), (["relu", "tanh"], ("relu", "tanh")), (("mish",), ("mish",))],
    "learning_rate": [(1e6, 1e6), (np.float32(0.5), 0.5)],
    "momentum": [(0, 0.0)],
    "batch_size": [("full", "full"), (np.int32(7), 7)],
    "dropout": [(0.5, 0.5)],
    "parametrization": [(np.str_("ntk"), "ntk")],
    "input_scaling": [(np.True_, True), (np.False_, False)],
    "parametric_activation": [(np.True_, True)],
    "embedding": [("periodic", "periodic")],
    "embedding_frequency": [(0, 0.0), (np.float32(1e6), 1e6)],
    "model": [(np.str_("lightgbm"), "lightgbm")],
    "shrinkage": [(12, 12.0)],
    "num_leaves": [(np.int64(2), 2)],
    "extra_trees": [(np.True_, True)],
}


@pytest.mark.parametrize("name", PLAIN)
def test_values_are_converted_to_their_standard_form(name: str) -> None:
    for value, plain in PLAIN[name]:
        read = check_value(name, value)
        assert read == plain and type(read) is type(plain)


NAN, INFINITY = float("nan"), float("inf")
REFUSED: dict[str, list[Any]] = {
    "hidden": [(0,), (64, -1), (64.0,), (True,), "64", (16_385,), (8,) * 65, None, ((64,),)],
    "activation": ["reluu", "Mish", ("relu", "softmax"), 3],
    "optimizer": ["lbfgs", ("sgd",)],
    "learning_rate": [0.0, -1e-3, NAN, INFINITY, "0.1", True, 1e-3j, 10**400],
    "learning_rate_schedule": ["cosine"],
    "momentum": [1.0],
    "beta1": [-0.1],
    "beta2": [1],
    "epsilon": [0.0],
    "l2": [-1e-9],
    "weight_decay": [NAN],
    "dropout": [1.5, 1.0],
    "label_smoothing": [1.0],
    "batch_size": [0, 32.0, "all", 2**31],
    "initialization": ["random"],
    "parametrization": ["mup", None],
    "input_scaling": [1, 0.0, "True", None],
    "parametric_activation": [1, "relu"],
    "embedding": ["plr", True, None],
    "embedding_frequency": [-1e-9, 1.1e6, NAN, INFINITY, True, "0.1"],
    "precision": ["fp16", 16, None],
    "target_transform": ["sqrt", True, None],
    "model": ["forest", None, ("network",)],
    "categories": ["one-hot", None, True],
    "shrinkage": [0, -1.0, NAN, "1"],
    "num_leaves": [1, 2.5, 131_073, True],
    "min_data_in_leaf": [0, 2**31],
    "depth": [0, 11, 6.5, True],
    "min_child_weight": [-1, 2e6, "1"],
    "feature_fraction": [0.0, 1.1],
    "bagging_fraction": [0.0, 1.1, None],
    "lambda_l1": [-1e-9],
    "lambda_l2": [-1e-9, INFINITY],
    "l2_leaf_reg": [0, 1e-4, NAN],
    "extra_trees": [1, "True"],
}


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_a_refused_value_is_named_with_the_allowed_ones(name: str) -> None:
    for value in REFUSED[name]:
        with pytest.raises(SettingError) as caught:
            to_settings({name: value})
        are_levels = value in [("sgd",), ((64,),), ("network",)]
        hint = "; for several values give a list, or a domain such as ash.loguniform" if are_levels else ""
        assert str(caught.value) == f"{name} must be {HYPERPARAMETERS[name].allowed}, got {value!r}{hint}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("learning_rat", "did you mean learning_rate"),
        ("hidden_layer_sizes", "did you mean hidden?"),
        ("lr", "did you mean learning_rate?"),
        ("alpha", "did you mean l2?"),
        ("subsample", "did you mean bagging_fraction?"),
        ("parametric", "or parametric_activation?"),
        ("zzzzzzzz", "there are hidden, activation, optimizer"),
    ],
)
def test_an_unknown_name_gets_the_nearest_suggestion(name: str, hint: str) -> None:
    with pytest.raises(SettingError, match="unknown hyperparameter") as caught:
        check_params({name: 1})
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["epochs", "candidates", "eta", "min_epochs", "epoch_rows", "max_iter", "time_limit"], "part of the budget"),
        (["seed", "metric", "validation", "random_state"], "an argument of ash.tune"),
    ],
)
def test_budgets_and_arguments_of_the_run_are_not_hyperparameters(names: list[str], words: str) -> None:
    for name in names:
        with pytest.raises(SettingError, match=f"'{name}' is {words}"):
            check_params({name: 1})


@pytest.mark.parametrize("name", [*inspect.signature(ash.tune).parameters][3:])
def test_arguments_of_tune_are_not_mistaken_for_misspelled_hyperparameters(name: str) -> None:
    with pytest.raises(SettingError, match=rf"'{name}' is .*argument of ash\.tune"):
        check_params({name: 1})


def test_the_numbers_of_activations_and_layers_must_agree() -> None:
    with pytest.raises(SettingError, match=r"names 2 layers, but hidden=\(64,\) has 1"):
        to_settings({"hidden": (64,), "activation": ("relu", "tanh")})
    assert to_settings({"hidden": (64, 32), "activation": ("relu", "tanh")}).activations == ["relu", "tanh"]
    assert to_settings({"hidden": (64, 32), "activation": "gelu"}).activations == ["gelu", "gelu"]
    assert to_settings({"hidden": (), "activation": "gelu"}).activations == []
    assert to_settings({"hidden": (), "activation": ()}).activations == []


def test_adam_with_decoupled_decay_is_called_adamw() -> None:
    with pytest.raises(SettingError, match=r"takes no weight_decay=0\.01: use optimizer='adamw', or l2"):
        to_settings({"optimizer": "adam", "weight_decay": 0.01})
    assert to_settings({"optimizer": "adam", "weight_decay": 0}).weight_decay == 0
    for optimizer in ("sgd", "momentum", "nesterov", "adamw"):
        assert to_settings({"optimizer": optimizer, "weight_decay": 0.01}).weight_decay == 0.01


def test_every_hyperparameter_reaches_the_core() -> None:
    given = {
        "hidden": (12, 7),
        "activation": "tanh",
        "optimizer": "nesterov",
        "learning_rate": 0.25,
        "learning_rate_schedule": "constant",
        "momentum": 0.75,
        "beta1": 0.5,
        "beta2": 0.625,
        "epsilon": 0.125,
        "l2": 0.0625,
        "weight_decay": 0.375,
        "dropout": 0.25,
        "label_smoothing": 0.125,
        "batch_size": 48,
        "initialization": "xavier",
        "parametrization": "ntk",
        "input_scaling": True,
        "parametric_activation": True,
        "embedding": "periodic",
        "embedding_frequency": 2.5,
        "precision": "bf16",
        "target_transform": "log",
    }
    assert list(given) == OF_NETWORKS
    settings = to_settings(given)
    assert isinstance(settings, _core.Settings)
    assert settings.hidden == [12, 7]
    assert settings.activations == ["tanh", "tanh"]
    for name in [name for name in given if name not in ("hidden", "activation")]:
        assert getattr(settings, name) == given[name], name
    assert to_settings({"batch_size": "full"}).batch_size == 0


def test_omitted_hyperparameters_get_their_defaults() -> None:
    settings = to_settings({})
    for name in [name for name in OF_NETWORKS if name not in ("hidden", "activation")]:
        assert getattr(settings, name) == HYPERPARAMETERS[name].default, name
    assert settings.hidden == [64, 64]
    assert settings.activations == ["relu", "relu"]


@pytest.mark.parametrize(
    ("model", "name", "other"), [("lightgbm", "num_leaves", "depth"), ("catboost", "depth", "num_leaves")]
)
def test_hyperparameters_of_boosted_trees_do_not_reach_the_core(model: str, name: str, other: str) -> None:
    full = check_params({"model": model, name: 8, other: 8, "hidden": (7,), "target_transform": "log"})
    assert list(full) == [each for each, line in HYPERPARAMETERS.items() if model in line.models]
    assert full[name] == 8 and full["target_transform"] == "log" and full.keys().isdisjoint(("hidden", other))
    assert to_settings(full, 5.0).external_cost == 5.0 and to_settings({name: 8}).external_cost == 0.0


def test_a_full_configuration_has_the_order_of_the_table_and_leaves_the_input_unchanged() -> None:
    given = {"batch_size": 16, "hidden": [8]}
    full = check_params(given)
    assert list(full) == OF_NETWORKS
    assert full["hidden"] == (8,)
    assert given == {"batch_size": 16, "hidden": [8]}
