# SPDX-License-Identifier: Apache-2.0
"""Random Arrow tables: every type that Weir holds, nesting, nulls, extremes, slices.

The same seed gives the same table.
"""

from __future__ import annotations

import decimal
import math
import random
import string
import struct
from collections.abc import Callable
from typing import Any

import pyarrow as pa

DAY = 86_400_000
LEAVES: list[pa.DataType] = [
    pa.null(),
    pa.bool_(),
    pa.int8(),
    pa.int16(),
    pa.int32(),
    pa.int64(),
    pa.uint8(),
    pa.uint16(),
    pa.uint32(),
    pa.uint64(),
    pa.float16(),
    pa.float32(),
    pa.float64(),
    pa.decimal128(5, 2),
    pa.decimal128(9, 0),
    pa.decimal128(18, 18),
    pa.decimal128(38, 7),
    pa.date32(),
    pa.date64(),
    pa.time32("s"),
    pa.time32("ms"),
    pa.time64("us"),
    pa.time64("ns"),
    pa.timestamp("s"),
    pa.timestamp("ms", "UTC"),
    pa.timestamp("us"),
    pa.timestamp("us", "Europe/Berlin"),
    pa.timestamp("ns"),
    pa.timestamp("ns", "UTC"),
    pa.duration("s"),
    pa.duration("us"),
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.large_binary(),
    pa.binary(1),
    pa.binary(7),
    pa.binary(16),
]
KEYS = [pa.string(), pa.int32(), pa.int64(), pa.date32(), pa.binary(), pa.decimal128(9, 2)]
UNIT = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class Generator:
    def __init__(self, seed: int, *, leaves: list[pa.DataType] | None = None) -> None:
        self.random = random.Random(seed)
        self.leaves = leaves or LEAVES
        self.null_rate = self.random.choice([0, 0.05, 0.3, 0.9])
        # Few distinct values make dictionaries and runs.
        self.distinct = self.random.choice([1, 3, 30, 10_000])
        self.item_max = self.random.choice([1, 3, 8])

    # Types.

    def type(self, depth: int) -> pa.DataType:
        r = self.random
        if depth > 0 and r.random() < 0.45:
            kind = r.choice(["list", "large_list", "fixed", "struct", "struct", "map"])
            if kind == "list":
                return pa.list_(self.field("item", depth - 1))
            if kind == "large_list":
                return pa.large_list(self.field("item", depth - 1))
            if kind == "fixed":
                return pa.list_(self.field("item", depth - 1), r.randint(1, 3))
            if kind == "struct":
                return pa.struct([self.field(f"f{i}", depth - 1) for i in range(r.randint(1, 3))])
            return pa.map_(r.choice(KEYS), self.field("value", depth - 1))
        leaf = r.choice(self.leaves)
        if r.random() < 0.05 and leaf in (pa.string(), pa.int64(), pa.binary()):
            return pa.dictionary(r.choice([pa.int16(), pa.int32()]), leaf)
        return leaf

    def field(self, name: str, depth: int) -> pa.Field:
        type_ = self.type(depth)
        nullable = pa.types.is_null(type_) or self.random.random() < 0.7
        if pa.types.is_dictionary(type_):
            # pyarrow reads required ones under null structs with indices into an empty dictionary.
            nullable = True
        return pa.field(name, type_, nullable=nullable)

    # Values.

    def values(self, type_: pa.DataType) -> Callable[[], Any]:
        """Makes values that are not null."""
        r = self.random
        if pa.types.is_dictionary(type_):
            type_ = type_.value_type
        if pa.types.is_nested(type_):
            return self._nested(type_)
        make = self._leaf(type_)
        pool: list[Any] = []

        def pooled() -> Any:
            if len(pool) < self.distinct:
                pool.append(make())
                return pool[-1]
            return r.choice(pool)

        return pooled

    def optional(self, field: pa.Field) -> Callable[[], Any]:
        make = self.values(field.type)
        if pa.types.is_null(field.type):
            return lambda: None
        if not field.nullable:
            return make
        return lambda: None if self.random.random() < self.null_rate else make()

    def _nested(self, type_: pa.DataType) -> Callable[[], Any]:
        r = self.random
        if pa.types.is_struct(type_):
            makers = {field.name: self.optional(field) for field in type_}
            return lambda: {name: make() for name, make in makers.items()}
        if pa.types.is_map(type_):
            key = self.values(type_.key_type)
            item = self.optional(type_.item_field)
            return lambda: [(key(), item()) for _ in range(self._count())]
        item = self.optional(type_.value_field)
        if pa.types.is_fixed_size_list(type_):
            return lambda: [item() for _ in range(type_.list_size)]
        long = r.random() < 0.1
        return lambda: [item() for _ in range(r.randint(0, 60) if long else self._count())]

    def _count(self) -> int:
        return 0 if self.random.random() < 0.2 else self.random.randint(0, self.item_max)

    def _integer(self, low: int, high: int) -> int:
        r = self.random
        kind = r.random()
        if kind < 0.1:
            return r.choice([low, high, 0])
        if kind < 0.6:
            return max(low, min(high, r.randint(-1000, 1000)))
        return r.randint(low, high)

    def _float(self, bits: int) -> float:
        r = self.random
        if r.random() < 0.15:
            return r.choice([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0])
        format_, pattern = {16: ("<e", "<H"), 32: ("<f", "<I"), 64: ("<d", "<Q")}[bits]
        if r.random() < 0.3:
            number = struct.unpack(format_, struct.pack(pattern, r.getrandbits(bits)))[0]
            return number
        return struct.unpack(format_, struct.pack(format_, r.uniform(-1000, 1000)))[0]

    def _text(self) -> str:
        r = self.random
        kind = r.random()
        if kind < 0.1:
            return ""
        if kind < 0.15:
            return r.choice(["long ", "größer ", "長い文", "🙂"]) * r.randint(20, 200)
        alphabet = string.ascii_letters + "äöüßéñ" + "日本語" + "🙂\x00"
        prefix = r.choice(["", "user/", "https://example.org/item/"])
        return prefix + "".join(r.choice(alphabet) for _ in range(r.randint(0, 20)))

    def _bytes(self) -> bytes:
        r = self.random
        return r.randbytes(r.choice([0, 1, 3, 16, 17, 40, 300]))

    def _leaf(self, t: pa.DataType) -> Callable[[], Any]:
        r = self.random
        if pa.types.is_boolean(t):
            return lambda: r.random() < 0.5
        if pa.types.is_integer(t):
            bits = t.bit_width
            if pa.types.is_signed_integer(t):
                return lambda: self._integer(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            return lambda: self._integer(0, 2**bits - 1)
        if pa.types.is_floating(t):
            return lambda: self._float(t.bit_width)
        if pa.types.is_decimal(t):
            limit = 10**t.precision - 1
            context = decimal.Context(prec=40)
            return lambda: decimal.Decimal(self._integer(-limit, limit)).scaleb(-t.scale, context)
        if pa.types.is_date32(t):
            return lambda: self._integer(-(2**31), 2**31 - 1)
        if pa.types.is_date64(t):
            return lambda: self._integer(-(2**31), 2**31 - 1) * DAY
        if pa.types.is_time(t):
            return lambda: self._integer(0, 86_400 * UNIT[t.unit] - 1)
        if pa.types.is_timestamp(t):
            # Parquet has no seconds: they are written as milliseconds.
            limit = 2**63 - 1 if t.unit != "s" else (2**63 - 1) // 1000
            return lambda: self._integer(-limit, limit)
        if pa.types.is_duration(t):
            return lambda: self._integer(-(2**63), 2**63 - 1)
        if pa.types.is_string(t) or pa.types.is_large_string(t):
            return self._text
        if pa.types.is_fixed_size_binary(t):
            return lambda: r.randbytes(t.byte_width)
        if pa.types.is_binary(t) or pa.types.is_large_binary(t):
            return self._bytes
        assert pa.types.is_null(t), t
        return lambda: None

    # Tables.

    def array(self, field: pa.Field, rows: int) -> pa.Array:
        make = self.optional(field)
        return build([make() for _ in range(rows)], field.type)

    def table(self, rows: int, *, columns: int | None = None, depth: int = 4) -> pa.Table:
        r = self.random
        fields = [self.field(f"c{i}", depth) for i in range(columns or r.randint(1, 6))]
        # Arrays that are slices of others, in several chunks.
        before = r.choice([0, 0, 3, 9])
        arrays = [self.array(field, rows + before) for field in fields]
        table = pa.Table.from_arrays(arrays, schema=pa.schema(fields)).slice(before)
        if rows > 2 and r.random() < 0.3:
            cut = r.randint(1, rows - 1)
            table = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
        return table


def build(values: list[Any], type_: pa.DataType) -> pa.Array:
    """``pa.array`` with numbers for dates, times and durations, of which Python has only some."""
    if pa.types.is_dictionary(type_):
        encoded = build(values, type_.value_type).dictionary_encode()
        indices = encoded.indices.cast(type_.index_type)
        return pa.DictionaryArray.from_arrays(indices, encoded.dictionary)
    if pa.types.is_temporal(type_):
        width = pa.int32() if type_.bit_width == 32 else pa.int64()
        return pa.array(values, width).view(type_)
    if pa.types.is_struct(type_):
        # A required field of a null struct gets a placeholder.
        children = [
            build([_placeholder(field) if v is None else v[field.name] for v in values], field.type)
            for field in type_
        ]
        mask = pa.array([v is None for v in values], pa.bool_())
        return pa.StructArray.from_arrays(children, fields=list(type_), mask=mask)
    if pa.types.is_map(type_):
        offsets, flat = _flatten(values)
        keys = build([key for key, _ in flat], type_.key_type)
        items = build([item for _, item in flat], type_.item_type)
        return pa.MapArray.from_arrays(offsets, keys, items, type=type_)
    if pa.types.is_fixed_size_list(type_):
        size = type_.list_size
        filler = [_placeholder(type_.value_field)] * size
        flat = [item for v in values for item in (filler if v is None else v)]
        items = build(flat, type_.value_type)
        mask = pa.array([v is None for v in values], pa.bool_())
        return pa.FixedSizeListArray.from_arrays(items, type=type_, mask=mask)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        offsets, flat = _flatten(values)
        large = pa.types.is_large_list(type_)
        made = pa.LargeListArray if large else pa.ListArray
        return made.from_arrays(
            offsets.cast(pa.int64()) if large else offsets,
            build(flat, type_.value_type),
            type=type_,
        )
    return pa.array(values, type_)


def _placeholder(field: pa.Field) -> Any:
    if field.nullable:
        return None
    return _zero(field.type)


def _zero(t: pa.DataType) -> Any:
    if pa.types.is_dictionary(t):
        return _zero(t.value_type)
    if pa.types.is_struct(t):
        return {field.name: _placeholder(field) for field in t}
    if pa.types.is_fixed_size_list(t):
        return [_placeholder(t.value_field)] * t.list_size
    if pa.types.is_nested(t):
        return []
    if pa.types.is_string(t) or pa.types.is_large_string(t):
        return ""
    if pa.types.is_fixed_size_binary(t):
        return bytes(t.byte_width)
    if pa.types.is_binary(t) or pa.types.is_large_binary(t):
        return b""
    if pa.types.is_boolean(t):
        return False
    if pa.types.is_floating(t):
        return 0.0
    if pa.types.is_decimal(t):
        return decimal.Decimal(0)
    return 0


def _flatten(values: list[Any]) -> tuple[pa.Array, list[Any]]:
    offsets: list[int | None] = []
    flat: list[Any] = []
    for value in values:
        offsets.append(None if value is None else len(flat))
        flat.extend(value or [])
    offsets.append(len(flat))
    return pa.array(offsets, pa.int32()), flat
