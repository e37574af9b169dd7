# SPDX-License-Identifier: Apache-2.0
"""Arrow data as rows that can be compared."""

from __future__ import annotations

import pyarrow as pa


def microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with all times, also within lists, as microseconds since 1970."""

    def plain(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_timestamp(kind):
            return pa.int64()
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return pa.list_(plain(kind.value_type))
        if pa.types.is_struct(kind):
            return pa.struct([(field.name, plain(field.type)) for field in kind])
        return kind

    wanted = plain(column.type)
    return column if wanted == column.type else column.cast(wanted)


def rows_of(data: pa.Table, columns: list[str]) -> list[dict]:
    """The rows as `crash_model` says them: times in microseconds, decimals as text."""
    plain = []
    for name in columns:
        column = microseconds(data.column(name))
        if pa.types.is_decimal(column.type):
            column = column.cast(pa.string())
        plain.append(column.to_pylist())
    return [dict(zip(columns, values)) for values in zip(*plain)]
