# SPDX-License-Identifier: Apache-2.0
"""One measurement of benchmarks/formats.py, in a process of its own, pinned to one core.

    python benchmarks/format_work.py JOB      the job and the result are JSON

A job names a format, the work, the file, its source in Arrow's file format, columns and rows. The
work is done once uncounted (it faults memory in) and once counted; short ones many times. Times are
the process's CPU seconds, all threads together. Runs with the peers' Python or Weir's.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from format_tensors import CHUNK_ROWS, TENSOR_ROWS, kinds_of, parts_of, tensor_rows, tensors_of

ROW_GROUP = 65_536


class Format:
    """How a library writes, scans and takes rows; as its documents advise."""

    def __init__(self, path: str) -> None:
        self.path = path

    def write(self, table: pa.Table) -> None:
        raise NotImplementedError

    def open(self) -> Any:
        raise NotImplementedError

    def batches(self, handle: Any, columns: list[str] | None, rows: int) -> Iterator:
        raise NotImplementedError

    def take(self, handle: Any, rows: np.ndarray, columns: list[str] | None) -> pa.Table:
        raise NotImplementedError

    def tensors(self, handle: Any, columns: list[str], unique: bool) -> int:
        """Makes tensors of all rows, 4,096 at a time; returns how many rows."""
        return tensor_rows(self.batches(handle, columns, CHUNK_ROWS))


class Weir(Format):
    profile = "fast"

    def write(self, table: pa.Table) -> None:
        import weir

        weir.write_file(table, self.path, profile=self.profile)

    def open(self) -> Any:
        import weir

        return weir.open_file(self.path, memory_map=True)

    def batches(self, handle: Any, columns: list[str] | None, rows: int) -> Iterator:
        # Batches of its own size, as with the others, but for tensors.
        size = None if rows == ROW_GROUP else rows
        return map(pa.record_batch, handle.iter_batches(columns=columns, batch_rows=size))

    def tensors(self, handle: Any, columns: list[str], unique: bool) -> int:
        """Numbers side by side are Weir's own matrices; the others come through Arrow, as ever.

        With `unique`, lists that repeat are dictionaries: the lists, and each row's number of one.
        """
        rows, kinds = 0, None
        for some in handle.iter_batches(columns, batch_rows=CHUNK_ROWS, unique_lists=unique):
            batch = pa.record_batch(some)
            kinds = kinds or kinds_of(batch.schema)
            arrays = {name: parts_of(batch[name]) for name in kinds[2]}
            arrays["dense"] = some.matrix(kinds[0])
            arrays["ids"] = some.matrix(kinds[1], dtype="int64")
            for start in range(0, len(some), TENSOR_ROWS):
                tensors_of(arrays, start, min(start + TENSOR_ROWS, len(some)))
            rows += len(some)
        return rows

    def take(self, handle: Any, rows: np.ndarray, columns: list[str] | None) -> pa.Table:
        return pa.table(handle.read(columns=columns, rows=rows))


class WeirCompact(Weir):
    profile = "compact"


class Parquet(Format):
    """Zstd, dictionaries and a page index; a take reads the row groups that have its rows."""

    def write(self, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        pq.write_table(
            table,
            self.path,
            compression="zstd",
            row_group_size=ROW_GROUP,
            use_dictionary=True,
            write_page_index=True,
        )

    def open(self) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.path, memory_map=True)

    def batches(self, handle: Any, columns: list[str] | None, rows: int) -> Iterator:
        return handle.iter_batches(batch_size=rows, columns=columns, use_threads=False)

    def take(self, handle: Any, rows: np.ndarray, columns: list[str] | None) -> pa.Table:
        groups, parts = rows // ROW_GROUP, []
        for group in np.unique(groups).tolist():
            within = pa.array(rows[groups == group] - group * ROW_GROUP)
            whole = handle.read_row_group(group, columns=columns, use_threads=False)
            parts.append(whole.take(within))
        return pa.concat_tables(parts)


class Lance(Format):
    def write(self, table: pa.Table) -> None:
        import lance

        lance.write_dataset(table, self.path, data_storage_version="2.2")

    def open(self) -> Any:
        import lance

        return lance.dataset(self.path)

    def batches(self, handle: Any, columns: list[str] | None, rows: int) -> Iterator:
        # Lance is fastest with batches of its default size, but for tensors.
        return handle.to_batches(columns=columns, batch_size=min(rows, CHUNK_ROWS))

    def take(self, handle: Any, rows: np.ndarray, columns: list[str] | None) -> pa.Table:
        return handle.take(rows, columns=columns)


class Vortex(Format):
    def write(self, table: pa.Table) -> None:
        import vortex

        vortex.io.write(table.to_reader(ROW_GROUP), self.path)

    def open(self) -> Any:
        import vortex

        return vortex.open(self.path, memory_map=True)

    def batches(self, handle: Any, columns: list[str] | None, rows: int) -> Iterator:
        # Its own batches but for tensors: cutting them anew would cost.
        return iter(handle.to_arrow(columns, batch_size=None if rows == ROW_GROUP else rows))

    def take(self, handle: Any, rows: np.ndarray, columns: list[str] | None) -> pa.Table:
        import vortex

        index = vortex.array(pa.array(rows, pa.uint64()))
        return handle.to_arrow(columns, indices=index).read_all()


class VortexCompact(Vortex):
    def write(self, table: pa.Table) -> None:
        import vortex

        options = vortex.io.VortexWriteOptions.compact()
        options.write(table.to_reader(ROW_GROUP), self.path)


FORMATS: dict[str, type[Format]] = {
    "weir": Weir,
    "weir_compact": WeirCompact,
    "parquet": Parquet,
    "lance": Lance,
    "vortex": Vortex,
    "vortex_compact": VortexCompact,
}


def files_of(path: str) -> list[str]:
    if os.path.isfile(path):
        return [path]
    return [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]


def warm(path: str) -> None:
    for name in files_of(path):
        with open(name, "rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


def cool(path: str) -> None:
    """Lets the kernel forget the file's pages."""
    for name in files_of(path):
        with open(name, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident_mb() -> float:
    """Memory of this process that no file backs."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


def differing(source: str, rows: np.ndarray, taken: pa.Table) -> list[str]:
    """Names of columns that differ from the source at these rows."""
    wrong = []
    file = pa.ipc.open_file(pa.memory_map(source))
    table = pa.Table.from_batches([file.get_batch(i) for i in range(file.num_record_batches)])
    for name in taken.column_names:
        chunks, at = table[name].chunks, 0
        parts = []
        for chunk in chunks:
            here = rows[(rows >= at) & (rows < at + len(chunk))] - at
            parts.append(chunk.take(pa.array(here)))
            at += len(chunk)
        expected = pa.chunked_array(parts).combine_chunks()
        got = taken[name].combine_chunks()
        if got.type != expected.type:
            got = got.cast(expected.type)
        if not got.equals(expected):
            wrong.append(name)
    return wrong


class Work:
    """The works, by name. Each gives the function that is measured; it returns rows."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.format = FORMATS[job["format"]](job["path"])
        self.columns: list[str] | None = job.get("columns")

    def write(self) -> Callable[[], int]:
        path = self.job["path"]
        shutil.rmtree(path) if os.path.isdir(path) else Path(path).unlink(missing_ok=True)
        table = pa.ipc.open_file(pa.memory_map(self.job["source"])).read_all()

        def work() -> int:
            self.format.write(table)
            return table.num_rows

        return work

    def scan(self) -> Callable[[], int]:
        def work() -> int:
            batches = self.format.batches(self.format.open(), self.columns, ROW_GROUP)
            return sum(batch.num_rows for batch in batches)

        return work

    def tensors(self) -> Callable[[], int]:
        import torch

        torch.set_num_threads(1)
        columns, unique = self.columns or [], self.job.get("unique", False)
        return lambda: self.format.tensors(self.format.open(), columns, unique)

    def take(self) -> Callable[[], int]:
        rows = np.asarray(self.job["rows"], np.int64)
        if self.job.get("check"):
            some = rows[:500]
            taken = self.format.take(self.format.open(), some, self.columns)
            wrong = differing(self.job["source"], some, taken)
            if wrong:
                raise ValueError(f"other values than were written: {wrong[:4]}")
        return lambda: self.format.take(self.format.open(), rows, self.columns).num_rows

    def take_small(self) -> Callable[[], int]:
        handle, sets = self.format.open(), iter(self.job["sets"])
        sets = [np.asarray(rows, np.int64) for rows in sets]
        number = iter(range(1 << 30))

        def work() -> int:
            rows = sets[next(number) % len(sets)]
            return self.format.take(handle, rows, self.columns).num_rows

        return work


def measure(job: dict[str, Any]) -> dict[str, Any]:
    if job["core"] is not None:
        os.sched_setaffinity(0, {job["core"]})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    what, path = job["work"], job["path"]
    work = getattr(Work(job), what)()
    if what == "write":
        warm(job["source"])
    elif job.get("cold"):
        cool(path)
    else:
        warm(path)
    result: dict[str, Any] = {"start": time.monotonic(), "resident_mb": resident_mb()}
    times, walls, limit = [], [], 1 if what == "write" or job.get("cold") else 2
    while True:
        cpu, wall = time.process_time(), time.perf_counter()
        result["rows"] = work()
        times.append(time.process_time() - cpu)
        walls.append(time.perf_counter() - wall)
        # Short works again and again: at most 60 times, at most a second in all.
        if len(times) >= limit and (limit == 1 or sum(walls[1:]) > 1 or len(times) > 60):
            break
    counted = slice(0 if len(times) == 1 else 1, None)
    result["cpu"] = statistics.median(times[counted])
    result["wall"] = statistics.median(walls[counted])
    result["first_wall"] = walls[0]
    result["size"] = sum(map(os.path.getsize, files_of(path)))
    return result


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.stdin.read()))), flush=True)
    # Nothing of a library's long good-bye belongs to the measurement.
    os._exit(0)
