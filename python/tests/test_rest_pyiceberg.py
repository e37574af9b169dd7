# SPDX-License-Identifier: Apache-2.0
"""PyIceberg, unmodified, against the catalog server: everything that its REST client can do."""

from __future__ import annotations

import datetime
import os
import threading

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from rest_server import BINARY, RestServer

pytest.importorskip("pyiceberg", reason="PyIceberg is not installed")

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.expressions import EqualTo, GreaterThan
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import (
    DoubleType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
)

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with RestServer(tmp_path_factory.mktemp("warehouse")) as server:
        yield server


@pytest.fixture(scope="module")
def catalog(server):
    return RestCatalog("weir", uri=server.uri)


@pytest.fixture
def namespace(catalog, request):
    name = request.node.name.replace("[", "_").replace("]", "")
    catalog.create_namespace(name)
    return name


def rows(start=0, count=10):
    index = range(start, start + count)
    return pa.table(
        {
            "id": pa.array(index, pa.int64()),
            "country": pa.array([["de", "fr", "it"][i % 3] for i in index]),
            "price": pa.array([i / 2 for i in index], pa.float64()),
            "at": pa.array(
                [datetime.datetime(2026, 1, 1 + i % 5, i % 24) for i in index], pa.timestamp("us")
            ),
        }
    )


def by_id(table):
    return table.sort_by("id").to_pylist()


def test_namespaces(catalog):
    catalog.create_namespace("sales", {"owner": "ada"})
    catalog.create_namespace(("sales", "eu"))
    catalog.create_namespace(("sales", "a/b c+d.%2F"))
    assert ("sales",) in catalog.list_namespaces()
    below = set(catalog.list_namespaces(("sales",)))
    assert below == {("sales", "eu"), ("sales", "a/b c+d.%2F")}
    assert catalog.load_namespace_properties("sales") == {"owner": "ada"}
    summary = catalog.update_namespace_properties("sales", {"gone", "owner"}, {"team": "x"})
    assert summary.removed == ["owner"]
    assert summary.updated == ["team"]
    assert summary.missing == ["gone"]
    assert catalog.load_namespace_properties("sales") == {"team": "x"}
    assert catalog.namespace_exists("sales")
    assert not catalog.namespace_exists("absent")
    with pytest.raises(NamespaceAlreadyExistsError):
        catalog.create_namespace("sales")
    with pytest.raises(NamespaceNotEmptyError):
        catalog.drop_namespace("sales")
    with pytest.raises(NoSuchNamespaceError):
        catalog.list_namespaces("absent")
    with pytest.raises(NoSuchNamespaceError):
        catalog.drop_namespace("absent")
    catalog.drop_namespace(("sales", "a/b c+d.%2F"))
    catalog.drop_namespace(("sales", "eu"))
    catalog.drop_namespace("sales")
    assert not catalog.namespace_exists("sales")


def test_table_life(catalog, namespace):
    data = rows()
    table = catalog.create_table(f"{namespace}.t", data.schema, properties={"a": "1"})
    assert table.properties["a"] == "1"
    assert catalog.table_exists(f"{namespace}.t")
    assert catalog.list_tables(namespace) == [(namespace, "t")]
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table(f"{namespace}.t", data.schema)
    with pytest.raises(NoSuchTableError):
        catalog.load_table(f"{namespace}.absent")
    with pytest.raises(NoSuchNamespaceError):
        catalog.create_table("absent.t", data.schema)

    table.append(data)
    first = table.current_snapshot().snapshot_id
    table.append(rows(10))
    assert by_id(catalog.load_table(f"{namespace}.t").scan().to_arrow()) == by_id(rows(0, 20))
    assert table.scan(snapshot_id=first).to_arrow().num_rows == 10

    table.delete(EqualTo("country", "de"))
    assert set(table.scan().to_arrow()["country"].to_pylist()) == {"fr", "it"}
    table.overwrite(rows(100, 5))
    assert by_id(table.scan().to_arrow()) == by_id(rows(100, 5))

    with table.transaction() as transaction:
        transaction.set_properties({"b": "2"})
        transaction.remove_properties("a")
    assert "a" not in catalog.load_table(f"{namespace}.t").properties

    catalog.rename_table(f"{namespace}.t", f"{namespace}.u")
    assert not catalog.table_exists(f"{namespace}.t")
    moved = catalog.load_table(f"{namespace}.u")
    assert by_id(moved.scan().to_arrow()) == by_id(rows(100, 5))
    location = moved.metadata_location
    catalog.drop_table(f"{namespace}.u")
    with pytest.raises(NoSuchTableError):
        catalog.drop_table(f"{namespace}.u")
    again = catalog.register_table(f"{namespace}.again", location)
    assert by_id(again.scan().to_arrow()) == by_id(rows(100, 5))
    catalog.purge_table(f"{namespace}.again")
    assert catalog.list_tables(namespace) == []


def test_schema_evolution(catalog, namespace):
    schema = Schema(
        NestedField(1, "id", LongType(), required=True),
        NestedField(2, "count", IntegerType()),
        NestedField(3, "tags", ListType(4, StringType(), element_required=False)),
        NestedField(5, "place", StructType(NestedField(6, "x", IntegerType()))),
        identifier_field_ids=[1],
    )
    table = catalog.create_table(f"{namespace}.t", schema)
    data = pa.table(
        {
            "id": pa.array([1, 2], pa.int64()),
            "count": pa.array([10, 20], pa.int32()),
            "tags": [["a"], ["b", None]],
            "place": pa.array([{"x": 1}, None], pa.struct([("x", pa.int32())])),
        },
        schema=table.schema().as_arrow(),
    )
    table.append(data)
    with table.update_schema() as update:
        update.add_column("note", StringType(), "what was noticed")
        update.add_column(("place", "y"), DoubleType())
        update.update_column("count", LongType())
        update.rename_column("tags", "labels")
        update.move_first("note")
    with table.update_schema() as update:
        update.delete_column("labels")
    table = catalog.load_table(f"{namespace}.t")
    assert [field.name for field in table.schema().fields] == ["note", "id", "count", "place"]
    found = table.scan().to_arrow().sort_by("id").to_pylist()
    assert found[0] == {"note": None, "id": 1, "count": 10, "place": {"x": 1, "y": None}}
    assert len(table.metadata.schemas) == 3


def test_partitions_and_their_evolution(catalog, namespace):
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "country", StringType()),
        NestedField(3, "price", DoubleType()),
        NestedField(4, "at", TimestampType()),
    )
    spec = PartitionSpec(
        PartitionField(2, 1000, IdentityTransform(), "country"),
        PartitionField(4, 1001, DayTransform(), "day"),
    )
    table = catalog.create_table(f"{namespace}.t", schema, partition_spec=spec)
    table.append(rows(0, 30))
    with table.update_spec() as update:
        update.remove_field("day")
        update.add_field("id", BucketTransform(4), "bucket")
    table.append(rows(30, 30))
    table = catalog.load_table(f"{namespace}.t")
    assert len(table.metadata.partition_specs) == 2
    assert by_id(table.scan().to_arrow()) == by_id(rows(0, 60))
    assert table.scan(EqualTo("country", "fr")).to_arrow().num_rows == 20
    assert len(list(table.scan(EqualTo("country", "fr")).plan_files())) < len(
        list(table.scan().plan_files())
    )
    with table.update_spec() as update:
        update.remove_field("bucket")
    table.dynamic_partition_overwrite(rows(0, 1))
    found = table.scan().to_arrow()
    assert by_id(found.filter(pc.equal(found["country"], "de"))) == by_id(rows(0, 1))
    assert table.scan(GreaterThan("id", 29)).to_arrow().num_rows == 20


def test_upsert(catalog, namespace):
    table = catalog.create_table(f"{namespace}.t", rows().schema)
    table.append(rows(0, 10))
    changed = rows(5, 10).set_column(2, "price", pa.array([-1.0] * 10))
    result = table.upsert(changed, join_cols=["id"])
    assert (result.rows_updated, result.rows_inserted) == (5, 5)
    found = by_id(table.scan().to_arrow())
    assert [row["price"] for row in found[5:]] == [-1.0] * 10
    assert len(found) == 15


def test_references_and_history(catalog, namespace):
    table = catalog.create_table(f"{namespace}.t", rows().schema)
    for start in range(0, 30, 10):
        table.append(rows(start, 10))
    snapshots = [entry.snapshot_id for entry in table.history()]
    table.manage_snapshots().create_tag(snapshots[0], "first").create_branch(
        snapshots[1], "side"
    ).commit()
    table = catalog.load_table(f"{namespace}.t")
    assert set(table.refs()) == {"main", "first", "side"}
    assert table.scan().use_ref("first").to_arrow().num_rows == 10
    table.append(rows(90, 10), branch="side")
    assert table.scan().use_ref("side").to_arrow().num_rows == 30
    assert table.scan().to_arrow().num_rows == 30
    table.manage_snapshots().remove_tag("first").remove_branch("side").commit()
    assert set(catalog.load_table(f"{namespace}.t").refs()) == {"main"}


def test_create_transaction(catalog, namespace):
    with catalog.create_table_transaction(f"{namespace}.t", rows().schema) as transaction:
        transaction.append(rows())
        assert not catalog.table_exists(f"{namespace}.t")
    assert by_id(catalog.load_table(f"{namespace}.t").scan().to_arrow()) == by_id(rows())
    transaction = catalog.create_table_transaction(f"{namespace}.t2", rows().schema)
    transaction.append(rows())
    catalog.create_table(f"{namespace}.t2", rows().schema)
    with pytest.raises(CommitFailedException):
        transaction.commit_transaction()


def test_conflicts_are_told_and_retried(server, catalog, namespace):
    catalog.create_table(
        f"{namespace}.t", rows().schema, properties={"commit.retry.num-retries": "0"}
    )
    one = catalog.load_table(f"{namespace}.t")
    other = catalog.load_table(f"{namespace}.t")
    one.append(rows(0, 5))
    with pytest.raises(CommitFailedException):
        other.append(rows(5, 5))
    other.refresh()
    other.append(rows(5, 5))
    assert by_id(catalog.load_table(f"{namespace}.t").scan().to_arrow()) == by_id(rows(0, 10))


def test_many_writers_lose_nothing(server, catalog, namespace):
    table = catalog.create_table(f"{namespace}.t", rows().schema)
    failures = []

    def write(writer):
        own = RestCatalog("own", uri=server.uri)
        mine = own.load_table(f"{namespace}.t")
        for turn in range(3):
            for _ in range(500):
                try:
                    mine.append(rows(1_000 * writer + 10 * turn, 2))
                    break
                except CommitFailedException:
                    mine.refresh()
            else:
                failures.append(writer)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    table.refresh()
    assert table.scan().to_arrow().num_rows == 8 * 3 * 2
    assert len(table.history()) == 8 * 3


def test_format_version_3(catalog, namespace):
    table = catalog.create_table(
        f"{namespace}.t", rows().schema, properties={"format-version": "3"}
    )
    assert table.format_version == 3


def test_pages(server, namespace, catalog):
    for index in range(7):
        catalog.create_table(f"{namespace}.t{index}", rows().schema)
    paged = RestCatalog("paged", uri=server.uri, **{"rest-page-size": "3"})
    assert sorted(paged.list_tables(namespace)) == [(namespace, f"t{index}") for index in range(7)]


def test_views(server, catalog, namespace):
    from pyiceberg.view.metadata import SQLViewRepresentation, ViewVersion

    schema = Schema(NestedField(1, "id", LongType()))
    version = ViewVersion(
        version_id=1,
        schema_id=0,
        timestamp_ms=1,
        summary={"engine": "test"},
        representations=[SQLViewRepresentation(type="sql", sql="select 1 id", dialect="duckdb")],
        default_namespace=[namespace],
    )
    view = catalog.create_view(f"{namespace}.v", schema, version)
    assert view.name() == (namespace, "v")
    assert catalog.list_views(namespace) == [(namespace, "v")]
    assert catalog.view_exists(f"{namespace}.v")
    loaded = catalog.load_view(f"{namespace}.v")
    assert loaded.metadata.versions[0].representations[0].root.sql == "select 1 id"
    _, _, answer = server.request("GET", f"/v1/namespaces/{namespace}/views/v")
    again = catalog.register_view(f"{namespace}.w", answer["metadata-location"])
    assert again.metadata.view_uuid == loaded.metadata.view_uuid
    catalog.drop_view(f"{namespace}.v")
    assert not catalog.view_exists(f"{namespace}.v")


@pytest.mark.skipif("WEIR_TEST_CATALOG" in os.environ, reason="another catalog is tested")
def test_restart_keeps_everything(tmp_path):
    data = rows()
    with RestServer(tmp_path / "warehouse") as server:
        catalog = RestCatalog("weir", uri=server.uri)
        catalog.create_namespace("n")
        catalog.create_table("n.t", data.schema).append(data)
        server.kill()
    with RestServer(tmp_path / "warehouse") as server:
        catalog = RestCatalog("weir", uri=server.uri)
        assert by_id(catalog.load_table("n.t").scan().to_arrow()) == by_id(data)
        assert server.stop() == 0
