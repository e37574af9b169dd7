#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Replays events through `weir up`, kills it with SIGKILL in the middle, and counts what is there.

Takes the folder of `weir demo`: the events in its Parquet files, at the pace at which they
happened, so many times as fast. One writer for each data set sends every batch to a log table and
to two keyed ones, again when it got no answer, while readers scan live and look keys up. At half
of the events the process is killed and started again, with --kills more often, at random. In the
end all rows are compared with the files, as Weir scans them live and as PyIceberg reads the tables.
The exit code is 1 if an event is missing or there twice.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import random
import shutil
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.catalog.rest import RestCatalog
from service import ARROW, Client, Service

PROJECT = """
data: data
server: {port: 0}
streams:
  live.events:              # every event, appended
    columns: {data_set: string not null, number: long not null, event_time: timestamptz not null,
      user_id: long, item_id: long not null, event: string, value: float}
    event_time: event_time
    shard_key: item_id
    shards: 2
    flush: {interval: 500ms}
  live.users:               # the last event of each user
    columns: {data_set: string not null, user_id: long not null, number: long not null,
      event_time: timestamptz, item_id: long, event: string}
    primary_key: [data_set, user_id]
    merge: {engine: last_write, sequence: number}
    flush: {interval: 500ms}
  live.items:               # how many events each item has had
    columns: {data_set: string not null, item_id: long not null, event_time: timestamptz,
      events: long, value: float, last_at: timestamptz}
    primary_key: [data_set, item_id]
    event_time: event_time
    merge: {engine: aggregation, columns: {events: sum, value: sum, last_at: max}}
    flush: {interval: 500ms}
"""
STREAMS = ("live.events", "live.users", "live.items")


class DataSet(threading.Thread):
    """A data set's events in order of time, and who sends them."""

    BATCH = 2_000

    def __init__(self, path: Path, first: int) -> None:
        super().__init__(daemon=True)
        self.title = path.parent.name
        events = pq.read_table(path, columns=["event_time", "user_id", "item_id", "event", "value"])
        events = events.sort_by("event_time")
        text = events.column("event").cast(pa.string())
        events = events.set_column(events.schema.get_field_index("event"), "event", text)
        names = pa.array([self.title] * len(events))
        numbers = pa.array(np.arange(first, first + len(events)))
        self.events = events.add_column(0, "number", numbers).add_column(0, "data_set", names)
        at = events.column("event_time").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        self.times = at.to_numpy()
        self.span = max(1, int(self.times[-1] - self.times[0])) / 1e6
        self.acknowledged = 0
        self.sent_again = 0
        self.took = 0.0
        self.failure: Exception | None = None

    def begin(self, service: Service, speed: float) -> None:
        self.client, self.speed = Client(service), speed
        self.start()

    def run(self) -> None:
        try:
            self.replay()
        except Exception as error:
            self.failure = error

    def replay(self) -> None:
        started = time.monotonic()
        due_at = (self.times - self.times[0]) / 1e6 / self.speed
        sent, count = 0, len(self.events)
        for sequence in itertools.count():
            if sent == count:
                break
            now = time.monotonic() - started
            if due_at[sent] > now:
                time.sleep(min(due_at[sent] - now + 0.02, 1))
                continue
            end = min(int(np.searchsorted(due_at, now, "right")), sent + self.BATCH)
            batch = self.events.slice(sent, end - sent)
            for stream, rows in zip(STREAMS, (batch, users(batch), items(batch)), strict=True):
                if len(rows):
                    self.append(stream, rows, sequence)
            self.acknowledged = sent = end
        self.took = time.monotonic() - started

    def append(self, stream: str, rows: pa.Table, sequence: int) -> None:
        """Returns when the rows are acknowledged."""
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        headers = {
            "Content-Type": ARROW,
            "Weir-Producer-Id": self.title,
            "Weir-Producer-Sequence": str(sequence),
        }
        while True:
            try:
                self.client.request("POST", f"/v1/streams/{stream}", sink.getvalue(), headers)
                return
            except OSError:
                self.sent_again += 1
                time.sleep(0.02)


def users(events: pa.Table) -> pa.Table:
    columns = ["data_set", "user_id", "number", "event_time", "item_id", "event"]
    return events.select(columns).filter(pc.is_valid(events.column("user_id")))


def items(events: pa.Table) -> pa.Table:
    rows = events.select(["data_set", "item_id", "event_time", "value"])
    rows = rows.append_column("events", pa.array(np.ones(len(rows), np.int64)))
    return rows.append_column("last_at", rows.column("event_time"))


class Watcher(threading.Thread):
    """Scans live and looks up while the writers write."""

    def __init__(self, service: Service, sets: list[DataSet]) -> None:
        super().__init__(daemon=True)
        self.client, self.sets = Client(service), sets
        self.ended = threading.Event()
        self.scans = 0
        self.failure: str | None = None
        self.latest = 0

    def run(self) -> None:
        while not self.ended.wait(0.15):
            before = sum(each.acknowledged for each in self.sets)
            try:
                numbers = self.client.scan("live.events", "number").column("number").to_numpy()
            except OSError:
                continue
            self.scans += 1
            self.latest = len(numbers)
            if len(np.unique(numbers)) != len(numbers):
                self.failure = "a live scan has an event twice"
            if len(numbers) < before:
                self.failure = f"a live scan has {len(numbers)} of {before} acknowledged events"

    def look_up(self, each: DataSet) -> str:
        """The last event of the set's first user, in words."""
        users = each.events.column("user_id")
        if users.null_count == len(users):
            return ""
        user = pc.drop_null(users)[0].as_py()
        body = {"keys": [{"data_set": each.title, "user_id": user}]}
        answer = self.client.request("POST", "/v1/streams/live.users/lookup", json.dumps(body))
        row = json.loads(answer)["rows"][0]
        if row is None:
            return ""
        return f"user {user}: {row['event']} {row['item_id']} on {row['event_time'][:10]}"


def compare(sets: list[DataSet], read) -> list[tuple[str, int, int, bool]]:
    """By table: its name, how many rows it must have, how many it has, whether they are the same.

    :param read: makes a table of a stream's name and columns.
    """
    events = pa.concat_tables([each.events for each in sets])
    results = []

    def add(name: str, wanted: pa.Table, keys: list[str]) -> None:
        order = [(key, "ascending") for key in keys]
        found = read(name, wanted.column_names).select(wanted.column_names).cast(wanted.schema)
        same = found.sort_by(order).equals(wanted.sort_by(order))
        results.append((name, len(wanted), len(found), same))

    time_type = pa.timestamp("us", tz="UTC")
    place = events.schema.get_field_index("event_time")
    events = events.set_column(place, "event_time", events.column("event_time").cast(time_type))
    add("live.events", events, ["number"])
    latest = users(events).group_by(["data_set", "user_id"]).aggregate([("number", "max")])
    latest = pc.is_in(events.column("number"), latest.column("number_max"))
    columns = ["data_set", "user_id", "number", "event_time", "item_id", "event"]
    add("live.users", events.filter(latest).select(columns), ["number"])
    counts = items(events).group_by(["data_set", "item_id"])
    counts = counts.aggregate([("events", "sum"), ("last_at", "max")])
    counts = counts.select(["data_set", "item_id", "events_sum", "last_at_max"])
    add(
        "live.items",
        counts.rename_columns(["data_set", "item_id", "events", "last_at"]),
        ["data_set", "item_id"],
    )
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what weir demo wrote")
    parser.add_argument("--speed", type=float, help="times as fast (default: 3 s for each set)")
    parser.add_argument("--kills", type=int, default=1, help="how often the process is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the kills' moments")
    parser.add_argument("--weir", type=Path, default=Path(".build/release/weir"))
    options = parser.parse_args()
    bold, _, red, plain = colours()

    queries = json.loads((options.folder / "queries.json").read_text())
    names = sorted(query["table"].rsplit(".", 1)[0] for query in queries)
    paths = [options.folder / name / "events.parquet" for name in names]
    firsts = itertools.accumulate((pq.read_metadata(path).num_rows for path in paths), initial=0)
    sets = [DataSet(path, first) for path, first in zip(paths, firsts, strict=False)]
    total = sum(len(each.events) for each in sets)
    live = options.folder / "live"
    shutil.rmtree(live, ignore_errors=True)
    live.mkdir(parents=True)
    (live / "weir.yaml").write_text(PROJECT)
    service = Service(options.weir, live)
    print(f"\n{bold}Live: {total:,} events through the ingest server, one process, kill -9{plain}")
    started = time.monotonic()
    for each in sets:
        each.begin(service, options.speed or each.span / 3)
    watcher = Watcher(service, sets)
    watcher.start()

    def say(text: str) -> None:
        print(f"  {time.monotonic() - started:5.1f} s  {text}", flush=True)

    source = random.Random(options.seed)
    due = sorted([0.5, *(source.random() for _ in range(options.kills - 1))][: options.kills])
    next_line = 0.5
    while any(each.is_alive() for each in sets):
        time.sleep(0.005)
        acknowledged = sum(each.acknowledged for each in sets)
        if due and acknowledged >= total * due[0]:
            del due[0]
            service.kill()
            acknowledged = sum(each.acknowledged for each in sets)
            say(f"{red}kill -9{plain} with {acknowledged:,} events acknowledged")
            restarted = time.monotonic()
            service.start()
            took = time.monotonic() - restarted
            say(f"started again in {took:.2f} s; writers send again what was not answered")
        elif time.monotonic() - started > next_line:
            next_line += 1 if next_line < 8 else 10
            say(f"{acknowledged:>9,} acknowledged; a live scan saw {watcher.latest:,}")
    watcher.ended.set()
    watcher.join()
    for each in sets:
        if each.failure:
            raise each.failure
    say(f"{total:>9,} acknowledged")
    for each in sets:
        days, speed = each.span / 86_400, each.span / each.took
        print(
            f"  {each.title:<14} {len(each.events):>9,} events of {days:,.0f} days in "
            f"{each.took:.1f} s: {speed:,.0f} times as fast; {watcher.look_up(each)}"
        )
    again = sum(each.sent_again for each in sets)
    print(f"  {watcher.scans} live scans while they came; {again} requests had to be sent again")
    return report(sets, watcher, service)


def report(sets: list[DataSet], watcher: Watcher, service: Service) -> int:
    bold, green, red, plain = colours()
    failed = watcher.failure is not None
    if watcher.failure:
        print(f"  {red}{watcher.failure}{plain}")
    live = compare(sets, lambda name, columns: watcher.client.scan(name, ",".join(columns)))
    deadline = time.monotonic() + 60
    for stream in STREAMS:
        while json.loads(watcher.client.request("GET", f"/v1/streams/{stream}"))["lag_rows"]:
            if time.monotonic() > deadline:
                sys.exit(f"error: {stream} does not come into its table")
            time.sleep(0.05)
    catalog = RestCatalog("weir", uri=service.uri)

    def read(name: str, columns: list[str]) -> pa.Table:
        return catalog.load_table(name).scan(selected_fields=tuple(columns)).to_arrow()

    theirs = compare(sets, read)
    print(f"{bold}Every acknowledged event exactly once, compared row by row{plain}")
    print(f"  {'table':<14} {'expected':>10} {'live scan':>10} {'PyIceberg':>10}")
    for (name, wanted, found, same), (_, _, others, others_same) in zip(live, theirs, strict=True):
        right = same and others_same
        failed |= not right
        word = f"{green}equal{plain}" if right else f"{red}DIFFERENT{plain}"
        print(f"  {name:<14} {wanted:>10,} {found:>10,} {others:>10,}  {word}")
    service.stop()
    return 1 if failed else 0


def colours() -> tuple[str, str, str, str]:
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        return "\033[1m", "\033[32m", "\033[31m", "\033[0m"
    return "", "", "", ""


if __name__ == "__main__":
    sys.exit(main())
