# SPDX-License-Identifier: Apache-2.0
"""Lists at a steady rate: from when a request is due until its answer is there.

    python benchmarks/serving.py [--variant rule|model] [--items N] [--users N] [--rate N]

Retrieves 500, ranks 200, returns 20. Requests are due at fixed times, whether or not those before
are answered; while they run, events of users come in at a tenth of the rate. Client and service
share the machine.

- rule: lists of similar items (400) and of trending ones (100), scored by their places.
- model: similar (200), a two-tower model's nearest (150), trending and fresh ones (100, 50), scored
  by a ranker. The model is of the default sizes and has not learnt anything: it costs what one that
  has does. Needs torch, onnx and onnxruntime, and the shared library.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import datetime
import http.client
import json
import os
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
  shop.fresh:
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
models:
  shop.model:
    examples: shop.examples
    retriever: {{label: like}}
    ranker: {{labels: [click, like]}}
    history: user_recent_item_id
surfaces:
  home:
    features: shop.ranking
    events: shop.events
SURFACE
    filter: {{seen: user_recent_item_id}}
    rerank: {{count: 20, max_per: {{feature: attributes_category, count: 6}}, explore: 0.05}}
    log: shop.requests
"""
RULE = """
    sources:
      similar: {from: shop.similar, seeds: user_recent_item_id, decay: 0.7, count: 400}
      trending: {from: shop.trending, count: 100}
    score: {count: 200}
"""
MODEL = """
    sources:
      similar: {from: shop.similar, seeds: user_recent_item_id, decay: 0.7, count: 200}
      two_tower: {model: shop.model, count: 150}
      trending: {from: shop.trending, count: 100}
      fresh: {from: shop.fresh, count: 50}
    score: {model: shop.model, value: {click: 1, like: 5}, count: 200}
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
    send("shop.fresh", [{"segment": "", "items": ranked(range(items - 50, items))}])
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


def publish(port: int, items: int) -> None:
    """Gives the service a model, and waits until it serves."""
    import numpy as np

    import weir
    from weir.torch._definition import Definition
    from weir.torch._model import Model
    from weir.torch._publish import Publisher, Texts

    definition = Definition(
        name="shop.model",
        examples="shop.examples",
        user="user_id",
        item="item_id",
        user_dense=["user_events", "user_mean_value", "user_heat"],
        item_dense=["item_events", "item_mean_value", "item_events_30d", "item_trend"],
        history="user_recent_item_id",
        tasks=["click", "like"],
        positives=["like"],
    )
    model = Model(definition)
    model.grow(np.arange(items))
    model.item_times[:] = 0
    with (
        weir.connect(f"http://127.0.0.1:{port}") as catalog,
        catalog.stream("shop.model") as registry,
        catalog.stream("shop.model_embeddings") as embeddings,
    ):
        version = Publisher(registry, embeddings).publish_all(model, {}, {}, Texts())
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"surface": "home", "user": 1}).encode()
    deadline = time.monotonic() + 120
    while json.loads(post(connection, "/v1/recommend", body))["model_version"] != version:
        assert time.monotonic() < deadline, "the model does not serve"
        time.sleep(0.5)


def environment() -> dict[str, str]:
    """With ONNX Runtime's library, where this Python has it."""
    try:
        import onnxruntime
    except ImportError:
        return dict(os.environ)
    return {"WEIR_ONNXRUNTIME": str(Path(onnxruntime.__file__).parent / "capi"), **os.environ}


def load(port, seconds, arguments):
    """Sends requests when they are due, and says how late each answer was."""
    rate, items, users = arguments.rate, arguments.items, arguments.users
    begin = time.monotonic() + 0.5
    count = int(rate * seconds)
    turn = iter(range(count))
    lock = threading.Lock()
    answers: list[tuple[float, dict[str, int]]] = []
    fallbacks: collections.Counter[str] = collections.Counter()
    lengths: collections.Counter[int] = collections.Counter()

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
            answers.append((time.monotonic() - due, answer["timing"]))
            lengths[len(answer["items"])] += 1
            fallbacks.update(answer["fallbacks"])
            if number % 10 == 0:
                row = json.dumps(event(source, items, users)).encode()
                post(connection, "/v1/events?surface=home", row)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(arguments.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, fallbacks, lengths, time.process_time()


def measure(variant: str, arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        surface = MODEL if variant == "model" else RULE
        (Path(folder) / "weir.yaml").write_text(PROJECT.replace("SURFACE", surface.strip("\n")))
        service = subprocess.Popen(
            [str(BINARY), "up", folder], stdout=subprocess.PIPE, env=environment()
        )
        try:
            port = int(service.stdout.readline().decode().rsplit(":", 1)[1])
            fill(port, arguments.items, arguments.users, random.Random(1))
            if variant == "model":
                other(publish, port, arguments.items)
            for name, seconds in (("first", 10), ("then", arguments.seconds)):
                begin, busy, start = used(service.pid), all_used(), time.monotonic()
                *found, client = other(load, port, seconds, arguments)
                own = used(service.pid) - begin
                others = (all_used() - busy - own - client) / (time.monotonic() - start)
                print(f"{variant}, {name} {seconds:g} s: {arguments.rate:g} lists/s, ", end="")
                report(*found)
                print(
                    f"  processor: {own / seconds / arguments.rate * 1e3:.1f} ms a list; cores: "
                    f"service {own / seconds:.2f}, client {client / seconds:.2f}, "
                    f"others on the machine {others:.2f}"
                )
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)


def used(process: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def all_used() -> float:
    """Seconds of processor time that all of the machine has used."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def other(work, *arguments):
    """Does work in a process of its own, and returns what it returns."""
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        return pool.submit(work, *arguments).result()


def report(answers, fallbacks, lengths) -> None:
    answers.sort(key=lambda answer: answer[0])
    late = [answers[len(answers) * share // 1000][0] * 1e3 for share in (500, 950, 990, 999)]
    print("p50 {:.1f}, p95 {:.1f}, p99 {:.1f}, p99.9 {:.1f} ms".format(*late))
    for name, part in (("all", answers), ("slowest 1 %", answers[-(len(answers) // 100) :])):
        stages: collections.Counter[str] = collections.Counter()
        for elapsed, timing in part:
            stages.update(timing)
            stages["outside"] += int(elapsed * 1e6) - timing["total_us"]
        means = {stage: round(total / len(part)) for stage, total in stages.items()}
        print(f"  mean microseconds, {name}:", means)
    if len(lengths) > 1:
        print("  items in a list:", dict(lengths))
    if fallbacks:
        print("  fallbacks:", dict(fallbacks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=("rule", "model"), help="both by default")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--times", type=int, default=1)
    arguments = parser.parse_args()
    for _ in range(arguments.times):
        for variant in (arguments.variant,) if arguments.variant else ("rule", "model"):
            measure(variant, arguments)


if __name__ == "__main__":
    main()
