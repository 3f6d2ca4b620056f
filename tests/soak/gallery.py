"""Runs examples from scikit-learn's gallery with ASHClassifier and ASHRegressor in place of its estimators.

    python tests/soak/gallery.py scikit_learn-1.9.1/examples      the examples folder of a source distribution

Examples that use MLPClassifier, MLPRegressor or HistGradientBoosting are run unchanged, each in a separate process
without a display. Left out are examples that download data, examples that pass a parameter that only scikit-learn's
class has, and examples that only mention such a class. Prints one line per example, which says that it ran, why it was
left out, or which error it raised.
"""

import argparse
import os
import re
import runpy
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any

REPLACED = {
    "sklearn.neural_network": ("MLPClassifier", "MLPRegressor"),
    "sklearn.ensemble": ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
}
USES = re.compile("|".join(name for names in REPLACED.values() for name in names))
DOWNLOADS = re.compile(r"fetch_|urlopen|https?://\S+\.(csv|zip|parquet)")
CANDIDATES = 8
LEFT_OUT, NOT_USED, SECONDS = 3, 4, 900
OF_THEIRS = {
    "plot_release_highlights_1_3_0.py": "a loss of HistGradientBoostingRegressor alone: gamma",
    "plot_release_highlights_1_7_0.py": "parameters of fit of HistGradientBoostingClassifier alone: X_val, y_val",
}


made: list[str] = []
"""The names of the classes that ash's estimators have replaced in this process."""


def replaced(name: str) -> Any:
    """Return a function that replaces the named class. It makes ash's estimator if that has all given parameters."""
    import ash

    kind = ash.ASHClassifier if name.endswith("Classifier") else ash.ASHRegressor

    def make(*values: Any, **given: Any) -> Any:
        own = [each for each in given if each not in signature(kind).parameters]
        if values or own:
            print(f"parameters of {name} alone: {', '.join(own) or values}", file=sys.stderr)
            os._exit(LEFT_OUT)  # at once, since the example could catch an exception
        made.append(name)
        return kind(**{"candidates": CANDIDATES, **given})

    return make


def run(path: str) -> None:
    """Run one example in this process."""
    import importlib

    import matplotlib

    matplotlib.use("agg")
    for module, names in REPLACED.items():
        for name in names:
            setattr(importlib.import_module(module), name, replaced(name))
    os.chdir(Path(path).parent)
    runpy.run_path(path, run_name="__main__")
    if not made:
        sys.exit(NOT_USED)


def outcome(path: Path) -> str:
    """Return the outcome of an example in words."""
    if DOWNLOADS.search(path.read_text(encoding="utf-8")):
        return "left out: it downloads data"
    if path.name in OF_THEIRS:
        return f"left out: {OF_THEIRS[path.name]}"
    done = subprocess.run(
        [sys.executable, __file__, "--run", str(path)], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    last = (done.stderr.strip().splitlines() or [""])[-1]
    known = {0: "ran", LEFT_OUT: f"left out: {last}", NOT_USED: "left out: it only names the class"}
    return known.get(done.returncode, f"ERROR: {last}")


def main() -> int:
    """Return the exit status: 1 if an example failed or none ran."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run(str(options.folder.resolve()))
        return 0
    paths = sorted(path for path in options.folder.rglob("*.py") if USES.search(path.read_text(encoding="utf-8")))
    found = {}
    for path in paths:
        found[path] = outcome(path.resolve())
        print(f"{path.relative_to(options.folder)}: {found[path]}", flush=True)
    words = list(found.values())
    return int("ran" not in words or any(word.startswith("ERROR") for word in words))


if __name__ == "__main__":
    sys.exit(main())
