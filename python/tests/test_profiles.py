# SPDX-License-Identifier: Apache-2.0
"""Profiles that a service keeps up, beside an obvious query of DuckDB on the same events."""

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
      item: string
      at: timestamptz not null
      kind: string
      price: double
    event_time: at
    shards: 2
    shard_key: item
    flush: {interval: 300ms}
    log: {retention: 1s}
profiles:
  shop.user_profile:
    source: shop.events
    entity: user_id
    where: kind != 'robot'
    features:
      events: count
      clicks: {function: count, where: kind = 'click', window: 7d, tile: 1h}
      spent: {function: sum, column: price, where: kind = 'buy', window: 30d}
      rate:
        {function: ratio, of: kind = 'click', to: kind = 'view', prior: 0.05, weight: 20,
         window: 7d, tile: 1h}
      recent: {function: last, columns: [item, kind], count: 3}
"""

#: What the profiles are, from all events; tiles are hours and days.
QUERY = """
WITH mine AS (
  SELECT *, max(ts) OVER (PARTITION BY user_id) AS latest FROM events WHERE kind != 'robot'
), hours AS (
  SELECT *, floor(epoch(ts) / 3600) >= floor((epoch(latest) - 7 * 86400) / 3600) AS week,
    floor(epoch(ts) / 86400) >= floor((epoch(latest) - 30 * 86400) / 86400) AS month
  FROM mine
)
SELECT user_id, count(*) AS events, count(*) FILTER (week AND kind = 'click') AS clicks,
  sum(price) FILTER (month AND kind = 'buy') AS spent,
  (count(*) FILTER (week AND kind = 'click') + 1.0)
    / (count(*) FILTER (week AND kind = 'view') + 20) AS rate,
  list(item ORDER BY ts DESC)[:3] AS recent
FROM hours GROUP BY user_id ORDER BY user_id
"""


def events(count: int, source: random.Random) -> list[dict]:
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    times = source.sample(range(60 * 86_400), count)
    return [
        {
            "user_id": source.randrange(20),
            "item": f"item-{source.randrange(100)}",
            "at": (start + datetime.timedelta(seconds=second)).isoformat(),
            "kind": source.choice(["view", "view", "click", "buy", "robot"]),
            "price": source.randrange(10_000) / 4,
        }
        for second in times
    ]


def profiles(server) -> list[dict]:
    with weir.connect(server.uri) as catalog, catalog.stream("shop.user_profile") as stream:
        return sorted(stream.scan().read_all().to_pylist(), key=lambda row: row["user_id"])


def wait_for(server, count: int) -> list[dict]:
    """The profiles once they know of `count` events."""
    deadline = time.monotonic() + 60
    while True:
        found = profiles(server)
        if sum(row["events"] for row in found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def test_profiles_are_what_a_query_says(tmp_path):
    source = random.Random(11)
    sent: list[dict] = []
    with StreamServer(tmp_path / "project", project=PROJECT) as server:
        for turn in range(6):
            part = events(400, source)
            sent += part
            with weir.connect(server.uri) as catalog, catalog.stream("shop.events") as stream:
                stream.append(part)
            if turn in (1, 3):
                time.sleep(source.random() * 0.5)
                server.kill()
                server.start()
        wanted = sum(row["kind"] != "robot" for row in sent)
        found = wait_for(server, wanted)
        table = pa.Table.from_pylist(
            [row | {"ts": datetime.datetime.fromisoformat(row["at"])} for row in sent]
        )
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("events", table)
        expected = connection.sql(QUERY).to_arrow_table().to_pylist()
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            for name in ("user_id", "events", "clicks"):
                assert one[name] == other[name], (name, one, other)
            assert one["spent"] == pytest.approx(other["spent"], nan_ok=True), (one, other)
            assert one["rate"] == pytest.approx(other["rate"]), (one, other)
            assert [entry["item"] for entry in one["recent"]] == other["recent"]
        as_of(server, sent)


def as_of(server, sent: list[dict]) -> None:
    """`weir profile value`: what the table holds now, and nothing before anything was known."""
    user = sent[0]["user_id"]
    now = value(server, f"user_id={user}")
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    then = value(server, f"user_id={user}", "--at", at.isoformat())
    assert now["events"] == then["events"]
    assert now["recent"] == then["recent"]
    assert value(server, f"user_id={user}", "--at", "2020-01-01T00:00:00Z") is None
    assert value(server, "user_id=-1") is None


def value(server, *arguments: str):
    command = [str(BINARY), "profile", "value", "shop.user_profile", *arguments]
    command += ["--project", str(server.folder), "--url", server.uri]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
