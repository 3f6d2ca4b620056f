"""The space of hyperparameters that is searched: named domains, their conditions, and the draw of candidates.

    space = ash.Space(
        hidden=ash.choice((64,), (128, 64)),
        optimizer=ash.choice("adam", "momentum"),
        learning_rate=[ash.log(1e-3, 1e-1).when(optimizer="momentum"), ash.log(1e-4, 1e-2)],
        momentum=ash.uniform(0.8, 0.99).when(optimizer="momentum"),
        batch_size=64,
    )

Conditions make the grid of all configurations irregular, so it is cut into pieces that are regular:

    component   hyperparameters joined by conditions; different components multiply
    group       levels of one domain that fulfil the same conditions upon them
    case        one group for each active hyperparameter of a component: a full product of its groups

    optimizer {sgd | momentum, nesterov}   case 1: sgd                  1 x 1      configurations 0
      `- momentum {0.8, 0.9, 0.95}         case 2: momentum, nesterov   2 x 3      configurations 1..6

The size is a sum over cases, a product over components; a configuration is found by its number in mixed radix, without
walking the grid. Exact in integers of any length. Invariants: (1) each configuration lies in exactly one case of each
component; (2) a hyperparameter follows those that its conditions name. Cost: a case list per component, built once; a
configuration O(names + log cases).

Candidates are drawn from the grid without repetition: candidate 0 is the default configuration, the others come in the
order of a shuffle of all configurations (Fisher and Yates, kept sparse), so each set of them is equally likely and the
first k of n are the draw of k. The shuffle is drawn step by step, as far as it is asked for. Bits: PCG64 seeded by
SeedSequence(seed, spawn_key=(1,)), whose raw outputs NumPy promises not to change; candidate k takes the w words from
(k-1)w on, w such that at least 64 bits more than the size of the grid needs are read, as one big-endian number r below
2^(64w); its place in the shuffle is k + floor(r (size - k) / 2^(64w)). No other function of numpy.random is used. The
bias towards any configuration is below 2^-64.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate, islice, product
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ash._utils.checks import check_seed, is_integer
from ash._utils.user_warnings import warn_user
from ash.errors import SettingError
from ash.space.domains import Domain, distinct, joined_levels
from ash.space.hyperparameters import CONFLICTING, HYPERPARAMETERS, Params, check_name, check_value, conflict

Condition = tuple[str, frozenset[Any]]  # a hyperparameter, and the levels for which the condition holds
MOST_CASES = 100_000  # of a component: beyond it, the conditions are no longer a few exceptions to a grid
_STREAM = 1  # spawn key of the draw of candidates: other streams of the same seed take other keys
_DRAWS_AT_ONCE = 256  # random numbers asked from NumPy together


class Variant(NamedTuple):
    """One domain of a hyperparameter; of several, the first whose conditions all hold applies."""

    levels: tuple[Any, ...]
    default: Any
    conditions: frozenset[Condition]


class Group(NamedTuple):
    """Levels of one variant which fulfil the same conditions."""

    variant: int
    levels: tuple[Any, ...]
    fulfils: frozenset[Condition]


class Component(NamedTuple):
    """Cases of hyperparameters joined by conditions. ``ends``: running sums of the sizes of the cases."""

    cases: tuple[Mapping[str, Group], ...]
    ends: tuple[int, ...]


class Space:
    """Named domains of hyperparameters, validated as a whole. Immutable.

    Parameters
    ----------
    **hyperparameters
        For each name in ``ash.space.hyperparameters.HYPERPARAMETERS`` that shall not have its default: a domain
        (``ash.choice``, ``ash.integers``, ``ash.uniform``, ``ash.log``), a plain value, or a list of domains of which
        the first whose conditions hold applies. A hyperparameter without one that applies is absent from the candidate.

    Raises
    ------
    SettingError
        An unknown name (the nearest are named), a name that belongs to the run, a level that is not allowed, a
        condition that cannot hold, conditions in a circle, or levels that exclude each other and may occur together.
    """

    def __init__(self, **hyperparameters: Any) -> None:
        self._domains = {name: self._read_domains(name, value) for name, value in hyperparameters.items()}
        levels = joined_levels(self._domains)
        self._variants = {
            name: [self._variant(name, domain, levels) for domain in domains] for name, domains in self._domains.items()
        }
        self._grid = Grid(self._variants)
        self._check_conflicts()

    @property
    def domains(self) -> Mapping[str, tuple[Domain, ...]]:
        """The domains of each name, levels in plain form."""
        return MappingProxyType(self._domains)

    @property
    def size(self) -> int:
        """The exact number of distinct configurations, conditions counted."""
        return self._grid.size

    @property
    def default(self) -> Params:
        """The default configuration: candidate 0."""
        return dict(self._grid.default)

    def sample(self, n: int, seed: int = 0) -> list[Params]:
        """Return n distinct configurations, the default one first; inactive hyperparameters are absent.

        Parameters
        ----------
        n : int
            How many, at least 1. The first k of n are the sample of k.
        seed : int
            At least 0, of any length. Same seed, same configurations, on any machine.

        Raises
        ------
        SettingError
            ``n`` or ``seed`` is not such an integer.

        Warns
        -----
        UserWarning
            ``n`` is more than the size of the space: all its configurations are returned.
        """
        if not is_integer(n) or n < 1:
            raise SettingError(f"candidates must be an integer of at least 1, got {n!r}")
        if n > self.size:
            warn_user(f"candidates={n} exceeds the {self.size} configurations of the space; all of them are used")
        return list(islice(self.stream(seed), min(int(n), self.size)))

    def stream(self, seed: int = 0) -> Iterator[Params]:
        """Return an iterator over all configurations, each once and each drawn only when it is asked for.

        Parameters
        ----------
        seed : int
            As for `sample`: the first n are ``sample(n, seed)``.

        Returns
        -------
        iterator of dict
            It ends after as many as the space holds. A configuration costs the same time however many were drawn;
            the iterator keeps at most two integers for each.

        Raises
        ------
        SettingError
            ``seed`` is not such an integer.
        """
        return map(self._grid.configuration, self._shuffle(check_seed(seed)))

    def _shuffle(self, seed: int) -> Iterator[int]:
        """Yield the numbers of all configurations in random order, that of the default first."""
        words = (self.size.bit_length() + 127) // 64
        first = self._grid.number(self._grid.default)
        yield first
        swapped = {first: 0}  # positions still to come that no longer hold their own number
        for position, random in zip(range(1, self.size), _random_numbers(seed, words), strict=False):
            chosen = position + (random * (self.size - position) >> 64 * words)
            number = swapped.pop(position, position)
            yield number if chosen == position else swapped.get(chosen, chosen)
            if chosen != position:
                swapped[chosen] = number

    def __repr__(self) -> str:
        """Names and numbers of levels."""
        parts = (f"{name}: {sum(len(each.levels) for each in domains)}" for name, domains in self._domains.items())
        return f"<ash.Space of {self.size:,} configurations ({', '.join(parts)})>"

    def _read_domains(self, name: str, value: Any) -> tuple[Domain, ...]:
        """Return the domains of one name with all levels checked and in plain form."""
        self._check_name(name)
        if isinstance(value, (list, tuple)) and any(isinstance(one, Domain) for one in value):
            given = [one if isinstance(one, Domain) else Domain((one,), one) for one in value]
        else:
            given = [value if isinstance(value, Domain) else Domain((value,), value)]
        return tuple(
            replace(
                one,
                levels=distinct(self._check_value(name, level) for level in one.levels),
                default=self._check_value(name, one.default),
            )
            for one in given
        )

    def _variant(self, name: str, domain: Domain, levels: Mapping[str, tuple[Any, ...]]) -> Variant:
        conditions = frozenset(self._read_condition(name, other, values, levels) for other, values in domain.conditions)
        return Variant(domain.levels, domain.default, conditions)

    def _read_condition(self, name: str, other: str, values: Any, levels: Mapping[str, tuple[Any, ...]]) -> Condition:
        if other not in levels:
            self._check_name(other)
            raise SettingError(f"{name} has a condition on {other}, which is not in the space: add {other}=...")
        whole = self._plain(other, values)
        several = values if isinstance(values, tuple) and (whole is None or whole not in levels[other]) else (values,)
        wanted = [self._check_value(other, value) for value in several]
        for value in wanted:
            if value not in levels[other]:
                raise SettingError(
                    f"{name} has the condition {other}={value!r}, which is not a level of {other}: "
                    f"there are {', '.join(map(repr, levels[other][:10]))}{', ...' if len(levels[other]) > 10 else ''}"
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
        """Return a value in its plain form, None where it is not allowed."""
        return HYPERPARAMETERS[name].read(value)

    def _check_conflicts(self) -> None:
        for first, second in CONFLICTING:
            for one, other in self._grid.pairs(first, second):
                together = {
                    first: HYPERPARAMETERS[first].default if one is None else one,
                    second: HYPERPARAMETERS[second].default if other is None else other,
                }
                reason = conflict(together)
                if reason:
                    raise SettingError(
                        f"{reason}; the space allows both at once: keep them apart by a condition (when)"
                    )


def _random_numbers(seed: int, words: int) -> Iterator[int]:
    """Yield random integers of so many words of 64 bits, without end."""
    source = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
    size = 8 * words
    while True:
        raw = source.random_raw(words * _DRAWS_AT_ONCE).astype(">u8").tobytes()
        yield from (int.from_bytes(raw[at : at + size], "big") for at in range(0, len(raw), size))


class Grid:
    """All configurations of hyperparameters with variants. Immutable."""

    def __init__(self, variants: Mapping[str, Sequence[Variant]]) -> None:
        """Cut the grid into components and cases.

        Raises
        ------
        SettingError
            Conditions in a circle, conditions that never hold together, or more than 100,000 cases.
        """
        self._names = tuple(variants)
        self._components = tuple(
            _component(names, variants, _groups(variants)) for names in _connected(ordered_names(variants), variants)
        )
        self.size = prod(component.ends[-1] for component in self._components)
        self.default = self._default(variants)

    def configuration(self, number: int) -> dict[str, Any]:
        """Return the configuration of a number in 0..size-1; inactive hyperparameters are absent."""
        found: dict[str, Any] = {}
        for component in self._components:
            number, rest = divmod(number, component.ends[-1])
            case = bisect_right(component.ends, rest)
            rest -= component.ends[case - 1] if case else 0
            for name, group in component.cases[case].items():
                rest, level = divmod(rest, len(group.levels))
                found[name] = group.levels[level]
        return {name: found[name] for name in self._names if name in found}

    def number(self, configuration: Mapping[str, Any]) -> int:
        """Return the number of a configuration of this grid: the inverse of ``configuration``."""
        number = 0
        for component in reversed(self._components):
            case = next(i for i, groups in enumerate(component.cases) if _contains(groups, component, configuration))
            own = 0
            for name, group in reversed(component.cases[case].items()):
                own = own * len(group.levels) + group.levels.index(configuration[name])
            own += component.ends[case - 1] if case else 0
            number = number * component.ends[-1] + own
        return number

    def pairs(self, first: str, second: str) -> Iterator[tuple[Any, Any]]:
        """Yield all values that two hyperparameters can have together; None stands for an absent one."""
        seen: set[tuple[int, int]] = set()
        for one, other in self._cases_of(first, second):
            left, right = one.get(first), other.get(second)
            if (id(left), id(right)) not in seen:
                seen.add((id(left), id(right)))
                yield from product(left.levels if left else (None,), right.levels if right else (None,))

    def _cases_of(self, first: str, second: str) -> Iterator[tuple[Mapping[str, Group], Mapping[str, Group]]]:
        nothing = Component(({},), (1,))
        one, other = (
            next((part for part in self._components if any(name in case for case in part.cases)), nothing)
            for name in (first, second)
        )
        return zip(one.cases, one.cases, strict=True) if one is other else product(one.cases, other.cases)

    def _default(self, variants: Mapping[str, Sequence[Variant]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in ordered_names(variants):
            for variant in variants[name]:
                if all(other in found and found[other] in levels for other, levels in variant.conditions):
                    found[name] = variant.default
                    break
        return {name: found[name] for name in self._names if name in found}


def ordered_names(variants: Mapping[str, Sequence[Variant]]) -> list[str]:
    """All names, each after those that its conditions name."""
    graph = {name: sorted({other for one in variants[name] for other, _ in one.conditions}) for name in variants}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise SettingError(f"conditions go in a circle: {circle}; remove one of these when()") from None


def _connected(ordered: Sequence[str], variants: Mapping[str, Sequence[Variant]]) -> list[list[str]]:
    """Names in order, split into those joined by conditions."""
    component = {name: {name} for name in ordered}
    for name in ordered:
        for other in {other for one in variants[name] for other, _ in one.conditions}:
            merged = component[name] | component[other]
            component.update(dict.fromkeys(merged, merged))
    parts = {id(part): part for part in component.values()}
    return [[name for name in ordered if name in part] for part in parts.values()]


def _groups(variants: Mapping[str, Sequence[Variant]]) -> dict[str, list[list[Group]]]:
    """For each name and variant, its levels grouped by the conditions that they fulfil."""
    conditions = {condition for several in variants.values() for one in several for condition in one.conditions}
    groups: dict[str, list[list[Group]]] = {}
    for name, several in variants.items():
        own = [condition for condition in conditions if condition[0] == name]
        groups[name] = []
        for index, variant in enumerate(several):
            alike: dict[frozenset[Condition], list[Any]] = {}
            for level in variant.levels:
                alike.setdefault(frozenset(each for each in own if level in each[1]), []).append(level)
            groups[name].append([Group(index, tuple(levels), fulfils) for fulfils, levels in alike.items()])
    return groups


def _component(
    names: Sequence[str], variants: Mapping[str, Sequence[Variant]], groups: Mapping[str, list[list[Group]]]
) -> Component:
    cases: list[tuple[dict[str, Group], frozenset[Condition]]] = [({}, frozenset())]
    for name in names:
        longer = []
        for case, fulfilled in cases:
            active = [index for index, one in enumerate(variants[name]) if one.conditions <= fulfilled]
            if not active:
                longer.append((case, fulfilled))
            for group in groups[name][active[0]] if active else ():
                longer.append(({**case, name: group}, fulfilled | group.fulfils))
        cases = longer
        _check_reached(name, {case[name].variant for case, _ in cases if name in case}, variants[name])
        if len(cases) > MOST_CASES:
            raise SettingError(f"the conditions on {', '.join(names)} give more than {MOST_CASES:,} cases: use fewer")
    sizes = (prod(len(group.levels) for group in case.values()) for case, _ in cases)
    return Component(tuple(case for case, _ in cases), tuple(accumulate(sizes)))


def _check_reached(name: str, reached: set[int], variants: Sequence[Variant]) -> None:
    for index, variant in enumerate(variants):
        if index not in reached:
            shown = "; ".join(f"{other} in {sorted(levels, key=repr)}" for other, levels in sorted(variant.conditions))
            raise SettingError(
                f"{name}: domain {index + 1} of {len(variants)} is never used, as its conditions ({shown or 'none'}) "
                "never hold together, or an earlier domain always applies: remove it, or change them"
            )


def _contains(case: Mapping[str, Group], component: Component, configuration: Mapping[str, Any]) -> bool:
    names = {name for each in component.cases for name in each}
    return all(
        configuration[name] in case[name].levels
        if name in case and name in configuration
        else (name in case) == (name in configuration)
        for name in names
    )
