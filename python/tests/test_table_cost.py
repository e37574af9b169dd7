# SPDX-License-Identifier: Apache-2.0
"""`weir table cost` against what other programs see."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyiceberg.table import StaticTable
from test_maintenance import fill, leave_orphans, metadata_file
from test_table_cli import BINARY, Lake, rows

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    pq.write_table(rows(), tmp_path / "like.parquet")
    lake.text("create", "shop.orders", "--like", "like.parquet", "--partition", "bucket(2, id)")
    return lake


def test_every_byte_is_accounted_for(lake: Lake) -> None:
    fill(lake, 9)
    orphans = leave_orphans(lake, 3, 4 * 86_400)
    cost = lake.json("cost", "shop.orders", "--rate", "1000000000")
    folder = next(lake.folder.glob("lake/**/data")).parent
    files = [file for file in folder.rglob("*") if file.is_file() and file.name[0] != "."]
    assert cost["bytes"] == sum(file.stat().st_size for file in files)
    assert cost["monthly_price"] == pytest.approx(cost["bytes"])
    assert cost["orphans"]["files"] == len(orphans)
    table = StaticTable.from_metadata(str(metadata_file(lake)))
    data = [task.file for task in table.scan().plan_files()]
    assert cost["data"]["files"] == len(data)
    assert cost["data"]["bytes"] == sum(file.file_size_in_bytes for file in data)
    by_partition = {part["partition"]: part["bytes"] for part in cost["partitions"]}
    assert len(by_partition) == 2
    assert sum(by_partition.values()) == cost["data"]["bytes"]
    for part in cost["partitions"]:
        bucket = int(part["partition"].split("=")[1])
        wanted = sum(f.file_size_in_bytes for f in data if f.partition[0] == bucket)
        assert part["bytes"] == wanted
    # As the files themselves say it.
    sizes: dict[str, int] = {}
    for file in data:
        metadata = pq.ParquetFile(file.file_path.removeprefix("file://")).metadata
        for group in range(metadata.num_row_groups):
            for index in range(metadata.num_columns):
                column = metadata.row_group(group).column(index)
                name = column.path_in_schema
                sizes[name] = sizes.get(name, 0) + column.total_compressed_size
    assert {part["column"]: part["bytes"] for part in cost["columns"]} == sizes
    assert cost["estimate"]["sampled_rows"] == len(table.scan().to_arrow())
    assert cost["compaction_saves"] > 0
    assert set(cost["other_formats"]) == {"weir"}
    text = lake.text("cost", "shop.orders")
    assert text.startswith("shop.orders: ")
    for word in ["partition", "column", "age", "Waste", "orphans", "estimated from"]:
        assert word in text
    assert "a month" not in text
    assert "a month" in lake.text("cost", "shop.orders", "--rate", "0.02")
    without = lake.json("cost", "shop.orders", "--no-estimate", "--limit", "1")
    assert without["estimate"] is None
    assert len(without["columns"]) == 1
    assert "--rate" in lake.error("cost", "shop.orders", "--rate", "-1", code=64)
