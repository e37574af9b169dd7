# SPDX-License-Identifier: Apache-2.0
"""A few kills under load; `dev/crash-loop` does many."""

from __future__ import annotations

import random
from fractions import Fraction

import crash_loop
import pytest
from crash_model import Items, Profiles, Totals
from crash_oracle import Oracle
from rest_server import BINARY


@pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")
@pytest.mark.parametrize(("log", "carers"), [("disk", 0), ("kafka", 0), ("disk", 1)])
def test_nothing_is_lost_or_doubled_by_kills(tmp_path, log, carers):
    counts = crash_loop.run(
        20_261_121, 6, 3, interval=1.5, kills_per_round=6, log=log, carers=carers, folder=tmp_path
    )
    assert counts["kills"] >= 6
    assert counts["rows"] > 0
    assert counts["comparisons"] >= 3


def test_the_oracle_sees_what_is_wrong():
    """An oracle that accepts everything would prove nothing."""
    table = Profiles(keys=10)
    oracle = Oracle([crash_loop.all_tables()[0], table])
    source = random.Random(5)
    for _ in range(20):
        oracle.begin(0, table, table.request(source, 0, 5))
        oracle.acknowledge(0)
    rows = [row for row in map(table.row, oracle.states[table.name].values()) if row]
    assert oracle.compare(table, rows) is None
    assert "twice" in oracle.compare(table, [*rows, rows[0]])
    assert "wrong" in oracle.compare(table, rows[1:])
    older = {**rows[0], "version": rows[0]["version"] - 1}
    assert "wrong" in oracle.compare(table, [older, *rows[1:]])
    # What is in doubt may be there or not, but nothing between.
    key = rows[0]["id"]
    newer = {"id": key, "version": 1 << 62, "name": "new", "score": 1.0, "_op": 0}
    oracle.begin(0, table, [newer])
    assert oracle.compare(table, rows) is None
    assert oracle.compare(table, [table.row(newer), *rows[1:]]) is None
    assert "none of" in oracle.compare(table, [{**rows[0], "name": "new"}, *rows[1:]])


def test_items_do_not_depend_on_the_order():
    source = random.Random(11)
    table = Items(keys=1)
    for _ in range(50):
        rows = table.request(source, 0, source.randint(1, 12))
        states = []
        for compacts in (False, True):
            source.shuffle(rows)
            state = None
            for row in rows:
                state = table.fold(state, row)
                if compacts:
                    state = table.compact(state)
            states.append(table.row(state))
        assert states[0] == states[1]


def test_totals_begin_anew_after_a_delete():
    table = Totals()
    rows = [{"writer": 0, "id": 1, "_op": 0, "at": i, "clicks": 2} for i in range(5)]
    for row in rows:
        row |= {"amount": 0.1, "low": 1, "high": 1, "recent": row["at"], "word": "a"}
    state = None
    for row in [*rows, {"writer": 0, "id": 1, "_op": 1}, *rows[:2]]:
        state = table.fold(state, row)
    assert state["clicks"] == 4
    assert state["amount"] == 2 * Fraction(0.1)
    assert [value for _, value in state["recent"]] == [1, 0]
