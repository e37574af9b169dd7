# SPDX-License-Identifier: Apache-2.0
"""Columns that are computed from others, beside DuckDB."""

from __future__ import annotations

import datetime
import math
import random
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest

import weir

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 300
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("small", pa.int32()),
        ("big", pa.int64()),
        ("low", pa.float32()),
        ("high", pa.float64()),
        ("price", pa.decimal128(9, 2)),
        ("flag", pa.bool_()),
        ("word", pa.string()),
        ("items", pa.list_(pa.int64())),
        ("moment", pa.timestamp("us", tz="UTC")),
        ("born", pa.date32()),
    ]
)


def random_rows(source: random.Random) -> pa.Table:
    def column(make) -> list:
        return [None if source.random() < 0.15 else make() for _ in range(ROWS)]

    start = datetime.datetime(1965, 1, 1, tzinfo=datetime.UTC)
    values = {
        "id": list(range(ROWS)),
        "small": column(lambda: source.choice([0, 1, source.randint(-1_000, 1_000)])),
        "big": column(lambda: source.randint(-1_000_000, 1_000_000)),
        "low": column(lambda: source.randint(-64, 64) / 8),
        "high": column(lambda: source.choice([0.0, source.uniform(-100, 100)])),
        "price": column(lambda: source.randint(-99_999, 99_999) / 100),
        "flag": column(lambda: source.random() < 0.5),
        "word": column(lambda: source.choice(["", "a", "größe", "two words", "🙂"])),
        "items": column(lambda: [1] * source.randint(0, 5)),
        "moment": column(lambda: start + datetime.timedelta(seconds=source.uniform(0, 2e9))),
        "born": column(
            lambda: datetime.date(1960, 1, 1) + datetime.timedelta(source.randrange(30_000))
        ),
    }
    values["price"] = pa.array(values["price"], pa.float64()).cast(pa.decimal128(9, 2))
    return pa.table([pa.array(values[f.name], f.type) for f in SCHEMA], schema=SCHEMA)


class Writer:
    """Random expressions, as Weir and as DuckDB reads them: pairs of texts."""

    def __init__(self, source: random.Random) -> None:
        self.source = source

    def integer(self, depth: int) -> tuple[str, str]:
        kinds = ["column", "literal", "sum", "product", "remainder", "case", "coalesce", "abs"]
        kinds += ["length", "hour", "isodow", "cast", "negated", "extreme"]
        kind = self.source.choice(kinds if depth else ["column", "literal"])
        part = lambda: self.integer(depth - 1)  # noqa: E731
        if kind == "column":
            return self.both(self.source.choice(["small", "big"]))
        if kind == "literal":
            return self.both(str(self.source.randint(-9, 9)))
        if kind == "sum":
            return self.joined(self.source.choice("+-"), part(), part())
        if kind == "product":
            bounded = [self.joined("%", part(), self.both("997")) for _ in range(2)]
            return self.joined("*", *bounded)
        if kind == "remainder":
            return self.joined("%", part(), part())
        if kind in ("abs", "negated"):
            return self.call("abs" if kind == "abs" else "-", part())
        if kind == "length":
            name = self.source.choice(["word", "items"])
            return (f"length({name})", f"length({name})")
        if kind in ("hour", "isodow"):
            name = "moment" if kind == "hour" else self.source.choice(["moment", "born"])
            return self.both(f"{kind}({name})")
        if kind == "cast":
            inner = self.number(depth - 1)
            inner = self.joined("%", inner, self.both("1000"))
            name = self.source.choice(["int", "long"])
            return (f"CAST({inner[0]} AS {name})", f"CAST({inner[1]} AS BIGINT)")
        if kind == "extreme":
            return self.call(self.source.choice(["least", "greatest"]), part(), part())
        if kind == "coalesce":
            return self.call("coalesce", part(), part())
        return self.case(part)

    def number(self, depth: int) -> tuple[str, str]:
        kinds = ["column", "literal", "sum", "product", "quotient", "remainder", "case", "call"]
        kinds += ["ln", "sqrt", "power", "exp", "epoch", "cast", "flag", "extreme", "integer"]
        kind = self.source.choice(kinds if depth else ["column", "literal"])
        part = lambda: self.number(depth - 1)  # noqa: E731
        if kind == "column":
            name = self.source.choice(["low", "high", "price"])
            return (name, f"CAST({name} AS DOUBLE)")
        if kind == "literal":
            text = f"{self.source.randint(0, 99)}.{self.source.randint(0, 99)}"
            return (text, f"CAST('{text}' AS DOUBLE)")
        if kind == "sum":
            return self.joined(self.source.choice("+-"), part(), part())
        if kind == "product":
            return self.joined("*", part(), part())
        if kind in ("quotient", "remainder"):
            return self.joined("/" if kind == "quotient" else "%", part(), part())
        if kind == "call":
            return self.call(self.source.choice(["abs", "floor", "ceil", "round", "-"]), part())
        if kind in ("ln", "sqrt"):
            inner = part()
            test = ">" if kind == "ln" else ">="
            return (
                f"{kind}({inner[0]})",
                f"(CASE WHEN ({inner[1]}) {test} 0 THEN {kind}({inner[1]}) END)",
            )
        if kind == "power":
            return self.call("power", part(), self.both("2"))
        if kind == "exp":
            return self.call("exp", self.joined("%", part(), self.both("9")))
        if kind == "epoch":
            name = self.source.choice(["moment", "born"])
            return self.both(f"epoch({name})")
        if kind == "cast":
            inner = self.source.choice([self.integer, self.number])(depth - 1)
            return (f"CAST({inner[0]} AS double)", f"CAST({inner[1]} AS DOUBLE)")
        if kind == "flag":
            return ("CAST(flag AS double)", "CAST(CAST(flag AS INTEGER) AS DOUBLE)")
        if kind == "extreme":
            return self.call(self.source.choice(["least", "greatest"]), part(), part())
        if kind == "integer":
            whole = self.integer(depth - 1)
            return self.joined("+", whole, part())
        return self.case(part)

    def word(self, depth: int) -> tuple[str, str]:
        if not depth:
            return self.both(self.source.choice(["word", "'größer'", "NULL"]))
        part = lambda: self.word(depth - 1)  # noqa: E731
        return (
            self.call("coalesce", part(), part()) if self.source.random() < 0.4 else self.case(part)
        )

    def case(self, part) -> tuple[str, str]:
        tests = [
            "small > 3",
            "high <= 1.5e0 AND flag",
            "word IS NULL",
            "NOT (low < 0 OR big IN (1, 2))",
            "word LIKE '%ö%'",
        ]
        weir_text, duck_text = "CASE", "CASE"
        for test in self.source.sample(tests, self.source.randint(1, 3)):
            value = part()
            weir_text += f" WHEN {test} THEN {value[0]}"
            duck_text += f" WHEN {test} THEN {value[1]}"
        if self.source.random() < 0.6:
            value = part()
            weir_text += f" ELSE {value[0]}"
            duck_text += f" ELSE {value[1]}"
        return (f"{weir_text} END", f"(CASE {duck_text[5:]} END)")

    @staticmethod
    def both(text: str) -> tuple[str, str]:
        return (text, text)

    @staticmethod
    def joined(op: str, a: tuple[str, str], b: tuple[str, str]) -> tuple[str, str]:
        return (f"({a[0]} {op} {b[0]})", f"({a[1]} {op} {b[1]})")

    @staticmethod
    def call(name: str, *parts: tuple[str, str]) -> tuple[str, str]:
        texts = [", ".join(part[side] for part in parts) for side in (0, 1)]
        return (f"{name}({texts[0]})", f"{name}({texts[1]})")


@pytest.fixture
def table(tmp_path: Path):
    with weir.connect(f"sqlite:{tmp_path}/catalog.db", warehouse=str(tmp_path)) as catalog:
        catalog.create_namespace("shop")
        yield catalog.create_table("shop.items", SCHEMA)


def same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)
    return a == b


def test_expressions_mean_what_they_mean_to_duckdb(table):
    source = random.Random(20_261_122)
    rows = random_rows(source)
    for start in (0, 120):
        table.append(rows.slice(start, 120 if start == 0 else None))
    duck = duckdb.connect()
    duck.execute("SET TimeZone = 'UTC'; SET ieee_floating_point_ops = false")
    duck.execute("SET error_on_division_by_zero = false")
    duck.register("raw", rows)
    duck.execute("CREATE VIEW items_ AS SELECT * REPLACE (small::BIGINT AS small) FROM raw")
    writer = Writer(source)
    count = 0
    for number in range(90):
        kind = source.choice([writer.integer, writer.number, writer.number, writer.word])
        mine, theirs = kind(source.randint(1, 4))
        query = duck.sql(f"SELECT {theirs} AS value FROM items_ ORDER BY id")
        wanted = [row[0] for row in query.fetchall()]
        if mine in SCHEMA.names or (set(wanted) == {None} and "word" not in mine):
            continue
        done = table.backfill(f"value_{number}", value=mine)
        assert done["rows"] == ROWS
        found = table.scan(columns=["id", f"value_{number}"]).to_arrow().sort_by("id")
        for row, (a, b) in enumerate(zip(found.column(1).to_pylist(), wanted, strict=True)):
            assert same(a, b), (mine, theirs, rows.slice(row, 1).to_pylist(), a, b)
        count += 1
    assert count > 60


def test_a_part_of_the_rows(table):
    table.append(pa.table({"id": range(10), "small": [i % 4 for i in range(10)]}))
    table.backfill("ctr", value="small / (id + 1)", where="id < 5")
    table.backfill("ctr", value="CAST(small AS double)", where="id >= 8")
    rows = table.scan(columns=["id", "ctr"]).to_arrow().sort_by("id").to_pylist()
    wanted = [i % 4 / (i + 1) for i in range(5)] + [None] * 3 + [0.0, 1.0]
    assert [row["ctr"] for row in rows] == wanted
    # From rows of somebody else, too.
    other = pa.table({"id": [1, 2], "a": [10, 20], "b": [4, 0]})
    table.backfill("quotient", other, key="id", value="a / b")
    rows = table.scan(columns=["id", "quotient"]).to_arrow().sort_by("id").to_pylist()
    assert [row["quotient"] for row in rows[:4]] == [None, 2.5, None, None]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("small +", "expression, character 8: expected a column"),
        ("smal + 1", "did you mean small"),
        ("smal", "did you mean small"),
        ("word * 2", "takes numbers, not"),
        ("flag + 1", "CAST(… AS int)"),
        ("coalesce(word, 1)", "of different types"),
        ("big * 9223372036854775807", "does not fit an integer of 64 bits"),
        ("CAST(big * 4000000000 AS int)", "does not fit int"),
        ("loge(high)", "there is no function loge"),
        ("power(high)", "power takes 2 arguments, not 1"),
        ("CASE small WHEN 1 THEN 2 END", "expected WHEN"),
        ("(" * 200 + "1" + ")" * 200, "nested deeper"),
        ("1" + " + 1" * 2_000, "at most 1000 operators"),
        ("small; DROP", "without ';'"),
    ],
)
def test_wrong_expressions_say_what_is_wrong(table, value, told):
    table.append(pa.table({"id": [1], "small": [2], "big": [3]}))
    with pytest.raises(weir.WeirError) as caught:
        table.backfill("new", value=value)
    assert told in str(caught.value)
    assert "new" not in pa.schema(table.refresh().schema).names


def test_what_does_not_go_together(table):
    with pytest.raises(weir.WeirError, match="expression of the table's columns"):
        table.backfill("new")
    with pytest.raises(weir.WeirError, match="need none"):
        table.backfill("new", value="small + 1", key="id")
    with pytest.raises(weir.WeirError, match="without a stream"):
        table.backfill("new", pa.table({"id": [1], "new": [1]}), key="id", where="id = 1")
