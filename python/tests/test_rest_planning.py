# SPDX-License-Identifier: Apache-2.0
"""Scans that the catalog server plans: PyIceberg's own planning is the oracle."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from rest_server import BINARY, RestServer

pytest.importorskip("pyiceberg", reason="PyIceberg is not installed")

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.expressions import (
    And,
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    IsNull,
    LessThan,
    Not,
    NotIn,
    NotNull,
    NotStartsWith,
    Or,
    StartsWith,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DoubleType, LongType, NestedField, StringType, TimestampType

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

SCHEMA = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "country", StringType()),
    NestedField(3, "price", DoubleType()),
    NestedField(4, "at", TimestampType()),
)
START = datetime.datetime(2026, 1, 1)


def rows(start, count):
    index = range(start, start + count)
    return pa.table(
        {
            "id": pa.array(index, pa.int64()),
            "country": pa.array([["de", "fr", "it"][i % 3] for i in index]),
            "price": pa.array([i / 2 for i in index], pa.float64()),
            "at": pa.array(
                [START + datetime.timedelta(hours=i) for i in index], pa.timestamp("us")
            ),
        }
    )


def by_id(table):
    return table.sort_by("id").to_pylist()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with RestServer(tmp_path_factory.mktemp("warehouse")) as server:
        RestCatalog("weir", uri=server.uri).create_namespace("n")
        yield server


@pytest.fixture(scope="module")
def catalog(server):
    return RestCatalog("weir", uri=server.uri)


@pytest.fixture(scope="module")
def planning(server):
    """A catalog whose scans the server plans."""
    catalog = RestCatalog("planning", uri=server.uri, **{"scan-planning-mode": "server"})
    assert catalog.supports_server_side_planning()
    return catalog


@pytest.fixture(scope="module")
def table(catalog):
    spec = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "country"))
    table = catalog.create_table("n.t", SCHEMA, partition_spec=spec)
    for start in range(0, 60, 20):
        table.append(rows(start, 20))
    return table


@pytest.mark.parametrize(
    "condition",
    [
        EqualTo("country", "de"),
        And(GreaterThan("id", 17), LessThan("id", 43)),
        Or(EqualTo("country", "fr"), Not(GreaterThan("id", 10))),
        In("id", [1, 30, 59, 1_000]),
        NotIn("country", ["de", "it"]),
        And(StartsWith("country", "d"), NotNull("id")),
        Or(IsNull("country"), NotStartsWith("country", "f")),
        EqualTo("at", "2026-01-02T03:00:00"),
        GreaterThanOrEqual("at", "2026-01-02T03:00:00"),
        EqualTo("id", -1),
    ],
    ids=str,
)
def test_filters(table, planning, condition):
    mine = table.scan(condition)
    theirs = planning.load_table("n.t").scan(condition)
    assert by_id(theirs.to_arrow()) == by_id(mine.to_arrow())
    files = {task.file.file_path for task in mine.plan_files()}
    assert {task.file.file_path for task in theirs.plan_files()} <= files


def test_other_snapshots_and_columns(table, planning):
    planned = planning.load_table("n.t")
    first = table.history()[0].snapshot_id
    assert by_id(planned.scan(snapshot_id=first).to_arrow()) == by_id(rows(0, 20))
    found = planned.scan(selected_fields=("id",)).to_arrow()
    assert found.column_names == ["id"]
    assert len(list(planned.scan(EqualTo("country", "de")).plan_files())) == 3


def test_an_empty_table(catalog, planning):
    catalog.create_table("n.empty", SCHEMA)
    assert planning.load_table("n.empty").scan().to_arrow().num_rows == 0


def test_pages(catalog, planning, server):
    """More files than one answer holds."""
    spec = PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "id"))
    table = catalog.create_table("n.pages", SCHEMA, partition_spec=spec)
    table.append(rows(0, 2_100))
    tasks = list(planning.load_table("n.pages").scan().plan_files())
    assert len({task.file.file_path for task in tasks}) == len(tasks) == 2_100
    path = "/v1/namespaces/n/tables/n.pages".replace("n.pages", "pages")
    _, _, first = server.request("POST", f"{path}/plan", {})
    (text,) = first["plan-tasks"]
    # The same task again, when its planner has moved on: another server, or a repeated request.
    answers = [server.request("POST", f"{path}/tasks", {"plan-task": text}) for _ in range(2)]
    for status, _, answer in answers:
        assert status == 200
        found = first["file-scan-tasks"] + answer["file-scan-tasks"]
        assert len({task["data-file"]["file-path"] for task in found}) == len(found) == 2_100
        assert "plan-tasks" not in answer


def test_plans_by_id(table, server):
    path = "/v1/namespaces/n/tables/t"
    status, _, plan = server.request("POST", f"{path}/plan", {"select": ["id"]})
    assert (status, plan["status"]) == (200, "completed")
    status, _, again = server.request("GET", f"{path}/plan/{plan['plan-id']}")
    assert (status, again) == (200, plan)
    # A plan is of its table.
    status, _, _ = server.request("GET", f"/v1/namespaces/n/tables/empty/plan/{plan['plan-id']}")
    assert status == 404
    assert server.request("DELETE", f"{path}/plan/{plan['plan-id']}")[0] == 204
    status, _, answer = server.request("GET", f"{path}/plan/{plan['plan-id']}")
    assert (status, answer["error"]["type"]) == (404, "NoSuchPlanIdException")
    for text in ["", "x", "{}", '{"v":1}', '{"v":1,"offset":-1}']:
        status, _, answer = server.request("POST", f"{path}/tasks", {"plan-task": text})
        assert (status, answer["error"]["type"]) == (404, "NoSuchPlanTaskException")


def reference(name):
    return {"type": "reference", "name": name}


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        (True, 9),
        (False, 0),
        ({"type": "true"}, 9),
        ({"type": "eq", "left": reference("country"), "right": "de"}, 3),
        ({"type": "eq", "left": {"type": "reference", "id": 2}, "right": "de"}, 3),
        ({"type": "gt-eq", "left": reference("id"), "right": {"type": "literal", "value": 40}}, 3),
        ({"type": "gt", "left": 20, "right": reference("id")}, 3),
        ({"type": "not", "child": {"type": "lt", "term": "id", "value": 40}}, 3),
        (
            {
                "type": "in",
                "child": reference("country"),
                "values": {"type": "literals", "values": ["de"], "data-type": "string"},
            },
            3,
        ),
        # What the server cannot tell from metrics excludes nothing.
        (
            {
                "type": "eq",
                "term": {"type": "transform", "transform": "bucket[4]", "term": "id"},
                "value": 1,
            },
            9,
        ),
    ],
)
def test_both_forms_of_filters(table, server, condition, count):
    status, _, plan = server.request(
        "POST", "/v1/namespaces/n/tables/t/plan", {"filter": condition}
    )
    assert status == 200, plan
    assert len(plan["file-scan-tasks"]) == count


@pytest.mark.parametrize(
    "body",
    [
        {"filter": {"type": "eq", "term": "absent", "value": 1}},
        {"filter": {"type": "eq", "term": "id", "value": "text"}},
        {"filter": 1},
        {"filter": {"type": "eq", "left": {"type": "reference", "id": 99}, "right": 1}},
        {"select": ["absent"]},
        {"snapshot-id": 1},
        {"snapshot-id": "x"},
    ],
)
def test_what_cannot_be_planned(table, server, body):
    status, _, answer = server.request("POST", "/v1/namespaces/n/tables/t/plan", body)
    assert (status, answer["error"]["type"]) == (400, "BadRequestException")


def test_filters_that_the_server_does_not_know(table, server):
    for condition in [
        {"type": "nonsense"},
        {"type": "eq", "left": reference("id"), "right": reference("price")},
    ]:
        status, _, answer = server.request(
            "POST", "/v1/namespaces/n/tables/t/plan", {"filter": condition}
        )
        assert (status, answer["error"]["type"]) == (406, "UnsupportedOperationException")


def test_metrics_of_columns(table, server):
    _, _, plan = server.request(
        "POST", "/v1/namespaces/n/tables/t/plan", {"stats-fields": ["id", "country"]}
    )
    for task in plan["file-scan-tasks"]:
        file = task["data-file"]
        assert file["value-counts"] == {"keys": [1, 2], "values": [file["record-count"]] * 2}
        assert file["lower-bounds"]["keys"] == [1, 2]
        assert file["lower-bounds"]["values"][0] <= file["upper-bounds"]["values"][0]


def test_deep_filters_are_refused(table, server):
    condition = {"type": "eq", "term": "id", "value": 1}
    for _ in range(110):
        condition = {"type": "not", "child": condition}
    body = {"filter": condition}
    assert server.request("POST", "/v1/namespaces/n/tables/t/plan", body)[0] == 400


@pytest.mark.parametrize("version", [2, 3])
def test_deletes(catalog, planning, server, version):
    """Position deletes and deletion vectors come with their tasks."""
    weir = pytest.importorskip("weir")
    name = f"n.deletes{version}"
    ours = weir.connect(server.uri).create_table(
        name, rows(0, 1).schema, partition=["country"], format_version=version
    )
    for start in range(0, 60, 20):
        ours.append(rows(start, 20))
    ours.delete("id IN (1, 2, 3, 30, 31, 59)")
    ours.delete("id = 4")
    expected = [row for row in by_id(rows(0, 60)) if row["id"] not in (1, 2, 3, 4, 30, 31, 59)]
    assert by_id(catalog.load_table(name).scan().to_arrow()) == expected
    assert by_id(planning.load_table(name).scan().to_arrow()) == expected
    wanted = [row for row in expected if row["country"] == "fr"]
    found = planning.load_table(name).scan(EqualTo("country", "fr"))
    assert by_id(found.to_arrow()) == wanted
