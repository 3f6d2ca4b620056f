"""Which parameters of `fit` go to the estimator, to the scorer and to the splitter.

With metadata routing (`sklearn.set_config(enable_metadata_routing=True)`) each gets what it has requested. Without it
`groups` are the splitter's, all others the estimator's; `sample_weight` also goes to scorers that take it, as in
scikit-learn from 1.9 on: what is trained by weights is scored by them.
"""

from typing import Any, NamedTuple

from sklearn import get_config
from sklearn.utils.metadata_routing import process_routing

from ash.sklearn.search.search_scorers import accepts_weights


class Routed(NamedTuple):
    """The parameters of each."""

    fit: dict[str, Any]
    score: dict[str, Any]
    split: dict[str, Any]


def is_on() -> bool:
    """Return whether metadata routing is."""
    return bool(get_config()["enable_metadata_routing"])


def routed(search: Any, scorer: Any, params: dict[str, Any]) -> Routed:
    """Return the parameters of the `fit` of a search, those that are None left out."""
    params = {name: value for name, value in params.items() if value is not None}
    if is_on():
        found = process_routing(search, "fit", **params)
        return Routed(dict(found.estimator.fit), dict(found.scorer.score), dict(found.splitter.split))
    groups = params.pop("groups", None)
    weights = params.get("sample_weight")
    weighed = weights is not None and accepts_weights(scorer, search.estimator)
    return Routed(params, {"sample_weight": weights} if weighed else {}, {} if groups is None else {"groups": groups})
