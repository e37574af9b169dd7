# SPDX-License-Identifier: Apache-2.0
"""Statistics that the writer writes, by the second reader and pyarrow's own kernels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from weir_file_reader import File

import weir

PAGE_ROWS = 100


def bound_of(raw: bytes, kind: pa.DataType):
    """The value that the 16 bytes of a bound stand for."""
    if pa.types.is_decimal(kind):
        return int.from_bytes(raw, "little", signed=True)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return raw[: raw[15]]
    if pa.types.is_fixed_size_binary(kind):
        return raw[: raw[15]]
    width = 1 if pa.types.is_boolean(kind) else kind.bit_width // 8
    assert not any(raw[width:])
    if pa.types.is_floating(kind):
        return float(np.frombuffer(raw[:width], f"<f{width}")[0])
    signed = not (pa.types.is_unsigned_integer(kind) or pa.types.is_boolean(kind))
    return int.from_bytes(raw[:width], "little", signed=signed)


def plain(value):
    """A pyarrow scalar as `bound_of` gives bounds."""
    kind = value.type
    if pa.types.is_decimal(kind):
        return int(value.as_py().scaleb(kind.scale))
    if pa.types.is_temporal(kind):
        return value.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).as_py()
    if pa.types.is_string(kind):
        return value.as_py().encode()
    return int(value.as_py()) if pa.types.is_boolean(kind) else value.as_py()


def table(rng: np.random.Generator, rows: int) -> pa.Table:
    numbers = rng.integers(-(1 << 40), 1 << 40, rows)
    floats = rng.standard_normal(rows)
    floats[rng.random(rows) < 0.1] = np.nan
    floats[100:200] = np.nan
    words = ["".join(map(chr, rng.integers(32, 0x250, n))) for n in rng.integers(0, 30, rows)]
    some = rng.random(rows) < 0.3
    some[200:300] = True
    columns = {
        "i64": pa.array(numbers, mask=some),
        "u64": pa.array(rng.integers(0, 1 << 63, rows).astype(np.uint64) * 2),
        "i8": pa.array(rng.integers(-128, 128, rows).astype(np.int8)),
        "u16": pa.array(rng.integers(0, 1 << 16, rows).astype(np.uint16), mask=some),
        "f64": pa.array(floats, mask=some),
        "f32": pa.array(floats.astype(np.float32)),
        "f16": pa.array(floats.astype(np.float16)),
        "flag": pa.array(rng.random(rows) < 0.01, mask=some),
        "date": pa.array(rng.integers(0, 20_000, rows).astype(np.int32)).cast(pa.date32()),
        "at": pa.array(numbers, pa.timestamp("us", "UTC")),
        "text": pa.array(words, mask=some),
        "bytes": pa.array([rng.bytes(n) for n in rng.integers(0, 20, rows)]),
        "fixed": pa.array([rng.bytes(3) for _ in range(rows)], pa.binary(3)),
        "amount": pa.array(numbers).cast(pa.decimal128(20, 0)),
        "word": pa.array(rng.choice(["a", "bc", ""], rows)).dictionary_encode(),
        "list": pa.array([[1]] * rows, mask=some),
    }
    return pa.table(columns)


@pytest.mark.parametrize("seed", range(3))
def test_statistics_of_pages(tmp_path, seed):
    rows = table(np.random.default_rng(seed), 450)
    path = tmp_path / "t.weir"
    weir.write_file(rows, path, page_rows=PAGE_ROWS)
    file = File(path.read_bytes())
    for entry in file.entries():
        field = file.field(entry)
        column = rows[field.name].combine_chunks()
        if isinstance(column, pa.DictionaryArray):
            column = column.dictionary_decode()
        pages, index = file.statistics(entry)
        assert index == b""
        assert len(pages) == len(file.descriptor(entry)[0]) == 5
        for number, page in enumerate(pages):
            values = column[number * PAGE_ROWS : (number + 1) * PAGE_ROWS]
            check_page(page, values)


def check_page(page, values: pa.Array) -> None:
    assert page.null_count == values.null_count
    if pa.types.is_floating(values.type):
        assert page.nan_count == (pc.sum(pc.is_nan(values)).as_py() or 0)
        values = values.filter(pc.invert(pc.is_nan(values)))
    else:
        assert page.nan_count is None
    values = values.drop_null()
    if pa.types.is_list(values.type) or len(values) == 0:
        assert page.lower is None
        return
    if page.lower is None:
        assert max(values.to_pylist())[:15] == b"\xff" * 15
        return
    lower, upper = (bound_of(raw, values.type) for raw in (page.lower, page.upper))
    kind = values.type
    if pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind):
        plains = values.to_pylist()
    else:
        plains = [plain(value) for value in values]
    if page.lower_exact:
        assert lower == min(plains)
    else:
        assert lower == min(plains)[: len(lower)]
    if page.upper_exact:
        assert upper == max(plains)
    else:
        assert upper > max(plains)
        assert upper[:-2] == max(plains)[: len(upper) - 2]
    if pa.types.is_string(values.type):
        lower.decode()
        upper.decode()
