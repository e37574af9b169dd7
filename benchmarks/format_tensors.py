# SPDX-License-Identifier: Apache-2.0
"""Tensors of record batches, for benchmarks/format_work.py.

Scalars of one type side by side, lists as (values, offsets), vectors as a matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

TENSOR_ROWS = 4_096
CHUNK_ROWS = 16_384  # what is asked from the formats for tensors: several batches at once


def numpy_of(array: pa.Array) -> np.ndarray:
    return array.to_numpy(zero_copy_only=False)


def list_parts(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(array, (pa.ListArray, pa.LargeListArray)):
        array = array.cast(pa.list_(array.type.value_type))
    return numpy_of(array.offsets), numpy_of(array.values)


def kinds_of(schema: pa.Schema) -> tuple[list[str], list[str], list[str]]:
    """Names of the columns of floats, of integers, and of the others."""
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    integers = [field.name for field in schema if pa.types.is_integer(field.type)]
    return floats, integers, [n for n in schema.names if n not in {*floats, *integers}]


def parts_of(column: pa.Array) -> Any:
    if pa.types.is_fixed_size_list(column.type):
        return numpy_of(column.flatten()).reshape(len(column), -1)
    if pa.types.is_dictionary(column.type):
        return numpy_of(column.indices), *list_parts(column.dictionary)
    return list_parts(column)


def chunk_arrays(batch: pa.RecordBatch) -> dict[str, Any]:
    floats, integers, others = kinds_of(batch.schema)
    result = {name: parts_of(batch[name]) for name in others}
    for name, columns, dtype in (("dense", floats, np.float32), ("ids", integers, np.int64)):
        matrix = np.empty((batch.num_rows, len(columns)), dtype)
        for j, column in enumerate(columns):
            matrix[:, j] = numpy_of(batch[column])
        result[name] = np.nan_to_num(matrix, copy=False) if name == "dense" else matrix
    return result


def tensors_of(arrays: dict[str, Any], start: int, end: int) -> dict[str, Any]:
    import torch

    result: dict[str, Any] = {}
    for name, value in arrays.items():
        if not isinstance(value, tuple):
            result[name] = torch.from_numpy(value[start:end])
        elif len(value) == 2:
            offsets = value[0][start : end + 1]
            values = torch.from_numpy(value[1][offsets[0] : offsets[-1]])
            result[name] = values, torch.from_numpy(offsets - offsets[0])
        else:
            index, offsets, values = value
            index = index[start:end]
            low = int(index.min())
            part = offsets[low : int(index.max()) + 2]
            result[name] = (
                torch.from_numpy(values[part[0] : part[-1]]),
                torch.from_numpy(part - part[0]),
                torch.from_numpy(index - low),
            )
    return result


def tensor_rows(batches: Iterator) -> int:
    """Makes batches of tensors of 4,096 rows; what is left over is joined to the next chunk."""
    rows, rest = 0, None
    for batch in batches:
        if rest is not None and rest.num_rows:
            table = pa.Table.from_batches([rest, batch]).combine_chunks()
            batch = table.to_batches()[0]
        full = batch.num_rows // TENSOR_ROWS * TENSOR_ROWS
        arrays = chunk_arrays(batch.slice(0, full)) if full else {}
        for start in range(0, full, TENSOR_ROWS):
            rows += TENSOR_ROWS
            tensors_of(arrays, start, start + TENSOR_ROWS)
        rest = batch.slice(full)
    if rest is not None and rest.num_rows:
        tensors_of(chunk_arrays(rest), 0, rest.num_rows)
        rows += rest.num_rows
    return rows
