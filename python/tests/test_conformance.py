# SPDX-License-Identifier: Apache-2.0
"""The public Parquet collection (apache/parquet-testing) against pyarrow and its expected values.

$WEIR_CONFORMANCE names the folder; the default is ../shared/conformance beside the repository.
"""

from __future__ import annotations

import csv
import math
import os
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weir

ROOT = Path(__file__).resolve().parent.parent.parent


def _folder() -> Path:
    named = os.environ.get("WEIR_CONFORMANCE")
    return Path(named) if named else ROOT.parent / "shared" / "conformance"


FOLDER = _folder() / "parquet"
FILES = sorted(FOLDER.rglob("*.parquet"))

pytestmark = pytest.mark.skipif(
    not FILES,
    reason=f"no conformance files in {FOLDER}; set WEIR_CONFORMANCE to the folder of parquet/",
)

# Files whose checksums do not match: column, page, and the position of the page that was damaged.
DAMAGED = {
    "datapage_v1-corrupt-checksum.parquet": ("a", 0),
    "rle-dict-uncompressed-corrupt-checksum.parquet": ("long_field", 0),
}
# Read in their own tests.
SPECIAL = {
    "int96_from_spark.parquet",
    "large_string_map.brotli.parquet",
    "incorrect_map_schema.parquet",
    *DAMAGED,
}


def name_of(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def plain(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Storage for extension types, which Weir passes on as their storage and metadata."""
    if isinstance(array.type, pa.ExtensionType):
        return pa.chunked_array([chunk.storage for chunk in array.chunks], array.type.storage_type)
    return array


def same(left: object, right: object) -> bool:
    """Equality in which NaN equals NaN and 0.0 does not equal -0.0."""
    if isinstance(left, float) and isinstance(right, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def check_equal(actual: pa.Table, expected: pa.Table) -> None:
    actual.validate(full=True)
    assert actual.column_names == expected.column_names
    assert actual.num_rows == expected.num_rows
    for name, mine, theirs in zip(actual.column_names, actual.columns, expected.columns):
        mine, theirs = plain(mine), plain(theirs)
        if pa.types.is_dictionary(theirs.type):
            theirs = theirs.cast(theirs.type.value_type)
        assert mine.type == theirs.type, name
        if not mine.equals(theirs):
            for row, (left, right) in enumerate(zip(mine.to_pylist(), theirs.to_pylist())):
                assert same(left, right), f"column {name}, row {row}: {left!r}, not {right!r}"


@pytest.mark.parametrize("path", [f for f in FILES if f.name not in SPECIAL], ids=name_of)
def test_equals_pyarrow(path):
    expected = pq.read_table(path)
    check_equal(pa.table(weir.read_parquet(path)), expected)
    # Batches of odd sizes, and columns one by one in the other order.
    check_equal(pa.table(weir.read_parquet(path, batch_rows=7)), expected)
    names = expected.column_names[::-1]
    check_equal(pa.table(weir.read_parquet(path, columns=names)), expected.select(names))


@pytest.mark.parametrize("name", sorted(DAMAGED))
def test_damage_is_located(name):
    column, page = DAMAGED[name]
    table = weir.read_parquet(FOLDER / name)
    with pytest.raises(weir.InvalidDataError, match="checksum") as caught:
        for _ in table:
            pass
    assert caught.value.path == str(FOLDER / name)
    assert caught.value.column == column
    assert caught.value.page == page
    assert caught.value.position is not None
    # pyarrow, which looks at checksums only when asked, agrees that they are wrong.
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(FOLDER / name, page_checksum_verification=True)
    # Without checksums the bytes are what pyarrow takes them for.
    unchecked = weir.read_parquet(FOLDER / name, verify_checksums=False)
    check_equal(pa.table(unchecked), pq.read_table(FOLDER / name))


def test_int96_from_spark():
    """The values are those of int96_from_spark.md; pyarrow has the last one wrong."""
    path = FOLDER / "int96_from_spark.parquet"
    # The years 9999 and 290000 are in it: nanoseconds cannot hold them, which pyarrow passes over.
    with pytest.raises(weir.LimitError, match="int96Unit"):
        list(weir.read_parquet(path))
    expected = [
        1704141296123456,
        1704070800000000,
        253402225200000000,
        1735599600000000,
        None,
        9089380393200000000,
    ]
    for unit, divisor in (("us", 1), ("ms", 1_000), ("s", 1_000_000)):
        column = pa.table(weir.read_parquet(path, int96_unit=unit)).column("a")
        assert column.type == pa.timestamp(unit)
        values = column.cast(pa.int64()).to_pylist()
        assert values == [None if v is None else v // divisor for v in expected]
        theirs = pq.read_table(path, coerce_int96_timestamp_unit="us").column("a")
        if unit == "us":
            assert values[:5] == theirs.cast(pa.int64()).to_pylist()[:5]


def test_map_with_optional_keys():
    """pyarrow refuses it; the collection's README says what is in it."""
    table = pa.table(weir.read_parquet(FOLDER / "incorrect_map_schema.parquet"))
    table.validate(full=True)
    assert table.schema.field("my_map").type == pa.map_(pa.string(), pa.string())
    assert table.to_pylist() == [{"my_map": [("parent", "another"), ("name", "report")]}]


@pytest.mark.slow
def test_two_rows_of_a_gigabyte():
    """Two row groups, each with one string of 2^30 letters: a batch each, not both at once."""
    path = FOLDER / "large_string_map.brotli.parquet"
    block = b"a" * (1 << 20)
    wanted = 0
    for _ in range(1 << 10):
        wanted = zlib.crc32(block, wanted)
    rows = 0
    for batch in weir.read_parquet(path):
        column = pa.record_batch(batch).column(0)
        for row in range(len(column)):
            entries = column[row].values
            assert entries.field(1).to_pylist() == [1]
            text = entries.field(0)
            assert len(text) == 1
            assert len(text[0].as_buffer()) == 1 << 30
            assert zlib.crc32(text[0].as_buffer()) == wanted
            rows += 1
        assert len(batch) == 1, "a batch holds more than one of the large rows"
        del batch, column, entries, text
    assert rows == 2


def _expected_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    return [_name(name) for name in rows[0]], rows[1:]


def _name(name: str) -> str:
    # Some of the files have stray spaces and colons in their headers.
    return name.strip(" :")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*_expect.csv")), ids=name_of)
def test_expected_values(path):
    names, rows = _expected_rows(path)
    file = path.with_name(path.name.replace("_expect.csv", ".parquet"))
    table = pa.table(weir.read_parquet(file))
    assert [_name(name) for name in table.column_names] == names
    assert table.num_rows == len(rows)
    for index, column in enumerate(table.columns):
        for row, (value, text) in enumerate(zip(column.to_pylist(), rows)):
            expected = text[index]
            if value is None:
                assert expected in ("", "NULL"), (names[index], row)
            else:
                assert str(value) == expected, (names[index], row)
