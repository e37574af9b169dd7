# SPDX-License-Identifier: Apache-2.0
"""Rows in the form that batches are gathered from.

Dense features are row-major float32 matrices, ids row-major int64 ones; all lists of a row lie side
by side in one run of values. So a row costs a few places in memory, whatever the number of columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from . import _native
from ._features import (
    BadValueError,
    Dense,
    Features,
    Id,
    Padded,
    Ragged,
    Sequence,
    ids,
    is_float_list,
    lists,
    numbers,
)


@dataclass
class Layout:
    """Which feature lies where."""

    features: dict[str, Any]
    #: Names of the features whose columns are lists, in the order in which their elements lie.
    int_lists: list[str] = field(default_factory=list)
    float_lists: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, features: Features, schema: pa.Schema) -> Layout:
        layout = cls(dict(features))
        for name, feature in features.items():
            if not isinstance(feature, (Dense, Id)):
                floats = is_float_list(schema.field(feature.column).type)
                (layout.float_lists if floats else layout.int_lists).append(name)
        return layout

    @property
    def matrices(self) -> list[str]:
        return [n for n, f in self.features.items() if isinstance(f, (Dense, Id))]


@dataclass
class Lists:
    """`width` lists for each row; list `k` begins at ``offsets[row * width + k]``."""

    width: int
    offsets: np.ndarray
    values: np.ndarray


@dataclass
class Rows:
    """Encoded rows, in memory or mapped from files."""

    count: int
    matrices: dict[str, np.ndarray]
    int_lists: Lists | None
    float_lists: Lists | None


def encode(layout: Layout, batch: pa.RecordBatch) -> Rows:
    """Arrow columns as rows.

    :raises BadValueError: a feature refuses a value.
    """
    matrices = {}
    for name in layout.matrices:
        feature = layout.features[name]
        columns = [batch.column(column) for column in feature.columns]
        if isinstance(feature, Dense):
            parts = [numbers(c, feature.bad, n) for c, n in zip(columns, feature.columns)]
            matrix = np.empty((batch.num_rows, len(parts)), np.float32)
        else:
            parts = [ids(column) for column in columns]
            matrix = np.empty((batch.num_rows, len(parts)), np.int64)
        for index, part in enumerate(parts):
            matrix[:, index] = part
        matrices[name] = matrix
    return Rows(
        batch.num_rows,
        matrices,
        _pack(layout, layout.int_lists, batch, np.int64),
        _pack(layout, layout.float_lists, batch, np.float32),
    )


def gather(layout: Layout, rows: Rows, indices: np.ndarray) -> dict[str, Any]:
    """The features of some rows as tensors, in the order of the layout."""
    result: dict[str, Any] = dict.fromkeys(layout.features)
    for name, matrix in rows.matrices.items():
        values = torch.from_numpy(np.take(matrix, indices, axis=0))
        one = isinstance(layout.features[name], Id) and values.shape[1] == 1
        result[name] = values[:, 0] if one else values
    for names, packed in (
        (layout.int_lists, rows.int_lists),
        (layout.float_lists, rows.float_lists),
    ):
        if packed is None:
            continue
        lengths = [
            f.length if isinstance(f := layout.features[name], Sequence) else 0 for name in names
        ]
        parts = _native.gather_lists(packed.offsets, packed.values, packed.width, indices, lengths)
        for name, length, (values, second) in zip(names, lengths, parts):
            kind = Padded if length else Ragged
            result[name] = kind(torch.from_numpy(values), torch.from_numpy(second))
    return result


def _pack(layout: Layout, names: list[str], batch: pa.RecordBatch, kind: type) -> Lists | None:
    if not names:
        return None
    parts = [lists(batch.column(layout.features[name].column)) for name in names]
    for index, name in enumerate(names):
        feature = layout.features[name]
        if isinstance(feature, Sequence):
            parts[index] = _cut(*parts[index], feature.length)
    lengths = np.stack([length for length, _ in parts], axis=1)
    offsets = np.zeros(lengths.size + 1, np.int64)
    np.cumsum(lengths.ravel(), out=offsets[1:])
    if len(parts) == 1:
        return Lists(1, offsets, parts[0][1].astype(kind, copy=False))
    starts = offsets[:-1].reshape(lengths.shape)
    packed = np.empty(offsets[-1], kind)
    for index, (length, values) in enumerate(parts):
        before = np.cumsum(length) - length
        packed[np.repeat(starts[:, index] - before, length) + np.arange(len(values))] = values
    return Lists(len(parts), offsets, packed)


def _cut(lengths: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    if not len(lengths) or lengths.max() <= most:
        return lengths, values
    before = np.cumsum(lengths) - lengths
    place = np.arange(len(values)) - np.repeat(before, lengths)
    return np.minimum(lengths, most), values[place < most]


__all__ = ["BadValueError", "Layout", "Lists", "Rows", "encode", "gather"]
