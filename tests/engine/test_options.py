"""The table of options (ash/options.py): signatures, docstrings, the journal and the command line agree with it."""

import inspect
import re

import pytest

import ash
from ash.cli import cli
from ash.journal.identity import OPEN, REPEATED
from ash.options import FunctionOptions, Options, option_names, option_table

pytestmark = pytest.mark.core

CALLERS = {
    "tune": (ash.tune, Options),
    "estimators": (ash.ASHClassifier, Options),
    "tune_function": (ash.tune_function, FunctionOptions),
    "search": (ash.ASHSearchCV, FunctionOptions),
}
OTHER_DEFAULTS = {("search", "candidates"): 64, ("search", "eta"): 4, ("search", "min_epochs"): None}
TAKEN = [(caller, name) for caller, (_, kind) in CALLERS.items() for name in option_names(kind, caller=caller)]
COMMAND = {"time_limit": "time", "epoch_limit": "epochs", "target": "stop_at", "teams": "no_teams"}
"""What the command line calls options otherwise."""


def documented_types(doc: str) -> dict[str, str]:
    """The types of the parameters that a docstring describes one by one, without what it says of defaults."""
    body = doc.split("Parameters\n")[1].split("\n\n" + "Attributes")[0]
    lines = re.findall(r"^(\w+) : (.+)$", inspect.cleandoc(body), re.MULTILINE)
    return {name: re.sub(r"(, optional|, default.*| or None)*$", "", text) for name, text in lines}


@pytest.mark.parametrize(("caller", "name"), TAKEN)
def test_entry_points_take_the_options_of_the_table_with_its_defaults_and_types(caller, name):
    function, kind = CALLERS[caller]
    option = option_table(kind)[name]
    default = OTHER_DEFAULTS.get((caller, name), option.default)
    assert inspect.signature(function).parameters[name].default == default
    told = documented_types(inspect.getdoc(function)).get(name)
    assert told in (None, option.check.type.removesuffix(" or None"))


@pytest.mark.parametrize("caller", CALLERS)
def test_entry_points_take_no_option_that_the_table_does_not_give_them(caller):
    function, kind = CALLERS[caller]
    given = option_table(kind).keys() & inspect.signature(function).parameters.keys()
    assert given == set(option_names(kind, caller=caller))


@pytest.mark.parametrize("name", option_table())
def test_docstrings_describe_each_option_once(name):
    doc = inspect.getdoc(ash.tune)
    assert len(re.findall(rf"^{name} : ", doc, re.MULTILINE)) == 1


def test_resume_takes_the_limits_and_what_decides_on_nothing():
    parameters = inspect.signature(ash.resume).parameters
    for name, option in option_table().items():
        if option.decides == "end":
            assert parameters[name].default is None
        elif option.decides is None:
            assert parameters[name].default == option.default
        else:
            assert name not in parameters
    assert {*OPEN, *REPEATED} == {*(n for n, option in option_table().items() if option.decides), "validation", "cv"}


def test_the_command_line_has_the_defaults_of_the_table():
    given = cli._parser().parse_args(["table.csv"])
    for name in option_names(caller="command"):
        assert getattr(given, COMMAND.get(name, name)) == option_table()[name].default


@pytest.mark.parametrize("kind", [Options, FunctionOptions])
def test_a_default_of_the_table_passes_its_check(kind):
    for name, option in option_table(kind).items():
        option.check.read(name, option.default)
