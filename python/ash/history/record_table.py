"""Contains `RecordTable`, a list of records that is displayed as a short table in terminals and notebooks."""

from collections.abc import Iterable
from typing import Any, TypeVar

from ash._utils.display import format_table, html_table, show_param

Row = TypeVar("Row")

ROWS_SHOWN = 7
TEXT_SHOWN = 48
"""The maximum number of characters that are shown of a candidate's hyperparameters."""

COLUMNS = {
    "candidates": ("candidate", "rungs", "epochs", "score", "loss", "diverged", "params"),
    "jobs": ("candidate", "rung", "epochs", "score", "loss", "diverged", "thread", "start", "end"),
    "rungs": ("rung", "epochs", "places", "finished", "promoted", "diverged", "best_score", "recall"),
}
"""The columns that are shown, by table."""


class RecordTable(list[Row]):
    """A list of table rows that shows only its first rows when displayed.

    Parameters
    ----------
    rows : iterable of dict or NamedTuple
        The content of the list.
    table : {"candidates", "jobs", "rungs"}
        The name of the table, as in `to_pandas`.
    """

    def __init__(self, rows: Iterable[Row], table: str) -> None:
        super().__init__(rows)
        self.table = table

    def __repr__(self) -> str:
        """Return the first rows as lines of text, and a hint on how to get all rows."""
        return "\n".join([*(line.rstrip() for line in format_table(*self._shown())), self._rest()])

    def _repr_html_(self) -> str:
        """Return the rows and the hint of `__repr__` as HTML."""
        return f"{html_table(*self._shown())}<p>{self._rest()}</p>"

    def _shown(self) -> tuple[list[str], list[list[Any]]]:
        names = COLUMNS[self.table]
        header = [name.ljust(TEXT_SHOWN) if name == "params" else name for name in names]
        rows = [row if isinstance(row, dict) else row._asdict() for row in self[:ROWS_SHOWN]]  # type: ignore[attr-defined]
        return header, [[_shown(row[name]) for name in names] for row in rows]

    def _rest(self) -> str:
        more = len(self) - ROWS_SHOWN
        return f'{f"... and {more:,} more; " * (more > 0)}result.to_pandas("{self.table}") has all rows and columns'


def _shown(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    text = ", ".join(f"{name}={show_param(one)}" for name, one in value.items())
    return (text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 3] + "...").ljust(TEXT_SHOWN)
