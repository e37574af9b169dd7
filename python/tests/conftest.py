# SPDX-License-Identifier: Apache-2.0
"""Tests use the package of the source tree and the release library, unless told otherwise.

With WEIR_LIBRARY set, that library; with WEIR_INSTALLED=1, the package that is installed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

if not os.environ.get("WEIR_INSTALLED"):
    sys.path.insert(0, str(ROOT / "python"))
    # In the environment too, for the processes that tests start.
    path = [str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    os.environ.setdefault("WEIR_LIBRARY", str(ROOT / ".build" / "release" / "libWeirC.so"))


@pytest.fixture
def rows():
    """A table with the usual kinds of columns, nulls and nesting, 5,000 rows."""
    import pyarrow as pa

    count = 5_000
    index = range(count)
    return pa.table(
        {
            "id": pa.array(index, pa.int64()),
            "score": pa.array([None if i % 7 == 0 else i / 3 for i in index], pa.float64()),
            "name": pa.array([None if i % 11 == 0 else f"name-{i % 97}" for i in index]),
            "flag": pa.array([None if i % 5 == 0 else i % 2 == 0 for i in index]),
            "tags": pa.array([None if i % 13 == 0 else [f"t{i % 3}"] * (i % 4) for i in index]),
            "place": pa.array(
                [{"x": i, "y": None if i % 3 == 0 else float(i)} for i in index],
                pa.struct([("x", pa.int32()), ("y", pa.float32())]),
            ),
            "at": pa.array([i * 1_000_000 for i in index], pa.timestamp("us", tz="UTC")),
        }
    )


@pytest.fixture
def file(tmp_path, rows):
    """The rows as a Parquet file that pyarrow wrote, with five row groups."""
    import pyarrow.parquet as pq

    path = tmp_path / "rows.parquet"
    pq.write_table(rows, path, row_group_size=1_000)
    return path
