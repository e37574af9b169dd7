# SPDX-License-Identifier: Apache-2.0
"""Freshness of profiles: from before an event is sent until a lookup shows a profile with it.

    python benchmarks/profiles.py [--seconds N] [--events N]

One process sends events at a steady rate, this one sends an event of its own now and then and
looks its user up until the profile has it. Client and service share the machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from streams import BINARY, bodies, client, event, post

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
    flush: {interval: 10s, bytes: 256MB}
profiles:
  bench.users:
    source: bench.events
    entity: user_id
    features:
      events: count
      clicks: {function: count, where: kind = 'click', window: 7d}
      spent: {function: sum, column: price, where: kind = 'purchase', window: 30d}
      rate: {function: ratio, of: kind = 'click', to: kind = 'view', weight: 20, window: 7d}
      heat: {function: decayed_count, half_life: 1d}
      recent: {function: last, columns: [event_id, item_id], count: 20}
"""


def cpu_seconds(process: subprocess.Popen) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def probes(port: int, seconds: float) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    source = random.Random(2)
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # A time behind those of all others: the last event is the first in the list.
        row = event(source, len(found)) | {"event_id": f"probe-{len(found)}"}
        row["at"] = f"2026-02-{1 + len(found) // 86_400:02}T00:00:00Z"
        start = time.monotonic()
        path = "/v1/streams/bench.events"
        post(connection, path, json.dumps(row).encode(), "application/x-ndjson")
        query = json.dumps({"keys": [row["user_id"]], "columns": ["recent"]}).encode()
        while True:
            answer = post(connection, "/v1/streams/bench.users/lookup", query, "application/json")
            if row["event_id"] in json.dumps(answer):
                break
            time.sleep(0.002)
        found.append(time.monotonic() - start)
        time.sleep(0.02)
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--events", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        (Path(folder) / "weir.yaml").write_text(PROJECT)
        service = subprocess.Popen([str(BINARY), "up", folder], stdout=subprocess.PIPE)
        try:
            port = int(service.stdout.readline().decode().rsplit(":", 1)[1])
            rows = 1_000
            lines, _ = bodies(rows)
            times: multiprocessing.Queue = multiprocessing.Queue()
            worker = multiprocessing.Process(
                target=client,
                args=(
                    *(port, lines, "application/x-ndjson", arguments.seconds),
                    *(rows / arguments.events, times),
                ),
            )
            before = cpu_seconds(service)
            worker.start()
            time.sleep(1)
            found = probes(port, arguments.seconds - 2)
            sent = len(times.get()) * rows
            worker.join()
            used = (cpu_seconds(service) - before) / arguments.seconds
            print(
                f"at {sent / arguments.seconds:,.0f} events/s ({used:.2f} cores of the service) an "
                f"event is in its profile after p50 {found[len(found) // 2] * 1e3:.1f}, "
                f"p99 {found[int(len(found) * 0.99)] * 1e3:.1f} ms ({len(found)} probes)"
            )
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)


if __name__ == "__main__":
    main()
