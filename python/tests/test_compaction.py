# SPDX-License-Identifier: Apache-2.0
"""`weir table compact` beside PyIceberg, killed writers and others that delete meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyiceberg.table import StaticTable
from test_maintenance import metadata_file, seen_by_others
from test_table_cli import BINARY, Lake, rows

import weir

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    pq.write_table(rows(), tmp_path / "like.parquet")
    lake.text("create", "shop.orders", "--like", "like.parquet", "--partition", "bucket(2, id)")
    return lake


def ids(lake: Lake) -> list[int]:
    table = StaticTable.from_metadata(str(metadata_file(lake)))
    return sorted(table.scan().to_arrow()["id"].to_pylist())


def test_others_read_every_snapshot_as_before(lake: Lake) -> None:
    for number in range(8):
        lake.append(2 * number, 2 * number + 1)
        if number % 3 == 2:
            lake.json("delete", "shop.orders", "--where", f"id = {number}")
    before = seen_by_others(lake)
    planned = lake.json("compact", "shop.orders", "--full", "--dry-run")
    done = lake.json("compact", "shop.orders", "--full", "--sort", "id")
    assert done["files"] == planned["files"] > done["new_files"] == 2
    after = seen_by_others(lake)
    assert {key: after[key] for key in before} == before
    new = [after[key] for key in after if key not in before]
    assert ids(lake) == new[-1] == sorted(set(range(16)) - {2, 5})
    # Nothing is left to do, and a wrong column has an answer.
    assert lake.json("compact", "shop.orders", "--full")["groups"] == 0
    assert "idd" in lake.error("compact", "shop.orders", "--full", "--sort", "idd")


def test_deletes_and_kills_while_it_works(lake: Lake) -> None:
    """Compactions killed at any moment, beside deletes and appends of other processes."""
    draw = random.Random(3)
    held: set[int] = set()
    for number in range(6):
        lake.append(number)
        held.add(number)
    command = [str(BINARY), "table", "compact", "shop.orders", "--full"]
    environment = {**os.environ, "WEIR_CATALOG": str(lake.folder / "lake")}
    for round_ in range(10):
        running = subprocess.Popen(
            command,
            cwd=lake.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if draw.random() < 0.5:
            gone = draw.choice(sorted(held))
            lake.json("delete", "shop.orders", "--where", f"id = {gone}")
            held.discard(gone)
        lake.append(100 + round_)
        held.add(100 + round_)
        if draw.random() < 0.5:
            time.sleep(draw.random() * 0.05)
            running.send_signal(signal.SIGKILL)
            running.communicate()
        else:
            _, error = running.communicate(timeout=60)
            assert running.returncode == 0, error
        assert ids(lake) == sorted(held)
    lake.json("compact", "shop.orders", "--full")
    assert ids(lake) == sorted(held)


def test_more_rows_are_sorted_than_memory_holds(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    count = 60_000

    def batch(start: int) -> pa.Table:
        users = pa.array(draw.integers(0, 500, count), mask=draw.random(count) < 0.05)
        names = [f"name {number}" for number in draw.integers(0, 10**9, count)]
        return pa.table({"id": range(start, start + count), "user": users, "name": names})

    parts = [batch(number * count) for number in range(4)]
    lake = weir.connect(tmp_path / "lake")
    lake.create_namespace("n")
    table = lake.create_table("n.t", parts[0].schema)
    table.update({"action": "set_sort_order", "columns": ["user desc nulls last", "name"]})
    for part in parts[:3]:
        table.append(part)
    keys = [("user", "descending"), ("name", "ascending")]
    for round_ in range(2):
        if round_ == 1:
            # One of the files is in order, and is larger than what is sorted at once.
            table.append(parts[3])
        command = [str(BINARY), "table", "compact", "n.t", "--full", "--memory", "1", "--json"]
        environment = {**os.environ, "WEIR_CATALOG": str(tmp_path / "lake")}
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        written = sum(path.stat().st_size for path in tmp_path.rglob("data/**/*.*"))
        wanted = pa.concat_tables(parts[: 3 + round_])
        users = pc.fill_null(wanted["user"], -1)
        order = pc.sort_indices(wanted.set_column(1, "user", users), keys)
        wanted = wanted.take(order)
        assert json.loads(done.stdout)["new_files"] == 1
        others = StaticTable.from_metadata(str(table.refresh().metadata_location))
        (task,) = others.scan().plan_files()
        assert task.file.sort_order_id == others.sort_order().order_id > 0
        found = pq.read_table(str(task.file.file_path).removeprefix("file://"))
        assert found.select(["user", "name"]).equals(wanted.select(["user", "name"]))
        assert sorted(found["id"].to_pylist()) == list(range(len(wanted)))
        # What was written in between is gone.
        snapshots = others.inspect.all_files()["file_path"].to_pylist()
        assert written == sum(
            Path(path.removeprefix("file://")).stat().st_size for path in snapshots
        )
    for memory in ("0", "-1"):
        command[-2] = memory
        wrong = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert (wrong.returncode, "--memory" in wrong.stderr) == (64, True)
    with pytest.raises(weir.InvalidArgumentError, match="memory_bytes"):
        table.compact(memory_bytes=0)
