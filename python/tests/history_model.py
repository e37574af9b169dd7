# SPDX-License-Identifier: Apache-2.0
"""What the rows of a table should be through its history, in plain Python; random rows."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa

# Each history starts with these columns; their Arrow type, and whether a value must be there.
COLUMNS = {
    "k": pa.field("k", pa.int64(), nullable=False),
    "country": pa.field("country", pa.string()),
    "price": pa.field("price", pa.float64()),
    "count": pa.field("count", pa.int32()),
    "at": pa.field("at", pa.timestamp("us")),
    "day": pa.field("day", pa.date32()),
    "cost": pa.field("cost", pa.decimal128(9, 2)),
    "place": pa.field("place", pa.struct([("x", pa.int32()), ("y", pa.string())])),
    "tags": pa.field("tags", pa.list_(pa.string())),
}
PARTITIONS = [
    [],
    ["country"],
    ["bucket(4, k)"],
    ["day(at)"],
    ["country", "bucket(3, k)"],
    ["truncate(1, country)", "month(day)"],
    ["hour(at)"],
    ["truncate(50, k)"],
    ["year(day)", "country"],
]
SORTS = [[], ["k"], ["country desc nulls last", "k"]]
# What is added to a partition spec later: Weir's text; PyIceberg's column and transform.
LATER_PARTITIONS = [
    ("bucket(2, k)", "k", "bucket[2]"),
    ("truncate(2, country)", "country", "truncate[2]"),
    ("year(at)", "at", "year"),
    ("month(at)", "at", "month"),
]


class Model:
    """The rows that should be there: by column of the table's life, not by name."""

    def __init__(self, random: random.Random) -> None:
        self.random = random
        # (key of the column, its name now, its Arrow field)
        self.columns = {name: name for name in COLUMNS}
        self.fields = dict(COLUMNS)
        self.rows: dict[int, dict] = {}
        self.next_key = 0
        self.snapshots: dict[int, tuple[dict, dict]] = {}
        self.references: dict[str, int] = {}

    def schema(self) -> pa.Schema:
        return pa.schema(
            [self.fields[column].with_name(name) for column, name in self.columns.items()]
        )

    def remember(self, snapshot: int) -> None:
        self.snapshots[snapshot] = (dict(self.columns), dict(self.rows))

    def expected(self, snapshot: int) -> list[dict]:
        columns, rows = self.snapshots[snapshot]
        return self.named(columns, rows)

    @staticmethod
    def named(columns, rows) -> list[dict]:
        return [
            {name: row.get(column) for column, name in columns.items()}
            for _, row in sorted(rows.items())
        ]

    # Values.

    def row(self, key: int) -> dict:
        r = self.random

        def maybe(value):
            return None if r.random() < 0.15 else value

        row = {
            "k": key,
            "country": maybe(r.choice(["de", "fr", "it", "größe", ""])),
            "price": maybe(r.choice([0.0, -1.5, 2.25, 1e300, float(key)])),
            "count": maybe(r.randint(-(2**31), 2**31 - 1)),
            "at": maybe(datetime(2025, 12, 30) + timedelta(seconds=r.randint(0, 5 * 86_400))),
            "day": maybe(date(2025, 12, 30) + timedelta(days=r.randint(0, 5))),
            "cost": maybe(Decimal(r.randint(-(10**9) + 1, 10**9 - 1)).scaleb(-2)),
            "place": maybe({"x": maybe(r.randint(0, 9)), "y": maybe("y")}),
            "tags": maybe([maybe(t) for t in "abc"[: r.randint(0, 3)]]),
        }
        for column in self.columns:
            if column not in row:
                row[column] = maybe(r.choice(["web", "tv", "app"]))
        return {column: row[column] for column in self.columns}

    def fresh(self, count: int) -> dict[int, dict]:
        keys = range(self.next_key, self.next_key + count)
        self.next_key += count
        return {key: self.row(key) for key in keys}

    def arrow(self, rows: dict[int, dict]) -> pa.Table:
        return pa.Table.from_pylist(self.named(self.columns, rows), schema=self.schema())

    def condition(self):
        """A condition as text that both read, and as a function that is true, false or None."""
        r = self.random
        names = self.columns
        low = r.randint(0, max(self.next_key, 1))
        choices = [
            (f"k >= {low} and k < {low + 5}", lambda row: low <= row["k"] < low + 5),
            (
                f"k in ({low}, {low + 1}, {low + 7})",
                lambda row: row["k"] in (low, low + 1, low + 7),
            ),
        ]
        if "country" in names:
            country = names["country"]
            value = r.choice(["de", "fr", "größe", "none"])
            choices += [
                (
                    f"{country} = '{value}' and k < {low}",
                    lambda row: row["country"] == value and row["k"] < low,
                ),
                (
                    f"{country} is null and k > {low}",
                    lambda row: row["country"] is None and row["k"] > low,
                ),
                # PyIceberg alone counts nulls as unequal when a file's bounds decide.
                (
                    f"not ({country} = '{value}') and {country} is not null and k < {low // 3}",
                    lambda row: row["country"] not in (value, None) and row["k"] < low // 3,
                ),
            ]
        if "price" in names:
            price = names["price"]
            choices.append(
                (
                    f"{price} > 1.0 and k < {low // 2}",
                    lambda row: (
                        row["price"] is not None and row["price"] > 1 and row["k"] < low // 2
                    ),
                )
            )
        return r.choice(choices)


def by_key(table: pa.Table) -> list[dict]:
    return table.sort_by("k").to_pylist()
