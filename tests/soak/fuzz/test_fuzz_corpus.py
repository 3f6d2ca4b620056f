"""Tests that each file of the fuzzers' corpus, and changed copies of it, give a result or an ash error."""

import random
from pathlib import Path

import pytest
from targets import CORPUS, TARGETS

pytestmark = pytest.mark.core

CHANGES = 40  # changed copies per file
FILES = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def test_each_target_has_a_corpus() -> None:
    assert {path.parent.name for path in FILES} == set(TARGETS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_each_file_and_its_changed_copies_give_a_result_or_an_ash_error(path: Path) -> None:
    target, content = TARGETS[path.parent.name], path.read_bytes()
    target(content)
    generator = random.Random(len(content))
    for _ in range(CHANGES):
        changed = bytearray(content)
        for _ in range(generator.randrange(1, 4)):
            place = generator.randrange(len(changed) + 1)
            if generator.random() < 0.3:
                del changed[place : place + generator.randrange(1, 9)]
            elif generator.random() < 0.5:
                changed[place:place] = generator.randbytes(generator.randrange(1, 9))
            elif changed:
                changed[place % len(changed)] ^= 1 << generator.randrange(8)
        target(bytes(changed))
