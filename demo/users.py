# SPDX-License-Identifier: Apache-2.0
"""Users whose tastes are what they did later, and what they do with a feed."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from typing import Any

from service import EVENTS, Client, Service, timestamp
from world import World


def is_simulated(user: int) -> bool:
    """Half of the users ask for feeds; the others do what they did."""
    return user % 2 == 0


class Tastes:
    """What users like: the items they took later, and a little of what is like them."""

    #: The probability of a click on an item that the user took later, on one of a category the user
    #: likes, and on any other.
    TAKEN, LIKED, OTHER = 0.8, 0.06, 0.02

    def __init__(self, world: World, categories: dict[int, str], strong: str) -> None:
        self.strong = strong
        self.wanted = {user: dict(items) for user, items in world.tastes.items()}
        self.categories = categories
        self.liked: dict[int, set[str]] = {}
        for user, items in world.tastes.items():
            counts = Counter(categories[item] for item in items if item in categories)
            self.liked[user] = {name for name, _ in counts.most_common(2)}

    def click(self, user: int, item: int, source: random.Random) -> bool:
        if item in self.wanted.get(user, {}):
            return source.random() < self.TAKEN
        likes = self.categories.get(item) in self.liked.get(user, set())
        return source.random() < (self.LIKED if likes else self.OTHER)

    def value(self, user: int, item: int, source: random.Random) -> float:
        """What the user says of an item, 1 to 5."""
        known = self.wanted.get(user, {}).get(item)
        if known is not None:
            return float(known)
        return source.choice([2.5, 3.0, 3.5, 4.0])


class SimulatedUser(threading.Thread):
    """Asks for feeds and reacts, one user after the other, at a rate. One of a crowd."""

    def __init__(
        self, number: int, service: Service, world: World, tastes: Tastes, rate: float, count: int
    ) -> None:
        super().__init__(daemon=True)
        self.number, self.client, self.tastes = number, Client(service), tastes
        self.users = [user for user in world.users if is_simulated(user)]
        self.rate, self.count = rate, count
        self.source = random.Random(f"user {number}")
        self.ended = threading.Event()
        #: Of each request: time, seconds it took, items shown, clicks, clicks on what was wanted,
        #: the model's version, and what the service fell back to.
        self.requests: list[tuple[float, float, int, int, int, int | None, tuple[str, ...]]] = []
        #: Events that were acknowledged: request, item, kind.
        self.acknowledged: list[tuple[str, int, str]] = []
        self.request_ids: list[str] = []
        self.sources: Counter[str] = Counter()
        self.failure: str | None = None
        self.sequence = 0

    def run(self) -> None:
        try:
            next_at = time.monotonic()
            while not self.ended.is_set():
                self.visit(self.source.choice(self.users))
                next_at = max(next_at + 1 / self.rate, time.monotonic() - 1)
                self.ended.wait(max(0.0, next_at - time.monotonic()))
        except Exception as error:
            self.failure = f"simulated user {self.number}: {error!r}"

    def visit(self, user: int) -> None:
        body = json.dumps({"surface": "home", "user": user, "count": self.count})
        begin = time.monotonic()
        try:
            answer = json.loads(
                self.client.request(
                    "POST", "/v1/recommend", body, {"Content-Type": "application/json"}
                )
            )
        except OSError:
            # The service is away; a person tries again.
            time.sleep(0.05)
            return
        took = time.monotonic() - begin
        items = [entry["item"] for entry in answer["items"]]
        self.sources.update(entry.get("source", "?") for entry in answer["items"])
        clicked = [item for item in items if self.tastes.click(user, item, self.source)]
        wanted = self.tastes.wanted.get(user, {})
        hits = sum(item in wanted for item in clicked)
        self.request_ids.append(answer["request_id"])
        self.requests.append(
            (
                begin,
                took,
                len(items),
                len(clicked),
                hits,
                answer.get("model_version"),
                tuple(answer.get("fallbacks") or ()),
            )
        )
        if clicked:
            self.react(user, answer["request_id"], clicked)

    def react(self, user: int, request: str, clicked: list[int]) -> None:
        now = time.time_ns() // 1_000
        events: list[dict[str, Any]] = []
        for place, item in enumerate(clicked):
            base = {"user_id": user, "item_id": item, "request_id": request}
            at = now + place * 2_000
            events.append({**base, "at": timestamp(at), "kind": "click"})
            value = self.tastes.value(user, item, self.source)
            if value >= 3 or self.tastes.strong == "rating":
                kind = self.tastes.strong
                events.append({**base, "at": timestamp(at + 1_000), "kind": kind, "value": value})
            self.tastes.wanted.get(user, {}).pop(item, None)
        self.client.send(EVENTS, events, f"user-{self.number}", self.sequence)
        self.sequence += 1
        self.acknowledged += [(request, event["item_id"], event["kind"]) for event in events]


class Replay(threading.Thread):
    """What the other users did later, as fast as fits into the demo, through the ingest server."""

    def __init__(self, service: Service, world: World, seconds: float) -> None:
        super().__init__(daemon=True)
        self.client = Client(service)
        users = world.later.column("user_id").to_pylist()
        later = world.later.filter([not is_simulated(user) for user in users])
        due = later.column("due").to_numpy()
        self.rows = later.drop_columns(["due"]).to_pylist()
        self.due = due / max(float(due[-1]), 1e-9) * seconds
        self.ended = threading.Event()
        self.acknowledged = 0
        self.latencies: list[float] = []
        self.failure: str | None = None

    def run(self) -> None:
        try:
            self.replay()
        except Exception as error:
            self.failure = f"replay: {error!r}"

    def replay(self) -> None:
        rows = self.rows
        begin = time.monotonic()
        sent = sequence = 0
        while sent < len(rows) and not self.ended.is_set():
            passed = time.monotonic() - begin
            end = sent
            while end < len(rows) and self.due[end] <= passed and end - sent < 2_000:
                end += 1
            if end == sent:
                self.ended.wait(0.02)
                continue
            now = timestamp(time.time_ns() // 1_000)
            events = [{**row, "at": now} for row in rows[sent:end]]
            started = time.monotonic()
            self.client.send("/v1/streams/shop.events", events, "replay", sequence)
            self.latencies.append(time.monotonic() - started)
            self.acknowledged = sent = end
            sequence += 1
            self.ended.wait(0.02)
