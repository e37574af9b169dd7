# SPDX-License-Identifier: Apache-2.0
"""Random tables through Parquet, both ways, against pyarrow, DuckDB and Polars.

WEIR_TEST_SECONDS is the time for each of the tests (10 unless given), WEIR_TEST_SEED the first
seed.
A failure names its seed: WEIR_TEST_SEED=n pytest -k name runs it first.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from random_tables import LEAVES, Generator
from table_difference import check_tables, one_array

import weir

SECONDS = float(os.environ.get("WEIR_TEST_SECONDS", "10"))
FIRST_SEED = int(os.environ.get("WEIR_TEST_SEED", "1"))
ENCODINGS = {
    "BOOLEAN": ["PLAIN", "RLE"],
    "INT32": ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"],
    "INT64": ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"],
    "INT96": ["PLAIN"],
    "FLOAT": ["PLAIN", "BYTE_STREAM_SPLIT"],
    "DOUBLE": ["PLAIN", "BYTE_STREAM_SPLIT"],
    "BYTE_ARRAY": ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"],
    "FIXED_LEN_BYTE_ARRAY": ["PLAIN", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"],
}


def seeds():
    """Seeds until the time is over, at least ten."""
    end = time.monotonic() + SECONDS
    seed = FIRST_SEED
    while time.monotonic() < end or seed < FIRST_SEED + 10:
        yield seed
        seed += 1


def pyarrow_options(r: random.Random) -> dict[str, Any]:
    options: dict[str, Any] = {
        "version": r.choice(["1.0", "2.4", "2.6"]),
        "data_page_version": r.choice(["1.0", "2.0"]),
        "compression": r.choice(["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
        "use_dictionary": r.random() < 0.5,
        "data_page_size": r.choice([1, 64, 1000, 1 << 20]),
        "write_batch_size": r.choice([1, 10, 1024]),
        "dictionary_pagesize_limit": r.choice([50, 1 << 20]),
        "write_page_index": r.random() < 0.5,
        "store_schema": r.random() < 0.7,
        "use_compliant_nested_type": r.random() < 0.7,
        "write_page_checksum": r.random() < 0.5,
        "write_statistics": r.random() < 0.8,
        "row_group_size": r.choice([1, 7, 50, 10_000]),
        "use_deprecated_int96_timestamps": r.random() < 0.05,
    }
    if options["use_deprecated_int96_timestamps"]:
        options["version"] = "2.6"
    return options


# Options that decide about types.
SAME = ["version", "store_schema", "use_compliant_nested_type"]


def read_or_none(file: pq.ParquetFile) -> pa.Table | None:
    try:
        return file.read()
    except (pa.ArrowException, OSError):
        return None


def write_by_pyarrow(table: pa.Table, path: Path, r: random.Random) -> dict[str, Any]:
    options = pyarrow_options(r)
    if not options["use_dictionary"] and r.random() < 0.7:
        # The encodings must fit the physical types, which the file's schema tells.
        pq.write_table(table.slice(0, 0), path, **options)
        schema = pq.ParquetFile(path).schema
        options["column_encoding"] = {
            schema.column(i).path: r.choice(ENCODINGS[schema.column(i).physical_type])
            for i in range(len(schema))
        }
    pq.write_table(table, path, **options)
    return options


def test_pyarrow_writes_weir_reads(tmp_path):
    path = tmp_path / "file.parquet"
    counts: Counter[str] = Counter()
    for seed in seeds():
        generator = Generator(seed)
        r = generator.random
        table = generator.table(r.choice([0, 1, 5, 100, 400]))
        try:
            options = write_by_pyarrow(table, path, r)
        except (pa.ArrowException, OSError) as error:
            counts[f"pyarrow does not write it: {str(error)[:60]}"] += 1
            continue
        file = pq.ParquetFile(path)
        expected = read_or_none(file)
        if expected is None or expected.num_rows != table.num_rows:
            # Some of its own files pyarrow cannot read, or loses rows of: those with several small
            # v2 pages and nesting. What it reads of the table in one page is the standard then.
            counts["pyarrow cannot read its own file"] += 1
            plain = expected_types(table, {key: options[key] for key in SAME})
            if plain is not None and not options["use_deprecated_int96_timestamps"]:
                counts["and Weir can"] += 1
                check_tables(pa.table(weir.read_parquet(path)), plain)
            continue
        try:
            check_read(path, file, expected, r)
        except Exception as error:
            if "INT96 timestamp does not fit" in str(error):
                counts["int96 beyond nanoseconds"] += 1
                continue
            raise AssertionError(f"seed {seed}: {table.schema}") from error
        counts["equal"] += 1
    print(dict(counts))
    assert counts["equal"] > 0.6 * sum(counts.values()), counts


def check_read(path: Path, file: pq.ParquetFile, expected: pa.Table, r: random.Random) -> None:
    table = weir.read_parquet(path, batch_rows=r.choice([None, 1, 3, 64]))
    assert table.num_rows == expected.num_rows
    check_tables(pa.table(table), expected)
    # Some of the columns, in another order, and some of the row groups.
    names = r.sample(expected.column_names, r.randint(1, expected.num_columns))
    groups = r.sample(range(file.num_row_groups), r.randint(0, min(3, file.num_row_groups)))
    part = weir.read_parquet(path, columns=names, row_groups=groups)
    check_tables(pa.table(part), file.read_row_groups(groups).select(names))
    # A field within structs.
    dotted = fields_of_structs(expected.schema)
    if dotted:
        name = r.choice(dotted)
        check_tables(pa.table(weir.read_parquet(path, columns=[name])), pick(expected, name))


def fields_of_structs(schema: pa.Schema) -> list[str]:
    found = []

    def visit(name: str, type_: pa.DataType) -> None:
        if pa.types.is_struct(type_):
            for field in type_:
                found.append(f"{name}.{field.name}")
                visit(f"{name}.{field.name}", field.type)

    for field in schema:
        visit(field.name, field.type)
    return found


def pick(table: pa.Table, path: str) -> pa.Table:
    """The column with one of its fields alone."""
    name, *rest = path.split(".")

    def keep(array: pa.Array, names: list[str]) -> pa.Array:
        if not names:
            return array
        child = array.type.field(array.type.get_field_index(names[0]))
        values = keep(array.field(names[0]), names[1:])
        field = pa.field(child.name, values.type, nullable=child.nullable)
        return pa.StructArray.from_arrays([values], fields=[field], mask=array.is_null())

    whole = one_array(table.column(name))
    array = keep(whole, rest)
    nullable = table.schema.field(name).nullable
    return pa.Table.from_arrays(
        [array], schema=pa.schema([pa.field(name, array.type, nullable=nullable)])
    )


def weir_options(r: random.Random) -> dict[str, Any]:
    return {
        "compression": r.choice(["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
        "dictionary": r.random() < 0.6,
        "dictionary_bytes": r.choice([50, 1000, 1 << 20]),
        "encodings": r.choice(["all", "all", "widest"]),
        "page_bytes": r.choice([64, 1000, 1 << 20]),
        "page_rows": r.choice([1, 10, 20_000]),
        "page_version": r.choice([1, 2]),
        "page_index": r.random() < 0.7,
        "checksums": r.random() < 0.7,
        "arrow_schema": r.random() < 0.7,
        "row_group_rows": r.choice([7, 50, 10_000]),
    }


def test_weir_writes_others_read(tmp_path):
    counts: Counter[str] = Counter()
    for seed in seeds():
        generator = Generator(seed)
        r = generator.random
        table = generator.table(r.choice([0, 1, 5, 100, 400]))
        options = weir_options(r)
        path = tmp_path / f"{seed}.parquet"
        expected = expected_types(table, {"store_schema": options["arrow_schema"]})
        try:
            weir.write_parquet(table, path, **options)
            read = pa.table(weir.read_parquet(path))
            if expected is None:
                # By another way: Weir writes what it has read, and says the same.
                weir.write_parquet(read, path)
                check_tables(pa.table(weir.read_parquet(path)), read)
                assert read.num_rows == table.num_rows
                counts["pyarrow cannot read its own file"] += 1
                continue
            check_tables(read, expected)
            check_tables(pq.read_table(path, page_checksum_verification=True), expected)
            assert pq.ParquetFile(path).metadata.num_rows == table.num_rows
        except Exception as error:
            raise AssertionError(f"seed {seed}: {options}\n{table.schema}") from error
        finally:
            path.unlink(missing_ok=True)
        counts["equal"] += 1
    print(dict(counts))


def expected_types(table: pa.Table, options: dict[str, Any]) -> pa.Table | None:
    """What Parquet makes of the types: seconds become milliseconds, and without the Arrow schema
    there are no large types. pyarrow writes and reads it the same way, or fails (on fixed-size
    lists under null structs, for one)."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    try:
        read = pq.read_table(pa.BufferReader(sink.getvalue()))
    except pa.ArrowException:
        return None
    return read if read.num_rows == table.num_rows else None


# DuckDB and Polars hold fewer types. What they make of a file of pyarrow's is the standard.
COMMON = [
    t
    for t in LEAVES
    if not pa.types.is_null(t) and not pa.types.is_duration(t) and not pa.types.is_float16(t)
]


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_weir_writes_engines_read(tmp_path, engine):
    counts: Counter[str] = Counter()
    for seed in seeds():
        generator = Generator(seed, leaves=COMMON)
        r = generator.random
        table = generator.table(r.choice([1, 5, 100, 300]), depth=3)
        ours, theirs = tmp_path / "weir.parquet", tmp_path / "pyarrow.parquet"
        options = {**weir_options(r), "arrow_schema": True}
        weir.write_parquet(table, ours, **options)
        pq.write_table(table, theirs)
        try:
            expected = read_by(engine, theirs)
        except BaseException as error:  # Polars panics with an error of its own class.
            if isinstance(error, KeyboardInterrupt):
                raise
            counts[f"{engine} refuses pyarrow's file"] += 1
            continue
        try:
            actual = read_by(engine, ours)
            check_tables(actual, expected)
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {options}\n{table.schema}") from error
        counts["equal"] += 1
    print(dict(counts))
    assert counts["equal"] > 0.5 * sum(counts.values()), counts


def read_by(engine: str, path: Path) -> pa.Table:
    if engine == "duckdb":
        result = duckdb.sql(f"select * from read_parquet('{path}')").arrow()
        return result if isinstance(result, pa.Table) else result.read_all()
    return pl.read_parquet(path, use_pyarrow=False).to_arrow(compat_level=pl.CompatLevel.oldest())


def test_statistics_are_true(tmp_path):
    """Bounds and null counts of column chunks are those that pyarrow computes."""
    counts: Counter[str] = Counter()
    for seed in seeds():
        generator = Generator(seed)
        r = generator.random
        table = generator.table(r.choice([1, 5, 100, 400]), depth=2)
        options = weir_options(r)
        rows = options["row_group_rows"]
        ours, theirs = tmp_path / "weir.parquet", tmp_path / "pyarrow.parquet"
        weir.write_parquet(table, ours, **options)
        try:
            pq.write_table(table, theirs, row_group_size=rows, use_dictionary=False)
        except pa.ArrowException:
            counts["pyarrow refuses"] += 1
            continue
        mine, other = pq.ParquetFile(ours).metadata, pq.ParquetFile(theirs).metadata
        assert mine.num_row_groups == other.num_row_groups, seed
        for group in range(mine.num_row_groups):
            assert mine.row_group(group).num_rows == other.row_group(group).num_rows
            for column in range(mine.num_columns):
                pair = [m.row_group(group).column(column) for m in (mine, other)]
                try:
                    compare_statistics(*pair, counts)
                except AssertionError as error:
                    where = f"seed {seed}, row group {group}, column {pair[0].path_in_schema}"
                    raise AssertionError(f"{where}: {options}\n{table.schema}") from error
    print(dict(counts))
    assert counts["bounds"] > 100


def compare_statistics(mine: Any, other: Any, counts: Counter[str]) -> None:
    assert mine.num_values == other.num_values
    ours, theirs = mine.statistics, other.statistics
    if theirs is None:
        return
    assert ours is not None
    if theirs.has_null_count:
        assert ours.has_null_count
        assert ours.null_count == theirs.null_count
    if not theirs.has_min_max:
        counts["pyarrow has no bounds"] += 1
        return
    if not ours.has_min_max:
        counts["no bounds"] += 1
        return
    counts["bounds"] += 1
    if ours.physical_type != theirs.physical_type:  # Decimals.
        assert (ours.min, ours.max) == (theirs.min, theirs.max)
        return
    low, high = ours.min_raw, ours.max_raw
    if isinstance(theirs.min_raw, bytes) and len(theirs.min_raw) > 64:
        assert theirs.min_raw.startswith(low)
    else:
        assert repr(low) == repr(theirs.min_raw)
    if isinstance(theirs.max_raw, bytes) and len(theirs.max_raw) > 64:
        assert high >= theirs.max_raw
        assert len(high) <= 64
    else:
        assert repr(high) == repr(theirs.max_raw)
