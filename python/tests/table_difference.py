# SPDX-License-Identifier: Apache-2.0
"""Whether two Arrow tables hold the same, and what differs first."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def difference(left: pa.Array, right: pa.Array, path: str = "") -> str | None:
    """What differs first, or ``None``. NaNs are equal by their bits, and 0.0 is not -0.0."""
    if pa.types.is_dictionary(left.type):
        left = left.dictionary_decode()
    if pa.types.is_dictionary(right.type):
        right = right.dictionary_decode()
    # Parquet has no date64; Weir restores it from the stored schema, pyarrow does not.
    left, right = (a.cast(pa.date32()) if pa.types.is_date64(a.type) else a for a in (left, right))
    if left.type.id != right.type.id:
        return f"{path}: {left.type}, not {right.type}"
    if len(left) != len(right):
        return f"{path}: {len(left)} rows, not {len(right)}"
    if not left.is_null().equals(right.is_null()):
        return f"{path}: {left.null_count} nulls, not {right.null_count}, or elsewhere"
    if pa.types.is_struct(left.type):
        for field, mine, theirs in zip(left.type, left.flatten(), right.flatten()):
            found = difference(mine, theirs, f"{path}.{field.name}")
            if found:
                return found
        return None
    if pa.types.is_nested(left.type):
        if not pa.types.is_fixed_size_list(left.type):
            lengths = [_lengths(array) for array in (left, right)]
            if not lengths[0].equals(lengths[1]):
                return f"{path}: lists of other lengths"
        elif left.type.list_size != right.type.list_size:
            return f"{path}: {left.type}, not {right.type}"
        return difference(_items(left), _items(right), f"{path}[]")
    if pa.types.is_floating(left.type):
        bits = {16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[left.type.bit_width]
        left, right = left.view(bits), right.view(bits)
    if not left.equals(right):
        return f"{path}: {left.diff(right)}"
    return None


def _lengths(array: pa.Array) -> pa.Array:
    offsets = array.offsets
    return pc.if_else(array.is_valid(), pc.subtract(offsets[1:], offsets[:-1]).cast(pa.int64()), 0)


def _items(array: pa.Array) -> pa.Array:
    """The items of the lists that are not null."""
    if pa.types.is_map(array.type):
        entries = pa.StructArray.from_arrays(
            [array.keys, array.items], fields=[array.type.key_field, array.type.item_field]
        )
        offsets = array.offsets
        rows = pa.array(array.is_valid().to_pylist(), pa.bool_())
        keep = [
            index
            for valid, start, end in zip(
                rows.to_pylist(), offsets[:-1].to_pylist(), offsets[1:].to_pylist()
            )
            if valid
            for index in range(start, end)
        ]
        return entries.take(pa.array(keep, pa.int64()))
    return array.flatten()


def without_dictionaries(type_: pa.DataType) -> pa.DataType:
    """The type with values for dictionaries, and one kind of dates."""
    if pa.types.is_date64(type_):
        return pa.date32()
    if pa.types.is_dictionary(type_):
        return without_dictionaries(type_.value_type)
    if pa.types.is_struct(type_):
        return pa.struct([_plain(field) for field in type_])
    if pa.types.is_map(type_):
        return pa.map_(_plain(type_.key_field), _plain(type_.item_field))
    if pa.types.is_fixed_size_list(type_):
        return pa.list_(_plain(type_.value_field), type_.list_size)
    if pa.types.is_large_list(type_):
        return pa.large_list(_plain(type_.value_field))
    if pa.types.is_list(type_):
        return pa.list_(_plain(type_.value_field))
    return type_


def _plain(field: pa.Field) -> pa.Field:
    return pa.field(field.name, without_dictionaries(field.type), nullable=field.nullable)


def check_tables(actual: pa.Table, expected: pa.Table) -> None:
    """Fails with what differs first."""
    actual.validate(full=True)
    assert actual.column_names == expected.column_names
    for field, other in zip(actual.schema, expected.schema):
        assert _plain(field) == _plain(other), f"{field}, not {other}"
        mine, theirs = (t.column(field.name).combine_chunks() for t in (actual, expected))
        found = difference(one_array(mine), one_array(theirs), field.name)
        assert found is None, found


def one_array(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(array, pa.ChunkedArray):
        return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array
