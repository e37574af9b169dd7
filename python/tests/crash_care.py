# SPDX-License-Identifier: Apache-2.0
"""Who looks after the tables of a service from outside, killed at any moment, and who reads them.

`Carer` runs `weir table compact` and `weir table maintain` on the service's catalog while the
service writes, compacts and expires by itself; `Filler` runs `weir table backfill` on a column of
its own, and looks whether what any of them has filled is there; `Eraser` has the service erase
events.
`Foreigner` reads random snapshots by PyIceberg and by Weir, which must see the same rows.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from crash_clients import Client, GoneError
from crash_model import Events, Profiles
from crash_oracle import Filled
from pyiceberg.catalog.sql import SqlCatalog
from rest_server import BINARY

import weir

if TYPE_CHECKING:
    from crash_loop import Round

#: What a command may answer when others were faster, or the catalog's file was locked too long.
PASSING = (
    "retryable_conflict",
    "conflict",
    "somebody else",
    "others",
    "locked",
    "busy",
    "rewritten",
)


def is_there(catalog: SqlCatalog, name: str, snapshot: int) -> bool:
    return catalog.load_table(name).metadata.snapshot_by_id(snapshot) is not None


class Helper(Client):
    """Runs commands on the service's catalog; some are killed."""

    def __init__(self, loop: Round, name: str) -> None:
        super().__init__(loop, name)
        self.data = loop.server.folder / "data"

    def is_made(self, name: str) -> bool:
        namespace, _, table = name.partition(".")
        return any((self.data / namespace).glob(f"{table}-*/data"))

    def catalog(self) -> SqlCatalog:
        return SqlCatalog("default", uri=f"sqlite:///{self.data}/catalog.db")

    def run_command(self, words: list[str]) -> bool:
        """Whether the command came to its end and did its work."""
        running = subprocess.Popen(
            [str(BINARY), "table", *words, "--catalog", f"sqlite:{self.data}/catalog.db"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "WEIR_CATALOG": str(self.data)},
        )
        if self.source.random() < 0.4:
            time.sleep(self.source.expovariate(10))
            running.send_signal(signal.SIGKILL)
            running.communicate()
            self.loop.counts[f"killed: {words[0]}"] += 1
            return False
        _, errors = running.communicate(timeout=300)
        text = errors.decode(errors="replace")
        if running.returncode == 0:
            self.loop.counts[f"done: {words[0]}"] += 1
            return True
        if running.returncode == 1 and any(word in text for word in PASSING):
            self.loop.counts[f"given up: {words[0]}"] += 1
        else:
            self.loop.fail(f"{self.name}: {words} ended with {running.returncode}: {text[-2000:]}")
        return False


class Carer(Helper):
    """Compacts and maintains random tables."""

    def __init__(self, loop: Round, number: int) -> None:
        super().__init__(loop, f"carer-{number}")

    def work(self) -> None:
        while not self.loop.ended.is_set():
            table = self.source.choice(self.loop.tables)
            key = ",".join(table.key)
            words = self.source.choice(
                [
                    ["compact", table.name, "--trigger", "2"],
                    ["compact", table.name, "--full"],
                    ["compact", table.name, "--full", "--sort", key, "--memory", "1"],
                    ["maintain", table.name],
                ]
            )
            if self.is_made(table.name):
                self.run_command(words)
            time.sleep(self.source.expovariate(2))


class Filler(Helper):
    """Fills one column of events and profiles again and again, from a part of their rows.

    Nobody else fills it, but others fill other columns, compact, erase and write meanwhile.
    """

    def __init__(self, loop: Round, number: int) -> None:
        super().__init__(loop, f"filler-{number}")
        self.column = f"filled_{number}"
        self.numbers = np.random.default_rng([loop.seed, number])

    def work(self) -> None:
        oracle, file = self.loop.oracle, self.data.parent / f"{self.column}.parquet"
        while not self.loop.ended.is_set():
            time.sleep(self.source.expovariate(1))
            name = self.source.choice([Events.name, Profiles.name])
            if not self.is_made(name) or (rows := self.rows(name)) is None:
                continue
            self.compare(name)
            ids = rows.column("id").to_numpy()
            ids = ids[self.numbers.random(len(ids)) < self.source.choice([0.3, 0.9, 1.1])]
            with oracle.lock:
                job = oracle.filled.begin(name, self.column)
            values = oracle.filled.values(job, ids)
            pq.write_table(pa.table({"id": ids, self.column: values}), file)
            words = ["backfill", name, "--column", self.column, "--from", str(file), "--key", "id"]
            # Keyed rows are replaced, and have no value then.
            if self.run_command(words) and name == Events.name:
                with oracle.lock:
                    oracle.filled.end(name, self.column, job, ids)

    def rows(self, name: str) -> pa.Table | None:
        """The rows' ids and all columns that somebody has filled, or none when files expire."""
        with weir.connect(f"sqlite:{self.data}/catalog.db", warehouse=str(self.data)) as mine:
            table = mine.table(name)
            names = pa.schema(table.schema).names
            columns = [name for name in names if name.startswith("filled_")]
            if (snapshot := table.snapshot_id) is None:
                return None
            try:
                return table.scan(columns=["id", *columns]).to_arrow()
            except (OSError, weir.WeirError) as error:
                # Erasures take files from readers of other processes at once.
                if is_there(self.catalog(), name, snapshot):
                    raise AssertionError(f"{name}, snapshot {snapshot}: {error}") from error
                self.loop.counts["expired while read"] += 1
                return None

    def compare(self, name: str) -> None:
        filled = self.loop.oracle.filled
        with self.loop.oracle.lock:
            done = {key: list(jobs) for key, jobs in filled.done.items()}
        if (rows := self.rows(name)) is None:
            return
        with self.loop.oracle.lock:
            begun = dict(filled.begun)
        for column in rows.column_names[1:]:
            problem = Filled.compare(
                rows, column, begun.get((name, column), 0), done.get((name, column), [])
            )
            if problem:
                self.loop.fail(f"{name}: {problem}")
        self.loop.counts["filled columns compared"] += len(rows.column_names) - 1


class Eraser(Helper):
    """Has the service erase a few events that were acknowledged."""

    def __init__(self, loop: Round) -> None:
        super().__init__(loop, "eraser")

    def work(self) -> None:
        oracle = self.loop.oracle
        while not self.loop.ended.is_set():
            time.sleep(self.source.expovariate(0.3))
            with oracle.lock:
                if not oracle.event_counts:
                    continue
                writer, count = self.source.choice(sorted(oracle.event_counts.items()))
                first = writer << Events.WRITER_BITS
                ids = {first + self.source.randrange(count) for _ in range(5)}
                oracle.erasing |= ids
            where = f"id in ({', '.join(map(str, sorted(ids)))})"
            body = json.dumps({"where": where, "wait_ms": 100}).encode()
            try:
                answer = self.request("POST", f"/v1/streams/{Events.name}/erase", body)
            except GoneError:
                self.loop.counts["erasures in doubt"] += 1
                continue
            except AssertionError as error:
                if ": 409 " not in str(error):
                    raise
                self.loop.counts["given up: erase"] += 1
                continue
            with oracle.lock:
                oracle.erased |= ids
            state = "complete" if json.loads(answer)["complete"] else "with something left"
            self.loop.counts[f"erasures {state}"] += 1


class Foreigner(Helper):
    """Reads random snapshots of random tables, as PyIceberg and Weir show them."""

    def __init__(self, loop: Round) -> None:
        super().__init__(loop, "foreigner")

    def work(self) -> None:
        while not self.loop.ended.is_set():
            table = self.source.choice(self.loop.tables)
            if (self.data / "catalog.db").exists():
                self.compare(table.name, table.columns, list(table.key))
            time.sleep(self.source.expovariate(1))

    def compare(self, name: str, columns: list[str], key: list[str]) -> None:
        theirs = self.catalog()
        if not theirs.table_exists(name):
            return
        snapshots = theirs.load_table(name).metadata.snapshots
        if not snapshots:
            return
        # The current one more often than each of the others.
        chosen = self.source.choice([snapshots[-1], self.source.choice(snapshots)]).snapshot_id
        with weir.connect(f"sqlite:{self.data}/catalog.db", warehouse=str(self.data)) as mine:
            try:
                there = theirs.load_table(name).scan(snapshot_id=chosen).to_arrow()
                here = mine.table(name).scan(at=str(chosen)).to_arrow()
            except (OSError, ValueError, weir.WeirError) as error:
                if is_there(theirs, name, chosen):
                    raise AssertionError(f"{name}, snapshot {chosen}: {error}") from error
                self.loop.counts["expired while read"] += 1
                return
        left, right = (self.ordered(rows, columns, key, here) for rows in (there, here))
        if not left.equals(right):
            self.loop.fail(
                f"{name}, snapshot {chosen}: PyIceberg reads {left.num_rows} rows, "
                f"Weir {right.num_rows}, and they differ"
            )
        self.loop.counts["snapshots compared"] += 1

    @staticmethod
    def ordered(rows: pa.Table, columns: list[str], key: list[str], like: pa.Table) -> pa.Table:
        rows = rows.select(columns).cast(like.schema.empty_table().select(columns).schema)
        return rows.combine_chunks().sort_by([(name, "ascending") for name in key])
