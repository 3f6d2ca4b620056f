"""Where a run takes place, as schedule.py and teams.py compare it: one thread, and two with teams and without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """Threads, and whether one without a job helps in another's."""

    threads: int
    teams: bool

    @property
    def name(self) -> str:
        """Threads and teams, as tables write them."""
        return "1 thread" if self.threads == 1 else f"{self.threads} threads, {'teams' if self.teams else 'no teams'}"

    @property
    def arguments(self) -> dict[str, Any]:
        """Return it as arguments of `ash.tune` and of the core's tuner."""
        return {"threads": self.threads, "teams": self.teams}


ALONE, APART, TOGETHER = PLACES = (Place(1, False), Place(2, False), Place(2, True))
