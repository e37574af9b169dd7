# SPDX-License-Identifier: Apache-2.0
"""How long it takes until an event is seen: asked from outside, again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from service import EVENTS, Client, Service, timestamp

#: Users of our own: nobody of the data has these.
FIRST_PROBE = 9_000_000_000


class Probe(threading.Thread):
    """Sends an event of a user of its own and asks until it is seen."""

    LIMIT = 20.0

    def __init__(self, service: Service, number: int, items: list[int], pause: float) -> None:
        super().__init__(daemon=True)
        self.client, self.items, self.pause = Client(service), items, pause
        self.user = FIRST_PROBE + number
        self.ended = threading.Event()
        #: When each was sent, and the seconds until it was seen; infinity when it was not.
        self.seconds: list[tuple[float, float]] = []
        self.failure: str | None = None
        self.count = 0

    def run(self) -> None:
        while not self.ended.wait(self.pause):
            try:
                self.one()
            except OSError:
                continue
            except Exception as error:
                self.failure = f"{type(self).__name__}: {error!r}"
                return

    def one(self) -> None:
        raise NotImplementedError

    def send(self, item: int, kind: str = "click", request: str | None = None) -> None:
        event = {"user_id": self.user, "item_id": item, "kind": kind, "value": 5.0}
        event |= {"at": timestamp(time.time_ns() // 1_000), "request_id": request}
        self.client.send(EVENTS, [event], f"probe-{self.user}", self.count)
        self.count += 1

    def until(self, begin: float, is_seen: Callable[[], bool]) -> None:
        while time.monotonic() - begin < self.LIMIT:
            if is_seen():
                self.seconds.append((begin, time.monotonic() - begin))
                return
            time.sleep(0.004)
        self.seconds.append((begin, float("inf")))


class ProfileProbe(Probe):
    """Until the user's profile has the event."""

    def one(self) -> None:
        begin, starts = time.monotonic(), self.client.service.starts
        self.send(self.items[self.count % len(self.items)])
        wanted = self.count

        def is_seen() -> bool:
            rows = self.client.lookup("shop.user_profile", [{"user_id": self.user}], ["events"])
            return rows[0] is not None and rows[0]["events"] >= wanted

        self.until(begin, is_seen)
        if starts != self.client.service.starts:
            self.seconds.pop()


class FeedProbe(Probe):
    """Until the feed no longer shows what the user took: it has changed by the feedback."""

    def one(self) -> None:
        answer = self.recommend()
        if not answer["items"]:
            return
        begin, starts = time.monotonic(), self.client.service.starts
        taken = answer["items"][0]["item"]
        self.send(taken, request=answer["request_id"])

        def is_seen() -> bool:
            return all(entry["item"] != taken for entry in self.recommend()["items"])

        self.until(begin, is_seen)
        if starts != self.client.service.starts:
            self.seconds.pop()
        if self.count % 40 == 0:
            # A new user, before everything was taken.
            self.user += 1_000

    def recommend(self) -> dict:
        body = {"surface": "home", "user": self.user, "count": 10}
        answer: dict = self.client.json("POST", "/v1/recommend", body)
        return answer
