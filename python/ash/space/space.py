"""The space of hyperparameters to search: named domains, their conditions, and the draw of candidates.

    space = ash.Space(
        hidden=ash.choice((64,), (128, 64)),
        optimizer=ash.choice("adam", "momentum"),
        learning_rate=[ash.loguniform(1e-3, 1e-1).when(optimizer="momentum"), ash.loguniform(1e-4, 1e-2)],
        momentum=ash.uniform(0.8, 0.99).when(optimizer="momentum"),
        batch_size=64,
    )

Conditions make the grid of all configurations irregular; grid.py explains how its size is computed nevertheless.

Candidates are drawn from the grid without repetition. Candidate 0 is the default configuration. The others follow in
the order of a shuffle of all configurations (Fisher and Yates, stored sparsely). So each set of candidates is equally
likely, and the first k of n candidates are the same as a draw of k. The shuffle is drawn lazily. Its random bits are
the raw outputs of PCG64, seeded by SeedSequence(seed, spawn_key=(1,)). NumPy promises not to change these outputs.
Each candidate takes w words of 64 bits; together, these have at least 64 bits more than the size of the grid needs.
Candidate k takes the words from word (k-1)w on, as one big-endian number r below 2^(64w). Step k of the shuffle swaps
positions k and k + floor(r (size - k) / 2^(64w)). No other function of numpy.random is used. The bias towards any
configuration is below 2^-64.

All configurations are equally likely, with two exceptions. Whole numbers of `ash.integers` with ``log=True`` and
without ``levels`` are drawn evenly in their logarithm. If hyperparameters are joined by conditions, and one of them is
continuous or has more than 1,000 whole numbers, they are drawn one after the other, with each level of a domain equally
likely. In both cases, the grid that is shuffled contains each configuration as often as its weight, and configurations
drawn before are skipped. After FRUITLESS skips in a row, the remaining configurations follow in the order of the
shuffle without weights.
"""

import copy
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from ash._utils.checks import check_seed, is_integer, near_names
from ash._utils.display import counted
from ash._utils.machine import check_room
from ash._utils.user_warnings import warn_user
from ash.errors import SettingError
from ash.space.boosters import MODELS, NETWORK
from ash.space.domains import FLOATS, MOST_LEVELS, Domain, distinct, encode, key_of
from ash.space.foreign_domains import as_domain
from ash.space.grid import Condition, Grid, Variant, ordered_names
from ash.space.hyperparameters import CONFLICTING, HYPERPARAMETERS, Params, check_name, check_value, conflict, model_of

FRUITLESS = 1000
"""After this many repeated configurations in a row, few new ones are assumed to be left, and the weights are
ignored."""
FEW = 1000
"""Up to this many candidates are assumed to fit into memory; reading the size of the free memory would take 0.4 ms."""
_STREAM = 1  # spawn key of the draw of candidates; other random streams of the same seed have other keys
_DRAWS_AT_ONCE = 256  # random numbers per call of NumPy


def check_drawn(count: int, params: Params) -> None:
    """Raise SettingError if `count` candidates, each as large as `params`, do not fit into memory."""
    if count > FEW:
        advice = "lower candidates, or give None, which draws them as they are needed"
        check_room("candidates", count, sys.getsizeof(params), advice)


class Space:
    """The named domains of the hyperparameters to search, validated as a whole; immutable.

    Parameters
    ----------
    **hyperparameters
        For each name in ``ash.space.hyperparameters.HYPERPARAMETERS`` that should not have its default: a domain
        (``ash.choice``, ``ash.integers``, ``ash.uniform``, ``ash.loguniform``), a list of values to choose from, an
        Optuna distribution, a frozen scipy.stats distribution, a single value, or a list of domains. In a list of
        domains, the first one whose conditions hold applies. A tuple is one value: ``hidden=(64, 32)`` is a network
        with two hidden layers, ``hidden=[64, 32]`` a choice of two networks. A hyperparameter without a domain that
        applies is absent from the candidate.

    Raises
    ------
    SettingError
        A name is unknown (the message has the closest ones) or is an option of the run, a level is not allowed, a
        condition cannot hold, conditions form a cycle, or levels that exclude each other can occur together.

    Notes
    -----
    All configurations are equally likely to be drawn, with two exceptions. Whole numbers of `ash.integers` with
    ``log=True`` and without ``levels`` are drawn evenly in their logarithm. If a domain without a list of levels, such
    as ``ash.loguniform(1e-3, 1)``, depends on a condition, the hyperparameters joined by the condition are drawn one
    after the other, with each level equally likely. So an option with few configurations is drawn as often as one with
    many.

    Examples
    --------
    >>> import ash
    >>> space = ash.Space(
    ...     hidden=[(64,), (64, 32)],
    ...     learning_rate=ash.loguniform(1e-4, 1e-1),
    ...     optimizer=["adamw", "momentum"],
    ...     momentum=ash.uniform(0.8, 0.99).when(optimizer="momentum"),
    ... )
    >>> space.default
    {'hidden': (64,), 'learning_rate': 0.00316, 'optimizer': 'adamw'}
    """

    def __init__(self, **hyperparameters: Any) -> None:
        domains = {name: self._read_domains(name, value) for name, value in hyperparameters.items()}
        self._domains = self._by_model(domains)
        self._variants = {
            name: [self._variant(name, domain) for domain in domains] for name, domains in self._domains.items()
        }
        self._grid, self._weighted = self._grids()
        self._check_conflicts()

    @property
    def domains(self) -> Mapping[str, tuple[Domain, ...]]:
        """The domains of each name, with their levels in plain form."""
        return MappingProxyType(self._domains)

    @property
    def size(self) -> int:
        """The exact number of distinct configurations that the conditions allow."""
        return self._grid.size

    @property
    def models(self) -> frozenset[str]:
        """The kinds of model that a candidate can be; only "network" if the space has no hyperparameter `model`."""
        return _models_of(self._domains)

    def of_models(self, models: Sequence[str]) -> "Space":
        """Return the part of the space with these kinds of model.

        Parameters
        ----------
        models : sequence of str
            At least one of the space's `models`; other kinds have no effect.
        """
        if self.models <= set(models):
            return self
        kept = tuple(model for model in MODELS if model in models and model in self.models)
        (domain,), (variant,) = self._domains["model"], self._variants["model"]
        domains = {"model": [replace(domain, levels=kept, default=kept[0])]}
        variants = {"model": [variant._replace(levels=kept)]}
        for name in ordered_names(self._variants):
            if name != "model":
                pairs = zip(self._domains[name], self._variants[name], strict=True)
                used = [(own, its) for own, its in pairs if _may_apply(its, variants)]
                domains[name], variants[name] = [own for own, _ in used], [its for _, its in used]
        part = copy.copy(self)
        part._domains = {name: tuple(domains[name]) for name in self._domains if domains[name]}
        part._variants = {name: variants[name] for name in part._domains}
        part._grid, part._weighted = part._grids(partial=True)
        return part

    @property
    def default(self) -> Params:
        """The default configuration: candidate 0."""
        return self.walk(lambda name, number, domain: domain.default)

    def has(self, params: Params) -> bool:
        """Return whether a configuration belongs to the space.

        Parameters
        ----------
        params : dict
        """
        return self._chosen(lambda name, domain: params.get(name, domain.default)) == params

    def walk(self, ask: Callable[[str, int, Domain], Any]) -> Params:
        """Return a configuration whose values are chosen by a callback.

        Parameters
        ----------
        ask : callable
            Called with each name that applies, the index of the domain that applies, and that domain; returns the
            value. Names on which other names depend come first.
        """
        params: Params = {}
        for name in ordered_names(self._variants):
            if found := self._active(name, params):
                params[name] = ask(name, *found)
        return {name: params[name] for name in self.domains if name in params}

    def at(self, point: Mapping[str, float]) -> Params:
        """Return the configuration at a point of the unit cube.

        Parameters
        ----------
        point : dict of str to float
            For each name a number from 0 (its first level) up to but excluding 1.
        """
        return self.walk(lambda name, _, domain: domain.drawn[int(point[name] * len(domain.drawn))])

    def read(self, params: Any) -> tuple[Params, bool]:
        """Return a configuration in plain form, and whether all its values are levels.

        Numbers between two levels of a domain of floats are allowed too.

        Parameters
        ----------
        params : dict
            The configuration: values by name.

        Raises
        ------
        SettingError
            `params` is not a dict, a name is unknown, missing or does not apply, or a value is out of range.
        """
        if not isinstance(params, Mapping):
            raise SettingError(f"a configuration must be a dict of hyperparameters, got {params!r}")
        plain = {name: self._check_value(name, value) for name, value in params.items()}
        if unknown := sorted(plain.keys() - self.domains.keys()):
            near = near_names(unknown[0], self.domains, 1) or list(self.domains)
            raise SettingError(f"{unknown[0]!r} is not in the space; did you mean one of {', '.join(near)}?")
        for name in plain:
            if is_integer(plain[name]) and (found := self._active(name, plain)) and found[1].kind in FLOATS:
                plain[name] = float(plain[name])
        return plain, all([self._is_level(name, plain) for name in self.domains])

    def blend(self, params: Params, other: Params, names: Sequence[str]) -> Params:
        """Return a configuration that combines the hyperparameters of two configurations.

        Parameters
        ----------
        params, other : dict
            Configurations of this space, or parts of them. A hyperparameter for which neither has a valid value gets
            its default.
        names : sequence of str
            The hyperparameters to take from `params`; all others are taken from `other`. If only one of the two
            configurations has a valid value for a hyperparameter, that value is taken.
        """

        def choose(name: str, domain: Domain) -> Any:
            pair = (params, other) if name in names else (other, params)
            return next((own[name] for own in pair if name in own and domain.spans(own[name])), domain.default)

        found = self._chosen(choose)
        assert found is not None  # each value is in its domain
        return found

    def completed(self, params: Params) -> Params | None:
        """Return the default configuration updated with these values; None if a value is not in the space.

        Parameters
        ----------
        params : dict
            A hyperparameter that is not in the space must have its default value. A number outside a domain whose
            levels are not listed is clipped to the domain's bounds.
        """
        full = self._chosen(lambda name, domain: domain.clipped(params.get(name, domain.default)))
        fixed = {name: value for name, value in params.items() if name not in self._domains}
        is_default = all(value == HYPERPARAMETERS[name].default for name, value in fixed.items())
        return full if is_default and model_of(params) in self.models else None

    def _chosen(self, choose: Callable[[str, Domain], Any]) -> Params | None:
        """Return the configuration with the value `choose(name, domain)` for each name and the domain that applies.

        The result is None if one of the values is not in its domain.
        """
        found: Params = {}
        for name in ordered_names(self._variants):
            if active := self._active(name, found):
                found[name] = choose(name, active[1])
                if not active[1].spans(found[name]):
                    return None
        return {name: found[name] for name in self._domains if name in found}

    def _is_level(self, name: str, params: Params) -> bool:
        """Return whether a value is a level; raise SettingError if it does not apply, is missing or is out of range."""
        found = self._active(name, params)
        if found is None:
            if name in params:
                raise SettingError(f"{name}={params[name]!r} does not apply with {params}: leave it out")
            return True
        if name not in params:
            raise SettingError(f"{name} is missing in {params}: give one of its values")
        value, (_, domain) = params[name], found
        if encode(value) in map(encode, domain.levels) if domain.has_list else domain.has(value):
            return True
        if not domain.takes(value):
            known = domain.shown() if domain.has_list else f"values from {domain.shown()}"
            raise SettingError(f"{name}={value!r} is not in the space, which has {known}")
        return False

    def _active(self, name: str, params: Params) -> tuple[int, Domain] | None:
        """Return (index, domain) of the domain of `name` that applies to the values `params`; None if none applies."""
        for number, variant in enumerate(self._variants[name]):
            if all(other in params and params[other] in wanted for other, wanted in variant.conditions):
                return number, self._domains[name][number]
        return None

    def size_with(self, first: Sequence[Params]) -> int:
        """Return the size of the space plus the number of configurations in `first` that have numbers between levels.

        Parameters
        ----------
        first : sequence of dict
            Distinct configurations, as `read` returns them.
        """
        return self.size + sum(not self.read(params)[1] for params in first)

    def counted(self, n: int, first: Sequence[Params] = ()) -> int:
        """Return how many configurations a sample of n has; errors and warnings are those of `sample`.

        Parameters
        ----------
        n : int
        first : sequence of dict
            As for `size_with`; these configurations come before all others.
        """
        if not is_integer(n) or n < 1:
            raise SettingError(f"candidates must be an integer of at least 1, got {n!r}")
        size = self.size_with(first)
        if n > size:
            advice = self._advice_on_tuples()
            used = "it is used" if size == 1 else "all of them are used"
            warn_user(f"candidates={n} exceeds the {counted(size, 'configuration')} of the space; {used}{advice}")
        count = min(int(n), size)
        check_drawn(count, self.default)
        return count

    def _advice_on_tuples(self) -> str:
        """Return advice on tuples that were probably meant as intervals; none for networks, whose widths are tuples."""
        return ""

    def sample(self, n: int, random_state: int = 0) -> list[Params]:
        """Return n distinct configurations, the default one first; inactive hyperparameters are absent.

        Parameters
        ----------
        n : int
            The number of configurations, at least 1. The first k of n are the same as a sample of k.
        random_state : int
            A seed: a non-negative integer of any size. The same seed gives the same configurations on any machine.

        Raises
        ------
        SettingError
            ``n`` or ``random_state`` is not an allowed integer, or the configurations do not fit into memory.

        Warns
        -----
        UserWarning
            ``n`` is larger than the space; all configurations are returned.
        """
        return list(islice(self.stream(random_state), self.counted(n)))

    def stream(self, random_state: int = 0) -> Iterator[Params]:
        """Return an iterator over all configurations, each once and drawn lazily.

        Parameters
        ----------
        random_state : int
            As for `sample`. The first n configurations are ``sample(n, random_state)``.

        Returns
        -------
        iterator of dict
            It ends when the space is exhausted. The time per configuration does not grow with the number drawn. For
            each configuration drawn, the iterator keeps at most two integers, plus a text if configurations are not
            equally likely.

        Raises
        ------
        SettingError
            ``random_state`` is not an allowed integer.
        """
        everything = _shuffled(self._grid, self.default, check_seed("random_state", random_state))
        if self._weighted is None:
            return everything
        return each_once(_shuffled(self._weighted, self.default, random_state), everything)

    def __repr__(self) -> str:
        """Show each name with its number of levels, or its bounds."""
        parts = ", ".join(f"{name}: {_described(domains)}" for name, domains in self._domains.items())
        has_list = all(one.has_list for domains in self._domains.values() for one in domains)
        size = f" of {counted(self.size, 'configuration')}" if has_list else ""
        return f"<ash.Space{size} ({parts})>"

    def _read_domains(self, name: str, value: Any) -> tuple[Domain, ...]:
        """Return the domains of one name with all levels checked and in plain form."""
        self._check_name(name)
        is_several = isinstance(value, list | tuple) and any(isinstance(one, Domain) for one in value)
        try:
            given = [as_domain(one) for one in (value if is_several else (value,))]
        except SettingError as error:
            raise SettingError(f"{name}={value!r}: {error}") from None
        return tuple(self._in_plain_form(name, one) for one in given)

    def _in_plain_form(self, name: str, domain: Domain) -> Domain:
        """Return the domain with checked levels in plain form.

        If levels are not listed and the bounds are already in plain form, only the bounds are checked.
        """
        levels = domain.levels
        if not domain.has_list:
            if all(encode(self._check_value(name, end)) == encode(end) for end in (levels[0], levels[-1])):
                return replace(domain, default=self._check_value(name, domain.default))
            if domain.drawn is not levels or len(levels) > MOST_LEVELS:
                raise SettingError(
                    f"{name} cannot have a domain of all integers from {domain.shown()}: give levels= to the domain"
                )
        levels = distinct(self._check_value(name, level) for level in levels)
        return replace(domain, levels=levels, default=self._check_value(name, domain.default))

    def _grids(self, *, partial: bool = False) -> tuple[Grid, Grid | None]:
        """Return the grid and, unless all weights are equal, one with each configuration repeated by its weight."""
        pairs = {name: zip(self._variants[name], domains, strict=True) for name, domains in self._domains.items()}
        drawn = {name: [own._replace(levels=domain.drawn) for own, domain in pairs[name]] for name in pairs}
        has_weights = any(one.drawn is not one.levels for domains in self._domains.values() for one in domains)
        grid = Grid(drawn, weighted=True, partial=partial)
        weighted = grid if has_weights or not grid.is_plain else None
        return Grid(self._variants, partial=partial), weighted

    def _variant(self, name: str, domain: Domain) -> Variant:
        conditions = (self._read_condition(name, other, values) for other, values in domain.conditions)
        return Variant(domain.levels, frozenset(conditions))

    def _read_condition(self, name: str, other: str, values: Any) -> Condition:
        domains = self._domains.get(other)
        if domains is None:
            self._check_name(other)
            raise SettingError(f"{name} has a condition on {other}, which is not in the space: add {other}=..")
        for domain in domains:
            if not domain.has_list and (domain.drawn is not domain.levels or len(domain.levels) > MOST_LEVELS):
                raise SettingError(
                    f"{name} has a condition on {other}, which may be anything from {domain.shown()}: give {other} "
                    "levels=, or make the condition depend on a choice."
                )
        whole = self._plain(other, values)
        is_level = whole is not None and any(domain.has(whole) for domain in domains)
        several = values if isinstance(values, tuple) and not is_level else (values,)
        wanted = [self._check_value(other, value) for value in several]
        for value in wanted:
            if not any(domain.has(value) for domain in domains):
                raise SettingError(
                    f"{name} has the condition {other}={value!r}, which is not a level of {other}: "
                    f"there are {', '.join(domain.shown() for domain in domains)}"
                )
            equal = {repr(level) for one in domains if one.has_list for level in one.levels if level == value}
            if len(equal) > 1:
                raise SettingError(
                    f"{name} has the condition {other}={value!r}, but several levels of {other} are equal to it: "
                    f"{', '.join(sorted(equal))}; give other levels, such as text"
                )
        if not wanted:
            raise SettingError(f"{name} has the condition {other}=(), which never holds: name at least one value")
        return other, frozenset(wanted)

    @staticmethod
    def _check_name(name: str) -> None:
        """Raise SettingError unless there is such a hyperparameter."""
        check_name(name)

    @staticmethod
    def _check_value(name: str, value: Any) -> Any:
        """Return a value in its plain form, or raise SettingError."""
        return check_value(name, value)

    @staticmethod
    def _plain(name: str, value: Any) -> Any:
        """Return a value in its plain form, or None if it is not allowed."""
        return HYPERPARAMETERS[name].read(value)

    @staticmethod
    def _by_model(domains: dict[str, tuple[Domain, ...]]) -> dict[str, tuple[Domain, ...]]:
        """Make each hyperparameter conditional on the kinds of model that have it, if the space has other kinds."""
        models, found = _models_of(domains), {}
        for name, several in domains.items():
            own = tuple(model for model in MODELS if model in models and model in HYPERPARAMETERS[name].models)
            depends = (("model", own),) if 0 < len(own) < len(models) else ()
            found[name] = tuple(
                domain
                if any(other == "model" for other, _ in domain.conditions)
                else replace(domain, conditions=domain.conditions + depends)
                for domain in several
            )
        return found

    def _check_conflicts(self) -> None:
        for name in self._domains:
            if self.models.isdisjoint(HYPERPARAMETERS[name].models):
                both = sorted(self.models), HYPERPARAMETERS[name].models
                here, there = (" or ".join(map(repr, models)) for models in both)
                raise SettingError(
                    f"{name} does not apply to model={here}, only to model={there}: remove it from the space"
                )
        for names in CONFLICTING:
            for values in self._grid.pairs(*names):
                present = {name: value for name, value in zip(names, values, strict=True) if value is not None}
                if reason := conflict({name: HYPERPARAMETERS[name].default for name in names} | present):
                    raise SettingError(
                        f"{reason}; the space allows both at once: keep them apart by a condition (when)"
                    )


def _may_apply(variant: Variant, variants: Mapping[str, Sequence[Variant]]) -> bool:
    """Return whether each condition of `variant` holds for some level of its hyperparameter in `variants`."""
    return all(
        any(value in one.levels for one in variants[other] for value in values) for other, values in variant.conditions
    )


def _models_of(domains: Mapping[str, tuple[Domain, ...]]) -> frozenset[str]:
    levels = (level for domain in domains.get("model", ()) for level in domain.levels)
    return frozenset(levels) or frozenset((NETWORK,))


Kind = TypeVar("Kind", bound=Space)


def read_space(space: Any, kind: type[Kind]) -> Kind:
    """Return the argument `space` of an entry point as a space of this kind: `Space` or `FunctionSpace`.

    Raises
    ------
    SettingError
        `space` is neither a space nor a dict of domains by name, or has a name or value that this kind does not allow.
    """
    if type(space) is kind:
        return space
    domains = space.domains if isinstance(space, Space) else space
    if not isinstance(domains, Mapping) or (not domains and domains is space):
        raise SettingError(
            f"space must be ash.{kind.__name__}(name=domain, ...) or a dict of domains that is not empty, got {space!r}"
        )
    for name in domains:
        check_text(name)
    return kind(**domains)


def check_text(name: object) -> None:
    """Raise SettingError unless the name of a hyperparameter is a text that is not empty."""
    if not isinstance(name, str) or not name:
        raise SettingError(f"the name of a hyperparameter must be text, got {name!r}")


def each_once(points: Iterable[Params], everything: Iterable[Params]) -> Iterator[Params]:
    """Yield the distinct configurations in `points`, then those in `everything` that were not yielded before.

    Reading of `points` ends after FRUITLESS repeats in a row.
    """
    seen: set[str] = set()
    fruitless = 0
    for params in points:
        key = key_of(params)
        if key not in seen:
            seen.add(key)
            fruitless = 0
            yield params
        elif (fruitless := fruitless + 1) == FRUITLESS:
            break
    yield from (params for params in everything if key_of(params) not in seen)


def after(first: Sequence[Params], points: Iterable[Params]) -> Iterator[Params]:
    """Return an iterator over `first`, which has no duplicates, then over the configurations only in `points`."""
    return at_their_numbers(dict(enumerate(first)), points)


def at_their_numbers(before: Mapping[int, Params], points: Iterable[Params]) -> Iterator[Params]:
    """Return an iterator over configurations: those in `before` at their numbers, and others from `points` in the gaps.

    The iterator ends at the first gap for which `points` has no configuration left.
    """
    own = {key_of(params) for params in before.values()}
    others = (params for params in points if key_of(params) not in own) if own else iter(points)
    for number in count():
        params = before[number] if number in before else next(others, None)
        if params is None:
            return
        yield params


def _described(domains: Sequence[Domain]) -> str:
    """Return the number of levels in the domains of a name, as text, or the bounds if the levels are not listed."""
    if all(domain.has_list for domain in domains):
        return str(sum(len(domain.levels) for domain in domains))
    return " or ".join(str(len(one.levels)) if one.has_list else one.shown() for one in domains)


def _shuffled(grid: Grid, default: Params, seed: int) -> Iterator[Params]:
    """Yield the configurations of a grid in random order, starting with the default."""
    words = (grid.size.bit_length() + 127) // 64
    first = grid.number(default)
    yield default
    swapped = {first: 0}  # the numbers at those later positions that no longer hold their own
    for position, random in zip(range(1, grid.size), _random_numbers(seed, words), strict=False):
        chosen = position + (random * (grid.size - position) >> 64 * words)
        number = swapped.pop(position, position)
        yield grid.configuration(number if chosen == position else swapped.get(chosen, chosen))
        if chosen != position:
            swapped[chosen] = number


def _random_numbers(seed: int, words: int) -> Iterator[int]:
    """Yield an endless stream of random integers of `words` words of 64 bits each."""
    source = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
    size = 8 * words
    while True:
        raw = source.random_raw(words * _DRAWS_AT_ONCE).astype(">u8").tobytes()
        yield from (int.from_bytes(raw[at : at + size], "big") for at in range(0, len(raw), size))
