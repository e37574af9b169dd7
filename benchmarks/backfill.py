# SPDX-License-Identifier: Apache-2.0
"""One new column of a table of 130: a backfill by Weir beside peers, who rewrite the table.

The table holds the samples of the peers' generator; the column comes as an Arrow table of keys
(`request_id`, in another order) and values. Each figure is of a process of its own, pinned to one
core, that opens a table that was made before and ends when the column is committed. Lance can add
columns without a rewrite, too (`lance-merge`); it is listed beside its own rewriting.

    benchmarks/backfill.py [--rows N] [--runs N] [--only weir,pyarrow,…]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from table_peers import interpreter

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("PEERS_HOME", ROOT / ".peers")) / "data"
KEY = "request_id"
CONTENDERS = ["weir", "weir-parquet", "pyarrow", "lance", "lance-merge", "deltalake", "pyiceberg"]


def samples(rows: int) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(DATA / f"samples_{rows}.arrow")))


def scores(rows: int) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    reader = samples(rows)
    index = reader.schema.get_field_index(KEY)
    options = pa.ipc.IpcReadOptions(included_fields=[index])
    keys = pa.ipc.open_file(
        pa.memory_map(str(DATA / f"samples_{rows}.arrow")), options=options
    ).read_all()[KEY]
    numbers = pa.array(range(len(keys)), pa.float32())
    table = pa.table({KEY: keys.combine_chunks(), "score": pc.divide(numbers, 1000)})
    # Some other order: that of the keys' hashes, say.
    step = 7919
    order = [i * step % len(keys) for i in range(len(keys))]
    return table.take(order)


def joined(table: Any, source: Any) -> Any:
    """The table with the column: what a rewrite writes."""
    import pyarrow.compute as pc

    places = pc.index_in(table[KEY], value_set=source[KEY].combine_chunks())
    values = source["score"].combine_chunks().take(places.combine_chunks())
    return table.append_column("score", values)


def iceberg(folder: Path) -> Any:
    from pyiceberg.catalog.sql import SqlCatalog

    return SqlCatalog("b", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/wh")


def make(name: str, folder: Path, rows: int) -> None:
    """The table, before its column."""
    table = samples(rows).read_all()
    if name.startswith("weir"):
        import weir

        properties = {"write.format.default": "parquet" if name == "weir-parquet" else "weir"}
        lake = weir.connect(str(folder / "lake"))
        lake.create_namespace("b")
        made = lake.create_table("b.t", table.schema, properties=properties)
        made.append(table)
    elif name == "pyarrow":
        import pyarrow.parquet as pq

        pq.write_table(table, folder / "t.parquet", compression="zstd")
    elif name.startswith("lance"):
        import lance

        lance.write_dataset(table, folder / "t.lance")
    elif name == "deltalake":
        import deltalake

        deltalake.write_deltalake(str(folder / "t"), table)
    else:
        catalog = iceberg(folder)
        catalog.create_namespace("b")
        catalog.create_table("b.t", table.schema).append(table)


def fill(name: str, folder: Path, source: Any) -> None:
    """What is timed."""
    if name.startswith("weir"):
        import weir

        done = weir.connect(str(folder / "lake")).table("b.t").backfill("score", source, key=KEY)
        assert done["rows_without_value"] == 0
    elif name == "pyarrow":
        import pyarrow.parquet as pq

        table = pq.read_table(folder / "t.parquet")
        pq.write_table(joined(table, source), folder / "new.parquet", compression="zstd")
    elif name == "lance-merge":
        import lance

        lance.dataset(folder / "t.lance").merge(source, KEY)
    elif name == "lance":
        import lance

        table = lance.dataset(folder / "t.lance").to_table()
        lance.write_dataset(joined(table, source), folder / "t.lance", mode="overwrite")
    elif name == "deltalake":
        import deltalake
        import pyarrow as pa

        table = pa.table(deltalake.DeltaTable(str(folder / "t")).to_pyarrow_table())
        deltalake.write_deltalake(
            str(folder / "t"), joined(table, source), mode="overwrite", schema_mode="overwrite"
        )
    else:
        table = iceberg(folder).load_table("b.t")
        rows = joined(table.scan().to_arrow(), source)
        with table.transaction() as transaction:
            with transaction.update_schema() as update:
                update.union_by_name(rows.schema)
            transaction.overwrite(rows)


def work(name: str, folder: Path, rows: int) -> None:
    """One figure, in this process."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
    source = scores(rows)
    before = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    used = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    fill(name, folder, source)
    wall = time.perf_counter() - started
    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    after = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(json.dumps({"wall": wall, "cpu": cpu, "bytes": after - before, "rss": now.ru_maxrss}))


def measure(name: str, rows: int, runs: int) -> dict[str, float] | None:
    peer = "weir" if name.startswith("weir") else name.split("-")[0]
    python = sys.executable if peer == "weir" else interpreter(peer)
    if python is None:
        return None
    results = []
    with tempfile.TemporaryDirectory(prefix="weir-backfill-") as root:
        made = Path(root) / "made"
        made.mkdir()
        # Some formats note where they are: always the same place.
        place = Path(root) / "table"
        place.mkdir()
        command = [str(python), __file__, "--rows", str(rows)]
        subprocess.run([*command, "--make", name, "--folder", str(place)], check=True)
        shutil.copytree(place, made, dirs_exist_ok=True)
        for _ in range(runs):
            shutil.rmtree(place)
            shutil.copytree(made, place)
            done = subprocess.run(
                [*command, "--work", name, "--folder", str(place)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            results.append(json.loads(done.stdout))
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default=",".join(CONTENDERS))
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        return make(options.make, options.folder, options.rows)
    if options.work:
        return work(options.work, options.folder, options.rows)
    own = None
    print(f"{'':14}{'wall s':>9}{'CPU s':>9}{'MB written':>12}{'MB RSS':>9}{'ratio':>8}")
    for name in options.only.split(","):
        found = measure(name, options.rows, options.runs)
        if found is None:
            print(f"{name:14} is not installed")
            continue
        own = own or found["wall"]
        print(
            f"{name:14}{found['wall']:9.3f}{found['cpu']:9.3f}{found['bytes'] / 1e6:12.2f}"
            f"{found['rss'] / 1e3:9.0f}{found['wall'] / own:8.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
