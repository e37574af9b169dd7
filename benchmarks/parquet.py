# SPDX-License-Identifier: Apache-2.0
"""Parquet in Weir beside pyarrow: scans, a projection, writes, and the memory of a scan.

Each figure comes from a process of its own that does one thing, pinned to one core: the first
round is not counted, the others alternate between the two libraries. The result is the ratio of the
medians of CPU seconds, peer / Weir: above 1, Weir is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("PEERS_HOME", ROOT / ".peers")) / "data"
GENERATOR = Path(
    os.environ.get("WEIR_PEERS_GENERATOR", ROOT.parent / "shared" / "peers" / "gen.py")
)
BATCH_ROWS = 65_536

# 30 of the 130 columns, five of them lists, one a long sequence: what a training job takes.
PROJECTION = (
    ["user_id", "item_id", "event_time"]
    + [f"d_{j:02d}" for j in range(3, 40, 4)][:9]
    + [f"c_{j:02d}" for j in range(2, 60, 6)]
    + ["l_00", "l_05", "l_10", "l_15", "seq_click"]
    + ["label_click", "label_view", "label_like"]
)


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def scan_weir(path: str, columns: list[str] | None) -> int:
    import weir

    with weir.ParquetFile(path) as file:
        return sum(len(b) for b in file.iter_batches(columns=columns, batch_rows=BATCH_ROWS))


def scan_pyarrow(path: str, columns: list[str] | None) -> int:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path, memory_map=True)
    batches = file.iter_batches(batch_size=BATCH_ROWS, columns=columns, use_threads=False)
    return sum(batch.num_rows for batch in batches)


def write(library: str, source: str, target: str) -> int:
    import pyarrow as pa

    table = pa.ipc.open_file(pa.memory_map(source)).read_all()
    start = cpu_seconds()
    if library == "weir":
        import weir

        weir.write_parquet(table, target, compression="zstd")
    else:
        import pyarrow.parquet as pq

        pq.write_table(table, target, compression="zstd", row_group_size=BATCH_ROWS)
    WRITE_SECONDS.append(cpu_seconds() - start)
    return table.num_rows


WRITE_SECONDS: list[float] = []


def child(job: dict[str, object]) -> None:
    """One measurement in this process; the result is printed as JSON."""
    library = str(job["library"])
    if library == "pyarrow":
        import pyarrow as pa
        import pyarrow.parquet

        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
    else:
        import weir  # noqa: F401
    start, wall = cpu_seconds(), time.perf_counter()
    if job["what"] == "write":
        rows = write(library, str(job["source"]), str(job["path"]))
        seconds = WRITE_SECONDS[0]
    else:
        columns = job["columns"]
        assert columns is None or isinstance(columns, list)
        scan = scan_weir if library == "weir" else scan_pyarrow
        # The first pass of a process faults its memory in; the second is what a long scan does.
        rows = scan(str(job["path"]), columns)
        start, wall = cpu_seconds(), time.perf_counter()
        scan(str(job["path"]), columns)
        seconds = cpu_seconds() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    elapsed = time.perf_counter() - wall
    print(json.dumps({"rows": rows, "cpu": seconds, "wall": elapsed, "peak_mb": peak}))


def measure(job: dict[str, object]) -> dict[str, float]:
    core = str(max(os.sched_getaffinity(0)))
    command = ["taskset", "-c", core, sys.executable, __file__, "--child", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"benchmark failed: {job}\n{done.stderr}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def compare(title: str, runs: int, jobs: dict[str, dict[str, object]]) -> None:
    """`jobs` by library; alternates between them and prints the medians and the ratio."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in jobs}
    for round_number in range(runs + 1):
        for name, job in jobs.items():
            result = measure({**job, "library": name})
            if round_number > 0:
                results[name].append(result)
    cpu = {n: statistics.median(r["cpu"] for r in rs) for n, rs in results.items()}
    peak = {n: statistics.median(r["peak_mb"] for r in rs) for n, rs in results.items()}
    print(
        f"{title:<44} {cpu['weir']:8.3f} {cpu['pyarrow']:9.3f} {cpu['pyarrow'] / cpu['weir']:7.2f}"
        f" {peak['weir']:8.0f} {peak['pyarrow']:9.0f}",
        flush=True,
    )


def generate(kind: str, rows: int) -> Path:
    path = DATA / (f"samples_{rows}.arrow" if kind == "samples" else "wide.arrow")
    if not path.exists():
        if not GENERATOR.exists():
            sys.exit(f"no generator at {GENERATOR}: set WEIR_PEERS_GENERATOR to gen.py")
        DATA.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(GENERATOR), kind, "--rows", str(rows), "--seed", "7"]
        subprocess.run([*command, "--out", str(path)], check=True)
    return path


def benchmark(kind: str, source: Path, runs: int) -> None:
    files = {name: str(source.with_suffix(f".{name}.parquet")) for name in ("weir", "pyarrow")}
    compare(
        f"{kind}: write zstd",
        runs,
        {n: {"what": "write", "source": str(source), "path": files[n]} for n in files},
    )
    sizes = {name: os.path.getsize(path) / 1e6 for name, path in files.items()}
    ratio = sizes["pyarrow"] / sizes["weir"]
    print(f"{'   file, MB':<44} {sizes['weir']:8.1f} {sizes['pyarrow']:9.1f} {ratio:7.2f}")
    for columns in (None, PROJECTION) if kind == "samples" else (None,):
        what = "full scan" if columns is None else "30 columns"
        for title, path in (
            ("pyarrow's file", dict.fromkeys(files, files["pyarrow"])),
            ("Weir's file", dict.fromkeys(files, files["weir"])),
            ("each its own file", files),
        ):
            compare(
                f"{kind}: {what}, {title}",
                runs,
                {n: {"what": "scan", "path": path[n], "columns": columns} for n in files},
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the samples table")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each measurement")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(json.loads(arguments.child))
        return
    sources = {"samples": generate("samples", arguments.rows), "wide": generate("wide", 20_000)}
    print(
        f"{'median CPU seconds':<44} {'Weir':>8} {'pyarrow':>9} {'ratio':>7} {'peak MB':>8} {'':>9}"
    )
    for kind, source in sources.items():
        benchmark(kind, source, arguments.runs)


if __name__ == "__main__":
    main()
