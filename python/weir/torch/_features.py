# SPDX-License-Identifier: Apache-2.0
"""What becomes of columns: features, each a tensor (or two) of every batch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from collections.abc import Sequence as Texts
from dataclasses import dataclass
from typing import Any, NamedTuple, Union

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .._errors import InvalidArgumentError, InvalidDataError

#: What stands for an id that is null.
NO_ID = -1


class Ragged(NamedTuple):
    """Lists of different lengths: row `r` has ``values[offsets[r]:offsets[r + 1]]``."""

    values: Any
    offsets: Any


class Padded(NamedTuple):
    """Lists cut and filled up to one length, and which places hold values."""

    values: Any
    mask: Any


@dataclass(frozen=True)
class Dense:
    """Numbers as float32 ``[rows, columns]``.

    :param bad: what happens to values that are null, NaN or infinite: ``"missing"`` gives NaN,
        ``"zero"`` gives 0, ``"refuse"`` refuses the row's batch with an error that says which.
    """

    columns: tuple[str, ...]
    bad: str = "missing"

    def __init__(self, *columns: str, bad: str = "missing") -> None:
        if bad not in ("missing", "zero", "refuse"):
            raise InvalidArgumentError(f"bad is {bad!r}; it must be missing, zero or refuse")
        object.__setattr__(self, "columns", _names(columns, "Dense"))
        object.__setattr__(self, "bad", bad)


@dataclass(frozen=True)
class Id:
    """Ids as int64 ``[rows]``; with several columns ``[rows, columns]``.

    Whole numbers, booleans and times are taken as they are; text becomes :func:`text_id`; null is
    -1.
    """

    columns: tuple[str, ...]

    def __init__(self, *columns: str) -> None:
        object.__setattr__(self, "columns", _names(columns, "Id"))


@dataclass(frozen=True)
class IdList:
    """A list column as :class:`Ragged`: int64, or float32 for lists of floating-point numbers.

    A null list is an empty one; null elements are -1 (NaN in lists of numbers).
    """

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


@dataclass(frozen=True)
class Sequence:
    """The first `length` elements of a list column as :class:`Padded` ``[rows, length]``."""

    column: str
    length: int

    def __post_init__(self) -> None:
        if not 1 <= self.length <= 65_536:
            raise InvalidArgumentError(f"length is {self.length}; it must be 1 to 65536")

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


Feature = Union[Dense, Id, IdList, Sequence]
Features = Mapping[str, Feature]


def text_id(text: str) -> int:
    """The id of a text: 63 bits of BLAKE2b, the same everywhere and for ever."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") & (2**63 - 1)


def check(features: Features, schema: pa.Schema) -> None:
    """Finds features that the columns do not fit.

    :raises InvalidArgumentError: says which feature, which column, and what there is.
    """
    if not features:
        raise InvalidArgumentError("features is empty: name at least one, such as Dense('price')")
    for name, feature in features.items():
        for column in feature.columns:
            if column not in schema.names:
                raise InvalidArgumentError(
                    f"feature {name!r}: there is no column {column!r}; there are "
                    + ", ".join(schema.names),
                    column=column,
                )
            kind = schema.field(column).type
            if not _fits(feature, kind):
                raise InvalidArgumentError(
                    f"feature {name!r}: {type(feature).__name__} takes no column of type {kind} "
                    f"({column!r})",
                    column=column,
                )


def columns_of(features: Features) -> list[str]:
    """The columns that features are made of, each once."""
    return list(dict.fromkeys(column for f in features.values() for column in f.columns))


def numbers(array: pa.Array, bad: str, column: str) -> np.ndarray:
    """A column as float32, with what is bad made NaN, made 0 or refused."""
    if not pa.types.is_float32(array.type):
        array = pc.cast(array, pa.float32(), safe=False)
    values = plain(array, np.nan)
    good = np.isfinite(values)
    if good.all():
        return values
    if bad == "refuse":
        row = int(np.argmin(good))
        what = "null" if not array[row].is_valid else str(array[row].as_py())
        raise BadValueError(column, row, what)
    return np.where(good, values, np.float32(0 if bad == "zero" else np.nan))


def plain(array: pa.Array, missing: float = 0) -> np.ndarray:
    """An array's numbers, where they lie unless some are null.

    `to_numpy`, and values of Python in pyarrow's functions, would import pandas: a second.
    """
    kind = array.type
    letter = "f" if pa.types.is_floating(kind) else "iu"[pa.types.is_unsigned_integer(kind)]
    dtype = np.dtype(f"{letter}{kind.bit_width // 8}")
    if not len(array):
        return np.empty(0, dtype)
    if array.null_count:
        value = pa.py_buffer(np.array([missing], dtype))
        array = pc.fill_null(array, pa.Array.from_buffers(kind, 1, [None, value])[0])
    offset = array.offset * dtype.itemsize
    return np.frombuffer(array.buffers()[1], dtype, len(array), offset)


def ids(array: pa.Array) -> np.ndarray:
    """A column, or the elements of a list column, as int64."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        if pa.types.is_string_view(kind):
            array = array.cast(pa.large_string())
        coded = pc.dictionary_encode(array)
        table = np.array([text_id(t) for t in coded.dictionary.to_pylist()] + [NO_ID], np.int64)
        return table[plain(coded.indices, len(table) - 1)]
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    if pa.types.is_temporal(kind):
        array = array.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    if array.null_count:
        array = array.cast(pa.int64())
    return plain(array, NO_ID).astype(np.int64, copy=False)


def lists(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """A list column's lengths and its elements, int64 or float32."""
    if pa.types.is_fixed_size_list(array.type) or not pa.types.is_large_list(array.type):
        array = array.cast(pa.large_list(array.type.value_type))
    lengths = plain(pc.list_value_length(array))
    elements = array.flatten()  # without those of null lists
    if pa.types.is_floating(elements.type):
        values = numbers(elements, "missing", "")
    else:
        values = ids(elements)
    return lengths.astype(np.int64, copy=False), values


def is_float_list(kind: pa.DataType) -> bool:
    return _is_list(kind) and pa.types.is_floating(kind.value_type)


class BadValueError(InvalidDataError):
    """A value that a feature refuses; `row` is its place in the batch."""

    def __init__(self, column: str, row: int, what: str) -> None:
        super().__init__(f"column {column!r} has {what}", column=column)
        self.row = row
        self.what = what


def _names(columns: Texts[str], kind: str) -> tuple[str, ...]:
    if not columns or not all(isinstance(column, str) for column in columns):
        raise InvalidArgumentError(f"{kind} takes names of columns, at least one: {columns!r}")
    return tuple(columns)


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_id(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return (
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_temporal(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def _fits(feature: Feature, kind: pa.DataType) -> bool:
    if isinstance(feature, Dense):
        return (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_decimal(kind)
        )
    if isinstance(feature, Id):
        return _is_id(kind)
    return _is_list(kind) and (_is_id(kind.value_type) or pa.types.is_floating(kind.value_type))
