# SPDX-License-Identifier: Apache-2.0
"""Tables compacted and filled by a Ray cluster of several workers, some of which are killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.table import StaticTable
from stream_server import StreamServer
from test_examples import PROJECT, append, examples, history, text
from test_examples import backfill as backfill_in_service
from test_table_cli import BINARY, Lake

import weir

if TYPE_CHECKING:
    from collections.abc import Iterator

ray = pytest.importorskip("ray")
import weir.ray  # noqa: E402

ROWS = 4_000
FILES = 6


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=3, log_to_driver=False, include_dashboard=False)
    yield
    ray.shutdown()


def filled(folder: Path) -> weir.CatalogTable:
    """A table of four partitions, each of six files; a tenth of the rows is deleted."""
    catalog = weir.connect(folder / "lake")
    catalog.create_namespace("n", exist_ok=True)
    schema = pa.schema([("id", pa.int64()), ("part", pa.int32()), ("text", pa.string())])
    table = catalog.create_table("n.t", schema, partition=["part"])
    for number in range(FILES):
        ids = range(number * ROWS, (number + 1) * ROWS)
        columns = [list(ids), [i % 4 for i in ids], [f"row {i}" for i in ids]]
        table.append(pa.table(dict(zip(schema.names, columns)), schema=schema))
    table.delete(f"id < {FILES * ROWS // 10}")
    return table


def ids(table: weir.CatalogTable) -> list[int]:
    location = table.refresh().metadata_location
    found = StaticTable.from_metadata(str(location)).scan().to_arrow()["id"].to_pylist()
    mine = table.scan(columns=["id"]).to_arrow()["id"].to_pylist()
    assert sorted(found) == sorted(mine)
    return sorted(mine)


@contextmanager
def one_killed(function: str) -> Iterator[None]:
    """Kills the first process that is seen at work on a task of this name."""
    done, killed = threading.Event(), []
    killer = threading.Thread(target=kill_one, args=(function, done, killed))
    killer.start()
    try:
        yield
    finally:
        done.set()
        killer.join()
    assert killed


def kill_one(function: str, done: threading.Event, killed: list[int]) -> None:
    while not done.is_set() and not killed:
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                title = (folder / "cmdline").read_bytes()
                if title.startswith(b"ray::" + function.encode()):
                    os.kill(int(folder.name), signal.SIGKILL)
                    killed.append(int(folder.name))
                    return
            except OSError:
                continue


def test_groups_are_tasks_and_a_worker_may_die(tmp_path: Path, cluster: None) -> None:
    table = filled(tmp_path)
    before = ids(table)
    plan = table.plan_compaction()
    assert len(plan["groups"]) == 4
    assert plan["files"] == 4 * FILES
    with one_killed("_compact_group"):
        result = weir.ray.compact(tmp_path / "lake", "n.t", sort=["id"], tasks=3)
    # A task whose worker was killed between its commit and its answer finds nothing left to do.
    assert result["groups"] in (3, 4)
    assert ids(table) == before == list(range(FILES * ROWS // 10, FILES * ROWS))
    assert table.refresh().inspect.files().count() == 4
    assert weir.ray.compact(tmp_path / "lake", "n.t") == {}


def test_errors_are_those_of_the_library(tmp_path: Path, cluster: None) -> None:
    filled(tmp_path)
    with pytest.raises(weir.NotFoundError, match=r"n\.other"):
        weir.ray.compact(tmp_path / "lake", "n.other")
    with pytest.raises(weir.WeirError, match="idd"):
        weir.ray.compact(tmp_path / "lake", "n.t", sort=["idd"])
    with pytest.raises(weir.InvalidArgumentError, match="tasks"):
        weir.ray.compact(tmp_path / "lake", "n.t", tasks=0)
    with pytest.raises(weir.InvalidArgumentError, match="memory"):
        weir.ray.compact("memory:", "n.t")
    with pytest.raises(weir.NotFoundError, match="did you mean id"):
        weir.ray.backfill(tmp_path / "lake", "n.t", "x", pa.table({"id": [1], "x": [2]}), key="idd")
    with pytest.raises(weir.WeirError, match="new column"):
        weir.ray.backfill(tmp_path / "lake", "n.t", "id", value="id + 1")
    assert "x" not in weir.connect(tmp_path / "lake").table("n.t").schema.names


@pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")
def test_the_command_joins_a_cluster(tmp_path: Path, cluster: None) -> None:
    table = filled(tmp_path)
    lake = Lake(tmp_path)
    python = {**os.environ, "WEIR_PYTHON": sys.executable, "WEIR_CATALOG": str(tmp_path / "lake")}

    def compact(*words: str) -> str:
        return lake.run("compact", "n.t", "--engine", "ray", *words, **python).stdout

    assert json.loads(compact("--dry-run", "--json"))["groups"] == 4
    joined = ("--address", ray.get_runtime_context().gcs_address, "--tasks", "2")
    assert "into 4" in compact(*joined, "--full")
    assert json.loads(compact(*joined, "--json")) == {}
    assert len(ids(table)) == FILES * ROWS * 9 // 10
    done = lake.run("compact", "n.t", "--engine", "ray", "--sort", "idd", code=1, **python)
    assert "idd" in done.stderr
    assert "Traceback" not in done.stderr
    assert "--engine ray" in lake.error("compact", "n.t", "--tasks", "2", code=64)


LIVE = range(FILES * ROWS // 10, FILES * ROWS)


def values(table: weir.CatalogTable, column: str) -> dict[int, object]:
    """By id, as Weir reads them."""
    found = table.refresh().scan(columns=["id", column]).to_arrow()
    return dict(zip(found["id"].to_pylist(), found[column].to_pylist()))


def seen_by_pyiceberg(table: weir.CatalogTable, column: str) -> dict[int, object]:
    location = str(table.refresh().metadata_location)
    found = StaticTable.from_metadata(location).scan(selected_fields=("id", column)).to_arrow()
    return dict(zip(found["id"].to_pylist(), found[column].to_pylist()))


def test_parts_are_tasks_and_a_worker_may_die(tmp_path: Path, cluster: None) -> None:
    lake = tmp_path / "lake"
    table = filled(tmp_path)
    scores = pa.table({"id": range(0, FILES * ROWS, 2), "score": range(FILES * ROWS // 2)})
    with one_killed("_fill_part"):
        done = weir.ray.backfill(lake, "n.t", "score", scores, key="id", tasks=3)
    wanted = {i: i // 2 if i % 2 == 0 else None for i in LIVE}
    assert values(table, "score") == wanted
    assert (done["rows"], done["rows_without_value"]) == (len(LIVE), len(LIVE) // 2)
    assert (done["parts"], done["source_rows"]) == (3, scores.num_rows)
    assert done["added_column"]
    # A commit for each part, whatever was killed.
    assert len(set(done["snapshot_ids"])) == 3
    assert table.inspect.snapshots().count() == FILES + 1 + 3
    assert done["column_files"] == 4 * FILES

    computed = {"value": "id * 2 + part", "where": "part <> 3"}
    done = weir.ray.backfill(lake, "n.t", "double", **computed, tasks=2)
    wanted = {i: 2 * i + i % 4 if i % 4 != 3 else None for i in LIVE}
    assert values(table, "double") == wanted
    assert done["parts"] == 2 * weir.ray.PARTS_OF_A_TASK
    assert done["rows"] == len(LIVE)
    assert done["source_rows"] == sum(i % 4 != 3 for i in LIVE)

    # As one process fills it, and as others see it once it is compacted.
    table.backfill("here", **computed)
    assert values(table, "here") == wanted
    table.compact(full=True)
    assert seen_by_pyiceberg(table, "double") == wanted


def test_parts_follow_rows_and_take_place_once(tmp_path: Path) -> None:
    table = filled(tmp_path)
    parts = table.plan_backfill(4)
    # Files of a partition belong together.
    for number, part in enumerate(parts):
        assert len(part["files"]) == FILES
        assert all(f"part={number}/" in path for path in part["files"])
    scores = pa.table({"id": range(FILES * ROWS + 10), "score": range(FILES * ROWS + 10)})

    def fill(part: dict) -> dict:
        return table.backfill("score", scores, key="id", part=part)

    first, *middle, last = parts
    done = fill(first)
    assert done["added_column"]
    # Others rewrite all files, add rows, remove some, and fill the column with something else.
    table.compact(full=True)
    new = {"id": [FILES * ROWS + 1], "part": pa.array([3], pa.int32()), "text": ["x"]}
    table.append(pa.table(new))
    table.delete("id >= 9000 and id < 9100")
    for part in middle:
        assert not fill(part)["added_column"]
    others = {i: -i for i in LIVE if i % 1000 < 4}
    ids_, values_ = list(others), list(others.values())
    table.backfill("score", pa.table({"id": ids_, "score": values_}), key="id")
    # Whoever was killed after the commit hears of it, and changes nothing.
    before = table.refresh().snapshot_id
    assert {**fill(first), "added_column": True} == done
    assert fill(middle[0])["rows"] == FILES * ROWS // 4 * 9 // 10
    assert table.refresh().snapshot_id == before
    table.compact(full=True)
    fill(last)
    # What others filled stays where the part was done before.
    wanted = {i: others.get(i, i) if i % 4 != 3 else i for i in LIVE if not 9000 <= i < 9100}
    assert values(table, "score") == {**wanted, FILES * ROWS + 1: None}

    stale = table.plan_backfill(1)[0]
    table.update({"action": "rollback", "snapshot_id": before})
    with pytest.raises(weir.ConflictError, match="start the backfill again"):
        fill(stale)
    with pytest.raises(weir.InvalidArgumentError, match="new column"):
        table.backfill("score", value="score + 1", part=table.plan_backfill(1)[0])
    with pytest.raises(weir.InvalidArgumentError, match="parts"):
        table.plan_backfill(0)
    with pytest.raises(weir.WeirError, match="snapshot_id"):
        fill({"id": "x", "files": []})


@pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")
def test_the_command_fills_by_a_cluster(tmp_path: Path, cluster: None) -> None:
    table = filled(tmp_path)
    lake = Lake(tmp_path)
    joined = ("--engine", "ray", "--address", ray.get_runtime_context().gcs_address)
    python = {"WEIR_PYTHON": sys.executable, "WEIR_CATALOG": str(tmp_path / "lake")}

    def fill(*words: str, code: int = 0) -> str:
        command = ("backfill", "n.t", "--column", "s", *joined, *words)
        done = lake.run(*command, code=code, **{**os.environ, **python})
        assert "Traceback" not in done.stderr
        return done.stderr if code else done.stdout

    rows = pa.table({"id": LIVE, "unused": LIVE, "s": [f"s{i}" for i in LIVE]})
    pq.write_table(rows, tmp_path / "s.parquet")
    source = ("--from", "s.parquet", "--key", "id", "--where", "id < 5000")
    assert "Filled s (new) of 21,600 rows; 19,000 have" in fill(*source, "--tasks", "2")
    assert values(table, "s") == {i: f"s{i}" if i < 5000 else None for i in LIVE}
    pq.write_table(pa.table({"id": range(200_000), "s": range(200_000)}), tmp_path / "many.parquet")
    many = ("--from", "many.parquet", "--key", "id", "--memory", "1")
    assert "--where takes a part" in fill(*many, code=1)
    wrong = lake.error("backfill", "n.t", "--column", "s", "--value", "id", "--tasks", "2", code=64)
    assert "--engine ray" in wrong
    # Without rows the column is added.
    schema = pa.schema([("id", pa.int64())])
    weir.connect(tmp_path / "lake").create_table("n.empty", schema)
    done = weir.ray.backfill(tmp_path / "lake", "n.empty", "x", value="id * 2")
    assert (done["added_column"], done["rows"], done["snapshot_ids"]) == (True, 0, [])


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not there")
def test_the_program_dies_with_its_worker(tmp_path: Path) -> None:
    program, started = tmp_path / "program", tmp_path / "started"
    program.write_text(
        f"#!/bin/sh\necho $$ > {started}.new; mv {started}.new {started}\nexec sleep 60\n"
    )
    program.chmod(0o755)
    code = "import sys; from weir.ray import _ask_program; _ask_program(*sys.argv[1:])"
    words = [str(program), "http://nowhere", "", "a.b", "", "--part=0/1"]
    worker = subprocess.Popen([sys.executable, "-c", code, *words])
    try:
        while not started.exists():
            assert worker.poll() is None
            time.sleep(0.05)
    finally:
        worker.kill()
        worker.wait()
    folder = Path("/proc", started.read_text().strip())
    end = time.monotonic() + 20
    while folder.exists() and "(zombie)" not in (folder / "status").read_text():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")
def test_a_history_is_made_by_tasks(tmp_path: Path, cluster: None) -> None:
    events = history(400, random.Random(3))
    items = [
        {"item_id": item, "category": f"c{item % 3}", "_known_at": text(item * 86_400)}
        for item in range(25)
    ]
    with StreamServer(tmp_path / "project", project=PROJECT) as server:
        append(server, "shop.events", events)
        append(server, "shop.items", items)
        place = (server.uri, "shop.examples", tmp_path / "project")
        with one_killed("_history_part"):
            done = weir.ray.history(*place, weir=str(BINARY), tasks=3)
        found = examples(server, "history")
        ratings = sum(row["kind"] == "rating" for row in events)
        assert (done["parts"], done["events"], done["impressions"]) == (3, 425, ratings)
        assert done["rows"] == len(found)
        # The service makes the same rows under the same keys.
        assert backfill_in_service(server)["rows"] == done["rows"]
        assert examples(server, "history") == found
        command = [str(BINARY), "pipeline", "backfill", "--url", server.uri, "--engine", "ray"]
        command += ["--project", str(tmp_path / "project"), "--tasks", "2", "--json"]
        command += ["--address", ray.get_runtime_context().gcs_address]
        environment = {**os.environ, "WEIR_PYTHON": sys.executable}
        ran = subprocess.run(
            [*command, "shop.examples"], env=environment, capture_output=True, check=True
        )
        assert json.loads(ran.stdout) == {**done, "parts": 2}
        assert examples(server, "history") == found
        wrong = subprocess.run([*command, "shop.example"], capture_output=True, text=True)
        assert (wrong.returncode, "Did you mean 'shop.examples'" in wrong.stderr) == (1, True)
        with pytest.raises(weir.NotFoundError, match="WEIR_BIN"):
            weir.ray.history(*place, weir="/nowhere/weir")
