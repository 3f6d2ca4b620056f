"""Tests the docstrings of public names: they describe the signatures, and their examples run."""

import doctest
import inspect
import re
import warnings
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest

import ash
import ash.callbacks
import ash.errors
import ash.optuna
from ash.metrics import METRICS, POSITIVE
from ash.models.decision import TUNED
from docstring_help import Public, entries, public, sections

NAMES = [each for module in (ash, ash.callbacks, ash.optuna) for each in public(module)]
CALLS = [each for each in NAMES if not (inspect.isclass(each.value) and issubclass(each.value, BaseException))]
ERRORS = {kind for kind in vars(ash.errors).values() if isinstance(kind, type)}
WITH_EXAMPLE = {ash.AshError, ash.DataError, ash.ModelFormatError, ash.SettingError, ash.UnknownArgumentError}
"""Errors with an example. The other errors cannot be raised in a few lines."""
EXAMPLES = [each for each in NAMES if ">>>" in each.doc]
MOST_PARAMETERS = 24
WORDS = {
    "Callable": "callable|function",
    "Callback": "Callback",
    "float": "float|number",
    "History": "result",
    "Mapping": "dict",
    "Model": "Network, Ensemble",
    "None": "None|optional|default",
    "PathLike": "path",
    "RunResult": "Result or FunctionResult",
    "Sequence": "sequence|list|tuple",
    "str": r"str|path|\{|\"",
    "TextIO": "text file",
    "tuple": r"tuple|\(",
}
"""Regular expressions for types that docstrings describe by other words than their names."""
BASIC = {"bool", "dict", "float", "int", "str"}
IMPLIED = {"float": ["int"], "Mapping": ["dict"]}
"""For each type in an annotation, other types that it allows."""


def by_name(names: list[Public]) -> Any:
    return pytest.mark.parametrize("each", names, ids=[each.name for each in names])


def parameters(call: Any) -> dict[str, inspect.Parameter]:
    """Return the names of a signature's parameters, with the stars of `*args` and `**kwargs`."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    found = inspect.signature(call).parameters.values()
    return {stars.get(each.kind, "") + each.name: each for each in found if each.name != "self"}


def types_of(annotation: Any) -> set[str]:
    """Return the names of the types that an annotation allows, without the types of their elements."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    while "[" in text:
        text = re.sub(r"\[[^][]*\]", "", text)
    return {kind.strip().rpartition(".")[2] for kind in text.split("|")}


def test_every_error_is_public() -> None:
    assert {kind.__name__ for kind in ERRORS} <= set(ash.__all__)


@by_name(NAMES)
def test_the_first_line_is_a_sentence(each: Public) -> None:
    first, *rest = each.doc.splitlines()
    assert re.fullmatch(r"[A-Z`].* .*\.", first), first
    assert rest[:1] in ([], [""])


@by_name([each for each in NAMES if inspect.isclass(each.value) or each.name.count(".") < 2])
def test_a_docstring_has_an_example(each: Public) -> None:
    assert each.value in ERRORS - WITH_EXAMPLE or ">>>" in each.doc


@by_name(EXAMPLES)
def test_examples_print_what_they_show(each: Public, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    if each.name.startswith("ash.callbacks."):
        warnings.simplefilter("ignore")  # MLflow uses deprecated parts of its dependencies
    example = doctest.DocTestParser().get_doctest(each.doc, {}, each.name, None, None)
    told: list[str] = []
    assert doctest.DocTestRunner().run(example, out=told.append).failed == 0, "".join(told)


@by_name(CALLS)
def test_all_parameters_and_no_others_are_described(each: Public) -> None:
    told, own = entries(each.doc, "Parameters"), parameters(each.value)
    if not told and (each.overridden or "Attributes" in sections(each.doc)):
        return
    assert set(told) == set(own)
    check_types(told, own)


@by_name([each for each in CALLS if "Attributes" in sections(each.doc)])
def test_described_attributes_exist(each: Public) -> None:
    told, own = entries(each.doc, "Attributes"), parameters(each.value)
    declared = {name for kind in each.value.__mro__ for name in inspect.get_annotations(kind)}
    set_by_fit = {name for name in told if name.endswith("_")}
    assert set(told) <= {*own, *declared, *dir(each.value), *set_by_fit}
    if is_dataclass(each.value) or issubclass(each.value, tuple):
        fields = {} if "Parameters" in sections(each.doc) else own
        assert set(fields) <= set(told)
        check_types(told, fields)


def check_types(told: dict[str, str], own: dict[str, inspect.Parameter]) -> None:
    """Check that the text beside a parameter names all types of its annotation and no other basic types."""
    for name, parameter in own.items():
        kinds = types_of(parameter.annotation)
        if not told[name] or kinds & {"Any", "_empty"}:
            continue
        for kind in kinds:
            assert re.search(WORDS.get(kind, rf"\b{kind}\b"), told[name]), f"{name} may be {kind}, not {told[name]}"
        allowed = {also for kind in kinds for also in (kind, *IMPLIED.get(kind, ()))}
        assert BASIC & set(re.findall(r"(?<! of )(?<! to )\b\w+", told[name])) <= allowed, name


def test_no_public_call_has_too_many_parameters() -> None:
    counts = {each.name: len(parameters(each.value)) for each in CALLS}
    assert len(counts) > 100 and max(counts.values()) <= MOST_PARAMETERS, counts


# Lists of metrics


@pytest.mark.parametrize(
    ("estimator", "task"), [(ash.ASHClassifier, "classification"), (ash.ASHRegressor, "regression")]
)
def test_the_estimators_list_the_metrics_of_the_core(estimator: Any, task: str) -> None:
    *names, last = METRICS[task]
    assert f"The core computes {', '.join(names)} and {last}." in " ".join(estimator.__doc__.split())


def pages_and_code() -> dict[Path, str]:
    """Return the texts of the docs and of the code except metrics.py, without pages that quote earlier versions."""
    root = Path(__file__).parents[2]
    pages = [*root.glob("docs/**/*.md"), *root.glob("docs/examples/*.py"), root / "README.md"]
    code = [path for path in root.glob("python/ash/**/*.py*") if path.name != "metrics.py" and "pyc" not in path.suffix]
    history = root / "docs" / "project"
    return {path: path.read_text(encoding="utf-8") for path in (*pages, *code) if history not in path.parents}


def test_no_list_of_metrics_is_written_by_hand() -> None:
    names = "|".join(name for each in METRICS.values() for name in each)
    listed = re.compile(rf"(?:[`'\"]*\b(?:{names})\b[`'\"]*(?:,| and| or)\s+){{2,}}")
    for path, text in pages_and_code().items():
        found = listed.search(text)
        assert found is None, f"{path}: {found}"


def test_metrics_of_the_positive_class_are_those_of_the_core_and_two_of_scikit_learn() -> None:
    listed = re.compile(r"\bf1(?:, | and )[\w, \n]*?average[_ ]precision")
    found = {path: listed.findall(text) for path, text in pages_and_code().items()}
    assert sum(map(len, found.values())) >= 5
    for path, lists in found.items():
        for text in lists:
            names = {name.strip().replace(" ", "_") for name in re.split(r",\s|\sand\s", " ".join(text.split()))}
            assert names in (set(POSITIVE), {*POSITIVE, "precision", "recall"}), path


def test_the_guide_names_the_metrics_whose_decision_is_tuned() -> None:
    def words(text: str) -> set[str]:
        return set(re.findall(r"[a-z0-9]+", text))

    page = (Path(__file__).parents[2] / "docs" / "guide" / "decisions.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| (.*) \| tuned \|$", page, re.MULTILINE)
    every = words(" ".join(name for names in METRICS.values() for name in names))
    assert words(row) & every == words(" ".join(TUNED))
