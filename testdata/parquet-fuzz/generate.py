# SPDX-License-Identifier: Apache-2.0
"""Writes the small Parquet files that the fuzzers start from, beside this script.

Each has a few rows and many features: every encoding, codec, page version, and nesting. Run it with
pyarrow (26.0.1 made the files that are committed) when a feature is added.
"""

from __future__ import annotations

import decimal
import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).resolve().parent


def flat(rows: int) -> pa.Table:
    """A column of most types, with nulls."""
    index = range(rows)

    def some(make, every=5):
        return [None if i % every == 3 else make(i) for i in index]

    return pa.table(
        {
            "bool": pa.array(some(lambda i: i % 3 == 0)),
            "i8": pa.array(some(lambda i: i % 100 - 50), pa.int8()),
            "u16": pa.array(some(lambda i: i * 7), pa.uint16()),
            "i32": pa.array([i * 1000 for i in index], pa.int32()),
            "i64": pa.array(some(lambda i: i * 10**12), pa.int64()),
            "f16": pa.array(some(float), pa.float16()),
            "f32": pa.array(some(lambda i: i / 3), pa.float32()),
            "f64": pa.array(some(lambda i: i / 7), pa.float64()),
            "dec9": pa.array(some(lambda i: decimal.Decimal(i)), pa.decimal128(9, 2)),
            "dec38": pa.array(some(lambda i: decimal.Decimal(i)), pa.decimal128(38, 4)),
            "date": pa.array(some(lambda i: i), pa.date32()),
            "ts": pa.array(some(lambda i: i * 10**6), pa.timestamp("us", tz="UTC")),
            "text": pa.array(some(lambda i: f"text {i % 7} é")),
            "bin": pa.array(some(lambda i: bytes([i % 256]) * (i % 5)), pa.binary()),
            "fsb": pa.array(some(lambda i: i.to_bytes(5, "little")), pa.binary(5)),
        }
    )


def nested(rows: int) -> pa.Table:
    index = range(rows)
    lists = [
        None if i % 7 == 2 else [None if j % 4 == 1 else j for j in range(i % 5)] for i in index
    ]
    deep = [None if i % 5 == 1 else [[f"s{j}"] * (j % 3) for j in range(i % 4)] for i in index]
    structs = [
        None if i % 6 == 1 else {"x": i, "y": None if i % 3 == 0 else [{"z": float(i)}] * (i % 3)}
        for i in index
    ]
    maps = [None if i % 8 == 5 else [(f"k{j}", j) for j in range(i % 3)] for i in index]
    fixed = [None if i % 4 == 3 else [i, i + 1] for i in index]
    return pa.table(
        {
            "list": pa.array(lists, pa.list_(pa.int32())),
            "deep": pa.array(deep, pa.large_list(pa.list_(pa.string()))),
            "struct": pa.array(
                structs,
                pa.struct([("x", pa.int64()), ("y", pa.list_(pa.struct([("z", pa.float64())])))]),
            ),
            "map": pa.array(maps, pa.map_(pa.string(), pa.int16())),
            "fixed": pa.array(fixed, pa.list_(pa.float32(), 2)),
        }
    )


def write(name: str, table: pa.Table, **options) -> None:
    pq.write_table(table, FOLDER / f"{name}.parquet", **options)


def main() -> None:
    for old in FOLDER.glob("*.parquet"):
        old.unlink()
    codecs = ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]
    for codec, version in itertools.product(codecs, ["1.0", "2.0"]):
        write(
            f"nested-{codec}-v{version[0]}",
            nested(20),
            compression=codec,
            data_page_version=version,
            store_schema=version == "2.0",
            write_page_checksum=codec == "zstd",
        )
    write("flat-plain", flat(24), use_dictionary=False, compression="none", store_schema=False)
    write("flat-dictionary", flat(24), compression="zstd", data_page_version="2.0")
    write(
        "flat-index",
        flat(60).select(["i32", "i64", "text", "f64"]),
        compression="none",
        data_page_size=64,
        write_batch_size=10,
        write_page_index=True,
        write_page_checksum=True,
        row_group_size=40,
        bloom_filter_options={"i32": {"ndv": 20, "fpp": 0.1}, "text": {"ndv": 8, "fpp": 0.1}},
    )
    encodings = {
        "DELTA_BINARY_PACKED": ["i8", "i32", "i64", "ts"],
        "DELTA_LENGTH_BYTE_ARRAY": ["text", "bin"],
        "DELTA_BYTE_ARRAY": ["text", "bin", "fsb", "dec38"],
        "BYTE_STREAM_SPLIT": ["i32", "i64", "f16", "f32", "f64", "fsb"],
        "RLE": ["bool"],
    }
    for encoding, columns in encodings.items():
        for codec in ("none", "snappy"):
            write(
                f"{encoding.lower()}-{codec}",
                flat(100).select(columns),
                use_dictionary=False,
                column_encoding=dict.fromkeys(columns, encoding),
                compression=codec,
                data_page_version="2.0" if codec == "none" else "1.0",
            )
    write(
        "delta-nested",
        pa.table({"list": nested(30)["list"], "deep": nested(30)["deep"]}),
        use_dictionary=False,
        column_encoding={
            "list.list.element": "DELTA_BINARY_PACKED",
            "deep.list.element.list.element": "DELTA_BYTE_ARRAY",
        },
        compression="none",
    )
    write("int96", flat(12).select(["ts"]), use_deprecated_int96_timestamps=True)
    write("empty", flat(0))
    write("nulls", pa.table({"n": pa.nulls(5), "i": pa.array([None] * 5, pa.int32())}))


if __name__ == "__main__":
    main()
