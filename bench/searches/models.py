"""The models of the searches: estimator, space, the parameter for the length of training, and the form of rows.

Spaces are made with `ash.choice`, `ash.loguniform` and similar functions. `levels` returns the values of each
hyperparameter for the other searches, so that all searches draw from the same grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import ash

Estimator = Any
TABLES = {
    "adult": "classification",
    "california": "regression",
    "optdigits_train": "classification",
    "winequality_white": "regression",
}


@dataclass(frozen=True)
class Model:
    """A model to search over.

    `make(classes, columns, threads)` returns the estimator, a regressor if `classes` is 0. `counts` is the parameter
    that sets the length of training (such as n_estimators); `package` must be installed.
    """

    make: Callable[[int, int, int], Estimator]
    space: Mapping[str, Any]
    counts: str
    rows: str  # form of the rows: "codes", "categories", "raw" or "features"
    package: str


def _forest(classes: int, columns: int, threads: int) -> Estimator:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    return (RandomForestClassifier if classes else RandomForestRegressor)(n_jobs=threads, random_state=0)


def _lightgbm(classes: int, columns: int, threads: int) -> Estimator:
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (LGBMClassifier if classes else LGBMRegressor)(n_jobs=threads, random_state=0, verbose=-1)


def _xgboost(classes: int, columns: int, threads: int) -> Estimator:
    from xgboost import XGBClassifier, XGBRegressor

    kind = XGBClassifier if classes else XGBRegressor
    return kind(n_estimators=100, n_jobs=threads, random_state=0, enable_categorical=True)


def _pipeline(classes: int, columns: int, threads: int) -> Estimator:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encode = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, sparse_output=False)
    prepare = make_column_transformer(
        (encode, make_column_selector(dtype_exclude=np.number)),
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
    )
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return Pipeline([("prepare", prepare), ("boost", kind(early_stopping=False, random_state=0))])


def _torch(classes: int, columns: int, threads: int) -> Estimator:
    import torch
    from skorch import NeuralNetClassifier, NeuralNetRegressor

    settings = {"optimizer": torch.optim.AdamW, "iterator_train__shuffle": True, "train_split": None, "verbose": 0}
    sizes = {"module__columns": columns, "module__outputs": classes or 1}
    if classes:
        return NeuralNetClassifier(network, criterion=torch.nn.CrossEntropyLoss, max_epochs=30, **settings, **sizes)
    return NeuralNetRegressor(network, criterion=torch.nn.MSELoss, max_epochs=30, **settings, **sizes)


def network(columns: int, outputs: int, width: int = 64, layers: int = 2, dropout: float = 0.0) -> Any:
    """Return a PyTorch module whose hidden layers have equal widths; it outputs class logits or one target."""
    import torch

    parts: list[Any] = []
    for place in range(layers):
        inputs = columns if place == 0 else width
        parts += [torch.nn.Linear(inputs, width), torch.nn.ReLU(), torch.nn.Dropout(dropout)]
    return torch.nn.Sequential(*parts, torch.nn.Linear(width, outputs))


_FOREST = {
    "max_features": [0.2, 0.35, 0.5, 0.75, 1.0],
    "min_samples_leaf": [1, 2, 4, 8, 16],
    "max_depth": [None, 8, 12, 16, 24],
}
_LIGHTGBM = {
    "learning_rate": ash.loguniform(0.02, 0.3, levels=13),
    "num_leaves": [15, 31, 63, 127],
    "min_child_samples": [5, 20, 50, 100],
    "colsample_bytree": [0.5, 0.75, 1.0],
    "reg_lambda": [0.0, 1.0, 10.0],
}
_XGBOOST = {
    "learning_rate": ash.loguniform(0.02, 0.3, levels=13),
    "max_depth": [4, 6, 8, 10],
    "min_child_weight": [1, 5, 20],
    "colsample_bytree": [0.5, 0.75, 1.0],
    "reg_lambda": [0.1, 1.0, 10.0],
}
_PIPELINE = {
    "boost__learning_rate": ash.loguniform(0.02, 0.3, levels=13),
    "boost__max_leaf_nodes": [15, 31, 63],
    "boost__min_samples_leaf": [5, 20, 50, 100],
    "boost__l2_regularization": [0.0, 1.0, 10.0],
}
_TORCH = {
    "lr": ash.loguniform(3e-4, 3e-2, levels=21),
    "optimizer__weight_decay": [0.0, 1e-3, 1e-2, 1e-1],
    "module__width": [32, 64, 128],
    "module__layers": [1, 2, 3],
    "module__dropout": [0.0, 0.1, 0.3],
    "batch_size": [128, 256, 512],
}
MODELS = {
    "random forest": Model(_forest, _FOREST, "n_estimators", "codes", "sklearn"),
    "LightGBM": Model(_lightgbm, _LIGHTGBM, "n_estimators", "categories", "lightgbm"),
    "XGBoost": Model(_xgboost, _XGBOOST, "n_estimators", "categories", "xgboost"),
    "pipeline": Model(_pipeline, _PIPELINE, "boost__max_iter", "raw", "sklearn"),
    "PyTorch module": Model(_torch, _TORCH, "max_epochs", "features", "skorch"),
}


def levels(space: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the list of values of each hyperparameter."""
    return {name: list(domains[0].levels) for name, domains in ash.FunctionSpace(**space).domains.items()}


def rows_for(kind: str, x: Any) -> Any:
    """Return the rows in the form that a model takes, without using the target."""
    import pandas as pd

    text = x.select_dtypes(exclude="number").columns
    if kind == "raw":
        return x
    categories = x.assign(**{name: x[name].astype("category") for name in text})
    if kind == "categories":
        return categories
    if kind == "codes":
        return categories.assign(**{name: categories[name].cat.codes for name in text}).to_numpy(np.float32)
    features = pd.get_dummies(x, columns=list(text), dtype=float)
    return ((features - features.mean()) / features.std().replace(0, 1)).to_numpy(np.float32)
