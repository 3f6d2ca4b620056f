"""Suggests the correct argument name if an entry point is called with an unknown argument."""

import functools
import inspect
from collections.abc import Callable, Collection, Iterable
from typing import ParamSpec, TypeVar

from ash._utils.checks import near_names
from ash.errors import UnknownArgumentError

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

SYNONYMS = (
    {"seed", "random_state", "random_seed"},
    {"metric", "scoring", "eval_metric"},
    {"threads", "n_jobs", "n_threads", "num_threads", "nthread", "thread_count", "max_concurrent_trials"},
    {"progress", "verbose", "verbosity", "show_progress_bar"},
    {"candidates", "n_candidates", "n_iter", "n_trials", "num_samples", "n_samples", "max_trials"},
    {"time_limit", "timeout", "time_budget", "time_budget_s", "max_time", "max_runtime_secs", "seconds"},
    {"space", "param_distributions", "param_grid", "search_space", "param_space", "params"},
    {"validation", "validation_fraction", "test_size", "eval_set", "validation_data", "X_val"},
    {"cv", "folds", "n_splits", "n_folds"},
    {"sample_weight", "weights", "weight"},
    {"task", "problem_type", "objective"},
    {"callbacks", "callback"},
    {"journal", "storage", "checkpoint", "checkpoint_dir"},
    {"executor", "client", "pool", "cluster"},
    {"train", "func", "function", "objective", "trainable"},
    {"first", "points_to_evaluate", "enqueue", "initial_params"},
    {"eta", "factor", "reduction_factor"},
    {"min_epochs", "min_resource", "min_resources", "min_budget", "min_iter", "grace_period"},
    {"max_epochs", "max_resource", "max_resources", "max_budget", "max_iter", "max_t"},
    {"stop_score", "target", "stop_at", "target_score"},
    {"job_limit", "job_timeout", "trial_timeout"},
    {"ensemble", "ensemble_size"},
    {"direction", "mode"},
    {"sampler", "search_alg"},
    {"error", "catch"},
    {"levels", "step"},
)
"""Sets of names that other libraries, or other entry points of ash, use for the same argument."""
PRUNES = "leave it out: the ladder prunes, since it promotes only the best 1/eta of each rung"
NOTES = {
    "pruner": PRUNES,
    "scheduler": PRUNES,
    "max_epochs": "the epochs of the last rung follow from min_epochs, eta and max_rungs",
    "log": "for a logarithmic scale use ash.loguniform(low, high)",
}
"""Hints for unknown arguments that have no counterpart in the called function."""


def explained(fields: Collection[str] = ()) -> Callable[[Callable[Given, Answer]], Callable[Given, Answer]]:
    """Return a decorator; the function then raises UnknownArgumentError with a suggestion for an unknown argument.

    `fields` are the names of the fields of the function's argument `config`, if it has this argument.
    """

    def decorate(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
        names = tuple(name for name in inspect.signature(function).parameters if name != "self")

        @functools.wraps(function)
        def call(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
            for name in kwargs:
                if name not in names:
                    what = type(args[0]).__name__ if function.__name__ == "__init__" else function.__name__
                    raise UnknownArgumentError(f"{what} has no argument {name!r}; {_hint(name, names, fields)}")
            return function(*args, **kwargs)

        return call

    return decorate


def synonyms(name: str, names: Iterable[str]) -> list[str]:
    """Return those of `names` that mean the same argument as `name`, which may be one of them."""
    return sorted({name}.union(*(group for group in SYNONYMS if name in group)).intersection(names))


def _hint(name: str, names: Collection[str], fields: Collection[str]) -> str:
    """Return a hint that suggests what to pass instead of an unknown argument."""
    for known, text in ((names, "did you mean {}?"), (fields, "pass config=ash.SearchConfig({}=...)")):
        if found := synonyms(name, known):
            return text.format(found[0])
    for one in synonyms(name, NOTES):
        return NOTES[one]
    for known, text in ((names, "did you mean {}?"), (fields, "did you mean config=ash.SearchConfig({}=...)?")):
        if close := near_names(name, known, 1, 0.75):
            return text.format(close[0])
    return f"it has {', '.join(names)}{'; other options are fields of config=ash.SearchConfig(...)' if fields else ''}"
