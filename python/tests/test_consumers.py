# SPDX-License-Identifier: Apache-2.0
"""The Python package: everybody's tables in and out."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weir


def test_pandas(file, rows, tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame.from_arrow(weir.read_parquet(file, columns=["id", "score", "name"]))
    assert len(frame) == 5_000
    assert frame["id"].tolist() == rows["id"].to_pylist()
    assert frame["score"].isna().sum() == rows["score"].null_count
    path = tmp_path / "pandas.parquet"
    assert weir.write_parquet(frame, path) == 5_000
    again = pq.read_table(path)
    assert again["id"].to_pylist() == rows["id"].to_pylist()
    assert again["name"].to_pylist() == rows["name"].to_pylist()


def test_polars(file, rows, tmp_path):
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(weir.read_parquet(file))
    assert frame.shape == (5_000, 7)
    assert frame.equals(pl.DataFrame(rows))
    path = tmp_path / "polars.parquet"
    assert weir.write_parquet(frame, path) == 5_000
    assert pl.read_parquet(path).equals(frame)


def test_duckdb(file, rows, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    events = weir.read_parquet(file)  # noqa: F841 (DuckDB finds it by its name)
    connection = duckdb.connect()
    found = connection.sql("select count(*), sum(id), count(name) from events").fetchall()[0]
    assert found == (5_000, sum(range(5_000)), 5_000 - rows["name"].null_count)
    path = tmp_path / "duckdb.parquet"
    result = connection.sql("select id, name, score from events where id < 100 order by id")
    assert weir.write_parquet(result, path) == 100
    assert pq.read_table(path)["name"].to_pylist() == rows["name"].to_pylist()[:100]


def test_arrow_kinds(rows, tmp_path):
    path = tmp_path / "out.parquet"
    batch = rows.to_batches()[0]
    reader = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=77))
    for data in (rows, batch, reader):
        assert weir.write_parquet(data, path) == 5_000
        assert pq.read_table(path).equals(rows)
        assert pa.table(weir.read_parquet(path)).equals(rows)


def test_slices(rows, tmp_path):
    path = tmp_path / "out.parquet"
    part = rows.slice(1_234, 777)
    weir.write_parquet(part, path)
    assert pq.read_table(path).equals(part)


def test_dictionaries_and_views(tmp_path):
    path = tmp_path / "out.parquet"
    table = pa.table(
        {
            "d": pa.array(["a", "b", None, "a"]).dictionary_encode(),
            "v": pa.array(
                ["x", None, "a text that is longer than twelve bytes", ""], pa.string_view()
            ),
        }
    )
    weir.write_parquet(table, path)
    again = pq.read_table(path)
    assert again["d"].to_pylist() == ["a", "b", None, "a"]
    assert again["v"].to_pylist() == table["v"].to_pylist()


def test_weir_to_weir(file, rows, tmp_path):
    path = tmp_path / "copy.parquet"
    assert weir.write_parquet(weir.read_parquet(file), path, compression="zstd") == 5_000
    assert pq.read_table(path).equals(rows)
    with weir.ParquetFile(file) as source, weir.ParquetWriter(path, source.schema) as writer:
        for batch in source.iter_batches(batch_rows=450):
            writer.write(batch)
    assert writer.num_rows == 5_000
    assert pq.read_table(path).equals(rows)
