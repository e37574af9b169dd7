# SPDX-License-Identifier: Apache-2.0
"""Tables compacted by a Ray cluster of several workers, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyiceberg.table import StaticTable
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


def kill_one(done: threading.Event, killed: list[int]) -> None:
    """Kills the first process that is seen at work on a group."""
    while not done.is_set() and not killed:
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                title = (folder / "cmdline").read_bytes()
                if title.startswith(b"ray::_compact_group"):
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
    done, killed = threading.Event(), []
    killer = threading.Thread(target=kill_one, args=(done, killed))
    killer.start()
    try:
        result = weir.ray.compact(tmp_path / "lake", "n.t", sort=["id"], tasks=3)
    finally:
        done.set()
        killer.join()
    assert killed
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
