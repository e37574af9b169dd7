# SPDX-License-Identifier: Apache-2.0
"""The Python package: writing."""

from __future__ import annotations

import gc
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weir


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_writer(rows, tmp_path):
    path = tmp_path / "out.parquet"
    writer = weir.ParquetWriter(path, rows.schema, row_group_rows=2_000)
    writer.write(rows)
    writer.write(rows.to_batches()[0])
    assert writer.num_rows == 10_000
    assert not path.exists()
    writer.close()
    writer.close()
    assert writer.num_rows == 10_000
    assert not writer.is_open
    assert os.listdir(tmp_path) == ["out.parquet"]
    assert pq.read_table(path).equals(pa.concat_tables([rows, rows]))
    assert pq.ParquetFile(path).num_row_groups == 5
    with pytest.raises(weir.InvalidArgumentError, match="was closed"):
        writer.write(rows)


def test_an_exception_throws_the_file_away(rows, tmp_path):
    path = tmp_path / "out.parquet"
    path.write_bytes(b"what was here before")
    with pytest.raises(ZeroDivisionError), weir.ParquetWriter(path, rows.schema) as writer:  # noqa: PT012
        writer.write(rows)
        raise ZeroDivisionError
    assert path.read_bytes() == b"what was here before"
    assert os.listdir(tmp_path) == ["out.parquet"]


def test_a_dropped_writer_leaves_nothing(rows, tmp_path):
    writer = weir.ParquetWriter(tmp_path / "out.parquet", rows.schema)
    writer.write(rows)
    del writer
    gc.collect()
    assert os.listdir(tmp_path) == []


def test_options(rows, tmp_path):
    path = tmp_path / "out.parquet"
    weir.write_parquet(
        rows,
        path,
        compression={"id": "none", "name": "snappy"},
        compression_level=None,
        dictionary={"name": False},
        bloom_filter=["id"],
        sorted_by={"id": "ascending"},
        row_group_rows=1_000,
        metadata={"made_by": "a test"},
        checksums=False,
        page_version=1,
    )
    metadata = pq.ParquetFile(path).metadata
    assert metadata.num_row_groups == 5
    assert metadata.metadata[b"made_by"] == b"a test"
    group = metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert columns["id"].compression == "UNCOMPRESSED"
    assert columns["name"].compression == "SNAPPY"
    assert columns["score"].compression == "ZSTD"
    assert not columns["name"].has_dictionary_page
    assert group.sorting_columns[0].column_index == 0
    assert weir.ParquetFile(path).metadata["row_groups"][0]["columns"][0]["has_bloom_filter"]
    assert pq.read_table(path).equals(rows)


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_codecs(codec, rows, tmp_path):
    path = tmp_path / "out.parquet"
    weir.write_parquet(rows, path, compression=codec)
    assert pq.read_table(path).equals(rows)
    assert pa.table(weir.read_parquet(path)).equals(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "blue"}, 'no option "colour"'),
        ({"compression": "zip"}, "one of none"),
        ({"compression": "snappy", "compression_level": 3}, "no levels"),
        ({"compression_level": 99}, "99"),
        ({"compression_level": "high"}, "integer"),
        ({"row_group_rows": 0}, "from 1"),
        ({"page_index": "perhaps"}, "true or false"),
        ({"page_index": {"id": True}}, "one column"),
        ({"bloom_filter": True}, "name the column"),
        ({"dictionary": ["nickname"]}, "nickname"),
        ({"sorted_by": ["nickname"]}, "nickname"),
    ],
)
def test_wrong_options(options, message, rows, tmp_path):
    with pytest.raises(weir.InvalidArgumentError, match=message):
        weir.write_parquet(rows, tmp_path / "out.parquet", **options)
    assert os.listdir(tmp_path) == []


def test_data_that_does_not_fit(rows, tmp_path):
    path = tmp_path / "out.parquet"
    with weir.ParquetWriter(path, rows.select(["id", "name"]).schema) as writer:
        with pytest.raises(weir.InvalidArgumentError, match="columns"):
            writer.write(rows)
        wrong = rows.select(["id", "name"]).set_column(0, "id", rows["id"].cast(pa.int32()))
        with pytest.raises(weir.InvalidArgumentError, match="id is int64") as caught:
            writer.write(wrong)
        assert caught.value.column == "id"
        writer.write(rows.select(["id", "name"]))
    assert pq.read_table(path).equals(rows.select(["id", "name"]))


def test_a_failing_source(rows, tmp_path):
    def batches():
        yield rows.to_batches()[0]
        raise RuntimeError("the well is dry")

    reader = pa.RecordBatchReader.from_batches(rows.schema, batches())
    with pytest.raises(weir.SourceError, match="the well is dry"):
        weir.write_parquet(reader, tmp_path / "out.parquet")
    assert os.listdir(tmp_path) == []


def test_wrong_types_of_arguments(rows, tmp_path):
    path = tmp_path / "out.parquet"
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        weir.write_parquet([1, 2, 3], path)
    with pytest.raises(TypeError, match="__arrow_c_schema__"):
        weir.ParquetWriter(path, {"id": "int64"})
    with pytest.raises(TypeError):
        weir.read_parquet(17)
    with weir.ParquetWriter(path, rows.schema) as writer, pytest.raises(TypeError, match="int"):
        writer.write(17)


def test_a_consumed_stream(rows, tmp_path):
    reader = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())

    class Twice:
        capsule = reader.__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema=None):
            return self.capsule

    weir.write_parquet(Twice(), tmp_path / "one.parquet")
    with pytest.raises(weir.InvalidArgumentError, match="consumed"):
        weir.write_parquet(Twice(), tmp_path / "two.parquet")


def test_writing_leaks_nothing(rows, tmp_path):
    path = tmp_path / "out.parquet"
    for _ in range(10):
        weir.write_parquet(rows, path)
    before = resident_bytes()
    for _ in range(60):
        weir.write_parquet(rows, path)
    assert resident_bytes() - before < 8 << 20
