# SPDX-License-Identifier: Apache-2.0
"""Who looks after the tables of a service from outside, killed at any moment, and who reads them.

`Carer` runs `weir table compact` and `weir table maintain` on the service's catalog while the
service writes, compacts and expires by itself. `Foreigner` reads random snapshots by PyIceberg and
by Weir, which must see the same rows.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from crash_clients import Client
from pyiceberg.catalog.sql import SqlCatalog
from rest_server import BINARY

import weir

if TYPE_CHECKING:
    import pyarrow as pa
    from crash_loop import Round

#: What a command may answer when others were faster, or the catalog's file was locked too long.
PASSING = ("retryable_conflict", "conflict", "somebody else", "others", "locked", "busy")


class Carer(Client):
    """Runs one command after another on random tables; some are killed."""

    def __init__(self, loop: Round, number: int) -> None:
        super().__init__(loop, f"carer-{number}")
        self.data = loop.server.folder / "data"

    def work(self) -> None:
        while not self.loop.ended.is_set():
            table = self.source.choice(self.loop.tables)
            words = self.source.choice(
                [
                    ["compact", table.name, "--trigger", "2"],
                    ["compact", table.name, "--full"],
                    ["compact", table.name, "--full", "--sort", ",".join(table.key)],
                    ["maintain", table.name],
                ]
            )
            if self.is_made(table.name):
                self.run_command(words)
            time.sleep(self.source.expovariate(2))

    def is_made(self, name: str) -> bool:
        namespace, _, table = name.partition(".")
        return any((self.data / namespace).glob(f"{table}-*/data"))

    def run_command(self, words: list[str]) -> None:
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
            return
        _, errors = running.communicate(timeout=300)
        text = errors.decode(errors="replace")
        if running.returncode == 0:
            self.loop.counts[f"done: {words[0]}"] += 1
        elif running.returncode == 1 and any(word in text for word in PASSING):
            self.loop.counts[f"given up: {words[0]}"] += 1
        else:
            self.loop.fail(f"{self.name}: {words} ended with {running.returncode}: {text[-2000:]}")


class Foreigner(Client):
    """Reads random snapshots of random tables, as PyIceberg and Weir show them."""

    def __init__(self, loop: Round) -> None:
        super().__init__(loop, "foreigner")
        self.data = loop.server.folder / "data"

    def work(self) -> None:
        while not self.loop.ended.is_set():
            table = self.source.choice(self.loop.tables)
            if (self.data / "catalog.db").exists():
                self.compare(table.name, table.columns, list(table.key))
            time.sleep(self.source.expovariate(1))

    def compare(self, name: str, columns: list[str], key: list[str]) -> None:
        theirs = SqlCatalog("default", uri=f"sqlite:///{self.data}/catalog.db")
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
                if self.is_there(theirs, name, chosen):
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
    def is_there(catalog: SqlCatalog, name: str, snapshot: int) -> bool:
        return catalog.load_table(name).metadata.snapshot_by_id(snapshot) is not None

    @staticmethod
    def ordered(rows: pa.Table, columns: list[str], key: list[str], like: pa.Table) -> pa.Table:
        rows = rows.select(columns).cast(like.schema.empty_table().select(columns).schema)
        return rows.combine_chunks().sort_by([(name, "ascending") for name in key])
