# SPDX-License-Identifier: Apache-2.0
"""One shuffled epoch of a wide table as batches of tensors, beside the loaders of ../shared/peers.

    benchmarks/run loader [--rows N] [--workers N] [--peers a,b] [--epochs N]

Each loader gives batches of 4,096 rows: dense [B, 40] float32, ids [B, 60] int64, labels [B, 3], an
embedding [B, 64], and 22 lists as (values, offsets). Without workers it runs on one core. Every
loader first gets the rows in its own format (not counted; Weir's is the table, and its first epoch
also decodes it). The best epoch counts, as with the peers. Weir shuffles all rows; peers as they do
by default.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS_CODE = Path(os.environ.get("WEIR_PEERS_GENERATOR", ROOT / "../shared/peers/gen.py")).parent
BATCH = 4096
PEERS = ["parquet", "lance_batch", "lance_take", "vortex_take", "mds", "wds"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument(
        "--format", choices=["parquet", "weir"], default="weir", help="of our table"
    )
    parser.add_argument("--samples", type=Path, help="the peers' rows in Arrow's file format")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    home = Path(os.environ.get("PEERS_HOME", ROOT / ".peers"))
    if options.child:
        print(json.dumps(weir_epochs(Path(options.child), options.workers, options.epochs)))
        return 0
    samples = options.samples or home / "data" / "samples_1000000.arrow"
    if not samples.exists():
        samples = home / "data" / "samples_200000.arrow"
    found = {"weir": run_weir(home, samples, options)}
    for peer in filter(None, options.peers.split(",")):
        found[peer] = run_peer(home, peer, options)
    report(found, options)
    return 0


def pin(command: list[str], workers: int) -> list[str]:
    return command if workers else ["taskset", "-c", "1", *command]


def run_weir(home: Path, samples: Path, options: argparse.Namespace) -> dict | str:
    folder = home / "data" / f"loader_weir_{options.format}_{options.rows}"
    if not folder.exists():
        write_table(samples, folder, options.rows, options.format)
    command = [sys.executable, __file__, "--child", str(folder)]
    command += ["--workers", str(options.workers), "--epochs", str(options.epochs)]
    done = subprocess.run(pin(command, options.workers), capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    return json.loads(done.stdout.splitlines()[-1])


def write_table(samples: Path, folder: Path, rows: int, format: str) -> None:
    import pyarrow as pa

    import weir

    catalog = weir.connect(folder)
    catalog.create_namespace("n")
    data = pa.ipc.open_file(pa.memory_map(str(samples))).read_all().slice(0, rows)
    table = catalog.create_table(
        "n.samples", data.schema, properties={"write.format.default": format}
    )
    for start in range(0, rows, rows // 8):
        table.append(data.slice(start, rows // 8))


def weir_epochs(folder: Path, workers: int, epochs: int) -> dict:
    import torch

    import weir
    from weir.torch import Dataset, Dense, Id, IdList, Sequence

    torch.set_num_threads(1)
    table = weir.connect(folder).table("n.samples")
    lists = [f"l_{n:02}" for n in range(20)] + ["seq_click", "seq_view"]
    features = {
        "dense": Dense(*(f"d_{n:02}" for n in range(40)), bad="zero"),
        "cat": Id(*(f"c_{n:02}" for n in range(60))),
        "label": Dense("label_click", "label_view", "label_like"),
        "user": Id("user_id"),
        "item": Id("item_id"),
        "emb": Sequence("emb", 64),
        **{name: IdList(name) for name in lists},
    }
    dataset = Dataset(table, features, batch_size=BATCH, seed=1)
    result = []
    for _ in range(epochs):
        started, rows, first = time.perf_counter(), 0, None
        for batch in dataset.loader(workers):
            rows += len(batch["dense"])
            first = first or time.perf_counter() - started
        seconds = time.perf_counter() - started
        result.append({"rows": rows, "seconds": round(seconds, 3), "first": round(first or 0, 3)})
    rates = [epoch["rows"] / epoch["seconds"] for epoch in result]
    return {"samples_s": round(max(rates)), "first_epoch": round(rates[0]), "epochs": result}


def run_peer(home: Path, peer: str, options: argparse.Namespace) -> dict | str:
    python = home / "venv" / "bin" / "python"
    environment = {
        **os.environ,
        "PEERS_HOME": str(home),
        "DROWS": str(options.rows),
        "PYTHONPATH": str(PEERS_CODE / "stubs"),
        "OMP_NUM_THREADS": "1",
        "LANCE_CPU_THREADS": "1",
    }
    code = PEERS_CODE / "d_loaders.py"
    if not (home / "data" / f"loader_{options.rows}" / "wds").exists():
        prep = [str(python), str(code), "prep"]
        done = subprocess.run(prep, env=environment, capture_output=True, text=True, timeout=1_200)
        if done.returncode:
            return "not prepared: " + (done.stderr.strip().splitlines() or ["failed"])[-1]
    slow = peer in ("mds", "wds")
    command = [str(python), str(code), "run", peer, str(options.workers)]
    command += ["--epochs", "1", "--limit", "60000"] if slow else ["--epochs", str(options.epochs)]
    try:
        done = subprocess.run(
            pin(command, options.workers),
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
    except subprocess.TimeoutExpired:
        return "no answer in 300 s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1]
    answer = json.loads(done.stdout.splitlines()[-1])
    epochs = answer["epochs"]
    return {
        "samples_s": answer["samples_s"],
        "first_epoch": epochs[0]["samples_s"],
        "epochs": epochs,
    }


def report(found: dict[str, dict | str], options: argparse.Namespace) -> None:
    ours = found["weir"]
    print(f"{options.rows} rows, {options.workers} workers, samples/s (ratio: Weir through it)")
    for name, value in found.items():
        if isinstance(value, str):
            print(f"  {name:12} {value}")
            continue
        ratio = ours["samples_s"] / value["samples_s"] if isinstance(ours, dict) else float("nan")
        first = value["first_epoch"]
        print(f"  {name:12} {value['samples_s']:>9,}  first epoch {first:>9,}  {ratio:6.1f} x")


if __name__ == "__main__":
    sys.exit(main())
