# SPDX-License-Identifier: Apache-2.0
"""Tables that Weir wrote, read by other engines: PyIceberg, Polars, Daft, DataFusion, DuckDB.

Rows are compared with what the test put in, not with what Weir reads. What an engine cannot do is
in `CANNOT` with the error that it gives; the test fails when it learns to, or when it gives wrong
rows instead. docs/engines.md tells users.
"""

from __future__ import annotations

import decimal
import math
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest

pytest.importorskip("pyiceberg", reason="PyIceberg is not installed")

from pyiceberg.table import StaticTable

import weir

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("country", pa.string()),
        pa.field("ts", pa.timestamp("us", tz="UTC")),
        pa.field("n", pa.int32()),
        pa.field("price", pa.float64()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("place", pa.struct([pa.field("x", pa.int32()), pa.field("y", pa.string())])),
    ]
)


def rows(start: int, count: int) -> list[dict]:
    return [
        {
            "id": i,
            "country": [None, "de", "fr", "größe"][i % 4],
            "ts": None
            if i % 11 == 0
            else datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(hours=i),
            "n": None if i % 7 == 0 else i - 50,
            "price": i / 4,
            "tags": None if i % 5 == 0 else ["a", None, "c"][: i % 4],
            "place": None if i % 6 == 0 else {"x": i, "y": None if i % 2 else "y"},
        }
        for i in range(start, start + count)
    ]


class Case:
    """A table, and the rows that it should have."""

    def __init__(self, folder: Path, version: int, partition: list[str], **options) -> None:
        self.catalog = weir.connect(folder)
        self.catalog.create_namespace("n", exist_ok=True)
        self.table = self.catalog.create_table(
            "n.t", SCHEMA, partition=partition, format_version=version, **options
        )
        self.rows: list[dict] = []

    def append(self, more: list[dict]) -> None:
        self.table.append(pa.Table.from_pylist(more, schema=pa.schema(self.table)))
        self.rows += more

    def delete(self, where: str, holds) -> None:
        self.table.delete(where)
        self.rows = [row for row in self.rows if not holds(row)]

    @property
    def location(self) -> str:
        location = self.table.refresh().metadata_location
        assert location is not None
        return location


def plain(folder, version):
    case = Case(folder, version, [])
    for start in (0, 40, 80):
        case.append(rows(start, 40))
    return case


def deletes(folder, version):
    """Marks in several files and commits: position deletes in version 2, else deletion vectors."""
    case = plain(folder, version)
    case.delete("id >= 10 AND id < 15", lambda row: 10 <= row["id"] < 15)
    case.delete("country = 'fr' AND id > 30", lambda row: row["country"] == "fr" and row["id"] > 30)
    case.append(rows(200, 20))
    case.delete("id IN (0, 12, 119, 205)", lambda row: row["id"] in (0, 12, 119, 205))
    return case


def partitions(folder, version):
    """Every transform; the spec changes between files; deletes on both sides of that."""
    case = Case(folder, version, ["country", "day(ts)"])
    case.append(rows(0, 60))
    case.delete("id = 7 OR id = 20", lambda row: row["id"] in (7, 20))
    case.table.update(
        {"action": "remove_partition", "name": "ts_day"},
        {"action": "add_partition", "column": "bucket(3, id)"},
        {"action": "add_partition", "column": "truncate(10, n)"},
    )
    case.append(rows(60, 60))
    case.delete("id = 61 OR id = 30", lambda row: row["id"] in (61, 30))
    case.table.update(
        {"action": "remove_partition", "name": "country"},
        {"action": "add_partition", "column": "month(ts)"},
    )
    case.append(rows(200, 20))
    return case


def evolved(folder, version):
    """Columns added, dropped, renamed, widened and moved, at the top and within a struct."""
    case = deletes(folder, version)
    case.table.update(
        {"action": "rename_column", "path": "country", "name": "region"},
        {"action": "change_type", "path": "n", "type": "long"},
        {"action": "drop_column", "path": "price"},
        {"action": "add_column", "name": "device", "type": "string"},
        {"action": "add_column", "name": "z", "type": "double", "parent": "place"},
        {"action": "rename_column", "path": "place.y", "name": "why"},
        {"action": "move", "path": "device"},
    )

    def changed(row, device=None):
        place = row["place"]
        return {
            "device": device,
            "id": row["id"],
            "region": row["country"],
            "ts": row["ts"],
            "n": row["n"],
            "tags": row["tags"],
            "place": place and {"x": place["x"], "why": place["y"], "z": None},
        }

    case.rows = [changed(row) for row in case.rows]
    case.append([changed(row, "tv") for row in rows(300, 20)])
    case.delete("id = 302 OR id = 100", lambda row: row["id"] in (302, 100))
    return case


def renamed(folder, version):
    """Columns added, renamed, widened and moved; none dropped."""
    case = plain(folder, version)
    case.table.update(
        {"action": "rename_column", "path": "country", "name": "region"},
        {"action": "change_type", "path": "n", "type": "long"},
        {"action": "add_column", "name": "device", "type": "string"},
        {"action": "rename_column", "path": "place.y", "name": "why"},
        {"action": "move", "path": "price"},
    )

    def changed(row, device=None):
        place = row["place"]
        return {
            "price": row["price"],
            "id": row["id"],
            "region": row["country"],
            "ts": row["ts"],
            "n": row["n"],
            "tags": row["tags"],
            "place": place and {"x": place["x"], "why": place["y"]},
            "device": device,
        }

    case.rows = [changed(row) for row in case.rows]
    case.append([changed(row, "tv") for row in rows(300, 20)])
    return case


def defaults(folder, version):
    """A column whose default stands for what older files lack: version 3."""
    case = deletes(folder, version)
    case.table.update(
        {"action": "add_column", "name": "device", "type": "string", "default": "web"},
        {"action": "add_column", "name": "weight", "type": "double", "default": 0.5},
    )
    case.rows = [{**row, "device": "web", "weight": 0.5} for row in case.rows]
    case.append([{**row, "device": None, "weight": 2.0} for row in rows(300, 5)])
    return case


def upgraded(folder, version):
    """Position deletes of version 2 that go on as vectors of version 3."""
    case = deletes(folder, 2)
    case.table.update({"action": "upgrade_format", "version": version})
    case.delete("id IN (1, 16, 117, 206)", lambda row: row["id"] in (1, 16, 117, 206))
    case.append(rows(300, 5))
    case.delete("id = 2 OR id = 301", lambda row: row["id"] in (2, 301))
    return case


def types(folder, version):
    """Every primitive type that all versions have, and nesting."""
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("flag", pa.bool_()),
            pa.field("small", pa.float32()),
            pa.field("cost", pa.decimal128(9, 2)),
            pa.field("total", pa.decimal128(38, 10)),
            pa.field("day", pa.date32()),
            pa.field("time", pa.time64("us")),
            pa.field("local", pa.timestamp("us")),
            pa.field("bytes", pa.binary()),
            pa.field("map", pa.map_(pa.string(), pa.int64())),
            pa.field("deep", pa.list_(pa.struct([("a", pa.list_(pa.int32()))]))),
        ]
    )
    case = Case.__new__(Case)
    case.catalog = weir.connect(folder)
    case.catalog.create_namespace("n", exist_ok=True)
    case.table = case.catalog.create_table("n.t", schema, format_version=version)
    case.rows = []
    case.append(
        [
            {
                "id": i,
                "flag": [None, True, False][i % 3],
                "small": [None, math.inf, -1.5, 0.0][i % 4],
                "cost": None if i % 5 == 0 else decimal.Decimal(i - 20).scaleb(-2),
                "total": None if i % 5 == 1 else decimal.Decimal(f"{10**20 + i}.{i:010}"),
                "day": None if i % 5 == 2 else date(1969, 12, 20) + timedelta(days=i),
                "time": None
                if i % 5 == 3
                else (datetime(2026, 1, 1) + timedelta(seconds=i, microseconds=1)).time(),
                "local": None if i % 5 == 4 else datetime(1969, 12, 31) + timedelta(hours=i),
                "bytes": None if i % 3 == 0 else bytes([i, 0, 255]),
                "map": None if i % 4 == 0 else [("k", i), ("l", None)][: i % 3],
                # Not null: PyIceberg 0.12 reads a null list of structs as empty, its own, too.
                "deep": [{"a": [i, None]}, None, {"a": None}][: i % 4],
            }
            for i in range(50)
        ]
    )
    case.delete("id = 3 OR id = 44", lambda row: row["id"] in (3, 44))
    return case


CASES = {
    "plain": plain,
    "deletes": deletes,
    "partitions": partitions,
    "renamed": renamed,
    "evolved": evolved,
    "defaults": defaults,
    "upgraded": upgraded,
    "types": types,
}


# Engines: the rows of a table by its metadata file.


def pyiceberg(location):
    return StaticTable.from_metadata(location).scan().to_arrow()


def polars(location):
    import polars

    return polars.scan_iceberg(location, reader_override="native").collect().to_arrow()


def polars_pyiceberg(location):
    import polars

    return polars.scan_iceberg(location, reader_override="pyiceberg").collect().to_arrow()


def daft(location):
    import daft

    return daft.read_iceberg(StaticTable.from_metadata(location)).to_arrow()


def datafusion(location):
    import datafusion
    from pyiceberg_core.datafusion import IcebergDataFusionTable

    # The two share memory by an interface of DataFusion's version: others crash the process.
    assert datafusion.__version__.split(".")[0] == "53", "pyiceberg-core 0.10 needs datafusion 53"
    table = IcebergDataFusionTable(
        identifier=["n", "t"], metadata_location=location, file_io_properties={}
    )
    context = datafusion.SessionContext()
    context.register_table("t", table)
    return context.table("t").to_arrow_table()


def duckdb(location):
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    try:
        connection.load_extension("iceberg")
    except duckdb.Error as error:
        pytest.skip(f"DuckDB's iceberg extension is not installed: {str(error).splitlines()[0]}")
    return connection.sql(f"select * from iceberg_scan('{location}')").to_arrow_table()


ENGINES = [pyiceberg, polars, polars_pyiceberg, daft, datafusion, duckdb]

# What says what instead, by engine and case; "3:" is version 3 alone.
NO_VECTORS = [f"3:{name}" for name in CASES if name not in ("plain", "renamed")]
CANNOT: dict[str, dict[str, str]] = {
    # Reads the Puffin file of a deletion vector as Parquet. A dropped column before a nested one is
    # an error with tables of PyIceberg, too.
    "daft": {
        **dict.fromkeys(NO_VECTORS, "Invalid Parquet file"),
        "2:evolved": "failed to fill whole buffer",
    },
    # Reads no deletion vectors, and no fields that were added to a struct.
    "datafusion": {
        **dict.fromkeys(NO_VECTORS, "Invalid Parquet file"),
        "2:evolved": "Incorrect number of arrays for StructArray",
    },
}


def combinations():
    for engine in ENGINES:
        for version in (2, 3):
            for name in CASES:
                if version == 3 or name not in ("defaults", "upgraded"):
                    yield pytest.param(
                        engine, version, name, id=f"{engine.__name__}-{version}-{name}"
                    )


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    made = {}

    def case(version, name):
        if (version, name) not in made:
            made[version, name] = CASES[name](tmp_path_factory.mktemp(f"{name}{version}"), version)
        return made[version, name]

    return case


def normal(value):
    """A value without what the engines may say differently: maps, zones, kinds of text."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(timezone.utc)
    if isinstance(value, dict):
        return {name: normal(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [normal(item) for item in value]
    return value


def by_id(found):
    return normal(sorted(found, key=lambda row: row["id"]))


@pytest.mark.parametrize(("engine", "version", "name"), list(combinations()))
def test_rows(cases, engine, version, name):
    case = cases(version, name)
    reason = CANNOT.get(engine.__name__, {}).get(f"{version}:{name}")
    if reason is not None:
        with pytest.raises(Exception, match=reason):
            engine(case.location)
        return
    found = engine(case.location)
    assert by_id(found.to_pylist()) == by_id(case.rows)
    assert by_id(case.table.scan().to_arrow().to_pylist()) == by_id(case.rows)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", ["deletes", "partitions", "evolved"])
def test_inspection(cases, version, name):
    """PyIceberg's tables about a table."""
    case = cases(version, name)
    table = StaticTable.from_metadata(case.location)
    inspect = table.inspect
    assert inspect.snapshots().num_rows == len(case.table.metadata["snapshots"])
    assert inspect.refs().to_pylist()[0]["name"] == "main"
    assert inspect.history().num_rows == inspect.snapshots().num_rows
    files = inspect.data_files()
    deletes = inspect.delete_files()
    assert inspect.files().num_rows == files.num_rows + deletes.num_rows
    assert deletes.num_rows > 0
    counts = [sum(part["record_count"].to_pylist()) for part in (files, deletes)]
    assert counts[0] - counts[1] == len(case.rows) == table.scan().count()
    assert inspect.entries().num_rows >= inspect.files().num_rows
    assert inspect.all_files().num_rows >= inspect.files().num_rows
    assert inspect.manifests().num_rows > 0
    assert inspect.all_manifests().num_rows >= inspect.manifests().num_rows
    partitions = inspect.partitions().to_pylist()
    assert sum(part["record_count"] for part in partitions) == counts[0]
    assert sum(part["position_delete_record_count"] for part in partitions) == counts[1]
    assert inspect.metadata_log_entries().num_rows > 0
