"""Writes the first files of the corpus: small valid files, from which the fuzzers derive new ones.

python tests/soak/fuzz/make_corpus.py
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))

from targets import CORPUS

import ash
from config_help import configured
from fault_help import quick, small_space, table

X, Y = table()
TABLES = {
    "numbers": b"\1a,b,target\n1,2,0\n3,,1\n-4e5,nan,0\n",
    "text": b'\2a;target\n"x;y";no\n\xc3\xa4;yes\n;no\n',
    "quotes": b'\1a\tb\n"one ""two""",1\nthree\t2\n',
    "no names": b"\1" + b"1,2\n3,4\n",
}


def half_fails(params: dict[str, Any], epochs: int, state: Any) -> Any:
    return params["x"] if params["x"] % 2 == 0 else None


def main() -> None:
    for name in ("model", "journal", "csv", "space", "core"):
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
    for name, content in TABLES.items():
        (CORPUS / "csv" / name.replace(" ", "_")).write_bytes(content)
    for number in range(6):
        (CORPUS / "space" / str(number)).write_bytes(np.random.default_rng(number).bytes(40))
        (CORPUS / "core" / str(number)).write_bytes(np.random.default_rng(number).bytes(400))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.ash"
        result = quick(X, Y, small_space(hidden=ash.choice((2,), ())), candidates=2, journal=path)
        shutil.copy(path, CORPUS / "journal" / "whole")
        path = Path(folder) / "function.ash"
        settings = {"candidates": 4, "n_jobs": 1, "verbose": 0, "journal": path}
        ash.tune_function(half_fails, {"x": [1, 2, 3, 4]}, **configured(settings))
        shutil.copy(path, CORPUS / "journal" / "function")
        result.model.save(CORPUS / "model" / "network")
        result.ensemble(size=2).save(CORPUS / "model" / "ensemble")


if __name__ == "__main__":
    main()
