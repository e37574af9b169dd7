# SPDX-License-Identifier: Apache-2.0
"""Writing Parquet files."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from ctypes import byref
from typing import Union

from . import _capsule
from ._errors import InvalidArgumentError
from ._library import Handle, call, encode_path, library, option_array
from ._reading import StrPath

OptionScalar = Union[str, int, float, bool]
OptionValue = Union[OptionScalar, Mapping[str, OptionScalar], Iterable[str], None]


class ParquetWriter:
    """Writes one Parquet file, which appears at its path, complete, when the writer is closed.

    >>> with weir.ParquetWriter("out.parquet", table.schema, compression="zstd") as writer:
    ...     writer.write(table)

    As a context manager it closes the file at the end, and throws it away when the block raises.
    One thread at a time may use it.

    :param path: the file. Until the writer is closed nothing is there, or what was there before.
    :param schema: anything with ``__arrow_c_schema__``: a schema of pyarrow, of Weir, of nanoarrow.
    :param options: see ``docs/python.md``. A value holds for all columns; a mapping from column to
        value sets it for these columns; a list of columns switches a yes-or-no option on for them.
    """

    def __init__(self, path: StrPath, schema: object, **options: OptionValue) -> None:
        self.path = os.fspath(path)
        self._lock = threading.Lock()
        self._rows = 0
        self._writer = Handle(library.weir_parquet_writer_abort)
        export = getattr(schema, "__arrow_c_schema__", None)
        if export is None:
            raise TypeError(
                f"schema must have __arrow_c_schema__, which {type(schema).__name__} has not"
            )
        self._open(export(), options)

    def _open(self, schema: object, options: Mapping[str, OptionValue]) -> None:
        array, count = option_array(list(_flatten(options)))
        call(
            library.weir_parquet_writer_open,
            encode_path(self.path),
            _capsule.address(schema, _capsule.SCHEMA),
            array,
            count,
            byref(self._writer.value),
        )

    def write(self, data: object) -> None:
        """Writes rows.

        :param data: anything with ``__arrow_c_stream__`` (tables, data frames, readers) or
            ``__arrow_c_array__`` (batches). It must have the writer's columns, in its order.
        """
        if hasattr(data, "__arrow_c_stream__"):
            self._write_stream(data.__arrow_c_stream__())
        elif hasattr(data, "__arrow_c_array__"):
            schema, array = data.__arrow_c_array__()
            arguments = (
                _capsule.address(array, _capsule.ARRAY),
                _capsule.address(schema, _capsule.SCHEMA),
            )
            with self._use() as writer:
                call(library.weir_parquet_writer_write, writer, *arguments)
        else:
            raise TypeError(
                "data must have __arrow_c_stream__ or __arrow_c_array__, which "
                f"{type(data).__name__} has not"
            )

    def _write_stream(self, capsule: object) -> None:
        stream = _capsule.address(capsule, _capsule.STREAM)
        with self._use() as writer:
            call(library.weir_parquet_writer_write_stream, writer, stream)

    @property
    def num_rows(self) -> int:
        """Rows written so far; the final number after ``close()``."""
        if self._writer.is_open:
            self._rows = library.weir_parquet_writer_row_count(self._writer.value)
        return self._rows

    @property
    def is_open(self) -> bool:
        return self._writer.is_open

    def close(self) -> None:
        """Completes the file. Closing again does nothing."""
        if self._writer.is_open:
            with self._use() as writer:
                self._rows = library.weir_parquet_writer_row_count(writer)
                call(library.weir_parquet_writer_close, byref(self._writer.value))

    def abort(self) -> None:
        """Throws away what was written. After ``close()`` it does nothing."""
        if self._writer.is_open:
            with self._use():
                self.num_rows  # noqa: B018 (kept for later)
                self._writer.close()

    def __enter__(self) -> ParquetWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<weir.ParquetWriter {self.path!r}, {state}, {self.num_rows} rows>"

    def _use(self) -> _Use:
        return _Use(self)


class _Use:
    """Holds a writer's handle for one call; a second one at the same time is an error."""

    def __init__(self, writer: ParquetWriter) -> None:
        self._writer = writer

    def __enter__(self) -> object:
        if not self._writer._lock.acquire(blocking=False):
            raise InvalidArgumentError(
                "the writer is in use by another call; one at a time", path=self._writer.path
            )
        if not self._writer.is_open:
            self._writer._lock.release()
            raise InvalidArgumentError(
                f"the writer of {self._writer.path!r} was closed", path=self._writer.path
            )
        return self._writer._writer.value

    def __exit__(self, *exception: object) -> None:
        self._writer._lock.release()


def write_parquet(data: object, path: StrPath, **options: OptionValue) -> int:
    """Writes a Parquet file and returns its number of rows.

    >>> weir.write_parquet(data_frame, "out.parquet", compression="zstd")

    :param data: anything with ``__arrow_c_stream__`` (tables, data frames, readers) or
        ``__arrow_c_array__`` (a batch).
    :param path: the file; it appears when all is written, and not at all after an error.
    :param options: as for ``ParquetWriter``.
    """
    if hasattr(data, "__arrow_c_stream__"):
        capsule = data.__arrow_c_stream__()
        stream = _capsule.address(capsule, _capsule.STREAM)
        schema = _CapsuleSchema(_capsule.stream_schema(stream))
        with ParquetWriter(path, schema, **options) as writer:
            writer._write_stream(capsule)
    elif hasattr(data, "__arrow_c_array__"):
        with ParquetWriter(path, data, **options) as writer:
            writer.write(data)
    else:
        raise TypeError(
            "data must have __arrow_c_stream__ or __arrow_c_array__, which "
            f"{type(data).__name__} has not"
        )
    return writer.num_rows


class _CapsuleSchema:
    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_schema__(self) -> object:
        return self._capsule


def _flatten(
    options: Mapping[str, OptionValue],
) -> Iterable[tuple[str, str, str | None]]:
    """(key, value, column) for each setting; ``None`` means the default."""
    for key, value in options.items():
        if value is None:
            continue
        if isinstance(value, (str, int, float)):
            yield key, _text(value), None
        elif isinstance(value, Mapping):
            for column, item in value.items():
                yield key, _text(item), column
        elif isinstance(value, Iterable):
            for column in value:
                yield key, "true", column
        else:
            raise TypeError(f"option {key!r} cannot be a {type(value).__name__}")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError(f"an option's value cannot be a {type(value).__name__}")
