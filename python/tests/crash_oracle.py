# SPDX-License-Identifier: Apache-2.0
"""What a service must hold after what was sent to it and what was acknowledged."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pyarrow as pa
from arrow_rows import rows_of
from crash_model import Events, Items, Profiles, Table, check_of
from pyiceberg.catalog.rest import RestCatalog

ARROW = "application/vnd.apache.arrow.stream"


class Filled:
    """What backfills gave to columns: a value tells its row and the job that it is from."""

    JOB_BITS = 32
    _MODULUS = 1_000_003

    def __init__(self) -> None:
        #: By table and column, how many jobs were begun.
        self.begun: dict[tuple[str, str], int] = {}
        #: By table and column, the ids of each job that came to its end.
        self.done: dict[tuple[str, str], list[tuple[int, np.ndarray]]] = {}

    def begin(self, table: str, column: str) -> int:
        """The number of a new job, from 1."""
        number = self.begun[table, column] = self.begun.get((table, column), 0) + 1
        return number

    def end(self, table: str, column: str, job: int, ids: np.ndarray) -> None:
        self.done.setdefault((table, column), []).append((job, ids))

    @classmethod
    def values(cls, job: int, ids: np.ndarray) -> np.ndarray:
        return (job << cls.JOB_BITS) + ids % cls._MODULUS

    @classmethod
    def compare(
        cls, rows: pa.Table, column: str, begun: int, done: list[tuple[int, np.ndarray]]
    ) -> str | None:
        """What is wrong with a column: values of other rows, or jobs that it has lost.

        :param rows: in any order, each id once.
        :param begun: jobs that were begun before the rows were read, or while.
        :param done: jobs that had ended before the rows were read; they are of rows that are never
            replaced.
        """
        order = np.argsort(rows.column("id").to_numpy())
        ids = rows.column("id").to_numpy()[order]
        values = rows.column(column).fill_null(0).to_numpy()[order]
        jobs = values >> cls.JOB_BITS
        if jobs.max(initial=0) > begun:
            return f"{column} has values of job {jobs.max()}, but {begun} were begun"
        if not np.array_equal(values, np.where(jobs > 0, cls.values(jobs, ids), 0)):
            return f"{column} has values of other rows"
        for job, filled in done:
            places = np.searchsorted(ids, filled)
            places[places == len(ids)] = 0
            is_there = ids[places] == filled if len(ids) else np.zeros(len(filled), bool)
            lost = filled[is_there & (jobs[places] < job)] if len(ids) else filled[:0]
            if len(lost):
                return f"{column} has lost what job {job} gave to {len(lost)} rows: {lost[:10]}"
        return None


class Oracle:
    """A naive replay. Use it under `lock`."""

    def __init__(self, tables: list[Table]) -> None:
        self.lock = threading.Lock()
        self.tables = tables
        self.events: Events = next(table for table in tables if isinstance(table, Events))
        #: By writer, how many of its events are acknowledged; they are numbered from 0.
        self.event_counts: dict[int, int] = {}
        self.states: dict[str, dict] = {table.name: {} for table in tables}
        #: What each writer has sent and not been told of.
        self.pending: dict[int, tuple[Table, list[dict]]] = {}
        self.letters: dict[int, list[bytes]] = {}
        self.acknowledged_letters: set[bytes] = set()
        #: By key of `Profiles`, the greatest version of a delete that was sent.
        self.newest_delete: dict[int, int] = {}
        #: Events that somebody began to erase, and those of them that are told to be erased.
        self.erasing: set[int] = set()
        self.erased: set[int] = set()
        self.filled = Filled()

    def begin(self, writer: int, table: Table, rows: list[dict]) -> None:
        self.pending[writer] = (table, rows)
        if isinstance(table, Profiles):
            for row in rows:
                if row["_op"]:
                    known = self.newest_delete.get(row["id"], 0)
                    self.newest_delete[row["id"]] = max(known, row["version"])

    def acknowledge(self, writer: int) -> None:
        table, rows = self.pending.pop(writer)
        self.acknowledged_letters |= set(self.letters.pop(writer, []))
        if isinstance(table, Events):
            self.event_counts[writer] = self.event_counts.get(writer, 0) + len(rows)
            return
        states = self.states[table.name]
        for row in rows:
            key = table.key_of(row)
            states[key] = table.fold(states.get(key), row)
        if isinstance(table, Items):
            for row in rows:
                key = table.key_of(row)
                states[key] = table.compact(states[key])

    def fits(self, ids: np.ndarray, checks: np.ndarray) -> bool:
        """Whether these are events that writers sent, as they sent them."""
        writers = ids >> Events.WRITER_BITS
        numbers = ids & ((1 << Events.WRITER_BITS) - 1)
        if not np.array_equal(_check_of(ids), checks):
            return False
        with self.lock:
            sent = dict(self.events.sent)
        return all(
            numbers[writers == writer].max(initial=-1) < sent.get(writer, 0)
            for writer in np.unique(writers).tolist()
        )

    def compare_events(
        self,
        data: pa.Table,
        *,
        at_least: dict[int, int],
        at_most: dict[int, int],
        erased: set[int],
        erasing: set[int],
    ) -> str | None:
        """What is wrong with the events of a scan: all below `at_least`, none from `at_most` on.

        None of `erased` may be there, and those of `erasing` need not.
        """
        ids = data.column("id").to_numpy()
        if erased and np.isin(ids, list(erased)).any():
            return f"{np.isin(ids, list(erased)).sum()} events that were erased are there"
        if not np.array_equal(_check_of(ids), data.column("check").to_numpy()):
            return "events have other values than they were sent with"
        writers = ids >> Events.WRITER_BITS
        numbers = ids & ((1 << Events.WRITER_BITS) - 1)
        if unknown := set(np.unique(writers).tolist()) - set(at_most):
            return f"events of writers {unknown} that sent none"
        for writer, limit in at_most.items():
            found, counts = np.unique(numbers[writers == writer], return_counts=True)
            if len(counts) and counts.max() > 1:
                twice = found[counts > 1]
                return f"{len(twice)} events of writer {writer} are there twice: {twice[:10]}"
            if len(found) and found[-1] >= limit:
                return f"event {found[-1]} of writer {writer}, which sent {limit}"
            known = at_least.get(writer, 0)
            lost = np.setdiff1d(np.arange(known), found)
            first = writer << Events.WRITER_BITS
            lost = [number for number in lost.tolist() if first + number not in erasing]
            if lost:
                return (
                    f"{len(lost)} of {known} acknowledged events of writer {writer} are lost: "
                    f"{lost[:10]}"
                )
        return None

    def possible_rows(self, table: Table) -> tuple[dict, dict]:
        """By key the row that must be there, and for keys in doubt all rows that may be there."""
        states = self.states[table.name]
        certain = {key: table.row(state) for key, state in states.items()}
        doubts: dict = {}
        for writer, (other, rows) in sorted(self.pending.items()):
            if other is table:
                for row in rows:
                    doubts.setdefault(table.key_of(row), {}).setdefault(writer, []).append(row)
        possible = {}
        for key, by_writer in doubts.items():
            certain.pop(key, None)
            possible[key] = []
            for size in range(len(by_writer) + 1):
                for chosen in itertools.combinations(by_writer.values(), size):
                    state = states.get(key)
                    for row in itertools.chain(*chosen):
                        state = table.fold(state, row)
                    possible[key].append(table.row(state))
        return {key: row for key, row in certain.items() if row is not None}, possible

    def compare(self, table: Table, rows: list[dict]) -> str | None:
        """What is wrong with the rows of a keyed table, read while no writer sends."""
        found = {}
        for row in rows:
            key = table.key_of(row)
            if key in found:
                return f"key {key} is there twice: {found[key]}, {row}"
            found[key] = row
        certain, possible = self.possible_rows(table)
        for key, allowed in possible.items():
            row = found.pop(key, None)
            if row not in allowed:
                return f"key {key} is {row}, which is none of {allowed}"
        if found != certain:
            wrong = [k for k in {**found, **certain} if found.get(k) != certain.get(k)]
            key = wrong[0]
            return (
                f"{len(wrong)} of {len(certain)} rows are wrong, such as {key}: "
                f"{found.get(key)} instead of {certain.get(key)}"
            )
        return None


def _check_of(ids: np.ndarray) -> np.ndarray:
    # In two steps: the product of all digits needs more than 64 bits.
    low = ids % 1_000_000_007
    return (low * check_of(1)) % 1_000_000_007


def check_everything(server, oracle: Oracle) -> list[str]:
    """What is wrong with live scans and lookups of all tables, while no writer sends."""
    problems = []
    with oracle.lock:
        for table in oracle.tables:
            data = scan(server, table.name)
            problem = _compare(oracle, table, data)
            if problem:
                problems.append(f"{table.name}, a live scan: {problem}")
        letters = scan(server, f"{Events.name}_dead_letters")
        problem = _compare_letters(oracle, letters)
        if problem:
            problems.append(problem)
    return problems


def check_iceberg(server, oracle: Oracle) -> list[str]:
    """What is wrong with the tables as PyIceberg reads them, when they hold everything."""
    problems = []
    catalog = RestCatalog("weir", uri=server.uri)
    for table in oracle.tables:
        data = catalog.load_table(table.name).scan().to_arrow()
        problem = _compare(oracle, table, data)
        if problem:
            problems.append(f"{table.name}, read by PyIceberg: {problem}")
    return problems


def _compare(oracle: Oracle, table: Table, data: pa.Table) -> str | None:
    if not isinstance(table, Events):
        return oracle.compare(table, rows_of(data, table.columns))
    problem = oracle.compare_events(
        data,
        at_least=oracle.event_counts,
        at_most=oracle.events.sent,
        erased=oracle.erased,
        erasing=oracle.erasing,
    )
    if problem:
        return problem
    # The values, too, of some.
    step = max(1, data.num_rows // 1_000)
    for row in rows_of(data.take(list(range(0, data.num_rows, step))), table.columns):
        if row != oracle.events.expected(row["id"]):
            return f"an event is {row} instead of {oracle.events.expected(row['id'])}"
    return None


def _compare_letters(oracle: Oracle, data: pa.Table) -> str | None:
    found = data.column("bytes").to_pylist()
    if len(set(found)) != len(found):
        return "a dead letter is there twice"
    in_doubt = {line for lines in oracle.letters.values() for line in lines}
    if lost := oracle.acknowledged_letters - set(found):
        return f"{len(lost)} dead letters are lost, such as {lost.pop()!r}"
    if unknown := set(found) - oracle.acknowledged_letters - in_doubt:
        return f"dead letters that nobody sent, such as {unknown.pop()!r}"
    return None


def scan(server, table: str, query: str = "") -> pa.Table:
    """All rows; waits while the stream asks to come again, for its key index is being rebuilt."""
    deadline = time.monotonic() + 60
    while True:
        status, _, answer = server.request(
            "GET", f"/v1/streams/{table}/scan{query}", None, {"Accept": ARROW}, timeout=120
        )
        if status != 429 or time.monotonic() > deadline:
            assert status == 200, answer
            return pa.ipc.open_stream(answer).read_all()
        time.sleep(0.1)
