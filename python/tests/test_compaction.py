# SPDX-License-Identifier: Apache-2.0
"""`weir table compact` beside PyIceberg, killed writers and others that delete meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyiceberg.table import StaticTable
from test_maintenance import metadata_file, seen_by_others
from test_table_cli import BINARY, Lake, rows

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
