# SPDX-License-Identifier: Apache-2.0
"""`weir table backfill` and `Table.backfill` beside PyIceberg, killed processes and wrong input."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from pyiceberg.table import StaticTable
from test_maintenance import metadata_file
from test_table_cli import BINARY, Lake, rows

import weir

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    pq.write_table(rows(), tmp_path / "like.parquet")
    lake.text("create", "shop.orders", "--like", "like.parquet", "--partition", "bucket(2, id)")
    for number in range(4):
        lake.append(*range(10 * number, 10 * number + 10))
    lake.json("delete", "shop.orders", "--where", "id in (3, 4, 25)")
    return lake


IDS = sorted(set(range(40)) - {3, 4, 25})


def scores(lake: Lake, name: str = "scores.parquet", **values: dict[int, object]) -> str:
    """A file of ids and columns of values by id."""
    ids = sorted({key for column in values.values() for key in column})
    table = pa.table(
        {"id": ids, **{name: [column.get(i) for i in ids] for name, column in values.items()}}
    )
    if name.endswith(".parquet"):
        pq.write_table(table, lake.folder / name)
    else:
        feather.write_feather(table, lake.folder / name)
    return name


def column(lake: Lake, name: str) -> dict[int, object]:
    """By id, as Weir reads it."""
    lines = lake.lines("scan", "shop.orders", "--columns", f"id,{name}")
    return {line["id"]: line[name] for line in lines}


def seen_by_others(lake: Lake) -> dict[int, list[dict]]:
    """All rows of every snapshot, as PyIceberg reads them."""
    table = StaticTable.from_metadata(str(metadata_file(lake)))
    return {
        snapshot.snapshot_id: sorted(
            table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().to_pylist(),
            key=lambda row: row["id"],
        )
        for snapshot in table.metadata.snapshots
    }


def test_others_see_the_column_from_the_compaction_on(lake: Lake) -> None:
    before = seen_by_others(lake)
    current = StaticTable.from_metadata(str(metadata_file(lake))).metadata.current_snapshot_id
    source = scores(lake, score={i: i / 4 for i in range(0, 40, 2)})
    done = lake.json(
        "backfill", "shop.orders", "--column", "score", "--from", source, "--key", "id"
    )
    assert done["added_column"]
    assert done["rows"] == len(IDS)
    assert done["rows_without_value"] == sum(i % 2 for i in IDS)
    wanted = {i: i / 4 if i % 2 == 0 else None for i in IDS}
    assert column(lake, "score") == wanted
    # Until they are compacted others see rows as before, and the column empty.
    seen = seen_by_others(lake)
    assert {key: seen[key] for key in before} == before
    assert seen[done["snapshot_id"]] == [{**row, "score": None} for row in before[current]]
    found = lake.lines("scan", "shop.orders", "--columns", "id", "--where", "score >= 5")
    assert sorted(line["id"] for line in found) == [i for i in IDS if i % 2 == 0 and i >= 20]
    cost = lake.json("cost", "shop.orders", "--no-estimate")
    assert cost["column_files"]["files"] == done["column_files"]
    assert cost["unnamed"]["files"] == 0

    lake.json("compact", "shop.orders", "--full")
    assert column(lake, "score") == wanted
    seen = seen_by_others(lake)
    newest = max(
        StaticTable.from_metadata(str(metadata_file(lake))).metadata.snapshots,
        key=lambda snapshot: snapshot.sequence_number,
    )
    assert {row["id"]: row["score"] for row in seen[newest.snapshot_id]} == wanted
    # An older state stays what it was.
    old = lake.lines("scan", "shop.orders", "--at", current, "--limit", "1")
    assert "score" not in old[0]


def test_sources_keys_and_values(lake: Lake) -> None:
    fill = ("backfill", "shop.orders", "--column")
    # By row ids, from an Arrow file, under another name.
    ids = lake.lines("scan", "shop.orders", "--columns", "_row_id,id")
    table = pa.table(
        {"_row_id": [line["_row_id"] for line in ids], "n": [-line["id"] for line in ids]}
    )
    feather.write_feather(table, lake.folder / "n.arrow", compression="uncompressed")
    lake.json(*fill, "minus", "--from", "n.arrow", "--key", "_row_id", "--value", "n")
    assert column(lake, "minus") == {i: -i for i in IDS}
    # From a table, only some rows; the others keep what they have.
    lake.json("backfill", "shop.orders", "--column", "minus", "--from", "shop.orders",
              "--key", "id", "--value", "id", "--where", "id < 10")  # fmt: skip
    assert column(lake, "minus") == {i: i if i < 10 else -i for i in IDS}
    # Two keys, nested values; another snapshot later it is still there.
    source = pa.table(
        {
            "id": [1, 1, 5],
            "country": ["de", "at", "de"],
            "tags": pa.array([["a"], ["b"], None], pa.list_(pa.string())),
        }
    )
    pq.write_table(source, lake.folder / "tags.parquet")
    lake.json(*fill, "tags", "--from", "tags.parquet", "--key", "id,country")
    lake.append(41)
    lake.json("delete", "shop.orders", "--where", "id = 7")
    found = column(lake, "tags")
    assert found.pop(1) == ["a"]
    assert set(found.values()) == {None}
    assert 41 in found
    # A text for people.
    text = lake.text(*fill, "extra", "--from", scores(lake, extra={1: 1}), "--key", "id")
    assert "extra (new)" in text
    assert "no value in the source" in text


def test_python(lake: Lake) -> None:
    table = weir.connect(str(lake.folder / "lake")).table("shop.orders")
    data = pa.table({"id": list(range(20)), "score": [i * 0.5 for i in range(20)]})
    done = table.backfill("score", data, key="id")
    assert done["rows"] == len(IDS)
    assert done["added_column"]
    assert column(lake, "score") == {i: i * 0.5 if i < 20 else None for i in IDS}
    done = table.backfill("score", data.rename_columns(["id", "x"]), key=["id"], value="x")
    assert not done["added_column"]
    with pytest.raises(weir.WeirError, match="several parts"):
        table.backfill("score", data, key="id", memory_bytes=10)
    with pytest.raises(weir.WeirError, match="scor"):
        table.backfill("scor", data, key="id")


def test_wrong_input(lake: Lake) -> None:
    source = scores(lake, score={1: 1.5})
    fill = ("backfill", "shop.orders", "--column")

    def error(*arguments: object, code: int = 1) -> str:
        text = lake.error(*fill, *arguments, code=code)
        assert "score" not in lake.text("schema", "shop.orders")
        return text

    assert "identifier" in error("score", "--from", source)
    assert "did you mean id" in error("score", "--from", source, "--key", "idd")
    assert "did you mean score" in error("scor", "--from", source, "--key", "id")
    assert "neither" in error("score", "--from", "nothing.parquet", "--key", "id")
    assert "neither" in error("score", "--from", "shop.nothing", "--key", "id")
    assert "partitioned" in error("id", "--from", source, "--key", "price", "--value", "score")
    assert "within" in error("place.zip", "--from", source, "--key", "id", "--value", "score")
    assert "_row_id" in error("score", "--from", source, "--key", "_row_id,id")
    # Doubles do not fit timestamps.
    text = error("ts", "--from", source, "--key", "id", "--value", "score")
    assert "column ts" in text
    assert "timestamp" in text
    twice = pa.table({"id": [1, 2, 1], "score": [0.1, 0.2, 0.1]})
    pq.write_table(twice, lake.folder / "twice.parquet")
    assert "comes twice" in error("score", "--from", "twice.parquet", "--key", "id")
    nulls = pa.table({"id": [1, None], "score": [0.1, 0.2]})
    pq.write_table(nulls, lake.folder / "nulls.parquet")
    assert "null" in error("score", "--from", "nulls.parquet", "--key", "id")
    error("score", "--from", source, "--key", "id", "--memory", "0", code=64)
    many = pa.table({"id": list(range(100_000)), "score": [0.5] * 100_000})
    pq.write_table(many, lake.folder / "many.parquet")
    text = error("score", "--from", "many.parquet", "--key", "id", "--memory", "1")
    assert "several parts" in text


def test_killed_at_any_moment(lake: Lake) -> None:
    """A backfill that is killed has done all or nothing, and leaves only orphans."""
    command = [str(BINARY), "table", "backfill", "shop.orders", "--column", "score", "--key", "id"]
    environment = {**os.environ, "WEIR_CATALOG": str(lake.folder / "lake")}
    value = 0
    for round_ in range(8):
        source = scores(lake, f"scores-{round_}.parquet", score=dict.fromkeys(IDS, round_ + 1))
        running = subprocess.Popen(
            [*command, "--from", source],
            cwd=lake.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        time.sleep(0.01 * round_)
        if round_ % 2:
            running.send_signal(signal.SIGKILL)
        _, text = running.communicate()
        assert running.returncode in (0, -signal.SIGKILL), text
        if round_ % 3 == 2:
            lake.json("compact", "shop.orders", "--full")
        if "score" not in lake.text("schema", "shop.orders"):
            continue
        found = set(column(lake, "score").values())
        assert found in ({value or None}, {round_ + 1})
        if running.returncode == 0:
            assert found == {round_ + 1}
        value = found.pop() or 0
