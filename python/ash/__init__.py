"""ash: tune neural networks on a table by asynchronous successive halving, in a native core.

    result = ash.tune(X, y, candidates=256, random_state=0)
    result.best_params, result.best_score
    result.model.predict(X_new)

Importing ash loads numpy and the core. It changes no global state and starts no thread. Apart from the errors, each
name below is imported on first use. The first use of an estimator also imports scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ash import _utils  # noqa: F401  (must be imported before the core)

# isort: split
from ash import _core
from ash.errors import (
    AllDivergedError,
    AllFailedError,
    AshError,
    DataError,
    ExecutorFailedError,
    FitsFailedError,
    JobFailedError,
    JournalCorruptError,
    JournalError,
    JournalLockedError,
    JournalUnwritableError,
    MissingExtraError,
    ModelFormatError,
    NothingFinishedError,
    Retired,
    SettingError,
    ThreadRefusedError,
    UnknownArgumentError,
)

if TYPE_CHECKING:
    from ash import callbacks
    from ash._utils.installation import show_versions, versions
    from ash.callbacks.base import Callback, Run, RungPlan
    from ash.dashboard.dashboard import Dashboard
    from ash.encoding.table_summary import TableSummary
    from ash.engine.planning import Plan, plan
    from ash.entry_points.describe import describe
    from ash.entry_points.resume import resume
    from ash.entry_points.tune import tune
    from ash.entry_points.tune_function import tune_function
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
    from ash.report.chart import Chart
    from ash.result import FunctionResult, Result
    from ash.run_record import RunRecord
    from ash.simulation.cluster import Cluster
    from ash.simulation.simulate import Simulation, simulate
    from ash.sklearn.estimators import ASHClassifier, ASHRegressor
    from ash.sklearn.halving_search_cv import HalvingRandomSearchCV
    from ash.sklearn.search_cv import ASHSearchCV
    from ash.space.domains import choice, integers, loguniform, uniform
    from ash.space.function_space import FunctionSpace
    from ash.space.space import Space

__version__: str = _core.build_info()["version"]

__all__ = [
    "ASHClassifier",
    "ASHRegressor",
    "ASHSearchCV",
    "AllDivergedError",
    "AllFailedError",
    "AshError",
    "Callback",
    "Chart",
    "Cluster",
    "Dashboard",
    "DataError",
    "Ensemble",
    "ExecutorFailedError",
    "FitsFailedError",
    "FunctionResult",
    "FunctionSpace",
    "HalvingRandomSearchCV",
    "JobFailedError",
    "Journal",
    "JournalCorruptError",
    "JournalError",
    "JournalLockedError",
    "JournalUnwritableError",
    "Ladder",
    "MissingExtraError",
    "ModelFormatError",
    "Network",
    "NothingFinishedError",
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
    "ThreadRefusedError",
    "Trees",
    "UnknownArgumentError",
    "__version__",
    "callbacks",
    "choice",
    "current_job",
    "describe",
    "from_optuna",
    "integers",
    "load",
    "loguniform",
    "plan",
    "resume",
    "show_versions",
    "simulate",
    "tune",
    "tune_function",
    "uniform",
    "versions",
]


_MODULES = {
    "_utils.installation": ("show_versions", "versions"),
    "callbacks.base": ("Callback", "Run", "RungPlan"),
    "dashboard.dashboard": ("Dashboard",),
    "encoding.table_summary": ("TableSummary",),
    "engine.planning": ("Plan", "plan"),
    "entry_points.describe": ("describe",),
    "entry_points.resume": ("resume",),
    "entry_points.tune": ("tune",),
    "entry_points.tune_function": ("tune_function",),
    "function.answers": ("Outcome",),
    "function.current_job": ("current_job",),
    "function.objective": ("from_optuna",),
    "journal.journal": ("Journal",),
    "ladder": ("Ladder",),
    "models.ensemble": ("Ensemble",),
    "models.load": ("load",),
    "models.network": ("Network",),
    "models.trees": ("Trees",),
    "options": ("SearchConfig",),
    "report.chart": ("Chart",),
    "result": ("FunctionResult", "Result"),
    "run_record": ("RunRecord",),
    "simulation.cluster": ("Cluster",),
    "simulation.simulate": ("Simulation", "simulate"),
    "sklearn.estimators": ("ASHClassifier", "ASHRegressor"),
    "sklearn.halving_search_cv": ("HalvingRandomSearchCV",),
    "sklearn.search_cv": ("ASHSearchCV",),
    "space.domains": ("choice", "integers", "loguniform", "uniform"),
    "space.function_space": ("FunctionSpace",),
    "space.space": ("Space",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name == "callbacks":
        return import_module("ash.callbacks")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ash' has no attribute {name!r}")
    value = getattr(import_module(f"ash.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
