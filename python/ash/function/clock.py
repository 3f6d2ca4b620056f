"""The ladder of a run of a function, and its clock, as the core has them."""

import math
from collections.abc import Callable

from ash import _core
from ash.function.sources import Source
from ash.options import FunctionOptions
from ash.space.hyperparameters import Params


def clock_of(options: FunctionOptions, source: Source, cost: Callable[[Params, int], float] | None) -> _core.Clock:
    """Return the ladder of the options, and its clock."""
    params = source.params
    return _core.Clock(
        source.count,
        eta=options.eta,
        min_epochs=options.min_epochs,
        max_rungs=options.max_rungs or 0,
        algorithm=options.algorithm,
        promotion=options.promotion,
        epoch_limit=options.epoch_limit or 0,
        target=math.nan if options.target is None else options.target,
        schedule=options.schedule,
        workers=options.workers,
        known=len(params),
        cost=None if cost is None else lambda candidate, epochs: cost(dict(params[candidate]), epochs),
    )
