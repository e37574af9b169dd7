# SPDX-License-Identifier: Apache-2.0
"""Candidates that a service keeps up, beside numpy and a query of DuckDB on the same events."""

from __future__ import annotations

import datetime
import json
import random
import subprocess
import time

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from rest_server import BINARY
from stream_server import StreamServer

import weir

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

PROJECT = """
server: {port: 0}
streams:
  shop.events:
    columns: {user_id: long not null, item_id: long not null, at: timestamptz not null}
    event_time: at
    shards: 2
    shard_key: item_id
    flush: {interval: 300ms}
    log: {retention: 1s}
  shop.items:
    columns: {item_id: long not null, category: string, created_at: timestamptz}
    primary_key: item_id
profiles:
  shop.users:
    source: shop.events
    entity: user_id
    features: {recent: {function: last, columns: item_id, count: 12}}
  shop.heat:
    source: shop.events
    entity: item_id
    features: {trend: {function: decayed_count, half_life: 2d}, first: {function: first_time}}
candidates:
  shop.trending: {kind: trending, profile: shop.heat, feature: trend, count: 15, interval: 100ms}
  shop.similar:
    {kind: similar, profile: shop.users, feature: recent, column: item_id, shrinkage: 3, count: 10,
     interval: 100ms}
  shop.fresh: {kind: fresh, table: shop.items, time: created_at, by: category, count: 4}
  shop.new: {kind: fresh, profile: shop.heat, time: first, count: 5}
"""

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def events(count: int, source: random.Random) -> list[dict]:
    """Users of five tastes; no two events at one time, many of them late."""
    rows = []
    for second in source.sample(range(20 * 86_400), count):
        user = source.randrange(60)
        taste = user % 5 if source.random() < 0.8 else source.randrange(5)
        at = START + datetime.timedelta(seconds=second)
        rows.append(
            {
                "user_id": user,
                "item_id": taste * 12 + min(11, int(source.expovariate(0.4))),
                "at": at.isoformat(),
            }
        )
    return rows


def pipelines(server) -> list[dict]:
    command = [str(BINARY), "pipeline", "list", "--json", "--url", server.uri]
    answer = subprocess.run(command, check=True, capture_output=True).stdout
    return json.loads(answer)["pipelines"]


def wait_until_up(server) -> list[dict]:
    """Until all pipelines have read and written what there is, twice in a row."""
    deadline = time.monotonic() + 90
    quiet = 0
    while quiet < 3:
        found = pipelines(server)
        is_up = all(row["lag_rows"] == 0 and row["waiting_rows"] == 0 for row in found)
        quiet = quiet + 1 if is_up else 0
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
    return found


def lists(server, table: str) -> dict:
    with weir.connect(server.uri) as catalog, catalog.stream(table) as stream:
        rows = stream.scan().read_all().to_pylist()
    key = "item_id" if table == "shop.similar" else "segment"
    return {row[key]: row["items"] for row in rows}


def check_similar(sent: pa.Table, found: dict) -> None:
    recent = duckdb.sql(
        "SELECT user_id, list(item_id ORDER BY ts DESC)[:12] AS items FROM sent GROUP BY user_id"
    ).fetchall()
    items = sorted({item for _, row in recent for item in row})
    matrix = np.zeros((len(recent), len(items)))
    for user, (_, row) in enumerate(recent):
        for item in row:
            matrix[user, items.index(item)] = 1
    both = matrix.T @ matrix
    alone = np.diag(both)
    scores = both / np.sqrt(np.outer(alone, alone)) * (both / (both + 3))
    np.fill_diagonal(scores, 0)
    expected = {}
    for place, item in enumerate(items):
        order = sorted(range(len(items)), key=lambda other: (-scores[place, other], items[other]))
        best = [other for other in order[:10] if scores[place, other] > 0]
        if best:
            expected[item] = [
                (items[other], scores[place, other], f"{int(both[place, other])} in common")
                for other in best
            ]
    assert {
        item: [(entry["item"], entry["score"], entry["reason"]) for entry in row]
        for item, row in found.items()
    } == expected
    assert len(expected) > 30


def check_trending(sent: pa.Table, found: dict) -> None:
    rows = duckdb.sql(
        """
        SELECT item_id, sum(pow(2.0, epoch(ts - (SELECT max(ts) FROM sent)) / (2 * 86400))) AS score
        FROM sent GROUP BY item_id ORDER BY score DESC
        """
    ).fetchall()
    scores = dict(rows)
    served = found[""]
    assert [entry["score"] for entry in served] == pytest.approx([row[1] for row in rows[:15]])
    for entry in served:
        assert entry["score"] == pytest.approx(scores[entry["item"]])


def check_times(sent: pa.Table, shown: list[dict], server) -> None:
    rows = duckdb.sql(
        "SELECT item_id, epoch(min(ts)) FROM sent GROUP BY item_id ORDER BY 2 DESC LIMIT 5"
    ).fetchall()
    assert [(entry["item"], entry["score"]) for entry in lists(server, "shop.new")[""]] == rows
    expected: dict = {}
    for row in sorted(shown, key=lambda row: row["created_at"], reverse=True):
        expected.setdefault(row["category"], []).append(row["item_id"])
    found = lists(server, "shop.fresh")
    assert {category: [entry["item"] for entry in row] for category, row in found.items()} == {
        category: row[:4] for category, row in expected.items()
    }


def test_candidates_are_what_numpy_says(tmp_path):
    source = random.Random(5)
    all_events: list[dict] = []
    shown: dict[int, dict] = {}
    with StreamServer(tmp_path / "project", project=PROJECT) as server:
        for turn in range(5):
            part = events(300, source)
            all_events += part
            with weir.connect(server.uri) as catalog:
                with catalog.stream("shop.events") as stream:
                    stream.append(part)
                with catalog.stream("shop.items") as stream:
                    for item in source.sample(range(60), 15):
                        created = START + datetime.timedelta(seconds=source.randrange(10**6))
                        shown[item] = {
                            "item_id": item,
                            "category": source.choice(["red", "white"]),
                            "created_at": created.isoformat(),
                        }
                        stream.append([shown[item]])
            if turn in (1, 3):
                time.sleep(source.random())
                server.kill()
                server.start()
        found = wait_until_up(server)
        assert {row["kind"] for row in found} == {"profile", "candidates"}
        sent = pa.Table.from_pylist(
            [row | {"ts": datetime.datetime.fromisoformat(row["at"])} for row in all_events]
        )
        duckdb.sql("SET TimeZone = 'UTC'")
        duckdb.register("sent", sent)
        check_similar(sent, lists(server, "shop.similar"))
        check_trending(sent, lists(server, "shop.trending"))
        check_times(sent, list(shown.values()), server)
        _, _, metrics = server.request("GET", "/metrics")
        assert b'weir_pipeline_lag_rows{table="shop.similar",kind="candidates"} 0' in metrics
        # Nothing is written again when nothing changed.
        before = server.describe("shop.similar")["shards"][0]["end"]
        server.stop()
        server.start()
        wait_until_up(server)
        assert server.describe("shop.similar")["shards"][0]["end"] == before


def test_a_list_that_needs_too_much_memory_says_so(tmp_path):
    project = PROJECT.replace("shrinkage: 3,", "shrinkage: 3, memory: 1MiB,")
    source = random.Random(1)
    with StreamServer(tmp_path / "project", project=project) as server:
        rows = [
            {"user_id": user, "item_id": source.randrange(10**6), "at": "2026-01-01T00:00:00Z"}
            for user in range(2_000)
            for _ in range(12)
        ]
        with weir.connect(server.uri) as catalog, catalog.stream("shop.events") as stream:
            stream.append(rows)
        deadline = time.monotonic() + 60
        failure = None
        while not failure and time.monotonic() < deadline:
            time.sleep(0.2)
            failure = next(row for row in pipelines(server) if row["table"] == "shop.similar")[
                "failure"
            ]
        assert "allow more with 'memory'" in failure
        assert "pipeline_failed" in server.errors()
        # The others go on.
        while not lists(server, "shop.trending") and time.monotonic() < deadline:
            time.sleep(0.2)
        assert lists(server, "shop.trending")[""]
