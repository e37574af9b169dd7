#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks PyIceberg what `weir demo` has asked its own tables, and compares the answers.

Takes the folder of the demo. Prints both answers for each table; the exit code is 1 if any differ.
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow.compute as pc
from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual
from pyiceberg.table import StaticTable


def main() -> int:
    folder = Path(sys.argv[1])
    queries = json.loads((folder / "queries.json").read_text())
    print("\nThe same questions to PyIceberg, on the same tables")
    print(f"  {'table':<24} {'':<10} {'all rows':>10} {'found':>10} {'sum(item_id)':>16}")
    differ = 0
    for query in queries:
        table = StaticTable.from_metadata(query["metadata_location"])
        epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
        since = epoch + timedelta(microseconds=query["since_microseconds"])
        found = table.scan(
            And(
                EqualTo("event", query["kind"]), GreaterThanOrEqual("event_time", since.isoformat())
            ),
            selected_fields=("item_id",),
        ).to_arrow()
        theirs = (
            table.scan(selected_fields=("item_id",)).to_arrow().num_rows,
            found.num_rows,
            pc.sum(found["item_id"]).as_py() or 0,
        )
        ours = (query["total_rows"], query["rows"], query["item_id_sum"])
        for name, answer in (("Weir", ours), ("PyIceberg", theirs)):
            numbers = f"{answer[0]:>10,} {answer[1]:>10,} {answer[2]:>16,}"
            print(f"  {query['table']:<24} {name:<10} {numbers}")
        print(f"  {'':<24} {'equal' if ours == theirs else 'DIFFERENT'}")
        differ += ours != theirs
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
