# SPDX-License-Identifier: Apache-2.0
"""Lists at a steady rate: from when a request is due until its answer is there.

    python benchmarks/serving.py [--items N] [--users N] [--rate N] [--seconds N]

Retrieves 500, ranks 200, returns 20. Requests are due at fixed times, whether or not those before
are answered; while they run, events of users come in at a tenth of the rate. Client and service
share the machine.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import http.client
import json
import multiprocessing
import random
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from streams import BINARY

LIST = '"list<struct<item: long, score: double, reason: string>>"'
PROJECT = f"""
server: {{port: 0}}
streams:
  shop.events:
    columns:
      user_id: long not null
      item_id: long not null
      at: timestamptz not null
      kind: string
      value: double
      request_id: string
    event_time: at
  shop.items:
    columns: {{item_id: long not null, category: string}}
    primary_key: item_id
  shop.similar:
    columns: {{item_id: long not null, items: {LIST}}}
    primary_key: item_id
  shop.trending:
    columns: {{segment: string not null, items: {LIST}}}
    primary_key: segment
profiles:
  shop.user_profile:
    source: shop.events
    entity: user_id
    features:
      events: count
      mean_value: {{function: mean, column: value}}
      heat: {{function: decayed_count, half_life: 3d}}
      recent: {{function: last, columns: [item_id, value], count: 50}}
  shop.item_profile:
    source: shop.events
    entity: item_id
    features:
      events: count
      mean_value: {{function: mean, column: value}}
      events_30d: {{function: count, window: 30d}}
      trend: {{function: decayed_count, half_life: 14d}}
feature_views:
  shop.ranking:
    user: {{table: shop.user_profile, key: user_id}}
    item: {{table: shop.item_profile, key: item_id}}
    attributes: {{table: shop.items, key: item_id, columns: [category]}}
surfaces:
  home:
    features: shop.ranking
    events: shop.events
    sources:
      similar: {{from: shop.similar, seeds: user_recent_item_id, decay: 0.7, count: 400}}
      trending: {{from: shop.trending, count: 100}}
    filter: {{seen: user_recent_item_id}}
    score: {{count: 200}}
    rerank: {{count: 20, max_per: {{feature: attributes_category, count: 6}}, explore: 0.05}}
    log: shop.requests
"""


def post(connection, path, body):
    connection.request("POST", path, body, {"Content-Type": "application/x-ndjson"})
    response = connection.getresponse()
    answer = response.read()
    assert response.status == 200, answer
    return answer


def ranked(items):
    return [{"item": item, "score": 1 / (k + 1), "reason": "seen"} for k, item in enumerate(items)]


def fill(port: int, items: int, users: int, source: random.Random) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def send(table, rows):
        for start in range(0, len(rows), 5_000):
            lines = "".join(json.dumps(row) + "\n" for row in rows[start : start + 5_000])
            post(connection, f"/v1/streams/{table}", lines.encode())

    send("shop.items", [{"item_id": i, "category": f"c{i % 40}"} for i in range(items)])
    send("shop.trending", [{"segment": "", "items": ranked(range(100))}])
    for start in range(0, items, 10_000):
        send(
            "shop.similar",
            [
                {
                    "item_id": item,
                    "items": ranked({popular(source, items): None for _ in range(50)}),
                }
                for item in range(start, min(items, start + 10_000))
            ],
        )
    send("shop.events", [event(source, items, users) for _ in range(users * 20)])
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        lag = [lagging(connection, table) for table in ("user_profile", "item_profile")]
        if all(lag):
            return
        time.sleep(0.5)


def lagging(connection, table) -> bool:
    """Whether a profile's log has come to rest."""
    ends = []
    for _ in range(2):
        connection.request("GET", f"/v1/streams/shop.{table}")
        ends.append(json.loads(connection.getresponse().read())["shards"][0]["end"])
        time.sleep(0.3)
    return ends[0] == ends[1]


def popular(source: random.Random, items: int) -> int:
    """An item; some are much more popular than others: half of what happens is about an eighth."""
    return int(items * source.random() ** 3)


def event(source: random.Random, items: int, users: int) -> dict:
    return {
        "user_id": source.randrange(users),
        "item_id": popular(source, items),
        "at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "kind": "view",
        "value": source.randrange(10) / 2,
    }


def load(port, rate, seconds, items, users, connections, answers):
    """Sends requests when they are due, and says how late each answer was."""
    begin = time.monotonic() + 0.5
    count = int(rate * seconds)
    turn = iter(range(count))
    lock = threading.Lock()
    late: list[float] = []
    fallbacks: collections.Counter[str] = collections.Counter()
    stages: collections.Counter[str] = collections.Counter()

    def work(seed: int) -> None:
        source = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                number = next(turn, None)
            if number is None:
                return
            due = begin + number / rate
            body = json.dumps({"surface": "home", "user": source.randrange(users)}).encode()
            time.sleep(max(0, due - time.monotonic()))
            answer = json.loads(post(connection, "/v1/recommend", body))
            late.append(time.monotonic() - due)
            fallbacks.update(answer["fallbacks"])
            stages.update(answer["timing"])
            if number % 10 == 0:
                row = json.dumps(event(source, items, users)).encode()
                post(connection, "/v1/events?surface=home", row)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.put((late, fallbacks, {stage: total / count for stage, total in stages.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=16)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        (Path(folder) / "weir.yaml").write_text(PROJECT)
        service = subprocess.Popen([str(BINARY), "up", folder], stdout=subprocess.PIPE)
        try:
            port = int(service.stdout.readline().decode().rsplit(":", 1)[1])
            fill(port, arguments.items, arguments.users, random.Random(1))
            for name, seconds in (("cold", 10), ("warm", arguments.seconds)):
                answers: multiprocessing.Queue = multiprocessing.Queue()
                worker = multiprocessing.Process(
                    target=load,
                    args=(
                        *(port, arguments.rate, seconds, arguments.items, arguments.users),
                        *(arguments.connections, answers),
                    ),
                )
                worker.start()
                late, fallbacks, stages = answers.get()
                worker.join()
                late.sort()
                shares = [late[len(late) * share // 1000] * 1e3 for share in (500, 950, 990, 999)]
                print(
                    f"{name}: {arguments.rate:g} lists/s of {arguments.items:,} items: p50 "
                    "{:.1f}, p95 {:.1f}, p99 {:.1f}, p99.9 {:.1f} ms".format(*shares)
                )
                print("  mean microseconds:", {name: round(mean) for name, mean in stages.items()})
                if fallbacks:
                    print("  fallbacks:", dict(fallbacks))
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)


if __name__ == "__main__":
    main()
