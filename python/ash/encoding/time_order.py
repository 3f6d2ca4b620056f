"""Warns if a table is in the order of a date column, but its rows are split at random.

A random split scores a candidate on rows between its training rows. If the rows to predict are later than all of these,
the score is too good, and the candidates that follow the last weeks best may lose.
"""

import numpy as np

from ash._utils.user_warnings import warn_user
from ash.data.table import Table
from ash.encoding.schema import Schema

FEWEST_IN_ORDER = 20
"""Tables with fewer rows may be in the order of a date column by chance."""
NEARLY_ALL = 0.9
"""The minimum share of rows that have a date, and of dates that differ from the previous one."""


def warn_of_time_order(table: Table, schema: Schema) -> None:
    """Warn if the user's rows are in the order of a date column, ascending or descending, with few repeated dates.

    `table` and `schema` are as `read_table` returns them; the rows may have been sorted and repeated.
    """
    _, rows = np.unique(table.frame.numbers_of(np.arange(table.rows)), return_index=True)
    if len(rows) < FEWEST_IN_ORDER:
        return
    for place, column in enumerate(schema.columns):
        if column.kind != "date":
            continue
        days = table.frame.columns[place].numbers(slice(None))[rows]
        steps = np.diff(days[~np.isnan(days)])
        is_in_order = bool((steps >= 0).all() or (steps <= 0).all())
        if is_in_order and np.count_nonzero(steps) >= NEARLY_ALL * len(rows) - 1:
            name = f"column {place}" if schema.names is None else f"column {schema.names[place]!r}"
            warn_user(
                f"the rows are in the order of the dates in {name}, but they are split at random. If the model has to "
                "predict later dates, pass cv=TimeSeriesSplit() of scikit-learn; otherwise pass cv=5 or validation=0.2"
            )
            return
