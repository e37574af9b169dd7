#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Evaluates the loop at several moments of a data set, one after the other, and pools the users.

At each moment a service of its own gets what was before it, makes profiles, candidates, examples
and a model of that alone, and is asked for what came until the next moment. Where few users have
later events, one moment says little. Intervals are of users: what one user did after several
moments is drawn together.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import world as worlds
from evaluation import SURFACES, evaluate_loop
from loop import LAYOUTS, Loop

from weir.evaluate import Evaluation, compare, pool, report


class Fold(Loop):
    """The loop until it is evaluated, at one moment."""

    def __init__(self, options: argparse.Namespace, begin: float, end: float) -> None:
        super().__init__(options)
        self.folder = options.work / f"{begin:.2f}"
        self.begin, self.end = begin, end

    def evaluate(self) -> list[Evaluation]:
        world = worlds.read(self.source, self.name, self.layout.where, self.begin, self.end)
        self.open(world)
        try:
            self.history(world)
            self.train()
            _, found = evaluate_loop(
                self.service,
                self.client,
                world,
                self.options.users,
                self.screen,
                self.options.surfaces,
            )
        finally:
            self.stop()
        shutil.rmtree(self.folder)
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("folder", type=Path, help="what weir demo wrote")
    add("name", help="the data set")
    add("--splits", type=int, default=5, help="moments (%(default)s)")
    add("--begin", type=float, default=0.5, help="events before the first, a share (%(default)s)")
    add("--end", type=float, default=1.0, help="and where the last one's end (%(default)s)")
    add("--users", type=int, default=2_000, help="of each moment, at most (%(default)s)")
    add("--project", type=Path, help="another project file than the demo's")
    add("--surfaces", nargs="+", default=SURFACES, help="the last is the loop (%(default)s)")
    add("--json", type=Path, help="write the result there")
    add("--weir", type=Path, default=Path(".build/release/weir"))
    options = parser.parse_args()
    if options.name not in LAYOUTS:
        parser.error(f"there is no project of {options.name!r}; take one of {', '.join(LAYOUTS)}")
    if not 0 < options.begin < options.end <= 1 or options.splits < 1:
        parser.error("--begin and --end are shares of the events, --splits is 1 or more")
    options.now, options.work = None, options.folder / "splits"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    step = (options.end - options.begin) / options.splits
    moments = [options.begin + step * number for number in range(options.splits)]
    folds = [Fold(options, moment, moment + step).evaluate() for moment in moments]
    pooled = [pool(parts) for parts in zip(*folds, strict=True)]
    count, people = len(pooled[0].users), len(set(pooled[0].users.tolist()))
    print(f"\n{options.splits} moments, {count:,} lists of {people:,} users")
    metrics = [f"{name}@20" for name in ("recall", "ndcg", "hr", "mrr")]
    print(report.text_table(pooled, metrics))
    beside = {}
    for metric in metrics[:2]:
        for other in pooled[:-1]:
            found = compare(pooled[-1], other, metric)
            beside[f"{metric} beside {other.name}"] = found
            value, low, high = found
            print(f"{metric} beside {other.name}: {value:+.4f} ({low:+.4f} to {high:+.4f})")
    if options.json:
        protocol = f"{options.splits} moments from {options.begin} to {options.end} of the events"
        result = report.as_json(protocol, pooled)
        result |= {"lists": count, "users": people, "beside": beside}
        result["splits"] = [
            report.as_json(f"{at:.2f}", of) for at, of in zip(moments, folds, strict=True)
        ]
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
