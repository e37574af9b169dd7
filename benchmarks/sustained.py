# SPDX-License-Identifier: Apache-2.0
"""Upserts without end into a keyed stream: does anything grow?

Clients upsert random rows of a table as fast as the service acknowledges them, while the service
flushes, compacts and expires in the background. Every few seconds a row of figures is taken: rows
acknowledged, how long requests took, how far the table is behind, a scan of three columns, lookups,
files, bytes of data, metadata and log, memory. At the end the last third is compared with the
second, and the plots are written as an SVG.

    benchmarks/sustained.py [--minutes M] [--keys N] [--clients N] [--plot docs/plots/upserts.svg]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow as pa
from tables import ROOT, source_rows
from upserts import BINARY, type_text

import weir

INTERVAL = 5.0
BATCH = 2_000
LOOKUPS = 200


class Service:
    """A project with one keyed stream."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        columns = [
            f"      {f.name}: {type_text(f.type)}{' not null' if f.name == 'id' else ''}"
            for f in schema
        ]
        lines = ["server: {port: 0}", "maintenance: {snapshots: 30s}", "streams:", "  n.t:"]
        lines += ["    columns:", *columns, "    primary_key: id", "    shards: 2"]
        lines += ["    flush: {interval: 5s}", "    log: {retention: 10s}"]
        (folder / "weir.yaml").write_text("\n".join(lines) + "\n")
        self.data = folder / "weir-data"
        self.process = subprocess.Popen(
            [str(BINARY), "up", str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split(" ")[-1].strip()

    def catalog(self) -> weir.Catalog:
        return weir.connect(f"sqlite:{self.data}/catalog.db", warehouse=str(self.data))

    def memory(self) -> float:
        """Resident, in MB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


class Client(threading.Thread):
    """Upserts random keys until it is told to stop."""

    def __init__(self, service: Service, rows: pa.Table, keys: int, number: int) -> None:
        super().__init__(daemon=True)
        import numpy as np

        self.random = np.random.default_rng(number)
        self.rows, self.keys = rows, keys
        self.stream = service.catalog().stream("n.t", url=service.url)
        self.count = 0
        self.times: list[float] = []
        self.ends = False

    def run(self) -> None:
        while not self.ends:
            start = int(self.random.integers(self.rows.num_rows - BATCH))
            ids = self.random.choice(self.keys, BATCH, replace=False)
            rows = self.rows.slice(start, BATCH)
            rows = rows.set_column(0, rows.schema.field(0), pa.array(ids, pa.int64()))
            began = time.perf_counter()
            self.stream.append(rows)
            self.times.append(time.perf_counter() - began)
            self.count += BATCH


def folder_bytes(folders: list[Path]) -> int:
    total = 0
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:
                continue
    return total


class Sampler:
    def __init__(self, service: Service, clients: list[Client], keys: int) -> None:
        import numpy as np

        self.random = np.random.default_rng(99)
        self.service, self.clients, self.keys = service, clients, keys
        self.table = service.catalog().table("n.t")
        self.stream = service.catalog().stream("n.t", url=service.url)
        self.began = self.last = time.perf_counter()
        self.count, self.cpu = 0, service.cpu()
        self.samples: list[dict[str, float]] = []

    def sample(self) -> dict[str, float]:
        now = time.perf_counter()
        count = sum(client.count for client in self.clients)
        times: list[float] = []
        for client in self.clients:
            taken, client.times = client.times, []
            times += taken
        times.sort()
        cpu = self.service.cpu()
        lag_rows, lag_milliseconds = self.stream.lag()
        found = {
            "seconds": now - self.began,
            "rows_per_second": (count - self.count) / (now - self.last),
            "cpu": (cpu - self.cpu) / (now - self.last),
            "append_p50_ms": 1e3 * times[len(times) // 2] if times else 0.0,
            "append_p99_ms": 1e3 * times[len(times) * 99 // 100] if times else 0.0,
            "lag_rows": lag_rows,
            "lag_seconds": (lag_milliseconds or 0) / 1e3,
            "memory_mb": self.service.memory(),
        }
        self.count, self.cpu, self.last = count, cpu, now
        start = time.perf_counter()
        self.table.refresh()
        rows = self.table.scan(columns=["id", "user_id", "d_00"]).to_arrow().num_rows
        found["scan_ms_per_million"] = 1e9 * (time.perf_counter() - start) / max(rows, 1)
        start = time.perf_counter()
        self.stream.lookup(pa.table({"id": self.random.choice(self.keys, LOOKUPS)}))
        found["lookup_ms"] = 1e3 * (time.perf_counter() - start)
        found["data_files"] = self.table.inspect.data_files().count()
        found["delete_files"] = self.table.inspect.delete_files().count()
        tables = list((self.service.data / "n").glob("t-*"))
        found["metadata_mb"] = folder_bytes([t / "metadata" for t in tables]) / 1e6
        found["data_mb"] = folder_bytes([t / "data" for t in tables]) / 1e6
        found["log_mb"] = folder_bytes([self.service.data / "streams"]) / 1e6
        self.samples.append(found)
        return found


PLOTS = {
    "rows_per_second": "upserts acknowledged, rows/s",
    "append_p50_ms": "a request of 2,000 rows, p50, ms",
    "append_p99_ms": "the same, p99, ms",
    "lag_seconds": "the table behind the log, s",
    "scan_ms_per_million": "scan of 3 columns, ms per million rows",
    "lookup_ms": "lookup of 200 keys, ms",
    "data_files": "data files",
    "delete_files": "delete files",
    "metadata_mb": "metadata, MB",
    "data_mb": "data on disk with old snapshots, MB",
    "log_mb": "log and key index on disk, MB",
    "memory_mb": "memory of the service, MB",
}


def number_text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def svg(samples: list[dict[str, float]]) -> str:
    """Small plots over the time, three in a row."""
    width, height, across = 300, 130, 3
    down = -(-len(PLOTS) // across)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across * width} {down * height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    end = max(s["seconds"] for s in samples)
    for number, (name, title) in enumerate(PLOTS.items()):
        left, top = number % across * width, number // across * height
        high = max(max(s[name] for s in samples), 1e-9) * 1.1
        points = " ".join(
            f"{left + 55 + s['seconds'] / end * (width - 70):.1f},"
            f"{top + height - 25 - s[name] / high * (height - 55):.1f}"
            for s in samples
        )
        bottom = top + height - 25
        parts += [
            f'<text x="{left + 55}" y="{top + 20}" font-weight="bold">{title}</text>',
            f'<path d="M{left + 55} {top + 30}V{bottom}H{left + width - 15}" fill="none" '
            'stroke="#999"/>',
            f'<text x="{left + 51}" y="{top + 38}" text-anchor="end">'
            f"{number_text(high / 1.1)}</text>",
            f'<text x="{left + 51}" y="{bottom}" text-anchor="end">0</text>',
            f'<text x="{left + width - 15}" y="{bottom + 14}" text-anchor="end">{end:.0f} s</text>',
            f'<polyline points="{points}" fill="none" stroke="#1565c0" stroke-width="1.5"/>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--keys", type=int, default=500_000)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--plot", type=Path, help="an SVG, made of the figures")
    parser.add_argument("--samples", type=Path, help="the figures as JSON lines")
    options = parser.parse_args()
    rows = source_rows(200_000)
    home = Path(os.environ.get("PEERS_HOME", ROOT / ".peers")) / "data"
    with tempfile.TemporaryDirectory(dir=home) as folder:
        service = Service(Path(folder), rows.schema)
        clients = [Client(service, rows, options.keys, n) for n in range(options.clients)]
        try:
            for client in clients:
                client.start()
            time.sleep(2 * INTERVAL)
            sampler = Sampler(service, clients, options.keys)
            while time.perf_counter() - sampler.began < options.minutes * 60:
                print(json.dumps(sampler.sample()), file=sys.stderr, flush=True)
                time.sleep(INTERVAL)
        finally:
            for client in clients:
                client.ends = True
            service.stop()
    samples = sampler.samples[1:]
    if options.samples:
        options.samples.write_text("".join(json.dumps(s) + "\n" for s in samples))
    if options.plot:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        options.plot.write_text(svg(samples))
    third = len(samples) // 3
    print(f"{'':<42}{'second third':>14}{'last third':>14}{'ratio':>8}")
    for name, title in PLOTS.items():
        middle = statistics.median(s[name] for s in samples[third : 2 * third])
        last = statistics.median(s[name] for s in samples[2 * third :])
        ratio = last / middle if middle else 1.0
        print(f"{title:<42}{middle:14,.1f}{last:14,.1f}{ratio:8.2f}")


if __name__ == "__main__":
    main()
