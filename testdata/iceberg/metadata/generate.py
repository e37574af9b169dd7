#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files beside it by PyIceberg (0.12.0, Apache-2.0), an implementation of its own.

- transforms.json: results of every transform on chosen and random values.
- tables.json: metadata of tables of every version and of a rich schema.
- updates.json: tables' metadata, updates in REST form, and what changes by each of them.

Run it in an environment with pyiceberg: `python testdata/iceberg/metadata/generate.py`. The same
seed gives the same files.
"""

import json
import random
import uuid
from decimal import Decimal
from pathlib import Path

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.table.update import (
    AddPartitionSpecUpdate,
    AddSchemaUpdate,
    AddSnapshotUpdate,
    AddSortOrderUpdate,
    RemovePropertiesUpdate,
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    SetCurrentSchemaUpdate,
    SetDefaultSortOrderUpdate,
    SetDefaultSpecUpdate,
    SetLocationUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    UpgradeFormatVersionUpdate,
    update_table_metadata,
)
from pyiceberg.transforms import parse_transform
from pyiceberg.typedef import IcebergBaseModel
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

FOLDER = Path(__file__).parent
RANDOM = random.Random(20260131)


def write(name: str, value: object) -> None:
    (FOLDER / name).write_text(json.dumps(value, ensure_ascii=False) + "\n")


def integers(bits: int) -> list[int]:
    limit = 1 << (bits - 1)
    values = [0, 1, -1, 9, 10, -9, -10, -11, 34, limit - 1, -limit + 1000]
    return values + [RANDOM.randrange(-limit + 1000, limit) for _ in range(20)]


def micros() -> list[int]:
    day = 86_400_000_000
    values = [0, 1, -1, day, -day, -day - 1, 1510871468000001, -62135596800000000]
    return values + [RANDOM.randrange(-60 * 366 * day, 60 * 366 * day) for _ in range(20)]


def transforms() -> None:
    dates = [0, 1, -1, 17501, -365, -366, -719162, 59, 60] + [
        RANDOM.randrange(-100_000, 100_000) for _ in range(20)
    ]
    texts = ["", "iceberg", "ab", "ä€𝄞x", "日本語テキスト", "𝄞" * 5, "a" * 40]
    blobs = ["", "00", "00010203", "ff" * 17, "00ff10"]
    decimals = ["0.00", "14.20", "-14.20", "0.01", "-0.01", "1.28", "-1.28", "99999.99", "-327.69"]
    uuids = ["f79c3e09-677c-4bbd-a479-3f349cb785e7", str(uuid.UUID(int=5))]
    cases = [
        ("int", IntegerType(), integers(32), ["bucket[16]", "bucket[3]", "truncate[10]"]),
        ("long", LongType(), integers(64), ["bucket[16]", "bucket[1000]", "truncate[10]"]),
        (
            "decimal(9, 2)",
            DecimalType(9, 2),
            decimals,
            ["bucket[16]", "bucket[97]", "truncate[50]"],
        ),
        ("date", DateType(), dates, ["bucket[16]", "year", "month", "day"]),
        ("time", TimeType(), [0, 81068000000, 86399999999], ["bucket[16]"]),
        (
            "timestamp",
            TimestampType(),
            micros(),
            ["bucket[16]", "year", "month", "day", "hour"],
        ),
        ("timestamptz", TimestamptzType(), micros(), ["bucket[16]", "year", "hour"]),
        ("string", StringType(), texts, ["bucket[16]", "bucket[31]", "truncate[3]"]),
        ("uuid", UUIDType(), uuids, ["bucket[16]"]),
        ("fixed[4]", FixedType(4), ["00010203", "ffffffff"], ["bucket[128]"]),
        ("binary", BinaryType(), blobs, ["bucket[16]", "truncate[2]"]),
    ]
    out = []
    for name, source, values, names in cases:
        for transform_name in names:
            transform = parse_transform(transform_name)
            apply = transform.transform(source)
            results, texts_out = [], []
            for value in values:
                given = value
                if name == "decimal(9, 2)":
                    given = Decimal(value)
                elif name == "uuid":
                    given = uuid.UUID(value)
                elif name in ("fixed[4]", "binary"):
                    given = bytes.fromhex(value)
                result = apply(given)
                texts_out.append(transform.to_human_string(source, result))
                if isinstance(result, Decimal):
                    result = str(result)
                if isinstance(result, bytes):
                    result = result.hex()
                results.append(result)
            out.append(
                {
                    "type": name,
                    "transform": transform_name,
                    "values": values,
                    "results": results,
                    "texts": texts_out,
                }
            )
    write("transforms.json", out)


def rich_schema() -> Schema:
    point = StructType(
        NestedField(101, "x", DoubleType(), required=True, doc="east"),
        NestedField(102, "y", DoubleType(), required=True),
    )
    return Schema(
        NestedField(1, "id", LongType(), required=True, doc="the key"),
        NestedField(2, "flag", BooleanType()),
        NestedField(3, "price", DecimalType(12, 4)),
        NestedField(4, "day", DateType()),
        NestedField(5, "clock", TimeType()),
        NestedField(6, "ts", TimestampType()),
        NestedField(7, "tstz", TimestamptzType(), required=True),
        NestedField(8, "name", StringType()),
        NestedField(9, "key", UUIDType()),
        NestedField(10, "hash", FixedType(8)),
        NestedField(11, "blob", BinaryType()),
        NestedField(12, "weight", FloatType()),
        NestedField(13, "place", point),
        NestedField(14, "tags", ListType(140, StringType(), element_required=True)),
        NestedField(15, "shops", ListType(150, point_like(151), element_required=False)),
        NestedField(16, "prices", MapType(160, StringType(), 161, LongType(), False)),
        NestedField(17, "count", IntegerType()),
        identifier_field_ids=[1],
    )


def point_like(first: int) -> StructType:
    return StructType(
        NestedField(first, "city", StringType(), required=False),
        NestedField(first + 1, "scores", MapType(first + 2, LongType(), first + 3, FloatType())),
    )


def dump(metadata) -> dict:
    # PyIceberg 0.12 knows v3's metadata, but its own method refuses to write it.
    return json.loads(IcebergBaseModel.model_dump_json(metadata))


def new_table(version: int):
    spec = PartitionSpec(
        PartitionField(6, 1000, parse_transform("day"), "ts_day"),
        PartitionField(1, 1001, parse_transform("bucket[16]"), "id_bucket"),
    )
    order = SortOrder(
        SortField(8, parse_transform("truncate[4]")), SortField(1, parse_transform("identity"))
    )
    metadata = new_table_metadata(
        rich_schema(),
        spec,
        order,
        "s3://bucket/warehouse/t",
        {"owner": "w", "format-version": str(version)},
        uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF),
    )
    # PyIceberg 0.12 forgets what v3 requires.
    return metadata.model_copy(update={"next_row_id": 0}) if version >= 3 else metadata


def snapshot(metadata, number: int, parent: int | None, rows: int) -> Snapshot:
    more = {}
    if metadata.format_version >= 3:
        # Nor does PyIceberg 0.12 count next-row-id on.
        first = sum(s.added_rows for s in metadata.snapshots)
        more = {"first_row_id": first, "added_rows": rows}
    return Snapshot(
        snapshot_id=1000 + number,
        parent_snapshot_id=parent,
        sequence_number=metadata.last_sequence_number + 1 if metadata.format_version > 1 else 0,
        timestamp_ms=metadata.last_updated_ms + 1000 * number,
        manifest_list=f"s3://bucket/warehouse/t/metadata/snap-{number}.avro",
        summary=Summary(Operation.APPEND, **{"added-records": str(rows)}),
        schema_id=metadata.current_schema_id,
        **more,
    )


def steps(version: int) -> dict:
    metadata = new_table(version)
    start = dump(metadata)
    out = []

    def step(*updates) -> None:
        nonlocal metadata
        before = metadata
        metadata = update_table_metadata(metadata, updates)
        old, new = dump(before), dump(metadata)
        out.append(
            {
                "updates": [json.loads(u.model_dump_json(exclude_none=True)) for u in updates],
                "changed": {key: value for key, value in new.items() if old.get(key) != value},
            }
        )

    def ref(snapshot_id: int, name: str = "main", kind: str = "branch", **more):
        return SetSnapshotRefUpdate(ref_name=name, type=kind, snapshot_id=snapshot_id, **more)

    first = snapshot(metadata, 1, None, 10)
    step(AddSnapshotUpdate(snapshot=first), ref(1001))
    step(AddSnapshotUpdate(snapshot=snapshot(metadata, 2, 1001, 5)), ref(1002))
    step(ref(1001, "v1", "tag", max_ref_age_ms=100000))
    step(ref(1002, "dev", "branch", min_snapshots_to_keep=3, max_snapshot_age_ms=5))
    step(AddSnapshotUpdate(snapshot=snapshot(metadata, 3, 1002, 0)), ref(1003, "dev"))
    step(SetPropertiesUpdate(updates={"a": "1", "owner": "x", "ü": "\u2028\n"}))
    step(RemovePropertiesUpdate(removals=["a"]))
    step(SetLocationUpdate(location="s3://other/place"))
    wider = Schema(
        *[f for f in rich_schema().fields if f.name != "weight"],
        NestedField(200, "added", LongType()),
        schema_id=1,
        identifier_field_ids=[1],
    )
    step(AddSchemaUpdate(schema_=wider), SetCurrentSchemaUpdate(schema_id=-1))
    step(SetCurrentSchemaUpdate(schema_id=0))
    step(SetCurrentSchemaUpdate(schema_id=1))
    spec = PartitionSpec(
        PartitionField(6, 1000, parse_transform("day"), "ts_day"),
        PartitionField(1, 1001, parse_transform("bucket[16]"), "id_bucket"),
        PartitionField(8, 1002, parse_transform("truncate[2]"), "name_trunc"),
        spec_id=1,
    )
    step(AddPartitionSpecUpdate(spec=spec), SetDefaultSpecUpdate(spec_id=-1))
    step(
        AddSortOrderUpdate(
            sort_order=SortOrder(SortField(6, parse_transform("hour")), order_id=2)
        ),
        SetDefaultSortOrderUpdate(sort_order_id=-1),
    )
    if version < 2:  # PyIceberg 0.12 does not upgrade to 3
        step(UpgradeFormatVersionUpdate(format_version=version + 1))
    step(RemoveSnapshotRefUpdate(ref_name="v1"))
    step(RemoveSnapshotsUpdate(snapshot_ids=[1001]))
    step(RemoveSnapshotsUpdate(snapshot_ids=[1003]))
    return {"start": start, "steps": out}


transforms()
write("tables.json", [dump(new_table(version)) for version in (1, 2, 3)])
write("updates.json", {f"v{version}": steps(version) for version in (1, 2, 3)})
