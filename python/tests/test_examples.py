# SPDX-License-Identifier: Apache-2.0
"""Training examples that a service makes, beside obvious queries of DuckDB on the same events."""

from __future__ import annotations

import datetime
import json
import random
import subprocess
import time

import duckdb
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
    columns:
      user_id: long not null
      item_id: long not null
      at: timestamptz not null
      kind: string not null
      value: double
      request_id: string
    event_time: at
    shards: 2
    flush: {interval: 300ms}
    log: {retention: 1s}
  shop.items:
    columns: {item_id: long not null, category: string}
    primary_key: item_id
profiles:
  shop.user_profile:
    source: shop.events
    entity: user_id
    features:
      events: count
      mean_value: {function: mean, column: value}
      recent: {function: last, columns: [item_id, value], count: 5}
  shop.item_profile:
    source: shop.events
    entity: item_id
    features:
      events: count
      week: {function: count, window: 7d, tile: 1h}
feature_views:
  shop.ranking:
    user: {table: shop.user_profile, key: user_id}
    item: {table: shop.item_profile, key: item_id}
    attributes: {table: shop.items, key: item_id}
examples:
  shop.examples:
    features: shop.ranking
    requests: shop.requests
    feedback: shop.events
    request: request_id
    labels:
      click: {where: kind = 'click', window: 30m}
      like: {where: value >= 4, window: 1d}
    negatives: {rate: 0.5}
    history: {where: kind = 'rating', negatives: 3, seed: 1}
"""

#: What was served, joined with what came of it. A row without a label is kept when the hash of its
#: request and item is below the rate.
SERVED = """
WITH shown AS (
  SELECT request_id, user_id, surface, ts AS "at", user_events, unnest(items) AS item_id,
    generate_subscripts(items, 1) - 1 AS "position", unnest(item_events) AS item_events,
    unnest(attributes_category) AS attributes_category, unnest(propensities) AS propensity
  FROM requests
), joined AS (
  SELECT shown.*,
    min(e.ts) FILTER (e.kind = 'click' AND e.ts <= shown."at" + INTERVAL 30 MINUTE) AS click_at,
    min(e.ts) FILTER (e.value >= 4 AND e.ts <= shown."at" + INTERVAL 1 DAY) AS like_at
  FROM shown LEFT JOIN events e USING (request_id, item_id)
  GROUP BY ALL
)
SELECT request_id, item_id, user_id, surface, "at", "position", user_events, item_events,
  attributes_category, click_at IS NOT NULL AS click, click_at, like_at IS NOT NULL AS "like",
  like_at, CASE WHEN click_at IS NULL AND like_at IS NULL THEN 0.5 ELSE 1 END AS sampling_rate,
  propensity
FROM joined
WHERE click_at IS NOT NULL OR like_at IS NOT NULL
  OR ('0x' || sha256(request_id || chr(31) || item_id)[:13])::BIGINT / 2.0 ** 52 < 0.5
ORDER BY request_id, item_id
"""

#: Features and labels of impressions out of the events that were known before them.
HISTORY = """
SELECT x.request_id, x.item_id,
  (SELECT count(*) FROM events e WHERE e.user_id = x.user_id AND e.known < x."at") AS user_events,
  (SELECT avg(value) FROM events e WHERE e.user_id = x.user_id AND e.known < x."at")
    AS user_mean_value,
  coalesce((SELECT list(e.item_id ORDER BY e.ts DESC)[:5] FROM events e
    WHERE e.user_id = x.user_id AND e.known < x."at"), []) AS user_recent_item_id,
  (SELECT count(*) FROM events e WHERE e.item_id = x.item_id AND e.known < x."at") AS item_events,
  (SELECT count(*) FROM events e WHERE e.item_id = x.item_id AND e.known < x."at"
    AND date_trunc('hour', e.ts) >= date_trunc('hour', x."at" - INTERVAL 7 DAY)) AS item_week,
  (SELECT category FROM items i WHERE i.item_id = x.item_id AND i.known < x."at")
    AS attributes_category,
  (SELECT min(e.ts) FROM events e WHERE e.user_id = x.user_id AND e.item_id = x.item_id
    AND e.kind = 'click' AND e.ts BETWEEN x."at" AND x."at" + INTERVAL 30 MINUTE) AS click_at,
  (SELECT min(e.ts) FROM events e WHERE e.user_id = x.user_id AND e.item_id = x.item_id
    AND e.value >= 4 AND e.ts BETWEEN x."at" AND x."at" + INTERVAL 1 DAY) AS like_at
FROM examples x ORDER BY request_id, item_id
"""

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def text(seconds: float) -> str:
    return (START + datetime.timedelta(seconds=seconds)).isoformat()


def history(count: int, source: random.Random) -> list[dict]:
    """Ratings and clicks of two months; some are known an hour after they happened."""
    rows = []
    for second in sorted(source.sample(range(60 * 86_400), count)):
        known = second + (3_600 if source.random() < 0.2 else 0)
        rows.append(
            {
                "user_id": source.randrange(8),
                "item_id": source.randrange(30),
                "at": text(second),
                "kind": source.choice(["rating", "rating", "click"]),
                "value": source.choice([None, 1.0, 3.5, 4.0, 5.0]),
                "_known_at": text(known),
            }
        )
    return rows


def answers(count: int, source: random.Random) -> list[dict]:
    rows = []
    for number in range(count):
        items = source.sample(range(30), source.randrange(12))
        rows.append(
            {
                "request_id": f"request-{number}",
                "surface": "home",
                "user_id": source.randrange(8),
                "at": text(61 * 86_400 + 60 * number),
                "user_events": source.randrange(100),
                "items": items,
                "propensities": [1 / (1 + item) for item in items],
                "item_events": [item * 3 for item in items],
                "attributes_category": [f"c{item % 3}" for item in items],
            }
        )
    return rows


def feedback(requests: list[dict], source: random.Random) -> list[dict]:
    """Events of what was served: early, late, twice, of items that were not served."""
    rows = []
    for request in requests:
        at = datetime.datetime.fromisoformat(request["at"])
        for _ in range(source.randrange(5)):
            item = source.choice([*request["items"], source.randrange(30)])
            delay = source.choice([1, 60, 1_700, 1_900, 80_000, 90_000])
            row = {
                "user_id": request["user_id"],
                "item_id": item,
                "at": (at + datetime.timedelta(seconds=delay)).isoformat(),
                "kind": source.choice(["click", "view"]),
                "value": source.choice([None, 2.0, 4.0]),
                "request_id": request["request_id"],
            }
            rows += [row] * source.choice([1, 1, 2])
    source.shuffle(rows)
    return rows


def table(rows: list[dict]) -> pa.Table:
    parse = datetime.datetime.fromisoformat
    return pa.Table.from_pylist(
        [
            {**row, "ts": parse(row["at"])}
            | ({"known": parse(row["_known_at"])} if "_known_at" in row else {})
            for row in rows
        ]
    )


def query(sql: str, **tables: pa.Table) -> list[dict]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, rows in tables.items():
        connection.register(name, rows)
    return connection.sql(sql).to_arrow_table().to_pylist()


def examples(server, source: str) -> list[dict]:
    with weir.connect(server.uri) as catalog, catalog.stream("shop.examples") as stream:
        rows = [row for row in stream.scan().read_all().to_pylist() if row["source"] == source]
    # When and where a row came in is no part of what it says.
    ours = {"_ingest_time", "_shard", "_offset"}
    rows = [{name: value for name, value in row.items() if name not in ours} for row in rows]
    return sorted(rows, key=lambda row: (row["request_id"], row["item_id"]))


def append(server, name: str, rows: list[dict]) -> None:
    status, answer = server.append(name, rows)
    assert (status, answer["rejected"]["count"]) == (200, 0), answer


def test_what_was_served_is_what_a_query_says(tmp_path):
    source = random.Random(5)
    requests = answers(60, source)
    events = feedback(requests, source)
    with StreamServer(tmp_path / "project", project=PROJECT) as server:
        # Both come in parts, out of step, while the service dies twice.
        for turn in range(6):
            append(server, "shop.requests", requests[turn * 10 : turn * 10 + 10])
            append(server, "shop.events", events[turn * len(events) // 6 :][: len(events) // 6])
            if turn in (1, 4):
                time.sleep(source.random() * 0.5)
                server.kill()
                server.start()
        append(server, "shop.events", events)
        expected = query(SERVED, requests=table(requests), events=table(events))
        names = list(expected[0])
        deadline = time.monotonic() + 60
        while True:
            found = [{name: row[name] for name in names} for row in examples(server, "served")]
            if found == expected or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        assert found == expected
        assert any(row["is_correction"] for row in examples(server, "served"))


def test_history_is_what_a_query_says(tmp_path):
    source = random.Random(7)
    events = history(600, source)
    items = [
        {"item_id": item, "category": f"c{item % 3}", "_known_at": text(item * 86_400)}
        for item in range(25)
    ]
    with StreamServer(tmp_path / "project", project=PROJECT) as server:
        for start in range(0, 600, 150):
            append(server, "shop.events", events[start : start + 150])
        append(server, "shop.items", items)
        state = backfill(server)
        found = examples(server, "history")
        ratings = [row for row in events if row["kind"] == "rating"]
        assert (state["events"], state["impressions"]) == (625, len(ratings))
        assert state["rows"] == len(found)
        shown = [row for row in found if row["sampling_rate"] == 1 and is_shown(row, ratings)]
        assert len(shown) == len(ratings)
        columns = ["request_id", "item_id", "user_id", "at"]
        keys = pa.Table.from_pylist([{name: row[name] for name in columns} for row in found])
        expected = query(HISTORY, events=table(events), items=table_of_items(items), examples=keys)
        for one, other in zip(found, expected):
            mean = other.pop("user_mean_value")
            assert one["user_mean_value"] == (mean if mean is None else pytest.approx(mean))
            assert {name: one[name] for name in other} == other
            assert one["click"] == (one["click_at"] is not None)
            assert one["like"] == (one["like_at"] is not None)
        check_negatives(found, ratings, events)
        # The same again, and through a kill in the middle.
        start_backfill(server)
        server.kill()
        server.start()
        backfill(server)
        assert examples(server, "history") == found
        # Several who ask at once: each gets an answer, though one job is enough for all.
        command = [str(BINARY), "pipeline", "backfill", "shop.examples", "--url", server.uri]
        asked = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
        assert [one.wait(100) for one in asked] == [0] * 4
        assert examples(server, "history") == found


def table_of_items(items: list[dict]) -> pa.Table:
    parse = datetime.datetime.fromisoformat
    return pa.Table.from_pylist([row | {"known": parse(row["_known_at"])} for row in items])


def is_shown(row: dict, ratings: list[dict]) -> bool:
    at = datetime.datetime.fromisoformat
    return any(
        row["user_id"] == rating["user_id"]
        and row["item_id"] == rating["item_id"]
        and row["at"] == at(rating["at"])
        for rating in ratings
    )


def check_negatives(found: list[dict], ratings: list[dict], events: list[dict]) -> None:
    """Each impression has three others beside it, which were known by then."""
    parse = datetime.datetime.fromisoformat
    first: dict[int, datetime.datetime] = {}
    for event in events:
        known = parse(event["_known_at"])
        first[event["item_id"]] = min(first.get(event["item_id"], known), known)
    groups: dict[str, list[dict]] = {}
    for row in found:
        groups.setdefault(row["request_id"], []).append(row)
    assert len(groups) == len(ratings)
    for group in groups.values():
        at = group[0]["at"]
        known = sum(time < at for time in first.values())
        negatives = [row for row in group if not is_shown(row, ratings)]
        assert len(negatives) == min(3, max(0, len(group) - 1))
        assert all(first[row["item_id"]] < at for row in negatives)
        if known > 4:
            assert len(negatives) == 3


def start_backfill(server) -> None:
    command = [str(BINARY), "pipeline", "backfill", "shop.examples", "--no-wait"]
    subprocess.run([*command, "--url", server.uri], check=True, timeout=60)


def backfill(server) -> dict:
    command = [str(BINARY), "pipeline", "backfill", "shop.examples", "--json"]
    result = subprocess.run(
        [*command, "--url", server.uri], check=True, capture_output=True, timeout=120
    )
    return json.loads(result.stdout)


def test_tables_without_history_are_refused(tmp_path):
    project = PROJECT.replace("    history: {where: kind = 'rating', negatives: 3, seed: 1}\n", "")
    with StreamServer(tmp_path / "project", project=project) as server:
        command = [str(BINARY), "pipeline", "backfill", "shop.examples", "--url", server.uri]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert result.returncode == 1
        assert "declare 'history'" in result.stderr
        result = subprocess.run(
            [*command[:3], "shop.nothing", "--url", server.uri],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 1
        assert "shop.nothing" in result.stderr
