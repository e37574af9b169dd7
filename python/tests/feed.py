# SPDX-License-Identifier: Apache-2.0
"""A producer that knows what was acknowledged, for services whose surroundings fail."""

from __future__ import annotations

import http.client
import json
import time

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
from stream_server import StreamServer

ARROW = "application/vnd.apache.arrow.stream"
PROJECT = """
data: data
server: {port: 0}
streams:
  shop.events:
    columns: {id: long not null, text: string}
    flush: {interval: 200ms}
  shop.items:
    columns: {id: long not null, version: long, text: string}
    primary_key: id
    merge: {engine: last_write, sequence: version}
    flush: {interval: 200ms}
"""
ITEMS = 50


class Feed:
    """Sends rows to two streams, one request at a time, and remembers the answers."""

    def __init__(self, server: StreamServer, name: str = "feed", text_bytes: int = 20) -> None:
        self.server = server
        self.name = name
        self.text_bytes = text_bytes
        self.sequence = 0
        self.next = 0
        self.events: set[int] = set()
        self.items: dict[int, int] = {}
        #: The request that was not acknowledged: table, rows, body.
        self.pending: tuple[str, list[dict], bytes] | None = None
        self.last_error = ""
        self.retry_after: str | None = None

    def send(self, count: int = 100, timeout: float = 60) -> int:
        """Sends the pending request again, or a new one; its status, 0 without an answer."""
        if self.pending is None:
            numbers = range(self.next, self.next + count)
            self.next += count
            self.sequence += 1
            if self.sequence % 2:
                table = "shop.events"
                rows = [{"id": n, "text": self._text(n)} for n in numbers]
            else:
                table = "shop.items"
                rows = [{"id": n % ITEMS, "version": n, "text": self._text(n)} for n in numbers]
            body = "".join(json.dumps(row) + "\n" for row in rows).encode()
            self.pending = (table, rows, body)
        table, rows, body = self.pending
        headers = {"Weir-Producer-Id": self.name, "Weir-Producer-Sequence": str(self.sequence)}
        try:
            status, answer_headers, answer = self.server.request(
                "POST", f"/v1/streams/{table}", body, headers, timeout=timeout
            )
        except (OSError, http.client.HTTPException) as error:
            self.last_error = str(error)
            return 0
        self.retry_after = answer_headers["Retry-After"]
        if status != 200:
            self.last_error = answer.decode()
            return status
        for row in rows:
            if table == "shop.events":
                self.events.add(row["id"])
            else:
                self.items[row["id"]] = row["version"]
        self.pending = None
        return status

    def _text(self, number: int) -> str:
        return f"text {number} " + "x" * self.text_bytes

    def send_until(self, accept, seconds: float = 60, count: int = 100) -> int:
        """Sends until a status is accepted; that status."""
        deadline = time.monotonic() + seconds
        while not accept(status := self.send(count)):
            assert time.monotonic() < deadline, f"{status}: {self.last_error}"
            if status != 200:
                time.sleep(0.05)
        return status

    def check(self, *, by_iceberg: bool = False) -> None:
        """All that was acknowledged is there once, and nothing that was not sent."""
        in_doubt: set[int] = set()
        items_in_doubt: dict[int, int] = {}
        if self.pending is not None and self.pending[0] == "shop.events":
            in_doubt = {row["id"] for row in self.pending[1]}
        elif self.pending is not None:
            items_in_doubt = {row["id"]: row["version"] for row in self.pending[1]}
        for read in [self.scan, self.read_by_iceberg] if by_iceberg else [self.scan]:
            events = read("shop.events").to_pylist()
            ids = [row["id"] for row in events]
            assert len(set(ids)) == len(ids), "an event is there twice"
            assert not self.events - set(ids), f"{len(self.events - set(ids))} events are lost"
            assert set(ids) - self.events in (set(), in_doubt)
            assert all(row["text"] == self._text(row["id"]) for row in events)
            items = read("shop.items").to_pylist()
            found = {row["id"]: row["version"] for row in items}
            assert len(found) == len(items), "an item is there twice"
            assert found in (self.items, {**self.items, **items_in_doubt})
        body = json.dumps({"keys": list(range(ITEMS))}).encode()
        status, _, answer = self.server.request("POST", "/v1/streams/shop.items/lookup", body)
        assert status == 200, answer
        rows = json.loads(answer)["rows"]
        assert {row["id"]: row["version"] for row in rows if row} == found

    def scan(self, table: str) -> pa.Table:
        status, _, answer = self.server.request(
            "GET", f"/v1/streams/{table}/scan", None, {"Accept": ARROW}
        )
        assert status == 200, answer
        return pa.ipc.open_stream(answer).read_all()

    def read_by_iceberg(self, table: str) -> pa.Table:
        self.server.wait_until_covered(table)
        return RestCatalog("weir", uri=self.server.uri).load_table(table).scan().to_arrow()
