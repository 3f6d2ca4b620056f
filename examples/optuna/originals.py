"""Loads and runs Optuna's original examples, changed only where they download data, draw splits or would never end.

Downloads are replaced by scikit-learn's digits. All splits are drawn with seed 0, as in the ash versions, so that both
versions are scored on the same rows.
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import sklearn.model_selection
from sklearn.datasets import load_digits

DIGITS = {"28 * 28": "8 * 8"}


@dataclass(frozen=True)
class Original:
    """An original Optuna example.

    Parameters
    ----------
    path : str
        The example's path in the folder of the originals.
    objective : str or None
        The expression for the example's objective; None if the example has no objective.
    reports : int or None
        The number of reports of a full trial; None if the example never reports.
    edits : dict
        The replacements in the example's text, from old to new.
    """

    path: str
    objective: str | None = "objective"
    reports: int | None = None
    edits: dict[str, str] = field(default_factory=dict)

    def text(self, folder: Path) -> str:
        """Return the example's source code without edits."""
        return (folder / self.path).read_text(encoding="utf-8")

    def run(self, folder: Path, name: str, **names: Any) -> dict[str, Any]:
        """Run the edited source code as a module called `name`, and return the module's globals.

        `names` are added to the globals before the run.
        """
        sys.argv = [self.path, "--pruning"]
        text = self.text(folder)
        for old, new in self.edits.items():
            if old not in text:
                raise ValueError(f"{self.path} has no {old!r}, which is to be replaced: use a version that has it")
            text = text.replace(old, new)
        module = ModuleType(name)
        module.__dict__.update(names)
        sys.modules[name] = module
        exec(compile(text, self.path, "exec"), module.__dict__)
        return module.__dict__


ORIGINALS = {
    "lightgbm_simple": Original("lightgbm/lightgbm_simple.py"),
    "xgboost_simple": Original("xgboost/xgboost_simple.py"),
    "catboost_simple": Original("catboost/catboost_simple.py"),
    "sklearn_simple": Original("sklearn/sklearn_simple.py"),
    "sklearn_additional_args": Original(
        "sklearn/sklearn_additional_args.py", objective="Objective(sklearn.datasets.load_iris())"
    ),
    "sklearn_search_cv": Original("sklearn/sklearn_optuna_search_cv_simple.py", objective=None),
    "pytorch_simple": Original("pytorch/pytorch_simple.py", reports=10, edits=DIGITS),
    "pytorch_lightning_simple": Original(
        "pytorch/pytorch_lightning_simple.py",
        reports=10,
        edits=DIGITS
        | {
            "PERCENT_VALID_EXAMPLES = 0.1": "PERCENT_VALID_EXAMPLES = 1.0",
            "random_split(mnist_full, [55000, 5000])": "mnist_full, self.mnist_test",
        },
    ),
    "skorch_simple": Original(
        "pytorch/skorch_simple.py",
        reports=20,
        edits=DIGITS
        | {
            "SUBSET_RATIO = 0.4": "SUBSET_RATIO = 1",
            "np.random.permutation(len(X))": "np.arange(len(X))",
            "test_size=0.25, random_state=42": "test_size=450, shuffle=False",
        },
    ),
    "keras_simple": Original("keras/keras_simple.py"),
    "pruning": Original("basic/pruning.py", reports=100),
    "ask_and_tell": Original("ask_and_tell.py", objective=None, edits={"range(20)": "iter(int, 1)"}),
}


def fix_splits() -> None:
    """Make `train_test_split` draw with seed 0 unless told otherwise."""
    split = sklearn.model_selection.train_test_split
    sklearn.model_selection.train_test_split = lambda *tables, **options: split(
        *tables, **({} if options.get("shuffle") is False else {"random_state": 0}) | options
    )


def offer_digits(name: str) -> None:
    """Replace the images that an example would download by scikit-learn's digits."""
    if name.startswith("keras"):
        import keras.datasets.mnist

        keras.datasets.mnist.load_data = lambda: _digits()
    elif name.startswith(("pytorch", "skorch")):
        if "lightning" in name:
            importlib.import_module("lightning")  # imported first, since it would find the stand-in for torchvision
        modules = {f"torchvision{part}": ModuleType(f"torchvision{part}") for part in ("", ".datasets", ".transforms")}
        for module in modules:
            modules[module].__spec__ = ModuleSpec(module, None)  # for libraries that test whether a module is installed
        sys.modules.update(modules)
        package, sets, transforms = modules.values()
        package.datasets, package.transforms = sets, transforms
        sets.MNIST = sets.FashionMNIST = _image_set()
        transforms.ToTensor = lambda: None


def _digits() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return images as bytes and labels, for the training rows and for the held-out rows."""
    X, y = load_digits(return_X_y=True)
    images = (X / 16 * 255).round().astype(np.uint8).reshape(-1, 8, 8)
    rows, held_out, labels, held_out_labels = sklearn.model_selection.train_test_split(images, y, random_state=0)
    return (rows, labels), (held_out, held_out_labels)


def _image_set() -> Callable[..., Any]:
    """Return a data set class that holds the digits and can be used like torchvision's classes."""
    import torch

    class Digits(torch.utils.data.Dataset):
        def __init__(self, root: str, train: bool = True, download: bool = False, transform: Any = None) -> None:
            self.data, self.targets = map(torch.from_numpy, _digits()[0 if train else 1])

        def __len__(self) -> int:
            return len(self.data)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            return self.data[row].unsqueeze(0) / 255, int(self.targets[row])

    return Digits


def seed_all(seed: int) -> None:
    """Seed the originals' random numbers: NumPy, PyTorch, and the sampler of each study created without a sampler."""
    import optuna

    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    begin = optuna.Study.__init__

    def seeded(self: Any, study_name: str, storage: Any, sampler: Any = None, pruner: Any = None) -> None:
        begin(self, study_name, storage, sampler or optuna.samplers.TPESampler(seed=seed), pruner)

    optuna.Study.__init__ = seeded
