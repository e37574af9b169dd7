# SPDX-License-Identifier: Apache-2.0
"""The Python package: reading, errors, memory."""

from __future__ import annotations

import gc
import os
import pickle
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weir


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def buffer_addresses(array: pa.Array) -> list[int]:
    return [buffer.address for buffer in array.buffers() if buffer is not None]


def test_versions_agree():
    assert weir.__version__.count(".") == 2


def test_read_table(file, rows):
    table = weir.read_parquet(file)
    assert pa.table(table).equals(rows)
    assert table.num_rows == len(table) == 5_000
    assert table.column_names == rows.column_names
    assert table.num_columns == 7
    assert pa.schema(table).equals(rows.schema)


def test_read_again(file, rows):
    table = weir.read_parquet(str(file))
    assert pa.table(table).equals(rows)
    assert pa.table(table).equals(rows)


def test_columns_in_the_order_asked(file, rows):
    table = weir.read_parquet(file, columns=["score", "id"])
    assert table.column_names == ["score", "id"]
    assert pa.table(table).equals(rows.select(["score", "id"]))


def test_no_columns(file):
    result = pa.table(weir.read_parquet(file, columns=[]))
    assert result.num_columns == 0


def test_row_groups(file, rows):
    table = weir.read_parquet(file, row_groups=[3, 1])
    assert table.num_rows == 2_000
    assert pa.table(table).equals(
        pa.concat_tables([rows.slice(3_000, 1_000), rows.slice(1_000, 1_000)])
    )
    empty = weir.read_parquet(file, row_groups=[])
    assert empty.num_rows == 0
    assert pa.table(empty).equals(rows.slice(0, 0))


def test_batch_rows(file, rows):
    reader = pa.RecordBatchReader.from_stream(weir.read_parquet(file, batch_rows=300))
    batches = list(reader)
    assert max(batch.num_rows for batch in batches) == 300
    assert pa.Table.from_batches(batches).equals(rows)


def test_parquet_file(file, rows):
    with weir.ParquetFile(file) as parquet:
        assert (parquet.num_rows, parquet.num_row_groups) == (5_000, 5)
        assert parquet.schema.names == rows.column_names
        assert pa.schema(parquet.schema).equals(rows.schema)
        assert pa.table(parquet).equals(rows)
        batches = [pa.record_batch(batch) for batch in parquet.iter_batches(["id"], batch_rows=400)]
    assert pa.Table.from_batches(batches).equals(rows.select(["id"]))


def test_metadata(file):
    metadata = weir.ParquetFile(file).metadata
    assert metadata["row_count"] == 5_000
    assert metadata["created_by"].startswith("parquet-cpp-arrow")
    assert [group["row_count"] for group in metadata["row_groups"]] == [1_000] * 5
    assert metadata["schema"][0] == {
        "name": "id",
        "type": "int64",
        "nullable": True,
        "field_id": None,
    }
    column = metadata["row_groups"][0]["columns"][0]
    assert (column["path"], column["codec"], column["value_count"]) == ("id", "SNAPPY", 1_000)
    assert (column["null_count"], column["min"], column["max"]) == (0, 0, 999)
    names = metadata["row_groups"][0]["columns"][2]
    assert (names["null_count"], names["min"], names["max"]) == (91, "name-0", "name-96")
    assert column["has_dictionary"] is True


def test_a_batch_can_be_taken_twice(file):
    batch = next(weir.ParquetFile(file).iter_batches(["id", "name"]))
    first, second = pa.record_batch(batch), pa.record_batch(batch)
    assert len(batch) == batch.num_rows == first.num_rows
    assert first.equals(second)
    # The same memory, not a copy of it.
    for name in ("id", "name"):
        assert buffer_addresses(first[name]) == buffer_addresses(second[name])


def test_memory_outlives_what_gave_it(file, rows):
    parquet = weir.ParquetFile(file)
    batch = next(parquet.iter_batches())
    array = pa.record_batch(batch)
    parquet.close()
    del parquet, batch
    gc.collect()
    assert array.equals(rows.slice(0, array.num_rows).combine_chunks().to_batches()[0])


def test_streams_go_on_after_close(file, rows):
    parquet = weir.ParquetFile(file)
    reader = pa.RecordBatchReader.from_stream(parquet)
    iterator = parquet.iter_batches()
    next(iterator)
    parquet.close()
    assert reader.read_all().equals(rows)
    assert sum(batch.num_rows for batch in iterator) == 4_000


def test_use_after_close(file):
    parquet = weir.ParquetFile(file)
    table = parquet.read()
    parquet.close()
    parquet.close()
    with pytest.raises(weir.InvalidArgumentError, match="was closed") as caught:
        parquet.read()
    assert caught.value.path == str(file)
    with pytest.raises(weir.InvalidArgumentError, match="was closed"):
        pa.table(table)


def test_capsules_that_nobody_takes(file):
    table = weir.read_parquet(file)
    for _ in range(100):
        table.__arrow_c_stream__()
        table.__arrow_c_schema__()
    batch = next(iter(table))
    for _ in range(100):
        batch.__arrow_c_array__()


def test_capsules_die_while_an_exception_is_raised(file):
    table = weir.read_parquet(file)

    def fails():
        capsule = table.__arrow_c_stream__()
        array = next(iter(table)).__arrow_c_array__()
        raise KeyError(capsule is array)

    for _ in range(100):
        with pytest.raises(KeyError):
            fails()


def test_threads_share_a_file(file, rows):
    parquet = weir.ParquetFile(file)
    wrong = []

    def work():
        for _ in range(10):
            if not pa.table(parquet.read(["id", "name"])).equals(rows.select(["id", "name"])):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_no_such_file(tmp_path):
    path = tmp_path / "absent.parquet"
    with pytest.raises(weir.NotFoundError) as caught:
        weir.read_parquet(path)
    error = caught.value
    assert isinstance(error, FileNotFoundError)
    assert isinstance(error, weir.WeirError)
    assert (error.code, error.path, error.filename) == ("not_found", str(path), str(path))
    assert str(path) in str(error)


def test_no_overwriting(file, rows):
    with pytest.raises(FileExistsError) as caught:
        weir.write_parquet(rows, file, overwrite=False)
    assert isinstance(caught.value, weir.AlreadyExistsError)


def test_a_folder(tmp_path):
    with pytest.raises(weir.StorageError):
        weir.read_parquet(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet file at all" * 10])
def test_not_parquet(content, tmp_path):
    path = tmp_path / "bad.parquet"
    path.write_bytes(content)
    with pytest.raises(weir.InvalidDataError) as caught:
        weir.read_parquet(path)
    assert caught.value.path == str(path)


def test_damage_names_the_place(tmp_path):
    # Version 1 pages with checksums, uncompressed; one byte in the middle of the data is changed.
    path = tmp_path / "damaged.parquet"
    table = pa.table({"first": pa.array(range(1_000)), "second": pa.array(range(1_000))})
    pq.write_table(table, path, use_dictionary=False, compression="none", write_page_checksum=True)
    column = pq.ParquetFile(path).metadata.row_group(0).column(1)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(weir.InvalidDataError) as caught:
        list(weir.ParquetFile(path).iter_batches())
    error = caught.value
    assert (error.path, error.column, error.page) == (str(path), "second", 0)
    assert column.data_page_offset <= error.position <= len(data)
    # A consumer that knows no Weir gives the same text in its own exception.
    with pytest.raises(Exception, match="second"):
        pa.table(weir.read_parquet(path))
    unchecked = pa.table(weir.read_parquet(path, verify_checksums=False))
    assert unchecked["first"].to_pylist() == list(range(1_000))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ["nickname"]}, "nickname"),
        ({"row_groups": [5]}, "row groups"),
        ({"row_groups": [-1]}, "row groups"),
        ({"row_groups": [2**63]}, "row group"),
        ({"batch_rows": -1}, "batch_rows"),
        ({"columns": ["a\0b"]}, "zero"),
    ],
)
def test_wrong_arguments(arguments, message, file):
    with pytest.raises(weir.InvalidArgumentError, match=message):
        weir.read_parquet(file, **arguments)


def test_columns_is_no_string(file):
    with pytest.raises(TypeError, match="sequence"):
        weir.read_parquet(file, columns="id")


def test_a_path_with_a_zero(tmp_path):
    with pytest.raises(ValueError, match="zero"):
        weir.read_parquet(f"{tmp_path}/a\0b")


def test_errors_travel_by_pickle():
    error = weir.NotFoundError("gone", path="a.parquet", column="b", page=1, position=2)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is weir.NotFoundError
    assert (str(again), again.path, again.column) == ("gone", "a.parquet", "b")
    assert (again.page, again.position, again.filename) == (1, 2, "a.parquet")


def test_reading_leaks_nothing(file):
    def read():
        pa.table(weir.read_parquet(file))
        table = weir.read_parquet(file)
        table.__arrow_c_stream__()  # Never consumed.
        next(iter(table))
        with pytest.raises(weir.WeirError):
            weir.read_parquet(file, columns=["nickname"])

    for _ in range(20):
        read()
    gc.collect()
    before = resident_bytes()
    for _ in range(200):
        read()
    gc.collect()
    # 200 tables are about 100 MB.
    assert resident_bytes() - before < 8 << 20
