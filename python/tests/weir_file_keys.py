# SPDX-License-Identifier: Apache-2.0
"""Key indexes and bloom filters of Weir files in plain Python (docs/specs/weir-file.md, 6)."""

from __future__ import annotations

import numpy as np
from weir_file_pages import Page, parse
from weir_file_reader import Entry, File, referring
from weir_file_values import STRUCTS, U32, U64, check

KEYS_ROLE = 3
MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
SALTS = (
    0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31,
)  # fmt: skip


def _rotate(x: int, bits: int) -> int:
    return (x << bits | x >> (64 - bits)) & MASK


def _round(total: int, number: int) -> int:
    return _rotate((total + number * P2) & MASK, 31) * P1 & MASK


def xxh64(data: bytes) -> int:
    """XXH64 with seed 0."""
    at = 0
    if len(data) >= 32:
        sums = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while len(data) - at >= 32:
            for i in range(4):
                sums[i] = _round(sums[i], int.from_bytes(data[at : at + 8], "little"))
                at += 8
        value = sum(_rotate(s, b) for s, b in zip(sums, (1, 7, 12, 18), strict=True)) & MASK
        for s in sums:
            value = ((value ^ _round(0, s)) * P1 + P4) & MASK
    else:
        value = P5
    value = (value + len(data)) & MASK
    while len(data) - at >= 8:
        value ^= _round(0, int.from_bytes(data[at : at + 8], "little"))
        value = (_rotate(value, 27) * P1 + P4) & MASK
        at += 8
    if len(data) - at >= 4:
        value ^= int.from_bytes(data[at : at + 4], "little") * P1 & MASK
        value = (_rotate(value, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        value = _rotate(value ^ byte * P5 & MASK, 11) * P1 & MASK
    value = (value ^ value >> 33) * P2 & MASK
    value = (value ^ value >> 29) * P3 & MASK
    return value ^ value >> 32


def may_contain(bloom: bytes, value: int) -> bool:
    """Whether a split-block bloom filter has a hash."""
    words = np.frombuffer(bloom, "<u4").reshape(-1, 8)
    block = words[(value >> 32) * len(words) >> 32]
    return all(
        int(word) >> ((value * salt & 0xFFFFFFFF) >> 27) & 1
        for word, salt in zip(block, SALTS, strict=True)
    )


def key_index(file: File, entry: Entry) -> tuple[np.ndarray, np.ndarray] | None:
    """Upper halves of hashes, and rows; ``None`` without an index."""
    _, arrays = file.descriptor(entry)
    hashes, rows = [], []
    for array in arrays:
        if array.role != KEYS_ROLE:
            continue
        for place in array.pages:
            root = parse(file.page(*place))
            check(root.kind == STRUCTS, "a key index is of structs")
            values = Page(referring([], [])).array(root)
            check(len(values.items) == 2, "a key index has two children")
            check(values.items[0].kind == U32, "hashes are of kind 3")
            check(values.items[1].kind in (U32, U64), "rows are of kind 3 or 4")
            hashes.append(values.items[0].data)
            rows.append(values.items[1].data)
    return (np.concatenate(hashes), np.concatenate(rows)) if hashes else None
