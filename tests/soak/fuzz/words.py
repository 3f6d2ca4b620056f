"""Decodes bytes into values for the fuzzers."""

from collections.abc import Callable
from typing import Any

import ash

NAMES = ("hidden", "learning_rate", "batch_size", "optimizer", "dropout", "activation", "nonsense")
"""Hyperparameter names for random spaces; one is unknown."""


class Words:
    """Values decoded from bytes. The same bytes always give the same values."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def byte(self) -> int:
        """Return the next byte, or 0 after the end."""
        self._place += 1
        return self._content[self._place - 1] if self._place <= len(self._content) else 0

    def pick(self, options: Any) -> Any:
        return options[self.byte() % len(options)]

    def number(self) -> float:
        special = (0.0, -0.0, 1e-3, 0.5, 1.0, 2.0, 1e6, 1e308, 1e-320, float("nan"), float("inf"), -1.0)
        return self.pick(special) * self.pick((1, 1, 1, 3, -7))

    def value(self, depth: int = 0) -> Any:
        kind = self.byte() % 8
        if kind == 0 and depth < 3:
            return tuple(self.value(depth + 1) for _ in range(self.byte() % 4))
        plain = (None, True, int(self.byte()), -1, "adam", "relu", bytes([self.byte()]), {"a": 1})
        return self.number() if kind < 4 else self.pick(plain)

    def domain(self) -> Any:
        makers: tuple[Callable[[], Any], ...] = (
            lambda: ash.choice(*(self.value() for _ in range(self.byte() % 5)), default=self.value()),
            lambda: ash.choice(*(self.value() for _ in range(self.byte() % 5))),
            lambda: ash.integers(self.value(), self.value(), self.value()),
            lambda: ash.uniform(self.value(), self.value(), levels=self.value()),
            lambda: ash.loguniform(self.value(), self.value(), levels=self.value(), default=self.value()),
            lambda: ash.uniform(self.value(), self.value(), default=self.value()),
            lambda: ash.loguniform(self.value(), self.value()),
            lambda: ash.integers(
                self.value(), self.value(), levels=self.pick((None, 2, 7)), log=self.pick((True, False))
            ),
            lambda: [self.value() for _ in range(self.byte() % 3)],
            lambda: ash.uniform(0.1, 0.5).when(**{self.pick(NAMES): self.value()}),
            lambda: ash.choice(16, 32).when(**{self.pick(NAMES): self.value()}),
            self.value,
        )
        return self.pick(makers)()
