"""Tests that a kind of column is one object: one that is added to the table works, and one that is not is an error."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ash
from ash.data.columns import Column
from ash.encoding.kinds import KINDS, ColumnKind, ColumnSchema, Feature, kind_named, texts_of

pytestmark = pytest.mark.core


class LengthKind(ColumnKind):
    """Text whose cells begin with "#" and tell something by their length alone."""

    reads = "category"
    unexported = "tags, which are only a sample"

    def fits(self, column: Column, counts: Mapping[str | None, int]) -> bool:
        return all(cell is None or cell.startswith("#") for cell in counts)

    def learn(self, column: Column, levels: tuple[str, ...], has_gap: bool) -> dict[str, Any]:
        return {}

    def features(self, column: ColumnSchema, name: str, statistics: Sequence[str]) -> list[Feature]:
        return [(f"{name}: length", True)]

    def read(self, column: ColumnSchema, given: Column, rows: slice, unknown: Any) -> Any:
        return [len(text or "") for text in texts_of(given, rows)]

    def put(self, block: Any, column: ColumnSchema, cells: Any, statistics: Any, learned: Any) -> None:
        block[:, 0] = cells

    def reason(self, column: ColumnSchema) -> str:
        return "its length"


def test_a_kind_is_added_by_one_object(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(KINDS, "length", LengthKind())
    random = np.random.default_rng(0)
    lengths = random.integers(1, 30, 300)
    X = pd.DataFrame({"tag": ["#" + "".join(random.choice(list("ab"), each)) for each in lengths]})
    y = (lengths > 15).astype(int)
    assert [(column.kind, column.why) for column in ash.describe(X, y).columns] == [("length", "its length")]
    found = ash.ASHClassifier(candidates=4, n_jobs=1, random_state=0, verbose=0).fit(X[:200], y[:200])
    assert found.model_.encoding.names == ("tag: length",)
    assert found.score(X[200:], y[200:]) > 0.9
    found.model_.save(tmp_path / "model")
    assert np.array_equal(ash.load(tmp_path / "model").predict_proba(X), found.predict_proba(X))
    with pytest.raises(ash.SettingError, match=r"'tag'\) holds tags, which are only a sample"):
        found.model_.to_onnx(tmp_path / "model.onnx")
    monkeypatch.delitem(KINDS, "length")
    with pytest.raises(ash.ModelFormatError, match="unknown kind: 'length'"):
        ash.load(tmp_path / "model")


def test_an_unknown_kind_is_an_error_that_names_it() -> None:
    with pytest.raises(ash.DataError, match="unknown kind: 'sound'; the kinds are number, category, date, text"):
        kind_named("sound")
    with pytest.raises(ash.DataError, match="'sound'"):
        _ = ColumnSchema("sound", "object").reads
