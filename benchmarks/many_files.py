# SPDX-License-Identifier: Apache-2.0
"""Tables of very many data files that do not exist: only their metadata does, which is all that
planning a scan reads. PyIceberg writes the Iceberg ones, so that nothing in them is made for Weir;
those of Delta are the JSON log that its protocol describes, with a checkpoint by delta-rs.

    many_files.py PEER KIND FILES FOLDER

`metrics`: not partitioned; a file has the ids of 1,000 rows that no other file has. `partition`: by
day(ts), 200 days; each manifest of 5,000 files has files of all of them, so that the summaries of
manifests prune nothing. Both have 21 columns with counts and bounds, as writers record them.
"""

from __future__ import annotations

import json
import random
import struct
import sys
import time
from pathlib import Path
from typing import Any

MANIFEST_FILES = 5_000
DAYS = 200
FIRST_DAY = 20_454  # 2026-01-01
ROWS = 1_000
LONGS = ["user_id", "item_id", "c_00", "c_01", "c_02", "c_03", "c_04", "c_05"]
FLOATS = [f"d_{j:02d}" for j in range(8)] + ["label_click"]
LISTS = ["l_00", "l_01"]


def schema() -> Any:
    import pyarrow as pa

    fields = [("id", pa.int64()), ("ts", pa.timestamp("us"))]
    fields += [(name, pa.int64()) for name in LONGS] + [(name, pa.float32()) for name in FLOATS]
    return pa.schema(fields + [(name, pa.list_(pa.int64())) for name in LISTS])


def iceberg_file(index: int, kind: str, ids: dict[str, int], folder: str) -> Any:
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    chance = random.Random(index)
    day = FIRST_DAY + index % DAYS
    start = day * 86_400_000_000
    lower = {ids["id"]: struct.pack("<q", index * ROWS), ids["ts"]: struct.pack("<q", start)}
    upper = {
        ids["id"]: struct.pack("<q", index * ROWS + ROWS - 1),
        ids["ts"]: struct.pack("<q", start + 86_399_999_999),
    }
    for name in LONGS:
        lower[ids[name]] = struct.pack("<q", chance.randrange(1_000))
        upper[ids[name]] = struct.pack("<q", 1_000_000 - chance.randrange(1_000))
    for name in FLOATS:
        lower[ids[name]] = struct.pack("<f", -3 - chance.random())
        upper[ids[name]] = struct.pack("<f", 3 + chance.random())
    numbers = list(ids.values())
    part = f"ts_day={day}/" if kind == "partition" else ""
    size = 90_000 + chance.randrange(20_000)
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=f"file://{folder}/warehouse/n/t/data/{part}{chance.getrandbits(128):032x}.parquet",
        file_format=FileFormat.PARQUET,
        partition=Record(day) if kind == "partition" else Record(),
        record_count=ROWS,
        file_size_in_bytes=size,
        column_sizes={number: 2_000 + chance.randrange(4_000) for number in numbers},
        value_counts=dict.fromkeys(numbers, ROWS),
        null_value_counts=dict.fromkeys(numbers, 0),
        nan_value_counts={},
        lower_bounds=lower,
        upper_bounds=upper,
        split_offsets=[4],
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
    )
    file.spec_id = 0
    return file


def make_iceberg(kind: str, count: int, folder: str) -> None:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import assign_fresh_schema_ids
    from pyiceberg.transforms import DayTransform

    catalog = SqlCatalog(
        "c", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse"
    )
    catalog.create_namespace("n")
    fresh = assign_fresh_schema_ids(catalog._convert_schema_if_needed(schema()))
    fields = []
    if kind == "partition":
        source = fresh.find_field("ts").field_id
        fields = [PartitionField(source, 1_000, DayTransform(), "ts_day")]
    table = catalog.create_table("n.t", schema=fresh, partition_spec=PartitionSpec(*fields))
    ids = {}
    for field in table.schema().fields:
        inner = getattr(field.field_type, "element_id", None)
        ids[field.name] = field.field_id if inner is None else inner
    step = min(MANIFEST_FILES, max(count // 10, 1))
    for first in range(0, count, step):
        with table.transaction() as change, change.update_snapshot().fast_append() as append:
            for index in range(first, min(first + step, count)):
                append.append_data_file(iceberg_file(index, kind, ids, folder))


def make_delta(kind: str, count: int, folder: str) -> None:
    import pyarrow as pa
    from deltalake import DeltaTable

    path = Path(folder) / "t"
    fields = schema()
    if kind == "partition":
        fields = fields.append(pa.field("day", pa.date32()))
    DeltaTable.create(str(path), fields, partition_by=["day"] if kind == "partition" else None)
    step = min(MANIFEST_FILES, max(count // 10, 1))
    for version, first in enumerate(range(0, count, step), start=1):
        lines = []
        for index in range(first, min(first + step, count)):
            chance = random.Random(index)
            day = time.strftime("%Y-%m-%d", time.gmtime((FIRST_DAY + index % DAYS) * 86_400))
            low: dict[str, Any] = {"id": index * ROWS, "ts": f"{day}T00:00:00.000000"}
            high: dict[str, Any] = {
                "id": index * ROWS + ROWS - 1,
                "ts": f"{day}T23:59:59.999999",
            }
            low |= {name: chance.randrange(1_000) for name in LONGS}
            high |= {name: 1_000_000 - chance.randrange(1_000) for name in LONGS}
            low |= {name: -3 - chance.random() for name in FLOATS}
            high |= {name: 3 + chance.random() for name in FLOATS}
            nulls = dict.fromkeys(low, 0)
            stats = {"numRecords": ROWS, "minValues": low, "maxValues": high, "nullCount": nulls}
            partition = {"day": day} if kind == "partition" else {}
            prefix = f"day={day}/" if partition else ""
            add = {
                "path": f"{prefix}{chance.getrandbits(128):032x}.parquet",
                "partitionValues": partition,
                "size": 90_000 + chance.randrange(20_000),
                "modificationTime": 1_790_000_000_000,
                "dataChange": True,
                "stats": json.dumps(stats),
            }
            lines.append(json.dumps({"add": add}))
        (path / "_delta_log" / f"{version:020d}.json").write_text("\n".join(lines) + "\n")
    DeltaTable(str(path)).create_checkpoint()


def make_paimon(count: int, folder: str) -> None:
    """Real files: nothing documents how its metadata would be written without it."""
    from table_peers import Paimon
    from tables import source_rows

    rows = source_rows(count * ROWS)
    peer = Paimon(folder)
    peer.create(rows.schema)
    for index in range(count):
        peer.append(rows.slice(index * ROWS, ROWS))


if __name__ == "__main__":
    _, peer, kind, files, folder = sys.argv
    if peer == "delta-rs":
        make_delta(kind, int(files), folder)
    elif peer == "pypaimon":
        make_paimon(int(files), folder)
    else:
        make_iceberg(kind, int(files), folder)
