"""A pruner and a sampler for Optuna studies: successive halving, and proposals that do not depend on other trials.

    study = optuna.create_study(direction="maximize", sampler=LevelSampler(seed=0), pruner=LadderPruner(eta=2))

Optuna cannot pause a trial, so a trial that is not promoted at once is pruned. `ash.tune_function` instead lets such a
candidate wait and may resume it later. Like Optuna's own pruners and samplers, the two classes of this module may be
used by threads and processes that share a storage.
"""

import math
from typing import TYPE_CHECKING, Any

from ash._utils.checks import check_seed, whole
from ash._utils.installation import require_extra
from ash.options import LARGEST
from ash.space.foreign_domains import drawn_level

require_extra("ash.optuna", "optuna", "optuna")
from optuna.pruners import BasePruner  # noqa: E402
from optuna.samplers import BaseSampler  # noqa: E402
from optuna.study import StudyDirection  # noqa: E402

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["LadderPruner", "LevelSampler"]

LONGEST = 2**62
"""The largest step that a trial can report."""


class LadderPruner(BasePruner):  # type: ignore[misc]
    """Prune trials by asynchronous successive halving (Li et al., MLSys 2020, Algorithm 2), without pausing them.

    Rung ``k`` is at step ``min_epochs * eta**k``. A trial that reports a value at this step continues if it is among
    the best ``max(1, f // eta)`` of the ``f`` trials that have reported in this rung so far, including the trial
    itself. Ties are decided in favor of the reporting trial. If a trial passes several rungs between two reports, the
    later report counts in each of these rungs. A trial that reaches a rung with NaN is always pruned.

    Parameters
    ----------
    eta : int, default 2
        Reduction factor, at least 2.
    min_epochs : int, default 1
        The step of the first rung.

    Raises
    ------
    SettingError
        An argument is not allowed.

    Examples
    --------
    >>> import optuna
    >>> from ash.optuna import LadderPruner
    >>> def objective(trial):
    ...     x = trial.suggest_float("x", 0, 1)
    ...     for epoch in range(1, 5):
    ...         trial.report(x, epoch)
    ...         if trial.should_prune():
    ...             raise optuna.TrialPruned
    ...     return x
    >>> study = optuna.create_study(direction="maximize", pruner=LadderPruner(eta=2))
    >>> study.optimize(objective, n_trials=8)
    """

    def __init__(self, *, eta: int = 2, min_epochs: int = 1) -> None:
        self._eta = whole("eta", eta, 2, LARGEST)
        self._min_epochs = whole("min_epochs", min_epochs, 1, LARGEST)

    def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Return whether the trial should be pruned, given its last report."""
        last = trial.last_step
        if last is None:
            return False
        value, rung, step = trial.intermediate_values[last], 0, self._min_epochs
        while step <= min(last, LONGEST):
            if _key(rung) not in trial.system_attrs and not self._goes_on(study, trial, rung, value):
                return True
            rung, step = rung + 1, step * self._eta
        return False

    def _goes_on(self, study: "Study", trial: "FrozenTrial", rung: int, value: float) -> bool:
        if math.isnan(value):
            return False
        score = value if study.direction == StudyDirection.MAXIMIZE else -value
        # Optuna's own pruners store values in the same way, with private names. There is no public way: a pruner gets
        # no `Trial`, and the reported values do not tell which of them a pruner has seen.
        study._storage.set_trial_system_attr(trial._trial_id, _key(rung), score)
        others = (one for one in study.get_trials(deepcopy=False) if one.number != trial.number)
        scores = [float(one.system_attrs[_key(rung)]) for one in others if _key(rung) in one.system_attrs]
        better = sum(one > score for one in scores)
        return better < max(1, (len(scores) + 1) // self._eta)


class LevelSampler(BaseSampler):  # type: ignore[misc]
    """Draw a level of each distribution by a hash of seed, trial number and name.

    The levels are those that `ash.FunctionSpace` gives the distribution. The proposals for a trial do not depend on
    other trials, on their order or on the number of workers.

    Parameters
    ----------
    seed : int, default 0
        The seed of the hash, at least 0.

    Raises
    ------
    SettingError
        `seed` is not an integer of at least 0.

    Examples
    --------
    >>> import optuna
    >>> from ash.optuna import LevelSampler
    >>> study = optuna.create_study(sampler=LevelSampler(seed=0))
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1) ** 2, n_trials=4)
    >>> len(study.trials)
    4
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = check_seed("seed", seed)

    def infer_relative_search_space(self, study: "Study", trial: "FrozenTrial") -> dict[str, "BaseDistribution"]:
        """Return an empty space: each value is proposed independently."""
        return {}

    def sample_relative(
        self, study: "Study", trial: "FrozenTrial", search_space: dict[str, "BaseDistribution"]
    ) -> dict[str, Any]:
        """Return an empty dict."""
        return {}

    def sample_independent(
        self, study: "Study", trial: "FrozenTrial", param_name: str, param_distribution: "BaseDistribution"
    ) -> Any:
        """Return a level of the distribution."""
        return drawn_level(param_distribution, self._seed, trial.number, param_name)


def _key(rung: int) -> str:
    return f"ash:rung:{rung}"
