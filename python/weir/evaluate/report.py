# SPDX-License-Identifier: Apache-2.0
"""Evaluations for people: a table for the terminal, a page with plots."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from ._run import Evaluation

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 68rem;
  margin: 2.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; text-align: right; border-bottom: 1px solid #dde3ea; }
th:first-child, td:first-child { text-align: left; }
td.text { text-align: left; } .wide { overflow-x: auto; }
td small { color: #66727f; } p.note { color: #66727f; }
svg text { font: 13px system-ui, sans-serif; fill: #1d2733; }
"""


def text_table(evaluations: Sequence[Evaluation], metrics: Sequence[str]) -> str:
    """One line for each recommender: values with the half width of their intervals."""
    headings = ["", *metrics, *[f"coverage@{k}" for k in _ks(evaluations)]]
    rows = [headings]
    for evaluation in evaluations:
        row = [evaluation.name]
        for metric in metrics:
            value, low, high = evaluation.metrics[metric]
            row.append(f"{value:.4f} ±{(high - low) / 2:.4f}")
        row += [f"{value:.3f}" for value in evaluation.coverage.values()]
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(headings))]
    lines = [
        row[0].ljust(widths[0])
        + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _ks(evaluations: Sequence[Evaluation]) -> list[int]:
    return list(evaluations[0].coverage) if evaluations else []


def page(title: str, protocol: str, evaluations: Sequence[Evaluation], extra: str = "") -> str:
    """A page of its own: the numbers and a plot of each metric with its interval.

    :param extra: HTML that stands before the end.
    """
    return document(title, section(protocol, evaluations) + extra)


def document(title: str, body: str) -> str:
    """HTML around a body, in the style of all reports."""
    name = html.escape(title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{name}</title><style>{_STYLE}</style></head><body><h1>{name}</h1>{body}"
        "</body></html>\n"
    )


def section(protocol: str, evaluations: Sequence[Evaluation]) -> str:
    """The numbers and plots of one protocol."""
    metrics = list(evaluations[0].metrics)
    largest = max(_ks(evaluations))
    shown = [metric for metric in metrics if metric.endswith(f"@{largest}")]
    parts = [f'<p class="note">{html.escape(protocol)}</p>', _number_table(evaluations, metrics)]
    for metric in shown:
        parts.append(f"<h2>{html.escape(_title(metric))}</h2>")
        parts.append(
            bars([(one.name, *one.metrics[metric]) for one in evaluations], _title(metric))
        )
    parts.append('<p class="note">Intervals: 95 %, bootstrap over users, 1,000 samples.</p>')
    return "".join(parts)


def _title(metric: str) -> str:
    name, k = metric.split("@")
    return {"recall": "Recall", "ndcg": "NDCG", "hr": "Hit rate", "mrr": "MRR"}[name] + "@" + k


def _number_table(evaluations: Sequence[Evaluation], metrics: Sequence[str]) -> str:
    ks = _ks(evaluations)
    cells = "".join(f"<th>{html.escape(_title(metric))}</th>" for metric in metrics)
    cells += "".join(f"<th>Coverage@{k}</th>" for k in ks)
    rows = [f"<tr><th></th>{cells}</tr>"]
    for one in evaluations:
        row = f"<td>{html.escape(one.name)}</td>"
        for metric in metrics:
            value, low, high = one.metrics[metric]
            row += f"<td>{value:.4f}<br><small>{low:.4f} to {high:.4f}</small></td>"
        row += "".join(f"<td>{one.coverage[k]:.3f}</td>" for k in ks)
        rows.append(f"<tr>{row}</tr>")
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def bars(rows: Sequence[tuple[str, float, float, float]], label: str) -> str:
    """Bars with their intervals, as SVG. Each row: name, value, low, high."""
    largest = max([high for *_, high in rows] + [1e-9])
    left, width, height = 150, 560, 30
    parts = []
    for index, (name, value, low, high) in enumerate(rows):
        y = index * height
        scale = width / largest
        middle = y + height / 2
        parts.append(
            f'<text x="{left - 10}" y="{middle + 5}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect x="{left}" y="{y + 6}" width="{value * scale:.1f}" height="{height - 12}" '
            f'fill="{"#2f6fb5" if index == len(rows) - 1 else "#9fb6cd"}"/>'
            f'<path d="M{left + low * scale:.1f} {middle}H{left + high * scale:.1f}" '
            'stroke="#1d2733" stroke-width="1.5"/>'
            f'<text x="{left + high * scale + 8:.1f}" y="{middle + 5}">{value:.4f}</text>'
        )
    size = f'width="{left + width + 80}" height="{len(rows) * height}"'
    return f'<svg {size} role="img" aria-label="{html.escape(label)}">{"".join(parts)}</svg>'


def lines(series: dict[str, list[tuple[float, float]]], label: str, unit: str = "") -> str:
    """Lines over time, as SVG. Each series: (x, y) in order of x."""
    points = [point for values in series.values() for point in values]
    if not points:
        return '<p class="note">nothing was measured</p>'
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_high = max(max(y for _, y in points), 1e-9)
    left, width, height = 60, 640, 180
    colours = ["#2f6fb5", "#c2542d", "#4a8f5a", "#8a5fb0", "#a08420"]

    def place(x: float, y: float) -> str:
        across = left + (x - x_low) / max(x_high - x_low, 1e-9) * width
        return f"{across:.1f} {10 + (1 - y / y_high) * height:.1f}"

    parts = [
        f'<path d="M{left} 10V{10 + height}H{left + width}" stroke="#66727f" fill="none"/>',
        f'<text x="{left - 8}" y="20" text-anchor="end">{_short(y_high)}{unit}</text>',
        f'<text x="{left + width}" y="{height + 28}" text-anchor="end">'
        f"{_short(x_high - x_low)} s</text>",
    ]
    for index, (name, values) in enumerate(series.items()):
        if not values:
            continue
        colour = colours[index % len(colours)]
        path = "M" + "L".join(place(x, y) for x, y in values)
        parts.append(f'<path d="{path}" stroke="{colour}" stroke-width="2" fill="none"/>')
        parts.append(
            f'<text x="{left + 10 + 150 * index}" y="{height + 28}" style="fill:{colour}">'
            f"{html.escape(name)}</text>"
        )
    size = f'width="{left + width + 20}" height="{height + 40}"'
    return f'<svg {size} role="img" aria-label="{html.escape(label)}">{"".join(parts)}</svg>'


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def as_json(protocol: str, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """What machines read: protocol, and the metrics of each recommender with intervals."""
    return {"protocol": protocol, "recommenders": [one.as_json() for one in evaluations]}
