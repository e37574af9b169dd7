# SPDX-License-Identifier: Apache-2.0
"""Gathering lists: one native call for each batch."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int32, c_int64, c_void_p
from typing import Any

import numpy as np

from .._library import call, library


class _Lists(ctypes.Structure):
    _fields_ = [
        ("offsets", c_void_p),
        ("row_count", c_int64),
        ("width", c_int64),
        ("values", c_void_p),
        ("value_count", c_int64),
        ("value_bytes", c_int64),
    ]


class _Output(ctypes.Structure):
    _fields_ = [
        ("length", c_int64),
        ("values", c_void_p),
        ("mask", c_void_p),
        ("offsets", c_void_p),
    ]


def _function() -> Any:
    try:
        function = library.weir_lists_gather
    except AttributeError:  # a library that is older than this module
        return None
    function.restype = c_int32
    function.argtypes = [
        POINTER(_Lists),
        c_void_p,
        c_int64,
        POINTER(_Output),
        c_void_p,
        c_int64,
        c_void_p,
    ]
    return function


_gather = _function()


def gather_lists(
    offsets: np.ndarray,
    values: np.ndarray,
    width: int,
    rows: np.ndarray,
    lengths: list[int],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each of the `width` lists of the rows: (values, offsets) where its length is 0, else
    (values, mask), padded to that length.
    """
    if _gather is None:
        return gather_lists_slowly(offsets, values, width, rows, lengths)
    count = len(rows)
    rows = np.ascontiguousarray(rows, np.int64)
    room = 0
    if not all(lengths) and count:
        # All lists of a row lie side by side.
        first = rows * width
        room = int((offsets[first + width] - offsets[first]).sum())
    given = _Lists(
        offsets.ctypes.data,
        (len(offsets) - 1) // width,
        width,
        values.ctypes.data,
        len(values),
        values.itemsize,
    )
    taken = np.empty(room, values.dtype)
    outputs = (_Output * width)()
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for output, length in zip(outputs, lengths):
        output.length = length
        if length:
            padded, mask = np.empty((count, length), values.dtype), np.empty((count, length), bool)
            output.values, output.mask = padded.ctypes.data, mask.ctypes.data
            parts.append((padded, mask))
        else:
            ends = np.empty(count + 1, np.int64)
            output.offsets = ends.ctypes.data
            parts.append((taken, ends))
    call(_gather, byref(given), rows.ctypes.data, count, outputs, taken.ctypes.data, room)
    place = 0
    for index, (length, (part, second)) in enumerate(zip(lengths, parts)):
        if not length:
            parts[index] = (part[place : place + second[-1]], second)
            place += int(second[-1])
    return parts


def gather_lists_slowly(
    offsets: np.ndarray,
    values: np.ndarray,
    width: int,
    rows: np.ndarray,
    lengths: list[int],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same by NumPy, for comparison."""
    result = []
    for index, most in enumerate(lengths):
        place = rows * width + index
        start = offsets[place]
        size = offsets[place + 1] - start
        if most:
            step = np.arange(most)
            mask = step < size[:, None]
            padded = np.zeros((len(rows), most), values.dtype)
            padded[mask] = values[(start[:, None] + step)[mask]]
            result.append((padded, mask))
        else:
            ends = np.zeros(len(rows) + 1, np.int64)
            np.cumsum(size, out=ends[1:])
            taken = np.repeat(start - ends[:-1], size) + np.arange(ends[-1])
            result.append((values[taken], ends))
    return result
