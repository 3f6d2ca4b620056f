"""Tests tables that the command reads from files: training uses exactly the content of a file."""

import decimal
import gzip
import os
import threading

import numpy as np
import pandas
import pyarrow as arrow
import pytest
from pyarrow import parquet
from sklearn.datasets import load_wine

import ash
from ash.data import csv
from ash.data.csv import CsvFormat
from ash.data.files import Roles, read_file, read_table
from ash.errors import DataError

BLOCK = 2**14  # a number of rows that fills more than one block of 1 MiB
WINE = load_wine(as_frame=True).frame
TEXT = '''id;color;gap;code;note;y
1;red;0.5;007;"two
lines";a
2;"blue; ""deep""";NA;7;;b
3;?;;x;N/A;a
4;red;-1e3;07;z;b
'''
COLUMNS = {
    "id": [1.0, 2.0, 3.0, 4.0],
    "color": ["red", 'blue; "deep"', None, "red"],
    "gap": [0.5, None, None, -1000.0],
    "code": ["007", "7", "x", "07"],
    "note": ["two\nlines", None, None, "z"],
}


def written(tmp_path, text, name="a.csv"):
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return str(tmp_path / name)


def cells(frame):
    """Return the columns by name: floats in number columns, text in other columns, None for a missing cell."""
    return {
        name: [None if cell != cell else cell for cell in column.numbers(slice(None)).tolist()]
        if column.natural == "number"
        else column.cells(slice(None))
        for name, column in zip(frame.names, frame.columns, strict=True)
    }


@pytest.fixture
def wine_csv(tmp_path):
    WINE.to_csv(tmp_path / "wine.csv", index=False)
    return str(tmp_path / "wine.csv")


def test_csv_gz_and_parquet_are_the_same_table(wine_csv, tmp_path):
    with open(wine_csv, "rb") as plain, gzip.open(tmp_path / "wine.csv.gz", "wb") as packed:
        packed.write(plain.read())
    WINE.to_parquet(tmp_path / "wine.parquet")
    for name in (*(str(tmp_path / f"wine.{kind}") for kind in ("csv", "csv.gz", "parquet")), "wine"):
        data = read_table(name, None)
        assert cells(data.X) == WINE.drop(columns="target").to_dict("list")
        assert (data.y == WINE["target"].to_numpy()).all() and data.y.dtype == np.int64
        assert data.target == "target"


def test_the_target_is_named_or_the_last_column(tmp_path):
    (tmp_path / "a.csv").write_text("x,target,z\n1,2,3.5\n4,5,6.5\n")
    (tmp_path / "b.csv").write_text("x;y;z\n1;2;a\n4;5;b\n\n")
    assert read_table(str(tmp_path / "a.csv"), None).y.tolist() == [2, 5]
    assert read_table(str(tmp_path / "a.csv"), Roles("z")).y.tolist() == [3.5, 6.5]
    assert read_table(str(tmp_path / "a.csv"), Roles("z")).X.names == ("x", "target")
    assert read_table(str(tmp_path / "b.csv"), None).y.tolist() == ["a", "b"]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_missing_cells_and_quotes_are_read(name, mark, end, tmp_path):
    data = read_table(written(tmp_path, mark + TEXT.replace("\n", end).replace(f"two{end}", "two\n"), name), None)
    assert cells(data.X) == COLUMNS
    assert data.y.tolist() == ["a", "b", "a", "b"]
    assert cells(data.X.take(np.array([3, 1])))["color"] == ["red", 'blue; "deep"']
    assert [column.dtype for column in data.X.columns] == ["int64", "string", "double", "string", "string"]
    assert data.X.columns[3].label == "column 3 ('code')"


def test_text_stays_text_in_any_row(tmp_path):
    frames = [read_table(written(tmp_path, TEXT), None).X]
    pandas.DataFrame(COLUMNS | {"y": [1, 2, 3, 4]}).to_parquet(tmp_path / "a.parquet")
    frames.append(read_table(str(tmp_path / "a.parquet"), None).X)
    for frame in frames:
        code = frame.take(np.array([3, 0])).columns[3]
        assert code.natural == "category" and code.cells(slice(0, 2)) == ["07", "007"]
        assert not code.can_be("number")


def test_a_file_without_names_gets_generated_names(tmp_path):
    data = read_table(written(tmp_path, "1,,0\n3,4,1\n"), None)
    assert cells(data.X) == {"column_0": [1.0, 3.0], "column_1": [None, 4.0]}


def test_numbers_in_the_line_of_names_cause_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="first line is read as column names, though '39' is a number"):
        data = read_table(written(tmp_path, "39,State-gov,<=50K\n50,Private,>50K\n"), None)
    assert data.X.names == ("39", "State-gov")


def test_a_delimiter_in_a_quoted_name_is_ignored(tmp_path):
    data = read_table(written(tmp_path, '\ufeff"größe, cm, ""a"", b";y\r\n"1.5";ja\r\n2e3;nein\r\n'), None)
    assert cells(data.X) == {'größe, cm, "a", b': [1.5, 2000.0]}
    assert data.y.tolist() == ["ja", "nein"]


def test_a_file_of_many_blocks_is_read(tmp_path):
    rows = np.random.default_rng(0).normal(size=(20_000, 3))
    np.savetxt(tmp_path / "a.csv", rows, delimiter="\t", header="a\tb\tc", comments="", fmt="%.17g")
    data = read_table(str(tmp_path / "a.csv"), None)
    assert (np.column_stack([*cells(data.X).values(), data.y]) == rows).all()


def late(rows):
    """Return columns of codes, labels and numbers. The codes include a missing cell and, in a late row, a word."""
    codes = [f"{row:06}" for row in range(rows)]
    codes[2 * BLOCK + 5], codes[3] = "no number", ""
    labels = ["01", "1.0"] * (rows // 2 - 1) + ["z", "z"]
    return codes, labels, [str(row % 7) for row in range(rows)]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "pipe"])
def test_text_far_down_in_a_file_is_kept_unchanged(name, tmp_path):
    columns = late(3 * BLOCK + 10)
    text = "\ufeffcode,y,x\n" + "".join(f"{','.join(row)}\n" for row in zip(*columns, strict=True))
    with pytest.warns(UserWarning, match=r"numbers or dates with other text \(column 0 \('code'\): 'no number'\)"):
        if name == "pipe":
            os.mkfifo(tmp_path / name)
            writer = threading.Thread(target=(tmp_path / name).write_bytes, args=(text.encode(),))
            writer.start()
            data = read_table(str(tmp_path / name), Roles("y"))
            writer.join()
        else:
            data = read_table(written(tmp_path, text, name), Roles("y"))
    assert cells(data.X) == {"code": [cell or None for cell in columns[0]], "x": [float(cell) for cell in columns[2]]}
    assert data.y.tolist() == columns[1]


def test_numbers_have_the_last_bits_of_pandas_if_asked(tmp_path):
    """The numbers in hexadecimal are those of pandas 2.2 and 3.0."""
    texts = {
        "-0.12853466120185937": "-0x1.073d2e321d8b4p-3",  # the nearest float64 ends in 6
        "00.1234567890123456": "0x1.f9add3746f62ep-4",  # without the last two digits
        "12345678901234567890.5": "0x1.56a95319d63e1p+63",
        " 1304.000024": "0x1.46000064a9cdcp+10",
        "2.5e-310": "0x0.02e055c9a3f6cp-1022",
        "-7.1234567890123E+30": "-0x1.67a48566a2c01p+102",
        "NA": "nan",
        "inf": "inf",
    }
    for point in ".,":
        (tmp_path / "t.csv").write_text("a;target\n" + "".join(f"{text.replace('.', point)};0\n" for text in texts))
        read = read_file(
            str(tmp_path / "t.csv"),
            lambda names: dict.fromkeys(names, False),
            CsvFormat(";", point, like_pandas=True),
        )
        numbers = read.frame(["a"]).columns[0].numbers(slice(None))
        assert [float(number).hex() for number in numbers] == list(texts.values())


@pytest.mark.skipif(pandas.__version__ >= "3.1", reason="pandas 3.1 reads the nearest float64 numbers")
def test_numbers_have_the_last_bits_of_the_installed_pandas(tmp_path):
    path = tmp_path / "t.csv"
    random = np.random.default_rng(0).normal(size=(1000, 2))
    pandas.DataFrame(random * np.exp(50 * random), columns=["a", "target"]).to_csv(path, index=False)
    read = read_table(str(path), form=CsvFormat(like_pandas=True))
    frame = pandas.read_csv(path)
    assert np.array_equal(read.X.columns[0].numbers(slice(None)), frame["a"]) and np.array_equal(
        read.y, frame["target"]
    )


LONG = "x" * 2_000_000
LONG_LINES = {
    "cell": f"a,b,target\n1,{LONG},0\n2,{LONG}y,1\n",
    "cell far down": "a,b,target\n" + "3,w,0\n" * 300_000 + f"1,{LONG},0\n2,{LONG}y,1\n",
    "quoted lines": 'a,b,target\n1,"' + "line\n" * 500_000 + '",0\n2,x,1\n',
    "header": ",".join(letter * 100_000 for letter in "abcdefghijklm") + ",target\n" + 2 * ("1," * 13 + "0\n"),
    "blank lines above": "\n" * 1_500_000 + "a,target\n1,0\n2,1\n",
}


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("what", LONG_LINES)
def test_lines_that_are_longer_than_a_block_are_read(what, name, tmp_path):
    path = tmp_path / name
    with (gzip.open if name.endswith(".gz") else open)(path, "wt") as file:
        file.write(LONG_LINES[what])
    table = read_table(str(path))
    assert table.y[-2:].tolist() in ([0, 1], [0, 0])
    if "cell" in what:
        assert [len(cell) for cell in table.X.columns[1].cells(slice(-2, None))] == [2_000_000, 2_000_001]


def test_a_file_of_too_long_lines_and_a_header_alone_are_named(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("a,target")
    with pytest.raises(DataError, match=r"a\.csv has no rows below its header line: add some"):
        read_table(str(path))
    monkeypatch.setattr(csv, "BLOCKS", (2**10, 2**18))
    path.write_text(f"a,b,target\n1,x,0\n1,{LONG},0\n")
    with pytest.raises(DataError, match=r"a\.csv has a line of more than .* MiB, or a quotation mark without a second"):
        read_table(str(path))


def test_columns_that_are_not_selected_are_not_read(tmp_path):
    frame = pandas.DataFrame({"day": pandas.to_datetime(["2020-01-01"] * 2), "a.b": ["1", "02"], "c": [1, 2]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    for name in ("a.parquet", "a.csv"):
        table = read_file(str(tmp_path / name), lambda names: {"c": False, "a.b": True})
        assert table.names == ("a.b", "c")
        frame = table.frame(["c", "a.b"])
        assert frame.columns[0].numbers(slice(None)).tolist() == [1, 2]
        assert frame.columns[1].cells(slice(None)) == ["1", "02"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([True, False, True], np.array([True, False, True])),
        ([1, 2, 2**60 + 1], np.array([1, 2, 2**60 + 1])),
        ([1.0, 2.0, 3.0], np.array([1, 2, 3])),
        ([0.5, 2.0, 3.0], np.array([0.5, 2.0, 3.0])),
        (["1", "2", "2"], np.array(["1", "2", "2"])),
    ],
)
def test_parquet_targets_keep_their_type(values, labels, tmp_path):
    column = arrow.chunked_array([values[:1], values[1:]])
    parquet.write_table(arrow.table({"x": [1, 2, 3], "y": column}), tmp_path / "a.parquet")
    y = read_table(str(tmp_path / "a.parquet"), None).y
    assert y.tolist() == labels.tolist() and y.dtype == labels.dtype


def types_of_parquet():
    """Return an Arrow table with columns of all Parquet types that ash reads."""
    rng = np.random.default_rng(5)
    rows = 200
    gaps = rng.random(rows) < 0.1
    text = [None if gap else f"0{number}x" for gap, number in zip(gaps, rng.integers(0, 50, rows), strict=True)]
    columns = {
        "text": arrow.array(text),
        "levels": arrow.array(text[::-1]).dictionary_encode(),
        "float": arrow.array(rng.normal(size=rows), mask=gaps),
        "whole": arrow.array(rng.integers(-9, 9, rows)),
        "bool": arrow.array([None if gap else gap for gap in gaps[::-1].tolist()]),
        "price": arrow.array([decimal.Decimal(int(cents)) / 100 for cents in rng.integers(0, 999, rows)]),
        "empty": arrow.nulls(rows),
        "y": arrow.array(["p" if number > 0 else "q" for number in rng.normal(size=rows)]),
    }
    return arrow.table(columns)


def test_parquet_and_csv_give_the_same_run(tmp_path):
    table = types_of_parquet()
    parquet.write_table(table, tmp_path / "a.parquet")
    frame = table.to_pandas()
    frame["bool"] = frame["bool"].map({False: 0, True: 1})
    frame.to_csv(tmp_path / "a.csv", index=False, na_rep="NA")
    digests = set()
    for name in ("a.parquet", "a.csv"):
        data = read_table(str(tmp_path / name), None)
        assert [column.natural for column in data.X.columns] == ["category"] * 2 + ["number"] * 5
        digests.add(ash.tune(data.X, data.y, candidates=4, verbose=0, validation=0.2).digest)
    assert len(digests) == 1


def test_a_built_in_table_is_tuned_like_a_frame():
    data = read_table("wine", None)
    results = [
        ash.tune(X, data.y, candidates=2, verbose=0, validation=0.2) for X in (data.X, WINE.drop(columns="target"))
    ]
    assert results[0].digest == results[1].digest


def test_duplicate_parquet_columns_are_refused(tmp_path):
    table = arrow.Table.from_arrays([arrow.array([1, 2])] * 2, names=["x", "x"])
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="more than one column named 'x'"):
        read_file(str(tmp_path / "a.parquet"), lambda names: dict.fromkeys(names, False))


def _parquet(tmp_path, **settings):
    """Return a small Parquet file and the bytes in it."""
    rows = np.arange(100)
    columns = {"a": rows / 7, "s": [f"{row % 3}-text" for row in rows], "target": rows % 2}
    columns["c"] = arrow.array(list("xyyzz") * 20).dictionary_encode()
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet", compression="none", **settings)
    return tmp_path / "t.parquet", (tmp_path / "t.parquet").read_bytes()


@pytest.mark.parametrize("is_dictionary", [True, False])
def test_a_damaged_parquet_file_is_refused_or_has_all_rows(is_dictionary, tmp_path):
    path, content = _parquet(tmp_path, use_dictionary=is_dictionary)
    refused = 0
    for place in range(0, len(content), 7):
        for damaged in (content[:place], content[:place] + b"\xff" + content[place + 1 :]):
            path.write_bytes(damaged)
            try:
                assert read_table(str(path)).X.rows == 100
            except DataError as error:
                refused += 1
                assert str(error).startswith(f"{path} ")
    assert refused > len(content) // 7


def test_a_parquet_file_of_fewer_rows_than_it_promises_is_refused(tmp_path):
    path, content = _parquet(tmp_path)
    rows, fewer = b"\xc8\x01", b"\xc6\x01"  # 100 and 99 as Thrift writes them
    place = content.rindex(rows)  # the number of rows of the only row group
    path.write_bytes(content[:place] + fewer + content[place + 2 :])
    with pytest.raises(
        DataError, match=r"t\.parquet must have 100 rows by its metadata, but it has 99: write it again"
    ):
        read_table(str(path))


def test_checksums_of_parquet_pages_are_verified(tmp_path):
    path, content = _parquet(tmp_path, use_dictionary=False, write_page_checksum=True)
    path.write_bytes(content.replace(b"1-text", b"2-text", 1))
    with pytest.raises(DataError, match=r"t\.parquet is not a valid Parquet file \(.*CRC"):
        read_table(str(path))


def test_parquet_text_that_is_not_utf_8_is_refused(tmp_path):
    path, content = _parquet(tmp_path, use_dictionary=False)
    path.write_bytes(content.replace(b"1-text", b"\xff-text"))
    with pytest.raises(DataError, match=r"t\.parquet is not a valid Parquet file \(.*UTF8.*: write it again"):
        read_table(str(path))
