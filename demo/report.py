# SPDX-License-Identifier: Apache-2.0
"""What the demo found, as JSON and as a page."""

from __future__ import annotations

import html
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from weir.evaluate import report as pages


def percentile(values: list[float], part: float) -> float | None:
    """`None` without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def summary(values: list[float]) -> dict[str, Any]:
    """Count, p50, p99 and the largest, in seconds."""
    return {
        "count": len(values),
        "p50": percentile(values, 0.5),
        "p99": percentile(values, 0.99),
        "max": max(values, default=None),
    }


def versions(weir: Path) -> dict[str, str]:
    """What was at work."""

    def first_line(*command: str) -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return "not there"
        return (done.stdout or done.stderr).splitlines()[0] if done.stdout or done.stderr else "?"

    found = {
        "weir": first_line(str(weir), "--version"),
        "commit": first_line("git", "rev-parse", "--short", "HEAD"),
        "python": platform.python_version(),
        "swift": first_line("swift", "--version"),
        "system": platform.platform(),
    }
    for name in ("torch", "onnxruntime", "numpy", "pyarrow", "duckdb", "pyiceberg"):
        try:
            found[name] = __import__(name).__version__
        except ImportError:
            found[name] = "not there"
    return found


def write(folder: Path, report: dict[str, Any], evaluations: list, protocol: str) -> None:
    """`report.json` and `report.html` in the folder."""
    (folder / "report.json").write_text(json.dumps(report, indent=2, default=str) + "\n")
    parts = [f'<p class="note">{html.escape(report["world"])}</p>', "<h2>Arrows</h2>"]
    rows = [
        [
            name,
            f"{arrow.get('rows', 0):,}" if arrow.get("rows") is not None else "",
            f"{arrow['rate']:,.0f}" if arrow.get("rate") is not None else "",
            _seconds(arrow.get("p50")),
            _seconds(arrow.get("p99")),
            str(arrow.get("count", "")),
        ]
        for name, arrow in report["arrows"].items()
    ]
    parts.append(table(["", "rows", "a second", "p50", "p99", "measured"], rows))
    if report.get("clicks"):
        parts.append("<h2>Clicks on the feed, by tenths of the time</h2>")
        series = {"clicks of 100 items shown": [tuple(one) for one in report["clicks"]]}
        parts.append(pages.lines(series, "click rate"))
    if evaluations:
        parts.append("<h2>Evaluation</h2>" + pages.section(protocol, evaluations))
    parts.append("<h2>A feed, before and after</h2>" + _feeds(report.get("feed") or {}))
    parts.append("<h2>Checks</h2>")
    parts.append(table(["", ""], [[k, str(v)] for k, v in report["checks"].items()]))
    parts.append("<h2>Time</h2>")
    parts.append(table(["", "s"], [[k, f"{v:.1f}"] for k, v in report["seconds"].items()]))
    parts.append("<h2>Versions</h2>")
    parts.append(table(["", ""], [[k, v] for k, v in report["versions"].items()]))
    page = pages.document("Weir: from event to feed", "".join(parts))
    (folder / "report.html").write_text(page)


def table(headings: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{html.escape(text)}</th>" for text in headings)
    lines = [
        "<tr>" + "".join(f"<td{_side(cell)}>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    ]
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _side(cell: str) -> str:
    return "" if cell[:1].isdigit() else ' class="text"'


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _feeds(feed: dict[str, Any]) -> str:
    if not feed:
        return '<p class="note">nobody was asked</p>'
    parts = [f"<p>User {feed['user']}; took: {html.escape(', '.join(feed['took']))}</p>"]
    for name in ("before", "after"):
        rows = [
            [str(place), entry["title"], entry["source"], entry.get("reason") or ""]
            for place, entry in enumerate(feed[name], 1)
        ]
        parts.append(f"<h3>{name}</h3>" + table(["", "item", "source", "reason"], rows))
    return "".join(parts)
