# SPDX-License-Identifier: Apache-2.0
"""Writers and readers of a service that may be killed at any moment."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import random
import socket
import threading
import time
import traceback
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from arrow_rows import microseconds, rows_of
from crash_model import Events, Items, Profiles

if TYPE_CHECKING:
    from crash_loop import Round

ARROW = "application/vnd.apache.arrow.stream"


class GoneError(Exception):
    """The service did not answer: it was killed, or asked to try again."""


class Client(threading.Thread):
    """A thread with a connection of its own. What it finds wrong ends the round."""

    def __init__(self, loop: Round, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.loop = loop
        self.source = random.Random(f"{loop.seed} {name}")
        self._connection: http.client.HTTPConnection | None = None
        self._port = 0

    def run(self) -> None:
        try:
            self.work()
        except Exception:
            self.loop.fail(f"{self.name}: {traceback.format_exc()}")

    def work(self) -> None:
        raise NotImplementedError

    def request(self, method: str, path: str, body=None, headers=None) -> bytes:
        """The answer's body.

        :raises GoneError: when there was none though there may be one later.
        """
        loop = self.loop
        incarnation, was_down = loop.incarnation, loop.is_down
        try:
            if self._connection is None or self._port != loop.server.port:
                self.close()
                self._port = loop.server.port
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=100)
            self._connection.request(method, path, body, headers or {})
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if loop.is_down or was_down or incarnation != loop.incarnation:
                raise GoneError(str(error)) from error
            # The kill may be just happening.
            time.sleep(0.5)
            if loop.is_down or incarnation != loop.incarnation or loop.ended.is_set():
                raise GoneError(str(error)) from error
            raise
        if response.status in (429, 503, 504):
            loop.counts[f"answers {response.status}"] += 1
            raise GoneError(answer.decode())
        if response.status != 200:
            raise AssertionError(f"{method} {path}: {response.status} {answer[:2000]!r}")
        return answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def scan(self, table: str, query: str = "") -> pa.Table:
        answer = self.request("GET", f"/v1/streams/{table}/scan{query}", None, {"Accept": ARROW})
        try:
            return pa.ipc.open_stream(answer).read_all()
        except pa.ArrowInvalid as error:
            if not answer.endswith(b"\xff\xff\xff\xff\0\0\0\0"):
                raise GoneError("the scan ends early") from error
            raise

    def lookup(self, table, keys: list) -> dict:
        """The rows of those keys that have one."""
        names = table.key
        columns = {
            name: pa.array(
                [key if len(names) == 1 else key[place] for key in keys],
                table.schema.field(name).type,
            )
            for place, name in enumerate(names)
        }
        answer = self.request(
            "POST",
            f"/v1/streams/{table.name}/lookup",
            arrow_bytes(pa.table(columns)),
            {"Content-Type": ARROW, "Accept": ARROW},
        )
        data = pa.ipc.open_stream(answer).read_all()
        places = data.column("_key").to_pylist()
        return {keys[p]: row for p, row in zip(places, rows_of(data, table.columns))}


def arrow_bytes(data: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data)
    return sink.getvalue()


class Writer(Client):
    """Sends one request after another, each until it is acknowledged."""

    def __init__(self, loop: Round, number: int) -> None:
        super().__init__(loop, f"writer-{number}")
        self.number = number
        self.sequence = 0
        self.is_sending = False
        self.wants_end = threading.Event()

    def work(self) -> None:
        oracle = self.loop.oracle
        while not self.loop.ended.is_set() and not self.wants_end.is_set():
            table = self.source.choice(self.loop.tables)
            count = self.source.choice([1, 5, 30, 30, 100, 100, 400])
            with oracle.lock:
                rows = table.request(self.source, self.number, count)
                oracle.begin(self.number, table, rows)
            letters = self._letters(table)
            path, headers, body = self._encode(table, rows, letters)
            self.sequence += 1
            headers["Weir-Producer-Id"] = f"writer-{self.number}"
            headers["Weir-Producer-Sequence"] = str(self.sequence)
            answer = self._send_until_acknowledged(path, headers, body)
            if answer is None:
                return
            assert answer["rows"] == count, answer
            assert answer["rejected"]["count"] == len(letters), answer
            with oracle.lock:
                oracle.acknowledge(self.number)
            self.loop.counts["requests"] += 1
            self.loop.counts["rows"] += count
            self.loop.counts["repeats"] += answer["repeat"]
            if self.source.random() < 0.05:
                again = self._send_until_acknowledged(path, headers, body)
                if again is not None:
                    assert again["repeat"], again
                    assert again["offsets"] == answer["offsets"], (answer, again)
                    self.loop.counts["repeats asked for"] += 1
            if getattr(table, "owned", False) and self.source.random() < 0.3:
                self._read_own_writes(table, rows)

    def _letters(self, table) -> list[bytes]:
        """Lines that are no rows, each once: they belong into the dead-letter table."""
        if table.name != Events.name or self.source.random() > 0.1:
            return []
        lines = [b'{"id": "%d-%d"}' % (self.number, self.sequence + 1)]
        with self.loop.oracle.lock:
            self.loop.oracle.letters[self.number] = lines
        return lines

    def _encode(self, table, rows, letters) -> tuple[str, dict[str, str], bytes]:
        path = f"/v1/streams/{table.name}"
        if not letters and self.source.random() < 0.5:
            return path, {"Content-Type": ARROW}, arrow_bytes(table_of(table.schema, rows))
        lines = [json.dumps(row).encode() for row in rows] + letters
        body = b"\n".join(lines)
        if self.source.random() < 0.3:
            return f"{path}?timestamp_unit=us", {"Content-Encoding": "gzip"}, gzip.compress(body, 1)
        return f"{path}?timestamp_unit=us", {}, body

    def _send_until_acknowledged(self, path, headers, body) -> dict | None:
        while True:
            self.loop.gate.wait()
            if self.loop.ended.is_set():
                return None
            self.is_sending = True
            try:
                if not self.loop.gate.is_set():
                    continue
                if self.source.random() < 0.02:
                    self._send_and_hang_up(path, headers, body)
                return json.loads(self.request("POST", path, body, headers))
            except GoneError:
                self.loop.counts["requests sent again"] += 1
                time.sleep(self.source.uniform(0.001, 0.05))
            finally:
                self.is_sending = False

    def _send_and_hang_up(self, path, headers, body) -> None:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        try:
            with socket.create_connection(("127.0.0.1", self.loop.server.port), 10) as connection:
                connection.sendall(head.encode() + b"\r\n" + body)
        except OSError:
            pass
        self.loop.counts["answers not waited for"] += 1

    def _read_own_writes(self, table, rows) -> None:
        oracle = self.loop.oracle
        keys = list({table.key_of(row) for row in rows})[:50]
        try:
            found = self.lookup(table, keys)
        except GoneError:
            return
        with oracle.lock:
            wanted = {key: table.row(oracle.states[table.name].get(key)) for key in keys}
        for key in keys:
            if found.get(key) != wanted[key]:
                self.loop.fail(
                    f"{table.name}: a lookup of {key} sees {found.get(key)}, acknowledged is "
                    f"{wanted[key]}"
                )
        self.loop.counts["lookups"] += 1


def table_of(schema: pa.Schema, rows: list[dict]) -> pa.Table:
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_decimal(field.type):
            values = [None if value is None else Decimal(value) for value in values]
        columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=schema)


class Reader(Client):
    def work(self) -> None:
        while not self.loop.ended.is_set():
            try:
                self.read()
            except GoneError:
                time.sleep(0.02)
            time.sleep(self.source.uniform(0, 0.2))

    def read(self) -> None:
        raise NotImplementedError


class ScanReader(Reader):
    """Live scans: rows acknowledged before one began are in it, and no row twice."""

    def __init__(self, loop: Round) -> None:
        super().__init__(loop, "scans")

    def read(self) -> None:
        oracle = self.loop.oracle
        with oracle.lock:
            before, erased = dict(oracle.event_counts), set(oracle.erased)
        data = self.scan(Events.name, "?columns=id,check")
        with oracle.lock:
            sent, erasing = dict(oracle.events.sent), set(oracle.erasing)
        problem = oracle.compare_events(
            data, at_least=before, at_most=sent, erased=erased, erasing=erasing
        )
        if problem:
            self.loop.fail(f"a live scan: {problem}")
        for table in self.loop.tables[1:]:
            keys = self.scan(table.name, "?columns=" + ",".join(table.key))
            rows = rows_of(keys, list(table.key))
            if len({tuple(row.values()) for row in rows}) != len(rows):
                self.loop.fail(f"{table.name}: a live scan has a key twice")
        self.loop.counts["live scans"] += len(self.loop.tables)


class LookupReader(Reader):
    """Lookups of keys that all write: at least as new as what was acknowledged before."""

    def __init__(self, loop: Round) -> None:
        super().__init__(loop, "lookups")

    def read(self) -> None:
        oracle = self.loop.oracle
        profiles, items = (
            next(table for table in self.loop.tables if isinstance(table, kind))
            for kind in (Profiles, Items)
        )
        keys = self.source.sample(range(profiles.keys), 100)
        with oracle.lock:
            before = {key: oracle.states[profiles.name].get(key) for key in keys}
        found = self.lookup(profiles, keys)
        for key in keys:
            if before[key] is None:
                continue
            row, floor = found.get(key), before[key]["version"]
            newest = oracle.newest_delete.get(key, 0)
            if row["version"] < floor if row else newest < floor:
                self.loop.fail(
                    f"{profiles.name}: a lookup of {key} sees {row}, acknowledged before was "
                    f"{before[key]}"
                )
        keys = self.source.sample(range(items.keys), 100)
        with oracle.lock:
            before = {key: items.row(oracle.states[items.name].get(key)) for key in keys}
        found = self.lookup(items, keys)
        for key in keys:
            row = found.get(key)
            for group in items.groups if row and before[key] else ():
                floor = before[key][group]
                if floor and row[group] and row[group] < floor:
                    self.loop.fail(
                        f"{items.name}: a lookup of {key} sees {row}, acknowledged before was "
                        f"{before[key]}"
                    )
        self.loop.counts["lookups"] += 2


class LogReader(Reader):
    """Follows the log of events: offsets without a gap (in Kafka they grow), and each row once."""

    def __init__(self, loop: Round) -> None:
        super().__init__(loop, "tail")
        self.position: dict[int, int] = {}
        self.seen: list[np.ndarray] = []

    def read(self) -> None:
        start = ",".join(f"{shard}:{offset}" for shard, offset in self.position.items())
        query = f"?from={start or 'earliest'}&follow=false"
        try:
            answer = self.request(
                "GET", f"/v1/streams/{Events.name}{query}", None, {"Accept": ARROW}
            )
        except AssertionError as error:
            if ": 410 " not in str(error):
                raise
            self._skip_to_the_log()
            return
        try:
            data = pa.ipc.open_stream(answer).read_all()
        except pa.ArrowInvalid as error:
            raise GoneError("the tail ends early") from error
        shards = data.column("_shard").to_numpy()
        offsets = data.column("_offset").to_numpy()
        position = dict(self.position)
        for shard in np.unique(shards).tolist():
            here = offsets[shards == shard]
            start = position.get(shard, int(here[0]))
            if self.loop.broker:
                is_right = here[0] >= start and np.all(np.diff(here) > 0)
            else:
                is_right = np.array_equal(here, np.arange(start, start + len(here)))
            if not is_right:
                self.loop.fail(f"the tail of shard {shard} from {start} has a gap or a row twice")
            position[shard] = int(here[-1]) + 1
        self.position = position
        ids = data.column("id").to_numpy()
        checks = microseconds(data.column("check")).to_numpy()
        if not self.loop.oracle.fits(ids, checks):
            self.loop.fail("the tail has rows that nobody sent")
        self.seen.append(ids)
        if self.source.random() < 0.1:
            everything = np.concatenate(self.seen)
            if len(np.unique(everything)) != len(everything):
                self.loop.fail("the tail has an event twice")
        self.loop.counts["rows tailed"] += len(ids)

    def _skip_to_the_log(self) -> None:
        """Goes on where the log begins, which has let go of rows that were not read yet."""
        about = json.loads(self.request("GET", f"/v1/streams/{Events.name}"))
        for shard in about["shards"]:
            number = shard["shard"]
            self.position[number] = max(shard["start"], self.position.get(number, 0))
        self.loop.counts["tails that came too late"] += 1
