"""Converts one or more search spaces, whose values may be estimators, to one space of plain values.

    {"clf": [forest, svc], "clf__C": ash.loguniform(1e-2, 1e2)}      as given

    clf       "RandomForestClassifier()", "SVC()"             an object is represented by its text
    clf__C    0.01 to 100, if clf is "SVC()"                  a nested parameter depends on the options that have it

Records, journals and digests can hold only plain values, not objects such as estimators. Jobs get a copy of the object
instead of its text. For a list of spaces, the hyperparameter `SPACE` is added. It is the number of a candidate's space,
and all other hyperparameters depend on it.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from numbers import Number
from typing import Any

import cloudpickle
import joblib
import numpy as np
from sklearn import config_context
from sklearn.base import clone

from ash.errors import SettingError
from ash.journal.first import read_first
from ash.sklearn.parameter_names import hint_at_parameter, warn_of_keyword
from ash.space.domains import Domain, choice, distinct
from ash.space.foreign_domains import as_domain
from ash.space.function_space import FunctionSpace, plain_value
from ash.space.hyperparameters import Params
from ash.space.space import Space

SPACE = "(space)"
"""The hyperparameter with the number of a candidate's space. No parameter of an estimator has this name."""
LONGEST_TEXT = 100
MUST_BE = "must be ash.FunctionSpace(name=domain, ...), a dict of domains that is not empty, or a list of these"

Domains = dict[str, list[Domain]]


class Objects:
    """The objects in spaces, and the text that represents each object; equal objects have the same text.

    Attributes
    ----------
    of : dict of dict
        The objects, keyed by hyperparameter and text.
    """

    def __init__(self) -> None:
        self.of: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, dict[str, str]] = {}  # keyed by hyperparameter and `_key_of` the object

    def add(self, name: str, options: Sequence[Any]) -> None:
        """Assign a text to each object among the options of a hyperparameter."""
        plain = [option for option in options if isinstance(option, str)]
        for option in filter(is_object, options):
            texts, of = self._texts.setdefault(name, {}), self.of.setdefault(name, {})
            key = _key_of(option)
            if key in texts:
                continue
            text, number = _text_of(option), 1
            while text in of or text in plain:
                number += 1
                text = f"{_text_of(option)} ({number})"
            texts[key], of[text] = text, option

    def text(self, name: str, value: Any) -> Any:
        """Return the text of an object; return a plain value unchanged.

        Raises
        ------
        SettingError
            The object is not one of the options.
        """
        if not is_object(value):
            return value
        found = self._texts.get(name, {}).get(_key_of(value))
        if found is None:
            listed = ", ".join(self.of.get(name, {})) or "no objects"
            raise SettingError(f"{name}={_text_of(value)} is not in the space, which has {listed} for it")
        return found

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration with objects in place of texts, as the user would give it."""
        return {
            name: self.of[name].get(value, value) if name in self.of and isinstance(value, str) else value
            for name, value in params.items()
            if name != SPACE
        }

    def copies(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return `values` with an unfitted copy of each object, since `set_params` may change the objects."""
        values = self.values(params)
        return {name: clone(value, safe=False) if name in self.of else value for name, value in values.items()}

    def places(self, params: Params) -> Params:
        """Return a configuration with each object's index instead of its text, which depends on the object's repr."""
        return {
            name: f"object {list(self.of[name]).index(value)}" if value in self.of.get(name, ()) else value
            for name, value in params.items()
        }


@dataclass(frozen=True)
class EstimatorSpace:
    """A space of plain values, some of which are texts that represent objects, and these objects."""

    space: FunctionSpace
    objects: Objects

    def plain(self, params: Any) -> Any:
        """Return a user's configuration with texts in place of objects and, with several spaces, its space's number."""
        if not isinstance(params, Mapping):
            return params
        plain = {name: self.objects.text(name, value) for name, value in params.items()}
        if SPACE not in self.space.domains:
            return plain
        numbers = self.space.domains[SPACE][0].levels
        for number in numbers:
            try:
                return self.space.read({SPACE: number, **plain})[0]
            except SettingError:
                continue  # the configuration belongs to another space, or to none
        return {SPACE: next((number for number in numbers if plain.keys() <= self._names(number)), 0), **plain}

    def read_first(self, first: Any, candidates: int | None, argument: str) -> list[Params]:
        """Read the argument `first` in the same way as `ash.journal.first.read_first`, but allow objects as values."""
        plain = [self.plain(each) for each in first] if isinstance(first, list | tuple) else first
        return read_first(plain, self.space, candidates, argument)

    def _names(self, number: int) -> set[str]:
        """Return the hyperparameters of the space with this number."""
        domains = self.space.domains.items()
        return {name for name, own in domains if any((SPACE, number) in domain.conditions for domain in own)}


def read_estimator_space(given: Any, estimator: Any, name: str = "space") -> EstimatorSpace:
    """Convert the argument `space` of a search to an EstimatorSpace.

    Raises
    ------
    SettingError
        The argument is not a space, a dict of domains or a list of these. Or a parameter in the space belongs neither
        to the estimator nor to any option for a part of the estimator.
    """
    spaces, objects = without_objects(given, name)
    domains = [{key: domains_of(name, key, value) for key, value in space.items()} for space in spaces]
    nested = [_Nested(own, objects, estimator, name) for own in domains]
    read = FunctionSpace(**joined([each.domains for each in nested]))
    for number, each in enumerate(nested):
        each.check(f"{name}[{number}]" if len(nested) > 1 else name)
    return EstimatorSpace(read, objects)


def check_names(space: FunctionSpace, objects: Objects, estimator: Any, name: str) -> None:
    """Raise SettingError unless each parameter of a space belongs to the estimator or to an option for a part of it."""
    domains = {each: list(own) for each, own in space.domains.items() if each != SPACE}
    _Nested(domains, objects, estimator, name).check(name)


def examples_of(given: Any, estimator: Any, name: str) -> list[Any]:
    """Return a copy of the estimator for each option of each hyperparameter whose options include objects.

    If no option is an object, return a list of only the estimator itself.
    """
    spaces, objects = without_objects(given, name)
    made = []
    for space in spaces:
        domains = {key: domains_of(name, key, value) for key, value in space.items() if key in objects.of}
        made += [objects.copies(example) for example in _Nested(domains, objects, estimator, name).examples()]
    return [clone(estimator).set_params(**each) for each in made] or [estimator]


def without_objects(given: Any, name: str) -> tuple[list[dict[str, Any]], Objects]:
    """Return the given space or spaces as a list, with texts in place of objects; also return the objects."""
    several = given if isinstance(given, list | tuple) else [given]
    spaces = [_mapping(each, f"{name}[{place}]" if several is given else name) for place, each in enumerate(several)]
    if not spaces or not any(spaces):
        raise SettingError(f"{name} {MUST_BE}, got {given!r}")
    listed = [{key: _listed(name, key, value) for key, value in space.items()} for space in spaces]
    objects = Objects()
    for space in listed:
        for key, value in space.items():
            objects.add(key, _options_of(value))
    return [{key: _with_texts(objects, key, value) for key, value in space.items()} for space in listed], objects


def is_object(value: Any) -> bool:
    """Return whether an option is an object such as an estimator, instead of a plain value that a record can hold."""
    if isinstance(value, Number):
        return isinstance(value, float) and not math.isfinite(value)
    if isinstance(value, Domain) or hasattr(value, "rvs") or type(value).__module__.startswith("optuna.distributions"):
        return False
    try:
        plain_value(value)
    except SettingError:
        return True
    return False


class _Nested:
    """A space in which nested parameters depend on the objects that have them.

    A parameter such as clf__C may have an owner: a hyperparameter that has objects as options. It is the hyperparameter
    whose name is the longest prefix of the parameter's name, such as clf. If no name is a prefix, the owner is a
    hyperparameter whose options are lists of named parts, such as steps. One of these lists must have a part named clf.
    """

    def __init__(self, domains: Domains, objects: Objects, estimator: Any, argument: str) -> None:
        self._objects, self._estimator, self._argument = objects, estimator, argument
        self._given = domains
        self.domains = {name: [self._depending(name, each) for each in own] for name, own in domains.items()}

    def check(self, argument: str) -> None:
        """Raise SettingError for a name that the estimator does not have; warn of keywords that may be misspelt."""
        for name, own in self.domains.items():
            for domain in own:
                example = self._objects.copies(self._example(name, domain, domain.levels[0]))
                value, made = example.pop(name), clone(self._estimator)
                try:
                    made.set_params(**example)
                    without = clone(made)
                    made.set_params(**{name: value})
                except (ValueError, TypeError, AttributeError) as error:
                    is_known = name in made.get_params(deep=True)
                    why = str(error) if is_known else hint_at_parameter(made, name)
                    what = "cannot be set" if is_known else f"is not a parameter of {type(made).__name__}"
                    raise SettingError(f"{argument} has {name!r}, which {what}: {why}") from None
            warn_of_keyword(without, name)

    def examples(self) -> Iterator[Params]:
        """Yield one configuration per option of each hyperparameter whose options include objects."""
        named = [name for name in self.domains if name in self._objects.of]
        usual = {name: own[0].levels[0] for name in named for own in (self.domains[name],) if not own[0].conditions}
        for name in named:
            for domain in self.domains[name]:
                yield from (usual | self._example(name, domain, level) for level in domain.levels)

    def _depending(self, name: str, domain: Domain) -> Domain:
        """Return the domain of `name`, with a condition if only some options for its owner have this parameter.

        The owner of "clf__alpha" is "clf".
        """
        owner, options = self._owner(name), self._options(name)
        having = [option for option in options if self._has(owner, option, name)]
        if not options or len(having) == len(options):
            return domain
        wanted = next((values for other, values in domain.conditions if other == owner), None)
        without = [each for each in _several(wanted) if each in options and each not in having]
        if not having or without:
            kind = f"{owner}={(without or options)[0]!r}"
            raise SettingError(
                f"{self._argument} has {name!r}, which {kind} does not have: leave it out, or give it a condition such "
                f"as .when({owner}=...) with an option that has it"
            )
        return domain if wanted is not None else domain.when(**{owner: tuple(having)})

    def _example(self, name: str, domain: Domain, level: Any) -> Params:
        """Return a configuration in which `name` is `level`, with options for which the estimator has `name`."""
        owner = self._owner(name)
        if not owner:
            return {name: level}
        wanted = next((_several(values) for other, values in domain.conditions if other == owner), self._options(name))
        above = next(each for each in self.domains[owner] if wanted[0] in each.levels)
        return self._example(owner, above, wanted[0]) | {name: level}

    def _owner(self, name: str) -> str:
        parts = name.split("__")
        above = ("__".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
        lists = (
            each
            for each in self._given
            if any(_part_of(each, option, name) is not None for option in self._objects.of.get(each, {}).values())
        )
        return next((each for each in chain(above, lists) if each in self._objects.of and each in self._given), "")

    def _options(self, name: str) -> list[Any]:
        owner = self._owner(name)
        return [level for domain in self._given[owner] for level in domain.levels] if owner else []

    def _has(self, owner: str, option: Any, name: str) -> bool:
        value = self._objects.values({owner: option})[owner]
        part, inner = value, name.removeprefix(f"{owner}__")
        if inner == name:
            part, inner = _part_of(owner, value, name) or (None, name)
        return not inner or (hasattr(part, "get_params") and inner in part.get_params(deep=True))


def _part_of(owner: str, value: Any, name: str) -> tuple[Any, str] | None:
    """Return the part to which a parameter belongs, and the parameter's name in that part.

    The name is "" if the parameter is the part itself. `value` is an option of `owner`, such as a pipeline's
    steps. Return None if `value` is not a list with this part.
    """
    beside = owner.removesuffix(owner.rpartition("__")[2])  # the prefix that the names of all parts share
    if not name.startswith(beside) or not isinstance(value, list):
        return None
    head, _, inner = name.removeprefix(beside).partition("__")
    named = (each for each in value if isinstance(each, tuple) and len(each) > 1)
    return next(((each[1], inner) for each in named if each[0] == head), None)


def joined(spaces: Sequence[Domains]) -> Domains:
    """Combine spaces into one; the domains of a given space apply only to candidates with the number of that space."""
    if len(spaces) == 1:
        return spaces[0]
    joined: Domains = {SPACE: [choice(*range(len(spaces)))]}
    for number, space in enumerate(spaces):
        for name, own in space.items():
            joined.setdefault(name, []).extend(domain.when(**{SPACE: number}) for domain in own)
    return joined


def _mapping(space: Any, name: str) -> Mapping[str, Any]:
    given = space.domains if isinstance(space, Space) else space
    if not isinstance(given, Mapping):
        raise SettingError(f"{name} {MUST_BE}, got {space!r}")
    for key in given:
        if not isinstance(key, str) or not key:
            raise SettingError(f"the name of a hyperparameter must be text, got {key!r}")
    return given


def domains_of(argument: str, name: str, value: Any) -> list[Domain]:
    """Return the value given for a hyperparameter as domains; `argument` is the name that a SettingError mentions."""
    several = isinstance(value, list) and any(isinstance(each, Domain) for each in value)
    try:
        return [as_domain(each) for each in (value if several else [value])]
    except SettingError as error:
        raise SettingError(f"{argument}: {name}={value!r}: {error}") from None


def _listed(argument: str, name: str, value: Any) -> Any:
    """Return a range, a 1-d array or a tuple of domains as a list; return any other value unchanged."""
    if isinstance(value, tuple) and value and all(hasattr(each, "get_params") for each in value):
        raise SettingError(f"{argument}: {name}={value!r} is a tuple, which is one value: give the options as a list")
    has_domains = isinstance(value, tuple) and any(isinstance(each, Domain) for each in value)
    is_list = has_domains or isinstance(value, range) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return list(value) if is_list else value


def _options_of(value: Any) -> list[Any]:
    """Return all options of a hyperparameter. A domain whose levels are not listed counts as one option."""
    several = value if isinstance(value, list) else [value]
    return [
        option for each in several for option in (each.levels if isinstance(each, Domain) and each.has_list else [each])
    ]


def _with_texts(objects: Objects, name: str, value: Any) -> Any:
    """Return the value given for a hyperparameter with texts in place of objects, including objects in conditions."""

    def text(option: Any) -> Any:
        if not isinstance(option, Domain):
            return objects.text(name, option)
        conditions = ((other, _wanted(objects, name, other, wanted)) for other, wanted in option.conditions)
        option = replace(option, conditions=tuple(conditions))
        if name not in objects.of or not option.has_list:
            return option
        levels = distinct(objects.text(name, level) for level in option.levels)
        default = objects.text(name, option.default)
        if default not in levels:
            raise SettingError(f"{name}: default must be one of the options {levels!r}, got {default!r}")
        return replace(option, levels=levels, default=default)

    return [text(option) for option in value] if isinstance(value, list) else text(value)


def _wanted(objects: Objects, name: str, other: str, wanted: Any) -> Any:
    """Return the value of a condition, or the tuple of its values, with texts in place of objects."""
    try:
        if isinstance(wanted, tuple):
            return tuple(objects.text(other, each) for each in wanted)
        return objects.text(other, wanted)
    except SettingError as error:
        raise SettingError(f"the condition of {name}: {error}") from None


def _several(values: Any) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) else () if values is None else (values,)


def _text_of(value: Any) -> str:
    """Return a one-line text for a value; the text is the same in every process."""
    name = getattr(value, "__qualname__", None)  # functions and classes have this attribute
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    with config_context(print_changed_only=True):
        text = name if isinstance(name, str) else re.sub(r" at 0x[0-9A-Fa-f]+", "", " ".join(repr(value).split()))
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."


def _key_of(value: Any) -> str:
    """Return a text that is the same for equal objects. An object that cannot be pickled is equal only to itself."""
    kind = type(value).__qualname__
    for pickle in (None, cloudpickle.dumps):
        try:
            return f"{kind} {joblib.hash(value if pickle is None else pickle(value))}"
        except Exception:  # joblib cannot pickle lambdas, unlike cloudpickle; some objects cannot be pickled by either
            continue
    return f"{kind} at {id(value)}"
