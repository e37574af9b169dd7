# SPDX-License-Identifier: Apache-2.0
"""Tables for benchmarks/formats.py: the peers' samples, wide tables, and one of events.

The peers' generator makes the samples and the table of 2,000 columns; the others are made here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("PEERS_HOME", ROOT / ".peers"))
DATA = HOME / "data"
GENERATOR = Path(
    os.environ.get("WEIR_PEERS_GENERATOR", ROOT.parent / "shared" / "peers" / "gen.py")
)
BATCH = 65_536

# 30 of the 130 columns, five of them lists, one a long sequence: what a training job takes.
SAMPLES_30 = (
    ["user_id", "item_id", "event_time"]
    + [f"d_{j:02d}" for j in range(3, 40, 4)][:9]
    + [f"c_{j:02d}" for j in range(2, 60, 6)]
    + ["l_00", "l_05", "l_10", "l_15", "seq_click"]
    + ["label_click", "label_view", "label_like"]
)
SAMPLES_10 = ["user_id", "item_id", "d_03", "d_18", "c_02", "c_31", "c_50", "l_05", "seq_click"]
SAMPLES_10 += ["label_click"]
EVENTS_30 = ["user_id", "session", "type", "event_time", "received", "page", "position", "price"]
EVENTS_30 += ["title", "country"]
EVENTS_10 = ["event_id", "user_id", "type", "event_time", "page", "query", "price", "tags"]
EVENTS_10 += ["device", "ip"]


class Shape:
    """A table: what is projected, looked up, made tensors of, and sorted by."""

    def __init__(self, name: str, projection: list[str], few: list[str]) -> None:
        self.name, self.projection, self.few = name, projection, few


SHAPES = {
    "samples": Shape("samples", SAMPLES_30, SAMPLES_10),
    "events": Shape("events", EVENTS_30, EVENTS_10),
}
SORTED_BY = ["user_id", "event_time"]


def tensor_columns(schema: pa.Schema) -> list[str]:
    """Numbers, lists of numbers and vectors."""

    def numeric(kind: pa.DataType) -> bool:
        return pa.types.is_integer(kind) or pa.types.is_floating(kind)

    names = []
    for field in schema:
        nested = pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type)
        if numeric(field.type.value_type if nested else field.type):
            names.append(field.name)
    return [name for name in names if name != "event_time"]


def write_ipc(path: Path, table: pa.Table) -> None:
    partial = path.with_suffix(".partial")
    with pa.OSFile(str(partial), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH)
    partial.rename(path)


def generated(what: str, rows: int, seed: int, path: Path) -> Path:
    """A table of the peers' generator."""
    if not path.exists():
        if not GENERATOR.exists():
            sys.exit(f"no generator at {GENERATOR}: set WEIR_PEERS_GENERATOR to gen.py")
        command = [sys.executable, str(GENERATOR), what, "--rows", str(rows), "--seed", str(seed)]
        partial = path.with_suffix(".partial")
        subprocess.run([*command, "--out", str(partial)], check=True)
        partial.rename(path)
    return path


def source(shape: str, rows: int, seed: int) -> Path:
    DATA.mkdir(parents=True, exist_ok=True)
    suffix = "" if seed == 7 else f"_seed{seed}"
    path = DATA / f"{shape}_{rows}{suffix}.arrow"
    if shape == "samples":
        return generated("samples", rows, seed, path)
    if not path.exists():
        write_ipc(path, events(rows, seed))
    return path


def clustered(path: Path) -> tuple[Path, bool]:
    """The same rows in the order of users and time; whether the file was made just now."""
    target = path.with_suffix(".clustered.arrow")
    made = not target.exists()
    if made:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        order = pc.sort_indices(table, [(name, "ascending") for name in SORTED_BY])
        partial = target.with_suffix(".partial")
        with pa.OSFile(str(partial), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            for start in range(0, table.num_rows, BATCH):
                part = table.take(order.slice(start, BATCH)).combine_chunks()
                writer.write_table(part, max_chunksize=BATCH)
        partial.rename(target)
    return target, made


def wide(columns: int, rows: int, seed: int) -> tuple[Path, bool, list[str]]:
    """A table of many narrow columns; whether it was made just now; ten of its columns."""
    suffix = "" if seed == 7 else f"_seed{seed}"
    path = DATA / f"wide_{columns}x{rows}{suffix}.arrow"
    made = not path.exists()
    if made:
        generator = np.random.default_rng([seed, columns])
        arrays, names = [], []
        for i in range(columns):
            kind = i % 20
            if kind < 10:
                values = generator.standard_normal(rows, dtype=np.float32)
                if kind % 3 == 1:
                    values[generator.random(rows) < 0.7] = 0
                elif kind % 3 == 2:
                    values = np.round(values, 2)
                names.append(f"f_{i:05d}")
                arrays.append(pa.array(values))
                continue
            count = rows if kind < 17 else generator.poisson(4, rows)
            total = int(np.sum(count))
            ids = np.minimum(generator.zipf(1.3, total), 1_000_000).astype(np.int64)
            if kind < 17:
                names.append(f"i_{i:05d}")
                arrays.append(pa.array(ids))
            else:
                offsets = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
                names.append(f"s_{i:05d}")
                arrays.append(pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids)))
        write_ipc(path, pa.table(arrays, names=names))
    schema = pa.ipc.open_file(pa.memory_map(str(path))).schema
    step = len(schema) // 10
    return path, made, [schema.names[i * step + (7 * i) % step] for i in range(10)]


COUNTRY_CODES = """
us de fr gb jp br in ca es it nl se pl mx kr au at ch be pt
"""
COUNTRIES = COUNTRY_CODES.split()
WORD_LIST = """
red blue warm light small large new old fast quiet garden kitchen travel winter summer shoe
lamp phone table chair coat bag watch book game music camera paper glass wood steel cotton
organic classic modern vintage premium basic set pair pack kit for with and
"""
WORDS = WORD_LIST.split()
AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) {browser}/{version}.0"
    for system in ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "iPhone; CPU iPhone OS 18_1")
    for browser in ("Chrome", "Safari", "Firefox", "Edg")
    for version in range(120, 137)
]


def texts(generator: np.random.Generator, count: int, low: int, high: int) -> list[str]:
    lengths = generator.integers(low, high, count)
    words = np.array(WORDS, object)[
        np.minimum(generator.zipf(1.3, int(lengths.sum())) - 1, len(WORDS) - 1)
    ]
    ends = np.cumsum(lengths)
    return [" ".join(words[e - n : e]) for e, n in zip(ends, lengths, strict=True)]


def picked(generator: np.random.Generator, values: list[str], rows: int) -> pa.Array:
    """Values by Zipf's law."""
    codes = np.minimum(generator.zipf(1.4, rows) - 1, len(values) - 1)
    return pa.array(values).take(pa.array(codes))


def thinned(values: pa.Array, kept: np.ndarray) -> pa.Array:
    """The values that are kept; null for the others."""
    return pc.if_else(pa.array(kept), values, pa.scalar(None, values.type))


def events(rows: int, seed: int) -> pa.Table:
    """Raw events of a shop: many strings and times, few lists. 28 columns."""
    g = np.random.default_rng([seed, 99])
    users = np.minimum(g.zipf(1.2, rows), max(rows // 4, 10))
    day = 86_400_000_000
    at = np.sort(g.integers(0, day, rows)) + 1_790_000_000_000_000
    session = at // (day // 24) * 31 + users
    items = np.minimum(g.zipf(1.3, rows), 50_000)
    titles = texts(g, 50_001, 3, 9)
    item_titles = pa.array(titles).take(pa.array(items))
    price = np.round(g.lognormal(3, 1, 50_001), 2)[items]
    some = g.random(rows)
    hexes = g.bytes(16 * rows).hex()
    tags = np.minimum(g.geometric(0.5, rows) - 1, 5)
    offsets = np.concatenate([[0], np.cumsum(tags)]).astype(np.int32)
    kinds = ["view", "impression", "click", "scroll", "search", "cart", "like", "share", "buy"]
    countries = [code.upper() for code in COUNTRIES]
    paths = [f"/c/{WORDS[i % 40]}/{WORDS[i * 7 % 40]}?page={i % 9}&sort=new" for i in range(5_000)]
    hosts = ["https://www.example.com", "https://m.example.com", "https://search.example.org"]
    queries = texts(g, 20_000, 1, 5)

    def when(values: np.ndarray, unit: str = "us") -> pa.Array:
        return pa.array(values.astype(np.int64)).cast(pa.timestamp(unit, tz="UTC"))

    columns = {
        "event_id": pa.array([hexes[32 * i : 32 * i + 32] for i in range(rows)]),
        "user_id": pa.array([f"u{u:09d}" for u in users.tolist()]),
        "session": pa.array([f"s-{s:x}" for s in session.tolist()]),
        "type": picked(g, kinds, rows),
        "event_time": when(at),
        "received": when(at + g.exponential(40_000, rows).astype(np.int64)),
        "client_time": when((at + g.normal(0, 2e6, rows)) // 1000, "ms"),
        "page": picked(g, [hosts[i % 3] + p for i, p in enumerate(paths)], rows),
        "referrer": thinned(picked(g, hosts, rows), some < 0.6),
        "agent": picked(g, AGENTS, rows),
        "country": picked(g, countries, rows),
        "city": picked(g, [f"{w}ville-{i}" for i, w in enumerate(WORDS * 20)], rows),
        "device": picked(g, ["phone", "desktop", "tablet", "tv"], rows),
        "language": picked(g, ["en-US", "de-DE", "fr-FR", "ja-JP", "pt-BR"], rows),
        "ip": pa.array([f"10.{u >> 16 & 255}.{u >> 8 & 255}.{u & 255}" for u in users.tolist()]),
        "query": thinned(picked(g, queries, rows), some > 0.8),
        "item": pa.array(items.astype(np.int64)),
        "title": item_titles,
        "brand": picked(g, [w.title() for w in WORDS], rows),
        "price": pa.array(price, mask=some < 0.1),
        "quantity": pa.array(np.minimum(g.geometric(0.8, rows), 9).astype(np.int32)),
        "position": pa.array(np.minimum(g.geometric(0.1, rows), 200).astype(np.int16)),
        "dwell_ms": pa.array(g.lognormal(8, 1.5, rows).astype(np.int32), mask=some > 0.7),
        "latency_ms": pa.array(np.round(g.gamma(2, 15, rows), 1)),
        "logged_in": pa.array(g.random(rows) < 0.3),
        "bot": pa.array(g.random(rows) < 0.01),
        "tags": pa.ListArray.from_arrays(
            pa.array(offsets), picked(g, WORDS, int(offsets[-1]))
        ),
        "experiments": pa.ListArray.from_arrays(
            pa.array(np.arange(rows + 1, dtype=np.int32) * 4),
            pa.array(g.integers(0, 40, 4 * rows).astype(np.int32)),
        ),
    }  # fmt: skip
    return pa.table(columns)
