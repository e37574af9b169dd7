# SPDX-License-Identifier: Apache-2.0
"""The table of benchmarks/formats.py: what each row shows and what its goal is."""

from __future__ import annotations

from typing import Any

WEIR = ["weir", "weir_compact"]
PEERS = ["parquet", "lance", "vortex", "vortex_compact"]
TITLES = {
    "weir": "Weir fast",
    "weir_compact": "Weir compact",
    "parquet": "Parquet",
    "lance": "Lance",
    "vortex": "Vortex",
    "vortex_compact": "Vortex compact",
}


class Row:
    """A row of the table: a figure of a work; its ratio compares `ours` with the best of peers."""

    def __init__(
        self,
        key: str,
        title: str,
        figure: str,
        goal: str,
        ours: str = "weir",
        peers: list[str] | None = None,
        peers_key: str | None = None,
    ) -> None:
        self.key, self.title, self.figure, self.goal = key, title, figure, goal
        self.ours, self.peers, self.peers_key = ours, peers or PEERS, peers_key or key


ROWS = [
    Row("write", "size, fast, MB", "size", "<= 0.8", peers=["parquet", "lance", "vortex"]),
    Row("write", "size, compact, MB", "size", "<= 0.85", ours="weir_compact"),
    Row("clustered", "size by user and time, fast, MB", "size", "<= 0.5"),
    Row("clustered", "size by user and time, compact, MB", "size", "<= 0.5", ours="weir_compact"),
    Row("write", "write, s", "cpu", "<= 0.7"),
    Row("scan", "full scan to Arrow, s", "cpu", ">= 1.5"),
    Row("scan", "full scan, compact beside Parquet, s", "cpu", ">= 1", "weir_compact", ["parquet"]),
    Row("cold", "full scan, cold, wall s", "wall", ""),
    Row("projection", "projection to Arrow ({projection} columns), s", "cpu", ">= 1.3"),
    Row("tensors", "to tensors, batches of 4,096, s", "cpu", ">= 2"),
    Row("unique", "to tensors, unique lists + inverse, s", "cpu", ">= 4", peers_key="tensors"),
    Row("take_all", "10,000 random rows, all columns, s", "cpu", ">= 1.5"),
    Row("take_10", "10,000 random rows, 10 columns, s", "cpu", ">= 1.5"),
    Row("take_small", "100 random rows, 10 columns, open handle, ms", "cpu", ">= 3"),
    Row("open_2000", "open + 10 of 2,000 columns, ms", "cpu", ">= 10"),
    Row("open_20000", "open + 10 of 20,000 columns, ms", "cpu", ">= 10"),
    Row("write", "memory of the write, MB", "peak_mb", "<= 1"),
    Row("scan", "memory of the scan, MB", "peak_mb", "<= 1"),
]


def value_of(row: Row, found: dict[str, Any] | None) -> float | None:
    if not found or "error" in found:
        return None
    scale = 1e-6 if row.figure == "size" else 1e3 if row.title.endswith("ms") else 1.0
    return found[row.figure] * scale


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Report:
    """Results by work and format, as a table in Markdown."""

    def __init__(
        self, results: dict[str, dict[str, Any]], limits: dict[str, float], formats: list[str]
    ) -> None:
        self.results, self.limits = results, limits
        self.formats = [name for name in TITLES if name in formats]

    def markdown(self, projection: int, writes: bool) -> str:
        """`projection`: how many columns that has; `writes`: whether writes were timed."""
        titles = [TITLES[name] for name in self.formats]
        lines = [
            "| " + " | ".join(["work", *titles, "limit", "ratio", "goal"]) + " |",
            "|---" * (len(titles) + 4) + "|",
        ]
        for row in ROWS:
            if row.key not in self.results:
                continue
            if row.key == "write" and row.figure != "size" and not writes:
                continue
            cells = [row.title.format(projection=projection), *self.cells(row)]
            lines.append("| " + " | ".join([*cells, self.ratio(row), row.goal]) + " |")
        failures = [
            f"- {TITLES[name]}, {key}: {found['error']}"
            for key, of in self.results.items()
            for name, found in of.items()
            if "error" in found
        ]
        return "\n".join([*lines, *([""] if failures else []), *failures])

    def cells(self, row: Row) -> list[str]:
        """A cell for each format, and the limit."""
        limit = self.limits[row.key] * (1e3 if row.title.endswith("ms") else 1)
        timed, cells = row.figure in ("cpu", "wall") and limit > 0, []
        for name in self.formats:
            found = self.results[row.key].get(name)
            value = value_of(row, found)
            if value is None:
                cells.append("failed" if found else "")
            else:
                times = f" ({value / limit:.1f})" if timed else ""
                cells.append(number(value) + times)
        return [*cells, number(limit) if timed else ""]

    def ratio(self, row: Row) -> str:
        """Best peer / Weir, but where the goal is an upper bound: Weir / best peer."""
        ours = value_of(row, self.results[row.key].get(row.ours))
        of = self.results.get(row.peers_key, {})
        theirs = [value_of(row, of.get(name)) for name in row.peers]
        best = min((value for value in theirs if value is not None), default=None)
        if not ours or not best:
            return ""
        return f"{ours / best:.2f}" if row.goal.startswith("<=") else f"{best / ours:.2f}"
