"""What a run has left, and what can be read off it: tables, costs, settings. `Result` is this with its methods."""

from dataclasses import dataclass
from typing import Any

from ash.course_views import CourseViews
from ash.kept import Kept
from ash.network import Network
from ash.options import Options
from ash.records import Columns


@dataclass(frozen=True, repr=False, eq=False)
class Outcome(CourseViews):
    """The fields of a `Result`, which says what they are, and what they add up to: a course and its end."""

    options: Options
    model: Network
    kept: Kept | None
    memory: dict[str, int]
    fold_scores: Columns

    @property
    def best_score(self) -> float:
        """Return the validation score of `model` in `metric`; higher is better, errors are negated."""
        return self.model.validation_score

    def own_story(self) -> dict[str, Any]:
        """Return what only runs of networks tell in JSON."""
        return {"memory": self.memory}
