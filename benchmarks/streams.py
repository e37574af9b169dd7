# SPDX-License-Identifier: Apache-2.0
"""Ingest over HTTP: events a second and acknowledgement times of a service with fsync on.

python benchmarks/streams.py [--seconds N] [--clients N]
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import multiprocessing
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("WEIR_BIN", ROOT / ".build" / "release" / "weir"))

PROJECT = """
server: {port: 0}
streams:
  bench.events:
    columns:
      event_id: string not null
      user_id: long not null
      item_id: long not null
      at: timestamptz not null
      kind: string
      price: double
      position: int
      surface: string
      session: string
    event_time: at
    shards: 2
    flush: {interval: 10s, bytes: 256MB}
"""
PROJECT += (
    PROJECT[PROJECT.index("  bench.events") :]
    .replace("events", "latest")
    .replace("shards: 2", "primary_key: user_id")
)


def event(source: random.Random, number: int) -> dict:
    return {
        "event_id": f"e-{100_000_000 + number}",
        "user_id": source.randrange(1_000_000),
        "item_id": source.randrange(10_000_000),
        "at": f"2026-01-31T22:{source.randrange(60):02}:{source.randrange(60):02}.123456Z",
        "kind": source.choice(["view", "click", "purchase"]),
        "price": source.randrange(100_000) / 100,
        "position": source.randrange(50),
        "surface": "home/feed/for-you",
        "session": f"s-{source.randrange(100_000_000):012}",
    }


def bodies(count: int) -> tuple[bytes, bytes]:
    """The same events as lines of JSON and as an Arrow stream."""
    source = random.Random(1)
    rows = [event(source, number) for number in range(count)]
    lines = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()
    table = pa.Table.from_pylist(rows)
    at = pa.array([1_769_898_668_000_000 + i for i in range(count)], pa.timestamp("us", "UTC"))
    table = table.set_column(table.schema.get_field_index("at"), "at", at)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return lines, sink.getvalue()


def client(
    port: int, body: bytes, kind: str, seconds: float, pause: float, times, stream: str = "events"
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    end = time.monotonic() + seconds
    found = []
    while time.monotonic() < end:
        start = time.monotonic()
        connection.request("POST", f"/v1/streams/bench.{stream}", body, {"Content-Type": kind})
        response = connection.getresponse()
        answer = response.read()
        if response.status == 429:
            time.sleep(0.05)
            continue
        assert response.status == 200, answer
        found.append(time.monotonic() - start)
        if pause:
            time.sleep(max(0.0, pause - found[-1]))
    times.put(found)


def load(port, body, kind, rows, clients, seconds, pause=0.0):
    times = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=client, args=(port, body, kind, seconds, pause, times))
        for _ in range(clients)
    ]
    start = time.monotonic()
    for worker in workers:
        worker.start()
    found = sorted(value for _ in workers for value in times.get())
    for worker in workers:
        worker.join()
    elapsed = time.monotonic() - start
    p99 = found[int(len(found) * 0.99)] * 1_000
    return len(found) * rows / elapsed, found[len(found) // 2] * 1_000, p99


def post(connection: http.client.HTTPConnection, path: str, body: bytes, kind: str) -> dict:
    connection.request("POST", path, body, {"Content-Type": kind})
    response = connection.getresponse()
    answer = response.read()
    assert response.status == 200, answer
    return json.loads(answer)


def visible(port: int, seconds: float) -> list[float]:
    """Seconds from before an event is sent until a lookup has answered with it."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    found = []
    end = time.monotonic() + seconds
    source = random.Random(2)
    while time.monotonic() < end:
        row = event(source, len(found)) | {"event_id": f"seen-{len(found)}"}
        start = time.monotonic()
        post(
            connection,
            "/v1/streams/bench.latest",
            json.dumps(row).encode(),
            "application/x-ndjson",
        )
        keys = json.dumps({"keys": [{"user_id": row["user_id"]}]}).encode()
        path = "/v1/streams/bench.latest/lookup"
        answer = post(connection, path, keys, "application/json")
        assert answer["rows"][0]["event_id"] == row["event_id"], answer
        found.append(time.monotonic() - start)
        time.sleep(0.01)
    return sorted(found)


def freshness(port: int, events: int, seconds: float) -> None:
    """While `events` events a second go into a keyed stream."""
    rows = 1_000
    lines, _ = bodies(rows)
    times: multiprocessing.Queue = multiprocessing.Queue()
    worker = multiprocessing.Process(
        target=client,
        args=(port, lines, "application/x-ndjson", seconds, rows / events, times, "latest"),
    )
    worker.start()
    found = visible(port, seconds - 1)
    sent = len(times.get()) * rows
    worker.join()
    print(
        f"at {sent / seconds:,.0f} events/s into a keyed stream an event is found by lookup after "
        f"p50 {found[len(found) // 2] * 1e3:.1f}, p99 {found[int(len(found) * 0.99)] * 1e3:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        (Path(folder) / "weir.yaml").write_text(PROJECT)
        service = subprocess.Popen([str(BINARY), "up", folder], stdout=subprocess.PIPE)
        try:
            port = int(service.stdout.readline().decode().rsplit(":", 1)[1])
            freshness(port, 20_000, arguments.seconds)
            for rows in [100, 1_000, 5_000, 20_000]:
                lines, arrow = bodies(rows)
                for name, body, kind in [
                    ("JSON", lines, "application/x-ndjson"),
                    ("Arrow", arrow, "application/vnd.apache.arrow.stream"),
                ]:
                    rate, median, p99 = load(
                        port, body, kind, rows, arguments.clients, arguments.seconds
                    )
                    # Half of what is asked for, not of what this machine reached.
                    half = 75_000 if name == "JSON" else 500_000
                    pause = max(2 / rate, 1 / half) * arguments.clients * rows
                    _, half_median, half_p99 = load(
                        port, body, kind, rows, arguments.clients, arguments.seconds, pause
                    )
                    print(
                        f"{name:5} {rows:5} rows of {len(body) / rows:.0f} B a request: "
                        f"{rate:9,.0f} rows/s, answers p50 {median:.1f} p99 {p99:.1f} ms; "
                        f"at {1 / pause * arguments.clients * rows:,.0f} rows/s "
                        f"p50 {half_median:.1f} p99 {half_p99:.1f} ms",
                        flush=True,
                    )
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)


if __name__ == "__main__":
    main()
