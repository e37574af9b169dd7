# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of version 1 and the table that they hold, those that are missing.

Each was written once, when the writer learnt what it shows; they are read forever:
    PYTHONPATH=python WEIR_LIBRARY=... WEIR_BIN=... python testdata/weir-file/make.py
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa

import weir

HERE = Path(__file__).parent
ROWS = 400
ERASED = "5,100-119,399"


def table() -> pa.Table:
    """A little of everything: ids, floats, ragged lists, histories, embeddings, text, nulls."""
    rng = np.random.default_rng(1)
    users = rng.integers(0, 30, ROWS)
    histories: dict[int, list[int]] = {}
    recent = []
    for user in users:
        history = histories.setdefault(int(user), list(map(int, rng.integers(0, 999, 12))))
        if rng.random() < 0.5:
            history.append(int(rng.integers(0, 999)))
            del history[:-12]
        recent.append(list(history))
    words = np.array(["red", "green", "blue", "a longer word of many letters", ""])
    hashes = rng.integers(0, 1 << 62, 40)
    rare = [float(i) if keep else None for i, keep in enumerate(rng.random(ROWS) < 0.02)]
    tags = [list(map(int, rng.integers(0, 50, n))) for n in rng.integers(0, 6, ROWS)]
    pairs = [{"a": int(x), "b": None if x % 3 else str(x)} for x in rng.integers(0, 99, ROWS)]
    embedding = pa.array(rng.standard_normal(ROWS * 4).astype(np.float32))
    return pa.table(
        {
            "user": pa.array(users, pa.int64()),
            "hash": pa.array(hashes[rng.integers(0, 40, ROWS)]),
            "at": pa.array(np.cumsum(rng.integers(0, 50, ROWS)), pa.timestamp("us", "UTC")),
            "constant": pa.array([7] * ROWS, pa.int16()),
            "price": pa.array(np.round(rng.gamma(2.0, 20.0, ROWS), 2)),
            "noise": pa.array(rng.standard_normal(ROWS).astype(np.float32)),
            "rare": pa.array(rare),
            "flag": pa.array(rng.random(ROWS) < 0.5),
            "word": pa.array(words[rng.integers(0, 5, ROWS)]),
            "request": pa.array([f"{int(x):032x}" for x in rng.integers(0, 1 << 62, ROWS)]),
            "tags": pa.array(tags, pa.list_(pa.int32())),
            "recent": pa.array(recent, pa.list_(pa.int64())),
            "emb": pa.FixedSizeListArray.from_arrays(embedding, 4),
            "pair": pa.array(pairs),
            "amount": pa.array([None, 5, -7, 12345] * (ROWS // 4)).cast(pa.decimal128(21, 2)),
        }
    )


def texts() -> pa.Table:
    """Strings of few and of many values, floats that fit 16 bits, mostly zeros, small decimals."""
    rng = np.random.default_rng(2)
    words = np.array(["lamp", "chair", "garden", "kitchen", "old", "wood", "für Elise"], object)
    titles = [" ".join(words[rng.integers(0, 7, n)]) for n in rng.integers(0, 9, ROWS)]
    pages = [f"https://www.example.com/c/{words[i % 5]}?page={i}" for i in range(60)]
    floats = rng.standard_normal(ROWS).astype(np.float32)
    kept = rng.random(ROWS)
    vectors = pa.array(rng.standard_normal(ROWS * 8).astype(np.float32))
    return pa.table(
        {
            "page": pa.array(np.array(pages, object)[rng.integers(0, 60, ROWS)]),
            "title": pa.array([f"{t} {int(x)}" for t, x in zip(titles, kept * 1e6, strict=True)]),
            "query": pa.array([t if k < 0.1 else None for t, k in zip(titles, kept, strict=True)]),
            "half": pa.array(floats.astype(np.float16).astype(np.float32)),
            "zeros": pa.array(np.where(kept < 0.1, floats, 0).astype(np.float32)),
            "often": pa.array(np.where(kept < 0.1, rng.integers(-9999, 9999, ROWS), 500)),
            "price": pa.array(rng.integers(0, 9999, ROWS)).cast(pa.decimal128(21, 2)),
            "vector": pa.FixedSizeListArray.from_arrays(vectors, 8),
            "score": pa.array(floats),
        }
    )


def spaces() -> pa.Table:
    """Lists and single ids of one space, and two columns of text of few values."""
    rng = np.random.default_rng(3)
    items = rng.integers(0, 1 << 60, 900)
    words = np.array([f"word {i * 7919} of many letters" for i in range(120)], object)

    def lists(mean: float) -> pa.Array:
        picked = [items[rng.integers(0, 900, n)].tolist() for n in rng.poisson(mean, ROWS)]
        return pa.array([p if rng.random() < 0.95 else None for p in picked], pa.list_(pa.int64()))

    return pa.table(
        {
            "seen": lists(12.0),
            "bought": lists(6.0),
            "item": pa.array(words[rng.integers(0, 120, ROWS)], mask=rng.random(ROWS) < 0.1),
            "next": pa.array(words[rng.integers(0, 120, ROWS)]),
        }
    )


def main() -> None:
    rows = table()
    if not (HERE / "v1.arrow").exists():
        path = str(HERE / "v1.arrow")
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_table(rows)
    for profile in ("fast", "compact"):
        path = HERE / f"v1-{profile}.weir"
        if not path.exists():
            weir.write_file(rows, path, profile=profile, page_rows=150)
    # Statistics, bloom filters and key indexes.
    keys = HERE / "v1-keys.weir"
    if not keys.exists():
        names = ["user", "hash", "word", "amount"]
        weir.write_file(rows, keys, page_rows=150, key_columns=names)
    # Strings with symbols and dictionaries, and rounded floats: the table is what the file holds.
    text = HERE / "v1-text.weir"
    if not text.exists():
        weir.write_file(texts(), text, page_rows=250, quantise={"vector": 0.1, "score": 0.001})
        held = pa.table(weir.open_file(text).read())
        path = str(HERE / "v1-text.arrow")
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, held.schema) as writer:
            writer.write_table(held)
    # Dictionaries that columns share.
    shared = HERE / "v1-shared.weir"
    if not shared.exists():
        made = spaces()
        path = str(HERE / "v1-shared.arrow")
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, made.schema) as writer:
            writer.write_table(made)
        weir.write_file(made, shared, page_rows=150)
    # Fields of structs with pages of their own.
    parts = HERE / "v1-parts.weir"
    if not parts.exists():
        weir.write_file(rows, parts, page_rows=150, part_bytes=100)
    # Narrow columns in a bucket, in an order of their own.
    layout = HERE / "v1-layout.weir"
    if not layout.exists():
        weir.write_file(rows, layout, page_rows=150, layout=["word", "flag", "user"])
    # Those with keys without the values of some rows.
    erased = HERE / "v1-erased.weir"
    # And so those with shared dictionaries.
    for source, target in ((keys, erased), (shared, HERE / "v1-shared-erased.weir")):
        if not target.exists():
            weir_bin = os.environ.get("WEIR_BIN", "weir")
            command = [weir_bin, "file", "erase", source, "--rows", ERASED, "--output", target]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
