# SPDX-License-Identifier: Apache-2.0
"""A storm of upserts and deletes, and what every snapshot of its tables holds by several readers.

Writers send rows to keyed tables while they flush. Then, for every snapshot of each table: Weir's
own scan, PyIceberg's, and Polars' (its own reader of data files and deletion vectors) must be the
rows of a naive replay of the log up to the offsets that the snapshot says it covers. During the
storm, too, the current snapshot is read by two of them.

By hand: `PYTHONPATH=python WEIR_LIBRARY=…/libWeirC.so python python/tests/storm.py --requests N`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import polars
import pyarrow as pa
from arrow_rows import rows_of
from crash_clients import ARROW, arrow_bytes, table_of
from crash_model import Items, Latest, Profiles, Table, Totals, project
from pyiceberg.catalog.rest import RestCatalog
from stream_server import StreamServer

import weir


def storm_tables() -> list[Table]:
    return [Profiles(keys=400), Latest(keys=60), Items(keys=300), Totals(keys=40)]


class Storm:
    """Writers of a service, and a reader beside them."""

    def __init__(self, server: StreamServer, tables: list[Table], seed: int) -> None:
        self.server, self.tables, self.seed = server, tables, seed
        self.lock = threading.Lock()
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.ended = threading.Event()

    def run(self, requests: int, writers: int) -> None:
        """Twice, so that there are snapshots between however slow the machine is."""
        for part in range(2):
            self.ended.clear()
            self._run(requests // (2 * writers), range(part * writers, (part + 1) * writers))

    def _run(self, requests: int, writers: range) -> None:
        threads = [
            threading.Thread(target=self._guarded, args=(self._write, number, requests))
            for number in writers
        ]
        reader = threading.Thread(target=self._guarded, args=(self._read,))
        for thread in [*threads, reader]:
            thread.start()
        for thread in threads:
            thread.join()
        self.ended.set()
        reader.join()
        for table in self.tables:
            self.server.wait_until_covered(table.name)

    def _guarded(self, work, *arguments) -> None:
        try:
            work(*arguments)
        except Exception:
            self.failures.append(traceback.format_exc())

    def _write(self, number: int, requests: int) -> None:
        source = random.Random(self.seed * 100 + number)
        for _ in range(requests):
            if self.failures:
                return
            table = source.choice(self.tables)
            with self.lock:
                rows = table.request(source, number, source.choice([1, 10, 60, 200]))
            body = arrow_bytes(table_of(table.schema, rows))
            status, _, answer = self.server.request(
                "POST", f"/v1/streams/{table.name}", body, {"Content-Type": ARROW}
            )
            assert status == 200, answer
            with self.lock:
                self.counts["rows sent"] += len(rows)

    def _read(self) -> None:
        """Reads the newest snapshot by two readers, as it comes."""
        source = random.Random(self.seed)
        theirs = RestCatalog("weir", uri=self.server.uri)
        with weir.connect(self.server.uri) as ours:
            while not self.ended.is_set() and not self.failures:
                table = source.choice(self.tables)
                found = theirs.load_table(table.name)
                snapshot = found.current_snapshot()
                if snapshot is None:
                    time.sleep(0.02)
                    continue
                rows = by_key(table, found.scan(snapshot_id=snapshot.snapshot_id).to_arrow())
                scan = ours.table(table.name).scan(at=snapshot.snapshot_id)
                assert by_key(table, scan.to_arrow()) == rows, (table.name, snapshot.snapshot_id)
                self.counts["snapshots read during the storm"] += 1

    def compare(self) -> None:
        """Compares every snapshot, by every reader."""
        catalog = RestCatalog("weir", uri=self.server.uri)
        with weir.connect(self.server.uri) as ours:
            for table in self.tables:
                replay = Replay(table, self._log(table))
                theirs = catalog.load_table(table.name)
                own = ours.table(table.name)
                for snapshot in theirs.metadata.snapshots:
                    number = snapshot.snapshot_id
                    offsets = snapshot.summary.additional_properties["weir.stream.offsets"]
                    wanted = replay.up_to(offsets)
                    found = {
                        "Weir": own.scan(at=number).to_arrow(),
                        "PyIceberg": theirs.scan(snapshot_id=number).to_arrow(),
                        "Polars": polars.scan_iceberg(
                            theirs, snapshot_id=number, reader_override="native"
                        )
                        .collect()
                        .to_arrow(),
                    }
                    for reader, data in found.items():
                        self._compare(f"{table.name} at {number}, {reader}", table, data, wanted)
                    self.counts["snapshots"] += 1
                    self.counts["rows compared"] += len(wanted) * len(found)
                assert len(theirs.metadata.snapshots) > 1

    def _compare(self, name: str, table: Table, data: pa.Table, wanted: dict) -> None:
        rows = by_key(table, data)
        wrong = [key for key in {**rows, **wanted} if rows.get(key) != wanted.get(key)]
        if wrong:
            key = wrong[0]
            self.failures.append(
                f"{name}: {len(wrong)} of {len(wanted)} rows differ, such as {key}: "
                f"{rows.get(key)} instead of {wanted.get(key)}"
            )

    def _log(self, table: Table) -> pa.Table:
        """All rows that came, in the order of each shard's log."""
        status, _, answer = self.server.request(
            "GET",
            f"/v1/streams/{table.name}?from=earliest&follow=false",
            None,
            {"Accept": ARROW},
        )
        assert status == 200, answer
        return pa.ipc.open_stream(answer).read_all()


class Replay:
    """A naive replay of a log, whose positions only grow."""

    def __init__(self, table: Table, log: pa.Table) -> None:
        self.table = table
        columns = [*table.schema.names, "_shard", "_offset"]
        self.rows: dict[int, list[dict]] = {}
        for row in sorted(rows_of(log, columns), key=lambda row: (row["_shard"], row["_offset"])):
            shard, offset = row.pop("_shard"), row.pop("_offset")
            rows = self.rows.setdefault(shard, [])
            assert offset == len(rows), "the log does not begin at its first row, or has a gap"
            row = {name: value for name, value in row.items() if value is not None}
            rows.append({**row, "_op": row.get("_op", 0)})
        self.states: dict = {}
        self.position: dict[int, int] = {}

    def up_to(self, offsets: str) -> dict:
        """By key the rows of the table that covers these offsets, as `{"0": 17, "1": 4}`."""
        for shard, end in {int(k): v for k, v in json.loads(offsets).items()}.items():
            start = self.position.get(shard, 0)
            assert end >= start, "a snapshot covers less than the one before"
            for row in self.rows.get(shard, [])[start:end]:
                key = self.table.key_of(row)
                state = self.table.fold(self.states.get(key), row)
                if isinstance(self.table, Items):
                    state = self.table.compact(state)
                self.states[key] = state
            self.position[shard] = end
        rows = {key: self.table.row(state) for key, state in self.states.items()}
        return {key: row for key, row in rows.items() if row is not None}


def by_key(table: Table, data: pa.Table) -> dict:
    rows = rows_of(data, table.columns)
    result = {table.key_of(row): row for row in rows}
    assert len(result) == len(rows), f"{table.name}: a key is there twice"
    return result


def run(folder: Path, seed: int, requests: int, writers: int = 3, flush: str = "100ms") -> Counter:
    """:raises AssertionError: with the first differences."""
    # The plan is PyIceberg's; what is in the files Polars reads itself.
    os.environ.setdefault("POLARS_ICEBERG_PLANNER", "pyiceberg")
    tables = storm_tables()
    text = project(tables, flush=flush, shards=2)
    with StreamServer(folder / "project", project=text) as server:
        storm = Storm(server, tables, seed)
        storm.run(requests, writers)
        if not storm.failures:
            storm.compare()
        assert not storm.failures, "\n".join(storm.failures[:5])
        return storm.counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--flush", default="300ms", help="the interval of flushes")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        counts = run(Path(folder), options.seed, options.requests, flush=options.flush)
    for name, count in sorted(counts.items()):
        print(f"  {name:<36} {count:>12,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
