"""What every run asks of its journal, whatever is run: here the answers without one."""

from types import TracebackType
from typing import Self

Restored = frozenset[tuple[int, int]]
"""Candidate and rung of jobs that earlier calls have done."""


class Unrecorded:
    """Nothing is recorded.

    Attributes
    ----------
    restored : frozenset of (candidate, rung)
        The jobs that callbacks were told of in earlier calls.
    """

    restored: Restored = frozenset()

    @property
    def written(self) -> int | None:
        """Return how many of the jobs that are decided may be told, being in the file; None where there is no file."""
        return None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what an error has left, and close the file."""
