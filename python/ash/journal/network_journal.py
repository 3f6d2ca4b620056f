"""The journal of a run of networks: it passes recorded results to the core and writes new ones.

    open, agree             see open_journal.py
    restore                 passes states to the core, too, which uses them when it reaches their jobs
    write, every 40 ms      writes new states (state_cache.py), too
    write, at the end       writes as many networks of the result as time allows, too

Threads: used only by the calling thread; the other threads continue training while it writes.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import count, takewhile
from typing import Any

from ash import _core
from ash._utils.aliases import Facts, Key
from ash._utils.checks import whole
from ash._utils.user_warnings import warn_user
from ash.errors import JournalCorruptError, SettingError
from ash.history.json_files import space_story
from ash.history.records import Columns, keys_of
from ash.journal.database import Changes
from ash.journal.identity import PLANNED, space_of_facts
from ash.journal.journal import Journal, NullNetworkJournal, sound
from ash.journal.open_journal import OpenJournal
from ash.journal.pending_rows import Batch
from ash.journal.state_cache import StateCache, StateFolder
from ash.options import LARGEST, Options, RunOptions, RunPlan
from ash.space.hyperparameters import Params
from ash.space.space import Space


class NetworkJournal(OpenJournal, NullNetworkJournal):
    """The journal of one run of networks; as a context manager it closes itself."""

    def __init__(self, journal: Journal) -> None:
        self._failed: Callable[[], bool] = lambda: False
        self._folds = 1
        self.began: Space | None = None
        super().__init__(journal)
        self._folder = StateFolder(self._file.path.with_name(f"{self._file.path.name}-states"))
        self._states = StateCache(self._folder, self._rows["states"])

    def planned(self, draft: RunPlan) -> RunPlan | None:
        """Return the draft with the ladder of the journal's plan; None without a plan or if not `draft.planned`."""
        plan = self._facts.get("plan")
        if plan is None or not draft.planned:
            return None
        with sound(self._file.path):
            known: Any = {each: None if plan[each] is None else whole(each, plan[each], 1, LARGEST) for each in PLANNED}
            return replace(draft, **known)

    def folds(self) -> int | None:
        """Return the number of folds with which the run was begun, or None for a new run."""
        with sound(self._file.path):
            data = self._facts.get("run", {}).get("data")  # None also for a run of a function
            return None if data is None else whole("folds", data["folds"], 1, LARGEST)

    def agree(self, identity: Facts, options: RunOptions, call: Facts) -> None:
        """Write the identity of the run, or compare it with the recorded one."""
        is_planned = isinstance(options, Options) and options.planned
        plan = {name: getattr(options, name) for name in PLANNED} if is_planned else None
        began = None if self.began is None else space_story(self.began)
        self._agree(identity, options, call, {"plan": plan, "began": began})

    def grow(self, space: Space) -> None:
        """Load the candidates drawn from smaller spaces, and the smallest of these spaces."""
        self._grow(space_story(space))
        if self._has_grown is None:
            return
        with sound(self._file.path):
            began = self._facts.get("began")
            if began is None and self._has_grown:
                began = self._facts["run"]["space"]
            self.began = None if began is None else space_of_facts(began, Space)
            try:
                space.size_with(list(self.before.values()))
            except SettingError as error:
                raise ValueError(f"a candidate of a smaller space is not in the space: {error}") from error

    def drawn(self, space: Space) -> list[Params]:
        """Return the recorded candidates from number 0 up to the first gap; none if the journal has another space."""
        if self._has_grown is None:
            return []  # `agree` will report that the spaces differ
        with sound(self._file.path):
            found = [self._recorded[number] for number in takewhile(self._recorded.__contains__, count())]
            for number, params in enumerate(found):
                if number in self.before or space.has(params):
                    continue
                try:
                    space.read(params)  # an Optuna sampler proposes numbers between levels, too
                except SettingError as error:
                    raise ValueError(f"candidate {number} is not in the space: {error}") from error
            return found

    def watch(self, failed: Callable[[], bool]) -> None:
        """Set the function that returns whether the user's scoring function has failed."""
        self._failed = failed

    def restore(self, search: Any, params: Sequence[Params], plan: RunOptions) -> dict[Key, Any]:
        """Pass the recorded results and states to the tuner."""
        assert isinstance(plan, RunPlan)
        self._folds, self._states.limit = plan.folds, plan.memory_limit
        if self._file.is_writable:
            self._folder.tidy(row[2] for row in self._rows["states"])
        with sound(self._file.path):
            self._restore_states(search)
        return super().restore(search, params, plan)

    def _restore_states(self, tuner: _core.Tuner) -> None:
        changes, unread = Changes(), []
        for name, size, text in sorted({row[2:5] for row in self._rows["states"]}):
            found = self._folder.read(name, size, text)
            if found is None:
                unread.append(name)
                self._states.forget(name, changes)
                continue
            for (candidate, rung), parts in found.items():
                if (candidate, rung) in self.restored:
                    tuner.restore_state(candidate, rung, parts)
        if unread:
            warn_user(f"{self._file.path}: states in {', '.join(unread)} are damaged or missing and are trained again")
            with self._file.failing():
                if self._file.is_kept and self._file.save(changes):
                    self._states.committed()

    def replaying(self) -> AbstractContextManager[None]:
        """Return a context manager that raises JournalCorruptError if a recorded state does not fit its candidate."""
        return sound(self._file.path)

    @contextmanager
    def completing(self) -> Iterator[None]:
        """Write new results; in the context, raise JournalCorruptError if a retrained network is not the same."""
        self.write()
        try:
            yield
        except RuntimeError as error:
            raise JournalCorruptError(f"{self._file.path} does not fit these data: {error}") from error

    def _details(self, search: Any) -> dict[Key, list[Any]]:
        """Return the scores of each fold as text; a single fold's score is the score of the job."""
        found = scores_of(search.fold_scores()) if self._folds > 1 else {}
        return {key: list(map(repr, scores)) for key, scores in found.items()}

    def _add(self, search: Any, batch: Batch, changes: Changes, ended: str | None) -> bool:
        """Write states. After the failure of a scorer, nothing is written: its jobs may have been read before."""
        if self._failed():
            return False
        has_new_jobs = len(keys_of(batch.read)) > 0
        if has_new_jobs:
            self._states.note(batch.read, batch.new)
        if ended is not None:
            self._states.write_kept(search, changes)
        elif has_new_jobs:
            self._states.write_some(search, changes)
        if has_new_jobs or ended is not None:
            self._states.drop(search, changes)
        return True

    def _noted(self, batch: Batch, is_saved: bool) -> None:
        """Take note of the states that are in the file."""
        if is_saved:
            self._states.committed()


def scores_of(columns: Columns) -> dict[Key, list[float]]:
    """Convert the core's columns of fold scores into a dict keyed by (candidate, rung)."""
    return dict(zip(keys_of(columns), columns["scores"].tolist(), strict=True))
