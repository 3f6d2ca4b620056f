"""LightGBM, XGBoost and CatBoost: rounds added to a model by the argument of `fit` that takes one.

              argument      of fit                           retrained instead
    LightGBM  init_model    n_estimators = the new rounds    dart (drops earlier trees), rf (averages them)
    XGBoost   xgb_model     n_estimators = the new rounds    dart, XGBRF* (its trees are no rounds)
    CatBoost  init_model    iterations = the new rounds      on a GPU; without a learning_rate, which it chooses by the
                                                             rounds; whatever else it refuses, by its own words

These libraries begin their random numbers anew with each fit, so rows and columns would be drawn as in the first rung
again: a seed that is set is moved on by the rounds that there are.
"""

from typing import Any, ClassVar

from sklearn.base import clone

from ash.sklearn.resumable.protocol import ROUNDS, Continued, Rows
from ash.sklearn.resumable.stages import stage

SEEDS = 2**31
VOICES = {"verbose", "verbosity", "silent", "logging_level"}


class _Boosted(Continued):
    """Rounds added to `estimator`; each library says how its model is handed on."""

    THREADS: ClassVar[str | None] = "n_jobs"
    ARGUMENT: ClassVar[str]
    FIRST: ClassVar[str]
    """The argument of `predict` for the first rounds."""
    QUIET: ClassVar[dict[str, Any]] = {}
    """What keeps a library from writing on the terminal, and files, where the user has said nothing."""

    law = ROUNDS

    def __init__(self, estimator: Any, parameter: str | None) -> None:
        super().__init__(estimator, parameter)
        said = {name for name, value in estimator.get_params().items() if value is not None}
        said |= VOICES if said & VOICES else set()
        estimator.set_params(**{name: value for name, value in self.QUIET.items() if name not in said})

    def more(self, rows: Rows, epochs: int) -> None:
        """Add so many rounds."""
        params = self.estimator.get_params()
        seed = params.get("random_state")
        changed = {str(self.parameter): epochs}
        if self.done and isinstance(seed, int):
            changed["random_state"] = (seed + self.done) % SEEDS
        before = {self.ARGUMENT: self._model()} if self.done else {}
        self.estimator = rows.fit(clone(self.estimator).set_params(**changed), **before)
        self.done += epochs
        self._tell(seed)

    @staticmethod
    def law_of(estimator: Any) -> str:
        """Return that of rounds."""
        return ROUNDS

    def at(self, epochs: int) -> Any:
        """Return what predicts by its first rounds."""
        return stage(self.estimator, epochs, self.FIRST)

    def _model(self) -> Any:
        """Return the model so far, as `fit` takes it."""
        return self.estimator

    def _tell(self, seed: Any) -> None:
        """Let the estimator say of itself what one fit would."""
        told = {str(self.parameter): self.done}
        if "random_state" in self.estimator.get_params():
            told["random_state"] = seed
        self.estimator.set_params(**told)


class LightGBM(_Boosted):
    """LGBMClassifier, LGBMRegressor, LGBMRanker."""

    ARGUMENT: ClassVar[str] = "init_model"
    FIRST: ClassVar[str] = "num_iteration"
    QUIET: ClassVar[dict[str, Any]] = {"verbose": -1}

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return which kind of boosting it is, where a model cannot be added to."""
        params = estimator.get_params()
        kind = str(params.get("boosting") or params.get("boost") or params.get("boosting_type"))
        return f"LightGBM's {kind} weighs earlier trees anew" if kind in ("dart", "rf", "random_forest") else ""

    def _model(self) -> Any:
        return self.estimator.booster_


class XGBoost(_Boosted):
    """XGBClassifier, XGBRegressor, XGBRanker."""

    ARGUMENT: ClassVar[str] = "xgb_model"
    FIRST: ClassVar[str] = "iteration_range"

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return which kind of boosting it is, where a model cannot be added to."""
        if "XGBRF" in type(estimator).__name__:
            return "trees of XGBoost's random forests are no rounds"
        return "XGBoost's dart weighs earlier trees anew" if estimator.get_params().get("booster") == "dart" else ""

    def _model(self) -> Any:
        return self.estimator.get_booster()


class CatBoost(_Boosted):
    """CatBoostClassifier, CatBoostRegressor."""

    THREADS: ClassVar[str | None] = "thread_count"
    ARGUMENT: ClassVar[str] = "init_model"
    FIRST: ClassVar[str] = "ntree_end"
    QUIET: ClassVar[dict[str, Any]] = {"verbose": False, "allow_writing_files": False}

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return what keeps it from being trained on, as far as its parameters say."""
        params = estimator.get_params()
        if params.get("task_type") == "GPU":
            return "CatBoost trains no model on, on a GPU"
        if params.get("learning_rate") is None and params.get("eta") is None:
            return "CatBoost chooses a learning_rate by the number of rounds where none is given"
        return ""

    def more(self, rows: Rows, epochs: int) -> None:
        """Add so many rounds, or train all of them where CatBoost refuses to."""
        if not self.why:
            try:
                return super().more(rows, epochs)
            except Exception as error:
                if not self.done or type(error).__name__ != "CatBoostError":
                    raise
                self.why = f"CatBoost says: {str(error).strip().splitlines()[0][-120:]}"
        self.done += epochs
        self.estimator = rows.fit(clone(self.estimator).set_params(**{str(self.parameter): self.done}))

    def _tell(self, seed: Any) -> None:
        """Say nothing: parameters of a fitted model are fixed."""
