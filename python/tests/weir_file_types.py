# SPDX-License-Identifier: Apache-2.0
"""Field records of a Weir file: section 1.4 of docs/specs/weir-file.md."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

import pyarrow as pa
from weir_file_values import (
    BITS,
    DEPTH_MAX,
    FIXED,
    FIXED_LISTS,
    LISTS,
    NULLS,
    STRINGS,
    STRUCTS,
    U8,
    U16,
    U32,
    U64,
    U128,
    check,
)

NO_ZONE = (1 << 32) - 1
UNITS = ("s", "ms", "us", "ns")

# By type code: Arrow's type where it needs no parameters, and the kind of its values.
SIMPLE = {
    0: (pa.null(), NULLS),
    1: (pa.bool_(), BITS),
    2: (pa.int8(), U8),
    3: (pa.int16(), U16),
    4: (pa.int32(), U32),
    5: (pa.int64(), U64),
    6: (pa.uint8(), U8),
    7: (pa.uint16(), U16),
    8: (pa.uint32(), U32),
    9: (pa.uint64(), U64),
    10: (pa.float16(), U16),
    11: (pa.float32(), U32),
    12: (pa.float64(), U64),
    14: (pa.date32(), U32),
    15: (pa.date64(), U64),
    19: (pa.utf8(), STRINGS),
    20: (pa.large_utf8(), STRINGS),
    21: (pa.binary(), STRINGS),
    22: (pa.large_binary(), STRINGS),
}
CHILDREN = {24: 1, 25: 1, 26: 1, 28: 1, 29: 1}  # structs have any number, others none


@dataclass
class Field:
    """A field record; `parameters` are the type's, in their order."""

    id: int
    code: int
    nullable: bool
    name: str
    parameters: tuple = ()
    children: list[Field] = field(default_factory=list)
    metadata: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[int, int]:
        """Kind of the values, and their width for kinds 6 and 9."""
        if self.code in SIMPLE:
            return SIMPLE[self.code][1], 0
        if self.code == 29:
            return self.children[0].kind
        if self.code in (23, 26):
            return (FIXED if self.code == 23 else FIXED_LISTS), self.parameters[0]
        if self.code == 16:
            return (U32 if self.parameters[0] < 2 else U64), 0
        return {13: U128, 17: U64, 18: U64, 24: LISTS, 25: LISTS, 27: STRUCTS, 28: LISTS}[
            self.code
        ], 0

    @property
    def type(self) -> pa.DataType:
        code, p, children = self.code, self.parameters, [child.arrow for child in self.children]
        if code in SIMPLE:
            return SIMPLE[code][0]
        if code == 13:
            check(1 <= p[0] <= 38, f"{self.name}: decimal128 of {p[0]} digits")
            return pa.decimal128(*p)
        if code == 23:
            return pa.binary(p[0])
        if code in (16, 17, 18):
            check(p[0] < 4, f"{self.name}: unknown unit {p[0]}")
            if code == 16:
                return (pa.time32 if p[0] < 2 else pa.time64)(UNITS[p[0]])
            return pa.duration(UNITS[p[0]]) if code == 18 else pa.timestamp(UNITS[p[0]], p[1])
        if code == 27:
            return pa.struct(children)
        if code == 28:
            entries = self.children[0]
            check(entries.code == 27 and len(entries.children) == 2, "a map's entries are no pairs")
            return pa.map_(*children[0].type, keys_sorted=p[0] == 1)
        if code == 29:
            check(2 <= p[0] <= 9, f"{self.name}: a dictionary's index is no integer")
            return pa.dictionary(SIMPLE[p[0]][0], children[0].type, ordered=p[1] == 1)
        if code == 26:
            return pa.list_(children[0], p[0])
        return (pa.list_ if code == 24 else pa.large_list)(children[0])

    @property
    def arrow(self) -> pa.Field:
        return pa.field(self.name, self.type, self.nullable, self.metadata or None)

    def as_values(self) -> Field:
        """Of a dictionary type: the field of its plain values."""
        return replace(self.children[0], name=self.name)


class Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[int, ...]:
        return struct.unpack("<" + layout, self.bytes(struct.calcsize("<" + layout)))

    def bytes(self, size: int) -> bytes:
        check(size <= len(self.data) - self.at, "a record is cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def sized(self) -> bytes:
        return self.bytes(self.take("I")[0])

    def text(self, size: int) -> str:
        try:
            return self.bytes(size).decode()
        except UnicodeDecodeError as error:
            check(False, f"a name is not UTF-8: {error}")
            raise

    def pairs(self, count: int) -> dict[bytes, bytes]:
        return {self.sized(): self.sized() for _ in range(count)}


def pairs_of(data: bytes) -> dict[bytes, bytes]:
    """Metadata of the file."""
    cursor = Cursor(data)
    result = cursor.pairs(cursor.take("I")[0])
    check(cursor.at == len(data), "bytes behind the metadata")
    return result


def field_of(data: bytes) -> Field:
    """A field record."""
    cursor = Cursor(data)
    result = next_field(cursor, 0)
    check(cursor.at == len(data), "bytes behind a field record")
    return result


def next_field(cursor: Cursor, depth: int) -> Field:
    check(depth < DEPTH_MAX, "fields are nested too deeply")
    field_id, code, flags, pair_count, name_size = cursor.take("IBBHI")
    check(code <= 29, f"unknown type {code}")
    check(flags < 2, "unknown flags of a field")
    name = cursor.text(name_size)
    parameters: tuple = ()
    if code == 13:
        parameters = cursor.take("Bb")
    elif code in (16, 18, 28):
        parameters = cursor.take("B")
    elif code == 29:
        parameters = cursor.take("BB")
    elif code in (23, 26):
        parameters = cursor.take("I")
        check(parameters[0] < 1 << 31, f"{name}: too wide a value")
    elif code == 17:
        unit, size = cursor.take("BI")
        parameters = (unit, None if size == NO_ZONE else cursor.text(size))
    (count,) = cursor.take("I")
    check(count == CHILDREN.get(code, 0) or code == 27, f"{name}: a type with {count} children")
    children = []
    for _ in range(count):
        children.append(next_field(cursor, depth + 1))
    metadata = cursor.pairs(pair_count)
    return Field(field_id, code, flags == 1, name, parameters, children, metadata)
