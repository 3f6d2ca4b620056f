"""Runs scikit-learn's installed tests of its multilayer perceptron on ash's estimators.

    test_mlp.py -> its source, in which the import of MLPClassifier and MLPRegressor is replaced by the adapters below
                -> each of its tests becomes a test of this file, or is listed in LEFT_OUT with the reason

An adapter turns the MLP's arguments into a space with one candidate. It trains for `max_iter` epochs on all rows, or
with `early_stopping` on the rows not held out. Adam on mini-batches replaces L-BFGS.
"""

import importlib.util
import inspect
import types
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import ash
import needs

IMPORTED = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
ACTIVATIONS = {"logistic": "sigmoid"}
OPTIMIZERS = {"lbfgs": "adamw", "sgd": "nesterov", "adam": "adamw"}


def one_candidate(mlp: Any, rows: int) -> ash.Space:
    """Return the hyperparameters of an MLP as a space with one configuration."""
    like_lbfgs = mlp.solver == "lbfgs"
    batch = 16 if like_lbfgs else 200 if mlp.batch_size == "auto" else mlp.batch_size
    hidden = mlp.hidden_layer_sizes
    return ash.Space(
        hidden=ash.choice(tuple(hidden) if np.iterable(hidden) else (hidden,)),
        activation=ACTIVATIONS.get(mlp.activation, mlp.activation),
        optimizer=OPTIMIZERS[mlp.solver],
        learning_rate=0.03 if like_lbfgs else mlp.learning_rate_init,
        learning_rate_schedule="cycle" if like_lbfgs else "constant",
        beta2=0.999,
        batch_size=min(batch, rows),
        l2=mlp.alpha / min(batch, rows),
    )


class Adapter:
    """The base class of both adapters. Its constructor has the arguments of scikit-learn's MLP estimators."""

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()  # sets the parameters of ash's estimator to their defaults
        vars(self).update(given)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        self.space = one_candidate(self, len(y))
        self.candidates, self.n_jobs = 1, None
        self.config = ash.SearchConfig(min_epochs=self.max_iter)  # type: ignore[attr-defined]
        self.validation = self.validation_fraction if self.early_stopping else (X, y)  # type: ignore[attr-defined]
        return super().fit(X, y, sample_weight)  # type: ignore[misc]

    @property
    def coefs_(self) -> list[np.ndarray]:
        *before, last = self.result_.model.core.weights  # type: ignore[attr-defined]
        return [*before, last / self.result_.kept.factors[0]]  # type: ignore[attr-defined]


class MLPClassifier(Adapter, ash.ASHClassifier):
    pass


class MLPRegressor(Adapter, ash.ASHRegressor):
    pass


def installed_tests() -> types.ModuleType:
    """Return scikit-learn's module of MLP tests, in which the adapters replace scikit-learn's estimators."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    if spec is None or spec.origin is None:
        needs.not_here("scikit-learn is installed without its tests")
    source = Path(spec.origin).read_text(encoding="utf-8")
    assert source.count(IMPORTED) == 1, "scikit-learn imports its MLPs another way"
    module = types.ModuleType("test_mlp_of_scikit_learn")
    vars(module).update(MLPClassifier=MLPClassifier, MLPRegressor=MLPRegressor, __file__=spec.origin)
    exec(compile(source.replace(IMPORTED, "\n"), spec.origin, "exec"), vars(module))
    return module


NO_PARTIAL_FIT = "partial_fit: a tuned network has none"
NO_WARM_START = "warm_start: a run begins anew"
NO_TOLERANCE = "tol, n_iter_no_change: epochs are the ladder's, nothing stops when it has converged"
NO_MULTILABEL = "labels in several columns are refused"
SCORE_AN_EPOCH = "validation_scores_: ours are scored at rungs, not at epochs"
PRIVATE = "looks at private attributes of the MLP"

PARTIAL_FIT = ("classes_error", "classification", "errors", "regression", "unseen_classes")
LEFT_OUT = {
    **{f"test_partial_fit_{what}": NO_PARTIAL_FIT for what in PARTIAL_FIT},
    **dict.fromkeys(("test_mlp_loading_from_joblib_partial_fit", "test_mlp_partial_fit_after_fit"), NO_PARTIAL_FIT),
    "test_fit": "sets the first weights and compares with a network trained by hand: " + PRIVATE,
    "test_gradient": "derives the private loss of the MLP numerically",
    "test_lbfgs_classification_maxfun": "max_fun of L-BFGS, which we do not have",
    "test_lbfgs_regression_maxfun": "max_fun of L-BFGS, which we do not have",
    "test_learning_rate_warmstart": f"{NO_WARM_START}; {PRIVATE}",
    "test_multilabel_classification": NO_MULTILABEL,
    "test_nonfinite_params": "the largest numbers are refused with a DataError, as other tests show",
    "test_predict_proba_multilabel": NO_MULTILABEL,
    "test_shuffle": "shuffle=False: ours always shuffles",
    "test_tolerance": NO_TOLERANCE,
    "test_verbose_sgd": f"{NO_PARTIAL_FIT}; progress goes to stderr",
    "test_early_stopping": f"{NO_TOLERANCE}; {SCORE_AN_EPOCH}",
    "test_adaptive_learning_rate": f"{NO_TOLERANCE}; {PRIVATE}",
    "test_warm_start": NO_WARM_START,
    "test_n_iter_no_change": f"{NO_TOLERANCE}; {PRIVATE}",
    "test_n_iter_no_change_inf": PRIVATE,
    "test_early_stopping_stratified": "a class of one row is no error of ours but a warning, as other tests show",
    "test_mlp_early_stopping_string_labels": SCORE_AN_EPOCH,
    "test_mlp_param_dtypes": "weights are float32 and predictions float64 for a table of any dtype",
    "test_preserve_feature_names": "wants a y of one class, which is refused",
    "test_mlp_warm_start_with_early_stopping": f"{NO_WARM_START}; {SCORE_AN_EPOCH}",
    "test_mlp_warm_start_no_convergence": f"{NO_WARM_START}; ConvergenceWarning: {NO_TOLERANCE}",
    "test_mlp_diverging_loss": "a run in which everything diverges is an error of ours, as other tests show",
    "test_mlp_vs_poisson_glm_equivalent": "compares with a linear model of an equal penalty, which no candidate has",
    "test_minimum_input_sample_size": "ours validates on a single row, with a warning, as other tests show",
}

MLP = installed_tests()
INSTALLED = {name for name, value in vars(MLP).items() if name.startswith("test_") and inspect.isfunction(value)}
globals().update({name: getattr(MLP, name) for name in sorted(INSTALLED - LEFT_OUT.keys())})


def test_every_test_of_scikit_learn_is_run_or_left_out_for_a_reason() -> None:
    run = {name for name in INSTALLED if globals().get(name) is getattr(MLP, name)}
    assert run | (LEFT_OUT.keys() & INSTALLED) == INSTALLED
    assert len(run) >= 9, "scikit-learn has renamed tests: look for the new names in LEFT_OUT"
    assert all(LEFT_OUT.values())


def test_the_adapter_passes_on_the_arguments_of_the_mlp() -> None:
    mlp = MLPClassifier(hidden_layer_sizes=7, alpha=0.5, batch_size=10, max_iter=5, random_state=2)
    fitted = mlp.fit(MLP.X_iris, MLP.y_iris)
    expected = {"hidden": (7,), "activation": "relu", "batch_size": 10, "l2": 0.05, "learning_rate": 0.001}
    assert expected.items() <= fitted.best_params_.items()
    assert [job.epochs for job in fitted.result_.jobs] == [5] and mlp.coefs_[0].shape == (4, 7)
    assert ConvergenceWarning in vars(MLP).values()
