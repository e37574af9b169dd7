# SPDX-License-Identifier: Apache-2.0
"""`weir table tier`: old files move to another place, and PyIceberg follows them."""

from __future__ import annotations

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
    lake.text("create", "shop.orders", "--like", "like.parquet")
    for number in range(6):
        lake.append(2 * number, 2 * number + 1)
    return lake


def places(lake: Lake) -> list[str]:
    table = StaticTable.from_metadata(str(metadata_file(lake)))
    return sorted(table.inspect.files()["file_path"].to_pylist())


def test_old_files_move_and_others_follow(lake: Lake) -> None:
    cold = f"file://{lake.folder}/cold"
    # The rows are of the days from 2026-01-01 on.
    words = ["--to", cold, "--after", "1w", "--column", "ts"]
    assert lake.json("tier", "shop.orders", *words, "--dry-run")["files"] == 6
    assert (
        lake.json("tier", "shop.orders", "--to", cold, "--after", "1h", "--dry-run")["files"] == 0
    )
    before = seen_by_others(lake)
    lake.json("delete", "shop.orders", "--where", "id = 3")
    done = lake.json("tier", "shop.orders", *words)
    assert (done["files"], done["new_files"], done["rows"]) == (6, 1, 11)
    assert [path.startswith(cold) for path in places(lake)] == [True]
    after = seen_by_others(lake)
    assert {key: after[key] for key in before} == before
    assert sorted(list(after.values())[-1]) == sorted(set(range(12)) - {3})
    # New files stay where they are until they are old enough; compaction keeps the two apart.
    lake.append(100_000)
    assert "No file" in lake.text("tier", "shop.orders")
    lake.text("compact", "shop.orders", "--full")
    assert [path.startswith(cold) for path in places(lake)] == [True, False]
    assert "stay" in lake.text("tier", "shop.orders", "--off")


def test_wrong_tiers_are_named(lake: Lake) -> None:
    assert "no tier" in lake.error("tier", "shop.orders")
    assert "--after" in lake.error("tier", "shop.orders", "--to", "file:///x", code=64)
    words = ["tier", "shop.orders", "--after", "1w"]
    assert "tss" in lake.error(*words, "--to", "file:///x", "--column", "tss")
    assert "price" in lake.error(*words, "--to", "file:///x", "--column", "price")
    assert "cold" in lake.error(*words, "--to", "gopher://cold/x")
    assert "soon" in lake.error("tier", "shop.orders", "--to", "file:///x", "--after", "soon")
