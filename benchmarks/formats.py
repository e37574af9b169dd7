# SPDX-License-Identifier: Apache-2.0
"""The Weir file format beside Parquet, Lance and Vortex: size, writes, scans, lookups, opening.

    benchmarks/run formats [--rows N] [--runs N] [--only a,b] [--formats a,b] [--seed N]
                           [--shape samples|events] [--json FILE] [--markdown FILE]

Each figure is a median of processes that do one thing on one core, in turns between the formats:
CPU seconds, page cache warm. Memory is what no file backs, above the start. "Limit" is the time in
which this machine copies the bytes of the result (for a write: of the input) once, measured in
the same run; the number in brackets says how many times that a format takes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import format_data as data
import numpy as np
import pyarrow as pa
from format_report import PEERS, TITLES, WEIR, Report

WORKER = Path(__file__).with_name("format_work.py")
SUFFIXES = {"weir": "weir", "weir_compact": "weir", "parquet": "parquet", "lance": "lance"}
PARTS = ["write", "scan", "projection", "tensors", "unique", "take_all", "take_10", "take_small"]
PARTS += ["cold", "clustered", "open"]
TIMEOUT_SECONDS = 1_800
SAMPLE_SECONDS = 0.01


def copy_bandwidth() -> float:
    """Bytes a CPU second that a large copy moves from here to there."""
    source = np.ones(1 << 28, np.uint8)
    target = np.zeros_like(source)
    times = []
    for _ in range(7):
        start = time.process_time()
        np.copyto(target, source)
        times.append(time.process_time() - start)
    return source.nbytes / min(times)


def child(job: dict[str, Any]) -> dict[str, Any]:
    """Runs one measurement; its memory is watched from here, so that watching costs it nothing."""
    python = sys.executable if job["format"] in WEIR else str(data.HOME / "venv/bin/python")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LANCE_CPU_THREADS": "1"}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [python, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job).encode())
        process.stdin.close()
        seen, started = [], time.monotonic()
        while process.poll() is None:
            seen.append((time.monotonic(), resident_mb(process.pid)))
            time.sleep(SAMPLE_SECONDS)
            if time.monotonic() - started > TIMEOUT_SECONDS:
                process.kill()
                process.wait()
                return {"error": f"no answer in {TIMEOUT_SECONDS} s"}
        output = process.stdout.read()
        if process.returncode != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["failed"]
            return {"error": lines[-1][:200]}
    result = json.loads(output.splitlines()[-1])
    during = [mb for at, mb in seen if at >= result["start"]]
    result["peak_mb"] = max([*during, result["resident_mb"]]) - result["resident_mb"]
    return result


def resident_mb(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def missing() -> dict[str, str]:
    """Formats that cannot be measured here, and why."""
    result = {}
    check = "import weir; weir.open_file, weir.write_file"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["failed"])[-1]
        result.update(dict.fromkeys(WEIR, reason))
    python = data.HOME / "venv" / "bin" / "python"
    if not python.exists():
        result.update(dict.fromkeys(PEERS, f"no peers in {data.HOME} (../shared/peers/install.sh)"))
    return result


class Benchmark:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.parts = options.only.split(",") if options.only else PARTS
        unknown = set(self.parts) - set(PARTS)
        if unknown:
            sys.exit(f"unknown parts {sorted(unknown)}: choose from {', '.join(PARTS)}")
        absent = missing()
        wanted = options.formats.split(",") if options.formats else list(TITLES)
        self.formats = [name for name in wanted if name not in absent]
        for name in wanted:
            if name in absent:
                print(f"{TITLES[name]} is left out: {absent[name]}", file=sys.stderr)
        if not self.formats:
            sys.exit("no format is left to measure")
        self.core = max(os.sched_getaffinity(0)) if options.pin else None
        self.bandwidth = copy_bandwidth()
        self.results: dict[str, dict[str, Any]] = {}
        self.limits: dict[str, float] = {}

    def files(self, source: Path) -> dict[str, str]:
        return {
            name: str(source.with_suffix(f".{name}.{SUFFIXES.get(name, 'vortex')}"))
            for name in self.formats
        }

    def measure(self, key: str, limit_bytes: float, files: dict[str, str], **job: Any) -> None:
        """Measures one work for all formats in turns and keeps the medians under `key`."""
        runs = job.pop("runs", self.options.runs)
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in files}
        for _ in range(runs):
            for name, path in files.items():
                if rounds[name] and "error" in rounds[name][-1]:
                    continue
                rounds[name].append(child({"format": name, "path": path, "core": self.core, **job}))
        kept = self.results.setdefault(key, {})
        self.limits[key] = limit_bytes / self.bandwidth
        for name, found in rounds.items():
            failed = next((r for r in found if "error" in r), None)
            kept[name] = failed or {
                **{
                    what: statistics.median(r[what] for r in found)
                    for what in ("cpu", "wall", "peak_mb", "size", "rows")
                },
                "cpu_all": [round(r["cpu"], 6) for r in found],
            }
            shown = failed["error"] if failed else f"{kept[name]['cpu']:.4f} s CPU"
            print(f"  {key} {name}: {shown}", file=sys.stderr, flush=True)

    def main_table(self) -> None:
        """Writes, scans and lookups of the rows."""
        options, shape = self.options, data.SHAPES[self.options.shape]
        source = data.source(shape.name, options.rows, options.seed)
        table = pa.ipc.open_file(pa.memory_map(str(source))).read_all()
        files = self.files(source)
        self.what = (
            f"`{shape.name}`: {options.rows:,} rows x {len(table.schema)} columns,"
            f" {table.nbytes / 1e6:,.0f} MB in Arrow, seed {options.seed}"
        )
        if not set(self.parts) - {"clustered", "open"}:
            return
        job: dict[str, Any] = {"source": str(source)}
        runs = options.runs if "write" in self.parts else 1
        self.measure("write", table.nbytes, files, work="write", runs=runs, **job)
        files = {n: p for n, p in files.items() if "error" not in self.results["write"][n]}
        job["work"] = "scan"
        if "scan" in self.parts:
            self.measure("scan", table.nbytes, files, **job)
        few = table.select(shape.projection)
        if "projection" in self.parts:
            self.measure("projection", few.nbytes, files, columns=few.column_names, **job)
        if "cold" in self.parts:
            self.measure("cold", table.nbytes, files, cold=True, **job)
        self.tensors(table, files, job)
        self.takes(table, files, job, shape)
        if not options.keep:
            remove(files)

    def tensors(self, table: pa.Table, files: dict[str, str], job: dict[str, Any]) -> None:
        names = data.tensor_columns(table.schema)
        some, job = table.select(names), {**job, "work": "tensors", "columns": names}
        if "tensors" in self.parts:
            self.measure("tensors", some.nbytes, files, **job)
        ours = {name: path for name, path in files.items() if name in WEIR}
        if "unique" in self.parts and ours:
            self.measure("unique", some.nbytes, ours, unique=True, **job)

    def takes(
        self, table: pa.Table, files: dict[str, str], job: dict[str, Any], shape: data.Shape
    ) -> None:
        count = table.num_rows
        generator = np.random.default_rng([self.options.seed, 11])

        def some(number: int) -> list[int]:
            return np.sort(generator.choice(count, min(number, count), replace=False)).tolist()

        rows, sets = some(min(10_000, count // 2)), [some(100) for _ in range(61)]
        few = table.select(shape.few)
        job = {**job, "work": "take", "rows": rows}
        if "take_all" in self.parts:
            share = table.nbytes * len(rows) / count
            self.measure("take_all", share, files, check=True, **job)
        job["columns"] = shape.few
        if "take_10" in self.parts:
            self.measure("take_10", few.nbytes * len(rows) / count, files, **job)
        if "take_small" in self.parts:
            job.update(work="take_small", sets=sets, rows=[])
            self.measure("take_small", few.nbytes * 100 / count, files, **job)

    def clustered(self) -> None:
        """Sizes of the same rows in the order of users and time; one format's file at a time."""
        options = self.options
        source, made = data.clustered(data.source(options.shape, options.rows, options.seed))
        for name, path in self.files(source).items():
            self.measure("clustered", 0, {name: path}, work="write", source=str(source), runs=1)
            remove({name: path})
        if made and not options.keep:
            source.unlink()

    def opening(self) -> None:
        """Open and read 10 columns of 2,000 and of 20,000, equally many rows."""
        rows = min(2_000, self.options.rows)
        for columns in (2_000, 20_000):
            source, made, names = data.wide(columns, rows, self.options.seed)
            table = pa.ipc.open_file(pa.memory_map(str(source))).read_all()
            files, job = self.files(source), {"source": str(source)}
            key = f"open_{columns}"
            self.measure(f"write_{columns}", table.nbytes, files, work="write", runs=1, **job)
            written = self.results[f"write_{columns}"]
            files = {n: p for n, p in files.items() if "error" not in written[n]}
            limit = table.select(names).nbytes
            self.measure(key, limit, files, work="scan", columns=names, **job)
            if not self.options.keep:
                remove(files)
            if made and not self.options.keep:
                source.unlink()

    def run(self) -> None:
        self.main_table()
        if "clustered" in self.parts:
            self.clustered()
        if "open" in self.parts:
            self.opening()


def remove(files: dict[str, str]) -> None:
    for path in files.values():
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3, help="processes for each measurement")
    parser.add_argument("--only", help=f"parts, by commas: {', '.join(PARTS)}")
    parser.add_argument("--formats", help=f"by commas: {', '.join(TITLES)}")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--shape", choices=sorted(data.SHAPES), default="samples")
    parser.add_argument("--keep", action="store_true", help="keep the files that were written")
    parser.add_argument("--no-pin", dest="pin", action="store_false", help="use any core")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--markdown", type=Path, help="write the table to this file, too")
    benchmark = Benchmark(parser.parse_args())
    options = benchmark.options
    benchmark.run()
    head = (
        f"{benchmark.what}; medians of {options.runs}; a copy moves"
        f" {benchmark.bandwidth / 1e9:.1f} GB/s; load {os.getloadavg()[0]:.1f}."
    )
    report = Report(benchmark.results, benchmark.limits, benchmark.formats)
    projection = len(data.SHAPES[options.shape].projection)
    text = head + "\n\n" + report.markdown(projection, "write" in benchmark.parts)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")
    target = options.json or data.HOME / "results" / f"formats_{options.shape}_{options.rows}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = {
        "shape": options.shape,
        "rows": options.rows,
        "seed": options.seed,
        "runs": options.runs,
        "machine": platform.platform(),
        "bandwidth": benchmark.bandwidth,
        "limits_s": benchmark.limits,
        "results": benchmark.results,
    }
    target.write_text(json.dumps(whole, indent=1))
    print(f"all figures: {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
