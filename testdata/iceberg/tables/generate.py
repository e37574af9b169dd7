# SPDX-License-Identifier: Apache-2.0
"""Makes the tables of this folder with PyIceberg, each with its rows as PyIceberg reads them.

Run it with a Python that has pyiceberg[sql-sqlite,pyarrow]:  python generate.py
Every table lies in NAME/, its newest metadata is NAME/metadata.json, its rows, sorted by `id`,
NAME/expected.arrow. Locations in metadata begin with file:///tmp/weir-golden/db/NAME.
Length: one function a table, all in one place.
"""

import datetime as dt
import decimal
import pathlib
import shutil
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg import types as t
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertTableUUID,
    SetSnapshotRefUpdate,
)
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.typedef import Record

HERE = pathlib.Path(__file__).parent
WAREHOUSE = pathlib.Path("/tmp/weir-golden")
UTC = dt.timezone.utc


def field(number, name, kind, required=False):
    return t.NestedField(number, name, kind, required=required)


def types_schema():
    return Schema(
        field(1, "id", t.LongType(), required=True),
        field(2, "bool", t.BooleanType()),
        field(3, "int", t.IntegerType()),
        field(4, "float", t.FloatType()),
        field(5, "double", t.DoubleType()),
        field(6, "dec9", t.DecimalType(9, 2)),
        field(7, "dec18", t.DecimalType(18, 4)),
        field(8, "dec38", t.DecimalType(38, 10)),
        field(9, "date", t.DateType()),
        field(10, "time", t.TimeType()),
        field(11, "ts", t.TimestampType()),
        field(12, "tstz", t.TimestamptzType()),
        field(13, "string", t.StringType()),
        field(14, "uuid", t.UUIDType()),
        field(15, "fixed", t.FixedType(5)),
        field(16, "binary", t.BinaryType()),
        field(
            17,
            "struct",
            t.StructType(
                field(18, "a", t.IntegerType(), required=True),
                field(19, "b", t.StructType(field(20, "c", t.StringType()))),
            ),
        ),
        field(21, "list", t.ListType(22, t.DoubleType(), element_required=False)),
        field(
            23,
            "map",
            t.MapType(
                24,
                t.StringType(),
                25,
                t.StructType(field(26, "x", t.LongType()), field(27, "y", t.DateType())),
                value_required=False,
            ),
        ),
        field(28, "lists", t.ListType(29, t.ListType(30, t.IntegerType()), False)),
    )


def types_row(i):
    if i % 5 == 4:
        return {"id": i}
    return {
        "id": i,
        "bool": i % 2 == 0,
        "int": i * 7 - 20,
        "float": [1.5, float("nan"), -0.0, 3.25e10][i % 4],
        "double": [float("inf"), -2.5, float("nan"), 1e-300][i % 4],
        "dec9": decimal.Decimal(i * 1001 - 5000).scaleb(-2),
        "dec18": decimal.Decimal(-i * 10**12 + 7).scaleb(-4),
        "dec38": decimal.Decimal(i * 10**30 - 10**25).scaleb(-10),
        "date": dt.date(1960 + i * 5, 1 + i % 12, 28),
        "time": dt.time(i, 59 - i, i * 2, i * 1000 + 1),
        "ts": dt.datetime(1969 + i, 12, 31, 23, 59, 59, 999_000 + i),
        "tstz": dt.datetime(2026, 3, 29, i, 0, tzinfo=UTC),
        "string": ["", "ä" * i, "x" * 40 + str(i), "\U0001f600 smile"][i % 4],
        "uuid": uuid.UUID(int=i * 2**100 + i).bytes,
        "fixed": bytes([i, 0, 255, i, 1]),
        "binary": bytes(range(i)),
        "struct": None if i % 3 == 0 else {"a": i, "b": None if i % 2 else {"c": f"c{i}"}},
        "list": [] if i % 3 == 0 else [float(i), None, 0.5][: 1 + i % 3],
        "map": {f"k{j}": {"x": j, "y": dt.date(2020, 1, 1 + j)} for j in range(i % 3)},
        "lists": [[i], None, [], [i, i + 1]][: i % 5],
    }


def arrow(schema, rows):
    return pa.Table.from_pylist(rows, schema=schema.as_arrow())


def types(catalog):
    schema = types_schema()
    table = catalog.create_table("db.types", schema)
    table.append(arrow(table.schema(), [types_row(i) for i in range(8)]))
    table.append(arrow(table.schema(), [types_row(i) for i in range(8, 16)]))
    return table


def evolved(catalog):
    inner = t.StructType(field(4, "x", t.IntegerType()), field(5, "y", t.StringType()))
    schema = Schema(
        field(1, "id", t.IntegerType()),
        field(2, "f", t.FloatType()),
        field(3, "s", inner),
        field(6, "d", t.DecimalType(5, 2)),
        field(7, "gone", t.StringType()),
        field(8, "l", t.ListType(9, inner_struct(10), False)),
    )
    table = catalog.create_table("db.evolved", schema)

    def append(rows):
        table.append(arrow(table.schema(), rows))

    append(
        [
            {
                "id": i,
                "f": i / 3,
                "s": None if i == 2 else {"x": i, "y": f"y{i}"},
                "d": decimal.Decimal(i).scaleb(-2),
                "gone": "old",
                "l": [{"p": i, "q": "q"}] * i,
            }
            for i in range(4)
        ]
    )
    with table.update_schema() as update:
        update.rename_column("s.x", "renamed")
        update.rename_column("f", "ratio")
        update.update_column("id", t.LongType())
        update.update_column("f", t.DoubleType())
        update.update_column("d", t.DecimalType(20, 2))
        update.delete_column("gone")
        update.add_column(("s", "z"), t.DoubleType())
        update.add_column(("l", "r"), t.LongType())
    with table.update_schema() as update:
        update.add_column("gone", t.IntegerType())
        update.move_first("d")
        update.move_before("s.z", "s.renamed")
    append(
        [
            {
                "id": 2**40 + i,
                "ratio": i / 7,
                "s": {"renamed": -i, "y": f"new{i}", "z": i / 2},
                "d": decimal.Decimal(10**17 + i).scaleb(-2),
                "gone": i,
                "l": [{"p": i, "q": None, "r": 2**33}],
            }
            for i in range(4)
        ]
    )
    with table.update_schema() as update:
        update.delete_column("s.y")
        update.update_column("s.renamed", t.LongType())
        update.update_column("l.element.p", t.LongType())
        update.add_column("added", t.StringType())
    append([{"id": 100, "added": "last", "s": {"renamed": 2**50, "z": None}}])
    return table


def inner_struct(first):
    return t.StructType(field(first, "p", t.IntegerType()), field(first + 1, "q", t.StringType()))


def partitioned(catalog):
    schema = Schema(
        field(1, "id", t.LongType()),
        field(2, "ts", t.TimestampType()),
        field(3, "name", t.StringType()),
        field(4, "amount", t.DecimalType(9, 2)),
        field(5, "day", t.DateType()),
    )
    spec = PartitionSpec(
        PartitionField(2, 1000, DayTransform(), "ts_day"),
        PartitionField(3, 1001, BucketTransform(3), "name_bucket"),
    )
    table = catalog.create_table("db.partitioned", schema, partition_spec=spec)

    def rows(start, count):
        return [
            {
                "id": i,
                "ts": None if i % 7 == 6 else dt.datetime(1969, 12, 30 + i % 2, i % 24, 30),
                "name": None if i % 5 == 4 else f"n {i % 3}/ö",
                "amount": decimal.Decimal(i * 37 - 100).scaleb(-2),
                "day": dt.date(2026, 1 + i % 3, 5),
            }
            for i in range(start, start + count)
        ]

    table.append(arrow(table.schema(), rows(0, 12)))
    with table.update_spec() as update:
        update.remove_field("ts_day")
        update.remove_field("name_bucket")
        update.add_field("name", IdentityTransform(), "name")
        update.add_field("amount", TruncateTransform(100), "amount_trunc")
    table.append(arrow(table.schema(), rows(12, 6)))
    with table.update_spec() as update:
        update.remove_field("amount_trunc")
        update.add_field("day", MonthTransform(), "day_month")
    table.append(arrow(table.schema(), rows(18, 6)))
    with table.update_spec() as update:
        update.remove_field("name")
        update.remove_field("day_month")
        update.add_field("ts", HourTransform(), "ts_hour")
        update.add_field("day", YearTransform(), "day_year")
    table.append(arrow(table.schema(), rows(24, 4)))
    return table


def mapped(catalog):
    """Files without field ids, found by the names in the table's name mapping."""
    schema = Schema(
        field(1, "id", t.LongType()),
        field(2, "name", t.StringType()),
        field(3, "s", t.StructType(field(4, "v", t.IntegerType()))),
        field(5, "l", t.ListType(6, t.IntegerType(), False)),
    )
    table = catalog.create_table("db.mapped", schema)
    path = WAREHOUSE / "db/mapped/data/plain.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"id": i, "name": f"n{i}", "s": {"v": i}, "l": [i, i]} for i in range(5)]
    names = [("id", pa.int64()), ("name", pa.string())]
    nested = [("s", pa.struct([("v", pa.int32())])), ("l", pa.list_(pa.int32()))]
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(names + nested)), path)
    table.add_files([f"file://{path}"])
    with table.update_schema() as update:
        update.rename_column("name", "title")
        update.rename_column("s.v", "w")
    table.append(
        arrow(table.schema(), [{"id": 9, "title": "new", "s": {"w": 90}, "l": [9]}])
    )
    return table


class DeleteManifestWriter(ManifestWriterV2):
    def content(self):
        return ManifestContent.DELETES

    @property
    def _meta(self):
        return {**super()._meta, "content": "deletes"}


def write_deletes(name, table_of_rows):
    path = WAREHOUSE / "db/deletes/data" / name
    pq.write_table(table_of_rows, path)
    return f"file://{path}", path.stat().st_size


def delete_entry(table, content, name, rows, snapshot_id, equality_ids=None):
    path, size = write_deletes(name, rows)
    file = DataFile.from_args(
        content=content,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=len(rows),
        file_size_in_bytes=size,
        equality_ids=equality_ids,
    )
    return ManifestEntry.from_args(
        status=ManifestEntryStatus.ADDED, snapshot_id=snapshot_id, data_file=file
    )


def commit_deletes(table, entries, snapshot_id):
    """A snapshot that adds delete files, which PyIceberg reads but does not write."""
    metadata = table.metadata
    sequence = metadata.last_sequence_number + 1
    current = table.current_snapshot()
    place = f"{metadata.location}/metadata/{snapshot_id}"
    with DeleteManifestWriter(
        table.spec(), table.schema(), table.io.new_output(place + "-m0.avro"), snapshot_id, "null"
    ) as writer:
        for entry in entries:
            writer.add_entry(entry)
    manifest = writer.to_manifest_file()
    with write_manifest_list(
        2,
        table.io.new_output(place + "-list.avro"),
        snapshot_id,
        current.snapshot_id,
        sequence,
        "null",
    ) as writer:
        writer.add_manifests([manifest, *current.manifests(table.io)])
    snapshot = Snapshot(
        snapshot_id=snapshot_id,
        parent_snapshot_id=current.snapshot_id,
        sequence_number=sequence,
        timestamp_ms=current.timestamp_ms + 1,
        manifest_list=place + "-list.avro",
        summary=Summary(Operation.DELETE),
        schema_id=metadata.current_schema_id,
    )
    table.catalog.commit_table(
        table,
        (AssertTableUUID(uuid=metadata.table_uuid),),
        (
            AddSnapshotUpdate(snapshot=snapshot),
            SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=snapshot_id),
        ),
    )
    table.refresh()


def positions(pairs):
    return pa.table(
        {"file_path": [p for p, _ in pairs], "pos": [n for _, n in pairs]},
        schema=pa.schema(
            [
                pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
                pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"}),
            ]
        ),
    )


def deletes(catalog):
    """Position deletes of several files and, later, equality deletes with nulls and two columns."""
    schema = Schema(
        field(1, "id", t.IntegerType()),
        field(2, "name", t.StringType()),
        field(3, "v", t.DoubleType()),
    )
    table = catalog.create_table("db.deletes", schema)

    def rows(start):
        return [
            {"id": i, "name": None if i % 4 == 3 else f"n{i % 3}", "v": i / 2}
            for i in range(start, start + 10)
        ]

    table.append(arrow(table.schema(), rows(0)))
    table.append(arrow(table.schema(), rows(10)))
    files = sorted(task.file.file_path for task in table.scan().plan_files())
    deleted = [(files[0], 0), (files[0], 7), (files[1], 3), (files[1], 9)]
    entry = delete_entry(
        table, DataFileContent.POSITION_DELETES, "pos.parquet", positions(deleted), 1001
    )
    commit_deletes(table, [entry], 1001)
    by_position = table.scan().to_arrow()
    # By equality: (name is null, v = 1.5), (n0, 3.0), (n1, 99) and then id = 15.
    two = pa.table(
        {"name": [None, "n0", "n1"], "v": [1.5, 3.0, 99.0]},
        schema=pa.schema(
            [
                pa.field("name", pa.string(), True, {"PARQUET:field_id": "2"}),
                pa.field("v", pa.float64(), True, {"PARQUET:field_id": "3"}),
            ]
        ),
    )
    one = pa.table(
        {"id": pa.array([15], pa.int32())},
        schema=pa.schema([pa.field("id", pa.int32(), True, {"PARQUET:field_id": "1"})]),
    )
    equality = DataFileContent.EQUALITY_DELETES
    entries = [
        delete_entry(table, equality, "eq2.parquet", two, 1002, [2, 3]),
        delete_entry(table, equality, "eq1.parquet", one, 1002, [1]),
    ]
    commit_deletes(table, entries, 1002)
    # Rows that come later are not deleted by what was there before.
    table.append(arrow(table.schema(), [{"id": 15, "name": None, "v": 1.5}]))

    def is_deleted(row):
        return (row["name"], row["v"]) in {(None, 1.5), ("n0", 3.0)} or row["id"] == 15

    kept = [row for row in by_position.to_pylist() if not is_deleted(row)]
    kept.append({"id": 15, "name": None, "v": 1.5})
    return table, arrow(table.schema(), kept)


def save(name, table, expected):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    expected = expected.sort_by("id")
    source = WAREHOUSE / "db" / name
    metadata = pathlib.Path(table.metadata_location.removeprefix("file://"))
    for path in source.rglob("*"):
        if path.is_file() and path.suffix != ".json":
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    shutil.copyfile(metadata, folder / "metadata.json")
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(folder / "expected.arrow", expected.schema, options=options) as writer:
        writer.write_table(expected)


def main():
    shutil.rmtree(WAREHOUSE, ignore_errors=True)
    WAREHOUSE.mkdir()
    catalog = SqlCatalog("golden", uri="sqlite:///:memory:", warehouse=f"file://{WAREHOUSE}")
    catalog.create_namespace("db")
    for make in [types, evolved, partitioned, mapped, deletes]:
        made = make(catalog)
        table, rows = made if isinstance(made, tuple) else (made, made.scan().to_arrow())
        save(make.__name__, table, rows)


if __name__ == "__main__":
    main()
