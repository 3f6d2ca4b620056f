"""scikit-learn's ensembles with `warm_start`: trees are added to those that there are.

Forests, extra trees, bagging, isolation forests and GradientBoosting count `n_estimators`, HistGradientBoosting
`max_iter`. Forests draw the seeds of all trees from the random state anew and skip those that they have; boosting keeps
its random state: with a `random_state` the trees are those of one fit. Early stopping (`n_iter_no_change`,
`early_stopping`) is theirs as the user has set it: an estimator that has stopped tries a round or a few when it goes
on, and stops again. Forests grow on several threads and predict on one: on more they add up probabilities in the order
in which threads come, so that ties between classes would be broken by chance. Source: scikit-learn, "Fitting additional
trees", User Guide 1.11.2.
"""

from typing import Any

from ash.sklearn.resumable.protocol import AVERAGE, ROUNDS, Continued, Rows
from ash.sklearn.resumable.stages import first_trees, stage

WARNING = "class_weight presets"
"""What a warning of forests begins with, that weights of classes should be of all rows: here they are."""
HISTOGRAMS = "BaseHistGradientBoosting"


class Trees(Continued):
    """An ensemble that grows."""

    def __init__(self, estimator: Any, parameter: str | None) -> None:
        super().__init__(estimator, parameter)
        self._jobs = {"n_jobs": estimator.n_jobs} if is_forest(estimator) else {}
        self.law = self.law_of(estimator)

    @staticmethod
    def refuses(estimator: Any) -> str:
        """Return what scikit-learn says of bagging with `oob_score`."""
        bagging = _is_a(estimator, "BaseBagging")
        return "oob_score of bagging allows no warm_start" if bagging and estimator.oob_score else ""

    @staticmethod
    def law_of(estimator: Any) -> str:
        """Return whether its trees are averaged or added up; of others none is known."""
        return AVERAGE if is_forest(estimator) else ROUNDS if _is_boosting(estimator) else ""

    @staticmethod
    def wants_process(estimator: Any) -> bool:
        """Return whether its trees are grown by Python, leaf by leaf: threads would wait for its lock."""
        return _is_a(estimator, HISTOGRAMS)

    def more(self, rows: Rows, epochs: int) -> None:
        """Grow so many trees, or rounds of them."""
        self.done += epochs
        self.estimator.set_params(**{str(self.parameter): self.done, "warm_start": True, **self._jobs})
        rows.fit(self.estimator)
        self.estimator.set_params(**dict.fromkeys(self._jobs, 1))

    def at(self, epochs: int) -> Any:
        """Return the ensemble of its first trees, or rounds of them."""
        if not self.law:
            return None
        return stage(self.estimator, epochs) if self.parameter == "max_iter" else first_trees(self.estimator, epochs)


def is_forest(estimator: Any) -> bool:
    """Return whether it is a forest of scikit-learn's, which grows in threads; bagging would start processes."""
    return _is_a(estimator, "BaseForest")


def _is_boosting(estimator: Any) -> bool:
    return _is_a(estimator, HISTOGRAMS) or _is_a(estimator, "BaseGradientBoosting")


def _is_a(estimator: Any, name: str) -> bool:
    return any(each.__name__ == name for each in type(estimator).__mro__)
