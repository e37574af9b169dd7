# SPDX-License-Identifier: Apache-2.0
"""Compaction in Weir beside delta-rs, Lance, PyIceberg and pypaimon.

A table of 50 appends comes together: as it is ("merge"), with a tenth of its rows deleted
("deletes", by those who mark deleted rows instead of rewriting files) and in the order of users
and time ("cluster", by those who sort). PyIceberg and pypaimon have no compaction: they read the
table and overwrite it with what they read. All write zstd, but Lance its own format.

Each run is a process of its own on one core, the libraries take turns. Ratios are of the medians
of CPU seconds, peer / Weir: above 1, Weir is faster.

    benchmarks/compaction.py [--rows N] [--files N] [--runs N] [--all-columns] [--only merge]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import table_peers
from tables import (
    DATA,
    ROOT,
    SAMPLE_ROWS,
    cpu_seconds,
    environment,
    finish,
    header,
    peak_mb,
    source_rows,
    timed,
)

HOME = Path(os.environ.get("PEERS_HOME", ROOT / ".peers"))
#: A tenth of d_00 lies below it.
TENTH = -1.2815
ORDER = ["user_id", "event_time"]


class Weir(table_peers.Weir):
    works = ("merge", "deletes", "cluster")
    format = "parquet"

    def create(self, schema: Any, *, version: int = 3) -> None:
        super().create(schema, version=version)
        self.table.update(
            {"action": "set_properties", "properties": {"write.format.default": self.format}}
        )

    def merge(self) -> None:
        self.table.compact(full=True)

    deletes = merge

    def cluster(self) -> None:
        self.table.compact(full=True, sort=ORDER)

    def live(self) -> dict[str, int]:
        """Paths and bytes of the table's files."""
        files = self.table.refresh().inspect.data_files().to_arrow()
        names = [name.removeprefix("file://") for name in files["file_path"].to_pylist()]
        return dict(zip(names, files["file_size_in_bytes"].to_pylist(), strict=True))


class WeirFiles(Weir):
    format = "weir"


class Iceberg(table_peers.Iceberg):
    works = ("merge", "cluster")

    def merge(self) -> None:
        self.table.overwrite(self.table.scan().to_arrow())

    def cluster(self) -> None:
        rows = self.table.scan().to_arrow()
        self.table.overwrite(rows.sort_by([(name, "ascending") for name in ORDER]))

    def live(self) -> dict[str, int]:
        files = self.table.refresh().inspect.data_files()
        sizes = files["file_size_in_bytes"].to_pylist()
        return dict(zip(files["file_path"].to_pylist(), sizes, strict=True))


class Delta(table_peers.Delta):
    works = ("merge", "cluster")

    def _options(self) -> Any:
        from deltalake import WriterProperties

        return WriterProperties(compression="ZSTD", compression_level=3)

    def merge(self) -> None:
        from deltalake import DeltaTable

        DeltaTable(self.path).optimize.compact(writer_properties=self._options())

    def cluster(self) -> None:
        from deltalake import DeltaTable

        DeltaTable(self.path).optimize.z_order(ORDER, writer_properties=self._options())

    def live(self) -> dict[str, int]:
        from deltalake import DeltaTable

        return {
            name: os.path.getsize(name.removeprefix("file://"))
            for name in DeltaTable(self.path).file_uris()
        }


class Lance:
    works = ("merge", "deletes")

    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/t.lance"

    def create(self, schema: Any) -> None:
        import lance

        lance.write_dataset(schema.empty_table(), self.path)

    def append(self, rows: Any) -> None:
        import lance

        lance.write_dataset(rows, self.path, mode="append")

    def delete(self, column: str, below: float) -> None:
        import lance

        lance.dataset(self.path).delete(f"{column} < {below}")

    def merge(self) -> None:
        import lance

        lance.dataset(self.path).optimize.compact_files(num_threads=1)

    deletes = merge

    def count(self) -> int:
        import lance

        return int(lance.dataset(self.path).count_rows())

    def live(self) -> dict[str, int]:
        import lance

        names = [
            str(Path(self.path, "data", file.path))
            for fragment in lance.dataset(self.path).get_fragments()
            for file in fragment.data_files()
        ]
        return {name: os.path.getsize(name) for name in names}


class Paimon(table_peers.Paimon):
    works = ("merge",)

    def merge(self) -> None:
        table = self.catalog.get_table("n.t")
        builder = table.new_read_builder()
        rows = builder.new_read().to_arrow(builder.new_scan().plan().splits())
        writing = table.new_batch_write_builder().overwrite({})
        write, commit = writing.new_write(), writing.new_commit()
        write.write_arrow(rows)
        commit.commit(write.prepare_commit())
        write.close()
        commit.close()

    def live(self) -> dict[str, int]:
        builder = self.catalog.get_table("n.t").new_read_builder()
        splits = builder.new_scan().plan().splits()
        return {file.file_name: file.file_size for split in splits for file in split.files}


PEERS: dict[str, tuple[type, str]] = {
    "weir": (Weir, "venv"),
    "weir, weir files": (WeirFiles, "venv"),
    "pyiceberg": (Iceberg, "venv"),
    "delta-rs": (Delta, "venv"),
    "lance": (Lance, "venv"),
    "pypaimon": (Paimon, "venv_paimon"),
}


def sample_rows(rows: int, all_columns: bool) -> Any:
    if not all_columns:
        return source_rows(rows)
    import pyarrow as pa

    path = DATA / f"samples_{SAMPLE_ROWS}.arrow"
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all().slice(0, rows)


def child(job: dict[str, Any]) -> dict[str, float]:
    rows = sample_rows(job["rows"], job["all_columns"])
    with tempfile.TemporaryDirectory(dir=job["scratch"]) as folder:
        peer = PEERS[job["peer"]][0](folder)
        peer.create(rows.schema)
        step = -(-rows.num_rows // job["files"])
        for start in range(0, rows.num_rows, step):
            peer.append(rows.slice(start, step))
        if job["work"] == "deletes":
            peer.delete("d_00", TENTH)
        count = peer.count()
        before = peer.live()
        base = peak_mb()
        spent = cpu_seconds()
        _, cpu, wall = timed(getattr(peer, job["work"]))
        assert peer.count() == count, (peer.count(), count)
        after = peer.live()
        assert not set(before) & set(after)
        return {
            "cpu": cpu,
            "wall": wall,
            "rows": count,
            "base_cpu": spent,
            "base_mb": base,
            "peak": peak_mb(),
            "files": len(after),
            "read": sum(before.values()),
            "written": sum(after.values()),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--all-columns", action="store_true", help="130 columns, 200,000 rows")
    parser.add_argument("--only", default="merge,deletes,cluster")
    parser.add_argument("--peers", default=";".join(PEERS), help="with ; between")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        import pyarrow as pa

        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        print(json.dumps(child(json.loads(options.child))))
        return
    rows = min(options.rows, SAMPLE_ROWS) if options.all_columns else options.rows
    for work in options.only.split(","):
        answers: dict[str, list[dict[str, float]]] = {}
        with tempfile.TemporaryDirectory(dir=HOME / "data") as scratch:
            for _ in range(options.runs):
                for peer in options.peers.split(";"):
                    kind, folder = PEERS[peer]
                    python = HOME / folder / "bin" / "python"
                    if work not in kind.works or not python.exists():
                        continue
                    job = {"peer": peer, "work": work, "rows": rows, "files": options.files}
                    job |= {"scratch": scratch, "all_columns": options.all_columns}
                    core = str(max(os.sched_getaffinity(0)))
                    command = ["taskset", "-c", core, str(python), __file__]
                    process = subprocess.Popen(
                        [*command, "--child", json.dumps(job)],
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        text=True,
                        env=environment() | {"LANCE_CPU_THREADS": "1"},
                    )
                    answers.setdefault(peer, []).append(finish(process))
                    print(work, peer, answers[peer][-1], file=sys.stderr, flush=True)
        report(work, answers)


def report(work: str, answers: dict[str, list[dict[str, float]]]) -> None:
    found = {
        name: {key: statistics.median(a[key] for a in given) for key in given[0]}
        for name, given in answers.items()
    }
    print(f"\n{work}: CPU s (wall s); written / read bytes; peak MB, of which before")
    header("", "CPU", "ratio", "rows/CPU s", "MB read", "written", "files", "peak", "before")
    weir = found.get("weir")
    for name, r in found.items():
        ratio = r["cpu"] / weir["cpu"] if weir else 0.0
        print(
            f"{name:<34}{r['cpu']:7.2f} ({r['wall']:.2f}){ratio:13.2f}{r['rows'] / r['cpu']:14,.0f}"
            f"{r['read'] / 1e6:14.1f}{r['written'] / r['read']:14.3f}{r['files']:14.0f}"
            f"{r['peak']:14.0f}{r['base_mb']:14.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
