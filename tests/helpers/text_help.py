"""Makes sentences in which plain words tell the class."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_COMMON = (
    "the a it this phone battery screen delivery box price shop order week day service color case cable my our very "
    "quite arrived came with after before and but because they said told sent returned used bought friend house table"
)
_TELLING = ("excellent wonderful great love perfect happy", "terrible awful broken hate useless angry")


def sentences(labels: NDArray[np.int64], seed: int = 0) -> list[str]:
    """Return a sentence for each label, with one word that tells the label among 8 to 15 common ones."""
    random, common = np.random.default_rng(seed), _COMMON.split()
    telling, found = [words.split() for words in _TELLING], []
    for label in labels.tolist():
        words = random.choice(common, random.integers(8, 16)).tolist()
        words.insert(int(random.integers(len(words))), str(random.choice(telling[label])))
        found.append(" ".join(words).capitalize() + ".")
    return found


def reviews(rows: int, seed: int = 0) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return a table of a number, which tells nothing, and a sentence; and the classes."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, rows)
    return pd.DataFrame({"number": random.normal(size=rows), "review": sentences(y, seed)}), y
