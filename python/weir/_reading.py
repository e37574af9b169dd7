# SPDX-License-Identifier: Apache-2.0
"""Reading Parquet files."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from ctypes import byref
from typing import Any, Protocol, Union

from . import _capsule
from ._errors import InvalidArgumentError
from ._library import (
    Handle,
    call,
    encode_path,
    integer_array,
    library,
    option_array,
    string_array,
    take_json,
)

StrPath = Union[str, "os.PathLike[str]"]
# WEIR_MATRIX_… of weir.h.
_MATRIX_TYPES = {"float32": 0, "int64": 1}


class Schema:
    """Names and types of columns; anything that takes ``__arrow_c_schema__`` takes it."""

    def __init__(
        self, file: Readable, columns: Sequence[str] | None, function: Callable[..., Any]
    ) -> None:
        self._file = file
        self._columns = columns
        self._function = function
        self._names: list[str] | None = None

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        if self._names is None:
            self._names = _capsule.field_names(self.__arrow_c_schema__())
        return list(self._names)

    def __len__(self) -> int:
        return len(self.names)

    def __arrow_c_schema__(self) -> object:
        names, count = string_array(self._columns)

        def fill(schema: int) -> None:
            with self._file._use() as reader:
                call(self._function, reader, names, count, schema)

        return _capsule.make(_capsule.SCHEMA, fill)

    def __repr__(self) -> str:
        return f"weir.Schema({', '.join(self.names)})"


class Batch:
    """Some rows, in memory; anything that takes ``__arrow_c_array__`` takes it, without a copy."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self.num_rows: int = library.weir_batch_row_count(handle.value)

    def __len__(self) -> int:
        return self.num_rows

    def __arrow_c_schema__(self) -> object:
        def fill(schema: int) -> None:
            call(library.weir_batch_export, self._handle.value, schema, None)

        return _capsule.make(_capsule.SCHEMA, fill)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """The rows as a struct array. The requested schema is a wish that is not followed."""

        def fill(schema: int, array: int) -> None:
            call(library.weir_batch_export, self._handle.value, schema, array)

        schema, array = _capsule.make_all((_capsule.SCHEMA, _capsule.ARRAY), fill)
        return schema, array

    def matrix(
        self,
        columns: Sequence[str] | None = None,
        *,
        dtype: str = "float32",
        missing: float = 0,
        out: Any = None,
    ) -> Any:
        """Columns of numbers side by side, one row a row, as a numpy array.

        :param columns: names, in the order wanted; all when ``None``.
        :param dtype: ``float32`` or ``int64``.
        :param missing: what nulls and NaN become.
        :param out: an array of that type to write to, with a row for every row of the batch and a
            column for every one of ``columns``; rows may lie apart, so that it may be a part of a
            larger one.
        """
        import numpy as np

        if str(dtype) not in _MATRIX_TYPES:
            raise ValueError(f"dtype must be one of {', '.join(_MATRIX_TYPES)}, not {dtype}")
        names, count = string_array(None if columns is None else list(columns))
        if columns is None:
            count = len(_capsule.field_names(self.__arrow_c_schema__()))
        if out is None:
            out = np.empty((self.num_rows, count), dtype)
        if out.shape != (self.num_rows, count) or out.dtype != np.dtype(dtype):
            raise ValueError(
                f"out has the shape {out.shape} and type {out.dtype}, "
                f"not {(self.num_rows, count)} and {dtype}"
            )
        stride, rest = divmod(out.strides[0], out.itemsize)
        if out.strides[1] != out.itemsize or rest or stride < count or not out.flags.writeable:
            raise ValueError("out must be writable, with the values of a row side by side")
        call(
            library.weir_batch_matrix,
            self._handle.value,
            names,
            0 if columns is None else count,
            _MATRIX_TYPES[str(dtype)],
            float(missing),
            stride,
            out.ctypes.data,
        )
        return out

    def __repr__(self) -> str:
        return f"<weir.Batch of {self.num_rows} rows>"


def batches_of(handle: Handle) -> Iterator[Batch]:
    """The batches that are left of a ``weir_batches``."""
    while True:
        batch = Handle(library.weir_batch_close)
        call(library.weir_batches_next, handle.value, byref(batch.value))
        if not batch.is_open:
            return
        yield Batch(batch)


class Table:
    """Columns and row groups of a file that are read when somebody asks, each time anew.

    ``pyarrow.table(t)``, ``polars.DataFrame(t)``, ``pandas.DataFrame.from_arrow(t)`` and DuckDB (by
    the variable's name in the SQL) read it by ``__arrow_c_stream__``, batch by batch, without a
    copy. Iterating gives its batches.
    """

    def __init__(
        self,
        file: ParquetFile,
        columns: Sequence[str] | None,
        row_groups: Sequence[int] | None,
        batch_rows: int | None,
    ) -> None:
        self._file = file
        if isinstance(columns, (str, bytes)):
            raise TypeError("columns must be a sequence of names, not one string")
        self._columns = None if columns is None else list(columns)
        self._row_groups = None if row_groups is None else list(row_groups)
        self._batch_rows = 0 if batch_rows is None else batch_rows
        self.schema = Schema(file, self._columns, library.weir_parquet_reader_schema)
        # Wrong names and numbers are told here, not when the rows are read.
        file._start(self).close()

    @property
    def column_names(self) -> list[str]:
        return self.schema.names

    @property
    def num_columns(self) -> int:
        return len(self.schema)

    @property
    def num_rows(self) -> int:
        """Rows of the chosen row groups, from the file's footer."""
        if self._row_groups is None:
            return self._file.num_rows
        groups = self._file.metadata["row_groups"]
        return sum(groups[index]["row_count"] for index in self._row_groups)

    def __len__(self) -> int:
        return self.num_rows

    def __iter__(self) -> Iterator[Batch]:
        """Reads the rows, batch by batch."""
        return batches_of(self._file._start(self))

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A new read. The requested schema is a wish that is not followed."""
        handle = self._file._start(self)

        def fill(stream: int) -> None:
            call(library.weir_batches_export, byref(handle.value), stream)

        return _capsule.make(_capsule.STREAM, fill)

    def __repr__(self) -> str:
        return f"<weir.Table of {self._file.path!r}, {self.num_rows} rows>"


class ParquetFile:
    """A Parquet file that is open for reading.

    Several threads may use it. It works in a process forked from the one that opened it.

    :param path: the file.
    :param verify_checksums: whether pages that carry a checksum are checked against it.
    :param validate_text: whether strings that are not UTF-8 are an error. Consumers of Arrow data
        rely on it: turn it off for files of careless writers only.
    :param int96_unit: unit of the timestamps that INT96 values are read as, ``"s"``, ``"ms"``,
        ``"us"`` or ``"ns"``; nanoseconds span the years 1677 to 2262.
    :raises NotFoundError: there is no such file (also a ``FileNotFoundError``).
    :raises InvalidDataError: the file is damaged or not a Parquet file.
    """

    def __init__(
        self,
        path: StrPath,
        *,
        verify_checksums: bool = True,
        validate_text: bool = True,
        int96_unit: str = "ns",
    ) -> None:
        self.path = os.fspath(path)
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] | None = None
        self._reader = Handle(library.weir_parquet_reader_close)
        options, count = option_array(
            [
                ("verify_checksums", "true" if verify_checksums else "false", None),
                ("validate_text", "true" if validate_text else "false", None),
                ("int96_unit", int96_unit, None),
            ]
        )
        reader = self._reader.value
        call(library.weir_parquet_reader_open, encode_path(path), options, count, byref(reader))
        self.num_rows: int = library.weir_parquet_reader_row_count(reader)
        self.num_row_groups: int = library.weir_parquet_reader_row_group_count(reader)
        self.schema = Schema(self, None, library.weir_parquet_reader_schema)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the file's footer says: schema, row groups, encodings, sizes, statistics."""
        if self._metadata is None:
            with self._use() as reader:
                self._metadata = take_json(library.weir_parquet_reader_metadata_json, reader)
        return self._metadata

    def read(
        self,
        columns: Sequence[str] | None = None,
        *,
        row_groups: Sequence[int] | None = None,
        batch_rows: int | None = None,
    ) -> Table:
        """The rows, to be read when somebody asks.

        :param columns: names, in the order wanted; all when ``None``.
        :param row_groups: numbers from 0; all when ``None``.
        :param batch_rows: at most so many rows in a batch; 65,536 when ``None``.
        """
        return Table(self, columns, row_groups, batch_rows)

    def iter_batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        row_groups: Sequence[int] | None = None,
        batch_rows: int | None = None,
    ) -> Iterator[Batch]:
        """Reads the rows, batch by batch, in memory that does not grow with the file."""
        return iter(self.read(columns, row_groups=row_groups, batch_rows=batch_rows))

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.read().__arrow_c_stream__(requested_schema)

    def close(self) -> None:
        """Ends this object. Batches and streams that it gave out go on working."""
        with self._lock:
            self._reader.close()

    def __enter__(self) -> ParquetFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<weir.ParquetFile {self.path!r}, {self.num_rows} rows>"

    def _use(self) -> Use:
        return Use(self)

    def _start(self, table: Table) -> Handle:
        names, name_count = string_array(table._columns)
        groups, group_count = integer_array(table._row_groups)
        batches = Handle(library.weir_batches_close)
        with self._use() as reader:
            call(
                library.weir_parquet_reader_read,
                reader,
                names,
                name_count,
                groups,
                group_count,
                table._batch_rows,
                byref(batches.value),
            )
        return batches


class Readable(Protocol):
    """A file that is open for reading, behind a handle."""

    path: str
    _lock: threading.Lock
    _reader: Handle

    def _use(self) -> Use: ...


class Use:
    """Holds a file's reader, so that no other thread closes it meanwhile."""

    def __init__(self, file: Readable) -> None:
        self._file = file

    def __enter__(self) -> object:
        self._file._lock.acquire()
        if not self._file._reader.is_open:
            self._file._lock.release()
            raise InvalidArgumentError(f"{self._file.path!r} was closed", path=self._file.path)
        return self._file._reader.value

    def __exit__(self, *exception: object) -> None:
        self._file._lock.release()


def read_parquet(
    path: StrPath,
    columns: Sequence[str] | None = None,
    *,
    row_groups: Sequence[int] | None = None,
    batch_rows: int | None = None,
    verify_checksums: bool = True,
    validate_text: bool = True,
    int96_unit: str = "ns",
) -> Table:
    """Opens a Parquet file as a table that Arrow's consumers read without copies.

    >>> pyarrow.table(weir.read_parquet("events.parquet", columns=["user_id", "ts"]))

    :param path: the file.
    :param columns: names, in the order wanted; all when ``None``.
    :param row_groups: numbers from 0; all when ``None``.
    :param batch_rows: at most so many rows in a batch; 65,536 when ``None``.
    :param verify_checksums: whether pages that carry a checksum are checked against it.
    :param validate_text: whether strings that are not UTF-8 are an error. Consumers of Arrow data
        rely on it: turn it off for files of careless writers only.
    :param int96_unit: unit of the timestamps that INT96 values are read as, ``"s"``, ``"ms"``,
        ``"us"`` or ``"ns"``; nanoseconds span the years 1677 to 2262.
    """
    file = ParquetFile(
        path,
        verify_checksums=verify_checksums,
        validate_text=validate_text,
        int96_unit=int96_unit,
    )
    return file.read(columns, row_groups=row_groups, batch_rows=batch_rows)
