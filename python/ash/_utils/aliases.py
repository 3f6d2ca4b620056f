"""Defines names of types that several packages share."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Facts: TypeAlias = dict[str, Any]
"""What a journal or a record says about a run, as JSON values by name."""
Key: TypeAlias = tuple[int, int]
"""The candidate and the rung of a job."""
Numbers: TypeAlias = NDArray[np.float64]
