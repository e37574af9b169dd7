# SPDX-License-Identifier: Apache-2.0
"""`weir table maintain` beside PyIceberg: what is kept is read as before, at every snapshot."""

from __future__ import annotations

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
from pyiceberg.table import StaticTable
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
    lake.text("tag", "shop.orders", "first", "--at", str(min(held)))
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
    assert min(held) in kept
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
    assert sorted(map(len, after.values())) == [20, 40]
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
        assert kept == {snapshot: held[snapshot] for snapshot in kept}
        assert len(kept) >= keep
    lake.text("maintain", "shop.orders", "--snapshots", "1s", "--keep", "2")
    kept = seen_by_others(lake)
    assert len(kept) == 2
    assert kept == {snapshot: held[snapshot] for snapshot in kept}
    # All that is left over is found once it is old enough.
    for file in lake.folder.glob("lake/**/*"):
        if file.is_file() and "catalog" not in file.name:
            os.utime(file, (time.time() - 4 * DAY, time.time() - 4 * DAY))
    lake.text("maintain", "shop.orders")
    assert lake.json("orphans", "shop.orders", "--dry-run")["locations"] == []
    assert seen_by_others(lake) == kept
