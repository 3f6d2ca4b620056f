"""Tests dates: which cells are read as dates, which parts of a date become features, and models with date columns."""

import datetime
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

import ash
from ash.data.dates import DAY, DateSpelling, date_spelling_from_json, date_text, learn_dates
from ash.data.files import read_file
from ash.data.frames import Frame, read_frame, spelled_frame
from ash.encoding.date_parts import PARTS, part_names, put_parts, varying_parts, width
from ash.encoding.schema import learn_schema, schema_from_json
from ash.errors import DataError

ROWS = 200
RANDOM = np.random.default_rng(0)
SECONDS = np.sort(RANDOM.integers(-(10**9), 2 * 10**9, ROWS))  # years 1938 to 2033
MOMENTS = [datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=int(each)) for each in SECONDS]
DAYS = [(each.toordinal() - 719_163) + (each.hour * 3600 + each.minute * 60 + each.second) / 86_400 for each in MOMENTS]
EPOCH = datetime.date(1970, 1, 1).toordinal()


def days_in(given: Any) -> list[float]:
    frame = spelled_frame(read_frame(given))
    assert [column.natural for column in frame.columns] == ["date"]
    return frame.columns[0].numbers(slice(None)).tolist()


def text_of(cells: list[str]) -> Frame:
    return spelled_frame(read_frame(pd.DataFrame({"x": np.array(cells, object)})))


# Reading


def test_dates_from_all_libraries_are_the_same_numbers() -> None:
    stamps = pd.Series(MOMENTS)
    sources: dict[str, Any] = {
        "pandas": stamps.to_frame(),
        "utc": stamps.dt.tz_localize("UTC").to_frame(),
        "another zone": stamps.dt.tz_localize("UTC").dt.tz_convert("Asia/Kolkata").to_frame(),
        "pandas with arrow": stamps.astype("timestamp[ms][pyarrow]").to_frame(),
        "objects": np.array(MOMENTS, object)[:, None],
        "datetime64": np.array(MOMENTS, "datetime64[s]")[:, None],
        "objects of datetime64": np.array([*np.array(MOMENTS, "datetime64[ns]")], object)[:, None],
        "aware objects": [[each.replace(tzinfo=datetime.UTC)] for each in MOMENTS],
        "polars": polars.DataFrame({"x": MOMENTS}),
        "arrow": pyarrow.table({"x": pyarrow.array(MOMENTS, pyarrow.timestamp("ns"))}),
    }
    for unit in ("s", "ms", "us", "ns"):
        sources[unit] = pd.DataFrame({"x": np.array(MOMENTS, f"datetime64[{unit}]")})
    for name, source in sources.items():
        assert days_in(source) == DAYS, name


def test_dates_without_a_time_are_whole_numbers_of_days() -> None:
    days = [datetime.date(2024, 2, 29), datetime.date(1900, 3, 1), datetime.date(1969, 12, 31)]
    expected = [each.toordinal() - EPOCH for each in days]
    table = pyarrow.table({"x": days})
    for source in (pd.DataFrame({"x": days}), polars.DataFrame({"x": days}), table, [[each] for each in days]):
        assert days_in(source) == expected


def test_missing_dates_are_nan() -> None:
    first = datetime.datetime(2020, 1, 1)
    for source in (
        pd.DataFrame({"x": [first, None]}),
        pd.DataFrame({"x": [first, pd.NaT]}, dtype=object),
        polars.DataFrame({"x": [first, None]}),
        np.array([[np.datetime64("2020-01-01")], [np.datetime64("NaT")]], object),
        pd.DataFrame({"x": ["2020-01-01", "?"]}),
    ):
        assert np.array_equal(days_in(source), [18_262, np.nan], equal_nan=True)


def of_days(days: Any) -> list[Any]:
    """Return tables of all libraries that can hold these days."""
    seconds = days.astype("datetime64[s]")
    utc = pd.Series(seconds).dt.tz_localize("UTC").to_frame()
    tables = [pyarrow.table({"x": seconds}), polars.DataFrame({"x": days.astype("datetime64[ms]")}), utc]
    return [days[:, None], np.array([*days], object)[:, None], pd.DataFrame({"x": days}), *tables]


def test_a_column_of_missing_dates_only_is_a_column_of_dates() -> None:
    frame = read_frame(np.array([[pd.NaT, None], [pd.NaT, None]], object))
    assert [column.natural for column in frame.columns] == ["date", "number"]


def test_dates_after_the_year_9999_are_read() -> None:
    days = np.array(["2020-01-01", "20000-01-01", "290000-12-31"], "datetime64[D]")
    for source in of_days(days):
        assert days_in(source) == days.astype(float).tolist()


def test_the_first_and_last_nanoseconds_are_read() -> None:
    ends = np.array([-(2**63) + 1, 2**63 - 1], "datetime64[ns]")
    for source in (ends[:, None], pd.DataFrame({"x": ends})):
        assert days_in(source) == days_in(ends.astype("datetime64[us]")[:, None])


def test_dates_beyond_64_bits_of_microseconds_are_refused() -> None:
    for source in of_days(np.array(["2020-01-01", "300000-01-01"], "datetime64[D]")):
        with pytest.raises(DataError, match=r"292,000 years of 1970, got (300000-01-01|one 298,030 years away)"):
            days_in(source)


WRITTEN = {
    "%Y-%m-%d %H:%M:%S": "ymd",
    "%Y-%m-%dT%H:%M:%SZ": "ymd",
    "%Y-%m-%dT%H:%M:%S.000+00:00": "ymd",
    "%Y/%m/%d %H:%M:%S": "ymd",
    "%d.%m.%Y %H:%M:%S": "dmy",
    "%d/%m/%Y %H:%M:%S": "dmy",
    "%d-%b-%Y %H:%M:%S": "dmy",
    "%d %B %Y %H:%M:%S": "dmy",
    "%m/%d/%Y %I:%M:%S %p": "mdy",
    "%b %d, %Y %H:%M:%S": "mdy",
}


@pytest.mark.filterwarnings("ignore:X holds text that is read as dates")
@pytest.mark.parametrize("form", WRITTEN)
def test_text_is_read_as_dates(form: str) -> None:
    frame = text_of([each.strftime(form) for each in MOMENTS])
    assert frame.columns[0].spelling == DateSpelling(WRITTEN[form])  # type: ignore[arg-type]
    assert frame.columns[0].numbers(slice(None)).tolist() == DAYS


def test_time_zones_and_fractions_of_seconds_are_read() -> None:
    read = DateSpelling("ymd").number
    assert read("1970-01-02T01:30:00+01:30") == 1 and read("1970-01-01 22:30-0130") == 1
    assert read("1970-01-01 00:00:00.000001") == 1 / DAY == read("1970-01-01 00:00:00,000001999")
    assert read("1970-02") == 31 and read("1970-01-01 22:30-01") == 23.5 / 24
    short = DateSpelling("mdy").number
    assert short("12/31/69") == -1 and short("1/1/68") == datetime.date(2068, 1, 1).toordinal() - EPOCH
    assert short("1/1/1970 12:00 AM") == 0 and short("1/1/1970 12:00 pm") == 0.5


@pytest.mark.parametrize(
    "cells",
    [
        ["2020-13-01", "2020-01-02"],
        ["2020-02-30", "2020-02-01"],
        ["2345-01", "2346-02"],
        ["2020-01-01 25:00", "2020-01-02 10:00"],
        ["2020-01-01 13:00 PM", "2020-01-02 10:00 PM"],
        ["2020-01/01", "2020-01/02"],
        ["1.2.3", "1.2.4"],
        ["12:30", "08:15"],
        ["2020-01-01 x", "2020-01-02 y"],
        ["13/13/2020", "13/14/2020"],
        ["abc 1, 2020", "def 2, 2020"],
    ],
)
def test_other_text_stays_a_category(cells: list[str]) -> None:
    assert text_of(cells).columns[0].natural == "category"


def test_ambiguous_dates_are_announced() -> None:
    with pytest.warns(
        UserWarning, match=r"can be read as different dates \(column 0 \('x'\): '03/04/2021' is 2021-03-04"
    ):
        assert text_of(["03/04/2021", "05/04/2021"]).columns[0].numbers(slice(1)) == [18_690]
    with pytest.warns(UserWarning, match=r"read as dates \(column 0 \('x'\): '03.04.2021' is 2021-04-03\)"):
        text_of(["03.04.2021", "05.04.2021"])
    with pytest.warns(UserWarning, match=r"read as dates .*'05/04/2021' is 2021-04-05"):
        text_of(["13/04/2021", "05/04/2021"])
    with pytest.warns(UserWarning, match=r"columns of numbers or dates with other text .*: 'soon'"):
        text_of([*(f"2021-01-{day:02}" for day in range(1, 31)), "soon"])


def test_declared_categories_stay_and_numbers_among_dates_are_refused() -> None:
    frame = spelled_frame(read_frame(pd.DataFrame({"x": pd.Categorical(["2020-01-01", "2020-01-02"])})))
    assert frame.columns[0].natural == "category"
    with pytest.raises(DataError, match=r"X in column 0 \('x'\) holds 0 among dates"):
        text_of(["2020-01-01", 0])  # type: ignore[list-item]
    mixed = pd.DataFrame({"x": [datetime.date(2020, 1, 1), "2020-01-02"]}, dtype=object)
    with pytest.raises(DataError, match="not 'date'"):
        read_frame(mixed)


def test_a_spelling_survives_json() -> None:
    for order in ("ymd", "mdy", "dmy"):
        assert date_spelling_from_json({"order": order}) == DateSpelling(order)  # type: ignore[arg-type]
    for data in (None, {}, {"order": "ydm"}, {"order": ["ymd"]}, {"order": "ymd", "more": 1}):
        with pytest.raises(ValueError, match="order of year, month and day"):
            date_spelling_from_json(data)
    assert learn_dates({"?", "-"}).spelling is None


def test_dates_are_formatted_as_text() -> None:
    assert [date_text(days) for days in (0, 18_262.5, -1)] == ["1970-01-01", "2020-01-01T12:00:00", "1969-12-31"]
    assert date_text(1 / DAY) == "1970-01-01T00:00:00.000001"


# Features


def test_date_parts_match_the_calendar() -> None:
    days = np.array(DAYS)
    expected = {
        "month": [each.month - 1 for each in MOMENTS],
        "weekday": [each.weekday() for each in MOMENTS],
        "day": [each.day for each in MOMENTS],
        "year": [each.year for each in MOMENTS],
        "day_of_year": [each.timetuple().tm_yday for each in MOMENTS],
    }
    for part, values in expected.items():
        assert PARTS[part](days).tolist() == values
    hours = [each.hour + each.minute / 60 + each.second / 3600 for each in MOMENTS]
    assert np.allclose(PARTS["hour"](days), hours, rtol=0, atol=1e-6)


def test_parts_that_do_not_vary_are_left_out() -> None:
    assert varying_parts(np.array([0.0, 31.0, np.nan])) == ("month", "weekday", "day_of_year")
    assert varying_parts(np.array([0.0, 0.5])) == ("hour",)
    assert varying_parts(np.array([7.0, 14.0])) == ("day", "day_of_year")
    assert varying_parts(np.array([0.0, 365.0])) == ("weekday", "year")
    assert varying_parts(np.array([np.nan])) == varying_parts(np.array([])) == ()


def test_a_missing_date_has_no_parts() -> None:
    parts = tuple(PARTS)
    block = np.zeros((2, sum(map(width, parts))))
    put_parts(block, parts, np.array([np.nan, 3.25]))  # Sunday, 4 January 1970, 06:00
    names = list(itertools.chain.from_iterable(map(part_names, parts)))
    assert np.isnan(block[0]).sum() == 4 and np.nansum(block[0]) == 0
    assert [(name, value) for name, value in zip(names, block[1].tolist(), strict=True) if value] == [
        ("month=1", 1),
        ("weekday=Sun", 1),
        ("day", 4),
        ("hour", 6),
        ("year", 1970),
        ("day of year", 4),
    ]


def test_a_schema_with_dates_survives_json() -> None:
    frame = spelled_frame(read_frame(pd.DataFrame({"x": [1.0] * ROWS, "when": pd.Series(MOMENTS)})))
    schema = learn_schema(frame, missing="indicator")[1]
    assert schema.columns[1].parts == tuple(PARTS) and not schema.is_numeric
    data = schema.to_json()
    assert schema_from_json(data) == schema
    for parts, reason in [(["hour", "day"], "in the wrong order"), (["age"], "unknown or in"), (1, "are unknown")]:
        data["columns"][1]["parts"] = parts
        with pytest.raises(ValueError, match=reason):
            schema_from_json(data)
    data["columns"][1] = {"kind": "date", "dtype": "", "levels": [1.0] * 40, "missing": False, "parts": []}
    with pytest.raises(ValueError, match="a date with 40 levels"):
        schema_from_json(data)


# Models


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, Any]:
    frame = pd.DataFrame({"when": pd.Series(MOMENTS), "x": RANDOM.normal(size=ROWS)})
    frame.loc[7, "when"] = pd.NaT
    return frame, np.array([each.month for each in MOMENTS]) + frame["x"]


def test_a_model_learns_from_dates(table: tuple[pd.DataFrame, Any]) -> None:
    frame, y = table
    model = ash.ASHRegressor(candidates=8, validation=0.2, random_state=0, n_jobs=1).fit(frame, y).model_
    names = model.encoding.names
    assert names[:3] == ("when", "when is missing", "when: month=1") and len(names) == 2 + 12 + 7 + 4 + 1
    assert model.encoding.scaled.sum() == 6
    without = ash.ASHRegressor(candidates=8, validation=0.2, random_state=0, n_jobs=1).fit(frame[["x"]], y).model_
    assert model.score(frame, y) > 0.9 > 0.5 > without.score(frame[["x"]], y)


@pytest.mark.filterwarnings("ignore:X holds text that is read as dates")
@pytest.mark.parametrize("form", [None, "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"])
def test_a_model_accepts_dates_from_any_source(
    table: tuple[pd.DataFrame, Any], form: str | None, tmp_path: Path
) -> None:
    frame, y = table
    given = frame if form is None else frame.assign(when=frame["when"].dt.strftime(form))
    model = ash.tune(given, y, candidates=2, validation=0.2, verbose=0, n_jobs=1).model
    expected = model.predict(frame)
    iso = frame.assign(when=frame["when"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    sources = [given, frame, polars.from_pandas(frame), pyarrow.Table.from_pandas(frame), frame.to_numpy(object)]
    for source in sources if form == "%d/%m/%Y %H:%M:%S" else [*sources, iso]:
        assert np.array_equal(model.predict(source), expected)
    for end in ("csv", "parquet"):
        path = tmp_path / f"a.{end}"
        (given.to_csv if end == "csv" else given.to_parquet)(path, index=False)
        file = read_file(str(path), lambda names: {name: name == "when" for name in names})
        assert np.array_equal(model.decide(model.predict_frame(file.frame(file.names))), expected)
    model.save(tmp_path / "m.safetensors")
    assert np.array_equal(ash.load(tmp_path / "m.safetensors").predict(given), expected)
    with pytest.raises(DataError, match=r"'soon', which is not a date|has dtype .* but was date of dtype"):
        model.predict(given.astype({"when": object}).assign(when="soon"))
    with pytest.raises(DataError, match=r"has dtype int64 \(number\), but was date of dtype"):
        model.predict(frame.assign(when=1))
