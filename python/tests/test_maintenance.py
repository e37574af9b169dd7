# SPDX-License-Identifier: Apache-2.0
"""`weir table maintain` beside PyIceberg: what is kept is read as before, at every snapshot."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import StaticTable
from stream_server import StreamServer
from test_table_cli import BINARY, Lake, rows

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

DAY = 86_400


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    pq.write_table(rows(), tmp_path / "like.parquet")
    lake.text("create", "shop.orders", "--like", "like.parquet", "--partition", "bucket(2, id)")
    return lake


def metadata_file(lake: Lake) -> Path:
    files = lake.folder.glob("lake/**/*.metadata.json")
    return max(files, key=lambda path: int(path.name.split("-")[0].lstrip("v").split(".")[0]))


def seen_by_others(lake: Lake) -> dict[int, list[int]]:
    """The ids at every snapshot, as PyIceberg reads them."""
    table = StaticTable.from_metadata(str(metadata_file(lake)))
    return {
        snapshot.snapshot_id: sorted(
            table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()["id"].to_pylist()
        )
        for snapshot in table.metadata.snapshots
    }


def fill(lake: Lake, count: int) -> dict[int, list[int]]:
    """Appends and deletes; the ids at every snapshot."""
    held: dict[int, list[int]] = {}
    ids: list[int] = []
    for number in range(count):
        if number % 3 == 2:
            gone = ids.pop(0)
            done = lake.json("delete", "shop.orders", "--where", f"id = {gone}")
            held[done["snapshot_id"]] = sorted(ids)
        else:
            ids += [3 * number, 3 * number + 1]
            held[lake.append(3 * number, 3 * number + 1)] = sorted(ids)
    return held


def leave_orphans(lake: Lake, count: int, age: float) -> list[Path]:
    folder = next(lake.folder.glob("lake/**/data"))
    files = [folder / f"left-{number}.parquet" for number in range(count)]
    for file in files:
        file.write_bytes(b"left")
        os.utime(file, (time.time() - age, time.time() - age))
    return files


def steps(answer: dict) -> dict[str, dict]:
    return {step["step"]: step for step in answer["steps"]}


def test_kept_snapshots_are_read_as_before(lake: Lake) -> None:
    held = fill(lake, 9)
    lake.text("tag", "shop.orders", "first", "--at", str(next(iter(held))))
    assert seen_by_others(lake) == held
    old, young = leave_orphans(lake, 3, 4 * DAY), leave_orphans(lake, 0, 0)
    done = steps(lake.json("maintain", "shop.orders"))
    assert done["snapshots"]["snapshots"] == 0
    assert done["orphans"]["removed_files"] == len(old)
    assert not any(file.exists() for file in old)
    assert all(file.exists() for file in young)
    assert seen_by_others(lake) == held
    time.sleep(1.1)
    done = steps(lake.json("maintain", "shop.orders", "--snapshots", "1s", "--keep", "4"))
    kept = seen_by_others(lake)
    assert len(kept) == 5
    assert next(iter(held)) in kept
    assert kept == {snapshot: held[snapshot] for snapshot in kept}
    assert done["snapshots"]["snapshots"] == 4
    assert done["snapshots"]["removed_files"] > 0
    assert done["snapshots"]["failure"] is None
    text = lake.text("maintain", "shop.orders")
    assert "snapshots: nothing to do\n" in text


def test_rows_go_at_their_age(lake: Lake) -> None:
    now = datetime.now(timezone.utc)
    table = rows(*range(40)).set_column(
        3,
        "ts",
        pa.array([now - timedelta(days=i) for i in range(40)], pa.timestamp("us", tz="UTC")),
    )
    pq.write_table(table.cast(rows().schema), lake.folder / "aged.parquet")
    lake.text("append", "shop.orders", "aged.parquet")
    before = seen_by_others(lake)
    done = steps(lake.json("maintain", "shop.orders", "--rows", "ts=20d"))
    after = seen_by_others(lake)
    assert done["rows"]["deleted_rows"] == 20
    # One for the delete, and others for the files that it left half empty.
    assert set(map(len, after.values())) == {20, 40}
    assert list(range(20)) in after.values()
    assert all(after[snapshot] == ids for snapshot, ids in before.items())
    assert "rows: nothing to do" in lake.text("maintain", "shop.orders", "--rows", "ts=20d")
    assert (
        "did you mean ts?"
        in lake.run("maintain", "shop.orders", "--rows", "tss=20d", code=1).stderr
    )
    assert (
        "a timestamp or a date"
        in lake.run("maintain", "shop.orders", "--rows", "country=20d", code=1).stderr
    )
    assert "column=duration" in lake.error("maintain", "shop.orders", "--rows", "20d")
    assert "less than a day" in lake.error("maintain", "shop.orders", "--orphans", "5m")
    assert "30s" in lake.error("maintain", "shop.orders", "--snapshots", "soon")


def test_kills_leave_a_right_table(lake: Lake) -> None:
    held = fill(lake, 12)
    latest = list(held.values())[-1]
    leave_orphans(lake, 50, 4 * DAY)
    time.sleep(1.1)
    chance = random.Random(5)
    for keep in range(10, 1, -1):
        arguments = ["maintain", "shop.orders", "--snapshots", "1s", "--keep", str(keep)]
        process = subprocess.Popen(
            [str(BINARY), "table", *arguments],
            env={"PATH": os.environ["PATH"], "WEIR_CATALOG": str(lake.folder / "lake")},
            stdout=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0, 0.25))
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = seen_by_others(lake)
        # Compactions make snapshots, too, of the rows that there are.
        assert kept == {snapshot: held.get(snapshot, latest) for snapshot in kept}
        assert len(kept) >= keep
    lake.text("maintain", "shop.orders", "--snapshots", "1s", "--keep", "2")
    kept = seen_by_others(lake)
    assert len(kept) == 2
    assert kept == {snapshot: held.get(snapshot, latest) for snapshot in kept}
    # All that is left over is found once it is old enough.
    for file in lake.folder.glob("lake/**/*"):
        if file.is_file() and "catalog" not in file.name:
            os.utime(file, (time.time() - 4 * DAY, time.time() - 4 * DAY))
    lake.text("maintain", "shop.orders")
    assert lake.json("orphans", "shop.orders", "--dry-run")["locations"] == []
    assert seen_by_others(lake) == kept


# What `weir up` does by itself.

SERVICE = """
data: data
server: {port: 0}
maintenance: {budget: {files: 50, time: 1s}}
streams:
  shop.events:
    columns: {id: long not null, at: timestamptz}
    event_time: at
    flush: {interval: 100ms}
    maintenance: {snapshots: 2s, metadata_files: 5, rows: {column: at, keep: 30d}}
  shop.items:
    columns: {id: long not null, value: long}
    primary_key: id
    flush: {interval: 100ms}
    maintenance: {snapshots: 2s}
"""


def care(server: StreamServer, table: str) -> dict[str, dict]:
    status, _, body = server.request("GET", "/v1/maintenance")
    assert status == 200
    return steps(next(one for one in json.loads(body)["tables"] if one["table"] == table))


def wait_for(is_done, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.1)


def test_the_service_looks_after_its_tables(tmp_path: Path) -> None:
    old = datetime.now(timezone.utc) - timedelta(days=40)
    new = datetime.now(timezone.utc)
    with StreamServer(tmp_path / "project", project=SERVICE) as server:
        sent = 0

        def send() -> None:
            nonlocal sent
            rows = [
                {"id": sent, "at": old.isoformat()},
                {"id": sent + 1, "at": new.isoformat()},
            ]
            assert server.append("shop.events", rows)[0] == 200
            items = [{"id": sent % 10, "value": sent}]
            assert server.append("shop.items", items)[0] == 200
            sent += 2
            time.sleep(0.1)

        def is_done() -> bool:
            send()
            events, items = care(server, "shop.events"), care(server, "shop.items")
            return (
                events["snapshots"]["snapshots"] > 5
                and items["snapshots"]["removed_files"] > 5
                and events["rows"]["deleted_rows"] > 5
            )

        wait_for(is_done)
        server.wait_until_covered("shop.events")
        server.wait_until_covered("shop.items")
        catalog = RestCatalog("weir", uri=server.uri)
        events = catalog.load_table("shop.events")
        for snapshot in events.metadata.snapshots[-3:]:
            read = events.scan(snapshot_id=snapshot.snapshot_id).to_arrow()
            assert {i for i in read["id"].to_pylist() if i % 2} <= set(range(1, sent, 2))
        read = set(events.scan().to_arrow()["id"].to_pylist())
        assert {i for i in read if i % 2} == set(range(1, sent, 2))
        items = catalog.load_table("shop.items").scan().to_arrow().to_pylist()
        wanted = {i % 10: i for i in range(0, sent, 2)}
        assert {row["id"]: row["value"] for row in items} == wanted
        text = server.request("GET", "/metrics")[2].decode()
        assert 'weir_maintenance_expired_snapshots_total{table="shop.events"' in text
        assert not any(
            line.startswith("weir_maintenance_failed{") and not line.endswith(" 0.0")
            for line in text.splitlines()
        )
        done = subprocess.run(
            [str(BINARY), "stream", "maintenance", "--url", server.uri],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "shop.items" in done.stdout
        # Killed, it goes on where it was.
        server.kill()
    with StreamServer(tmp_path / "project", project=SERVICE) as server:
        catalog = RestCatalog("weir", uri=server.uri)
        read = catalog.load_table("shop.events").scan().to_arrow()["id"].to_pylist()
        assert {i for i in read if i % 2} == set(range(1, sent, 2))
