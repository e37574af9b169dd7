# SPDX-License-Identifier: Apache-2.0
"""Pages of a Weir file in plain numpy: sections 3 and 4 of docs/specs/weir-file.md, line by line.

Written from the specification alone, as a second implementation that tests the first one and the
text: clear before fast, each number checked before it is used.

Length: one class has all encodings, in the order of the specification's table.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import zstandard
from weir_file_values import (
    BITS,
    DEPTH_MAX,
    FIXED,
    FIXED_LISTS,
    LISTS,
    NULLS,
    NUMBER_BYTES,
    NUMBERS,
    STRINGS,
    STRUCTS,
    U8,
    U16,
    U32,
    U64,
    U128,
    VALUES_MAX,
    FormatError,
    UnknownEncodingError,
    Values,
    check,
    gather,
    offsets_of,
    take,
)

DICTIONARY_ROLE, POOL_ROLE, PARTS_ROLE = 1, 2, 4


def number(values: int | np.ndarray, kind: int) -> np.ndarray:
    """Arithmetic modulo 2^(8·bytes)."""
    array = np.asarray(values, np.uint64)
    return array.astype(f"<u{NUMBER_BYTES[kind]}")


def unpack(data: bytes, width: int, count: int) -> np.ndarray:
    """Packed bits: value i has its least significant bit at bit i·width."""
    check(len(data) * 8 >= count * width, "a buffer is too short for its packed bits")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    result = np.zeros(count, np.uint64)
    for b in range(width):
        result |= bits[b : count * width : width].astype(np.uint64) << np.uint64(b)
    return result


@dataclass
class Node:
    """A node of a page's tree."""

    encoding: int
    kind: int
    parameter: int
    count: int
    a: int
    b: int
    buffers: list[bytes]
    children: list[Node] = field(default_factory=list)


def parse(page: bytes) -> Node:
    """The tree of a page (section 3); all of its nodes and buffers have their place in it."""
    check(len(page) >= 8, "a page is shorter than its head")
    node_count, buffer_count, size = struct.unpack_from("<HHI", page, 0)
    check(size == len(page), "a page's size is not what its place says")
    table = 8 + 32 * node_count
    end = table + 8 * buffer_count
    check(node_count > 0 and end <= size, "a page is too short for its nodes and buffers")
    buffers = []
    for i in range(buffer_count):
        offset, length = struct.unpack_from("<II", page, table + 8 * i)
        check(offset % 8 == 0 and end <= offset <= size - length, "a buffer's place is wrong")
        check(not any(page[end:offset]), "bytes between buffers are not zero")
        buffers.append(page[offset : offset + length])
        end = offset + length
    check(not any(page[end:]), "bytes behind the buffers are not zero")
    next_node = next_buffer = 0

    def node(depth: int) -> Node:
        nonlocal next_node, next_buffer
        check(depth < DEPTH_MAX, "nodes are nested too deeply")
        check(next_node < node_count, "a node lacks children")
        encoding, kind, children, parameter, first, used, count, a, b = struct.unpack_from(
            "<BBBBHHQQQ", page, 8 + 32 * next_node
        )
        next_node += 1
        check(kind <= NULLS, f"unknown kind {kind}")
        check(first == next_buffer, "a node's buffers do not follow those of the node before")
        next_buffer += used
        check(next_buffer <= buffer_count, "a node's buffers are missing")
        result = Node(encoding, kind, parameter, count, a, b, buffers[first:next_buffer])
        result.children = [node(depth + 1) for _ in range(children)]
        return result

    root = node(0)
    check(next_node == node_count, "a node is no node's child")
    check(next_buffer == buffer_count, "a buffer is no node's")
    return root


class Page:
    """Decodes the trees of one page.

    `auxiliary(number, role)` gives the values of an auxiliary array that the page may refer to,
    or None when it has none. `values_max`: what the page's nodes may stand for. `part(number)`
    gives the root of a field of a struct that has a page of its own.
    """

    def __init__(
        self,
        auxiliary: Callable[[int, int], Values | None] | None = None,
        values_max: int = VALUES_MAX,
        part: Callable[[int], Node] | None = None,
    ) -> None:
        self.auxiliary = auxiliary
        self.part = part
        self.values_left = values_max

    def array(self, node: Node) -> Values:
        """A root, items of lists or a struct's field: what alone may have nulls."""
        if node.encoding != 9:
            return self.values(node)
        self.shape(node, range(12), children=2, buffers=0)
        check(node.parameter in (0, 1), "a nullable node's parameter is wrong")
        validity = self.child(node, 0, BITS).data
        present = int(validity.sum()) if node.parameter else node.count
        child = node.children[1]
        check(child.kind == node.kind and child.count == present, "a nullable node's values differ")
        values = self.values(child)
        if values.kind in (FIXED, FIXED_LISTS):
            check(values.width == node.a, "a nullable node's width differs from its values'")
        if node.parameter:
            values = take(values, np.where(validity, np.cumsum(validity) - 1, -1))
        values.validity = validity
        return values

    def values(self, node: Node) -> Values:
        """The values of a node that has no nulls."""
        if node.encoding not in DECODERS:
            raise UnknownEncodingError(f"unknown encoding {node.encoding}")
        check(node.encoding != 9, "a nullable node stands where values cannot be null")
        decoder, kinds, children, buffers = DECODERS[node.encoding]
        self.shape(node, kinds, children, buffers)
        wide = node.kind in (FIXED, FIXED_LISTS)
        self.spend(node.count * (node.a if wide and node.a else 1))
        return decoder(self, node)

    def shape(self, node: Node, kinds: object, children: int | None, buffers: int | None) -> None:
        name = f"encoding {node.encoding}"
        check(node.kind in kinds, f"{name} does not hold values of kind {node.kind}")
        check(children in (None, len(node.children)), f"{name} has {len(node.children)} children")
        check(buffers in (None, len(node.buffers)), f"{name} has {len(node.buffers)} buffers")

    def spend(self, count: int) -> None:
        check(count <= self.values_left, "a page stands for too many values")
        self.values_left -= count

    def child(
        self, node: Node, i: int, kind: int | None = None, count: int | None = None
    ) -> Values:
        """A child of `node`, of this kind (the node's) and count (the node's); -1: any count."""
        child = node.children[i]
        kind, count = node.kind if kind is None else kind, node.count if count is None else count
        check(child.kind == kind, f"a child has kind {child.kind}, not {kind}")
        check(count in (-1, child.count), f"a child has {child.count} values, not {count}")
        values = self.values(child)
        if kind == FIXED == node.kind:
            check(values.width == node.a, "a child's width differs")
        return values

    def positions(self, node: Node, i: int) -> np.ndarray:
        result = self.child(node, i, U32, -1).data.astype(np.int64)
        check((np.diff(result) > 0).all(), "positions do not ascend")
        check(result.max(initial=-1) < node.count, "a position is past the values")
        return result

    # The encodings, by code.

    def plain(self, node: Node) -> Values:
        data, n = node.buffers[0], node.count
        if node.kind == BITS:
            return Values(BITS, n, unpack(data, 1, n).astype(bool))
        return values_of_bytes(node, data)

    def constant(self, node: Node) -> Values:
        n = node.count
        check(len(node.buffers) == (node.kind > U64), "a constant's buffers are wrong")
        if node.kind <= U64:
            check(node.kind != BITS or node.a <= 1, "a constant bit is neither 0 nor 1")
            value = np.bool_(node.a) if node.kind == BITS else number(node.a, node.kind)
            return Values(node.kind, n, np.full(n, value))
        data = node.buffers[0]
        if node.kind == STRINGS:
            self.spend(n * len(data))
            offsets = np.arange(n + 1, dtype=np.int64) * len(data)
            return Values(STRINGS, n, np.tile(np.frombuffer(data, np.uint8), n), offsets)
        width = 16 if node.kind == U128 else node.a
        check(len(data) == width, "a constant has the wrong number of bytes")
        return Values(node.kind, n, np.tile(np.frombuffer(data, np.uint8), (n, 1)), width=width)

    def packed(self, node: Node) -> Values:
        check(node.parameter <= 8 * NUMBER_BYTES[node.kind], "packed values are too wide")
        bits = unpack(node.buffers[0], node.parameter, node.count)
        return Values(node.kind, node.count, number(bits + np.uint64(node.a), node.kind))

    def patched(self, node: Node) -> Values:
        base = self.child(node, 0)
        at = self.positions(node, 1)
        base.data[at] = self.child(node, 2, count=len(at)).data
        return base

    def delta(self, node: Node) -> Values:
        check(node.parameter <= 20, "a delta node's blocks are too large")
        size = 1 << node.parameter
        firsts = self.child(node, 0, count=-(-node.count // size)).data
        deltas = self.child(node, 1).data
        for k, first in enumerate(firsts):
            deltas[k * size] = first
            block = slice(k * size, (k + 1) * size)
            deltas[block] = np.cumsum(deltas[block], dtype=deltas.dtype)
        return Values(node.kind, node.count, deltas)

    def runs(self, node: Node) -> Values:
        ends = self.child(node, 0, U32, -1).data.astype(np.int64)
        check((np.diff(ends, prepend=0) > 0).all(), "ends of runs do not ascend")
        check((ends[-1] if len(ends) else 0) == node.count, "runs do not end with the values")
        values = self.child(node, 1, count=len(ends))
        return self.chosen(values, np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0)))

    def dictionary(self, node: Node) -> Values:
        check(node.parameter in (0, 1), "a dictionary node's parameter is wrong")
        check(len(node.children) == 1 + node.parameter, "a dictionary node's children are wrong")
        codes = self.child(node, 0, U32).data.astype(np.int64)
        if node.parameter:
            values = self.child(node, 1, count=-1)
        else:
            check(self.auxiliary is not None, "there are no auxiliary arrays to refer to")
            number = node.b if node.kind == FIXED else node.a
            values = self.auxiliary(number, DICTIONARY_ROLE)
            check(
                values.kind == node.kind and values.validity is None, "a dictionary's kind differs"
            )
            check(values.kind != FIXED or values.width == node.a, "a dictionary's width differs")
        return self.chosen(values, codes)

    def chosen(self, values: Values, index: np.ndarray) -> Values:
        check(index.max(initial=-1) < values.count, "a code is past its dictionary")
        if values.kind == STRINGS:
            self.spend(int(np.diff(values.offsets)[index].sum()))
        return take(values, index)

    def tiered(self, node: Node) -> Values:
        widths = np.array([node.b >> shift & 255 for shift in (0, 8, 16, 24)])
        bound = min(57, 8 * NUMBER_BYTES[node.kind])
        check(node.b < 1 << 32 and widths.max() <= bound, "a tier is too wide")
        n, (tags, data, index) = node.count, node.buffers
        starts = np.frombuffer(index[: len(index) // 4 * 4], "<u4").astype(np.int64)
        check(len(starts) == -(-n // 256), "a tiered node's blocks are not all there")
        width = widths[unpack(tags, 2, n).astype(np.int64)]
        before = np.cumsum(width) - width
        block = np.arange(n) // 256
        at = 8 * starts[block] + before - before[block * 256]
        check(len(data) >= 8 and not any(data[-8:]), "tiered values lack their 8 zero bytes")
        check((at + width).max(initial=0) <= 8 * len(data) - 64, "tiered values are cut off")
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        values = np.zeros(n, np.uint64)
        for b in range(width.max(initial=0)):
            has = width > b
            values[has] |= bits[at[has] + b].astype(np.uint64) << np.uint64(b)
        return Values(node.kind, n, number(values + np.uint64(node.a), node.kind))

    def sparse(self, node: Node) -> Values:
        at = self.positions(node, 0)
        values = self.child(node, 1, count=len(at))
        index = np.full(node.count, -1)
        index[at] = np.arange(len(at))
        result = take(values, index)
        if node.kind <= U64:
            check(node.kind != BITS or node.a <= 1, "a sparse bit is neither 0 nor 1")
            other = np.bool_(node.a) if node.kind == BITS else number(node.a, node.kind)
            result.data[index < 0] = other
        return result

    def decimal(self, node: Node) -> Values:
        check(node.parameter <= 18, "a decimal's exponent is too large")
        real, signed = ("<f8", "<i8") if node.kind == U64 else ("<f4", "<i4")
        integers = self.child(node, 0).data.view(signed).astype(np.float64)
        result = (integers / np.float64(10**node.parameter)).astype(real)
        at = self.positions(node, 1)
        result[at] = self.child(node, 2, count=len(at)).data.view(real)
        return Values(node.kind, node.count, result.view(f"<u{NUMBER_BYTES[node.kind]}"))

    def split(self, node: Node) -> Values:
        bits, r = 8 * NUMBER_BYTES[node.kind], node.parameter
        check(bits - 16 <= r < bits, "a split is at the wrong bit")
        high = self.child(node, 0, U16).data.astype(np.uint64) << np.uint64(r)
        low = unpack(node.buffers[0], r, node.count)
        return Values(node.kind, node.count, number(high + low, node.kind))

    def lengths(self, node: Node, items: int) -> np.ndarray:
        """Offsets by the child of lengths; `items` is how many there are of what they cut."""
        offsets = offsets_of(self.child(node, 0, U32).data)
        check(offsets[-1] == items, "lengths do not add up to what they cut")
        index = node.buffers[0]
        check(index == b"" or index == offsets[:-1:256].astype("<u4").tobytes(), "a wrong index")
        return offsets

    def strings(self, node: Node) -> Values:
        data = self.child(node, 1, U8, -1)
        return Values(STRINGS, node.count, data.data, self.lengths(node, data.count))

    def fsst(self, node: Node) -> Values:
        table = node.buffers[0]
        check(table and len(table) > table[0], "a table of symbols is cut off")
        m, sizes = table[0], table[1 : 1 + table[0]]
        check(all(1 <= size <= 8 for size in sizes), "a symbol's length is wrong")
        check(len(table) == 1 + m + sum(sizes), "a table of symbols has the wrong size")
        starts = offsets_of(np.frombuffer(sizes, np.uint8)) + 1 + m
        symbols = [bytes(table[starts[i] : starts[i + 1]]) for i in range(m)]
        offsets = offsets_of(self.child(node, 0, U32).data)
        coded = self.child(node, 1)
        self.spend(int(offsets[-1]))
        decoded = bytearray()
        for i in range(node.count):
            codes = iter(coded.data[coded.offsets[i] : coded.offsets[i + 1]].tolist())
            for code in codes:
                if code == 255:
                    literal = next(codes, None)
                    check(literal is not None, "an escaped byte is missing")
                    decoded.append(literal)
                else:
                    check(code < m, "a code without a symbol")
                    decoded += symbols[code]
            check(len(decoded) == offsets[i + 1], "a decoded string has the wrong length")
        return Values(STRINGS, node.count, np.frombuffer(bytes(decoded), np.uint8), offsets)

    def list(self, node: Node) -> Values:
        items = self.array(node.children[1])
        return Values(LISTS, node.count, offsets=self.lengths(node, items.count), items=[items])

    def window(self, node: Node) -> Values:
        starts = self.child(node, 0, U32).data.astype(np.int64)
        lengths = self.child(node, 1, U32).data.astype(np.int64)
        check(self.auxiliary is not None, "there are no auxiliary arrays to refer to")
        pool = self.auxiliary(node.a, POOL_ROLE)
        if pool is None:
            check(not (starts.any() or lengths.any()), "a window is past its pool")
            return Values(LISTS, node.count, offsets=offsets_of(lengths))
        check((starts + lengths).max(initial=0) <= pool.count, "a window is past its pool")
        self.spend(int(lengths.sum()))
        items = take(pool, gather(starts, lengths))
        return Values(LISTS, node.count, offsets=offsets_of(lengths), items=[items])

    def fixed_list(self, node: Node) -> Values:
        items = self.array(node.children[0])
        check(items.count == node.count * node.a, "a fixed list's items are not as many")
        return Values(FIXED_LISTS, node.count, items=[items], width=node.a)

    def struct(self, node: Node) -> Values:
        fields = [self.field(child) for child in node.children]
        check(all(f.count == node.count for f in fields), "a struct's fields differ in count")
        return Values(STRUCTS, node.count, items=fields)

    def field(self, node: Node) -> Values:
        if node.encoding != 25:
            return self.array(node)
        self.shape(node, range(12), children=0, buffers=0)
        check(self.part is not None, "a page without parts refers to one")
        root = self.part(node.b)
        same = root.kind == node.kind and root.count == node.count
        check(
            same and (node.kind not in (FIXED, FIXED_LISTS) or root.a == node.a), "a part differs"
        )
        return self.array(root)

    def zstd(self, node: Node) -> Values:
        ends_bytes, frames = node.buffers
        width = value_bytes(node)
        total, block = node.count * width, node.b
        check(
            1 <= block <= 1 << 24 and (width == 0 or block % width == 0), "a block's size is wrong"
        )
        check(len(ends_bytes) == 4 * -(-total // block), "blocks are not all there")
        plain, start = b"", 0
        for end in np.frombuffer(ends_bytes, "<u4").tolist():
            check(start < end <= len(frames), "a frame's place is wrong")
            size = min(block, total - len(plain))
            plain += inflate(frames[start:end], size)
            start = end
        check(start == len(frames), "bytes behind the last frame")
        return values_of_bytes(node, plain)

    def byte_streams(self, node: Node) -> Values:
        width = value_bytes(node)
        check(len(node.children) == width, "a byte stream is missing")
        streams = [self.child(node, i, U8).data for i in range(width)]
        return values_of_bytes(node, np.stack(streams, axis=1).tobytes())

    def float16(self, node: Node) -> Values:
        halves = self.child(node, 0, U16).data.view("<f2")
        return Values(node.kind, node.count, halves.astype("<f4").view("<u4"))

    def bfloat16(self, node: Node) -> Values:
        bits = self.child(node, 0, U16).data.astype("<u4") << np.uint32(16)
        return Values(node.kind, node.count, bits)

    def scaled(self, node: Node) -> Values:
        check(node.a >= 1, "a scale stands for no values")
        codes = self.child(node, 0, U8).data.view(np.int8).astype("<f4")
        scales = self.child(node, 1, U32, -(-node.count // node.a)).data.view("<f4")
        with np.errstate(over="ignore", invalid="ignore"):
            result = codes * scales[np.arange(node.count) // node.a]
        return Values(node.kind, node.count, result.view("<u4"))

    def halves(self, node: Node) -> Values:
        parts = [self.child(node, i, U64).data for i in (0, 1)]
        return values_of_bytes(node, np.stack(parts, axis=1).tobytes())

    def nulls(self, node: Node) -> Values:
        return Values(NULLS, node.count)


def inflate(frame: bytes, size: int) -> bytes:
    """One zstd frame that stands for exactly `size` bytes."""
    whole = zstandard.ZstdDecompressor().decompressobj()
    try:
        plain = zstandard.ZstdDecompressor().stream_reader(frame).read(size + 1)
        check(len(plain) == size, "a zstd frame stands for the wrong number of bytes")
        whole.decompress(frame)  # of `size` bytes now, so that it cannot grow
    except zstandard.ZstdError as error:
        raise FormatError(f"a zstd frame is damaged: {error}") from error
    check(whole.eof and not whole.unused_data, "a zstd frame does not end with its block")
    return plain


def value_bytes(node: Node) -> int:
    """Bytes of a plain value of kinds 1...6."""
    return NUMBER_BYTES.get(node.kind) or (16 if node.kind == U128 else node.a)


def values_of_bytes(node: Node, data: bytes) -> Values:
    """Plain values of kinds 1...6."""
    width, n = value_bytes(node), node.count
    check(len(data) >= n * width, "a buffer is too short for its values")
    data = data[: n * width]
    if node.kind <= U64:
        return Values(node.kind, n, np.frombuffer(data, f"<u{width}").copy())
    return Values(node.kind, n, np.frombuffer(data, np.uint8).reshape(n, width), width=width)


# By code: the decoder, the kinds it holds, how many children (None: it looks itself) and buffers.
UP_TO_STRINGS = range(BITS, STRINGS + 1)
DECODERS = {
    0: (Page.plain, range(BITS, FIXED + 1), 0, 1),
    1: (Page.constant, UP_TO_STRINGS, 0, None),
    2: (Page.packed, NUMBERS, 0, 1),
    3: (Page.patched, NUMBERS, 3, 0),
    4: (Page.delta, NUMBERS, 2, 0),
    5: (Page.runs, UP_TO_STRINGS, 2, 0),
    6: (Page.dictionary, range(U8, STRINGS + 1), None, 0),
    7: (Page.tiered, NUMBERS, 0, 3),
    8: (Page.sparse, UP_TO_STRINGS, 2, 0),
    10: (Page.decimal, (U32, U64), 3, 0),
    11: (Page.split, (U32, U64), 1, 1),
    12: (Page.strings, (STRINGS,), 2, 1),
    13: (Page.fsst, (STRINGS,), 2, 1),
    14: (Page.list, (LISTS,), 2, 1),
    15: (Page.window, (LISTS,), 2, 0),
    16: (Page.fixed_list, (FIXED_LISTS,), 1, 0),
    17: (Page.struct, (STRUCTS,), None, 0),
    18: (Page.zstd, range(U8, FIXED + 1), 0, 2),
    19: (Page.byte_streams, range(U16, U128 + 1), None, 0),
    20: (Page.float16, (U32,), 1, 0),
    21: (Page.bfloat16, (U32,), 1, 0),
    22: (Page.scaled, (U32,), 2, 0),
    23: (Page.halves, (U128,), 2, 0),
    24: (Page.nulls, (NULLS,), 0, 0),
}
