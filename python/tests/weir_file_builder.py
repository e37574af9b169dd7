# SPDX-License-Identifier: Apache-2.0
"""An assembler of Weir files: pages of nodes and buffers that a test writes down, into bytes.

python python/tests/weir_file_builder.py     prints the example of docs/specs/weir-file.md
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from weir_file_reader import MAGIC, crc32c, fnv1a

BITS, U8, U16, U32, U64, U128, FIXED, STRINGS, LISTS, FIXED_LISTS, STRUCTS, NULLS = range(12)
BYTE_KINDS = (U128, FIXED)
(
    PLAIN, CONSTANT, PACKED, PATCHED, DELTA, RUNS, DICTIONARY, TIERED, SPARSE, NULLABLE, DECIMAL,
    SPLIT, TEXTS, FSST, LIST, WINDOW, FIXED_LIST, STRUCT, ZSTD, STREAMS, FLOAT16, BFLOAT16, SCALED,
    HALVES, NOTHING,
) = range(25)  # fmt: skip


@dataclass
class Node:
    encoding: int
    kind: int
    count: int
    children: tuple[Node, ...] = ()
    buffers: tuple[bytes, ...] = ()
    parameter: int = 0
    a: int = 0
    b: int = 0


def node(encoding: int, kind: int, count: int, *children: Node, **others) -> Node:
    return Node(encoding, kind, count, children, **others)


def numbers(kind: int, *values: int) -> Node:
    """A plain node of numbers."""
    width = {U8: 1, U16: 2, U32: 4, U64: 8}[kind]
    data = b"".join((v % (1 << 8 * width)).to_bytes(width, "little") for v in values)
    return node(PLAIN, kind, len(values), buffers=(data,))


def packed(width: int, *values: int) -> bytes:
    whole = sum(value << width * i for i, value in enumerate(values))
    return whole.to_bytes((width * len(values) + 7) // 8, "little")


def bits(*values: int) -> Node:
    return node(PLAIN, BITS, len(values), buffers=(packed(1, *values),))


def strings(*values: bytes) -> Node:
    lengths = numbers(U32, *map(len, values))
    return node(
        TEXTS, STRINGS, len(values), lengths, numbers(U8, *b"".join(values)), buffers=(b"",)
    )


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def page(root: Node) -> bytes:
    """The page of a tree."""
    heads, buffers = [], []

    def walk(n: Node) -> None:
        counts = len(n.children), n.parameter, len(buffers), len(n.buffers)
        heads.append(struct.pack("<BBBBHHQQQ", n.encoding, n.kind, *counts, n.count, n.a, n.b))
        buffers.extend(n.buffers)
        for child in n.children:
            walk(child)

    walk(root)
    at = 8 + 32 * len(heads) + 8 * len(buffers)
    places, body = b"", b""
    for buffer in buffers:
        body = padded(body)
        places += struct.pack("<II", at + len(body), len(buffer))
        body += buffer
    head = struct.pack("<HHI", len(heads), len(buffers), at + len(body))
    return head + b"".join(heads) + places + body


def record(
    field_id: int,
    code: int,
    name: str,
    nullable: bool = False,
    parameters: bytes = b"",
    children: tuple[bytes, ...] = (),
    metadata: dict[bytes, bytes] | None = None,
) -> bytes:
    """A field record."""
    text, pairs = name.encode(), metadata or {}
    head = struct.pack("<IBBHI", field_id, code, nullable, len(pairs), len(text))
    body = head + text + parameters + struct.pack("<I", len(children)) + b"".join(children)
    return body + b"".join(sized(key) + sized(value) for key, value in pairs.items())


def sized(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


@dataclass
class Auxiliary:
    role: int
    shift: int
    values: int
    pages: list[bytes]


@dataclass
class Column:
    """A column: its field record, pages as (rows, bytes), auxiliary arrays and statistics."""

    record: bytes
    pages: list[tuple[int, bytes]]
    auxiliary: list[Auxiliary] = field(default_factory=list)
    statistics: bytes = b""
    bucket: int = 0

    @property
    def id(self) -> int:
        return struct.unpack_from("<I", self.record)[0]

    @property
    def name(self) -> bytes:
        size = struct.unpack_from("<I", self.record, 8)[0]
        return self.record[12 : 12 + size]


class Writer:
    """Collects bytes, and a note of what lies where."""

    def __init__(self) -> None:
        self.data, self.notes = bytearray(), []

    def put(self, data: bytes, note: str) -> int:
        """Writes at the next multiple of 8; returns the offset."""
        self.data += bytes(-len(self.data) % 8)
        self.notes.append((len(self.data), note))
        self.data += data
        return len(self.data) - len(data)

    def column(self, column: Column) -> tuple[bytes, ...]:
        """Writes a column; returns what its directory entry says behind the position."""
        name, row, descriptor = column.name.decode(), 0, b""
        for rows, data in column.pages:
            offset = self.put(data, f"{name}: page of rows {row}...{row + rows - 1}")
            descriptor += struct.pack("<QQIIII", row, offset, len(data), crc32c(data), rows, 0)
            row += rows
        for number, array in enumerate(column.auxiliary):
            table = b""
            for k, data in enumerate(array.pages):
                offset = self.put(data, f"{name}: auxiliary array {number}, page {k}")
                table += struct.pack("<QII", offset, len(data), crc32c(data))
            offset = self.put(table, f"{name}: page table of auxiliary array {number}")
            head = struct.pack("<BBHIQ", array.role, array.shift, 0, len(array.pages), array.values)
            descriptor += head + struct.pack("<QII", offset, crc32c(table), 0)
        counts = struct.pack("<II", len(column.pages), len(column.auxiliary))
        parts = []
        for note, data in (
            ("descriptor", counts + descriptor),
            ("field record", column.record),
            ("statistics", column.statistics),
        ):
            offset = self.put(data, f"{name}: {note}") if data else 0
            parts.append(struct.pack("<QII", offset, len(data), crc32c(data)))
        return parts


def build(rows: int, columns: list[Column], metadata: bytes = b"", **tail: int) -> Writer:
    """A whole file; `tail` replaces values of the tail."""
    writer = Writer()
    writer.put(MAGIC, "the magic")
    entries = []
    for position, column in enumerate(columns):
        parts = writer.column(column)
        entry = struct.pack("<II", column.id, position) + b"".join(parts)
        entry += struct.pack("<I", column.bucket)
        entries.append((column.id, entry + struct.pack("<I", crc32c(entry)), column))
    entries.sort(key=lambda e: e[0])
    stride = tail.get("stride", 64)
    directory = writer.put(b"", "directory")
    for _, entry, column in entries:
        writer.put(entry.ljust(stride, b"\0"), f"directory: {column.name.decode()}")
    slots = 1 << (2 * len(columns) - 1).bit_length() if columns else 0
    table = [bytes(16)] * slots
    for position in range(len(columns)):
        number = next(i for i, e in enumerate(entries) if e[2] is columns[position])
        value = fnv1a(columns[position].name)
        slot = value % slots
        while any(table[slot]):
            slot = (slot + 1) % slots
        table[slot] = struct.pack("<QII", value, number, 1)
    names = writer.put(b"".join(table), "name table")
    place = writer.put(metadata, "metadata of the file") if metadata else 0
    ids = [e[0] for e in entries]
    values = {
        "row_count": rows,
        "directory_offset": directory,
        "column_count": len(columns),
        "first_id": ids[0] if ids else 0,
        "names_offset": names,
        "name_slots": slots,
        "dense": int(ids == list(range(ids[0], ids[0] + len(ids)))) if ids else 1,
        "metadata_offset": place,
        "metadata_size": len(metadata),
        "metadata_crc": crc32c(metadata),
        "generation": 0,
        "required_features": 0,
        "optional_features": 0,
        "stride": 64,
        "major": 1,
    }
    values.update(tail)
    major = values.pop("major")
    head = struct.pack("<QQIIQIIQIIQQQI", *values.values()) + bytes(28)
    writer.put(head + struct.pack("<IHH", crc32c(head), major, 0) + MAGIC, "tail")
    return writer


def example() -> Writer:
    """Section 9 of the specification: three columns, four rows."""
    ids = node(PACKED, U64, 4, buffers=(packed(2, 0, 1, 3, 2),), parameter=2, a=1000)
    bounds = struct.pack("<IBxxx16s16s", 0, 7, padded16(1000), padded16(1003))
    floats = numbers(U32, *struct.unpack("<3I", struct.pack("<3f", 0.5, -2.0, 3.25)))
    scores = node(NULLABLE, U32, 4, bits(1, 0, 1, 1), floats, parameter=1)
    starts = node(PACKED, U32, 4, buffers=(packed(2, 2, 2, 1, 0),), parameter=2)
    lengths = node(CONSTANT, U32, 4, a=3)
    pool = numbers(U32, 70, 71, 72, 73, 74)
    item = record(0, 4, "item")
    return build(
        4,
        [
            Column(
                record(1, 5, "id"),
                [(4, page(ids))],
                statistics=struct.pack("<II", 1, 0) + bounds + bytes(8),
            ),
            Column(record(2, 11, "score", nullable=True), [(4, page(scores))]),
            Column(
                record(3, 24, "last", children=(item,), metadata={b"unit": b"item"}),
                [(4, page(node(WINDOW, LISTS, 4, starts, lengths, a=0)))],
                [Auxiliary(2, 16, 5, [page(pool)])],
            ),
        ],
        struct.pack("<I", 1) + sized(b"made") + sized(b"by hand"),
    )


def padded16(value: int) -> bytes:
    return struct.pack("<qQ", value, 0)


def dump(writer: Writer) -> str:
    """The bytes in hexadecimal, a line for at most 16, with the notes as comments."""
    lines, data = [], bytes(writer.data)
    starts = [at for at, _ in writer.notes] + [len(data)]
    for (at, note), end in zip(writer.notes, starts[1:], strict=True):
        lines.append(f"# {note}")
        for line in range(at, end, 16):
            lines.append(f"{line:04x}: {data[line : min(line + 16, end)].hex(' ')}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(dump(example()))
