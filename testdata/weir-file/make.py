# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of version 1 and the table that they hold.

Run once for a version of the format; files of every released version are read forever:
    PYTHONPATH=python WEIR_LIBRARY=... python testdata/weir-file/make.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

import weir

HERE = Path(__file__).parent
ROWS = 400


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


def main() -> None:
    rows = table()
    with pa.OSFile(str(HERE / "v1.arrow"), "wb") as file:
        with pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_table(rows)
    for profile in ("fast", "compact"):
        weir.write_file(rows, HERE / f"v1-{profile}.weir", profile=profile, page_rows=150)


if __name__ == "__main__":
    main()
