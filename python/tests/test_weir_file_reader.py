# SPDX-License-Identifier: Apache-2.0
"""Whole Weir files that are written down by hand, and the example of the specification."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import random
import re
import struct
from pathlib import Path

import pyarrow as pa
import pytest
from weir_file_builder import (
    BITS,
    CONSTANT,
    DICTIONARY,
    FIXED,
    FIXED_LIST,
    FIXED_LISTS,
    LIST,
    LISTS,
    NOTHING,
    NULLABLE,
    NULLS,
    PLAIN,
    STRINGS,
    STRUCT,
    STRUCTS,
    TEXTS,
    U8,
    U16,
    U32,
    U64,
    U128,
    WINDOW,
    Auxiliary,
    Column,
    bits,
    build,
    dump,
    example,
    node,
    numbers,
    page,
    record,
    strings,
)  # fmt: skip
from weir_file_reader import File, crc32c, fnv1a, read
from weir_file_values import FormatError, UnknownEncodingError

SPECIFICATION = Path(__file__).resolve().parents[2] / "docs" / "specs" / "weir-file.md"
ROWS = pa.table(
    {
        "id": pa.array([1000, 1001, 1003, 1002], pa.int64()),
        "score": pa.array([0.5, None, -2.0, 3.25], pa.float32()),
        "last": pa.array([[72, 73, 74], [72, 73, 74], [71, 72, 73], [70, 71, 72]]),
    }
)


def one(field: bytes, tree, rows: int, auxiliary=()) -> bytes:
    """A file of one column in one page."""
    return bytes(build(rows, [Column(field, [(rows, page(tree))], list(auxiliary))]).data)


def test_checksum_and_hash():
    assert crc32c(b"123456789") == 0xE3069283
    assert fnv1a(b"foobar") == 0x85944171F73967E8


def test_the_example_of_the_specification():
    text = SPECIFICATION.read_text()
    lines = re.findall(r"^([0-9a-f]{4}): ([0-9a-f ]+)$", text, re.MULTILINE)
    data = bytearray()
    for at, line in lines:
        data += bytes(int(at, 16) - len(data)) + bytes.fromhex(line)
    table = read(bytes(data))
    assert table.to_pydict() == ROWS.to_pydict()
    assert [str(t) for t in table.schema.types] == [
        "int64",
        "float",
        "list<item: int32 not null>",
    ]
    assert table.schema.metadata == {b"made": b"by hand"}
    assert table.schema.field("last").metadata == {b"unit": b"item"}
    assert [field.nullable for field in table.schema] == [False, True, False]
    assert dump(example()) in text, "print it anew: python python/tests/weir_file_builder.py"
    (statistics,), index = File(bytes(data)).statistics(File(bytes(data)).entry_with_id(1))
    assert struct.unpack_from("<q", statistics.lower) == (1000,)
    assert struct.unpack_from("<q", statistics.upper) == (1003,)
    assert (statistics.null_count, statistics.lower_exact, index) == (0, True, b"")


def test_columns_are_found_by_name_and_id():
    file = File(bytes(example().data))
    assert read(file.data, ["last", "id"]).column_names == ["last", "id"]
    assert file.entry_with_id(2).position == 1
    assert file.entry_with_id(4) is None
    assert file.entry_with_name("none") is None
    with pytest.raises(FormatError, match="not in the file"):
        read(file.data, ["none"])


def test_ids_with_gaps_and_equal_names():
    columns = [
        Column(record(i, 4, name), [(1, page(numbers(U32, i)))])
        for i, name in ((90, "a"), (7, "b"), (8, "a"), (40, ""))
    ]
    file = File(bytes(build(1, columns).data))
    assert [file.entry_with_id(i).position for i in (7, 8, 40, 90)] == [1, 2, 3, 0]
    assert file.entry_with_id(9) is None
    assert file.entry_with_name("a").id == 90
    assert read(file.data).column_names == ["a", "b", "a", ""]


def test_pages_and_shared_auxiliary_arrays():
    words = [b"ab", b"", b"c", b"dd", b"e"]
    array = Auxiliary(1, 1, 5, [page(strings(*words[i : i + 2])) for i in (0, 2, 4)])
    pages = [
        (len(codes), page(node(DICTIONARY, STRINGS, len(codes), numbers(U32, *codes))))
        for codes in ([4, 4], [0, 3, 2])
    ]
    data = bytes(build(5, [Column(record(1, 19, "w"), pages, [array])]).data)
    column = read(data)["w"]
    assert column.to_pylist() == ["e", "e", "ab", "dd", "c"]
    assert column.num_chunks == 2


def test_an_auxiliary_array_may_refer_to_earlier_ones_alone():
    items = node(DICTIONARY, U32, 3, numbers(U32, 1, 0, 1))
    first = Auxiliary(1, 4, 2, [page(numbers(U32, 50, 60))])
    pool = Auxiliary(2, 4, 3, [page(items)])
    rows = node(WINDOW, LISTS, 2, numbers(U32, 0, 1), numbers(U32, 2, 2), a=1)
    field = record(1, 24, "l", children=(record(0, 4, "item"),))
    assert read(one(field, rows, 2, [first, pool]))["l"].to_pylist() == [[60, 50], [50, 60]]
    empty = node(WINDOW, LISTS, 2, numbers(U32, 0, 0), numbers(U32, 0, 0), a=0)
    assert read(one(field, empty, 2, [Auxiliary(2, 4, 0, [])]))["l"].to_pylist() == [[], []]
    rows.a = 0
    with pytest.raises(FormatError, match="no such auxiliary array"):
        read(one(field, rows, 2, [pool, first]))


ITEM = record(0, 4, "item", nullable=True)
PAIR = record(0, 27, "entries", children=(record(0, 19, "key"), record(0, 2, "value", True)))
UTC = struct.pack("<BI", 2, 3) + b"UTC"
ONE_LIST = node(LIST, LISTS, 1, numbers(U32, 2), numbers(U32, 1, 2), buffers=(b"",))
TYPES = [
    (0, b"", (), node(NOTHING, NULLS, 1), pa.null(), None),
    (1, b"", (), bits(1), pa.bool_(), True),
    (2, b"", (), numbers(U8, -3), pa.int8(), -3),
    (7, b"", (), numbers(U16, 65535), pa.uint16(), 65535),
    (10, b"", (), numbers(U16, 0x3E00), pa.float16(), 1.5),
    (12, b"", (), numbers(U64, 0x3FF8 << 48), pa.float64(), 1.5),
    (13, bytes([20, 2]), (), node(PLAIN, U128, 1, buffers=((314).to_bytes(16, "little"),)),
     pa.decimal128(20, 2), decimal.Decimal("3.14")),
    (14, b"", (), numbers(U32, 1), pa.date32(), datetime.date(1970, 1, 2)),
    (15, b"", (), numbers(U64, 86_400_000), pa.date64(), datetime.date(1970, 1, 2)),
    (16, b"\1", (), numbers(U32, 1), pa.time32("ms"), datetime.time(0, 0, 0, 1000)),
    (16, b"\2", (), numbers(U64, 1), pa.time64("us"), datetime.time(0, 0, 0, 1)),
    (17, UTC, (), numbers(U64, 1), pa.timestamp("us", "UTC"),
     datetime.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)),
    (17, b"\0" + b"\xff" * 4, (), numbers(U64, 1), pa.timestamp("s"),
     datetime.datetime(1970, 1, 1, 0, 0, 1)),
    (18, b"\1", (), numbers(U64, -5), pa.duration("ms"), datetime.timedelta(milliseconds=-5)),
    (19, b"", (), strings("é".encode()), pa.utf8(), "é"),
    (20, b"", (), strings(b"a"), pa.large_utf8(), "a"),
    (22, b"", (), strings(b"\xff"), pa.large_binary(), b"\xff"),
    (23, struct.pack("<I", 2), (), node(CONSTANT, FIXED, 1, buffers=(b"ab",), a=2), pa.binary(2),
     b"ab"),
    (24, b"", (ITEM,), ONE_LIST, pa.list_(pa.field("item", pa.int32())), [1, 2]),
    (25, b"", (ITEM,), ONE_LIST, pa.large_list(pa.field("item", pa.int32())), [1, 2]),
    (26, struct.pack("<I", 2), (ITEM,), node(FIXED_LIST, FIXED_LISTS, 1, numbers(U32, 1, 2), a=2),
     pa.list_(pa.field("item", pa.int32()), 2), [1, 2]),
    (27, b"", (ITEM, record(0, 1, "b")), node(STRUCT, STRUCTS, 1, numbers(U32, 1), bits(0)),
     pa.struct([pa.field("item", pa.int32()), pa.field("b", pa.bool_(), False)]),
     {"item": 1, "b": False}),
    (28, b"\0", (PAIR,),
     node(LIST, LISTS, 1, numbers(U32, 1),
          node(STRUCT, STRUCTS, 1, strings(b"k"), node(NULLABLE, U8, 1, bits(0), numbers(U8, 0))),
          buffers=(b"",)),
     pa.map_(pa.string(), pa.int8()), [("k", None)]),
    (29, bytes([2, 0]), (record(0, 19, ""),), strings(b"v"), pa.dictionary(pa.int8(), pa.utf8()),
     "v"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "parameters", "children", "tree", "kind", "value"), TYPES)
def test_types(code, parameters, children, tree, kind, value):
    column = read(one(record(3, code, "x", True, parameters, children), tree, 1))["x"]
    assert column.type == kind
    assert column.to_pylist() == [value]


def test_nulls_at_every_level():
    tree = node(
        NULLABLE, STRUCTS, 3, bits(1, 0, 1),
        node(STRUCT, STRUCTS, 3, node(NULLABLE, U32, 3, bits(0, 1, 1), numbers(U32, 1, 2, 3))),
    )  # fmt: skip
    field = record(1, 27, "s", True, children=(ITEM,))
    assert read(one(field, tree, 3))["s"].to_pylist() == [{"item": None}, None, {"item": 3}]


def test_files_without_columns_or_rows():
    assert read(bytes(build(0, []).data)).num_columns == 0
    empty = read(bytes(build(0, [Column(record(1, 5, "a"), [])]).data))
    assert (empty.num_rows, empty.schema.types) == (0, [pa.int64()])


def test_what_must_be_refused():
    columns = [Column(record(1, 1, "a"), [(2, page(bits(1, 0)))])]
    assert read(bytes(build(2, columns, stride=72).data))["a"].to_pylist() == [True, False]
    for change in ({"major": 2}, {"required_features": 1}, {"row_count": 3}, {"dense": 2}):
        with pytest.raises(FormatError):
            read(bytes(build(2, columns, **change).data))
    read(bytes(build(2, columns, optional_features=8).data))
    with pytest.raises(FormatError, match="kind"):
        read(one(record(1, 5, "a"), bits(1), 1))
    with pytest.raises(FormatError, match="UTF8"):
        read(one(record(1, 19, "a"), strings(b"\xff"), 1))


def test_an_unknown_encoding_costs_its_column_alone():
    columns = [
        Column(record(1, 1, "a"), [(2, page(node(200, BITS, 2)))]),
        Column(record(2, 19, "b"), [(2, page(node(CONSTANT, STRINGS, 2, buffers=(b"x",))))]),
    ]
    data = bytes(build(2, columns).data)
    assert read(data, ["b"])["b"].to_pylist() == ["x", "x"]
    with pytest.raises(UnknownEncodingError):
        read(data, ["a"])


def test_damage_is_found():
    """Each byte of the example that is not padding, another value: an error, or the same rows."""
    writer = example()
    original = bytes(writer.data)
    generator = random.Random(3)
    for at in range(len(original)):
        data = bytearray(original)
        data[at] ^= generator.randint(1, 255)
        for columns in (None, ["id", "score", "last"]):
            with contextlib.suppress(FormatError):
                assert read(bytes(data), columns).equals(read(original, columns)), f"byte {at}"


def test_texts_with_an_index_are_checked():
    tree = node(TEXTS, STRINGS, 1, numbers(U32, 1), numbers(U8, 65), buffers=(bytes(4),))
    assert read(one(record(1, 19, "a"), tree, 1))["a"].to_pylist() == ["A"]
