# SPDX-License-Identifier: Apache-2.0
"""Writes random predicates with what DuckDB makes of them, beside this script.

`rows.arrows` is an Arrow stream of one batch; each line of `cases.txt` is the outcome for each of
its rows (T, F, or N for null), a tab, and the predicate in Weir's syntax. DuckDB gets the same text
but for the few things that it writes otherwise. Left out is where Weir means to differ: NaN (DuckDB
orders it above all numbers), integers that float32 does not hold (DuckDB rounds them), lists that
mix doubles and decimals (DuckDB makes them all doubles).

Made with DuckDB 2.0.0 and pyarrow 26.0.0.
"""

from __future__ import annotations

import datetime
import decimal
import random
from pathlib import Path

import duckdb
import pyarrow as pa

FOLDER = Path(__file__).resolve().parent
ROWS = 70
CASES = 700

rng = random.Random(20260301)
STRINGS = [
    "",
    "a",
    "ab",
    "abc",
    "abd",
    "b",
    "de",
    "DE",
    "größe",
    "gro",
    "50%",
    "5_0",
    "a'b",
    "x\\y",
    "日本",
    "日本語",
]
DAY = datetime.date(2026, 3, 1)
NOON = datetime.datetime(2026, 3, 1, 12)


def some(make):
    return [None if rng.random() < 0.15 else make() for _ in range(ROWS)]


def batch() -> pa.RecordBatch:
    def moment():
        return NOON + datetime.timedelta(
            hours=rng.randint(-60, 60), microseconds=rng.choice([0, 0, 1, 500_000])
        )

    utc = datetime.timezone.utc
    strings = some(lambda: rng.choice(STRINGS))
    columns = {
        "i8": pa.array(some(lambda: rng.randint(-128, 127)), pa.int8()),
        "i32": pa.array(
            some(lambda: rng.choice([rng.randint(-20, 20), 2**31 - 1, -(2**31)])), pa.int32()
        ),
        "i64": pa.array(some(lambda: rng.choice([rng.randint(-20, 20), 2**50])), pa.int64()),
        "u16": pa.array(some(lambda: rng.choice([rng.randint(0, 40), 65535])), pa.uint16()),
        "f32": pa.array(
            some(lambda: rng.choice([0.1, 0.5, -2.25, 3.3, 0.0, float("inf"), 16777216.0])),
            pa.float32(),
        ),
        "f64": pa.array(
            some(lambda: rng.choice([0.1, 0.5, -2.25, 3.3, 0.0, float("-inf"), 1e300]))
        ),
        "dec": pa.array(
            some(lambda: decimal.Decimal(rng.randint(-500, 500)) / 100), pa.decimal128(12, 2)
        ),
        "str": pa.array(strings),
        "dict": pa.array(strings).dictionary_encode(),
        "bin": pa.array(
            some(lambda: bytes(rng.choices([0, 1, 255], k=rng.randint(0, 2)))), pa.binary()
        ),
        "day": pa.array(
            some(lambda: DAY + datetime.timedelta(days=rng.randint(-3, 3))), pa.date32()
        ),
        "ts": pa.array(some(moment), pa.timestamp("us")),
        "tz": pa.array(some(lambda: moment().replace(tzinfo=utc)), pa.timestamp("us", tz="UTC")),
        "time": pa.array(
            some(lambda: datetime.time(rng.randint(0, 23), 30, 0, rng.choice([0, 1]))),
            pa.time64("us"),
        ),
        "flag": pa.array(some(lambda: rng.random() < 0.5)),
        "s": pa.array(
            some(lambda: {"a": rng.choice([1, 2, None]), "b": rng.choice(["x", "y", None])})
        ),
    }
    return pa.record_batch(columns)


def number(column: str, in_list: bool) -> str:
    choices = [
        str(rng.randint(-25, 25)),
        str(rng.choice([300, -129, 2**40, 127])),
        f"{rng.randint(-9, 9)}.5",
    ]
    if column[0] == "f":
        choices += ["0.1", "3.3", "-2.25", "16777216", "0.50"]
        choices += [] if in_list else ["1e-1", "33e-1"]
    elif column == "dec":
        choices += [
            f"{rng.randint(-5, 5)}.{rng.randint(0, 99):02}",
            f"{rng.randint(-5, 5)}.125",
            "25e-2",
        ]
    else:
        choices += ["5e0", "25e-1"]
    return rng.choice(choices)


def literal(column: str, in_list: bool = False) -> tuple[str, str]:
    """In Weir's and in DuckDB's syntax."""
    if column in ("str", "dict", "s.b"):
        text = rng.choice([*STRINGS, "x", "y", "zz"]).replace("'", "''")
        return (f"'{text}'",) * 2
    if column == "bin":
        value = bytes(rng.choices([0, 1, 255], k=rng.randint(0, 2)))
        return f"X'{value.hex()}'", "'" + "".join(f"\\x{byte:02X}" for byte in value) + "'::BLOB"
    if column == "day":
        day = DAY + datetime.timedelta(days=rng.randint(-4, 4))
        plain = rng.random() < 0.3
        if rng.random() < 0.2:
            return (f"timestamp '{day} 0{rng.randint(0, 1)}:00:00'",) * 2
        return (f"'{day}'" if plain else f"date '{day}'",) * 2
    if column in ("ts", "tz"):
        moment = NOON + datetime.timedelta(hours=rng.randint(-60, 60))
        text = moment.isoformat(sep=rng.choice([" ", "T"])) + rng.choice(["", ".000001", ".5"])
        if column == "ts":
            return (
                rng.choice([f"timestamp '{text}'", f"'{text}'", f"date '{moment.date()}'"]),
            ) * 2
        zone = rng.choice(["Z", "+02:00", "-05:30", ""])
        return f"timestamp '{text}{zone}'", f"timestamptz '{text}{zone}'"
    if column == "time":
        return (f"time '{rng.randint(0, 23):02}:30:00{rng.choice(['', '.000001'])}'",) * 2
    if column == "flag":
        return (rng.choice(["TRUE", "false"]),) * 2
    return (number(column, in_list),) * 2


COLUMNS = [
    "i8",
    "i32",
    "i64",
    "u16",
    "f32",
    "f64",
    "dec",
    "str",
    "str",
    "dict",
    "bin",
    "day",
    "ts",
    "tz",
    "time",
    "flag",
    "s.a",
    "s.b",
]


def test() -> tuple[str, str]:
    column = rng.choice(COLUMNS)
    name = f'"{column}"' if "." not in column else column
    if rng.random() < 0.5:
        name = column
    duck = f'"{column}"' if "." not in column else column
    kind = rng.random()
    if kind < 0.1:
        words = rng.choice(["IS NULL", "is not null"])
        return f"{name} {words}", f"{duck} {words}"
    if column == "flag" and kind < 0.5:
        words = rng.choice(["", " IS TRUE", " IS NOT TRUE", " IS FALSE", " IS NOT FALSE"])
        return name + words, duck + words
    if kind < 0.25:
        values = [literal(column, in_list=True) for _ in range(rng.choice([1, 2, 3, 8]))]
        words = rng.choice(["IN", "NOT IN", "in"])
        weir, other = (", ".join(value[side] for value in values) for side in (0, 1))
        return f"{name} {words} ({weir})", f"{duck} {words} ({other})"
    if kind < 0.35:
        low, high = literal(column, in_list=True), literal(column, in_list=True)
        words = rng.choice(["BETWEEN", "NOT BETWEEN"])
        return f"{name} {words} {low[0]} AND {high[0]}", f"{duck} {words} {low[1]} AND {high[1]}"
    if column in ("str", "dict", "s.b") and kind < 0.75:
        words = rng.choice(["LIKE", "NOT LIKE"])
        if rng.random() < 0.5:
            pattern = rng.choice(["", "a", "ab", "gr", "日", "%", "5\\%", "5\\_", "a''"]) + "%"
        else:
            pattern = "".join(
                rng.choices(["a", "b", "%", "_", "r", "ö", "日", "語", "\\%"], k=rng.randint(1, 4))
            )
        if rng.random() < 0.2:
            pattern = pattern.replace("\\", "!")
            return (f"{name} {words} '{pattern}' ESCAPE '!'",) * 2
        return f"{name} {words} '{pattern}'", f"{duck} {words} '{pattern}' ESCAPE '\\'"
    op = rng.choice(["=", "==", "!=", "<>", "<", "<=", ">", ">="])
    value = literal(column)
    if rng.random() < 0.2:
        return f"{value[0]} {op} {name}", f"{value[1]} {op} {duck}"
    return f"{name} {op} {value[0]}", f"{duck} {op} {value[1]}"


def predicate(depth: int) -> tuple[str, str]:
    if depth == 0 or rng.random() < 0.3:
        return test()
    if rng.random() < 0.2:
        inner = predicate(depth - 1)
        return f"NOT ({inner[0]})", f"NOT ({inner[1]})"
    # Without parentheses at times, so that precedence counts.
    parts = [predicate(depth - 1) for _ in range(rng.randint(2, 3))]
    words = [rng.choice([" AND ", " OR ", " and ", " AND NOT "]) for _ in parts[1:]]
    weir, other = (
        parts[0][side]
        + "".join(word + part[side] for word, part in zip(words, parts[1:], strict=True))
        for side in (0, 1)
    )
    if rng.random() < 0.4:
        return f"({weir})", f"({other})"
    return weir, other


def main() -> None:
    rows = batch()
    with pa.ipc.new_stream(FOLDER / "rows.arrows", rows.schema) as stream:
        stream.write_batch(rows)
    source = pa.Table.from_batches([rows])
    database = duckdb.connect()
    database.register("source", source)
    database.execute("SET TimeZone = 'UTC'; CREATE TABLE t AS SELECT * FROM source")
    lines = []
    while len(lines) < CASES:
        weir, other = predicate(rng.randint(0, 3))
        found = database.execute(f"SELECT ({other}) FROM t").fetchall()
        outcome = "".join({True: "T", False: "F", None: "N"}[value] for (value,) in found)
        lines.append(f"{outcome}\t{weir}\n")
    (FOLDER / "cases.txt").write_text("".join(lines))


main()
