# SPDX-License-Identifier: Apache-2.0
"""What changed between snapshots, and tables about tables, beside PyIceberg."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog as TheirCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable

import weir

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("word", pa.string()),
        pa.field("tags", pa.list_(pa.string())),
    ]
)
CHANGE_COLUMNS = ["_change_type", "_change_ordinal", "_commit_snapshot_id"]


def rows(*ids: int, word: str = "a") -> pa.Table:
    return pa.table(
        {"id": list(ids), "word": [word] * len(ids), "tags": [["x"] * (i % 3) for i in ids]},
        schema=SCHEMA,
    )


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def catalog(lake: Path) -> weir.Catalog:
    catalog = weir.connect(lake, name="both")
    catalog.create_namespace("shop")
    return catalog


@pytest.fixture
def theirs(lake: Path, catalog: weir.Catalog) -> TheirCatalog:
    """PyIceberg on the same catalog."""
    return SqlCatalog(
        "both",
        uri=f"sqlite:///{lake}/catalog.db",
        warehouse=f"file://{lake}",
        init_catalog_tables="false",
    )


def counted(table: pa.Table, columns: list[str] | None = None) -> Counter[str]:
    chosen = table if columns is None else table.select(columns)
    return Counter(str(sorted(row.items())) for row in chosen.to_pylist())


def told(changes: pa.Table, kind: str, ordinal: int) -> Counter[str]:
    names = [name for name in changes.column_names if name not in CHANGE_COLUMNS]
    found = [
        row
        for row in changes.to_pylist()
        if (row["_change_type"], row["_change_ordinal"]) == (kind, ordinal)
    ]
    return Counter(str(sorted((name, row[name]) for name in names)) for row in found)


def test_changes_of_every_kind(catalog: weir.Catalog) -> None:
    table = catalog.create_table("shop.t", SCHEMA, partition=["bucket(2, id)"])
    table.append(rows(1, 2, 3))
    start = table.snapshot_id
    table.delete("id = 2")
    table.upsert(rows(3, 4, word="b"), keys=["id"])
    changes = table.changes(start).to_arrow()
    assert changes.schema.names == [*SCHEMA.names, *CHANGE_COLUMNS]
    assert changes.schema.field("_change_type").metadata[b"PARQUET:field_id"] == b"2147483543"
    found = [
        tuple(row[name] for name in ("id", "word", "_change_type", "_change_ordinal"))
        for row in changes.to_pylist()
    ]
    assert sorted(found, key=lambda row: (row[3], row[2], row[0])) == [
        (2, "a", "DELETE", 0),
        (3, "a", "DELETE", 1),
        (3, "b", "INSERT", 1),
        (4, "b", "INSERT", 1),
    ]
    frame = table.changes(start, identifiers=["id"], columns=["id"]).to_polars()
    assert sorted(frame["_change_type"].to_list()) == [
        "DELETE",
        "INSERT",
        "UPDATE_AFTER",
        "UPDATE_BEFORE",
    ]
    net = table.changes(net=True, columns=["id", "_change_type"]).to_arrow()
    assert sorted(net["id"].to_pylist()) == [1, 3, 4]
    assert table.changes(start, where="id = 4").count() == 1
    assert table.changes(start, limit=2, batch_rows=1).count() == 2
    assert table.changes("main").count() == 0
    assert sorted(table.scan(after=start, columns=["id"]).to_arrow()["id"].to_pylist()) == []
    table.append(rows(9))
    assert table.scan(after=start).to_arrow()["id"].to_pylist() == [9]


def test_copy_on_write_of_pyiceberg(catalog: weir.Catalog, theirs: TheirCatalog) -> None:
    catalog.create_table("shop.t", SCHEMA, format_version=2).append(rows(*range(100)))
    other = theirs.load_table("shop.t")
    other.delete("id in (3, 50)")
    other.overwrite(rows(7, 8, word="new"), overwrite_filter="id in (7, 8, 9)")
    table = catalog.table("shop.t")
    first = table.metadata["snapshots"][0]["snapshot-id"]
    raw = table.changes(first, carried=True).to_arrow()
    assert raw.num_rows > 150
    changes = table.changes(first).to_arrow()
    kinds = Counter((row["id"], row["word"], row["_change_type"]) for row in changes.to_pylist())
    assert kinds == Counter(
        [(i, "a", "DELETE") for i in (3, 50, 7, 8, 9)] + [(i, "new", "INSERT") for i in (7, 8)]
    )


@pytest.mark.parametrize("seed", range(3))
def test_histories_in_turn(catalog: weir.Catalog, theirs: TheirCatalog, seed: int) -> None:
    """Weir and PyIceberg change a table in turn; PyIceberg's scans of snapshots are the truth."""
    source = random.Random(seed)
    table = catalog.create_table("shop.t", SCHEMA, format_version=2)
    table.append(rows(*range(30)))
    for step in range(8):
        low = source.randrange(40)
        condition = f"id >= {low} and id <= {low + source.randrange(8)}"
        new = rows(*[source.randrange(60) for _ in range(5)], word=source.choice("abc"))
        if step % 2:
            action = source.choice(["append", "delete", "overwrite"])
            if action == "append":
                table.append(new)
            elif action == "delete":
                table.delete(condition)
            else:
                table.overwrite(new, where=condition)
        else:
            other = theirs.load_table("shop.t")
            if source.random() < 0.4:
                other.append(new)
            elif source.random() < 0.6:
                other.delete(condition)
            else:
                other.overwrite(new, overwrite_filter=condition)
        table.refresh()
    location = table.metadata_location
    assert location is not None
    truth = StaticTable.from_metadata(location)
    states = [snapshot["snapshot-id"] for snapshot in table.metadata["snapshots"]]
    contents = [counted(truth.scan(snapshot_id=state).to_arrow()) for state in states]
    changes = table.changes(states[0]).to_arrow()
    for ordinal, (old, new) in enumerate(zip(contents, contents[1:])):
        assert told(changes, "INSERT", ordinal) == new - old
        assert told(changes, "DELETE", ordinal) == old - new
    net = table.changes(states[0], net=True).to_arrow().to_pylist()
    came = [row for row in net if row["_change_type"] == "INSERT"]
    assert len(came) == (contents[-1] - contents[0]).total()
    assert len(net) - len(came) == (contents[0] - contents[-1]).total()


def test_tables_about_tables(catalog: weir.Catalog) -> None:
    table = catalog.create_table("shop.t", SCHEMA, partition=["bucket(2, id)"], format_version=2)
    assert table.inspect.snapshots().to_arrow().num_rows == 0
    table.append(rows(1, 2, 3))
    first = table.snapshot_id
    table.append(rows(4))
    table.delete("id = 1")
    location = table.metadata_location
    assert location is not None
    theirs = StaticTable.from_metadata(location).inspect
    for name in ("snapshots", "history", "refs", "manifests", "files", "data_files", "all_files"):
        ours = getattr(table.inspect, name)().to_arrow()
        wanted = getattr(theirs, name)()
        assert ours.num_rows == wanted.num_rows, name
        same = [column for column in wanted.column_names if column in ours.column_names]
        assert len(same) >= min(6, len(wanted.column_names)), name
    snapshots = table.inspect.snapshots().to_polars()
    assert snapshots["snapshot_id"].to_list() == theirs.snapshots()["snapshot_id"].to_pylist()
    assert table.inspect.entries().count() == theirs.entries().num_rows
    paths = set(table.inspect.data_files(at=first).to_arrow()["file_path"].to_pylist())
    assert paths == set(theirs.data_files(snapshot_id=first)["file_path"].to_pylist())
    assert table.inspect.delete_files().count() == 1
    assert table.inspect.all_manifests().count() >= table.inspect.manifests().count()
    partitions = polars.DataFrame(table.inspect.partitions())
    assert partitions["record_count"].sum() == 4
    assert table.inspect.metadata_log_entries().count() == theirs.metadata_log_entries().num_rows
    with pytest.raises(weir.NotFoundError):
        table.inspect.files(at="nowhere")


def test_looking_after_tables(catalog: weir.Catalog) -> None:
    table = catalog.create_table("shop.t", SCHEMA)
    assert table.analyze() is None
    for i in range(3):
        table.append(rows(i, i + 10))
    states = [snapshot["snapshot-id"] for snapshot in table.metadata["snapshots"]]
    counts = table.analyze(["id", "word"])
    assert counts is not None
    assert counts["distinct_values"] == {"id": 6, "word": 1}
    diff = table.diff(states[0])
    assert [step["inserted_rows"] for step in diff["snapshots"]] == [2, 2]
    assert diff["data_files"]["added"]["rows"] == 4
    assert table.expire_snapshots()["snapshot_ids"] == []
    done = table.expire_snapshots(datetime.now(timezone.utc) + timedelta(days=1), retain_last=2)
    assert done["snapshot_ids"] == states[:1]
    assert table.expire_snapshots(snapshot_ids=states[1:2])["snapshot_ids"] == states[1:2]
    assert table.scan().count() == 6
    assert table.remove_orphans(dry_run=True)["locations"] == []
    assert table.remove_orphans(min_age=timedelta(0))["locations"] == []


def test_wrong_questions(catalog: weir.Catalog) -> None:
    table = catalog.create_table("shop.t", SCHEMA)
    table.append(rows(1))
    first = table.snapshot_id
    table.append(rows(2))
    with pytest.raises(weir.InvalidArgumentError, match="no ancestor"):
        table.changes("main", first)
    with pytest.raises(weir.NotFoundError, match="did you mean word"):
        table.changes(columns=["wrod"])
    with pytest.raises(weir.NotFoundError, match="did you mean id"):
        table.changes(identifiers=["idd"])
    with pytest.raises(weir.InvalidArgumentError, match="no identifier fields"):
        table.changes(identifiers=True)
    with pytest.raises(weir.InvalidArgumentError, match="at least one"):
        table.changes(identifiers=[])
    with pytest.raises(TypeError, match="identifiers"):
        table.changes(identifiers="id")
    table.overwrite(rows(5, 6, word="a"))
    with pytest.raises(weir.InvalidArgumentError, match="do not tell rows apart"):
        table.changes(first, identifiers=["word"]).count()
    with pytest.raises(weir.NotFoundError, match="did you mean main"):
        table.scan(after="mian")
    with pytest.raises(weir.NotFoundError, match=r"did you mean shop\.t\?"):
        catalog.table("shop.tt")
    with pytest.raises(weir.NotFoundError, match="the table has"):
        table.analyze(["nothing"])
    with pytest.raises(weir.InvalidArgumentError, match="min_age_ms"):
        table.remove_orphans(min_age=timedelta(seconds=-1))
