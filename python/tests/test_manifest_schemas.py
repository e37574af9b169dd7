# SPDX-License-Identifier: Apache-2.0
"""The Avro schemas of manifests and manifest lists are those that PyIceberg writes."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import fastavro
import pyarrow as pa
import pytest

pytest.importorskip("pyiceberg", reason="PyIceberg is not installed")

from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType, TimestampType

import weir

SCHEMA = pa.schema([("id", pa.int64()), ("country", pa.string()), ("at", pa.timestamp("us"))])
ROWS = pa.table(
    {"id": [1], "country": ["de"], "at": [datetime.datetime(2026, 1, 1)]}, schema=SCHEMA
)


def schemas(location: str) -> dict[str, dict]:
    """Of the one manifest list and the one manifest of a table."""
    found = {}
    for path in Path(location.removeprefix("file://"), "metadata").glob("*.avro"):
        with path.open("rb") as file:
            schema = json.loads(fastavro.reader(file).metadata["avro.schema"])
        found[schema["name"]] = schema
    return found


def fields(schema, path="") -> dict[str, object]:
    """Type, nullability and ids of every field by its path, whatever the order and the docs."""
    if isinstance(schema, list):
        (inner,) = (part for part in schema if part != "null")
        return {f"{path}?": "optional"} | fields(inner, path)
    if isinstance(schema, str):
        return {path: schema}
    kind = schema["type"]
    if kind == "record":
        found: dict[str, object] = {}
        for field in schema["fields"]:
            below = f"{path}.{field['name']}"
            found[f"{below}#"] = field["field-id"]
            found |= fields(field["type"], below)
        return found
    if kind == "array":
        logical = {f"{path}@": schema.get("logicalType")}
        if "element-id" in schema:
            logical[f"{path}[]#"] = schema["element-id"]
        return logical | fields(schema["items"], f"{path}[]")
    if kind in ("record", "map") or isinstance(kind, (dict, list)):
        return fields(kind, path)
    named = {key: schema[key] for key in ("logicalType", "size") if key in schema}
    if "adjust-to-utc" in schema:
        named["adjust-to-utc"] = schema["adjust-to-utc"]
    return {path: (kind, sorted(named.items()))}


@pytest.fixture
def weir_schemas(tmp_path):
    catalog = weir.connect(tmp_path / "weir")
    catalog.create_namespace("n")
    partition = ["country", "day(at)", "bucket(4, id)"]
    table = catalog.create_table("n.t", SCHEMA, partition=partition, format_version=2)
    table.append(ROWS)
    return schemas(table.location)


def test_as_pyiceberg(tmp_path, weir_schemas):
    catalog = InMemoryCatalog("theirs", warehouse=f"file://{tmp_path / 'theirs'}")
    catalog.create_namespace("n")
    spec = PartitionSpec(
        PartitionField(2, 1000, IdentityTransform(), "country"),
        PartitionField(3, 1001, DayTransform(), "at_day"),
        PartitionField(1, 1002, BucketTransform(4), "id_bucket_4"),
    )
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "country", StringType()),
        NestedField(3, "at", TimestampType()),
    )
    table = catalog.create_table("n.t", schema, partition_spec=spec)
    table.append(ROWS)
    theirs = schemas(table.location())
    assert set(weir_schemas) == set(theirs)
    assert fields(weir_schemas["manifest_file"]) == fields(theirs["manifest_file"])
    ours, others = fields(weir_schemas["manifest_entry"]), fields(theirs["manifest_entry"])
    # The specification has ints; PyIceberg writes longs.
    assert (ours.pop(".data_file.equality_ids[]"), others.pop(".data_file.equality_ids[]")) == (
        "int",
        "long",
    )
    # PyIceberg does not know this field.
    more = {path: ours.pop(path) for path in list(ours) if path not in others}
    assert more == {
        ".data_file.referenced_data_file#": 143,
        ".data_file.referenced_data_file?": "optional",
        ".data_file.referenced_data_file": "string",
    }
    assert ours == others
