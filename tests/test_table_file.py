"""The tables that the command reads: what a file holds is what is trained on."""

import gzip

import numpy as np
import pytest
from sklearn.datasets import load_wine

from ash.table_file import read_table

WINE = load_wine(as_frame=True).frame


@pytest.fixture
def wine_csv(tmp_path):
    WINE.to_csv(tmp_path / "wine.csv", index=False)
    return str(tmp_path / "wine.csv")


def test_csv_gz_and_parquet_are_the_same_table(wine_csv, tmp_path):
    with open(wine_csv, "rb") as plain, gzip.open(tmp_path / "wine.csv.gz", "wb") as packed:
        packed.write(plain.read())
    WINE.to_parquet(tmp_path / "wine.parquet")
    for name in ("wine.csv", "wine.csv.gz", "wine.parquet"):
        data = read_table(str(tmp_path / name), None)
        assert (data.X.values == WINE.drop(columns="target").to_numpy()).all()
        assert (data.y == WINE["target"].to_numpy()).all() and data.y.dtype == np.int64
        assert data.X.columns == tuple(WINE.columns[:-1]) and data.target == "target"


def test_target_is_named_or_last(tmp_path):
    (tmp_path / "a.csv").write_text("x,target,z\n1,2,3.5\n4,5,6.5\n")
    (tmp_path / "b.csv").write_text("x;y;z\n1;2;a\n4;5;b\n\n")
    assert read_table(str(tmp_path / "a.csv"), None).y.tolist() == [2, 5]
    assert read_table(str(tmp_path / "a.csv"), "z").y.tolist() == [3.5, 6.5]
    assert read_table(str(tmp_path / "a.csv"), "z").X.columns == ("x", "target")
    assert read_table(str(tmp_path / "b.csv"), None).y.tolist() == ["a", "b"]


def test_a_file_without_names_gets_them(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,0\n3,4,1\n")
    data = read_table(str(tmp_path / "a.csv"), None)
    assert data.X.columns == ("column_0", "column_1") and data.X.values.tolist() == [[1, 2], [3, 4]]


def test_byte_order_mark_and_quotes(tmp_path):
    (tmp_path / "a.csv").write_bytes('\ufeff"größe, cm",y\r\n"1.5",ja\r\n2e3,nein\r\n'.encode())
    data = read_table(str(tmp_path / "a.csv"), None)
    assert data.X.columns == ("größe, cm",) and data.X.values.tolist() == [[1.5], [2000.0]]
    assert data.y.tolist() == ["ja", "nein"]


def test_many_blocks(tmp_path):
    rows = np.random.default_rng(0).normal(size=(20_000, 3))
    np.savetxt(tmp_path / "a.csv", rows, delimiter="\t", header="a\tb\tc", comments="", fmt="%.17g")
    data = read_table(str(tmp_path / "a.csv"), None)
    assert (np.column_stack([data.X.values, data.y]) == rows).all()
