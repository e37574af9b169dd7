# SPDX-License-Identifier: Apache-2.0
"""Writes the bitmaps (by pyroaring) and Theta sketches (by datasketches) beside this file.

`bitmaps.json` says which positions each `NAME.bitmap` holds, as runs of (first, count, step);
`sketches.json` what was put into each `NAME.theta` and what it estimates. The `.bin`, `.dv` and `.map`
files are Apache Iceberg's own (core/src/test/resources, written by its Java implementation;
Apache-2.0).
"""

import json
import pathlib
import random

from datasketches import theta_union, update_theta_sketch
from pyroaring import BitMap64

FOLDER = pathlib.Path(__file__).parent


def bitmaps():
    rng = random.Random(7)
    sets = {
        "empty": [],
        "one": [[1 << 40, 1]],
        "sparse": [[rng.randrange(1 << 20), 1] for _ in range(500)],
        "dense": [[0, 20_000, 2]],
        "runs": [[i * 1000, 400] for i in range(300)],
        "few-runs": [[5, 10], [70_000, 65_536]],
        "full": [[0, 65_536], [131_072, 1]],
        "high": [[(7 << 32) + 3, 5], [(9 << 32) + 65_530, 20], [1, 1], [(1 << 62) + 1, 3]],
        "limits": [[0, 4096], [65_536, 1], [131_071, 1], [200_000, 4097]],
    }
    expected = {}
    for name, runs in sets.items():
        bitmap = BitMap64()
        for first, count, *step in runs:
            step = step[0] if step else 1
            bitmap |= BitMap64(range(first, first + count * step, step))
        if name != "dense":
            bitmap.run_optimize()
        (FOLDER / f"{name}.bitmap").write_bytes(bitmap.serialize())
        expected[name] = sorted(runs)
        assert len(bitmap) <= sum(run[1] for run in runs)
    (FOLDER / "bitmaps.json").write_text(json.dumps(expected) + "\n")


def sketches():
    expected = {}

    def save(name, sketch, **more):
        compact = sketch.compact() if hasattr(sketch, "compact") else sketch
        (FOLDER / f"{name}.theta").write_bytes(compact.serialize())
        expected[name] = {
            **more,
            "estimate": compact.get_estimate(),
            "retained": compact.num_retained,
            "theta": compact.theta64,
        }

    for log, count in [(12, 0), (12, 1), (12, 2), (12, 100), (8, 10_000), (5, 1_000), (10, 20_000)]:
        sketch = update_theta_sketch(lg_k=log)
        for i in range(count):
            sketch.update(f"item-{i}")
        save(f"strings-{log}-{count}", sketch, log=log, first=0, count=count)
    sketch = update_theta_sketch(lg_k=8)
    for i in range(3_000):
        sketch.update(i)
    save("longs-8-3000", sketch, log=8, first=0, count=3_000)

    union = theta_union(lg_k=8)
    for first, count in [(0, 2_000), (1_500, 2_000)]:
        sketch = update_theta_sketch(lg_k=8)
        for i in range(first, first + count):
            sketch.update(f"item-{i}")
        save(f"part-{first}", sketch, log=8, first=first, count=count)
        union.update(sketch)
    save("union", union.get_result(), log=8, first=0, count=3_500)
    (FOLDER / "sketches.json").write_text(json.dumps(expected, indent=1) + "\n")


bitmaps()
sketches()
