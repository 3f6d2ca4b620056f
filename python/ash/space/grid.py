"""Numbers the configurations of a space: counts them, and finds the one with a given number, without enumeration.

Conditions make the grid irregular, so it is split into regular pieces:

    component   hyperparameters joined by conditions; the sizes of components are multiplied
    group       levels of one domain that fulfill the same conditions
    case        one group for each active hyperparameter of a component, with every combination of the groups' levels

    optimizer {sgd | momentum, nesterov}   case 1: sgd                  1 x 1      configurations 0
      `- momentum {0.8, 0.9, 0.95}         case 2: momentum, nesterov   2 x 3      configurations 1..6

The size is a sum over cases and a product over components. The configuration with a given number is computed exactly,
in mixed radix and with integers of any length. Invariants: (1) each configuration is in exactly one case of each
component; (2) a hyperparameter comes after the hyperparameters in its conditions. Cost: one list of cases per
component, built once, and O(names + log cases) per configuration. Levels are enumerated only if a condition names their
hyperparameter.

If a continuous domain depends on a condition, configurations should not be equally likely: with optimizer {sgd |
momentum} and momentum from 0.8 to 0.99, sgd would be one of 10**9 configurations. So a grid may be weighted. Weights
affect only components with several cases and a domain whose levels are not listed. In these components, each case is as
likely as if the hyperparameters were drawn one after the other, with each level of a domain equally likely. Each
configuration of these components has enough numbers for the share of each case to be exact to 2**-64.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate, product
from math import prod
from typing import Any, NamedTuple

from ash.errors import SettingError
from ash.space.domains import encode

Condition = tuple[str, frozenset[Any]]  # a hyperparameter, and the levels for which the condition holds
MOST_CASES = 100_000  # maximum number of cases per component, all of which are stored


class Variant(NamedTuple):
    """One of the domains of a hyperparameter. The first variant whose conditions all hold applies."""

    levels: Sequence[Any]
    conditions: frozenset[Condition]


class Group(NamedTuple):
    """The levels of one variant that fulfill the same conditions, under which other hyperparameters apply."""

    variant: int
    levels: Sequence[Any]
    fulfils: frozenset[Condition]


class Component(NamedTuple):
    """The cases of hyperparameters joined by conditions.

    ``sizes`` has the number of configurations of each case. ``ends`` has the running sums of how many numbers each case
    occupies. A configuration occupies one number, unless the grid is weighted.
    """

    cases: tuple[Mapping[str, Group], ...]
    sizes: tuple[int, ...]
    ends: tuple[int, ...]


class Grid:
    """An immutable grid of all configurations; each has exactly one number, unless the grid is weighted."""

    def __init__(
        self, variants: Mapping[str, Sequence[Variant]], weighted: bool = False, partial: bool = False
    ) -> None:
        """Split the grid into components and cases.

        With `partial`, the variants belong to a part of a space, so some of them may be unreachable.

        Raises
        ------
        SettingError
            Conditions form a cycle or never hold together, or there are more than 100,000 cases.
        """
        self._names = tuple(variants)
        self._components = tuple(
            _component(names, variants, _groups(variants), weighted, partial)
            for names in _connected(ordered_names(variants), variants)
        )
        self.size = prod(component.ends[-1] for component in self._components)
        self.is_plain = all(component.ends == tuple(accumulate(component.sizes)) for component in self._components)

    def configuration(self, number: int) -> dict[str, Any]:
        """Return the configuration with the given number, below `size`; inactive hyperparameters are absent."""
        found: dict[str, Any] = {}
        for component in self._components:
            number, rest = divmod(number, component.ends[-1])
            case = bisect_right(component.ends, rest)
            start = component.ends[case - 1] if case else 0
            rest = (rest - start) * component.sizes[case] // (component.ends[case] - start)
            for name, group in component.cases[case].items():
                rest, level = divmod(rest, len(group.levels))
                found[name] = group.levels[level]
        return {name: found[name] for name in self._names if name in found}

    def number(self, configuration: Mapping[str, Any]) -> int:
        """Return the first number of a configuration of this grid: the inverse of ``configuration``."""
        number = 0
        for component in reversed(self._components):
            case = next(i for i, groups in enumerate(component.cases) if _contains(groups, component, configuration))
            own = 0
            for name, group in reversed(component.cases[case].items()):
                own = own * len(group.levels) + _place(group.levels, configuration[name])
            start = component.ends[case - 1] if case else 0
            own = -(-own * (component.ends[case] - start) // component.sizes[case])
            number = number * component.ends[-1] + start + own
        return number

    def pairs(self, first: str, second: str) -> Iterator[tuple[Any, Any]]:
        """Yield the pairs of values that two hyperparameters can have together; None stands for an absent value.

        If the levels of a domain are not listed, only the first and the last are used.
        """
        seen: set[tuple[int, int]] = set()
        nothing = Component(({},), (1,), (1,))
        one, other = (
            next((part for part in self._components if any(name in case for case in part.cases)), nothing)
            for name in (first, second)
        )
        cases = zip(one.cases, one.cases, strict=True) if one is other else product(one.cases, other.cases)
        for left_case, right_case in cases:
            left, right = left_case.get(first), right_case.get(second)
            if (id(left), id(right)) not in seen:
                seen.add((id(left), id(right)))
                yield from product(_ends(left), _ends(right))


def _place(levels: Sequence[Any], value: Any) -> int:
    """Return the index of a level of the same type and value; 1, 1.0 and True may all be levels of a choice."""
    place = levels.index(value)
    while isinstance(levels, tuple) and encode(levels[place]) != encode(value):
        place = levels.index(value, place + 1)
    return place


def _has(levels: Sequence[Any], value: Any) -> bool:
    try:
        return _place(levels, value) >= 0
    except ValueError:
        return False


def _ends(group: Group | None) -> Sequence[Any]:
    if group is None:
        return (None,)
    return group.levels if isinstance(group.levels, tuple) else (group.levels[0], group.levels[-1])


def ordered_names(variants: Mapping[str, Sequence[Variant]]) -> list[str]:
    """Return all names, ordered so that each follows the names in its conditions."""
    graph = {
        name: sorted({other for one in several for other, _ in one.conditions}) for name, several in variants.items()
    }
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise SettingError(f"conditions form a cycle: {circle}; remove one of these when()") from None


def _connected(ordered: Sequence[str], variants: Mapping[str, Sequence[Variant]]) -> list[list[str]]:
    """Return the lists of names that are joined by conditions, directly or indirectly, each in the given order."""
    component = {name: {name} for name in ordered}
    for name in ordered:
        for other in {other for one in variants[name] for other, _ in one.conditions}:
            merged = component[name] | component[other]
            component.update(dict.fromkeys(merged, merged))
    parts = {id(part): part for part in component.values()}
    return [[name for name in ordered if name in part] for part in parts.values()]


def _groups(variants: Mapping[str, Sequence[Variant]]) -> dict[str, list[list[Group]]]:
    """Return the levels of each name and variant, grouped by the conditions that they fulfill."""
    conditions = {condition for several in variants.values() for one in several for condition in one.conditions}
    groups: dict[str, list[list[Group]]] = {}
    for name, several in variants.items():
        own = [condition for condition in conditions if condition[0] == name]
        groups[name] = []
        for index, variant in enumerate(several):
            if not own:
                groups[name].append([Group(index, variant.levels, frozenset())])
                continue
            alike: dict[frozenset[Condition], list[Any]] = {}
            for level in variant.levels:
                alike.setdefault(frozenset(each for each in own if level in each[1]), []).append(level)
            groups[name].append([Group(index, tuple(levels), fulfils) for fulfils, levels in alike.items()])
    return groups


def _component(
    names: Sequence[str],
    variants: Mapping[str, Sequence[Variant]],
    groups: Mapping[str, list[list[Group]]],
    weighted: bool,
    partial: bool,
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
        if not partial:
            _check_reached(name, {case[name].variant for case, _ in cases if name in case}, variants[name])
        if len(cases) > MOST_CASES:
            raise SettingError(f"the conditions on {', '.join(names)} give more than {MOST_CASES:,} cases: use fewer")
    found = tuple(case for case, _ in cases)
    sizes = tuple(prod(len(group.levels) for group in case.values()) for case in found)
    if weighted and any(not isinstance(one.levels, tuple) for name in names for one in variants[name]):
        return Component(found, sizes, tuple(accumulate(_weights(found, sizes, variants))))
    return Component(found, sizes, tuple(accumulate(sizes)))


def _weights(
    cases: Sequence[Mapping[str, Group]], sizes: Sequence[int], variants: Mapping[str, Sequence[Variant]]
) -> Sequence[int]:
    """Return how many numbers each case occupies, proportional to its probability.

    A configuration occupies at least 2**64 numbers, or a single one if there is only one case.
    """
    if len(cases) == 1:
        return sizes
    shares = [
        prod(
            (Fraction(len(group.levels), len(variants[name][group.variant].levels)) for name, group in case.items()),
            start=Fraction(1),
        )
        for case in cases
    ]
    least = min(shares)
    return [int(share / least * (max(sizes) << 64)) for share in shares]


def _check_reached(name: str, reached: set[int], variants: Sequence[Variant]) -> None:
    for index, variant in enumerate(variants):
        if index not in reached:
            shown = "; ".join(f"{other} in {sorted(levels, key=repr)}" for other, levels in sorted(variant.conditions))
            raise SettingError(
                f"{name}: domain {index + 1} of {len(variants)} is never used, as its conditions ({shown or 'none'}) "
                "never hold together or an earlier domain always applies: remove it, or change them."
            )


def _contains(case: Mapping[str, Group], component: Component, configuration: Mapping[str, Any]) -> bool:
    names = {name for each in component.cases for name in each}
    return all(
        _has(case[name].levels, configuration[name])
        if name in case and name in configuration
        else (name in case) == (name in configuration)
        for name in names
    )
