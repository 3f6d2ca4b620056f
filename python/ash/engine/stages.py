"""The stages of a run on a table, as values: `Asked` by the user, `Prepared` from the rows, `Planned` for the core.

    Asked --X, y--> Prepared --journal, deadline--> Planned --core--> Ending (event_loop.py), Result

Each is frozen, is made once, in run.py, and contains the stage before it. `Options` are what the user asked; the
`RunPlan` of a stage is what was decided until then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ash._utils.aliases import Facts
from ash.encoding.data_split import Split
from ash.engine.candidates import Candidates
from ash.engine.deadline import Deadline
from ash.engine.refit import Final
from ash.journal.journal import NullNetworkJournal
from ash.models.inspection import Sample
from ash.options import Options, RunPlan
from ash.run_record import RunRecord
from ash.scoring.fold_scoring import Scoring
from ash.space.boosters import BOOSTERS
from ash.space.hyperparameters import Params
from ash.space.space import Space

if TYPE_CHECKING:
    from ash.scoring.scorers import ValidationScorer


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """What the user asked for, except the rows: the arguments of `ash.tune` or an estimator, or those of a record.

    Attributes
    ----------
    options : Options
    call : dict
        The entry point and its arguments, for the journal and the record (`asked_of`).
    space, first, validation, cv
        As for `ash.tune`, not checked yet. If `validation` is None, the default for the table is used.
    sort : bool
        As for `read_table`.
    scoring : Scoring, optional
        The user's scoring function.
    final : Final, optional
        How the final model is made from the best networks. By default it is the best network, which is unchanged with
        one fold, and trained on all rows with several folds.
    record : RunRecord, optional
        The record of the run to repeat, which has determined all other attributes.
    sampler : optuna.samplers.BaseSampler, optional
        The Optuna sampler that proposes the candidates.
    """

    options: Options
    call: Facts
    space: Any = None
    first: Any = None
    validation: Any = None
    cv: Any = None
    sort: bool = False
    scoring: Scoring | None = None
    final: Final | None = None
    record: RunRecord | None = None
    sampler: Any = None


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run whose table is read and split.

    Attributes
    ----------
    asked : Asked
    draft : RunPlan
        The decisions that depend on the table. The ladder and its threads and memory are decided in `Planned`.
    split : Split
    space : Space
        The given space, or the default for the table.
    sample : Sample or None
        Rows for `Result`'s methods that explain a model.
    rows : int
        The number of rows in X.
    held_out : int64 array
        The row of X for each validation row of the folds; empty if the validation rows are a separate table.
    """

    asked: Asked
    draft: RunPlan
    split: Split
    space: Space
    sample: Sample | None
    rows: int
    held_out: NDArray[np.int64]

    @property
    def has_trees(self) -> bool:
        """Whether the space has boosted trees."""
        return not self.space.models.isdisjoint(BOOSTERS)


@dataclass(frozen=True, eq=False)
class Planned:
    """A run that is ready for the core.

    Attributes
    ----------
    prepared : Prepared
    plan : RunPlan
        All that was decided. With an executor, `plan.threads` is the number of its workers.
    threads : int
        The threads of this process.
    first : sequence of dict
        The configurations to try first.
    candidates : Candidates
    kept : int
        The number of networks to keep.
    scorers : list of ValidationScorer
        For each fold, the object that calls the user's scoring function; empty if the core computes the metric.
    deadline : Deadline
    journal : NullNetworkJournal
        The open journal, which records nothing if the user gave none.
    """

    prepared: Prepared
    plan: RunPlan
    threads: int
    first: Sequence[Params]
    candidates: Candidates
    kept: int
    scorers: "list[ValidationScorer]"
    deadline: Deadline
    journal: NullNetworkJournal

    @property
    def has_failed(self) -> bool:
        """Whether the user's scoring function has raised an exception."""
        return any(scorer.error is not None for scorer in self.scorers)
