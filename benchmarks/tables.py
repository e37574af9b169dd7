# SPDX-License-Identifier: Apache-2.0
"""Tables in Weir beside PyIceberg, delta-rs and pypaimon: commits, planning, deletes.

Each figure comes from a process of its own that does one thing, pinned to one core; the libraries
take turns. The result is the ratio of the medians of CPU seconds, peer / Weir: above 1, Weir is
faster. Wall seconds stand beside. Peers that are not installed (../shared/peers/install.sh,
$PEERS_HOME) are left out.

    benchmarks/tables.py [--quick] [--only commits,writers,plan,delete] [--runs N]
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from table_peers import PEERS, interpreter

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("PEERS_HOME", ROOT / ".peers")) / "data"
GENERATOR = Path(
    os.environ.get("WEIR_PEERS_GENERATOR", ROOT.parent / "shared" / "peers" / "gen.py")
)
SAMPLE_ROWS = 200_000
COMMIT_ROWS = 1_000
COLUMNS = (
    ["user_id", "item_id", "event_time"]
    + [f"d_{j:02d}" for j in range(8)]
    + [f"c_{j:02d}" for j in range(6)]
    + ["l_00", "l_01", "label_click"]
)
#: Below it lies 1 % of d_00, all over the table.
ONE_PERCENT = -2.5589742
Result = dict[str, float]


def source_rows(rows: int) -> Any:
    """The 21 columns: `id` from 0 on, and 20 of the samples, over again when there are too few."""
    import pyarrow as pa

    path = DATA / f"samples_{SAMPLE_ROWS}.arrow"
    source = pa.ipc.open_file(pa.memory_map(str(path)))
    indices = [source.schema.get_field_index(name) for name in COLUMNS]
    options = pa.ipc.IpcReadOptions(included_fields=indices)
    table = pa.ipc.open_file(pa.memory_map(str(path)), options=options).read_all().select(COLUMNS)
    whole = pa.concat_tables([table] * -(-rows // table.num_rows)).slice(0, rows)
    ids = pa.array(range(rows), pa.int64())
    return whole.add_column(0, pa.field("id", pa.int64()), ids)


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What `work` returns, with CPU and wall seconds."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    result = work()
    return result, cpu_seconds() - cpu, time.perf_counter() - wall


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# What a process of its own does


def child_commits(job: dict[str, Any]) -> Result:
    rows = source_rows(job["count"] * COMMIT_ROWS)
    with (
        tempfile.TemporaryDirectory(dir=job["scratch"]) as warm,
        tempfile.TemporaryDirectory(dir=job["scratch"]) as folder,
    ):
        # A first table loads the code and whatever else a process needs once.
        peer = PEERS[job["peer"]](warm)
        peer.create(rows.schema)
        peer.append(rows.slice(0, COMMIT_ROWS))
        peer = PEERS[job["peer"]](folder)
        peer.create(rows.schema)
        walls = []
        cpu, start = cpu_seconds(), time.perf_counter()
        for index in range(job["count"]):
            wall = time.perf_counter()
            peer.append(rows.slice(index * COMMIT_ROWS, COMMIT_ROWS))
            walls.append(time.perf_counter() - wall)
        cpu, wall = cpu_seconds() - cpu, time.perf_counter() - start
        assert peer.count() == rows.num_rows
    tenth = max(job["count"] // 10, 1)
    return {
        "cpu": cpu,
        "wall": wall,
        "first": statistics.median(walls[:tenth]),
        "last": statistics.median(walls[-tenth:]),
    }


def child_writer(job: dict[str, Any]) -> Result:
    rows = source_rows(COMMIT_ROWS).slice(0, 100)
    peer = PEERS[job["peer"]](job["folder"])
    peer.open()
    peer.count()
    # All begin together: imports alone take some peers seconds.
    print("ready", flush=True)
    start = float(sys.stdin.readline())
    time.sleep(max(0.0, start - time.time()))
    count, longest = 0, 0.0
    while time.time() < start + job["seconds"]:
        wall = time.perf_counter()
        peer.append(rows)
        longest = max(longest, time.perf_counter() - wall)
        count += 1
    return {"count": count, "longest": longest, "cpu": cpu_seconds()}


def child_create(job: dict[str, Any]) -> Result:
    PEERS[job["peer"]](job["folder"]).create(source_rows(1).schema)
    return {}


def child_count(job: dict[str, Any]) -> Result:
    peer = PEERS[job["peer"]](job["folder"])
    peer.open()
    return {"rows": peer.count()}


def child_plan(job: dict[str, Any]) -> Result:
    peer: Any = None

    def opening() -> None:
        nonlocal peer
        peer = PEERS[job["peer"]](job["folder"])
        peer.open()

    def planning() -> int:
        return int(peer.plan(job["kind"]))

    opens, colds, warms = [], [], []
    for _ in range(job["repeats"] + 1):
        # A new catalog object has no manifest in its caches; files are in the page cache.
        opens.append(timed(opening))
        colds.append(timed(planning))
    for _ in range(job["repeats"]):
        warms.append(timed(planning))
    return {
        "files": colds[0][0],
        "open_cpu": statistics.median(cpu for _, cpu, _ in opens[1:]),
        "cpu": statistics.median(cpu for _, cpu, _ in colds[1:]),
        "wall": statistics.median(wall for _, _, wall in colds[1:]),
        "warm_cpu": statistics.median(cpu for _, cpu, _ in warms),
        "warm_wall": statistics.median(wall for _, _, wall in warms),
        "peak": peak_mb(),
    }


def child_delete(job: dict[str, Any]) -> Result:
    rows = source_rows(job["rows"])
    part = job["rows"] // 10
    with tempfile.TemporaryDirectory(dir=job["scratch"]) as folder:
        peer = PEERS[job["peer"]](folder)
        peer.create(rows.schema, version=job["version"])
        for index in range(10):
            peer.append(rows.slice(index * part, part))
        peer.scan()
        before, cpu_before, wall_before = timed(peer.scan)
        _, cpu, wall = timed(lambda: peer.delete("d_00", ONE_PERCENT))
        after, cpu_after, wall_after = timed(peer.scan)
    return {
        "cpu": cpu,
        "wall": wall,
        "cpu_before": cpu_before,
        "wall_before": wall_before,
        "cpu_after": cpu_after,
        "wall_after": wall_after,
        "deleted": before - after,
        "peak": peak_mb(),
    }


# What this process does


class Bench:
    def __init__(self, scratch: Path, runs: int, peers: list[str]) -> None:
        self.scratch, self.runs, self.peers = scratch, runs, peers
        self.core = str(max(os.sched_getaffinity(0)))

    def start(self, what: str, peer: str, pinned: bool, **job: Any) -> subprocess.Popen[str]:
        job = {"what": what, "peer": peer, "scratch": str(self.scratch), **job}
        python = interpreter(peer)
        assert python is not None
        command = [python, __file__, "--child", json.dumps(job)]
        if pinned:
            command = ["taskset", "-c", self.core, *command]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def run(self, what: str, peer: str, **job: Any) -> Result:
        return finish(self.start(what, peer, True, **job))

    def medians(self, what: str, jobs: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Result]:
        """By name, the medians of what the processes of (peer, job) answer; they take turns."""
        answers: dict[str, list[Result]] = {name: [] for name in jobs}
        for _ in range(self.runs):
            for name, (peer, job) in jobs.items():
                answers[name].append(self.run(what, peer, **job))
        return {
            name: {key: statistics.median(a[key] for a in given) for key in given[0]}
            for name, given in answers.items()
        }

    def commits(self, count: int) -> None:
        found = self.medians("commits", {p: (p, {"count": count}) for p in self.peers})
        print(f"\n{count} commits of {COMMIT_ROWS} rows, one after the other")
        header("", "commits/CPU s", "ratio", "commits/s", "first ms", "last ms")
        for name, r in found.items():
            ratio = r["cpu"] / found["weir"]["cpu"]
            print(
                f"{name:<34}{count / r['cpu']:14.1f}{ratio:14.2f}{count / r['wall']:14.1f}"
                f"{r['first'] * 1e3:14.2f}{r['last'] * 1e3:14.2f}",
                flush=True,
            )

    def writers(self, count: int, seconds: float) -> None:
        print(
            f"\n{count} processes append 100 rows to one table for {seconds:.0f} s, "
            f"on {len(os.sched_getaffinity(0))} cores"
        )
        header("", "commits/s", "least", "most", "longest s", "lost")
        for peer in self.peers:
            folder = tempfile.mkdtemp(dir=self.scratch)
            self.run("create", peer, folder=folder)
            job = {"folder": folder, "seconds": seconds}
            started = [self.start("writer", peer, False, **job) for _ in range(count)]
            for process in started:
                assert process.stdout is not None
                process.stdout.readline()
            for process in started:
                assert process.stdin is not None
                process.stdin.write(f"{time.time() + 1}\n")
                process.stdin.flush()
            found = [finish(process) for process in started]
            counts = [int(r["count"]) for r in found]
            rows = self.run("count", peer, folder=folder)["rows"]
            lost = sum(counts) - int(rows) // 100
            longest = max(r["longest"] for r in found)
            print(
                f"{peer:<34}{sum(counts) / seconds:14.1f}{min(counts):14}{max(counts):14}"
                f"{longest:14.2f}{lost:14}",
                flush=True,
            )
            shutil.rmtree(folder)

    def plan(self, sizes: list[int]) -> None:
        print(
            "\nplan a scan with a selective filter, CPU ms: open the table, "
            "plan with empty caches, plan again"
        )
        header("", "open", "plan", "ratio", "wall", "again", "ratio", "peak MB")
        for kind in ("partition", "metrics"):
            for size in sizes:
                jobs = {}
                for peer in self.peers:
                    folder = self.many_files(peer, kind, size)
                    if folder is not None:
                        repeats = 2 if size > 10_000 else 7
                        jobs[peer] = (peer, {"folder": folder, "kind": kind, "repeats": repeats})
                found = self.medians("plan", jobs)
                for name, r in found.items():
                    weir = found["weir"]
                    title = f"{size} {kind}: {name} ({r['files']:.0f})"
                    print(
                        f"{title:<40}{r['open_cpu'] * 1e3:8.2f}{r['cpu'] * 1e3:14.2f}"
                        f"{r['cpu'] / weir['cpu']:14.1f}{r['wall'] * 1e3:14.2f}"
                        f"{r['warm_cpu'] * 1e3:14.2f}{r['warm_cpu'] / weir['warm_cpu']:14.1f}"
                        f"{r['peak']:14.0f}",
                        flush=True,
                    )

    def many_files(self, peer: str, kind: str, size: int) -> str | None:
        """The folder of a table of `size` files; made once, it is kept beside the samples."""
        maker = "pyiceberg" if peer == "weir" else peer
        if maker == "pypaimon" and (size > 1_000 or kind == "partition"):
            return None
        folder = DATA / "many_files" / f"{maker}_{kind}_{size}"
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            script = str(Path(__file__).with_name("many_files.py"))
            python = interpreter(maker)
            assert python is not None
            command = [python, script, maker, kind, str(size), str(folder)]
            subprocess.run(command, check=True, env=environment())
            (folder / "done").touch()
        return str(folder)

    def delete(self, rows: int) -> None:
        jobs = {"weir, v3": ("weir", {"rows": rows, "version": 3})}
        jobs["weir, v2"] = ("weir", {"rows": rows, "version": 2})
        for peer in self.peers:
            if peer not in ("weir", "pypaimon"):
                jobs[peer] = (peer, {"rows": rows, "version": 2})
        found = self.medians("delete", jobs)
        print(f"\ndelete 1 % of {rows} rows in 10 files; CPU s (wall s), ratio to Weir v3")
        header("", "delete", "ratio", "scan before", "scan after", "ratio", "peak MB")
        weir = found["weir, v3"]
        for name, r in found.items():
            print(
                f"{name:<20}{r['cpu']:10.3f} ({r['wall']:.3f}){r['cpu'] / weir['cpu']:8.2f}"
                f"{r['cpu_before']:10.3f} ({r['wall_before']:.3f})"
                f"{r['cpu_after']:10.3f} ({r['wall_after']:.3f})"
                f"{r['cpu_after'] / weir['cpu_after']:8.2f}{r['peak']:8.0f}"
                f"   {r['deleted']:.0f} rows",
                flush=True,
            )


def header(first: str, *names: str) -> None:
    print(f"{first:<34}" + "".join(f"{name:>14}" for name in names))


def environment() -> dict[str, str]:
    result = dict(os.environ, OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1")
    result.setdefault("WEIR_LIBRARY", str(ROOT / ".build" / "release" / "libWeirC.so"))
    result["PYTHONPATH"] = str(ROOT / "python")
    return result


def finish(process: subprocess.Popen[str]) -> Result:
    output, errors = process.communicate()
    if process.returncode != 0:
        sys.exit(f"a benchmark failed: {process.args}\n{errors}")
    result: Result = json.loads(output.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run, a minute")
    parser.add_argument("--only", default="commits,writers,plan,delete")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--runs", type=int, help="processes of each measurement, 3 by default")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        import pyarrow as pa

        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        job = json.loads(options.child)
        print(json.dumps(globals()[f"child_{job['what']}"](job)))
        return
    if not (DATA / f"samples_{SAMPLE_ROWS}.arrow").exists():
        command = [sys.executable, str(GENERATOR), "samples", "--rows", str(SAMPLE_ROWS)]
        command += ["--seed", "7", "--out", str(DATA / f"samples_{SAMPLE_ROWS}.arrow")]
        subprocess.run(command, check=True)
    peers = [p for p in options.peers.split(",") if interpreter(p) is not None]
    parts = options.only.split(",")
    with tempfile.TemporaryDirectory(dir=DATA) as scratch:
        bench = Bench(Path(scratch), options.runs or (1 if options.quick else 3), peers)
        if "commits" in parts:
            bench.commits(20 if options.quick else 100)
        if "writers" in parts:
            bench.writers(16, 5 if options.quick else 20)
        if "plan" in parts:
            bench.plan([1_000] if options.quick else [1_000, 100_000])
        if "delete" in parts:
            bench.delete(100_000 if options.quick else 1_000_000)


if __name__ == "__main__":
    main()
