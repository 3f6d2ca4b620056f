"""F58: runs killed at random times; no acknowledged result is lost, and all that go on have the same digest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = [("networks", 40), ("functions", 10)]
SOAK = [("networks", 1000), ("functions", 100)]


@pytest.mark.parametrize(("what", "kills"), KILLS + [pytest.param(*soak, marks=pytest.mark.slow) for soak in SOAK])
def test_f58_kills_at_random_times_lose_nothing(what: str, kills: int) -> None:
    words = [sys.executable, "kill_runs.py", "--kills", str(kills), "--what", what]
    done = subprocess.run(words, cwd=Path(__file__).parents[1] / "soak", capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    wrong = {name: found[name] for name in ("lost", "changed", "twice", "unlike", "stray")}
    assert not any(wrong.values()), found
    assert found["kills"] >= kills and found["runs"] > kills / 4 and found["acknowledged"] > 30 * found["runs"]
