"""Tests times with a time zone: parts of a date are those of its own clock, and models refuse times of other kinds."""

import datetime
import pickle
import zoneinfo
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from numpy.typing import NDArray

import ash
from ash.data.dates import ANY_ZONE, OWN, OwnOffsets, zone_from_json, zone_named
from ash.data.files import read_file
from ash.data.frames import Frame, read_frame, spelled_frame
from ash.encoding.encoding import Encoding
from ash.encoding.schema import Schema, learn_schema, schema_from_json
from ash.errors import DataError, SettingError

ROWS = 400
RANDOM = np.random.default_rng(0)
INSTANTS = pd.Series(
    pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(RANDOM.integers(0, 2 * 365 * 24, ROWS), "h")
)
NEW_YORK = INSTANTS.dt.tz_convert("America/New_York")


def features(given: Any, schema: Schema | None = None) -> tuple[NDArray[np.float64], tuple[str, ...], Schema]:
    """Return the features of a table with one column, their names, and the schema, which is learned if not given."""
    frame = spelled_frame(read_frame(given))
    if schema is None:
        frame, schema = learn_schema(frame, missing="indicator")
    else:
        frame = schema.read(read_frame(given))
    encoding = Encoding(schema, (None,), ())
    return encoding.block(frame, slice(0, frame.rows)), encoding.names, schema


def hours(given: Any, schema: Schema | None = None) -> list[float]:
    block, names, _ = features(given, schema)
    return np.round(block[:, [name.endswith(": hour") for name in names]][:, 0], 6).tolist()


def sources(moments: "pd.Series[Any]") -> dict[str, Any]:
    """Return the same times with the same zone in the forms of all libraries."""
    key = str(moments.dt.tz)
    objects = [moment.to_pydatetime() for moment in moments]
    utc = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    return {
        "pandas": moments.to_frame("t"),
        "pandas with arrow": moments.astype(pd.ArrowDtype(pyarrow.timestamp("us", key))).to_frame("t"),
        "polars": polars.DataFrame({"t": utc.to_numpy()}).with_columns(
            polars.col("t").dt.replace_time_zone("UTC").dt.convert_time_zone(key)
        ),
        "arrow": pyarrow.table({"t": pyarrow.array(objects, pyarrow.timestamp("us", key))}),
        "objects": pd.DataFrame({"t": np.array(objects, object)}, dtype=object),
        "text": pd.DataFrame({"t": np.array([moment.isoformat() for moment in objects], object)}),
    }


def test_the_parts_of_a_date_are_those_of_its_own_time_zone() -> None:
    naive, names, _ = features(NEW_YORK.dt.tz_localize(None).to_frame("t"))
    for name, source in sources(NEW_YORK).items():
        block, found, _ = features(source)
        assert found == names, name
        assert np.allclose(block[:, 1:], naive[:, 1:], rtol=0, atol=1e-6), name  # all but the days
        assert np.array_equal(block[:, 0], features(INSTANTS.to_frame("t"))[0][:, 0]), name


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "Africa/Casablanca", "Australia/Lord_Howe", "Europe/Berlin"])
def test_zones_follow_the_database_across_daylight_saving(zone: str) -> None:
    seconds = np.concatenate([RANDOM.integers(-2 * 10**9, 4 * 10**9, 500), np.arange(1_711_846_000, 1_711_848_000, 50)])
    known = zoneinfo.ZoneInfo(zone)
    local = [datetime.datetime.fromtimestamp(each, known).replace(tzinfo=datetime.UTC) for each in seconds.tolist()]
    expected = np.array([round(each.timestamp()) for each in local]) / 86_400
    assert np.array_equal(zone_named(zone).local(seconds / 86_400), expected)


def test_local_midnight_is_a_whole_day_in_any_year() -> None:
    days = np.arange(-40_000, 200_000, 7) - 5.75 / 24
    assert np.array_equal(zone_named("+05:45").local(days), np.arange(-40_000, 200_000, 7))


def test_a_model_finds_nine_in_the_morning_in_new_york() -> None:
    frame, y = NEW_YORK.to_frame("t"), (NEW_YORK.dt.hour >= 9).to_numpy()
    model = ash.ASHClassifier(candidates=8, random_state=0, n_jobs=1, verbose=False).fit(frame[:300], y[:300]).model_
    assert model.score(frame[300:], y[300:]) > 0.95
    same = model.predict(frame)
    for name, source in {**sources(NEW_YORK), "utc": INSTANTS.to_frame("t")}.items():
        assert np.array_equal(model.predict(source), same), name


def test_a_trend_over_years_is_a_feature() -> None:
    names = features(NEW_YORK.to_frame("t"))[1]
    assert names[-2:] == ("t: year", "t: day of year")
    assert features(NEW_YORK[:300].to_frame("t"))[1] == names
    within = NEW_YORK[NEW_YORK.dt.year == 2024].to_frame("t")
    assert features(within)[1] == (*names[:-2], "t: day of year")


@pytest.mark.parametrize(
    "cells",
    [
        [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.datetime(2026, 1, 2)],
        [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.date(2026, 1, 2)],
        [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), None, np.datetime64("2026-01-02")],
        ["2026-01-01T10:00Z", "2026-01-02T10:00"],
        ["2026-01-01 10:00+02:00", "2026-01-02"],
    ],
)
def test_times_with_and_without_a_zone_in_one_column_are_refused(cells: list[Any]) -> None:
    frame = pd.DataFrame({"t": np.array(cells, object)}, dtype=object)
    with pytest.raises(DataError, match=r"X in column 0 \('t'\) holds times with and without a time zone"):
        spelled_frame(read_frame(frame))


def test_a_model_of_times_with_a_zone_refuses_times_without_and_vice_versa() -> None:
    berlin = INSTANTS.dt.tz_convert("Europe/Berlin")
    aware, naive = berlin.to_frame("t"), berlin.dt.tz_localize(None).to_frame("t")
    y = (berlin.dt.hour >= 12).to_numpy()
    text = naive.assign(t=naive["t"].dt.strftime("%Y-%m-%d %H:%M"))
    gaps = naive.assign(t=pd.NaT)
    of_aware = ash.tune(aware, y, candidates=2, verbose=0, validation=0.2).model
    for given in (naive, text, polars.from_pandas(naive)):
        with pytest.raises(
            DataError, match=r"without a time zone, but the model was trained on times with one \(Europe/Berlin\)"
        ):
            of_aware.predict(given)
    of_naive = ash.tune(naive, y, candidates=2, verbose=0, validation=0.2).model
    assert np.array_equal(of_naive.predict(text), of_naive.predict(naive))
    with pytest.raises(DataError, match="times with a time zone, but the model was trained on times without"):
        of_naive.predict(aware)
    assert (
        len(set(of_aware.predict(gaps)))
        == 1
        == len(set(of_naive.predict(gaps.assign(t=gaps["t"].dt.tz_localize("UTC")))))
    )
    with pytest.raises(DataError, match="without a time zone"):
        ash.tune(aware[:300], y[:300], candidates=2, verbose=0, validation=(naive[300:], y[300:]))


def test_times_with_different_offsets_keep_their_own_clocks() -> None:
    cells = np.array([f"2026-01-{1 + row % 28:02}T09:00-0{row % 6}:00" for row in range(60)], object)
    table = pd.DataFrame({"t": cells})
    assert spelled_frame(read_frame(table)).columns[0].zone == OWN  # type: ignore[attr-defined]
    _, names, schema = features(table)
    assert "t: hour" not in names and schema.columns[0].zone == OwnOffsets(-5 * 3600, 0)
    zones = [datetime.timezone(datetime.timedelta(hours=-hours)) for hours in (3, 4)]
    nine = [[datetime.datetime(2026, 2, 1, 9, tzinfo=zone)] for zone in zones]
    block = features(nine, schema)[0]
    assert np.array_equal(block[0, 1:], block[1, 1:]) and block[1, 0] - block[0, 0] == pytest.approx(1 / 24)
    with pytest.raises(
        DataError, match=r"offsets from \+05:30 to \+05:30, but training had offsets from -05:00 to UTC"
    ):
        features(pd.DataFrame({"t": ["2026-01-01T09:00+05:30"]}), schema)
    model = ash.tune(table, np.arange(60) % 6 > 2, candidates=2, verbose=0, validation=0.2).model
    with pytest.raises(SettingError, match="different offsets from UTC"):
        model.to_cpp("model.hpp")


def test_files_keep_the_clocks_of_their_times(tmp_path: Path) -> None:
    for name, source in {"a.csv": sources(NEW_YORK)["text"], "a.parquet": NEW_YORK.to_frame("t")}.items():
        path = tmp_path / name
        (source.to_csv if name == "a.csv" else source.to_parquet)(path, index=False)
        file = read_file(str(path), lambda names: dict.fromkeys(names, False))
        frame: Frame = file.frame(file.names)
        assert hours(frame) == NEW_YORK.dt.hour.tolist(), name


def test_a_zone_is_stored_with_the_model_and_needs_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y = NEW_YORK.dt.hour.to_numpy(float)
    model = ash.tune(NEW_YORK.to_frame("t"), y, candidates=2, verbose=0, validation=0.2).model
    model.save(tmp_path / "m.safetensors")
    zone_named.cache_clear()

    def none(key: str) -> zoneinfo.ZoneInfo:
        raise zoneinfo.ZoneInfoNotFoundError(key)

    monkeypatch.setattr("ash.data.dates.zoneinfo.ZoneInfo", none)
    loaded = ash.load(tmp_path / "m.safetensors")
    assert np.array_equal(loaded.predict(NEW_YORK.to_frame("t")), model.predict(NEW_YORK.to_frame("t")))
    with pytest.raises(DataError, match="'America/New_York' is not known on this machine: install the package tzdata"):
        features(NEW_YORK.to_frame("t"))


def test_models_of_earlier_versions_read_all_times_in_utc() -> None:
    schema = features(NEW_YORK.to_frame("t"))[2]
    data = schema.to_json()
    assert schema_from_json(data) == schema
    del data["columns"][0]["zone"]
    data["columns"][0]["parts"] = ["month", "weekday", "day", "hour"]
    old = schema_from_json(data)
    assert old.columns[0].zone == ANY_ZONE and old.to_json() == data
    utc = INSTANTS.dt.hour.tolist()
    assert hours(NEW_YORK.to_frame("t"), old) == utc == hours(INSTANTS.dt.tz_localize(None).to_frame("t"), old)
    pickled = schema_from_json(data)
    del vars(pickled.columns[0])["zone"]
    assert pickle.loads(pickle.dumps(pickled)) == old


@pytest.mark.parametrize(
    "zone",
    [
        1,
        {},
        {"least": 0},
        {"least": 0, "most": 1e9},
        {"name": "x", "starts": [], "offsets": []},
        {"name": "x", "starts": [5, 4], "offsets": [0, 1, 2]},
        {"name": "x", "starts": [2**60], "offsets": [0, 1]},
        {"name": 1, "starts": [], "offsets": [0]},
        {"name": "x", "starts": [0.5], "offsets": [0, 1]},
        {"name": "x", "starts": [], "offsets": [10**6]},
    ],
)
def test_an_invalid_zone_in_a_file_is_refused(zone: Any) -> None:
    with pytest.raises(ValueError, match="here has an invalid time zone"):
        zone_from_json(zone, "here")


def test_rows_with_different_offsets_are_sorted_independently_of_their_order() -> None:
    cells = np.array([f"2026-01-01T{9 + row % 3:02}:00+0{row % 3}:00" for row in range(90)], object)
    frame, y = pd.DataFrame({"t": cells}), np.arange(90) % 3 == 1
    order = RANDOM.permutation(90)
    fits = [
        ash.ASHClassifier(candidates=2, random_state=0, n_jobs=1, verbose=False).fit(frame.iloc[rows], y[rows]).model_
        for rows in (slice(None), order)
    ]
    assert fits[0].digest == fits[1].digest
