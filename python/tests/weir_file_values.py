# SPDX-License-Identifier: Apache-2.0
"""Decoded values of a Weir file's pages as numpy arrays: taking, joining and checking them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

DEPTH_MAX = 64
VALUES_MAX = 1 << 28  # of one page, all of its nodes together: no page may ask for more memory

BITS, U8, U16, U32, U64, U128, FIXED, STRINGS, LISTS, FIXED_LISTS, STRUCTS, NULLS = range(12)
NUMBER_BYTES = {U8: 1, U16: 2, U32: 4, U64: 8}
NUMBERS = tuple(NUMBER_BYTES)


class FormatError(ValueError):
    """The bytes are not what the specification says."""


class UnknownEncodingError(FormatError):
    """A node of an encoding that this reader does not know: its column cannot be read."""


def check(holds: object, message: str) -> None:
    if not holds:
        raise FormatError(message)


@dataclass
class Values:
    """Decoded values of one node: an array in numpy.

    `data`: bits as bool, numbers as unsigned integers, kinds 5 and 6 as rows of bytes, strings as
    one run of bytes. `offsets` (n + 1) cut strings and lists. `items`: the item array of lists
    (nothing where a pool is empty), the fields of structs. `width`: bytes (kinds 5, 6) or items
    (kind 9) of a value.
    """

    kind: int
    count: int
    data: np.ndarray | None = None
    offsets: np.ndarray | None = None
    items: list[Values] = field(default_factory=list)
    width: int = 0
    validity: np.ndarray | None = None


def gather(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """starts[0], starts[0] + 1, … (lengths[0] of them), starts[1], …"""
    ends = np.cumsum(lengths, dtype=np.int64)
    within = np.arange(ends[-1] if len(ends) else 0, dtype=np.int64)
    return within + np.repeat(starts.astype(np.int64) - (ends - lengths), lengths)


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def take(values: Values, index: np.ndarray) -> Values:
    """The values at `index`; -1 stands for zeros, the empty string or list."""
    filler = index < 0
    check(filler.all() or index.max(initial=-1) < values.count, "a position is past the values")
    at = index[~filler]
    result = Values(values.kind, len(index), width=values.width)
    if values.validity is not None:
        result.validity = np.zeros(len(index), bool)
        result.validity[~filler] = values.validity[at]
    if values.kind <= FIXED:
        shape = (len(index), *values.data.shape[1:])
        result.data = np.zeros(shape, values.data.dtype)
        result.data[~filler] = values.data[at]
    elif values.kind in (STRINGS, LISTS):
        starts, lengths = np.zeros((2, len(index)), np.int64)
        starts[~filler] = values.offsets[at]
        lengths[~filler] = values.offsets[at + 1] - values.offsets[at]
        result.offsets = offsets_of(lengths)
        places = gather(starts, lengths)
        if values.kind == STRINGS:
            result.data = values.data[places]
        else:
            result.items = [take(items, places) for items in values.items]
    elif values.kind == FIXED_LISTS:
        places = index[:, None] * values.width + np.arange(values.width)
        places[filler] = -1
        result.items = [take(values.items[0], places.reshape(-1))]
    else:
        result.items = [take(child, index) for child in values.items]
    return result


def concatenate(parts: list[Values]) -> Values:
    """One array of several of the same kind."""
    first = parts[0]
    for part in parts:
        same = (part.kind, part.width, len(part.items)) == (
            first.kind,
            first.width,
            len(first.items),
        )
        check(same, "pages of one array differ in kind")
    result = Values(first.kind, sum(part.count for part in parts), width=first.width)
    if any(part.validity is not None for part in parts):
        result.validity = np.concatenate(
            [np.ones(p.count, bool) if p.validity is None else p.validity for p in parts]
        )
    if first.data is not None:
        result.data = np.concatenate([part.data for part in parts])
    if first.offsets is not None:
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        result.offsets = offsets_of(lengths)
    result.items = [concatenate([part.items[i] for part in parts]) for i in range(len(first.items))]
    return result
