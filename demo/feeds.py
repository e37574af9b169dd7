# SPDX-License-Identifier: Apache-2.0
"""One user's feed before and after a few actions, with reasons."""

from __future__ import annotations

import time
from typing import Any

from service import EVENTS, Client, timestamp
from terminal import Screen
from world import World

#: Somebody nobody has met.
NEWCOMER = 8_000_000_001


class Feeds:
    """A newcomer, who takes three items of one kind."""

    def __init__(self, client: Client, titles: dict[int, str], world: World) -> None:
        self.client, self.titles, self.world = client, titles, world
        self.found: dict[str, Any] = {}

    def show(self, screen: Screen) -> None:
        before = self.ask()
        took = [entry["item"] for entry in before[:3]]
        base = {"user_id": NEWCOMER, "kind": "rating", "value": 5.0}
        now = time.time_ns() // 1_000
        events = [
            {**base, "item_id": item, "at": timestamp(now + place)}
            for place, item in enumerate(took)
        ]
        begin = time.monotonic()
        self.client.send(EVENTS, events, "newcomer", 0)
        shown = {entry["item"] for entry in before}
        while time.monotonic() - begin < 10:
            after = self.ask()
            if not {entry["item"] for entry in after} & set(took):
                break
            time.sleep(0.02)
        waited = time.monotonic() - begin
        self.found = {
            "user": NEWCOMER,
            "took": [self.title(item) for item in took],
            "seconds": waited,
            "before": [self.entry(one) for one in before],
            "after": [self.entry(one) for one in after],
        }
        screen.heading(f"A newcomer's feed, and {waited * 1000:.0f} ms after taking three of it")
        for name, entries in (("before", before), ("after", after)):
            print(f"  {screen.bold}{name}{screen.plain}")
            for place, one in enumerate(entries[:8], 1):
                entry = self.entry(one)
                new = "" if one["item"] in shown or name == "before" else " +"
                print(
                    f"    {place:>2}{new:<2} {entry['title'][:44]:<44} {entry['source']:<10} "
                    f"{screen.dim}{(entry.get('reason') or '')[:40]}{screen.plain}"
                )

    def ask(self) -> list[dict[str, Any]]:
        body = {"surface": "home", "user": NEWCOMER, "count": 10, "explain": True}
        items: list[dict[str, Any]] = self.client.json("POST", "/v1/recommend", body)["items"]
        return items

    def title(self, item: int) -> str:
        return self.titles.get(item) or str(item)

    def entry(self, one: dict[str, Any]) -> dict[str, Any]:
        return {
            "item": one["item"],
            "title": self.title(one["item"]),
            "source": str(one.get("source")),
            "reason": one.get("reason"),
            "score": one.get("score"),
        }

    def as_json(self) -> dict[str, Any]:
        return self.found
