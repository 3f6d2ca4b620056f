"""Training on in other libraries: LightGBM, XGBoost, CatBoost, skorch."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ash
import needs
from ash.sklearn.resumable.choose import way_of
from ash.sklearn.resumable.protocol import Rows
from continuing_help import X, Y, catboost, lightgbm, predicted, rows_for, trained, xgboost

LIGHTGBM = ("LGBMClassifier", "LGBMRegressor")
XGBOOST = ("XGBClassifier", "XGBRegressor")
CATBOOST = ("CatBoostClassifier", "CatBoostRegressor")
PLAIN = {"learning_rate": 0.1, "bootstrap_type": "No", "random_strength": 0}
"""Without chance, CatBoost's later trees are those of a longer training."""


@pytest.mark.parametrize(
    ("make", "kind", "params", "rounds"),
    [
        *((lightgbm, kind, {}, lambda each: each.booster_.current_iteration()) for kind in LIGHTGBM),
        *((xgboost, kind, {}, lambda each: each.get_booster().num_boosted_rounds()) for kind in XGBOOST),
        *((catboost, kind, PLAIN, lambda each: each.tree_count_) for kind in CATBOOST),
    ],
)
def test_boosting_goes_on(make: Any, kind: str, params: dict[str, Any], rounds: Any) -> None:
    estimator = make(kind, random_state=0, **params)
    at_once, on = trained(estimator, 20), trained(estimator, 4, 6, 10)
    assert not on.why and on.done == rounds(on.estimator) == 20
    assert make is catboost or on.estimator.get_params() == at_once.estimator.get_params()
    np.testing.assert_allclose(predicted(on), predicted(at_once), rtol=1e-4, atol=1e-5)


def test_lightgbm_adds_to_its_trees_and_draws_others() -> None:
    estimator = lightgbm(random_state=0, subsample=0.5, subsample_freq=1, colsample_bytree=0.4)
    trees = trained(estimator, 6, 6).estimator.booster_.dump_model()["tree_info"]
    assert trained(estimator, 6).estimator.booster_.dump_model()["tree_info"] == trees[: len(trees) // 2]
    columns = [tree["tree_structure"].get("split_feature") for tree in trees]
    assert columns[: len(columns) // 2] != columns[len(columns) // 2 :]


def test_lightgbm_that_cannot_go_on() -> None:
    for kind, more in (("dart", {}), ("rf", {"subsample": 0.5, "subsample_freq": 1})):
        estimator = lightgbm(boosting_type=kind, random_state=0, **more)
        on = trained(estimator, 3, 7)
        assert on.why == f"LightGBM's {kind} weighs earlier trees anew"
        np.testing.assert_array_equal(predicted(on), predicted(trained(estimator, 10)))


def test_xgboost_that_cannot_go_on() -> None:
    for kind, params, why in (
        ("XGBClassifier", {"booster": "dart"}, "XGBoost's dart weighs earlier trees anew"),
        ("XGBRFClassifier", {}, "trees of XGBoost's random forests are no rounds"),
    ):
        assert trained(xgboost(kind, **params), 2, 3).why == why


def test_catboost_chooses_a_rate_by_the_rounds() -> None:
    on = trained(catboost(), 3, 5)
    assert on.why.startswith("CatBoost chooses a learning_rate") and on.estimator.tree_count_ == 8


def test_catboost_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = catboost(learning_rate=0.1)
    under = trained(estimator, 3)
    fit = type(estimator).fit

    def refuse(self: Any, *given: Any, init_model: Any = None, **params: Any) -> Any:
        if init_model is not None:
            import catboost

            raise catboost.CatBoostError("no training on")
        return fit(self, *given, **params)

    monkeypatch.setattr(type(estimator), "fit", refuse)
    under.more(rows_for(estimator), 4)
    under.more(rows_for(estimator), 4)
    assert under.why == "CatBoost says: no training on"
    assert under.done == 11 and under.estimator.tree_count_ == 11


@pytest.mark.parametrize(("package", "kind"), [("lightgbm", "LGBMClassifier"), ("catboost", "CatBoostClassifier")])
def test_libraries_are_quiet_in_jobs(
    package: str, kind: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    estimator = getattr(needs.package(package), kind)(learning_rate=0.1)
    trained(estimator, 2, 2)
    assert estimator.get_params().get("verbose") is None
    assert capfd.readouterr() == ("", "") and list(tmp_path.iterdir()) == []


def net(**params: Any) -> Any:
    torch, skorch = needs.package("torch"), needs.package("skorch")

    class Module(torch.nn.Module):
        def __init__(self, width: int = 8) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(10, width), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(width, 3)
            )

        def forward(self, X: Any) -> Any:
            return self.layers(X)

    given = {"criterion": torch.nn.CrossEntropyLoss, "optimizer": torch.optim.Adam, "iterator_train__shuffle": True}
    return skorch.NeuralNetClassifier(Module, **{**given, "train_split": None, "verbose": 0, **params})


def test_a_module_of_pytorch_goes_on_with_its_optimizer() -> None:
    way, rows = way_of(net()), Rows(X.astype(np.float32), Y, {}, np.unique(Y))
    at_once, on = way.begin(net(), 5), way.begin(net(), 5)
    at_once.more(rows, 6)
    for epochs in (1, 2, 3):
        on.more(rows, epochs)
        on.rest()
    assert way.resource == "max_epochs" and on.estimator.max_epochs == 6 and not on.why
    assert [line["epoch"] for line in on.estimator.history] == [1, 2, 3, 4, 5, 6]
    for name, weight in at_once.estimator.module_.state_dict().items():
        assert (weight == on.estimator.module_.state_dict()[name]).all(), name
    assert all(weight.grad is None for weight in on.estimator.module_.parameters())


def test_modules_are_trained_in_processes_and_are_the_same_there() -> None:
    rows = (X.astype(np.float32), Y)
    space = {"lr": [1e-3, 1e-2], "module__width": [4, 8]}
    one, two = (
        ash.ASHSearchCV(net(max_epochs=3), space, candidates=4, cv=2, n_jobs=jobs, random_state=0).fit(*rows)
        for jobs in (1, 2)
    )
    assert one.result_.digest == two.result_.digest and two.continued_
    assert way_of(net()).wants_process(net()) and not way_of(net()).wants_process(net(device="cuda"))


def test_the_state_of_a_module_is_its_weights_and_its_optimizer_s() -> None:
    import cloudpickle

    way, rows = way_of(net()), Rows(X.astype(np.float32), Y, {}, np.unique(Y))
    under = way.begin(net(module__width=400), 5)
    under.more(rows, 2)
    under.rest()
    packed = cloudpickle.dumps(under)
    weights = sum(each.numel() * 4 for each in under.estimator.module_.parameters())
    assert 3 * weights < len(packed) < 3 * weights + 20_000  # the two moments of Adam
    again = pickle.loads(packed)
    for each in (again, under):
        each.more(rows, 2)
    np.testing.assert_array_equal(again.estimator.predict_proba(rows.X), under.estimator.predict_proba(rows.X))
