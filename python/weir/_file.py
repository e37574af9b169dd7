# SPDX-License-Identifier: Apache-2.0
"""Files of Weir's own format (docs/specs/weir-file.md)."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator, Sequence
from ctypes import byref
from typing import Any

from . import _capsule
from ._library import Handle, call, encode_path, library, option_array, string_array
from ._reading import Batch, Schema, StrPath, Use, batches_of
from ._writing import OptionValue, _flatten


class _BatchesSchema(Schema):
    """The schema of batches that have been started, where it is not that of the file."""

    def __init__(self, batches: Handle) -> None:
        self._batches = batches
        self._names = None

    def __arrow_c_schema__(self) -> object:
        def fill(schema: int) -> None:
            call(library.weir_batches_schema, self._batches.value, schema)

        return _capsule.make(_capsule.SCHEMA, fill)


class FileRows:
    """Rows of a file in their order, read when somebody asks, each time anew."""

    def __init__(
        self,
        file: File,
        columns: Sequence[str] | None,
        rows: range | None,
        batch_rows: int | None,
        unique_lists: bool = False,
    ) -> None:
        if isinstance(columns, (str, bytes)):
            raise TypeError("columns must be a sequence of names, not one string")
        self._file = file
        self._columns = None if columns is None else list(columns)
        self._rows = range(file.num_rows) if rows is None else rows
        self._batch_rows = 0 if batch_rows is None else batch_rows
        self._read = library.weir_file_read_unique if unique_lists else library.weir_file_read
        self.schema = Schema(file, self._columns, library.weir_file_schema)
        batches = self._start()
        if unique_lists:
            self.schema = _BatchesSchema(batches)
        else:
            batches.close()

    @property
    def num_rows(self) -> int:
        return len(self._rows)

    def __len__(self) -> int:
        return self.num_rows

    def _start(self) -> Handle:
        names, count = string_array(self._columns)
        batches = Handle(library.weir_batches_close)
        with self._file._use() as file:
            call(
                self._read,
                file,
                names,
                count,
                self._rows.start,
                len(self._rows),
                self._batch_rows,
                byref(batches.value),
            )
        return batches

    def __iter__(self) -> Iterator[Batch]:
        """Reads the rows, batch by batch."""
        return batches_of(self._start())

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A new read. The requested schema is a wish that is not followed."""
        return _exported(self._start())


class FileMatches:
    """Rows of a file that match a predicate, read when somebody asks, each time anew."""

    def __init__(
        self, file: File, predicate: str, columns: Sequence[str] | None, batch_rows: int | None
    ) -> None:
        if isinstance(columns, (str, bytes)):
            raise TypeError("columns must be a sequence of names, not one string")
        self._file = file
        self._predicate = predicate
        self._columns = None if columns is None else list(columns)
        self._batch_rows = 0 if batch_rows is None else batch_rows
        self.schema = Schema(file, self._columns, library.weir_file_schema)
        self._start().close()

    def _start(self) -> Handle:
        names, count = string_array(self._columns)
        batches = Handle(library.weir_batches_close)
        with self._file._use() as file:
            call(
                library.weir_file_matches,
                file,
                self._predicate.encode(),
                names,
                count,
                self._batch_rows,
                byref(batches.value),
            )
        return batches

    def __iter__(self) -> Iterator[Batch]:
        """Reads the rows, batch by batch; batches without a row are left out."""
        return batches_of(self._start())

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A new read. The requested schema is a wish that is not followed."""
        return _exported(self._start())


def _exported(handle: Handle) -> object:
    def fill(stream: int) -> None:
        call(library.weir_batches_export, byref(handle.value), stream)

    return _capsule.make(_capsule.STREAM, fill)


class File:
    """A Weir file that is open for reading. Several threads may use it.

    Opening costs the same for ten columns and for ten thousand: columns are opened when they are
    first wanted.

    :param path: the file.
    :param verify_checksums: whether pages are checked when they are read.
    :param cache_bytes: what ``take`` keeps of the file for the next call.
    :param memory_map: whether the file is mapped instead of read: faster, but the process ends when
        somebody cuts the file meanwhile.
    :raises NotFoundError: there is no such file (also a ``FileNotFoundError``).
    :raises InvalidDataError: the file is damaged or not a Weir file.
    """

    def __init__(
        self,
        path: StrPath,
        *,
        verify_checksums: bool = True,
        cache_bytes: int | None = None,
        memory_map: bool = False,
    ) -> None:
        self.path = os.fspath(path)
        self._lock = threading.Lock()
        self._reader = Handle(library.weir_file_close)
        options = [("verify_checksums", "true" if verify_checksums else "false", None)]
        if memory_map:
            options.append(("memory_map", "true", None))
        if cache_bytes is not None:
            options.append(("cache_bytes", str(cache_bytes), None))
        array, count = option_array(options)
        call(library.weir_file_open, encode_path(path), array, count, byref(self._reader.value))
        self.num_rows: int = library.weir_file_row_count(self._reader.value)
        self.num_columns: int = library.weir_file_column_count(self._reader.value)
        self.schema = Schema(self, None, library.weir_file_schema)

    def read(
        self,
        columns: Sequence[str] | None = None,
        rows: Any = None,
        *,
        batch_rows: int | None = None,
    ) -> FileRows | Batch:
        """Rows of the file, for anything that takes Arrow data.

        :param columns: names, in the order wanted, and dotted paths of fields within structs,
            which come as the column with those fields alone; all when ``None``.
        :param rows: a ``range`` or slice of rows, read when somebody asks; or numbers of rows in
            any order (a list, a numpy array), read at once as one batch. All when ``None``.
        :param batch_rows: at most so many rows in a batch; 16,384 when ``None``.
        """
        if isinstance(rows, slice):
            rows = range(*rows.indices(self.num_rows))
        if rows is None or (isinstance(rows, range) and rows.step == 1):
            return FileRows(self, columns, rows, batch_rows)
        return self.take(rows, columns)

    def take(self, rows: Any, columns: Sequence[str] | None = None) -> Batch:
        """The given rows, in the order given, as one batch."""
        if isinstance(columns, (str, bytes)):
            raise TypeError("columns must be a sequence of names, not one string")
        array, address = _row_numbers(rows)
        names, count = string_array(None if columns is None else list(columns))
        batch = Handle(library.weir_batch_close)
        with self._use() as file:
            call(
                library.weir_file_take,
                file,
                names,
                count,
                address,
                len(array),
                byref(batch.value),
            )
        return Batch(batch)

    def matches(
        self,
        predicate: str,
        columns: Sequence[str] | None = None,
        *,
        batch_rows: int | None = None,
    ) -> FileMatches:
        """The rows for which a predicate in SQL's syntax is true, in the order of the file.

        Pages that cannot match are not read; rows of key columns are looked up.

        >>> pyarrow.table(file.matches("user_id = 7 and at >= 1000", ["item_id"]))
        """
        return FileMatches(self, predicate, columns, batch_rows)

    def lookup(self, column: str, values: Any, columns: Sequence[str] | None = None) -> FileMatches:
        """The rows whose ``column`` has one of the values, in the order of the file.

        Of a key column (``write_file(..., key_columns=["user_id"])``) each value costs a read or
        two; of others, the pages whose bounds do not exclude it are read.

        :param values: numbers, strings, bytes, decimals, dates and times (or one of them).
        """
        if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
            values = [values]
        literals = ", ".join(_literal(value) for value in values)
        name = '"' + column.replace('"', '""') + '"'
        return FileMatches(self, f"{name} in ({literals})" if literals else "false", columns, None)

    def iter_batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        rows: range | None = None,
        batch_rows: int | None = None,
        unique_lists: bool = False,
    ) -> Iterator[Batch]:
        """Reads the rows, batch by batch, in memory that does not grow with the file.

        :param rows: a ``range`` of rows; all when ``None``.
        :param unique_lists: whether columns of lists that share their items come as dictionary
            arrays: the lists of a batch that differ, each decoded once, and a number for every
            row (an inverse index), ascending by first appearance.
        """
        return iter(FileRows(self, columns, rows, batch_rows, unique_lists))

    def __len__(self) -> int:
        return self.num_rows

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return FileRows(self, None, None, None).__arrow_c_stream__(requested_schema)

    def close(self) -> None:
        """Ends this object. Batches and streams that it gave out go on working."""
        with self._lock:
            self._reader.close()

    def __enter__(self) -> File:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<weir.File {self.path!r}, {self.num_rows} rows, {self.num_columns} columns>"

    def _use(self) -> Use:
        return Use(self)


def _literal(value: Any) -> str:
    """A value as predicates have it."""
    value = value.as_py() if hasattr(value, "as_py") else value
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, (bytes, bytearray)):
        return f"X'{value.hex()}'"
    if isinstance(value, (bool, int)):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def _row_numbers(rows: Any) -> tuple[Any, int]:
    """64-bit integers and where they are; arrays that are so already are not copied."""
    if hasattr(rows, "__array_interface__") and rows.dtype.str == "<i8" and rows.flags.c_contiguous:
        return rows, rows.__array_interface__["data"][0]
    numbers = [int(row) for row in rows]
    array = (ctypes.c_int64 * max(len(numbers), 1))(*numbers)
    array_rows = (ctypes.c_int64 * len(numbers)).from_buffer(array)
    return array_rows, ctypes.addressof(array)


def open_file(
    path: StrPath,
    *,
    verify_checksums: bool = True,
    cache_bytes: int | None = None,
    memory_map: bool = False,
) -> File:
    """Opens a Weir file.

    >>> weir.open_file("samples.weir").read(columns=["user_id", "emb"], rows=[7, 9])
    """
    return File(
        path, verify_checksums=verify_checksums, cache_bytes=cache_bytes, memory_map=memory_map
    )


def write_file(data: object, path: StrPath, **options: OptionValue) -> int:
    """Writes a Weir file and returns its number of rows.

    >>> weir.write_file(table, "samples.weir", profile="compact")

    :param data: anything with ``__arrow_c_stream__`` (tables, data frames, readers).
    :param path: the file; it appears when all is written, and not at all after an error.
    :param options: see ``docs/python.md``.
    """
    export = getattr(data, "__arrow_c_stream__", None)
    if export is None:
        raise TypeError(f"data must have __arrow_c_stream__, which {type(data).__name__} has not")
    array, count = option_array(list(_flatten(options)))
    rows = ctypes.c_int64(0)
    capsule = export()
    stream = _capsule.address(capsule, _capsule.STREAM)
    call(library.weir_file_write, encode_path(path), stream, array, count, byref(rows))
    return rows.value


def erase_file(
    path: StrPath,
    rows: Any = None,
    *,
    where: str | None = None,
    columns: Sequence[str] | None = None,
    output: StrPath | None = None,
    profile: str | None = None,
) -> int:
    """Erases the values of rows of a Weir file from its bytes; returns how many rows those were.

    The rows stay, with nulls, or zero and empty where a column allows no nulls. The file is written
    anew and takes the place of the former one.

    >>> weir.erase_file("samples.weir", where="user_id = 7", columns=["email", "recent"])

    :param rows: numbers of rows, in any order.
    :param where: instead of them a predicate in SQL's syntax.
    :param columns: all when ``None``.
    :param output: another file to write; the given one then stays as it is.
    :param profile: how pages are written again: ``"fast"`` (default) or ``"compact"``.
    """
    if (rows is None) == (where is None):
        raise TypeError("give the rows to erase, by their numbers or by where=")
    if isinstance(columns, (str, bytes)):
        raise TypeError("columns must be a sequence of names, not one string")
    options = [("overwrite", "true" if output is None else "false", None)]
    if profile is not None:
        options.append(("profile", profile, None))
    array, count = option_array(options)
    names, name_count = string_array(None if columns is None else list(columns))
    numbers, address = _row_numbers([] if rows is None else rows)
    erased = ctypes.c_int64(0)
    with File(path) as file, file._use() as reader:
        call(
            library.weir_file_erase,
            reader,
            names,
            name_count,
            None if rows is None else address,
            len(numbers),
            None if where is None else where.encode(),
            encode_path(path if output is None else output),
            array,
            count,
            byref(erased),
        )
    return erased.value
