# SPDX-License-Identifier: Apache-2.0
"""Arrow against its other implementations: the C interfaces, and IPC streams and files.

The C interfaces are crossed by writing tables to Parquet and reading them back, IPC by the command
`weir file convert`. What comes back is compared with what pyarrow made.
"""

from __future__ import annotations

import gc
import os
import random
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc
import pytest

import weir

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = os.environ.get("WEIR_BIN", str(ROOT / ".build" / "release" / "weir"))

LEAVES = [
    pa.null(),
    pa.bool_(),
    *[getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)],
    pa.float16(),
    pa.float32(),
    pa.float64(),
    pa.decimal128(9, 2),
    pa.decimal128(38, 10),
    pa.date32(),
    pa.date64(),
    pa.time32("s"),
    pa.time32("ms"),
    pa.time64("us"),
    pa.time64("ns"),
    pa.timestamp("s"),
    pa.timestamp("ms", tz="UTC"),
    pa.timestamp("us", tz="Europe/Berlin"),
    pa.timestamp("ns"),
    pa.duration("us"),
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.large_binary(),
    pa.binary(5),
]


def random_type(rng: random.Random, depth: int) -> pa.DataType:
    if depth == 0 or rng.random() < 0.6:
        leaf = rng.choice(LEAVES)
        if rng.random() < 0.1:
            values = rng.choice([pa.string(), pa.int64(), pa.large_binary(), pa.float64()])
            return pa.dictionary(rng.choice([pa.int8(), pa.int32(), pa.uint16()]), values)
        return leaf

    def inner() -> pa.DataType:
        return random_type(rng, depth - 1)

    makers = [
        lambda: pa.list_(inner()),
        lambda: pa.large_list(inner()),
        lambda: pa.list_(inner(), rng.randint(1, 3)),
        lambda: pa.struct([pa.field(f"f{i}", inner()) for i in range(rng.randint(1, 3))]),
        lambda: pa.map_(rng.choice([pa.int32(), pa.string()]), inner()),
    ]
    return rng.choice(makers)()


def random_value(rng: random.Random, type_: pa.DataType) -> object:
    """A value that `pa.scalar` of the type takes; temporal ones as their integers."""
    types = pa.types
    if types.is_null(type_) or rng.random() < 0.2:
        return None
    if types.is_dictionary(type_):
        return random_value(rng, type_.value_type)
    if types.is_map(type_):
        key = range(rng.randint(0, 3))
        text = types.is_string(type_.key_type)
        return [(str(k) if text else k, random_value(rng, type_.item_type)) for k in key]
    if types.is_fixed_size_list(type_):
        return [random_value(rng, type_.value_type) for _ in range(type_.list_size)]
    if types.is_list(type_) or types.is_large_list(type_):
        return [random_value(rng, type_.value_type) for _ in range(rng.randint(0, 3))]
    if types.is_struct(type_):
        return {field.name: random_value(rng, field.type) for field in type_}
    if types.is_boolean(type_):
        return rng.random() < 0.5
    if types.is_floating(type_):
        return rng.randint(-1_000, 1_000) / 4
    if types.is_decimal(type_):
        return rng.randint(-9_999, 9_999)
    if types.is_date64(type_):
        return rng.randint(-1_000, 1_000) * 86_400_000
    if types.is_fixed_size_binary(type_):
        return rng.randbytes(type_.byte_width)
    if types.is_string(type_) or types.is_large_string(type_):
        return "".join(rng.choice("abcäß漢🙂") for _ in range(rng.randint(0, 20)))
    if types.is_binary(type_) or types.is_large_binary(type_):
        return rng.randbytes(rng.randint(0, 20))
    return rng.randint(0, 120)


def random_table(seed: int, *, dictionaries: bool = True) -> pa.Table:
    """Some columns in several chunks, each a slice of a larger array."""
    rng = random.Random(seed)
    columns, names = [], []
    count = rng.randint(0, 40)
    for index in range(rng.randint(1, 5)):
        type_ = random_type(rng, 2)
        while not dictionaries and "dictionary" in str(type_):
            type_ = random_type(rng, 2)
        before = rng.randint(0, 9)
        array = pa.array([random_value(rng, type_) for _ in range(before + count)], type_)
        columns.append(array[before:])
        names.append(f"c{index}")
    metadata = {"table": "füllen"} if rng.random() < 0.5 else None
    schema = pa.schema(
        [
            pa.field(name, array.type, metadata={"unit": "m²"} if rng.random() < 0.3 else None)
            for name, array in zip(names, columns)
        ],
        metadata=metadata,
    )
    table = pa.Table.from_arrays(columns, schema=schema)
    cut = rng.randint(0, count)
    return pa.concat_tables([table[:cut], table[cut:]])


def write_ipc(table: pa.Table, path: Path, rng: random.Random) -> None:
    options = ipc.IpcWriteOptions(
        compression=rng.choice([None, "zstd", "lz4"]),
        unify_dictionaries=path.suffix == ".arrow",
    )
    new = ipc.new_file if path.suffix == ".arrow" else ipc.new_stream
    with new(path, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rng.choice([7, 1_000]))


def read_ipc(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        reader = ipc.open_file(file) if path.suffix == ".arrow" else ipc.open_stream(file)
        return reader.read_all()


def convert(source: Path, target: Path, *options: str) -> None:
    command = [COMMAND, "file", "convert", source, target, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- IPC -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("kind", ["arrows", "arrow"])
def test_ipc_round_trip(tmp_path, seed, kind):
    table = random_table(seed)
    rng = random.Random(seed)
    source, target = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    write_ipc(table, source, rng)
    convert(source, target, "--codec", rng.choice(["none", "zstd", "lz4"]))
    result = read_ipc(target)
    result.validate(full=True)
    assert result.schema.equals(table.schema, check_metadata=True)
    assert result.equals(read_ipc(source))
    assert result.to_pylist() == table.to_pylist()


def test_polars_ipc(tmp_path):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "text": ["short", "a text of more than twelve bytes", None] * 1_000,
            "kind": polars.Series(["u", "v", None] * 1_000, dtype=polars.Categorical),
            "texts": [["aa", "another text that is not short"], [], None] * 1_000,
            "pair": polars.Series(
                [[1, 2], None, [3, 4]] * 1_000, dtype=polars.Array(polars.Int16, 2)
            ),
            "bytes": [b"q" * 30, None, b""] * 1_000,
            "nothing": [None] * 3_000,
        }
    )
    for compression in ("uncompressed", "lz4", "zstd"):
        source, target = tmp_path / "in.arrows", tmp_path / "out.arrows"
        frame.write_ipc_stream(source, compression=compression)
        convert(source, target, "--codec", "zstd", "--force")
        assert polars.read_ipc_stream(target).to_dicts() == frame.to_dicts()
        read_ipc(target).validate(full=True)


# ---- The C interfaces ----------------------------------------------------------------------------


def through_parquet(table: object, path: Path) -> pa.Table:
    weir.write_parquet(table, path)
    result = pa.table(weir.read_parquet(path))
    result.validate(full=True)
    return result


@pytest.mark.parametrize("seed", range(40))
def test_c_stream_round_trip(tmp_path, seed):
    table = random_table(seed, dictionaries=False)
    result = through_parquet(table, tmp_path / "t.parquet")
    assert result.column_names == table.column_names
    assert result.to_pylist() == table.to_pylist()


def test_memory_comes_back(tmp_path):
    gc.collect()
    before = pa.total_allocated_bytes()
    for seed in range(10):
        through_parquet(random_table(seed, dictionaries=False), tmp_path / f"{seed}.parquet")
    gc.collect()
    assert pa.total_allocated_bytes() == before


def test_views_are_taken(tmp_path):
    table = pa.table(
        {
            "s": pa.array(["a", None, "more than twelve bytes", ""], pa.string_view()),
            "b": pa.array([b"x" * 40, b"", None, b"y"], pa.binary_view()),
        }
    )
    result = through_parquet(table[1:], tmp_path / "t.parquet")
    assert result.to_pylist() == table[1:].to_pylist()


@pytest.mark.parametrize(
    ("type_", "word"),
    [
        (pa.decimal256(50, 3), "decimal256"),
        (pa.list_view(pa.int32()), "list_view"),
        (pa.run_end_encoded(pa.int32(), pa.string()), "run_end_encoded"),
        (pa.month_day_nano_interval(), "interval"),
        (pa.dense_union([pa.field("a", pa.int8())]), "union"),
    ],
)
def test_types_that_are_not_supported_are_named(tmp_path, type_, word):
    schema = pa.schema([("outer", pa.struct([("it", type_)]))])
    reader = pa.RecordBatchReader.from_batches(schema, [])
    with pytest.raises(weir.UnsupportedError, match=word) as caught:
        weir.write_parquet(reader, tmp_path / "t.parquet")
    assert "outer.it" in str(caught.value)


def test_field_ids_travel(tmp_path):
    field = pa.field("x", pa.int32(), metadata={"PARQUET:field_id": "77"})
    table = pa.table([pa.array([1], pa.int32())], schema=pa.schema([field]))
    result = through_parquet(table, tmp_path / "t.parquet")
    assert result.schema.field("x").metadata[b"PARQUET:field_id"] == b"77"
