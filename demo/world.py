# SPDX-License-Identifier: Apache-2.0
"""The events of the demo: what is history, what is still to come."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


@dataclass(frozen=True)
class World:
    """Real events, cut at a moment that becomes now.

    :param moment: events before it are history.
    :param later: the events from it on, in order of time: user_id, item_id, kind, value, and `due`,
        the seconds from the moment.
    :param tastes: of each user with events to come: item -> value, of items new to the user.
    """

    name: str
    moment: datetime.datetime
    history_count: int
    later: pa.Table
    tastes: dict[int, dict[int, float | None]]

    @property
    def users(self) -> list[int]:
        return sorted(self.tastes)


def read(
    folder: Path, name: str, where: str | None, fraction: float = 0.8, until: float = 1.0
) -> World:
    """From the events that `weir demo` wrote, those of which `where` is true.

    :param fraction: of the events that are history; `until`: of those that there are at all.
    """
    columns = ["event_time", "user_id", "item_id", "event", "value"]
    events = pq.read_table(folder / "events.parquet", columns=columns)
    if where:
        import duckdb

        kinds = events.column("event").cast(pa.string())
        events = events.set_column(3, "event", kinds)
        events = duckdb.sql(f"FROM events WHERE {where}").to_arrow_table()
    events = events.filter(pc.is_valid(events.column("user_id"))).sort_by("event_time")
    micros = events.column("event_time").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    times = micros.to_numpy()
    cut = times[int(len(times) * fraction)]
    first = int(np.searchsorted(times, cut))
    end = len(times)
    if until < 1:
        end = int(np.searchsorted(times, times[int(len(times) * until)]))
    later, history = events.slice(first, end - first), events.slice(0, first)
    met = set(zip(history["user_id"].to_pylist(), history["item_id"].to_pylist(), strict=True))
    rows = zip(
        *(later[column].to_pylist() for column in ("user_id", "item_id", "value")), strict=True
    )
    tastes: dict[int, dict[int, float | None]] = {}
    for user, item, value in rows:
        if (user, item) not in met:
            tastes.setdefault(user, {})[item] = value
    due = (times[first:end] - cut) / 1e6
    kinds = later.column("event").cast(pa.string())
    later = pa.table(
        {
            "user_id": later.column("user_id"),
            "item_id": later.column("item_id"),
            "kind": kinds,
            "value": later.column("value").cast(pa.float64()),
            "due": due,
        }
    )
    moment = datetime.datetime.fromtimestamp(int(cut) / 1e6, datetime.timezone.utc)
    return World(name, moment, len(history), later, tastes)


def categories(folder: Path, column: str | None) -> dict[int, str]:
    """The category of each item, where the data set says."""
    path = folder / "items.parquet"
    if column is None or not path.exists():
        return {}
    items = pq.read_table(path, columns=["item_id", column])
    text = items.column(column).cast(pa.string()).to_pylist()
    return dict(zip(items.column("item_id").to_pylist(), text, strict=True))


def titles(folder: Path, column: str | None) -> dict[int, str]:
    """What people call each item."""
    found = categories(folder, column)
    return {item: title for item, title in found.items() if title}
