# SPDX-License-Identifier: Apache-2.0
"""Finds and loads the native library, and declares its functions (see weir.h)."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int32, c_int64, c_void_p
from typing import Any, Callable

from ._errors import BY_STATUS, InvalidArgumentError, WeirError


class ArrowSchema(ctypes.Structure):
    """The Arrow C data interface's type of a column."""


ArrowSchema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_void_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(ArrowSchema))),
    ("dictionary", POINTER(ArrowSchema)),
    ("release", ctypes.CFUNCTYPE(None, POINTER(ArrowSchema))),
    ("private_data", c_void_p),
]


class ArrowArrayStream(ctypes.Structure):
    """The Arrow C stream interface."""


ArrowArrayStream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, POINTER(ArrowArrayStream), c_void_p)),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, POINTER(ArrowArrayStream), c_void_p)),
    ("get_last_error", ctypes.CFUNCTYPE(c_char_p, POINTER(ArrowArrayStream))),
    ("release", ctypes.CFUNCTYPE(None, POINTER(ArrowArrayStream))),
    ("private_data", c_void_p),
]


class Option(ctypes.Structure):
    """One setting, for one column or for all."""

    _fields_ = [("key", c_char_p), ("value", c_char_p), ("column", c_char_p)]


_STRINGS = POINTER(c_char_p)
_INTEGERS = POINTER(c_int64)
_OUT = POINTER(c_void_p)
# name: (result, arguments)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "weir_version": (c_char_p, []),
    "weir_string_free": (None, [c_void_p]),
    "weir_error_code": (c_int32, [c_void_p]),
    "weir_error_message": (c_char_p, [c_void_p]),
    "weir_error_path": (c_char_p, [c_void_p]),
    "weir_error_column": (c_char_p, [c_void_p]),
    "weir_error_page": (c_int64, [c_void_p]),
    "weir_error_position": (c_int64, [c_void_p]),
    "weir_error_free": (None, [c_void_p]),
    "weir_parquet_reader_open": (c_int32, [c_char_p, POINTER(Option), c_int64, _OUT, _OUT]),
    "weir_parquet_reader_row_count": (c_int64, [c_void_p]),
    "weir_parquet_reader_row_group_count": (c_int64, [c_void_p]),
    "weir_parquet_reader_schema": (c_int32, [c_void_p, _STRINGS, c_int64, c_void_p, _OUT]),
    "weir_parquet_reader_metadata_json": (c_int32, [c_void_p, _OUT, _OUT]),
    "weir_parquet_reader_read": (
        c_int32,
        [c_void_p, _STRINGS, c_int64, _INTEGERS, c_int64, c_int64, _OUT, _OUT],
    ),
    "weir_parquet_reader_close": (None, [_OUT]),
    "weir_batches_schema": (c_int32, [c_void_p, c_void_p, _OUT]),
    "weir_batches_next": (c_int32, [c_void_p, _OUT, _OUT]),
    "weir_batches_export": (c_int32, [_OUT, c_void_p, _OUT]),
    "weir_batches_close": (None, [_OUT]),
    "weir_batch_row_count": (c_int64, [c_void_p]),
    "weir_batch_export": (c_int32, [c_void_p, c_void_p, c_void_p, _OUT]),
    "weir_batch_matrix": (
        c_int32,
        [c_void_p, _STRINGS, c_int64, c_int32, ctypes.c_double, c_int64, c_void_p, _OUT],
    ),
    "weir_batch_close": (None, [_OUT]),
    "weir_parquet_writer_open": (
        c_int32,
        [c_char_p, c_void_p, POINTER(Option), c_int64, _OUT, _OUT],
    ),
    "weir_parquet_writer_write": (c_int32, [c_void_p, c_void_p, c_void_p, _OUT]),
    "weir_parquet_writer_write_stream": (c_int32, [c_void_p, c_void_p, _OUT]),
    "weir_parquet_writer_row_count": (c_int64, [c_void_p]),
    "weir_parquet_writer_close": (c_int32, [_OUT, _OUT]),
    "weir_parquet_writer_abort": (None, [_OUT]),
    "weir_file_open": (c_int32, [c_char_p, POINTER(Option), c_int64, _OUT, _OUT]),
    "weir_file_row_count": (c_int64, [c_void_p]),
    "weir_file_column_count": (c_int64, [c_void_p]),
    "weir_file_schema": (c_int32, [c_void_p, _STRINGS, c_int64, c_void_p, _OUT]),
    "weir_file_read": (
        c_int32,
        [c_void_p, _STRINGS, c_int64, c_int64, c_int64, c_int64, _OUT, _OUT],
    ),
    "weir_file_read_unique": (
        c_int32,
        [c_void_p, _STRINGS, c_int64, c_int64, c_int64, c_int64, _OUT, _OUT],
    ),
    "weir_file_take": (c_int32, [c_void_p, _STRINGS, c_int64, c_void_p, c_int64, _OUT, _OUT]),
    "weir_file_matches": (
        c_int32,
        [c_void_p, c_char_p, _STRINGS, c_int64, c_int64, _OUT, _OUT],
    ),
    "weir_file_close": (None, [_OUT]),
    "weir_file_erase": (
        c_int32,
        [
            *(c_void_p, _STRINGS, c_int64, c_void_p, c_int64, c_char_p, c_char_p),
            *(POINTER(Option), c_int64, _INTEGERS, _OUT),
        ],
    ),
    "weir_file_write": (
        c_int32,
        [c_char_p, c_void_p, POINTER(Option), c_int64, _INTEGERS, _OUT],
    ),
    "weir_connection_open": (c_int32, [c_char_p, POINTER(Option), c_int64, _OUT, _OUT]),
    "weir_connection_request": (c_int32, [c_void_p, c_char_p, c_char_p, _OUT, _OUT]),
    "weir_connection_create_table": (
        c_int32,
        [c_void_p, c_char_p, c_void_p, POINTER(Option), c_int64, _OUT, _OUT],
    ),
    "weir_connection_close": (None, [_OUT]),
    "weir_table_open": (c_int32, [c_void_p, c_char_p, _OUT, _OUT]),
    "weir_table_request": (c_int32, [c_void_p, c_char_p, c_char_p, _OUT, _OUT]),
    "weir_table_schema": (c_int32, [c_void_p, c_void_p, _OUT]),
    "weir_table_scan": (
        c_int32,
        [c_void_p, _STRINGS, c_int64, POINTER(Option), c_int64, _OUT, _OUT],
    ),
    "weir_table_append": (c_int32, [c_void_p, c_void_p, POINTER(Option), c_int64, _OUT, _OUT]),
    "weir_table_overwrite": (
        c_int32,
        [c_void_p, c_void_p, c_char_p, POINTER(Option), c_int64, _OUT, _OUT],
    ),
    "weir_table_upsert": (
        c_int32,
        [c_void_p, c_void_p, _STRINGS, c_int64, POINTER(Option), c_int64, _OUT, _OUT],
    ),
    "weir_table_backfill": (
        c_int32,
        [
            c_void_p,
            c_char_p,
            c_void_p,
            _STRINGS,
            c_int64,
            POINTER(Option),
            c_int64,
            _OUT,
            _OUT,
        ],
    ),
    "weir_table_delete": (c_int32, [c_void_p, c_char_p, POINTER(Option), c_int64, _OUT, _OUT]),
    "weir_table_close": (None, [_OUT]),
    "weir_capsule_setup": (None, [c_void_p]),
    "weir_capsule_allocate": (c_void_p, []),
    "weir_capsule_free": (None, [c_void_p]),
    "weir_capsule_destroy_schema": (None, [c_void_p]),
    "weir_capsule_destroy_array": (None, [c_void_p]),
    "weir_capsule_destroy_stream": (None, [c_void_p]),
}


def _load() -> ctypes.CDLL:
    """The library that WEIR_LIBRARY names, else the one inside this package."""
    bundled = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libWeirC.so")
    path = os.environ.get("WEIR_LIBRARY") or bundled
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"Weir's native library could not be loaded from {path}: {error}. The wheel has it "
            "inside; in a source tree, build it with 'swift build -c release' and set "
            "WEIR_LIBRARY=.build/release/libWeirC.so"
        ) from error
    for name, (result, arguments) in _FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise ImportError(
                f"{path} has no function {name}: it does not fit this package"
            ) from error
        function.restype = result
        function.argtypes = arguments
    library.weir_capsule_setup(ctypes.cast(ctypes.pythonapi.PyCapsule_GetPointer, ctypes.c_void_p))
    return library


library = _load()


def version() -> str:
    """The native library's version."""
    return str(library.weir_version().decode())


def take_error(error: c_void_p) -> WeirError:
    """The exception for a native error, which is freed."""
    try:
        kind = BY_STATUS.get(library.weir_error_code(error), WeirError)
        path = library.weir_error_path(error)
        column = library.weir_error_column(error)
        page = library.weir_error_page(error)
        position = library.weir_error_position(error)
        return kind(
            library.weir_error_message(error).decode("utf-8", "replace"),
            path=None if path is None else path.decode("utf-8", "replace"),
            column=None if column is None else column.decode("utf-8", "replace"),
            page=None if page < 0 else page,
            position=None if position < 0 else position,
        )
    finally:
        library.weir_error_free(error)


def call(function: Callable[..., int], *arguments: object) -> None:
    """Calls a function that returns a status and takes a ``weir_error **`` last."""
    error = c_void_p()
    if function(*arguments, byref(error)) != 0:
        raise take_error(error)


def take_json(function: Callable[..., int], *arguments: object) -> Any:
    """Calls a function that returns JSON text through its last but one argument."""
    text = c_void_p()
    call(function, *arguments, byref(text))
    try:
        return json.loads(ctypes.string_at(text))
    finally:
        library.weir_string_free(text)


def encode(text: str) -> bytes:
    """UTF-8 for C, which ends texts at the first zero byte."""
    if not isinstance(text, str):
        raise TypeError(f"a name must be a str, not {type(text).__name__}")
    if "\0" in text:
        raise InvalidArgumentError(f"{text!r} has a zero character in it")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"{text!r} cannot be written as UTF-8") from error


def encode_path(path: object) -> bytes:
    """A file's path for C."""
    encoded = os.fsencode(path)  # type: ignore[arg-type]
    if b"\0" in encoded:
        raise InvalidArgumentError(f"{path!r} has a zero character in it")
    return encoded


def string_array(names: Sequence[str] | None) -> tuple[Any, int]:
    """``const char *const *`` and a count; NULL for ``None``."""
    if names is None:
        return None, 0
    encoded = [encode(name) for name in names]
    # One more, so that an empty list is not NULL.
    return (c_char_p * (len(encoded) + 1))(*encoded), len(encoded)


def integer_array(numbers: Sequence[int] | None) -> tuple[Any, int]:
    """``const int64_t *`` and a count; NULL for ``None``."""
    if numbers is None:
        return None, 0
    values = [int(number) for number in numbers]
    for value in values:
        if not -(2**63) <= value < 2**63:
            raise InvalidArgumentError(f"{value} is not a row group's number")
    return (c_int64 * (len(values) + 1))(*values), len(values)


def option_array(options: Sequence[tuple[str, str, str | None]]) -> tuple[Any, int]:
    """``const weir_option *`` and a count, from (key, value, column) triples."""
    array = (Option * (len(options) + 1))()
    for index, (key, value, column) in enumerate(options):
        array[index].key = encode(key)
        array[index].value = encode(value)
        array[index].column = None if column is None else encode(column)
    return array, len(options)


class Handle:
    """Owns one native handle and ends it once, at the latest with this object."""

    __slots__ = ("_end", "value")

    def __init__(self, end: Callable[..., Any]) -> None:
        self.value = c_void_p()
        self._end = end

    @property
    def is_open(self) -> bool:
        return self.value.value is not None

    def close(self) -> None:
        if self.value.value is not None:
            self._end(byref(self.value))
            self.value = c_void_p()

    def __del__(self) -> None:
        self.close()
