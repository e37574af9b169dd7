# SPDX-License-Identifier: Apache-2.0
"""Upserts into a keyed table beside PyIceberg, delta-rs, Lance and pypaimon.

100,000 rows (half of them known) go into 1,000,000 rows of 21 columns; then all rows are read.
Each run is a process of its own on one core, the libraries take turns. Weir is a service beside
its client: its figures are the CPU seconds of both from the request to the commit of the table,
with the log's syncs. Ratios are of the medians of CPU seconds, peer / Weir: above 1, Weir is
faster.

    benchmarks/upserts.py [--rows N] [--upserts N] [--runs N] [--peers weir,lance]
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
import time
from pathlib import Path
from typing import Any, ClassVar

from table_peers import Delta, Iceberg, Paimon
from tables import cpu_seconds, environment, finish, header, peak_mb, source_rows, timed

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("PEERS_HOME", ROOT / ".peers"))
BINARY = Path(os.environ.get("WEIR_BIN", ROOT / ".build" / "release" / "weir"))
TYPES = {"int64": "long", "float": "float", "double": "double", "int32": "int", "int8": "int"}


def type_text(kind: Any) -> str:
    """The Iceberg type of a column, as weir.yaml says it."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{type_text(kind.value_type)}>"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "timestamptz"
    return TYPES.get(str(kind), "string")


class Weir:
    """A service of its own, with a keyed stream."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def create(self, schema: Any) -> None:
        columns = [
            f"      {f.name}: {type_text(f.type)}{' not null' if f.name == 'id' else ''}"
            for f in schema
        ]
        lines = ["server: {port: 0}", "streams:", "  n.t:", "    columns:", *columns]
        lines += ["    primary_key: id", "    flush: {interval: 100ms, bytes: 1GB}"]
        Path(self.folder, "weir.yaml").write_text("\n".join(lines) + "\n")
        self.service = subprocess.Popen(
            [str(BINARY), "up", self.folder], stdout=subprocess.PIPE, text=True
        )
        assert self.service.stdout is not None
        url = self.service.stdout.readline().split(" ")[-1].strip()
        import weir

        data = Path(self.folder, "weir-data")
        self.catalog = weir.connect(f"sqlite:{data}/catalog.db", warehouse=str(data))
        self.stream = self.catalog.stream("n.t", url=url)

    def service_cpu(self) -> float:
        fields = Path(f"/proc/{self.service.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def upsert(self, rows: Any) -> None:
        self.stream.append(rows)
        while self.stream.lag()[0] > 0:
            time.sleep(0.05)

    def settle(self) -> None:
        """Waits for what the service still does behind its answers, such as merges of its index."""
        before = -1.0
        while self.service_cpu() - before > 0.01:
            before = self.service_cpu()
            time.sleep(0.5)

    def scan(self) -> int:
        return int(self.catalog.table("n.t").scan().to_arrow().num_rows)

    def live(self) -> int:
        return int(self.stream.scan().read_all().num_rows)

    def close(self) -> None:
        self.service.send_signal(signal.SIGTERM)
        self.service.wait(60)


class KeyedIceberg(Iceberg):
    def upsert(self, rows: Any) -> None:
        if self.table.current_snapshot() is None:
            return self.append(rows)
        self.table.upsert(rows, join_cols=["id"])
        return None


class KeyedDelta(Delta):
    def upsert(self, rows: Any) -> None:
        from deltalake import DeltaTable

        merge = DeltaTable(self.path).merge(
            rows, predicate="t.id = s.id", source_alias="s", target_alias="t"
        )
        merge.when_matched_update_all().when_not_matched_insert_all().execute()


class Lance:
    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/t.lance"

    def create(self, schema: Any) -> None:
        import lance

        lance.write_dataset(schema.empty_table(), self.path)

    def upsert(self, rows: Any) -> None:
        import lance

        merge = lance.dataset(self.path).merge_insert("id")
        merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def scan(self) -> int:
        import lance

        return int(lance.dataset(self.path).to_table().num_rows)


class KeyedPaimon(Paimon):
    options: ClassVar[dict[str, str]] = {}

    def create(self, schema: Any, *, version: int = 2) -> None:
        import pyarrow as pa
        from pypaimon import Schema

        fields = [f.with_nullable(False) if f.name == "id" else f for f in schema]
        self.schema = pa.schema(fields)
        self.catalog.create_database("n", True)
        paimon = Schema.from_pyarrow_schema(
            self.schema, primary_keys=["id"], options={"bucket": "1", **self.options}
        )
        self.catalog.create_table("n.t", paimon, False)
        self.open()

    def upsert(self, rows: Any) -> None:
        self.append(rows.cast(self.schema))


class NativePaimon(KeyedPaimon):
    options: ClassVar[dict[str, str]] = {
        f"{name}.enabled": "true"
        for name in ("write.native", "commit.native", "read.native", "scan.native-plan")
    }


PEERS: dict[str, tuple[type, str]] = {
    "weir": (Weir, "venv"),
    "pyiceberg": (KeyedIceberg, "venv"),
    "delta-rs": (KeyedDelta, "venv"),
    "lance": (Lance, "venv"),
    "pypaimon": (KeyedPaimon, "venv_paimon"),
    "pypaimon native": (NativePaimon, "venv_paimon_rust"),
}


def child(job: dict[str, Any]) -> dict[str, float]:
    import numpy as np
    import pyarrow as pa

    count, upserts = job["rows"], job["upserts"]
    rows = source_rows(count)
    random = np.random.default_rng(5)
    known = random.choice(count, upserts // 2, replace=False)
    ids = np.concatenate([known, np.arange(count, count + upserts - len(known))])
    new = rows.slice(0, upserts).set_column(0, pa.field("id", pa.int64()), pa.array(ids))
    with tempfile.TemporaryDirectory(dir=job["scratch"]) as folder:
        peer = PEERS[job["peer"]][0](folder)
        peer.create(rows.schema)
        result = {"base_cpu": cpu_seconds()}
        step = count if job["peer"] == "delta-rs" or "paimon" in job["peer"] else 100_000
        if job["peer"] in ("pyiceberg", "lance"):
            step = count
        for start in range(0, count, step):
            part = rows.slice(start, step)
            (peer.append if job["peer"] == "delta-rs" else peer.upsert)(part)
        result["base_cpu"] = cpu_seconds() - result["base_cpu"]
        result |= scans(peer, "before", count)
        is_weir = job["peer"] == "weir"
        service = 0.0
        if is_weir:
            peer.settle()
            service = peer.service_cpu()
        _, result["cpu"], result["wall"] = timed(lambda: peer.upsert(new))
        if is_weir:
            spent = peer.service_cpu() - service
            result["cpu"] += spent
            result["base_cpu"] += service
            peer.settle()
            result["behind"] = peer.service_cpu() - service - spent
        result |= scans(peer, "after", count + upserts - len(known))
        result["peak"] = peak_mb()
        if is_weir:
            result |= lookups(peer, count)
            peer.close()
    return result


def scans(peer: Any, name: str, rows: int) -> dict[str, float]:
    """The median of five scans by CPU seconds: the first ones of a process cost more."""
    found = []
    for _ in range(5):
        count, cpu, wall = timed(peer.scan)
        assert count == rows, (count, rows)
        found.append((cpu, wall))
    found.sort()
    return {name: found[2][0], f"{name}_wall": found[2][1]}


def lookups(peer: Weir, count: int) -> dict[str, float]:
    """Microseconds of CPU and of wall time a key, of 1,000 random keys a request."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(7)
    requests = [pa.table({"id": random.choice(count, 1_000)}) for _ in range(20)]
    peer.stream.lookup(requests[0])
    service, wall = peer.service_cpu(), time.perf_counter()
    for keys in requests:
        assert peer.stream.lookup(keys).num_rows == 1_000
    keys = 1_000 * len(requests)
    return {
        "lookup_wall_us": (time.perf_counter() - wall) / keys * 1e6,
        "lookup_cpu_us": (peer.service_cpu() - service) / keys * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--upserts", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        import pyarrow as pa

        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        print(json.dumps(child(json.loads(options.child))))
        return
    answers: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir=HOME / "data") as scratch:
        for _ in range(options.runs):
            for peer in options.peers.split(","):
                python = HOME / PEERS[peer][1] / "bin" / "python"
                if not python.exists():
                    continue
                job = {"peer": peer, "rows": options.rows, "upserts": options.upserts}
                job["scratch"] = scratch
                core = str(max(os.sched_getaffinity(0)))
                command = ["taskset", "-c", core, str(python), __file__]
                env = environment() | {"LANCE_CPU_THREADS": "1"}
                process = subprocess.Popen(
                    [*command, "--child", json.dumps(job)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env=env,
                )
                answers.setdefault(peer, []).append(finish(process))
                print(peer, answers[peer][-1], file=sys.stderr, flush=True)
    report(options, answers)


def report(options: argparse.Namespace, answers: dict[str, list[dict[str, float]]]) -> None:
    found = {
        name: {key: statistics.median(a[key] for a in given) for key in given[0]}
        for name, given in answers.items()
    }
    print(f"\n{options.upserts} rows into {options.rows}; CPU s (wall s), ratio to Weir")
    header("", "base", "upsert", "ratio", "and scan", "ratio", "scan before", "after / before")
    weir = found.get("weir")
    for name, r in found.items():
        both = r["cpu"] + r["after"]
        speed = r["before"] / r["after"] * (1 + options.upserts / 2 / options.rows)
        ratio = [r["cpu"] / weir["cpu"], both / (weir["cpu"] + weir["after"])] if weir else [0, 0]
        print(
            f"{name:<34}{r['base_cpu']:14.2f}{r['cpu']:7.3f} ({r['wall']:.2f}){ratio[0]:14.2f}"
            f"{both:14.3f}{ratio[1]:14.2f}{r['before']:14.3f}{speed:14.2f}",
            flush=True,
        )
    if weir:
        print(f"weir's service goes on behind its answer for {weir['behind']:.3f} CPU s")
        print(
            f"lookup of 1,000 random keys of {options.rows}, over HTTP: "
            f"{weir['lookup_cpu_us']:.2f} us of CPU a key in the service, "
            f"{weir['lookup_wall_us']:.2f} us with the client"
        )


if __name__ == "__main__":
    main()
