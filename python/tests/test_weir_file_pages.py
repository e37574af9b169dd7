# SPDX-License-Identifier: Apache-2.0
"""Each encoding of docs/specs/weir-file.md by pages that are written down by hand."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
import zstandard
from weir_file_builder import (
    BFLOAT16,
    BITS,
    BYTE_KINDS,
    CONSTANT,
    DECIMAL,
    DELTA,
    DICTIONARY,
    FIXED,
    FIXED_LIST,
    FIXED_LISTS,
    FLOAT16,
    FSST,
    HALVES,
    LIST,
    LISTS,
    NOTHING,
    NULLABLE,
    NULLS,
    PACKED,
    PATCHED,
    PLAIN,
    RUNS,
    SCALED,
    SPARSE,
    SPLIT,
    STREAMS,
    STRINGS,
    STRUCT,
    STRUCTS,
    TIERED,
    U8,
    U16,
    U32,
    U64,
    U128,
    WINDOW,
    ZSTD,
    bits,
    node,
    numbers,
    packed,
    page,
    strings,
)  # fmt: skip
from weir_file_pages import Page, parse
from weir_file_values import FormatError, UnknownEncodingError, Values


def plain(values: Values) -> list:
    """Values as Python has them: integers, bytes, lists."""
    n = values.count
    if values.kind == NULLS:
        return [None] * n
    if values.kind in BYTE_KINDS:
        result = [bytes(row) for row in values.data]
    elif values.kind <= U64:
        result = values.data.tolist()
    elif values.kind == STRUCTS:
        result = list(zip(*map(plain, values.items), strict=True))
    else:
        o = values.offsets if values.offsets is not None else np.arange(n + 1) * values.width
        items = values.data.tobytes() if values.kind == STRINGS else plain(values.items[0])
        result = [items[o[i] : o[i + 1]] for i in range(n)]
    if values.validity is not None:
        result = [v if valid else None for v, valid in zip(result, values.validity, strict=True)]
    return result


def auxiliary(number: int, role: int) -> Values:
    """Array 0: a dictionary of numbers; 1: a dictionary of strings; 2: a pool of numbers."""
    if (number, role) not in ((0, 1), (1, 1), (2, 2)):
        raise FormatError("no such array")
    trees = [numbers(U32, 10, 20, 30), strings(b"a", b"bc", b""), numbers(U64, 5, 6, 7, 8, 9)]
    return Page().array(parse(page(trees[number])))


def decoded(tree) -> list:
    return plain(Page(auxiliary).array(parse(page(tree))))


def u32(*values: int):
    return numbers(U32, *values)


def floats(layout: str, *values: float) -> list[int]:
    """The bits of floats, as numbers."""
    data = struct.pack(f"<{len(values)}{layout}", *values)
    kind = {"e": "H", "f": "I", "d": "Q"}[layout]
    return list(struct.unpack(f"<{len(values)}{kind}", data))


def joined(*parts: bytes) -> tuple[bytes, bytes]:
    """Buffers of zstd: ends and frames."""
    frames = [zstandard.compress(part) for part in parts]
    ends = np.cumsum([len(frame) for frame in frames])
    return ends.astype("<u4").tobytes(), b"".join(frames)


# A tier of each width for the first four values, then 300 zeros in tier 0 across two blocks.
TIERS = [1, 200, 70_000, 2**40] + [0] * 300
TIERED_VALUES = (
    packed(2, 0, 1, 2, 3, *[0] * 300),
    ((1 | 200 << 1 | 70_000 << 9 | 2**40 << 26).to_bytes(10, "little") + bytes(32))[:41]
    + bytes(6)
    + bytes(8),
    struct.pack("<II", 0, 41),
)
# 1 + 8 + 17 + 41 bits, then 252 of one bit: 319 bits, 40 bytes; the second block has 48 bits.
SYMBOLS = bytes([2, 3, 1]) + b"abc" + b"x"
NESTED = node(
    LIST,
    LISTS,
    2,
    u32(1, 2),
    node(NULLABLE, U32, 3, bits(1, 0, 1), u32(4, 0, 6)),
    buffers=(b"",),
)
CASES = {
    "plain bits": (bits(1, 0, 1), [True, False, True]),
    "plain numbers": (numbers(U16, 1, 65535), [1, 65535]),
    "plain of 16 bytes": (node(PLAIN, U128, 1, buffers=(bytes(range(16)),)), [bytes(range(16))]),
    "plain of 3 bytes": (node(PLAIN, FIXED, 2, buffers=(b"abcdef",), a=3), [b"abc", b"def"]),
    "constant bit": (node(CONSTANT, BITS, 3, a=1), [True] * 3),
    "constant": (node(CONSTANT, U64, 2, a=2**64 - 1), [2**64 - 1] * 2),
    "constant string": (node(CONSTANT, STRINGS, 2, buffers=(b"ab",)), [b"ab"] * 2),
    "constant of 2 bytes": (node(CONSTANT, FIXED, 2, buffers=(b"ab",), a=2), [b"ab"] * 2),
    "packed": (
        node(PACKED, U64, 3, buffers=(packed(3, 5, 0, 7),), parameter=3, a=10),
        [15, 10, 17],
    ),
    "packed, modulo": (
        node(PACKED, U8, 2, buffers=(packed(2, 0, 3),), parameter=2, a=2**64 - 1),
        [255, 2],
    ),
    "packed in no bits": (node(PACKED, U32, 2, buffers=(b"",), a=9), [9, 9]),
    "packed in 64 bits": (
        node(PACKED, U64, 1, buffers=(packed(64, 2**64 - 1),), parameter=64, a=2),
        [1],
    ),
    "patched": (node(PATCHED, U32, 4, u32(1, 2, 3, 4), u32(1, 3), u32(9, 8)), [1, 9, 3, 8]),
    "delta": (
        node(DELTA, U32, 5, u32(100, 50, 7), u32(99, 1, 99, 2**32 - 3, 99), parameter=1),
        [100, 101, 50, 47, 7],
    ),
    "delta of one block": (node(DELTA, U8, 3, numbers(U8, 5), numbers(U8, 0, 255, 2), parameter=16),
                           [5, 4, 6]),
    "runs": (node(RUNS, U32, 5, u32(2, 5), u32(7, 8)), [7, 7, 8, 8, 8]),
    "runs of strings": (
        node(RUNS, STRINGS, 3, u32(1, 3), strings(b"x", b"yz")),
        [b"x", b"yz", b"yz"],
    ),
    "runs of bits": (node(RUNS, BITS, 3, u32(1, 3), bits(0, 1)), [False, True, True]),
    "dictionary": (node(DICTIONARY, U32, 4, u32(2, 0, 0, 1), a=0), [30, 10, 10, 20]),
    "dictionary of strings": (node(DICTIONARY, STRINGS, 3, u32(1, 2, 1), a=1), [b"bc", b"", b"bc"]),
    "dictionary of its own": (
        node(DICTIONARY, U8, 3, u32(1, 1, 0), numbers(U8, 4, 5), parameter=1),
        [5, 5, 4],
    ),
    "tiered": (
        node(TIERED, U64, 304, buffers=TIERED_VALUES, a=1, b=1 | 8 << 8 | 17 << 16 | 41 << 24),
        [v + 1 for v in TIERS],
    ),
    "sparse": (node(SPARSE, U32, 4, u32(1, 2), u32(5, 6), a=9), [9, 5, 6, 9]),
    "sparse bits": (node(SPARSE, BITS, 3, u32(1), bits(0), a=1), [True, False, True]),
    "sparse strings": (node(SPARSE, STRINGS, 3, u32(2), strings(b"z")), [b"", b"", b"z"]),
    "sparse of 2 bytes": (
        node(SPARSE, FIXED, 2, u32(1), node(PLAIN, FIXED, 1, buffers=(b"ab",), a=2), a=2),
        [b"\0\0", b"ab"],
    ),
    "nullable": (node(NULLABLE, U32, 3, bits(1, 0, 1), u32(1, 2, 3)), [1, None, 3]),
    "nullable, valid values alone": (
        node(NULLABLE, STRINGS, 4, bits(0, 1, 0, 1), strings(b"a", b"bc"), parameter=1),
        [None, b"a", None, b"bc"],
    ),
    "nullable lists": (node(NULLABLE, LISTS, 3, bits(1, 0, 1), NESTED, parameter=1),
                       [[4], None, [None, 6]]),
    "decimal": (
        node(DECIMAL, U64, 4, numbers(U64, 12, -345, 0, 7), u32(2),
             numbers(U64, *floats("d", 1e300)), parameter=2),
        floats("d", 0.12, -3.45, 1e300, 0.07),
    ),
    "decimal of float32": (
        node(DECIMAL, U32, 2, u32(11, -1), u32(), u32(), parameter=1),
        floats("f", 1.1, -0.1),
    ),
    "split": (
        node(SPLIT, U64, 2, numbers(U16, 3, 65535), buffers=(packed(50, 1, 2),), parameter=50),
        [3 << 50 | 1, (65535 << 50 | 2) % 2**64],
    ),
    "split of float32": (
        node(SPLIT, U32, 2, numbers(U16, 3, 1), buffers=(packed(16, 1, 2),), parameter=16),
        [3 << 16 | 1, 1 << 16 | 2],
    ),
    "strings": (strings(b"ab", b"", b"c"), [b"ab", b"", b"c"]),
    "strings with an index": (
        node(12, STRINGS, 257, node(CONSTANT, U32, 257, a=1), node(CONSTANT, U8, 257, a=65),
             buffers=(struct.pack("<II", 0, 256),)),
        [b"A"] * 257,
    ),
    "fsst": (
        node(FSST, STRINGS, 3, u32(7, 1, 0), strings(b"\0\0\1", b"\xffQ", b""), buffers=(SYMBOLS,)),
        [b"abcabcx", b"Q", b""],
    ),
    "list": (NESTED, [[4], [None, 6]]),
    "list of lists": (
        node(LIST, LISTS, 1, u32(2), NESTED, buffers=(struct.pack("<I", 0),)),
        [[[4], [None, 6]]],
    ),
    "window": (node(WINDOW, LISTS, 3, u32(0, 1, 5), u32(2, 3, 0), a=2), [[5, 6], [6, 7, 8], []]),
    "fixed list": (node(FIXED_LIST, FIXED_LISTS, 2, u32(1, 2, 3, 4), a=2), [[1, 2], [3, 4]]),
    "nullable fixed list": (
        node(NULLABLE, FIXED_LISTS, 2, bits(0, 1),
             node(FIXED_LIST, FIXED_LISTS, 1, u32(1, 2), a=2), parameter=1, a=2),
        [None, [1, 2]],
    ),
    "struct": (node(STRUCT, STRUCTS, 2, u32(1, 2), strings(b"a", b"b")), [(1, b"a"), (2, b"b")]),
    "zstd": (
        node(ZSTD, U16, 5, buffers=joined(b"\1\0\2\0", b"\3\0\4\0", b"\5\0"), b=4),
        [1, 2, 3, 4, 5],
    ),
    "zstd of 3 bytes": (node(ZSTD, FIXED, 2, buffers=joined(b"abc", b"def"), a=3, b=3),
                        [b"abc", b"def"]),
    "byte streams": (node(STREAMS, U16, 2, numbers(U8, 1, 2), numbers(U8, 3, 4)), [0x301, 0x402]),
    "float16": (node(FLOAT16, U32, 2, numbers(U16, *floats("e", 1.5, -2))), floats("f", 1.5, -2)),
    "bfloat16": (node(BFLOAT16, U32, 1, numbers(U16, 0x3F80)), floats("f", 1.0)),
    "scaled": (
        node(SCALED, U32, 3, numbers(U8, -2, 127, 4), u32(*floats("f", 0.5, 0.25)), a=2),
        floats("f", -1.0, 63.5, 1.0),
    ),
    "halves": (
        node(HALVES, U128, 1, numbers(U64, 1), numbers(U64, 2)),
        [(2 << 64 | 1).to_bytes(16, "little")],
    ),
    "nulls": (node(NOTHING, NULLS, 2), [None, None]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_encoding_decodes_as_written(name):
    tree, expected = CASES[name]
    assert decoded(tree) == expected


BAD = {
    "positions past the end": node(SPARSE, U32, 2, u32(2), u32(5)),
    "positions that do not ascend": node(PATCHED, U32, 2, u32(1, 2), u32(1, 1), u32(3, 4)),
    "runs that end early": node(RUNS, U32, 5, u32(2, 4), u32(7, 8)),
    "an empty run": node(RUNS, U32, 2, u32(0, 2), u32(7, 8)),
    "a code past the dictionary": node(DICTIONARY, U32, 1, u32(3), a=0),
    "a pool as a dictionary": node(DICTIONARY, U64, 1, u32(0), a=2),
    "a dictionary of another kind": node(DICTIONARY, U16, 1, u32(0), a=0),
    "no such auxiliary array": node(DICTIONARY, U32, 1, u32(0), a=2**60),
    "a window past the pool": node(WINDOW, LISTS, 1, u32(2**32 - 1), u32(2), a=2),
    "too wide": node(PACKED, U8, 1, buffers=(bytes(8),), parameter=9),
    "too few bits": node(PACKED, U8, 9, buffers=(b"a",), parameter=1),
    "lengths of other bytes": node(12, STRINGS, 1, u32(2), numbers(U8, 1), buffers=(b"",)),
    "a wrong index": node(12, STRINGS, 1, u32(1), numbers(U8, 1), buffers=(b"abcd",)),
    "nulls inside": node(RUNS, U32, 1, u32(1), node(NULLABLE, U32, 1, bits(1), u32(1))),
    "a code without a symbol": node(FSST, STRINGS, 1, u32(1), strings(b"\2"), buffers=(SYMBOLS,)),
    "half an escape": node(FSST, STRINGS, 1, u32(1), strings(b"\xff"), buffers=(SYMBOLS,)),
    "a long block": node(ZSTD, U8, 2, buffers=joined(b"abc"), b=2),
    "a short block": node(ZSTD, U8, 4, buffers=joined(b"abc"), b=4),
    "no zstd": node(ZSTD, U8, 1, buffers=(struct.pack("<I", 3), b"abc"), b=1),
    "too many values": node(CONSTANT, U64, 2**62, a=1),
    "too long strings": node(CONSTANT, STRINGS, 2**20, buffers=(bytes(2**10),)),
    "long lengths": node(
        LIST, LISTS, 2**16, node(CONSTANT, U32, 2**16, a=2**32 - 1),
        node(CONSTANT, U8, 2**16 * (2**32 - 1)), buffers=(b"",),
    ),
    "another count": node(PATCHED, U32, 2, u32(1), u32(), u32()),
    "a buffer too many": node(CONSTANT, U32, 2, buffers=(b"",), a=1),
    "a child too many": node(CONSTANT, U32, 2, u32(1), a=1),
    "tiers without their end": node(
        TIERED, U32, 1, buffers=(b"\0", b"\1" * 9, bytes(4)), b=8
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_pages_are_refused(name):
    with pytest.raises(FormatError):
        decoded(BAD[name])


def test_an_unknown_encoding_is_named():
    with pytest.raises(UnknownEncodingError, match="encoding 77"):
        decoded(node(77, U32, 1))


def test_damaged_pages_give_values_or_errors():
    """Bytes of a page are replaced at random: no other error, no endless loop, no huge array."""
    generator = random.Random(5)
    for name, (tree, _) in CASES.items():
        original = page(tree)
        for _ in range(60):
            data = bytearray(original)
            for _ in range(generator.randint(1, 3)):
                data[generator.randrange(len(data))] = generator.choice([0, 1, 255, 128, 2])
            try:
                plain(Page(auxiliary, 1 << 16).array(parse(bytes(data))))
            except FormatError:
                continue
            except Exception as error:
                raise AssertionError(f"{name}: {bytes(data).hex()}") from error
