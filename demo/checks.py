# SPDX-License-Identifier: Apache-2.0
"""After the loop: nothing lost, nothing twice, examples right, served requests replayed."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from live import Found
from terminal import Screen

if TYPE_CHECKING:
    from loop import Loop

#: Served requests that are computed again.
REPLAYED = 200


def run(loop: Loop, found: Found, screen: Screen) -> dict[str, Any]:
    """What was checked -> what came of it; failures begin with FAILED."""
    screen.heading("Checks")
    result: dict[str, Any] = {}
    for name, check in (
        ("every acknowledged event exactly once", _events),
        ("examples are what DuckDB makes of the same requests and events", _examples),
        ("served requests computed again", _replay),
    ):
        try:
            text = check(loop, found)
        except Exception as error:
            text = f"FAILED: {error!r}"
        result[name] = text
        colour = screen.red if text.startswith("FAILED") else screen.green
        screen.say(f"{name}: {colour}{text}{screen.plain}")
    return result


def _events(loop: Loop, found: Found) -> str:
    rows = loop.client.scan("shop.events", "request_id,item_id,kind", "request_id IS NOT NULL")
    columns = (rows.column(name).to_pylist() for name in ("request_id", "item_id", "kind"))
    there = Counter(zip(*columns, strict=True))
    missing = [event for event in found.acknowledged if there[event] == 0]
    double = [event for event in found.acknowledged if there[event] > 1]
    if missing or double:
        return f"FAILED: {len(missing)} missing, {len(double)} twice"
    return f"{len(found.acknowledged):,} reactions, through kill -9"


def _examples(loop: Loop, found: Found) -> str:
    """Label `click` of each example, by a plain join."""
    import duckdb

    deadline = time.monotonic() + 60
    while True:
        requests = loop.client.scan("shop.requests", "request_id,at,items")
        events = loop.client.scan(
            "shop.events", "request_id,item_id,at,kind,value", "request_id IS NOT NULL"
        )
        examples = loop.client.scan(
            "shop.examples", "request_id,item_id,click", "source = 'served'"
        )
        connection = duckdb.connect()
        for name, table in (("requests", requests), ("events", events), ("examples", examples)):
            connection.register(name, table)
        wrong, count, clicks = connection.execute(
            """
            WITH shown AS (
              SELECT request_id, "at", unnest(items) AS item_id FROM requests
            ), wanted AS (
              SELECT s.request_id, s.item_id,
                bool_or(e.kind IN ('click', 'rating') AND e."at" >= s."at"
                  AND e."at" < s."at" + INTERVAL 30 MINUTE) AS click
              FROM shown s LEFT JOIN events e USING (request_id, item_id)
              GROUP BY ALL
            )
            SELECT count(*) FILTER (x.click IS DISTINCT FROM coalesce(w.click, false)),
              count(*), count(*) FILTER (x.click)
            FROM examples x LEFT JOIN wanted w USING (request_id, item_id)
            """
        ).fetchone()
        missing = connection.execute(
            """
            SELECT count(*) FROM (SELECT DISTINCT request_id, item_id FROM events
              WHERE kind IN ('click', 'rating')) e
            SEMI JOIN (SELECT request_id, unnest(items) AS item_id FROM requests) s
              USING (request_id, item_id)
            ANTI JOIN (FROM examples WHERE click) x USING (request_id, item_id)
            """
        ).fetchone()[0]
        if not wrong and not missing and count:
            return f"{count:,} served examples, {clicks:,} clicked"
        if time.monotonic() > deadline:
            return f"FAILED: {wrong} of {count} differ, {missing} clicked ones are missing"
        time.sleep(0.5)


def _replay(loop: Loop, found: Found) -> str:
    requests = random.Random(0).sample(found.request_ids, min(REPLAYED, len(found.request_ids)))
    command = [str(loop.options.weir), "replay", *requests, "--json"]
    environment = {**loop.service.environment, "WEIR_URL": loop.service.uri}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    differ = [line for line in lines if line.get("mismatch")]
    if len(lines) != len(requests) or differ:
        return f"FAILED: {len(lines)} of {len(requests)} replayed, {len(differ)} differ " + str(
            differ[:1] or done.stderr[-300:]
        )
    return f"{len(lines)} of {len(found.request_ids):,} drawn, mismatch 0"
