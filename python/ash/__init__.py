"""ash: tune neural networks on a table by asynchronous successive halving, in a native core.

    result = ash.tune(X, y, candidates=256, seed=0)
    result.best_params, result.best_score
    result.model.predict(X_new)

Importing ash loads numpy and the core. It changes no global state and starts no thread. scikit-learn, rich and
matplotlib are imported when they are needed.
"""

from typing import TYPE_CHECKING, Any

from ash import _utils  # noqa: F401  (before the core is loaded)

# isort: split
from ash import _core, callbacks
from ash._utils.installation import show_versions, versions
from ash.callbacks.base import Callback, Run, RungPlan
from ash.dashboard.dashboard import Dashboard
from ash.describe import describe
from ash.encoding.table_summary import TableSummary
from ash.engine.planning import Plan, plan
from ash.errors import (
    AllDiverged,
    AllFailed,
    AshError,
    DataError,
    ExecutorFailed,
    FitsFailed,
    JobFailed,
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalUnwritable,
    MissingExtra,
    ModelFormatError,
    NothingFinished,
    Retired,
    SettingError,
    ThreadRefused,
    UnknownArgument,
)
from ash.function.answers import Outcome
from ash.function.current_job import current_job
from ash.function.objective import from_optuna
from ash.journal.journal import Journal
from ash.ladder import Ladder
from ash.models.ensemble import Ensemble
from ash.models.load import load
from ash.models.network import Network
from ash.models.trees import Trees
from ash.options import SearchConfig
from ash.result import FunctionResult, Result
from ash.resume import resume
from ash.run_record import RunRecord
from ash.simulation.cluster import Cluster
from ash.simulation.simulate import Simulation, simulate
from ash.space.domains import choice, integers, log, uniform
from ash.space.function_space import FunctionSpace
from ash.space.space import Space
from ash.tune import tune
from ash.tune_function import tune_function

if TYPE_CHECKING:
    from ash.sklearn.estimators import ASHClassifier, ASHRegressor
    from ash.sklearn.halving_search_cv import HalvingSearchCV
    from ash.sklearn.search_cv import ASHSearchCV

__version__: str = _core.build_info()["version"]

__all__ = [
    "ASHClassifier",
    "ASHRegressor",
    "ASHSearchCV",
    "AllDiverged",
    "AllFailed",
    "AshError",
    "Callback",
    "Cluster",
    "Dashboard",
    "DataError",
    "Ensemble",
    "ExecutorFailed",
    "FitsFailed",
    "FunctionResult",
    "FunctionSpace",
    "HalvingSearchCV",
    "JobFailed",
    "Journal",
    "JournalCorrupt",
    "JournalError",
    "JournalLocked",
    "JournalUnwritable",
    "Ladder",
    "MissingExtra",
    "ModelFormatError",
    "Network",
    "NothingFinished",
    "Outcome",
    "Plan",
    "Result",
    "Retired",
    "Run",
    "RunRecord",
    "RungPlan",
    "SearchConfig",
    "SettingError",
    "Simulation",
    "Space",
    "TableSummary",
    "ThreadRefused",
    "Trees",
    "UnknownArgument",
    "__version__",
    "callbacks",
    "choice",
    "current_job",
    "describe",
    "from_optuna",
    "integers",
    "load",
    "log",
    "plan",
    "resume",
    "show_versions",
    "simulate",
    "tune",
    "tune_function",
    "uniform",
    "versions",
]


def __getattr__(name: str) -> Any:
    """Import the estimators, and with them scikit-learn, on first use."""
    if name in ("ASHClassifier", "ASHRegressor"):
        from ash.sklearn import estimators

        return getattr(estimators, name)
    if name == "ASHSearchCV":
        from ash.sklearn.search_cv import ASHSearchCV

        return ASHSearchCV
    if name == "HalvingSearchCV":
        from ash.sklearn.halving_search_cv import HalvingSearchCV

        return HalvingSearchCV
    raise AttributeError(f"module 'ash' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
