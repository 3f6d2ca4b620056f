"""Tests sources of candidates for a function: given configurations, Sobol points, Optuna samplers."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from scipy import stats

import ash
import needs
from ash.space.domains import encode
from config_help import configured
from fault_help import small_space
from function_help import FAILURES, SPACE, cost, run, train, wait


def test_given_configurations_come_first_and_only_once() -> None:
    known = [{"x": 0.3, "depth": 1, "kind": None}, {"x": 0.30003, "depth": 1, "kind": "a"}]
    result = run(n_jobs=1, first=[*known, known[0]], sampler="random")
    assert list(result.params[:2]) == known and result.best_candidate in (0, 1)
    drawn = [params for params in run(n_jobs=1, sampler="random").params if params not in known]
    assert list(result.params[2:]) == drawn[:38]
    endless = run(n_jobs=1, first=known, candidates=None, max_total_epochs=200)
    assert list(endless.params[:2]) == known
    small = {"x": [0.1, 0.2], "depth": 1}
    with pytest.warns(UserWarning, match="candidates=.* exceeds the 2 configurations"):
        both = ash.tune_function(train, small, candidates=9, first=[{"x": 0.2, "depth": 1}], n_jobs=1)
    assert [params["x"] for params in both.params] == [0.2, 0.1]


@pytest.mark.parametrize("kind", ["result", "text", "path", "journal"])
def test_the_best_candidates_of_an_earlier_run_come_first(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    earlier = run(n_jobs=1, journal=path)
    first = {"result": earlier, "text": str(path), "path": path, "journal": ash.Journal(path)}[kind]
    best = [row["params"] for row in sorted(earlier.candidates, key=lambda row: (-row["score"], row["candidate"]))]
    result = run(n_jobs=1, first=first, random_state=9, candidates=20)
    assert list(result.params[:10]) == best[:10]
    assert list(run(n_jobs=1, first=first, candidates=3).params) == best[:3]
    endless = run(n_jobs=1, first=first, candidates=None, max_total_epochs=40)
    assert list(endless.params[:10]) == best[:10]


def test_configurations_outside_the_space_are_left_out(tmp_path: Path) -> None:
    earlier = run(n_jobs=1, sampler="random")
    best = [row["params"] for row in sorted(earlier.candidates, key=lambda row: (-row["score"], row["candidate"]))]
    space = {**SPACE, "depth": [2, 3]}
    with pytest.warns(UserWarning, match=r"first: \d of the 10 best configurations .* for example: depth=1 is not in"):
        result = ash.tune_function(train, space, first=earlier, candidates=20, n_jobs=1, verbose=0)
    assert list(result.params[:10]) == [params for params in best if params["depth"] > 1][:10]
    with pytest.warns(UserWarning, match="are left out, for example: '[a-z]+' is not in the space"):
        other = ash.tune_function(
            lambda params, epochs, state: 1.0, {"y": [1, 2]}, candidates=2, first=earlier, n_jobs=1
        )
    assert len(other.params) == 2


def study_of(direction: str = "maximize") -> Any:
    """Return a study with trials in each state. Completed trials have the value x, and pruned trials higher values."""
    import optuna

    study = optuna.create_study(direction=direction)
    states = optuna.trial.TrialState
    spans = {
        "x": optuna.distributions.FloatDistribution(0, 9),
        "depth": optuna.distributions.IntDistribution(1, 9),
        "kind": optuna.distributions.CategoricalDistribution(["a", "b", None]),
    }

    def add(value: float | None, state: Any, **params: Any) -> None:
        known = {name: spans[name] for name in params}
        study.add_trial(optuna.create_trial(value=value, params=params, distributions=known, state=state))

    for x in (0.5, 0.25, 0.75):
        add(x, states.COMPLETE, x=x, depth=2, kind=None)
    add(9.0, states.PRUNED, x=0.9, depth=1, kind="a")
    add(None, states.PRUNED, x=0.1, depth=1, kind="a")
    add(None, states.FAIL, x=0.2, depth=1, kind="a")
    add(None, states.RUNNING, x=0.3, depth=1, kind="a")
    return study


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_best_trials_of_a_study_come_first(direction: str) -> None:
    """Check that pruned trials come last, even if their values are the highest."""
    result = run(n_jobs=1, first=study_of(direction))
    best = [0.25, 0.5, 0.75] if direction == "minimize" else [0.75, 0.5, 0.25]
    assert [params["x"] for params in result.params[:4]] == [*best, 0.9]
    assert result.params[4] == run(n_jobs=1).params[0], "then the draw"
    assert [params["x"] for params in run(n_jobs=1, first=study_of(direction), candidates=2).params] == best[:2]


def test_parameters_of_a_study_outside_the_space_are_left_out() -> None:
    study = study_of()
    with pytest.warns(UserWarning, match="first: 1 parameters of the study are not in this space .*: kind"):
        result = ash.tune_function(
            train, {"x": ash.uniform(0, 1), "depth": [2, 1]}, candidates=8, first=study, n_jobs=1
        )
    assert result.params[0] == {"x": 0.75, "depth": 2}
    with pytest.warns(UserWarning, match="first: 1 of the 4 best configurations .* for example: depth=1 is not in"):
        result = ash.tune_function(train, {**SPACE, "depth": [2, 3]}, candidates=8, first=study, n_jobs=1)
    assert [params["x"] for params in result.params[:3]] == [0.75, 0.5, 0.25]


def test_hyperparameters_that_an_earlier_run_lacks_get_their_defaults(tmp_path: Path) -> None:
    path, small = tmp_path / "run.ash", {"x": ash.uniform(0, 1), "kind": ["a", "b"]}
    later = {**small, "wide": ash.integers(1, 9).when(kind="a"), "deep": [True, False], "fixed": 3}
    earlier = ash.tune_function(lambda params, _, __: params["x"], small, candidates=30, n_jobs=1, journal=path)
    best = sorted(earlier.candidates, key=lambda row: (-row["score"], row["candidate"]))[:10]
    assert {row["params"]["kind"] for row in best} == {"a", "b"}
    for first in (earlier, path, earlier.to_optuna(pruned=False)):
        with pytest.warns(UserWarning, match="^first: the earlier run lacks deep, wide; the default is used$") as told:
            result = ash.tune_function(lambda *_: 1.0, later, candidates=10, first=first, n_jobs=1)
        assert len(told) == 1
        for row, params in zip(best, result.params, strict=True):
            own = {"wide": 5} if row["params"]["kind"] == "a" else {}
            assert params == {**row["params"], **own, "deep": True, "fixed": 3}
    with pytest.raises(ash.SettingError, match=r"first\[0\]: (wide|deep) is missing"):
        ash.tune_function(lambda *_: 1.0, later, candidates=10, first=[earlier.best_params])


def test_a_study_without_fixed_values_and_tuples_can_be_an_earlier_run() -> None:
    space = {"x": ash.uniform(0, 1), "depth": 2, "shape": [(1, 2), (3,)]}
    earlier = ash.tune_function(train, space, candidates=8, n_jobs=1)
    later = ash.tune_function(train, space, candidates=8, n_jobs=1, first=earlier.to_optuna(), random_state=5)
    assert later.params[0] == earlier.best_params and set(later.params[0]) == {"x", "depth", "shape"}


def test_unusable_studies_are_refused() -> None:
    import optuna

    with pytest.raises(ash.SettingError, match="first must be a study with one objective, got 2 objectives: pass"):
        run(first=optuna.create_study(directions=["maximize", "minimize"]))
    with pytest.raises(ash.SettingError, match=r"first=.* has no configuration with a score"):
        run(first=optuna.create_study())


def test_a_run_of_networks_can_be_an_earlier_run(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    space = small_space(hidden=ash.choice((2,), ()))
    X, y = [[0.0], [1.0]] * 20, [0, 1, 1, 0] * 10
    result = ash.tune(X, y, space, candidates=2, journal=path, verbose=0, validation=0.2)
    domains = {name: [params[name] for params in result.params] for name in result.params[0]}
    for first in (path, result):
        found = ash.tune_function(lambda params, epochs, state: 1.0, domains, candidates=2, first=first, n_jobs=1)
        assert found.params[0] == result.best_params


NO_EARLIER: dict[str, tuple[str | None, str]] = {
    "missing": (None, "is not a file: give the path of a journal"),
    "other": ("something else, long enough to be no database", "is damaged|no journal|not a database"),
    "empty": ("", "is empty: no run has written to it yet"),
}


@pytest.mark.parametrize("name", NO_EARLIER, ids=lambda name: f"F64-{name}")
def test_files_that_are_not_journals_are_refused(name: str, tmp_path: Path) -> None:
    content, message = NO_EARLIER[name]
    path = tmp_path / "run.ash"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ash.SettingError, match=rf"first=.*run\.ash.* cannot be read: .*({message})"):
        run(first=path)


@pytest.mark.filterwarnings(*FAILURES)
def test_an_earlier_run_without_a_score_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.ash"
    with pytest.raises(ash.AllFailedError):
        run(lambda params, epochs, state: math.nan, n_jobs=1, journal=path)
    with pytest.raises(ash.SettingError, match=r"first=PosixPath\('.*"):
        run(first=path)


CONDITIONAL = ash.FunctionSpace(model=["tree", "linear"], depth=ash.integers(1, 9).when(model="tree"))
OUTSIDE: dict[str, tuple[Any, str]] = {
    "F45-no-dict": ([3], r"first\[0\]: a configuration must be a dict of hyperparameters, got 3"),
    "F45-no-list": (
        {"model": "linear"},
        "first must be a list of dicts of hyperparameters, an earlier result, the path",
    ),
    "F45-unknown": ([{"model": "linear", "dept": 3}], r"'dept' is not in the space; did you mean one of depth\?"),
    "F45-missing": ([{"model": "tree"}], "depth is missing"),
    "F45-does-not-apply": ([{"model": "linear", "depth": 3}], "depth=3 does not apply"),
    "F45-out-of-range": (
        [{"model": "linear"}, {"model": "tree", "depth": 10}],
        r"first\[1\]: depth=10 is not in the space",
    ),
    "F45-no-level": ([{"model": "forest"}], "model='forest' is not in the space"),
    "F45-nan": ([{"model": "tree", "depth": float("nan")}], "a number must be finite"),
    "F45-too-many": (
        [{"model": "tree", "depth": depth} for depth in range(1, 9)],
        "8 configurations, more than candidates=4",
    ),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_given_configurations_must_be_in_the_space(name: str) -> None:
    first, message = OUTSIDE[name]
    with pytest.raises(ash.SettingError, match=message):
        ash.tune_function(train, CONDITIONAL, candidates=4, first=first)


FOREIGN: dict[str, tuple[Any, Any]] = {
    "list": ([1, "a", None, [2, 3]], ash.choice(1, "a", None, (2, 3))),
    "uniform": (stats.uniform(1, 2), ash.uniform(1, 3)),
    "loguniform": (stats.loguniform(1e-3, 10), ash.loguniform(1e-3, 10)),
    "randint": (stats.randint(2, 9), ash.integers(2, 8)),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_lists_and_frozen_distributions_are_domains(name: str) -> None:
    given, expected = FOREIGN[name]
    assert ash.FunctionSpace(x=given).domains["x"][0].levels == expected.levels


def test_other_distributions_become_levels_at_their_quantiles() -> None:
    normal = ash.FunctionSpace(x=stats.norm(5, 2)).domains["x"][0]
    levels = normal.levels
    assert len(levels) == 1001 and levels[500] == normal.default == 5.0
    assert stats.norm(5, 2).cdf(levels[0]) == pytest.approx(0.5 / 1001)
    assert type(levels[0]) is float and ash.FunctionSpace(x=stats.norm(5, 2)).read({"x": 4.321})[1] is False
    counts = ash.FunctionSpace(x=stats.poisson(3)).domains["x"][0]
    assert set(counts.levels) <= set(range(12)) and counts.default == 3 and type(counts.levels[0]) is int


def test_a_shifted_loguniform_distribution_has_levels_at_its_quantiles() -> None:
    shifted = stats.loguniform(1e-3, 1, loc=1)
    domain = ash.FunctionSpace(x=shifted).domains["x"][0]
    assert len(domain.levels) == 1001 and domain.default == pytest.approx(shifted.median())


def test_optuna_distributions_are_domains() -> None:
    import optuna

    of = optuna.distributions
    space = ash.FunctionSpace(
        rate=of.FloatDistribution(1e-3, 1, log=True),
        part=of.FloatDistribution(0, 1, step=0.25),
        trees=of.IntDistribution(10, 50, step=20),
        wide=of.IntDistribution(1, 100, log=True),
        kind=of.CategoricalDistribution(["a", None]),
    )
    levels = {name: domain.levels for name, (domain,) in space.domains.items()}
    assert levels["rate"] == ash.loguniform(1e-3, 1).levels and levels["part"] == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert levels["trees"] == (10, 30, 50) and levels["kind"] == ("a", None)
    assert space.domains["wide"] == (ash.integers(1, 100, log=True),)
    fine = ash.FunctionSpace(x=of.FloatDistribution(0, 1, step=1e-7)).domains["x"][0]
    assert fine == ash.uniform(0, 1), "so many values are not listed"


UNKNOWN: dict[str, tuple[Any, str]] = {
    "not frozen": (stats.uniform, "x=.*: a distribution without its parameters; give a frozen one"),
    "several": (stats.norm([1, 2], 1), "x=.*: a distribution of several numbers"),
    "without bounds": (stats.uniform(0, math.inf), "x=.*: .*both bounds must be finite"),
    "empty": ([], r"x=\[\]: it is empty; give at least one value"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unsupported_distributions_are_refused(name: str) -> None:
    given, message = UNKNOWN[name]
    for kind in (ash.FunctionSpace, ash.Space):
        with pytest.raises(ash.SettingError, match=message.replace("x=", "(x|l2)=")):
            kind(**{"x" if kind is ash.FunctionSpace else "l2": given})


def test_networks_accept_the_same_domains() -> None:
    import optuna

    space = ash.Space(
        l2=stats.loguniform(1e-6, 1e-2),
        dropout=optuna.distributions.FloatDistribution(0, 0.5),
        batch_size=stats.randint(16, 65),
        hidden=optuna.distributions.IntDistribution(8, 64, step=8),
        optimizer=["sgd", "adamw"],
        momentum=[ash.uniform(0, 0.9).when(optimizer="sgd"), stats.beta(2, 5)],
    )
    levels = {name: domains[0].levels for name, domains in space.domains.items()}
    assert levels["l2"] == ash.loguniform(1e-6, 1e-2).levels and levels["dropout"] == ash.uniform(0, 0.5).levels
    assert levels["batch_size"] == tuple(range(16, 65)) and levels["hidden"][:2] == ((8,), (16,))
    assert len(space.domains["momentum"]) == 2


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_no_more_candidates_are_drawn_than_are_soon_needed(sampler: str) -> None:
    given = {"config": ash.SearchConfig(max_total_epochs=600), "n_jobs": 1, "sampler": sampler, "random_state": 1}
    space = {"x": ash.uniform(0, 1), "depth": [1, 2], "y": ash.uniform(0, 1)}
    more, fewer = (ash.tune_function(train, space, candidates=count, **given) for count in (10**6, 5000))
    begun = {job.candidate for job in more.jobs}
    assert max(begun) < len(more.params) <= max(begun) + 256
    assert list(more.params) == list(fewer.params)


def test_sobol_points_are_spread_out_and_unique() -> None:
    space = {"x": ash.uniform(0, 1), "y": ash.uniform(0, 1, levels=64), "depth": 1}
    found = ash.tune_function(train, space, candidates=257, sampler="sobol", n_jobs=1, random_state=1, verbose=0).params
    assert len({tuple(params.values()) for params in found}) == 257 and found[0] == ash.FunctionSpace(**space).default
    cells = {(int(params["x"] * 7.99), int(params["y"] * 7.99)) for params in found}
    assert len(cells) == 64  # all 8 x 8 cells; random draws sometimes miss a cell
    small = ash.tune_function(train, {"x": [1, 2, 3], "depth": [1, 2]}, candidates=6, sampler="sobol", n_jobs=1)
    assert len(small.params) == 6


FIRST = {"kind": "linear", "depth": 2, "x": 0.3}
TREE = {
    "kind": ["tree", "linear"],
    "depth": [ash.integers(1, 9).when(kind="tree"), ash.integers(1, 3)],
    "x": [ash.uniform(0, 1).when(kind="tree"), ash.loguniform(1e-3, 1)],
}


@pytest.mark.parametrize("name", ["TPESampler", "RandomSampler", "GPSampler", "CmaEsSampler"])
def test_optuna_samplers_are_told_results_in_virtual_time(name: str) -> None:
    import optuna

    if name == "GPSampler":
        needs.package("torch")

    def found(threads: int) -> ash.FunctionResult:
        sampler = getattr(optuna.samplers, name)(seed=0)
        settings = {"sampler": sampler, "costs": cost, "virtual_workers": 4, "n_jobs": threads, "verbose": 0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # samplers warn if they draw conditional parameters independently
            return ash.tune_function(wait, TREE, candidates=24, first=[FIRST], **configured(settings))

    one, two = found(1), found(2)
    assert one.digest == two.digest and len(one.params) == 24
    assert one.params[0] == FIRST
    assert len({params["x"] for params in one.params}) > 12


ONE: dict[str, Any] = {"config": ash.SearchConfig(virtual_workers=1)}
"""One virtual worker, so that each candidate is drawn after the results of all earlier ones."""
SMALL: dict[str, Any] = {"x": [0.1, 0.2, 0.3], "depth": ash.integers(1, 2), "kind": "a"}


class Told:
    """A sampler that records the results of its trials in `told`."""

    def __new__(cls, told: list[Any]) -> Any:
        import optuna

        class Sampler(optuna.samplers.RandomSampler):  # type: ignore[misc]
            def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
                told.append((tuple(trial.params.values()), state.name, values))

        return Sampler(seed=0)


def test_no_configuration_of_a_sampler_runs_twice() -> None:
    told: list[Any] = []
    first = [{"x": 0.2, "depth": 2, "kind": "a"}]
    with pytest.warns(UserWarning, match="candidates=20 exceeds the 6 configurations of the space"):
        result = ash.tune_function(train, SMALL, candidates=20, sampler=Told(told), first=first, n_jobs=1, **ONE)
    assert len({*map(str, result.params)}) == len(result.params) == 6 and result.ended == "finished"
    assert len(told) > 6
    for _, state, (share,) in told:  # the sampler's proposals, new or repeated
        assert state == "COMPLETE" and share in {number / count for count in range(1, 7) for number in range(1, 7)}


def test_a_run_works_on_a_copy_of_the_sampler() -> None:
    import optuna

    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=3)
    first = run(n_jobs=1, sampler=sampler)
    assert run(n_jobs=1, sampler=sampler).digest == first.digest
    assert run(n_jobs=1, sampler=sampler, record=first.record).record == first.record
    sampler.lock = Lock()
    with pytest.raises(ash.SettingError, match=r"cannot be copied .*: pass a sampler that copy\.deepcopy accepts"):
        run(n_jobs=1, sampler=sampler)


@pytest.mark.filterwarnings("ignore:PartialFixedSampler is experimental")
@pytest.mark.parametrize("limit", [{"candidates": 15}, {"candidates": None, "max_total_epochs": 40}], ids=str)
def test_random_draws_replace_repetitions_by_a_sampler(limit: dict[str, Any]) -> None:
    """Use a sampler that always proposes one configuration, so all later configurations are drawn at random."""
    import optuna

    def sampler() -> Any:
        return optuna.samplers.PartialFixedSampler({"x": 0.5, "depth": 3}, optuna.samplers.RandomSampler(seed=0))

    space = {"x": ash.uniform(0, 1, levels=5), "depth": ash.integers(1, 3)}
    settings = configured({"random_state": 3, "n_jobs": 1, "verbose": 0, "virtual_workers": 1, **limit})
    result = ash.tune_function(train, space, sampler=sampler(), **settings)
    drawn = ash.FunctionSpace(**space).sample(15, random_state=3)
    assert result.params[0] == {"x": 0.5, "depth": 3}
    others = [params for params in drawn if params != result.params[0]]
    assert len(result.params) > 5 and list(result.params[1:]) == others[: len(result.params) - 1]


def test_a_run_with_a_sampler_that_repeats_itself_is_resumed(tmp_path: Path) -> None:
    import optuna

    def found(candidates: int, journal: Path | None) -> ash.FunctionResult:
        sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=3)
        settings = {"candidates": candidates, "costs": cost, "n_jobs": 1, "journal": journal, "virtual_workers": 2}
        space = {"x": [0.1, 0.2, 0.3, 0.4], "depth": [1, 2, 3]}
        return ash.tune_function(train, space, sampler=sampler, **configured(settings))

    path = tmp_path / "run.ash"
    found(5, path)
    assert found(12, path).digest == found(12, None).digest
    assert len({*map(str, found(12, path).params)}) == 12


def in_epochs(params: dict[str, Any], epochs: int) -> float:
    return epochs


class Watched:
    """An Optuna sampler that records, at each request, the completed trials that it sees."""

    def __new__(cls, seen: list[Any]) -> Any:
        import optuna

        class Sampler(optuna.samplers.RandomSampler):
            def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
                done = (optuna.trial.TrialState.COMPLETE,)
                seen.append([(each.params, each.value) for each in study.get_trials(deepcopy=False, states=done)])
                return {}

        return Sampler(seed=0)


def ranked(jobs: Sequence[Any], params: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], float]]:
    """Return the parameters and the rank of each trial that a sampler should see after these jobs.

    The rank is the share of trials whose rung and score are no higher.
    """
    # a candidate's later jobs replace its earlier ones, which are from lower rungs
    reached = {job.candidate: (job.rung, job.score) for job in jobs if not job.diverged}
    share = {key: sum(other <= own for other in reached.values()) / len(reached) for key, own in reached.items()}
    return [(params[candidate], share[candidate]) for candidate in sorted(share)]


@pytest.mark.filterwarnings(*FAILURES)
@pytest.mark.parametrize("schedule", [{"costs": in_epochs, "virtual_workers": 1}, {"schedule": "greedy"}])
def test_a_sampler_is_told_the_rank_of_each_candidate_in_its_highest_rung(schedule: dict[str, Any]) -> None:
    seen: list[Any] = []

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        if params["x"] > 0.9 and epochs > 1:
            raise ValueError("too far")
        # the more epochs a job has, the lower is its score, so higher rungs have lower scores
        return (params["x"] if epochs == 1 else -params["x"]) + params["kind"] - 10 * epochs

    space = {"x": ash.uniform(0, 1), "kind": [1, 2, 3]}
    settings = {"sampler": Watched(seen), "n_jobs": 1, "verbose": 0, **schedule}
    result = ash.tune_function(function, space, candidates=30, **configured(settings))
    assert len(seen) == 30 and max(job.rung for job in result.jobs) > 2 and result.failures
    order = [(job.candidate, job.rung) for job in result.jobs]
    told = 0
    for number, trials in enumerate(seen):  # candidates are drawn up to three jobs before they start
        begun = order.index((number, 0))
        told = next(count for count in range(told, begun + 1) if trials == ranked(result.jobs[:count], result.params))
        assert told >= begun - 3


def test_first_configurations_are_ranked_with_the_others() -> None:
    seen: list[Any] = []
    first = [{"x": 0.5, "kind": 2}, {"x": 0.25, "kind": 1}]

    def function(params: dict[str, Any], epochs: int, state: Any) -> float:
        return float(params["x"])

    space = {"x": ash.uniform(0, 1), "kind": [1, 2, 3]}
    settings = {"sampler": Watched(seen), "first": first, "n_jobs": 1, "costs": in_epochs}
    result = ash.tune_function(function, space, candidates=6, **settings, config=ash.SearchConfig(virtual_workers=1))
    assert list(result.params[:2]) == first
    assert seen[0] == [(first[0], 1.0), (first[1], 0.5)]


@pytest.mark.parametrize(
    ("levels", "seen"),
    [
        (["a", None, 3, True], {"a", None, 3, True}),
        ([(64, 32), (16,)], {"(64, 32)", "(16,)"}),
        ([1, True, 1.0], {"int 1", "bool True", "float 1.0"}),
    ],
)
def test_samplers_see_the_original_options(levels: list[Any], seen: set[Any]) -> None:
    asked: list[Any] = []
    space = {"kind": levels, "x": ash.uniform(0, 1)}
    result = ash.tune_function(
        lambda params, epochs, state: 0.0, space, candidates=20, sampler=Watched(asked), n_jobs=1, **ONE
    )
    assert {params["kind"] for trials in asked for params, _ in trials} == seen
    assert {encode(params["kind"]) for params in result.params} == set(map(encode, levels))


def test_samplers_may_fix_or_enumerate_options() -> None:
    import optuna

    space = {"x": ash.uniform(0, 1), "kind": ["a", "b"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        fixed = optuna.samplers.PartialFixedSampler({"kind": "b"}, optuna.samplers.RandomSampler(seed=0))
    found = ash.tune_function(lambda params, epochs, state: params["x"], space, candidates=8, sampler=fixed, n_jobs=1)
    assert {params["kind"] for params in found.params} == {"b"}
    grid = optuna.samplers.GridSampler({"kind": ["a", "b"], "x": [0.25, 0.75]}, seed=0)
    found = ash.tune_function(lambda params, epochs, state: params["x"], space, candidates=6, sampler=grid, n_jobs=1)
    points = [(params["kind"], params["x"]) for params in found.params]
    assert set(points[:4]) == {(kind, x) for kind in "ab" for x in (0.25, 0.75)}
    drawn = [(params["kind"], params["x"]) for params in ash.FunctionSpace(**space).sample(2)]
    assert points[4:] == drawn and found.ended == "finished"  # the run continues after the sampler has ended


def test_optuna_logs_nothing_with_a_sampler(capfd: pytest.CaptureFixture[str]) -> None:
    import optuna

    sampler = optuna.samplers.TPESampler(seed=0)
    ash.tune_function(
        lambda params, epochs, state: params["x"], {"x": ash.uniform(0, 1)}, candidates=16, sampler=sampler
    )
    assert capfd.readouterr() == ("", "")
