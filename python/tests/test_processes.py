# SPDX-License-Identifier: Apache-2.0
"""Reading in other processes, as PyTorch's data loaders do, and at the interpreter's end."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import pyarrow as pa
import pytest

import weir


def read_in_child(path: str, results) -> None:
    results.put((os.getpid(), pa.table(weir.read_parquet(path))["id"].to_pylist()))


def fail_in_child(path: str, results) -> None:
    try:
        weir.read_parquet(path)
    except weir.WeirError as error:
        results.put(error)


def use_parents_file(parquet: weir.ParquetFile, results) -> None:
    results.put(sum(batch.num_rows for batch in parquet.iter_batches()))


def drop_parents_writer(writer: weir.ParquetWriter, results) -> None:
    try:
        writer.close()
    except weir.InvalidArgumentError as error:
        results.put(str(error))


def run(context, target, argument):
    results = context.SimpleQueue()
    process = context.Process(target=target, args=(argument, results))
    process.start()
    process.join(60)
    hangs = process.is_alive()
    if hangs:
        process.kill()
    assert not hangs
    assert process.exitcode == 0
    return results.get()


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_children_read(method, file, rows):
    # The parent has read, and holds an open file.
    parquet = weir.ParquetFile(file)
    wanted = pa.table(parquet)["id"].to_pylist()
    context = multiprocessing.get_context(method)
    for _ in range(3):
        child, found = run(context, read_in_child, str(file))
        assert child != os.getpid()
        assert found == wanted
    assert pa.table(parquet).equals(rows)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_errors_come_back(method, tmp_path):
    error = run(multiprocessing.get_context(method), fail_in_child, str(tmp_path / "absent"))
    assert isinstance(error, weir.NotFoundError)


def test_a_forked_child_reads_the_parents_file(file):
    context = multiprocessing.get_context("fork")
    assert run(context, use_parents_file, weir.ParquetFile(file)) == 5_000


def test_a_forked_child_leaves_the_parents_writer_alone(rows, tmp_path):
    path = tmp_path / "out.parquet"
    with weir.ParquetWriter(path, rows.schema) as writer:
        writer.write(rows)
        context = multiprocessing.get_context("fork")
        assert "forked" in run(context, drop_parents_writer, writer)
        writer.write(rows)
    assert pa.table(weir.read_parquet(path)).num_rows == 10_000


def test_the_interpreters_end(file):
    """What is still alive then, consumed or not, must not crash it."""
    script = f"""
import weir
table = weir.read_parquet({str(file)!r})
stream = table.__arrow_c_stream__()
batches = iter(table)
arrays = next(batches).__arrow_c_array__()
cycle = [table, stream]
cycle.append(cycle)
writer = weir.ParquetWriter({str(file) + ".out"!r}, table.schema)
class Keeps:
    def __del__(self, table=table):
        table.__arrow_c_stream__()
kept = Keeps()
print("end")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
    assert sorted(os.listdir(file.parent)) == ["rows.parquet"]
