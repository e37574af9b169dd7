# SPDX-License-Identifier: Apache-2.0
"""Users ask and react, events come in, the model learns, the process is killed: all at once."""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from probes import FeedProbe, ProfileProbe
from report import summary
from service import Client, Service
from terminal import Screen, seconds
from users import Replay, SimulatedUser, Tastes
from world import World


@dataclass
class Found:
    """What came of it."""

    arrows: dict[str, dict[str, Any]] = field(default_factory=dict)
    clicks: list[tuple[float, float]] = field(default_factory=list)
    serving: dict[str, Any] = field(default_factory=dict)
    request_ids: list[str] = field(default_factory=list)
    acknowledged: list[tuple[str, int, str]] = field(default_factory=list)
    replayed: int = 0
    began: float = 0


#: Streams whose rows say when they were known and when they came in: name -> the arrow.
FRESHNESS = {
    "shop.user_profile": "event -> user profile",
    "shop.item_profile": "event -> item profile",
    "shop.trending": "event -> trending",
    "shop.similar": "event -> item-to-item",
    "shop.examples": "request, feedback -> example",
}


def moments(count: int, length: float) -> list[float]:
    """So many seconds out of `length`: the first in the middle, more of them anywhere."""
    source = random.Random(count)
    return [length / 2, *(source.uniform(2, length) for _ in range(count - 1))][:count]


def run(
    service: Service,
    world: World,
    tastes: Tastes,
    length: float,
    screen: Screen,
    due: list[tuple[float, Callable[[], str]]],
) -> Found:
    """`length`: seconds; `due`: what is done at which second, and says what it did."""
    screen.say(f"{length:.0f} s of users, later events and online training")
    client = Client(service)
    items = sorted({item for wanted in world.tastes.values() for item in wanted})
    crowd = [SimulatedUser(number, service, world, tastes, 10.0, 10) for number in range(2)]
    replay = Replay(service, world, length * 0.9)
    probes = [ProfileProbe(service, 1, items, 0.25), FeedProbe(service, 2, items, 0.5)]
    found = Found(began=time.time())
    began = time.monotonic()
    for thread in (*crowd, replay, *probes):
        thread.start()
    versions: dict[int, float] = {}
    due = sorted(due, key=lambda one: one[0])
    while (passed := time.monotonic() - began) < length:
        time.sleep(0.25)
        if due and passed > due[0][0]:
            screen.say(f"{screen.red}kill -9{screen.plain}; {due.pop(0)[1]()}")
        for one in crowd:
            if one.requests and (version := one.requests[-1][5]) is not None:
                versions.setdefault(version, time.monotonic())
        screen.live(_lines(crowd, replay, probes, versions, passed))
    screen.clear()
    for thread in (*crowd, replay, *probes):
        thread.ended.set()
    for thread in (*crowd, replay, *probes):
        thread.join(60)
    failures = [one.failure for one in (*crowd, replay, *probes) if one.failure]
    if failures:
        sys.exit("error: " + "; ".join(failures))
    _collect(found, client, crowd, replay, probes, versions, began, length)
    screen.say(
        f"{found.serving['requests']:,} feeds, p50 {seconds(found.serving['p50'])}, p99 "
        f"{seconds(found.serving['p99'])}; {len(found.acknowledged):,} reactions; "
        f"{replay.acknowledged:,} later events; {len(versions)} models served"
    )
    if found.serving["fallbacks"]:
        parts = (f"{name} {count:,}" for name, count in found.serving["fallbacks"].items())
        screen.say(f"fallbacks, said in the answers: {', '.join(parts)}")
    for name, arrow in found.arrows.items():
        rate = f"{arrow['rate']:>9,.0f}/s" if arrow.get("rate") is not None else " " * 11
        screen.say(
            f"{name:<32} {rate}  p50 {seconds(arrow['p50']):>7}  p99 {seconds(arrow['p99']):>7}"
        )
    return found


def _lines(
    crowd: list[SimulatedUser],
    replay: Replay,
    probes: list[Any],
    versions: dict[int, float],
    passed: float,
) -> list[str]:
    """The arrows, now."""
    since = time.monotonic() - 5
    recent = [one for user in crowd for one in user.requests[-200:] if one[0] > since]
    shown = sum(one[2] for one in recent)
    clicked = sum(one[3] for one in recent)
    feed = summary([one[1] for one in recent])
    lines = [
        f"    events    {replay.acknowledged:>9,} later events, "
        f"{sum(len(user.acknowledged) for user in crowd):,} reactions",
        f"    feeds     {len(recent) / 5:>9.1f}/s   p50 {seconds(feed['p50'])}  p99 "
        f"{seconds(feed['p99'])}   clicks {100 * clicked / max(1, shown):.1f} of 100 shown",
    ]
    for probe, name in zip(probes, ("profile", "new feed"), strict=True):
        fresh = summary([took for _, took in probe.seconds[-40:]])
        lines.append(
            f"    {name:<9} {len(probe.seconds):>9} times seen after p50 {seconds(fresh['p50'])}, "
            f"p99 {seconds(fresh['p99'])}"
        )
    newest = max(versions, default=None)
    lines.append(f"    model     version {newest}, {len(versions)} served so far; {passed:.0f} s")
    return lines


def _collect(
    found: Found,
    client: Client,
    crowd: list[SimulatedUser],
    replay: Replay,
    probes: list[Any],
    versions: dict[int, float],
    began: float,
    length: float,
) -> None:
    requests = sorted((one for user in crowd for one in user.requests), key=lambda one: one[0])
    found.request_ids = [request for user in crowd for request in user.request_ids]
    found.acknowledged = [event for user in crowd for event in user.acknowledged]
    found.replayed = replay.acknowledged
    found.serving = {
        "requests": len(requests),
        **summary([one[1] for one in requests]),
        "models": sorted(versions),
        "fallbacks": dict(Counter(text for one in requests for text in one[6])),
        "sources": dict(sum((user.sources for user in crowd), start=type(crowd[0].sources)())),
    }
    for tenth in range(10):
        low, high = began + tenth * length / 10, began + (tenth + 1) * length / 10
        part = [one for one in requests if low <= one[0] < high]
        shown = sum(one[2] for one in part)
        if shown:
            found.clicks.append((tenth * length / 10, 100 * sum(one[3] for one in part) / shown))
    events = replay.acknowledged + len(found.acknowledged)
    found.arrows["event -> durable"] = {
        "rows": events,
        "rate": events / length,
        **summary(replay.latencies),
    }
    for probe, name in zip(probes, ("event -> lookup of profile", "feedback -> feed"), strict=True):
        found.arrows[name] = {
            "rows": None,
            "rate": None,
            **summary([took for _, took in probe.seconds if math.isfinite(took)]),
            "unseen": sum(math.isinf(took) for _, took in probe.seconds),
        }
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found.began + 1))
    for stream, name in FRESHNESS.items():
        rows = client.scan(stream, "_ingest_time,_known_at", f"_ingest_time > '{since}'")
        came = rows.column("_ingest_time").cast("int64").to_numpy()
        known = rows.column("_known_at").cast("int64").to_numpy()
        values = ((came - known) / 1e6).tolist()
        found.arrows[name] = {"rows": len(rows), "rate": len(rows) / length, **summary(values)}
    clock = time.time() - time.monotonic()
    served = {version: at + clock for version, at in versions.items()}
    models = client.scan("shop.model", "version,lineage").to_pylist()
    found.serving["published"] = len(models)
    feedback = client.scan(
        "shop.examples", "_shard,_offset,_known_at", f"is_correction and _ingest_time > '{since}'"
    )
    found.arrows["feedback -> model that learnt it"] = {
        "rows": None,
        "rate": None,
        **summary(_learnt(feedback, models, served)),
    }


def _learnt(feedback: Any, models: list[dict[str, Any]], served: dict[int, float]) -> list[float]:
    """Seconds from feedback until a feed was ranked by a model whose lineage holds it."""
    made_of = []
    for model in sorted(models, key=lambda one: one["version"]):
        offsets = json.loads(model["lineage"]).get("offsets")
        if offsets and model["version"] in served:
            made_of.append((served[model["version"]], offsets))
    known = feedback.column("_known_at").cast("int64").to_numpy() / 1e6
    shards, offsets = (feedback.column(name).to_pylist() for name in ("_shard", "_offset"))
    result = []
    for shard, offset, at in zip(shards, offsets, known.tolist(), strict=True):
        first = (when for when, ends in made_of if ends.get(str(shard), 0) > offset)
        if (when := next(first, None)) is not None:
            result.append(when - at)
    return result
