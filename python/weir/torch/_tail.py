# SPDX-License-Identifier: Apache-2.0
"""A stream's tail as batches of tensors.

A thread reads record batches into a queue of bounded length; who takes from it waits with a limit,
so that a batch that is not full goes out in time. When the service goes away the thread connects
again and goes on behind what it has read.
"""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from .._errors import SourceError
from .._stream import Stream
from ._cache import ids_of, refused
from ._features import BadValueError, Features, columns_of
from ._order import mix
from ._store import Layout, encode, gather

#: Record batches that wait for the consumer.
_WAITING = 16
_DELETE = {"delete", 1}
#: Failures of a connection, after which it is opened again.
_LOST = (SourceError, OSError, http.client.HTTPException, pa.ArrowException)


@dataclass(frozen=True)
class Source:
    """Where a tail comes from, and what is made of it. Pickles."""

    url: str
    table: str
    token: str | None
    schema: pa.Schema
    features: dict[str, Any]

    @classmethod
    def of(cls, stream: Stream, schema: pa.Schema, features: Features) -> Source:
        return cls(stream.url, stream.table, stream._token, schema, dict(features))


class Tail:
    """Batches from a position on. `position` moves behind what was given out.

    :param position: offset of the next row by shard; all that the log keeps for others.
    :param patience: seconds for which the service may be away.
    :param ticks: gives an empty dictionary when there was nothing for half a second.
    """

    def __init__(
        self,
        source: Source,
        position: dict[int, int],
        *,
        batch_size: int,
        wait: float,
        idle: float | None = None,
        rank: int = 0,
        world: int = 1,
        patience: float = 300.0,
        ticks: bool = False,
    ) -> None:
        self._patience, self._ticks = patience, ticks
        self._source = source
        self.position = position
        self._batch_size = batch_size
        self._wait, self._idle = wait, idle
        self._rank, self._world = rank, world
        self._queue: queue.Queue[Any] = queue.Queue(_WAITING)
        self._ended = threading.Event()
        self._layout = Layout.of(source.features, source.schema)
        wanted = [*columns_of(source.features), "_shard", "_offset"]
        self._schema = pa.schema(
            [pa.field(n, _type(source.schema, n)) for n in dict.fromkeys(wanted)]
        )

    def __iter__(self) -> Iterator[dict[str, Any]]:
        thread = threading.Thread(target=self._read, name="weir-tail", daemon=True)
        thread.start()
        try:
            yield from self._batches()
        finally:
            self._ended.set()

    def _read(self) -> None:
        source = self._source
        start = dict(self.position)
        lost: float | None = None
        try:
            while not self._ended.is_set():
                try:
                    with Stream(source.url, source.table, token=source.token) as stream:
                        for batch in stream.tail(start or "earliest"):
                            lost = None
                            self._put(batch)
                            _advance(start, batch)
                            if self._ended.is_set():
                                return
                    failure: BaseException = SourceError(f"{source.url}: the tail ended")
                except _LOST as error:
                    if isinstance(error, FileNotFoundError):  # not there, or not kept any more
                        raise
                    failure = error
                now = time.monotonic()
                lost = now if lost is None else lost
                if now - lost > self._patience:
                    raise failure
                self._ended.wait(0.2)
        except BaseException as error:  # to the consumer, who raises it
            self._put(error)

    def _put(self, item: Any) -> None:
        while not self._ended.is_set():
            try:
                self._queue.put(item, timeout=0.5)
                return
            except queue.Full:
                continue

    def _batches(self) -> Iterator[dict[str, Any]]:
        waiting: list[pa.RecordBatch] = []
        rows = 0
        deadline = idle_since = time.monotonic()
        while True:
            now = time.monotonic()
            limit = 0.5 if not rows else max(0.0, deadline - now)
            try:
                item = self._queue.get(timeout=limit)
            except queue.Empty:
                item = ()
            now = time.monotonic()
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, pa.RecordBatch):
                idle_since = now
                item = self._mine(item)
                if item.num_rows:
                    if not rows:
                        deadline = now + self._wait
                    waiting.append(item)
                    rows += item.num_rows
            while rows >= self._batch_size or (rows and now >= deadline):
                table = pa.Table.from_batches(waiting)
                part, rest = table.slice(0, self._batch_size), table.slice(self._batch_size)
                waiting, rows = rest.to_batches(), rest.num_rows
                yield self._emit(part)
            if self._ticks and not rows and item == ():
                yield {}
            if self._idle is not None and not rows and now - idle_since >= self._idle:
                return

    def _mine(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """This rank's rows that are not deletes, with the columns of the features."""
        keep = np.ones(batch.num_rows, bool)
        if "_op" in batch.schema.names:
            keep &= [o not in _DELETE for o in batch.column("_op").to_pylist()]
        if self._world > 1:
            both = ids_of(batch, "_shard") << 48 ^ ids_of(batch, "_offset")
            keep &= mix(both.astype(np.uint64)) % np.uint64(self._world) == self._rank
        columns = []
        for field in self._schema:
            column = batch.column(batch.schema.get_field_index(field.name))
            columns.append(column if column.type == field.type else column.cast(field.type))
        result = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        return result if keep.all() else result.filter(pa.array(keep))

    def _emit(self, table: pa.Table) -> dict[str, Any]:
        batch = table.combine_chunks().to_batches()[0]
        try:
            encoded = encode(self._layout, batch)
        except BadValueError as error:
            raise refused(error, self._source.table, batch) from None
        result = gather(self._layout, encoded, np.arange(batch.num_rows))
        shards, offsets = ids_of(batch, "_shard"), ids_of(batch, "_offset")
        _advance(self.position, batch)
        result["_shard"], result["_offset"] = torch.from_numpy(shards), torch.from_numpy(offsets)
        return result


def _advance(position: dict[int, int], batch: pa.RecordBatch) -> None:
    """Moves behind the rows of a batch."""
    shards, offsets = ids_of(batch, "_shard"), ids_of(batch, "_offset")
    for shard in np.unique(shards).tolist():
        end = int(offsets[shards == shard].max()) + 1
        position[shard] = max(position.get(shard, 0), end)


def _type(schema: pa.Schema, name: str) -> pa.DataType:
    if name == "_shard":
        return pa.int32()
    return pa.int64() if name == "_offset" else schema.field(name).type
