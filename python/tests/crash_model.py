# SPDX-License-Identifier: Apache-2.0
"""Streams for storms of rows, and for each a naive replay, row by row, of what was sent to it.

A table makes requests (lists of rows as dictionaries, timestamps in microseconds) and says what
is in it: `fold` takes one row into the state of its key, `row` is what readers must see of a
state. Sequences and event times are unique, so that the outcome does not depend on the order in
which writers are served; where the log's order counts, each key belongs to one writer.
"""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction
from typing import ClassVar

import pyarrow as pa
from kafka_broker import kafka_log

TIME = pa.timestamp("us", tz="UTC")
#: 2026-01-01, in microseconds.
EPOCH = 1_767_225_600_000_000
_MULTIPLIER = 0x9E37_79B1


def check_of(number: int) -> int:
    """What an event's column `check` must hold."""
    return number * _MULTIPLIER % 1_000_000_007


class Sequences:
    """Unique numbers that grow, but for late ones."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def next(self, source: random.Random) -> int:
        number = next(self._count)
        late = source.randint(0, 3_000) if source.random() < 0.3 else 0
        return (max(0, number - late) << 24) + number


class Table:
    name: str
    key: tuple[str, ...]
    schema: pa.Schema
    yaml: str

    def request(self, source: random.Random, writer: int, count: int) -> list[dict]:
        raise NotImplementedError

    def key_of(self, row: dict):
        values = tuple(row[name] for name in self.key)
        return values[0] if len(values) == 1 else values

    def fold(self, state, row: dict):
        raise NotImplementedError

    def row(self, state) -> dict | None:
        raise NotImplementedError

    @property
    def columns(self) -> list[str]:
        return [name for name in self.schema.names if name != "_op"]


class Events(Table):
    """Appended only. A row's id says its writer and which of the writer's rows it is."""

    name = "storm.events"
    key = ("id",)
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("check", pa.int64(), nullable=False),
            ("at", TIME),
            ("kind", pa.string()),
        ]
    )
    yaml = """
    columns: {id: long not null, check: long not null, at: timestamptz, kind: string}
    event_time: at
    shard_key: id
    partition: [day(at)]"""
    WRITER_BITS = 40

    def __init__(self) -> None:
        self.sent: dict[int, int] = {}

    def request(self, source, writer, count):
        first = self.sent.get(writer, 0)
        self.sent[writer] = first + count
        return [self.expected((writer << self.WRITER_BITS) + first + i) for i in range(count)]

    def expected(self, number: int) -> dict:
        return {
            "id": number,
            "check": check_of(number),
            "at": EPOCH + number % 5_000_000 * 40_000,
            "kind": f"kind-{number % 13}",
        }

    @property
    def columns(self):
        return list(self.schema.names)


class Profiles(Table):
    """The last write by sequence; all writers share the keys."""

    name = "storm.profiles"
    key = ("id",)
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            ("version", pa.int64()),
            ("name", pa.string()),
            ("score", pa.float64()),
            ("_op", pa.int32()),
        ]
    )
    yaml = """
    columns: {id: long not null, version: long, name: string, score: double}
    primary_key: id
    merge: {engine: last_write, sequence: version}"""

    def __init__(self, keys: int = 1_500) -> None:
        self.keys = keys
        self.sequences = Sequences()

    def request(self, source, writer, count):
        rows = []
        for _ in range(count):
            row = {"id": source.randrange(self.keys), "version": self.sequences.next(source)}
            if source.random() < 0.25:
                row["_op"] = 1
            else:
                row |= {"name": f"n{source.randrange(1_000)}", "score": source.random(), "_op": 0}
            rows.append(row)
        return rows

    def fold(self, state, row):
        return row if state is None or row["version"] > state["version"] else state

    def row(self, state):
        if state is None or state["_op"]:
            return None
        return {name: state[name] for name in self.columns}


class Latest(Table):
    """The last write by the log's order; a key belongs to one writer."""

    name = "storm.latest"
    key = ("writer", "name")
    schema = pa.schema(
        [
            pa.field("writer", pa.int32(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            ("value", pa.int64()),
            ("_op", pa.int32()),
        ]
    )
    yaml = """
    columns: {writer: int not null, name: string not null, value: long}
    primary_key: [writer, name]"""
    owned = True

    def __init__(self, keys: int = 200) -> None:
        self.keys = keys

    def request(self, source, writer, count):
        rows = []
        for _ in range(count):
            row = {"writer": writer, "name": f"key {source.randrange(self.keys)}", "_op": 0}
            if source.random() < 0.25:
                row["_op"] = 1
            else:
                row["value"] = source.randrange(1 << 60)
            rows.append(row)
        return rows

    def fold(self, state, row):
        return row

    def row(self, state):
        if state is None or state["_op"]:
            return None
        return {name: state[name] for name in self.columns}


class Items(Table):
    """Partial updates of two groups of columns with own sequences; writers share the keys."""

    name = "storm.items"
    key = ("id",)
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            ("price_at", pa.int64()),
            ("price", pa.decimal128(9, 2)),
            ("stock_at", pa.int64()),
            ("stock", pa.int32()),
            ("place", pa.string()),
            ("_op", pa.int32()),
        ]
    )
    yaml = """
    columns: {id: long not null, price_at: long, price: "decimal(9, 2)", stock_at: long, stock: int,
      place: string}
    primary_key: id
    merge:
      engine: partial_update
      groups:
        - {sequence: price_at, columns: price}
        - {sequence: stock_at, columns: [stock, place]}"""
    groups: ClassVar = {"price_at": ("price",), "stock_at": ("stock", "place")}

    def __init__(self, keys: int = 1_000) -> None:
        self.keys = keys
        self.sequences = Sequences()

    def request(self, source, writer, count):
        return [self._row(source) for _ in range(count)]

    def _row(self, source):
        row = {"id": source.randrange(self.keys), "_op": 1 if source.random() < 0.2 else 0}
        groups = [name for name in self.groups if source.random() < 0.6] or ["price_at"]
        for group in groups:
            row[group] = self.sequences.next(source)
        if row["_op"]:
            return row
        if "price_at" in groups:
            row["price"] = f"{source.randrange(1 << 20)}.{source.randrange(100):02}"
        if "stock_at" in groups:
            if source.random() < 0.8:
                row["stock"] = source.randrange(1_000)
            if source.random() < 0.8:
                row["place"] = f"shelf {source.randrange(50)}"
        return row

    def fold(self, state, row):
        """State: by group the greatest delete, and the versions above it."""
        state = {"id": row["id"], **(state or {})}
        for group, columns in self.groups.items():
            sequence = row.get(group)
            if sequence is None:
                continue
            held = state[group] = dict(state.get(group, {"versions": {}, "deleted": 0}))
            if row["_op"]:
                held["deleted"] = max(held["deleted"], sequence)
            else:
                values = {name: row[name] for name in columns if name in row}
                held["versions"] = {**held["versions"], sequence: values}
            held["versions"] = {
                number: values
                for number, values in held["versions"].items()
                if number > held["deleted"]
            }
        return state

    def row(self, state):
        if state is None:
            return None
        result: dict = {**dict.fromkeys(self.columns), "id": state["id"]}
        exists = False
        for group in self.groups:
            for number, values in sorted(state.get(group, {}).get("versions", {}).items()):
                exists = True
                result[group] = number
                result |= values
        return result if exists else None

    def compact(self, state):
        """The same state without versions that can never be seen again."""
        for group, columns in self.groups.items():
            if group not in state:
                continue
            versions = state[group]["versions"]
            needed = {max(versions)} if versions else set()
            for column in columns:
                needed |= {max((n for n, v in versions.items() if column in v), default=0)}
            kept = {number: values for number, values in versions.items() if number in needed}
            state[group] = {**state[group], "versions": kept}
        return state


class Totals(Table):
    """Aggregates; a key belongs to one writer, for whom deletes stand in their place."""

    name = "storm.totals"
    key = ("writer", "id")
    schema = pa.schema(
        [
            pa.field("writer", pa.int32(), nullable=False),
            pa.field("id", pa.int64(), nullable=False),
            ("at", TIME),
            ("clicks", pa.int64()),
            ("amount", pa.float64()),
            ("seen", pa.string()),
            ("low", pa.int64()),
            ("high", pa.int64()),
            ("recent", pa.int64()),
            ("word", pa.string()),
            ("_op", pa.int32()),
        ]
    )
    yaml = """
    columns: {writer: int not null, id: long not null, at: timestamptz, clicks: long,
      amount: double, seen: string, low: long, high: long, recent: long, word: string}
    primary_key: [writer, id]
    event_time: at
    merge:
      engine: aggregation
      columns: {clicks: sum, amount: sum, seen: count, low: min, high: max, recent: last_k(3)}"""
    owned = True

    def __init__(self, keys: int = 100) -> None:
        self.keys = keys
        self.sequences = Sequences()

    def request(self, source, writer, count):
        rows = []
        for _ in range(count):
            row = {"writer": writer, "id": source.randrange(self.keys), "_op": 0}
            if source.random() < 0.05:
                row["_op"] = 1
            else:
                row["at"] = EPOCH + self.sequences.next(source) % (1 << 46)
                row["clicks"] = source.randrange(100)
                row["amount"] = source.uniform(-1, 1) * 10 ** source.randint(-8, 8)
                row["low"] = row["high"] = source.randrange(1 << 40)
                row["recent"] = source.randrange(1 << 30)
                row["word"] = source.choice("abcdef")
                if source.random() < 0.7:
                    row["seen"] = "x"
            rows.append(row)
        return rows

    def fold(self, state, row):
        if row["_op"]:
            return None
        at = row["at"]
        if state is None:
            state = {"clicks": 0, "amount": Fraction(0), "seen": 0, "low": math.inf, "high": -1}
            state |= {"recent": [], "at": -1, "word": None}
        latest = at > state["at"]
        return {
            "writer": row["writer"],
            "id": row["id"],
            "clicks": state["clicks"] + row["clicks"],
            "amount": state["amount"] + Fraction(row["amount"]),
            "seen": state["seen"] + ("seen" in row),
            "low": min(state["low"], row["low"]),
            "high": max(state["high"], row["high"]),
            "recent": sorted([*state["recent"], (at, row["recent"])], reverse=True)[:3],
            "at": at if latest else state["at"],
            "word": row["word"] if latest else state["word"],
        }

    def row(self, state):
        if state is None:
            return None
        recent = [{"value": value, "time": at} for at, value in state["recent"]]
        return {**state, "amount": float(state["amount"]), "recent": recent}


def all_tables() -> list[Table]:
    return [Events(), Profiles(), Latest(), Items(), Totals()]


def project(tables: list[Table], **settings) -> str:
    """By `settings`: shards, flush (interval), retention, brokers, snapshots, format."""
    shards = settings.get("shards", 2)
    text = "data: data\nserver: {port: 0}\n"
    if snapshots := settings.get("snapshots"):
        text += f"maintenance: {{snapshots: {snapshots}}}\n"
    text += "streams:\n"
    for table in tables:
        text += f"  {table.name}:{table.yaml}\n    shards: {shards}\n"
        text += f"    format: {settings.get('format', 'parquet')}\n"
        text += f"    flush: {{interval: {settings.get('flush', '300ms')}}}\n"
        if brokers := settings.get("brokers"):
            text += f"    log: {kafka_log(brokers, topic_of(table))}\n"
        else:
            text += f"    log: {{retention: {settings.get('retention', '1h')}}}\n"
    return text


def topic_of(table: Table) -> str:
    return table.name.split(".")[-1]
