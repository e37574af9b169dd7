# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as Python exceptions."""

from __future__ import annotations

import errno


class WeirError(Exception):
    """An error of Weir's library.

    Every one carries what is known about the place: ``path`` (the file), ``column`` (its path, with
    dots between the levels), ``page`` (the page's number within the column chunk) and ``position``
    (the byte in the file); ``None`` where it is not known. ``code`` is a short stable name.
    """

    code: str = "error"

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        column: str | None = None,
        page: int | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.column = column
        self.page = page
        self.position = position

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Errors of worker processes travel to the parent by pickle.
        return (_rebuild, (type(self), self.message, self._context()))

    def _context(self) -> dict[str, object]:
        return {
            "path": self.path,
            "column": self.column,
            "page": self.page,
            "position": self.position,
        }


def _rebuild(kind: type[WeirError], message: str, context: dict[str, object]) -> WeirError:
    return kind(message, **context)  # type: ignore[arg-type]


class InvalidArgumentError(WeirError, ValueError):
    """The arguments are wrong or do not fit each other."""

    code = "invalid_argument"


class InvalidDataError(WeirError, ValueError):
    """The bytes break the format's rules: the file is damaged, or it is not what it seems."""

    code = "invalid_data"


class UnsupportedError(WeirError, NotImplementedError):
    """Valid, but this version of Weir cannot do it."""

    code = "unsupported"


class LimitError(WeirError, OverflowError):
    """A result does not fit its type or a limit."""

    code = "overflow"


class SourceError(WeirError):
    """A stream that was handed to Weir reported an error."""

    code = "source_failed"


class InternalError(WeirError):
    """A bug in Weir; please report it."""

    code = "internal"


class ConflictError(WeirError):
    """Somebody else changed the table first, and the change cannot be made on top of theirs."""

    code = "conflict"


class UnknownOutcomeError(WeirError):
    """Whether the change was made is not known: look before trying again."""

    code = "unknown_outcome"


class StorageError(WeirError, OSError):
    """Reading or writing a file failed."""

    code = "io"
    _errno = errno.EIO

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        column: str | None = None,
        page: int | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(message, path=path, column=column, page=page, position=position)
        self.errno = self._errno
        self.strerror = message
        self.filename = path


class NotFoundError(StorageError, FileNotFoundError):
    """There is no such file."""

    code = "not_found"
    _errno = errno.ENOENT


class AlreadyExistsError(StorageError, FileExistsError):
    """The file is there already and may not be replaced."""

    code = "already_exists"
    _errno = errno.EEXIST


class PermissionDeniedError(StorageError, PermissionError):
    """The operating system does not allow it."""

    code = "permission_denied"
    _errno = errno.EACCES


# By the numbers of weir.h.
BY_STATUS: dict[int, type[WeirError]] = {
    1: InvalidArgumentError,
    2: NotFoundError,
    3: AlreadyExistsError,
    4: PermissionDeniedError,
    5: StorageError,
    6: InvalidDataError,
    7: UnsupportedError,
    8: LimitError,
    9: SourceError,
    10: InternalError,
    11: ConflictError,
    12: UnknownOutcomeError,
}
