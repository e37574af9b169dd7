# SPDX-License-Identifier: Apache-2.0
"""The Arrow PyCapsule protocol by ctypes.

Capsules' destructors are native functions (see weir.h): they may run while an exception is on its
way, or at the interpreter's end, when Python code must not.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_void_p, py_object
from typing import Any, Callable

from ._errors import InvalidArgumentError, SourceError
from ._library import ArrowArrayStream, ArrowSchema, library

SCHEMA = b"arrow_schema"
ARRAY = b"arrow_array"
STREAM = b"arrow_array_stream"

_new = ctypes.PYFUNCTYPE(py_object, c_void_p, c_char_p, c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)
_pointer = ctypes.PYFUNCTYPE(c_void_p, py_object, c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, py_object, c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_destructors = {
    SCHEMA: ctypes.cast(library.weir_capsule_destroy_schema, c_void_p),
    ARRAY: ctypes.cast(library.weir_capsule_destroy_array, c_void_p),
    STREAM: ctypes.cast(library.weir_capsule_destroy_stream, c_void_p),
}


def make(name: bytes, fill: Callable[[int], None]) -> Any:
    """A capsule whose struct ``fill`` writes; what nobody consumes is released with the capsule."""
    return make_all((name,), fill)[0]


def make_all(names: tuple[bytes, ...], fill: Callable[..., None]) -> tuple[Any, ...]:
    """As ``make``, with several structs that one call fills."""
    # Capsules first: from then on nothing can leak. Zeroed structs count as released.
    capsules = []
    pointers = []
    for name in names:
        memory = library.weir_capsule_allocate()
        if memory is None:
            raise MemoryError
        try:
            capsules.append(_new(memory, name, _destructors[name]))
        except BaseException:
            library.weir_capsule_free(memory)
            raise
        pointers.append(memory)
    fill(*pointers)
    return tuple(capsules)


def address(capsule: object, name: bytes) -> int:
    """Where a capsule's struct lies. Valid while the capsule is alive."""
    if not _is_valid(capsule, name):
        raise InvalidArgumentError(
            f"an Arrow capsule named {name.decode()!r} is needed, not {type(capsule).__name__}"
        )
    return int(_pointer(capsule, name))


def stream_schema(stream: int) -> Any:
    """A schema capsule with the type of a stream's batches."""
    source = ctypes.cast(stream, POINTER(ArrowArrayStream))
    if not source.contents.release:
        raise InvalidArgumentError("the Arrow stream was consumed already")

    def fill(schema: int) -> None:
        status = source.contents.get_schema(source, schema)
        if status != 0:
            message = source.contents.get_last_error(source)
            raise SourceError(
                "the Arrow stream has no schema: "
                + (message.decode("utf-8", "replace") if message else f"errno {status}")
            )

    return make(SCHEMA, fill)


def field_names(schema: object) -> list[str]:
    """The names of a struct type's fields, from its capsule."""
    struct = ctypes.cast(address(schema, SCHEMA), POINTER(ArrowSchema)).contents
    return [
        (struct.children[index].contents.name or b"").decode("utf-8", "replace")
        for index in range(struct.n_children)
    ]
