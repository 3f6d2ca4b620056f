"""The grid of all configurations of a space: how many there are, and the one with a given number.

Conditions make the grid irregular, so it is cut into pieces that are regular:

    component   hyperparameters joined by conditions; different components multiply
    group       levels of one domain that fulfil the same conditions upon them
    case        one group for each active hyperparameter of a component: a full product of its groups

    optimizer {sgd | momentum, nesterov}   case 1: sgd                  1 x 1      configurations 0
      `- momentum {0.8, 0.9, 0.95}         case 2: momentum, nesterov   2 x 3      configurations 1..6

The size is a sum over cases, a product over components; a configuration is found by its number in mixed radix, without
walking the grid. Exact in integers of any length.

Invariants: (1) each configuration lies in exactly one case of each component; (2) a hyperparameter follows those that
its conditions name. Cost: a case list a component, built once; a configuration O(names + log cases).
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate, product
from math import prod
from typing import Any, NamedTuple

from ash.errors import SettingError

Condition = tuple[str, frozenset[Any]]  # a hyperparameter, and the levels for which the condition holds
MOST_CASES = 100_000  # of a component: beyond it, the conditions are no longer a few exceptions to a grid


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
            _component(names, variants, _groups(variants)) for names in _connected(_ordered(variants), variants)
        )
        self.size = prod(component.ends[-1] for component in self._components)
        self.default = self._default(variants)

    def configuration(self, number: int) -> dict[str, Any]:
        """Return the configuration of a number in 0..size-1; inactive hyperparameters are absent."""
        found: dict[str, Any] = {}
        for component in self._components:
            number, place = divmod(number, component.ends[-1])
            case = bisect_right(component.ends, place)
            place -= component.ends[case - 1] if case else 0
            for name, group in component.cases[case].items():
                place, level = divmod(place, len(group.levels))
                found[name] = group.levels[level]
        return {name: found[name] for name in self._names if name in found}

    def number(self, configuration: Mapping[str, Any]) -> int:
        """Return the number of a configuration of this grid: the inverse of ``configuration``."""
        number = 0
        for component in reversed(self._components):
            case = next(i for i, groups in enumerate(component.cases) if _contains(groups, component, configuration))
            place = 0
            for name, group in reversed(component.cases[case].items()):
                place = place * len(group.levels) + group.levels.index(configuration[name])
            place += component.ends[case - 1] if case else 0
            number = number * component.ends[-1] + place
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
        for name in _ordered(variants):
            for variant in variants[name]:
                if all(other in found and found[other] in levels for other, levels in variant.conditions):
                    found[name] = variant.default
                    break
        return {name: found[name] for name in self._names if name in found}


def _ordered(variants: Mapping[str, Sequence[Variant]]) -> list[str]:
    """All names, each after those that its conditions name."""
    graph = {name: sorted({other for one in variants[name] for other, _ in one.conditions}) for name in variants}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise SettingError(f"conditions go in a circle: {circle}; remove one of these when().") from None


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
        upon = [condition for condition in conditions if condition[0] == name]
        groups[name] = []
        for place, variant in enumerate(several):
            alike: dict[frozenset[Condition], list[Any]] = {}
            for level in variant.levels:
                alike.setdefault(frozenset(each for each in upon if level in each[1]), []).append(level)
            groups[name].append([Group(place, tuple(levels), fulfils) for fulfils, levels in alike.items()])
    return groups


def _component(
    names: Sequence[str], variants: Mapping[str, Sequence[Variant]], groups: Mapping[str, list[list[Group]]]
) -> Component:
    cases: list[tuple[dict[str, Group], frozenset[Condition]]] = [({}, frozenset())]
    for name in names:
        longer = []
        for case, fulfilled in cases:
            active = [place for place, one in enumerate(variants[name]) if one.conditions <= fulfilled]
            if not active:
                longer.append((case, fulfilled))
            for group in groups[name][active[0]] if active else ():
                longer.append(({**case, name: group}, fulfilled | group.fulfils))
        cases = longer
        _check_reached(name, {case[name].variant for case, _ in cases if name in case}, variants[name])
        if len(cases) > MOST_CASES:
            raise SettingError(f"the conditions on {', '.join(names)} give more than {MOST_CASES:,} cases: use fewer.")
    sizes = (prod(len(group.levels) for group in case.values()) for case, _ in cases)
    return Component(tuple(case for case, _ in cases), tuple(accumulate(sizes)))


def _check_reached(name: str, reached: set[int], variants: Sequence[Variant]) -> None:
    for place, variant in enumerate(variants):
        if place not in reached:
            shown = "; ".join(f"{other} in {sorted(levels, key=repr)}" for other, levels in sorted(variant.conditions))
            raise SettingError(
                f"{name}: domain {place + 1} of {len(variants)} is never used, as its conditions ({shown or 'none'}) "
                "never hold together or an earlier domain always applies: remove it, or change them."
            )


def _contains(case: Mapping[str, Group], component: Component, configuration: Mapping[str, Any]) -> bool:
    names = {name for each in component.cases for name in each}
    return all(
        configuration[name] in case[name].levels
        if name in case and name in configuration
        else (name in case) == (name in configuration)
        for name in names
    )
