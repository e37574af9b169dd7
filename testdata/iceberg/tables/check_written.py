# SPDX-License-Identifier: Apache-2.0
"""Reads tables that Weir wrote, by PyIceberg and Polars, and compares rows and metrics.

Write them with `WEIR_WRITE_TABLES=FOLDER swift test --filter 'TableWriterTests|RowChangeTests'`, then
run this with FOLDER as argument.
"""

import math
import pathlib
import sys

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.table import StaticTable


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def rows(table):
    return sorted(table.to_pylist(), key=lambda row: row["id"])


def check_metrics(table, file):
    """The metrics that PyIceberg makes of the same file; it bounds list items but no fields of structs,
    and counts no NaN."""
    metadata = pq.read_metadata(file.file_path.removeprefix("file://"))
    schema = table.schema()
    plan = compute_statistics_plan(schema, table.properties)
    statistics = data_file_statistics_from_parquet_metadata(
        metadata, plan, parquet_path_to_id_mapping(schema)
    ).to_serialized_dict()
    assert file.record_count == statistics["record_count"], file.file_path
    assert file.split_offsets == statistics["split_offsets"], file.split_offsets
    for name in ["column_sizes", "value_counts", "null_value_counts"]:
        assert (getattr(file, name) or {}) == statistics[name], name
    for name in ["lower_bounds", "upper_bounds"]:
        own = getattr(file, name) or {}
        for key, value in statistics[name].items():
            repeated = "element" in schema.find_column_name(key) or ".key" in (
                schema.find_column_name(key)
            )
            if repeated or ".value" in schema.find_column_name(key):
                assert key not in own
            elif key in own:
                assert own[key] == value, (name, key, own[key], value)
        more = {schema.find_column_name(key) for key in own.keys() - statistics[name].keys()}
        assert all("." in column for column in more), (name, more)


def check(path):
    expected = pa.ipc.open_file(path.with_suffix("").with_suffix(".arrow")).read_all()
    table = StaticTable.from_metadata(str(path))
    found = table.scan().to_arrow()
    assert len(found) == len(expected), (len(found), len(expected))
    if "id" in expected.column_names:
        for own, other in zip(rows(expected), rows(found), strict=True):
            assert same(own, other), f"{own}\n{other}"
    files = [task.file for task in table.scan().plan_files()]
    if path.name.startswith(("types", "evolved", "by_", "sorted", "deleted")):
        for file in files:
            check_metrics(table, file)
    readers = ["pyiceberg"]
    try:
        frame = pl.scan_iceberg(str(path)).collect()
        assert len(frame) == len(expected), (len(frame), len(expected))
        if "id" in frame.columns:
            ids = sorted(frame["id"].to_list())
            assert ids == sorted(expected["id"].to_pylist())
        readers.append("polars")
    except Exception as error:  # noqa: BLE001
        readers.append(f"not polars: {str(error).splitlines()[0][:90]}")
    print(f"{path.name.split('.')[0]:24} {len(expected):6} rows  {len(files):3} files  {readers}")


def main():
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.metadata.json"))
    assert paths
    for path in paths:
        check(path)


if __name__ == "__main__":
    main()
