# SPDX-License-Identifier: Apache-2.0
"""Writes the manifests and manifest lists beside this file, by PyIceberg and fastavro.

Each `NAME-CODEC.avro` has a `NAME.json` that says what a reader must find in it. Partition values are in
Iceberg's JSON single-value serialization. `java-list-v2.avro` and `encrypted.avro` come from Apache
Iceberg's Rust implementation's tests, the first written by its Java implementation (Apache-2.0). Needs pyiceberg 0.12, fastavro, cramjam and backports.zstd.
"""

import datetime
import decimal
import json
import pathlib
import uuid

import fastavro
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestEntry,
    ManifestEntryStatus,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, IdentityTransform, TruncateTransform
from pyiceberg.typedef import Record
from pyiceberg import types as t

FOLDER = pathlib.Path(__file__).parent
SNAPSHOT = 3051729675574597004

TYPES = [
    ("flag", t.BooleanType(), True, True),
    ("count", t.IntegerType(), -7, -7),
    ("id", t.LongType(), 1 << 40, 1 << 40),
    ("ratio", t.FloatType(), 0.5, 0.5),
    ("score", t.DoubleType(), -2.25, -2.25),
    ("price", t.DecimalType(9, 2), decimal.Decimal("-123.45"), "-123.45"),
    ("day", t.DateType(), 19000, "2022-01-08"),
    ("at", t.TimeType(), 3_600_000_001, "01:00:00.000001"),
    ("ts", t.TimestampType(), 1_641_600_000_000_001, "2022-01-08T00:00:00.000001"),
    ("tstz", t.TimestamptzType(), 1_641_600_000_000_000, "2022-01-08T00:00:00.000000+00:00"),
    ("name of it", t.StringType(), "Zoë/1", "Zoë/1"),
    ("key", t.UUIDType(), uuid.UUID(int=0x1234).bytes, str(uuid.UUID(int=0x1234))),
    ("code", t.FixedType(4), b"\x00\x01\xfe\xff", "0001feff"),
    ("raw", t.BinaryType(), b"abc", "616263"),
]

SCHEMA = Schema(
    *[
        t.NestedField(index + 1, name, kind, required=False)
        for index, (name, kind, _, _) in enumerate(TYPES)
    ]
)
SPEC = PartitionSpec(
    *[
        PartitionField(index + 1, 1000 + index, IdentityTransform(), name)
        for index, (name, _, _, _) in enumerate(TYPES)
    ],
    PartitionField(3, 1100, BucketTransform(16), "id_bucket"),
    PartitionField(11, 1101, TruncateTransform(2), "name_trunc"),
    spec_id=3,
)


def single(value):
    return {str(k): (v.hex() if isinstance(v, bytes) else v) for k, v in value.items()}


def expected_entry(status, snapshot, sequence, file_sequence, content, path, partition, data):
    result = {
        "status": status,
        "snapshot-id": snapshot,
        "sequence-number": sequence,
        "file-sequence-number": file_sequence,
        "content": content,
        "path": path,
        "partition": partition,
    }
    for name, value in data.items():
        if isinstance(value, dict):
            value = single(value)
        elif isinstance(value, bytes):
            value = value.hex()
        result[name.replace("_", "-")] = value
    return result


def pyiceberg_manifest(version, codec, content=DataFileContent.DATA):
    name = f"pyiceberg-v{version}-{codec}"
    output = PyArrowFileIO().new_output(str(FOLDER / f"{name}.avro"))
    expected = []
    with write_manifest(version, SPEC, SCHEMA, output, SNAPSHOT, codec) as writer:
        for index in range(3):
            is_null = index == 1
            values = [None if is_null else value for _, _, value, _ in TYPES] + [
                None if is_null else 11,
                None if is_null else "Zo",
            ]
            texts = [None if is_null else text for _, _, _, text in TYPES] + values[-2:]
            data = {
                "record_count": 100 + index,
                "file_size_in_bytes": 4096 * (index + 1),
                "column_sizes": {1: 10, 2: 1 << 33},
                "value_counts": {1: 100, 2: 100},
                "null_value_counts": {1: 0, 2: index},
                "nan_value_counts": {4: 1},
                "lower_bounds": {2: b"\x01\x00\x00\x00", 11: b"a"},
                "upper_bounds": {2: b"\x09\x00\x00\x00", 11: b"zz"},
                "key_metadata": None if index else b"\x07\x08",
                "split_offsets": [4, 1 << 34],
                "sort_order_id": index,
            }
            if index == 2:
                for key in list(data)[2:]:
                    data[key] = None
            path = f"s3://warehouse/db/t/data/file-{index}.parquet"
            file = DataFile.from_args(
                content=content,
                file_path=path,
                file_format=FileFormat.PARQUET,
                partition=Record(*values),
                equality_ids=None,
                **data,
            )
            status = [
                ManifestEntryStatus.ADDED,
                ManifestEntryStatus.EXISTING,
                ManifestEntryStatus.DELETED,
            ][index]
            sequences = (None, None) if index == 0 else (4, 5)
            writer.add_entry(
                ManifestEntry.from_args(
                    status=status,
                    snapshot_id=SNAPSHOT - index,
                    sequence_number=sequences[0],
                    file_sequence_number=sequences[1],
                    data_file=file,
                )
            )
            # PyIceberg has no place for what v1 does not: the list's sequence number 9 is inherited.
            if version == 1:
                sequences = (0, 0)
            elif index == 0:
                sequences = (9, 9)
            expected.append(
                expected_entry(
                    int(status), SNAPSHOT - index, *sequences, 0, path, texts, data
                )
            )
    manifest = writer.to_manifest_file()
    manifest.sequence_number = 0 if version == 1 else 9
    manifest.min_sequence_number = 0 if version == 1 else 4
    manifest[0] = f"s3://warehouse/db/t/metadata/{name}.avro"
    save(f"pyiceberg-v{version}", expected)
    return manifest


def save(name, expected):
    (FOLDER / f"{name}.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")


def pyiceberg_list(version, codec, manifests):
    name = f"pyiceberg-list-v{version}-{codec}"
    output = PyArrowFileIO().new_output(str(FOLDER / f"{name}.avro"))
    with write_manifest_list(version, output, SNAPSHOT, SNAPSHOT - 1, 9, codec) as writer:
        writer.add_manifests(manifests)
    expected = []
    for m in manifests:
        expected.append(
            {
                "path": m.manifest_path,
                "length": m.manifest_length,
                "partition-spec-id": m.partition_spec_id,
                "content": int(m.content),
                "sequence-number": m.sequence_number if version > 1 else 0,
                "min-sequence-number": m.min_sequence_number if version > 1 else 0,
                "added-snapshot-id": m.added_snapshot_id,
                "counts": [
                    m.added_files_count,
                    m.existing_files_count,
                    m.deleted_files_count,
                    m.added_rows_count,
                    m.existing_rows_count,
                    m.deleted_rows_count,
                ],
                "partitions": [
                    [
                        s.contains_null,
                        s.contains_nan,
                        s.lower_bound and s.lower_bound.hex(),
                        s.upper_bound and s.upper_bound.hex(),
                    ]
                    for s in m.partitions
                ],
            }
        )
    save(f"pyiceberg-list-v{version}", expected)


def field(name, kind, identity, optional=True):
    return {
        "name": name,
        "type": ["null", kind] if optional else kind,
        **({"default": None} if optional else {}),
        "field-id": identity,
    }


def mapping(key, value_type):
    return {
        "type": "array",
        "logicalType": "map",
        "items": {
            "type": "record",
            "name": f"k{key}_v{key + 1}",
            "fields": [
                {"name": "key", "type": "int", "field-id": key},
                {"name": "value", "type": value_type, "field-id": key + 1},
            ],
        },
    }


def fastavro_manifest(codec):
    """Fields in another order, of narrower types, unknown ones in between, null last in a union."""
    name = f"fastavro-v3-{codec}"
    data_file = [
        field("content_size_in_bytes", "long", 145),
        field("unknown", {"type": "map", "values": ["int", "string"]}, 9001),
        field("record_count", "int", 103, optional=False),
        field("file_path", "string", 100, optional=False),
        {"name": "content", "type": ["int", "null"], "field-id": 134},
        field("file_format", "string", 101, optional=False),
        {
            "name": "partition",
            "type": {
                "type": "record",
                "name": "r102",
                "fields": [
                    field("second", "string", 1001),
                    field("gone", "double", 1007),
                    field("first", {"type": "int", "logicalType": "date"}, 1000),
                ],
            },
            "field-id": 102,
        },
        field("lower_bounds", mapping(126, "bytes"), 125),
        field("value_counts", mapping(119, "int"), 109),
        field("file_size_in_bytes", "long", 104, optional=False),
        field("first_row_id", "long", 142),
        field(
            "nested",
            {
                "type": "record",
                "name": "r9100",
                "fields": [
                    {"name": "a", "type": {"type": "array", "items": "double"}},
                    {"name": "b", "type": {"type": "enum", "name": "e", "symbols": ["X", "Y"]}},
                    {"name": "c", "type": {"type": "fixed", "name": "f", "size": 3}},
                    {"name": "d", "type": ["null", "f", "e", "boolean"]},
                ],
            },
            9100,
        ),
        field("referenced_data_file", "string", 143),
        field("content_offset", "long", 144),
    ]
    schema = {
        "type": "record",
        "name": "manifest_entry",
        "fields": [
            {
                "name": "data_file",
                "type": {"type": "record", "name": "r2", "fields": data_file},
                "field-id": 2,
            },
            field("sequence_number", "long", 3),
            field("status", "int", 0, optional=False),
            field("snapshot_id", "long", 1),
        ],
    }
    records, expected = [], []
    next_row = 1000
    for index in range(40):
        own = index % 5 == 3
        status = [1, 0, 2][index % 3]
        first_row = 77 + index if own else None
        record = {
            "status": status,
            "snapshot_id": None if status == 1 else 5,
            "sequence_number": None if status == 1 else 2,
            "data_file": {
                "content": None if index % 2 else 0,
                "file_path": f"/data/{index}.parquet",
                "file_format": "parquet" if index % 2 else "ORC",
                "record_count": 10 + index,
                "file_size_in_bytes": 1 << 35,
                "partition": {
                    "second": None if index % 4 == 0 else "s" * index,
                    "gone": 1.5,
                    "first": index,
                },
                "lower_bounds": [{"key": 5, "value": b"x" * index}] if index % 2 else None,
                "value_counts": [{"key": k, "value": k * 2} for k in range(index % 4)],
                "first_row_id": first_row,
                "unknown": {"a": 1, "b": "text"} if index % 2 else None,
                "nested": {"a": [1.0, 2.0], "b": "Y", "c": b"123", "d": True},
                "referenced_data_file": None,
                "content_offset": None,
                "content_size_in_bytes": None,
            },
        }
        records.append(record)
        if not own and status != 2:
            first_row = next_row
            next_row += 10 + index
        day = datetime.date(1970, 1, 1) + datetime.timedelta(days=index)
        expected.append(
            expected_entry(
                status,
                SNAPSHOT if status == 1 else 5,
                9 if status == 1 else 2,
                9 if status == 1 else None,
                0,
                f"/data/{index}.parquet",
                [day.isoformat(), record["data_file"]["partition"]["second"]],
                {
                    "record_count": 10 + index,
                    "file_size_in_bytes": 1 << 35,
                    "format": "PARQUET" if index % 2 else "ORC",
                    "value_counts": {k: k * 2 for k in range(index % 4)},
                    "lower_bounds": {5: b"x" * index} if index % 2 else None,
                    "first_row_id": first_row,
                },
            )
        )
    with open(FOLDER / f"{name}.avro", "wb") as out:
        fastavro.writer(
            out, schema, records, codec=codec, metadata={"format-version": "3"}, sync_interval=900
        )
    save("fastavro-v3", expected)


def main():
    manifests = {}
    for version, codec in [(1, "deflate"), (2, "deflate"), (2, "null"), (2, "zstandard")]:
        manifests[version, codec] = pyiceberg_manifest(version, codec)
    pyiceberg_list(1, "deflate", [manifests[1, "deflate"]])
    pyiceberg_list(2, "null", [manifests[2, "deflate"], manifests[2, "null"]])
    for codec in ["null", "deflate", "snappy", "zstandard"]:
        fastavro_manifest(codec)


main()
