# SPDX-License-Identifier: Apache-2.0
"""Tables whose files are in the Weir format: the same rows as in Parquet, read by others there."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.table import StaticTable
from rest_server import BINARY
from stream_server import PROJECT, StreamServer

import weir


@pytest.fixture
def catalog(tmp_path: Path) -> weir.Catalog:
    catalog = weir.connect(tmp_path / "lake")
    catalog.create_namespace("shop")
    return catalog


def samples(rows: int, seed: int) -> pa.Table:
    """Wide rows as training has them: sparse numbers, texts, lists that repeat, a struct."""
    source = random.Random(seed)
    history: list[int] = []
    lists = []
    for _ in range(rows):
        if source.random() < 0.7:
            history = [source.randrange(1 << 40), *history[:40]]
        lists.append(list(history) if source.random() < 0.95 else None)

    def some(make):
        return [make() if source.random() < 0.8 else None for _ in range(rows)]

    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "score": pa.array(some(source.random), pa.float64()),
            "clicks": pa.array(some(lambda: source.randrange(5)), pa.int32()),
            "country": pa.array(some(lambda: source.choice(["de", "fr", "ö"])), pa.string()),
            "last": pa.array(lists, pa.list_(pa.int64())),
            "place": pa.array(
                some(lambda: {"x": source.random(), "tags": ["a"] * source.randrange(3)}),
                pa.struct([("x", pa.float64()), ("tags", pa.list_(pa.string()))]),
            ),
        }
    )


def create(catalog: weir.Catalog, name: str, schema: pa.Schema, **properties: str):
    return catalog.create_table(
        name, schema, properties={k.replace("_", "."): v for k, v in properties.items()}
    )


def rows(table: pa.Table) -> list[dict]:
    return sorted(table.to_pylist(), key=lambda row: row["id"])


@pytest.mark.parametrize("profile", ["fast", "compact"])
def test_rows_are_those_of_duckdb_over_parquet(catalog, tmp_path, profile):
    data = samples(3_000, 1)
    table = create(
        catalog,
        "shop.samples",
        data.schema,
        write_format_default="weir",
        weir_file_profile=profile,
    )
    for start in range(0, data.num_rows, 1_000):
        table.append(data.slice(start, 1_000))
    files = table.inspect.files().to_arrow()
    assert files["file_format"].to_pylist() == ["WEIR"] * 3
    assert all(path.endswith(".weir") for path in files["file_path"].to_pylist())
    pq.write_table(data, tmp_path / "samples.parquet")
    assert rows(table.scan().to_arrow()) == rows(data)
    for where in [
        "id between 990 and 1010",
        "clicks = 3 and score < 0.25",
        "country is null",
        "country > 'e' or id = 5",
        "score >= 0.999",
    ]:
        theirs = duckdb.sql(
            f"select id, country, last, place from '{tmp_path}/samples.parquet' where {where}"
        ).to_arrow_table()
        ours = table.scan(columns=["id", "country", "last", "place"], where=where).to_arrow()
        assert rows(ours) == rows(theirs), where
    table.delete("clicks = 4")
    table.upsert(data.slice(0, 10), keys=["id"])
    kept = duckdb.sql(
        f"select * from '{tmp_path}/samples.parquet' where clicks is distinct from 4 or id < 10"
    ).to_arrow_table()
    assert rows(table.scan().to_arrow()) == rows(kept)


@pytest.mark.parametrize("seed", range(4))
def test_random_tables_come_back(catalog, seed):
    source = random.Random(seed)
    data = samples(source.randrange(1, 200), seed)
    weir_table = create(catalog, "shop.w", data.schema, write_format_default="weir")
    parquet = create(catalog, "shop.p", data.schema)
    for table in (weir_table, parquet):
        table.append(data)
    columns = ["id", "_pos", "_row_id", "_last_updated_sequence_number", "place.x"]
    assert rows(weir_table.scan(columns=columns).to_arrow()) == rows(
        parquet.scan(columns=columns).to_arrow()
    )


def test_other_readers_name_the_format_and_get_parquet(catalog):
    data = samples(100, 7)
    table = create(catalog, "shop.samples", data.schema, write_format_default="weir")
    table.append(data)
    with pytest.raises(ValueError, match="WEIR"):
        StaticTable.from_metadata(table.metadata_location).scan().to_arrow()
    # Files from now on are Parquet; the rows are written anew.
    table.update({"action": "set_properties", "properties": {"write.format.default": "parquet"}})
    table.overwrite(table.scan().to_arrow())
    # The commit that takes Weir files away still names them; the next one does not.
    table.append(samples(101, 9).slice(100))
    data = pa.concat_tables([data, samples(101, 9).slice(100)])
    theirs = StaticTable.from_metadata(table.metadata_location).scan().to_arrow()
    assert rows(theirs) == rows(data)


def test_a_damaged_file_is_named(catalog):
    data = samples(500, 3)
    table = create(catalog, "shop.samples", data.schema, write_format_default="weir")
    table.append(data)
    path = Path(table.inspect.files().to_arrow()["file_path"][0].as_py().removeprefix("file://"))
    content = bytearray(path.read_bytes())
    for place in range(100, len(content) - 200, 64):
        content[place] ^= 0x55
    path.write_bytes(bytes(content))
    with pytest.raises(OSError, match=path.name):
        table.scan().to_arrow()


def test_a_format_that_is_not_written(catalog):
    data = samples(1, 1)
    table = create(catalog, "shop.samples", data.schema, write_format_default="orc")
    with pytest.raises(weir.WeirError, match="only parquet and weir are written"):
        table.append(data)


@pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")
def test_streams(tmp_path):
    project = PROJECT.replace("flush:", "format: weir\n    flush:")
    with (
        StreamServer(tmp_path / "project", project=project) as server,
        weir.connect(server.uri) as catalog,
    ):
        events = catalog.stream("shop.events")
        events.append([{"id": i, "tags": ["a"] * (i % 3), "score": i / 7} for i in range(200)])
        items = catalog.stream("shop.items")
        items.append([{"id": i % 20, "name": f"n{i}", "at": i} for i in range(100)])
        for name in ["shop.events", "shop.items"]:
            server.wait_until_covered(name)
        found = catalog.table("shop.events").scan(columns=["id", "tags", "score"]).to_arrow()
        assert rows(found) == [
            {"id": i, "tags": ["a"] * (i % 3), "score": i / 7} for i in range(200)
        ]
        table = catalog.table("shop.items")
        expected = [{"id": i, "name": f"n{80 + i}"} for i in range(20)]
        assert rows(table.scan(columns=["id", "name"]).to_arrow()) == expected
        assert set(table.inspect.files().to_arrow()["file_format"].to_pylist()) <= {
            "WEIR",
            "PUFFIN",
        }
        assert items.lookup([7], columns=["name"])[0]["name"] == "n87"
