# SPDX-License-Identifier: Apache-2.0
"""Weir files in plain Python: the second reader of docs/specs/weir-file.md.

Written from the specification alone. `read(path, columns)` gives a pyarrow table; `File` gives
the parts: tail, directory, field records, descriptors, pages, statistics. Slow is fine here.

    python python/tests/weir_file_reader.py FILE [COLUMN...]    prints the parts and the rows
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from weir_file_pages import DICTIONARY_ROLE, PARTS_ROLE, POOL_ROLE, Node, Page, parse
from weir_file_types import Field, field_of, pairs_of
from weir_file_values import (
    FIXED,
    FIXED_LISTS,
    LISTS,
    NULLS,
    STRINGS,
    FormatError,
    Values,
    check,
    concatenate,
)

MAGIC = b"WEIRCOL1"
TAIL_BYTES, ENTRY_BYTES, SLOT_BYTES = 128, 64, 16
ROLES = (DICTIONARY_ROLE, POOL_ROLE)

CRC_TABLE = []
for _byte in range(256):
    for _ in range(8):
        _byte = _byte >> 1 ^ (0x82F63B78 if _byte & 1 else 0)
    CRC_TABLE.append(_byte)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def fnv1a(data: bytes) -> int:
    value = 14695981039346656037
    for byte in data:
        value = (value ^ byte) * 1099511628211 % (1 << 64)
    return value


@dataclass
class Tail:
    row_count: int
    directory_offset: int
    column_count: int
    first_id: int
    names_offset: int
    name_slots: int
    dense: int
    metadata_offset: int
    metadata_size: int
    metadata_crc: int
    generation: int
    required_features: int
    optional_features: int
    stride: int


@dataclass
class Entry:
    """A directory entry; `part(name)` of the file reads what it points to."""

    id: int
    position: int
    descriptor_offset: int
    descriptor_size: int
    descriptor_crc: int
    field_offset: int
    field_size: int
    field_crc: int
    statistics_offset: int
    statistics_size: int
    statistics_crc: int
    bucket: int


@dataclass
class DataPage:
    first_row: int
    offset: int
    size: int
    crc: int
    rows: int


@dataclass
class Auxiliary:
    role: int
    shift: int
    values: int
    pages: list[tuple[int, int, int]]


@dataclass
class PageStatistics:
    null_count: int
    nan_count: int | None
    lower: bytes | None
    upper: bytes | None
    lower_exact: bool
    upper_exact: bool


class File:
    """A Weir file whose bytes are in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        check(data[:8] == MAGIC, "the file does not begin as a Weir file")
        self.tail = read_tail(data)

    def part(self, what: str, offset: int, size: int, crc: int | None = None) -> bytes:
        check(8 <= offset <= len(self.data) - TAIL_BYTES - size, f"{what} is outside of the file")
        part = self.data[offset : offset + size]
        check(crc is None or crc32c(part) == crc, f"{what} is damaged: its checksum is another")
        return part

    @property
    def metadata(self) -> dict[bytes, bytes]:
        tail = self.tail
        if tail.metadata_size == 0:
            return {}
        part = self.part("metadata", tail.metadata_offset, tail.metadata_size, tail.metadata_crc)
        return pairs_of(part)

    def entry(self, number: int) -> Entry:
        check(number < self.tail.column_count, "a directory entry is past the directory")
        place = self.tail.directory_offset + number * self.tail.stride
        raw = self.part("a directory entry", place, ENTRY_BYTES)
        check(crc32c(raw[:60]) == struct.unpack_from("<I", raw, 60)[0], "an entry is damaged")
        return Entry(*struct.unpack_from("<IIQIIQIIQIII", raw, 0))

    def entries(self) -> list[Entry]:
        """The whole directory, in the order of the schema."""
        entries = [self.entry(i) for i in range(self.tail.column_count)]
        ids = [entry.id for entry in entries]
        check(all(a < b for a, b in zip(ids, ids[1:], strict=False)), "field ids do not ascend")
        if self.tail.dense and ids:
            check(ids[-1] - self.tail.first_id == len(ids) - 1, "a dense directory has gaps")
        entries.sort(key=lambda entry: entry.position)
        positions = [entry.position for entry in entries]
        check(positions == list(range(len(entries))), "columns' positions are not 0, 1, 2…")
        return entries

    def entry_with_id(self, field_id: int) -> Entry | None:
        """The entry of a field id: at once in a dense directory, else by halving."""
        low, high = 0, self.tail.column_count
        if self.tail.dense:
            number = field_id - self.tail.first_id
            return self.entry(number) if 0 <= number < high else None
        while low < high:
            middle = (low + high) // 2
            entry = self.entry(middle)
            if entry.id == field_id:
                return entry
            low, high = (middle + 1, high) if entry.id < field_id else (low, middle)
        return None

    def entry_with_name(self, name: str) -> Entry | None:
        """The entry of a name, by the name table."""
        wanted, slots = fnv1a(name.encode()), self.tail.name_slots
        for step in range(slots):
            slot = (wanted + step) % slots
            raw = self.part("a name", self.tail.names_offset + slot * SLOT_BYTES, SLOT_BYTES)
            value, number, taken = struct.unpack("<QII", raw)
            check(taken == 1 or not any(raw), "a slot of the name table is neither free nor taken")
            if not taken:
                return None
            if value == wanted and self.field(self.entry(number)).name == name:
                return self.entry(number)
        raise FormatError("the name table has no free slot")

    def field(self, entry: Entry) -> Field:
        raw = self.part("a field", entry.field_offset, entry.field_size, entry.field_crc)
        field = field_of(raw)
        check(field.id in (0, entry.id), "a field record has another id than its entry")
        return field

    def descriptor(self, entry: Entry) -> tuple[list[DataPage], list[Auxiliary]]:
        raw = self.part(
            "a descriptor", entry.descriptor_offset, entry.descriptor_size, entry.descriptor_crc
        )
        check(len(raw) >= 8, "a descriptor is too short")
        page_count, auxiliary_count = struct.unpack_from("<II", raw, 0)
        check(len(raw) == 8 + 32 * (page_count + auxiliary_count), "a descriptor has a wrong size")
        pages, row = [], 0
        for i in range(page_count):
            *page, zero = struct.unpack_from("<QQIIII", raw, 8 + 32 * i)
            pages.append(DataPage(*page))
            check(zero == 0 and pages[-1].first_row == row, "a page does not follow the one before")
            check(pages[-1].rows > 0, "a page has no rows")
            row += pages[-1].rows
        check(row == self.tail.row_count, "pages do not hold all rows")
        start = 8 + 32 * page_count
        arrays = [
            self.auxiliary(raw[start + 32 * i : start + 32 * i + 32])
            for i in range(auxiliary_count)
        ]
        return pages, arrays

    def auxiliary(self, raw: bytes) -> Auxiliary:
        role, shift, zero, pages, values, offset, crc, zero2 = struct.unpack("<BBHIQQII", raw)
        check(zero == zero2 == 0 and shift < 64, "an auxiliary array's head is wrong")
        check(pages == -(-values // (1 << shift)), "an auxiliary array's pages are not all there")
        table = self.part("a page table", offset, 16 * pages, crc) if pages else b""
        return Auxiliary(role, shift, values, list(struct.iter_unpack("<QII", table)))

    def page(self, offset: int, size: int, crc: int) -> bytes:
        check(offset % 8 == 0, "a page is not at a multiple of 8")
        return self.part("a page", offset, size, crc)

    def auxiliaries(self, arrays: list[Auxiliary]) -> list[Values | None]:
        """The auxiliary arrays of a column. Each may refer to those before it."""
        known: list[Values | None] = []
        for array in arrays:
            parts = []
            for k, place in enumerate(array.pages if array.role in ROLES else []):
                root = parse(self.page(*place))
                expected = min(1 << array.shift, array.values - (k << array.shift))
                check(root.count == expected, "an auxiliary page has another number of values")
                parts.append(Page(referring(arrays, known)).array(root))
            known.append(concatenate(parts) if parts else None)
        return known

    def column(self, entry: Entry) -> pa.ChunkedArray:
        """All rows of a column, a chunk a page."""
        pages, arrays = self.descriptor(entry)
        field, chunks = self.field(entry), []
        known = self.auxiliaries(arrays)
        parts = [array for array in arrays if array.role == PARTS_ROLE]
        check(len(parts) < 2, "a column has several arrays of parts")

        def part(number: int) -> Node:
            check(number < len(parts[0].pages) if parts else False, "a part is not there")
            return parse(self.page(*parts[0].pages[number]))

        for place in pages:
            root = parse(self.page(place.offset, place.size, place.crc))
            check(root.count == place.rows, "a page has another number of rows")
            page = Page(referring(arrays, known), part=part)
            chunks.append(arrow_of(page.array(root), field))
        return pa.chunked_array(chunks, type=field.type)

    def statistics(self, entry: Entry) -> tuple[list[PageStatistics], bytes]:
        """Statistics of each page, and the key index (both empty when there are none)."""
        if entry.statistics_offset == 0:
            return [], b""
        raw = self.part(
            "statistics", entry.statistics_offset, entry.statistics_size, entry.statistics_crc
        )
        check(len(raw) >= 16, "statistics are too short")
        count, zero = struct.unpack_from("<II", raw, 0)
        end = 8 + 40 * count
        check(zero == 0 and end + 8 <= len(raw), "statistics have a wrong size")
        check(count == len(self.descriptor(entry)[0]), "statistics are of other pages")
        size, zero = struct.unpack_from("<II", raw, end)
        check(zero == 0 and end + 8 + size == len(raw), "a key index has a wrong size")
        check(size % 32 == 0, "a key index is not of blocks of 32 bytes")
        pages = []
        for i in range(count):
            nulls, flags = struct.unpack_from("<IB", raw, 8 + 40 * i)
            check(flags < 16 and (flags & 1 or not flags & 7), "flags of statistics are wrong")
            low, high = raw[16 + 40 * i : 32 + 40 * i], raw[32 + 40 * i : 48 + 40 * i]
            nans = struct.unpack_from("<Q", low, 8)[0] if flags & 8 else None
            if flags & 8:
                low = low[:8] + bytes(8)
            lower, upper = (low, high) if flags & 1 else (None, None)
            pages.append(
                PageStatistics(nulls, nans, lower, upper, bool(flags & 2), bool(flags & 4))
            )
        return pages, raw[end + 8 :]


def referring(
    arrays: list[Auxiliary], known: list[Values | None]
) -> Callable[[int, int], Values | None]:
    """What a page may refer to: `known`, the values of the first of `arrays`."""

    def auxiliary(number: int, role: int) -> Values | None:
        check(number < len(known), "no such auxiliary array may be referred to")
        check(arrays[number].role == role, "an auxiliary array has another role")
        return known[number]

    return auxiliary


def read_tail(data: bytes) -> Tail:
    """The tail of a file, of whose end `data` has at least 128 bytes."""
    check(len(data) >= TAIL_BYTES, "the file is shorter than a Weir file's tail")
    raw = data[-TAIL_BYTES:]
    check(raw[120:] == MAGIC, "the file does not end as a Weir file")
    crc, major, _minor = struct.unpack_from("<IHH", raw, 112)
    check(major == 1, f"the file is of version {major}; this reader knows version 1")
    check(crc32c(raw[:112]) == crc, "the tail is damaged: its checksum is another")
    tail = Tail(*struct.unpack_from("<QQIIQIIQIIQQQI", raw, 0))
    check(not any(raw[84:112]), "reserved bytes of the tail are not zero")
    check(tail.required_features == 0, "the file needs a feature that this reader does not know")
    slots = tail.name_slots
    check(slots & (slots - 1) == 0 and slots >= 2 * tail.column_count, "too few slots for names")
    stride = tail.stride
    check(stride >= ENTRY_BYTES and stride % 8 == 0, "directory entries are too close")
    check(tail.dense in (0, 1), "the tail's mark of a dense directory is wrong")
    return tail


def arrow_of(values: Values, field: Field) -> pa.Array:
    """Decoded values as an array of the field's type."""
    kind, width = field.kind
    check(values.kind == kind, f"{field.name}: values of kind {values.kind}, not {kind}")
    check(values.width == width or kind not in (FIXED, FIXED_LISTS), f"{field.name}: wrong width")
    if field.code == 29:
        plain = arrow_of(values, field.as_values()).dictionary_encode()
        try:
            indices = plain.indices.cast(field.type.index_type)
            return pa.DictionaryArray.from_arrays(
                indices, plain.dictionary, ordered=field.type.ordered
            )
        except pa.ArrowInvalid as error:
            raise FormatError(f"{field.name}: {error}") from error
    if kind == LISTS and not values.items:
        children = [pa.array([], field.children[0].type)]
    else:
        check(len(values.items) == len(field.children), f"{field.name}: fields are missing")
        children = [arrow_of(*pair) for pair in zip(values.items, field.children, strict=True)]
    validity = None
    if values.validity is not None:
        validity = pa.py_buffer(np.packbits(values.validity, bitorder="little").tobytes())
    buffers = [validity]
    if kind in (STRINGS, LISTS):
        large = field.code in (20, 22, 25)
        check(large or values.offsets[-1] < 1 << 31, f"{field.name}: too long for its type")
        buffers.append(pa.py_buffer(values.offsets.astype("<i8" if large else "<i4").tobytes()))
    if kind == 0:
        buffers.append(pa.py_buffer(np.packbits(values.data, bitorder="little").tobytes()))
    elif kind <= STRINGS:
        buffers.append(pa.py_buffer(values.data.tobytes()))
    if kind == NULLS:
        return pa.nulls(values.count)
    array = pa.Array.from_buffers(field.type, values.count, buffers, children=children)
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise FormatError(f"{field.name}: {error}") from error
    return array


def read(path: str | Path | bytes, columns: list[str] | None = None) -> pa.Table:
    """The rows of a file: all columns in the schema's order, or these in this one."""
    file = File(path if isinstance(path, bytes) else Path(path).read_bytes())
    if columns is None:
        entries = file.entries()
    else:
        entries = [file.entry_with_name(name) for name in columns]
        check(None not in entries, "a column is not in the file")
    fields = [file.field(entry).arrow for entry in entries]
    arrays = [file.column(entry) for entry in entries]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=file.metadata or None))


def main() -> None:
    file = File(Path(sys.argv[1]).read_bytes())
    print(file.tail)
    for entry in file.entries():
        pages, arrays = file.descriptor(entry)
        print(file.field(entry).arrow, entry, f"{len(pages)} pages", arrays, sep="\n  ")
    print(read(sys.argv[1], sys.argv[2:] or None))


if __name__ == "__main__":
    main()
