# SPDX-License-Identifier: Apache-2.0
"""Tables through the Python package, read and written by PyIceberg and others, too."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyiceberg.table import StaticTable

import weir

EVENTS = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("country", pa.string()),
        pa.field("ts", pa.timestamp("us", tz="UTC")),
        pa.field("price", pa.decimal128(9, 2)),
        pa.field("tags", pa.list_(pa.string())),
    ]
)


def events(rows: int, seed: int = 1) -> pa.Table:
    source = random.Random(seed)
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return pa.table(
        {
            "user_id": pa.array([source.randrange(100) for _ in range(rows)], pa.int64()),
            "country": [source.choice(["de", "fr", "us", None]) for _ in range(rows)],
            "ts": pa.array(
                [start + timedelta(seconds=source.randrange(3 * 86_400)) for _ in range(rows)],
                pa.timestamp("us", tz="UTC"),
            ),
            "price": pa.array(
                [source.randrange(10_000) / 100 for _ in range(rows)], pa.float64()
            ).cast(pa.decimal128(9, 2)),
            "tags": [[source.choice("abc")] * source.randrange(3) for _ in range(rows)],
        },
        schema=EVENTS,
    )


@pytest.fixture
def catalog(tmp_path: Path) -> weir.Catalog:
    catalog = weir.connect(tmp_path / "lake")
    catalog.create_namespace("shop")
    return catalog


def static(table: weir.CatalogTable) -> StaticTable:
    location = table.metadata_location
    assert location is not None
    return StaticTable.from_metadata(location)


def rows(table: pa.Table) -> list[str]:
    """The rows as texts, in no order."""
    return sorted(str(sorted(row.items())) for row in table.to_pylist())


def test_a_table_is_made_filled_and_read(catalog: weir.Catalog) -> None:
    table = catalog.create_table("shop.events", EVENTS, partition=["day(ts)", "country"])
    data = events(500)
    change = table.append(data)
    assert change["added_rows"] == 500
    assert catalog.tables("shop") == ["shop.events"]
    assert rows(table.scan().to_arrow()) == rows(data)
    assert table.scan().to_polars().height == 500
    assert len(table.scan(limit=7).to_pandas()) == 7
    assert sum(batch.num_rows for batch in table.scan(batch_rows=100).to_batches()) == 500
    wanted = data.filter(pc.field("country") == "de")
    found = table.scan(columns=["user_id", "ts"], where="country = 'de'").to_arrow()
    assert rows(found) == rows(wanted.select(["user_id", "ts"]))


@pytest.mark.parametrize("version", [2, 3])
def test_pyiceberg_and_polars_read_what_weir_wrote(catalog: weir.Catalog, version: int) -> None:
    table = catalog.create_table(
        "shop.events", EVENTS, partition=["bucket(4, user_id)"], format_version=version
    )
    data = events(300)
    table.append(data)
    theirs = static(table).scan().to_arrow()
    assert rows(theirs) == rows(data)
    location = table.metadata_location
    assert location is not None
    assert rows(polars.scan_iceberg(location).collect().to_arrow()) == rows(data)
    table.delete("user_id < 20 AND country = 'fr'")
    kept = data.filter(
        pc.invert(
            pc.fill_null(
                pc.and_kleene(pc.less(data["user_id"], 20), pc.equal(data["country"], "fr")),
                False,
            )
        )
    )
    assert 0 < kept.num_rows < data.num_rows
    assert rows(table.scan().to_arrow()) == rows(kept)
    assert rows(static(table).scan().to_arrow()) == rows(kept)


def test_time_travel_and_evolution(catalog: weir.Catalog) -> None:
    table = catalog.create_table("shop.events", EVENTS)
    first = events(10, 1)
    table.append(first)
    before = table.snapshot_id
    table.update(
        {"action": "add_column", "name": "device", "type": "string", "default": "web"},
        {"action": "rename_column", "path": "country", "name": "region"},
        {"action": "create_tag", "name": "january"},
    )
    table.append(pa.table({"user_id": pa.array([7], pa.int64()), "device": ["tv"]}))
    now = table.scan().to_arrow()
    assert now.num_rows == 11
    assert set(now.column("device").to_pylist()) == {"web", "tv"}
    assert "region" in now.column_names
    for at in (before, "january"):
        then = table.scan(at=at).to_arrow()
        assert then.num_rows == 10
        assert "country" in then.column_names
    table.update({"action": "rollback", "snapshot_id": before})
    assert table.scan().count() == 10


def test_overwrite_and_upsert(catalog: weir.Catalog) -> None:
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("v", pa.string())])
    table = catalog.create_table("shop.items", schema)
    table.append(pa.table({"id": [1, 2, 3], "v": ["a", "b", "c"]}, schema=schema))
    table.upsert(pa.table({"id": [2, 4], "v": ["B", "d"]}, schema=schema), keys=["id"])
    assert rows(table.scan().to_arrow()) == rows(
        pa.table({"id": [1, 2, 3, 4], "v": ["a", "B", "c", "d"]}, schema=schema)
    )
    table.overwrite(pa.table({"id": [9], "v": ["z"]}, schema=schema), where="id >= 3")
    assert rows(table.scan().to_arrow()) == rows(
        pa.table({"id": [1, 2, 9], "v": ["a", "B", "z"]}, schema=schema)
    )


def test_errors_name_the_thing_and_the_remedy(catalog: weir.Catalog) -> None:
    table = catalog.create_table("shop.events", EVENTS)
    with pytest.raises(weir.NotFoundError, match=r"shop\.event"):
        catalog.table("shop.event")
    with pytest.raises(weir.AlreadyExistsError):
        catalog.create_table("shop.events", EVENTS)
    with pytest.raises(weir.InvalidArgumentError, match="country"):
        table.scan(where="contry = 'de'")
    with pytest.raises(weir.InvalidArgumentError):
        table.scan(where="country = ")
    with pytest.raises(weir.WeirError, match="nothere"):
        table.scan(columns=["nothere"])
    with pytest.raises(weir.NotFoundError):
        table.scan(at="no-such-branch")
    with pytest.raises(weir.InvalidArgumentError, match="user_id"):
        table.append(pa.table({"country": ["de"]}))
    with pytest.raises(weir.InvalidArgumentError, match="bucket"):
        catalog.create_table("shop.other", EVENTS, partition=["bukket(4, user_id)"])
    with pytest.raises(weir.InvalidArgumentError, match=r"paint"):
        table.update({"action": "paint"})
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        table.append([1, 2])


def test_a_catalog_keeps_its_tables(tmp_path: Path) -> None:
    with weir.connect(tmp_path / "lake") as catalog:
        catalog.create_namespace("a", {"owner": "me"})
        catalog.create_table("a.t", EVENTS, properties={"note": "x"}).append(events(3))
    with weir.connect(tmp_path / "lake") as catalog:
        assert catalog.namespaces() == ["a"]
        assert catalog.namespace_properties("a")["owner"] == "me"
        table = catalog.table("a.t")
        assert table.metadata["properties"]["note"] == "x"
        assert table.scan().count() == 3
        catalog.rename_table("a.t", "a.u")
        assert catalog.table_exists("a.u")
        catalog.drop_table("a.u", purge=True)
        catalog.drop_namespace("a")
        assert catalog.namespaces() == []
