# SPDX-License-Identifier: Apache-2.0
"""Streams of a running service (``weir up``), over its HTTP API (``docs/streams-api.md``)."""

from __future__ import annotations

import http.client
import io
import json
import random
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import quote, urlencode, urlsplit

from ._errors import (
    ConflictError,
    InternalError,
    InvalidArgumentError,
    LimitError,
    NotFoundError,
    PermissionDeniedError,
    SourceError,
    UnknownOutcomeError,
    UnsupportedError,
    WeirError,
)

if TYPE_CHECKING:
    import pyarrow

#: ``"earliest"``, ``"latest"``, a position that the service gave, ``"snapshot:ID"`` (for changes),
#: or the offset of the next row by shard.
Position = Union[str, Mapping[int, int]]

_ARROW = "application/vnd.apache.arrow.stream"
_LINES = "application/x-ndjson"


class Stream:
    """A stream by the name of its table. One thread at a time may use it.

    Every ``Stream`` is a producer of its own: a request that got no answer is sent again, and
    appended once.
    """

    def __init__(
        self,
        url: str,
        table: str,
        *,
        token: str | None = None,
        producer: str | None = None,
        timeout: float = 120.0,
    ) -> None:
        """
        :param url: of the service.
        :param producer: the name under which rows are appended; a new one when ``None``. Who takes
            the same name again must go on with larger values of ``sequence``.
        """
        self.table = table
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidArgumentError(
                f"{url!r} is no address of a service: write http://host:port"
            )
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._path = f"{parts.path}/v1/streams/{quote(table, safe='')}"
        self._token = token
        self._timeout = timeout
        self.producer = producer or f"python-{uuid.uuid4()}"
        self._sequence = -1
        self._connection: http.client.HTTPConnection | None = None

    def append(
        self,
        data: object,
        *,
        sequence: int | None = None,
        timestamp_unit: str | None = None,
        ignore_unknown: bool = False,
        refuse_bad: bool = False,
    ) -> dict[str, Any]:
        """Appends rows; they are durable when it returns.

        :param data: anything with ``__arrow_c_stream__`` or ``__arrow_c_array__`` (needs pyarrow),
            or an iterable of dictionaries.
        :param sequence: grows from call to call; counted from 0 when ``None``.
        :param timestamp_unit: what numbers in timestamps count: ``s``, ``ms``, ``us`` or ``ns``.
        :param refuse_bad: takes nothing when a record does not fit, instead of putting it into the
            dead-letter table.
        :returns: ``rows``, ``offsets`` by shard, ``repeat``, and ``rejected`` with ``count`` and
            the first ``records``.
        """
        query: dict[str, str] = {}
        if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
            body, kind = _arrow_bytes(data), _ARROW
        else:
            body = b"".join(json.dumps(row, default=str).encode() + b"\n" for row in _rows(data))
            kind = _LINES
            if timestamp_unit is not None:
                query["timestamp_unit"] = timestamp_unit
            if ignore_unknown:
                query["unknown_fields"] = "ignore"
        if refuse_bad:
            query["on_error"] = "refuse"
        self._sequence = self._sequence + 1 if sequence is None else sequence
        headers = {
            "Content-Type": kind,
            "Weir-Producer-Id": self.producer,
            "Weir-Producer-Sequence": str(self._sequence),
        }
        result: dict[str, Any] = json.loads(self._send("POST", "", query, headers, body))
        return result

    def lookup(self, keys: object, columns: Sequence[str] | None = None) -> Any:
        """The rows of keys, as all acknowledged writes left them.

        :param keys: values or dictionaries of the primary key: gives a list with a dictionary or
            ``None`` for each; or Arrow data with the key's columns: gives a ``pyarrow.Table`` of
            the rows that there are, whose column ``_key`` says which key each belongs to.
        """
        if hasattr(keys, "__arrow_c_stream__") or hasattr(keys, "__arrow_c_array__"):
            query = {"columns": ",".join(columns)} if columns is not None else {}
            headers = {"Content-Type": _ARROW, "Accept": _ARROW}
            answer = self._send("POST", "/lookup", query, headers, _arrow_bytes(keys))
            return _pyarrow().ipc.open_stream(answer).read_all()
        body: dict[str, object] = {"keys": list(keys)}  # type: ignore[call-overload]
        if columns is not None:
            body["columns"] = list(columns)
        answer = self._send(
            "POST",
            "/lookup",
            {},
            {"Content-Type": "application/json", "Accept": "application/json"},
            json.dumps(body, default=str).encode(),
        )
        return json.loads(answer)["rows"]

    def scan(
        self,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        *,
        live: bool = True,
        limit: int | None = None,
    ) -> pyarrow.RecordBatchReader:
        """The table's rows, with ``live`` those of the log, too, at one cut. Needs pyarrow."""
        query: dict[str, str] = {"live": "true" if live else "false"}
        if columns is not None:
            query["columns"] = ",".join(columns)
        if where is not None:
            query["filter"] = where
        if limit is not None:
            query["limit"] = str(limit)
        return _pyarrow().ipc.open_stream(self._open("/scan", query))

    def tail(
        self,
        start: Position = "latest",
        *,
        limit: int | None = None,
        follow: bool = True,
    ) -> Iterator[pyarrow.RecordBatch]:
        """The stream's rows from ``start`` on, as they come. Needs pyarrow.

        Columns ``_shard`` and ``_offset`` say where each is: to go on later, start with the offset
        behind the last one of each shard.
        """
        query = {"from": _position(start)}
        if limit is not None:
            query["limit"] = str(limit)
        if not follow:
            query["follow"] = "false"
        response = self._open("", query)
        try:
            yield from _pyarrow().ipc.open_stream(response)
        finally:
            response.close()

    def changes(self, start: Position, end: Position = "latest") -> Changes:
        """What changed in the table between two positions, also in rows that its files do not have
        yet. Needs pyarrow.

        :param start: ``"earliest"`` for the empty table, or the ``position`` of earlier changes.
        :returns: batches with the table's columns and ``_change_type``: ``INSERT``, ``DELETE``,
            ``UPDATE_BEFORE`` or ``UPDATE_AFTER``; its ``position`` is where the next changes begin.
        """
        response = self._open("/changes", {"from": _position(start), "to": _position(end)})
        return Changes(response)

    def describe(self) -> dict[str, Any]:
        """Columns, shards with their offsets, lag and counts."""
        result: dict[str, Any] = json.loads(self._send("GET", "", {}, {}, None))
        return result

    def lag(self) -> tuple[int, int]:
        """Rows that the table does not hold yet, and for how many milliseconds the oldest waits."""
        about = self.describe()
        return about["lag_rows"], about["lag_ms"]

    def close(self) -> None:
        """Closes the connection; it is opened again when it is needed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<weir.Stream {self.table!r} at {self.url}>"

    # The connection

    def _connect(self, timeout: float | None) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=timeout)

    def _target(self, rest: str, query: Mapping[str, str]) -> str:
        return self._path + rest + ("?" + urlencode(query) if query else "")

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        result = dict(headers)
        if self._token is not None:
            result["Authorization"] = f"Bearer {self._token}"
        return result

    def _send(
        self,
        method: str,
        rest: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> bytes:
        """The answer's body. Sends again what was refused because of load, or got no answer."""
        deadline = time.monotonic() + self._timeout
        pause = 0.05
        while True:
            asked = 0.0
            try:
                if self._connection is None:
                    self._connection = self._connect(self._timeout)
                self._connection.request(
                    method, self._target(rest, query), body, self._headers(headers)
                )
                response = self._connection.getresponse()
                answer = response.read()
                if 200 <= response.status < 300:
                    return answer
                failure = _failure(response.status, answer)
                if response.status not in (429, 503, 504):
                    raise failure
                asked = float(response.headers.get("Retry-After", "0"))
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, WeirError):
                    raise
                self.close()
                failure = SourceError(f"{self.url}: {error or type(error).__name__}")
            # A little more than the service asks for keeps clients from coming back together.
            wait = asked * random.uniform(1, 1.25) or pause
            if time.monotonic() + wait > deadline:
                raise failure
            time.sleep(wait)
            if not asked:
                pause = min(2 * pause, 2.0)

    def _open(self, rest: str, query: Mapping[str, str]) -> http.client.HTTPResponse:
        """An answer that is read while it comes, on a connection of its own."""
        connection = self._connect(None)
        try:
            connection.request(
                "GET", self._target(rest, query), headers=self._headers({"Accept": _ARROW})
            )
            response = connection.getresponse()
            if response.status != 200:
                raise _failure(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if isinstance(error, WeirError):
                raise
            raise SourceError(f"{self.url}: {error}") from error
        return response


class Changes:
    """Changes of a stream's table, read while they come."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        #: The state behind the changes.
        self.position: str = response.headers["Weir-Position"]
        self._reader = _pyarrow().ipc.open_stream(response)

    @property
    def schema(self) -> pyarrow.Schema:
        return self._reader.schema

    def __iter__(self) -> Iterator[pyarrow.RecordBatch]:
        try:
            yield from self._reader
        finally:
            self._response.close()

    def read_all(self) -> pyarrow.Table:
        """All changes as one table."""
        return self._reader.read_all()


def _rows(data: object) -> Iterable[Mapping[str, object]]:
    if isinstance(data, Mapping):
        raise TypeError(
            "data must be Arrow data or an iterable of dictionaries, not one dictionary"
        )
    return data  # type: ignore[return-value]


def _position(start: Position) -> str:
    if isinstance(start, str):
        return start
    return ",".join(f"{shard}:{offset}" for shard, offset in sorted(start.items()))


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        raise UnsupportedError("this needs pyarrow: pip install pyarrow") from error
    return pyarrow


def _arrow_bytes(data: object) -> bytes:
    arrow = _pyarrow()
    table = arrow.table(data) if not isinstance(data, arrow.Table) else data
    sink = io.BytesIO()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


_KINDS: dict[int, type[WeirError]] = {
    400: InvalidArgumentError,
    401: PermissionDeniedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    413: LimitError,
    415: UnsupportedError,
    422: InvalidArgumentError,
    429: SourceError,
    503: SourceError,
    504: UnknownOutcomeError,
}


def _failure(status: int, answer: bytes) -> WeirError:
    try:
        message = json.loads(answer)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = f"the service answered with status {status}: {answer[:200]!r}"
    return _KINDS.get(status, InternalError)(message)
