# SPDX-License-Identifier: Apache-2.0
"""A table as batches of tensors: a snapshot in a seeded order, then the stream's tail."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import IterableDataset, get_worker_info

from .._errors import InvalidArgumentError, NotFoundError
from . import _features
from ._cache import Cache, open_cache
from ._features import Features
from ._order import Order
from ._store import Layout, gather
from ._tail import Source, Tail

if TYPE_CHECKING:
    from .._catalog import CatalogTable
    from .._stream import Stream
    from ._loader import Loader

_PROPERTY = "weir.stream.offsets"
_VERSION = 1


class Dataset(IterableDataset):
    """Batches of a table's rows, as dictionaries of tensors.

    >>> dataset = Dataset(
    ...     catalog.table("shop.examples"),
    ...     {"dense": Dense("user_events", "item_trend"), "item": Id("item_id"),
    ...      "history": Sequence("user_recent_item_id", 50), "label": Dense("like", bad="refuse")},
    ...     batch_size=4096, seed=1)
    >>> for batch in dataset.loader(num_workers=2):
    ...     ...

    Which row comes when depends on the seed, the epoch and the row alone: with any number of ranks
    and workers the batches together are the same. Rows of a stream's table count by shard and
    offset, so that compaction does not change their order.

    :param table: the table, at its current snapshot or at `snapshot`.
    :param features: what each key of a batch holds.
    :param batch_size: rows of a batch of one rank.
    :param where: only rows for which it holds, see ``docs/predicates.md``. It does not reach the
        tail.
    :param window: shuffle within so many rows at a time, for tables larger than memory.
    :param epochs: how often the snapshot is gone through by one iteration.
    :param drop_last: leaves out the rows that do not fill a batch for every rank.
    :param follow: after the snapshot go on with the stream's tail, without end. Needs `stream`.
        Batches of the tail also have ``_shard`` and ``_offset``. With several workers the first one
        reads the tail; ranks share its rows by a hash of shard and offset.
    :param stream: of the service that writes the table.
    :param wait: seconds after which a batch of the tail goes out with fewer rows.
    :param idle: ends the tail when nothing came for so many seconds; never when ``None``.
    :param cache: a folder that keeps the snapshot's encoded rows; a temporary one when ``None``.
    :param rank, world: of this process; those of ``torch.distributed``, when it is in use.
    """

    def __init__(
        self,
        table: CatalogTable,
        features: Features,
        *,
        batch_size: int = 1024,
        seed: int = 0,
        shuffle: bool = True,
        window: int | None = None,
        snapshot: int | None = None,
        where: str | None = None,
        epochs: int = 1,
        drop_last: bool = False,
        follow: bool = False,
        stream: Stream | None = None,
        wait: float = 0.5,
        idle: float | None = None,
        cache: str | os.PathLike[str] | None = None,
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("batch_size", batch_size), ("epochs", epochs), ("window", window)):
            if value is not None and value < 1:
                raise InvalidArgumentError(f"{name} is {value}; it must be at least 1")
        if follow and stream is None:
            raise InvalidArgumentError(
                "follow=True needs stream=: catalog.stream(…) of the service"
            )
        self.rank, self.world = _ranks(rank, world)
        schema = pa.schema(table.schema)
        _features.check(features, schema)
        self.features = dict(features)
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.window = window
        self.epochs = epochs
        self.drop_last = drop_last
        self.follow = follow
        self.table = table.identifier
        self._where = where
        self._wait, self._idle = wait, idle
        self._source = Source.of(stream, schema, self.features) if stream is not None else None
        self._layout = Layout.of(features, schema)
        self._folder = None if cache is None else os.fspath(cache)
        self._catalog_table: CatalogTable | None = table
        self._cache: Cache | None = None
        self._owner: Any = None
        self.snapshot = table.snapshot_id if snapshot is None else snapshot
        self._offsets = _offsets(table.metadata, self.snapshot) if follow else {}
        # Shared with workers that were started already.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        self._start = 0
        self._chosen: np.ndarray | None = None
        self._until: int | None = None
        self._tail: dict[int, int] | None = None

    # Size

    @property
    def rows(self) -> int:
        """Rows of the snapshot."""
        return self._open().count if self._chosen is None else len(self._chosen)

    def __len__(self) -> int:
        """Batches of this rank in all epochs."""
        if self.follow:
            raise TypeError("a dataset that follows a stream has no length")
        first = self._batches(self.rows - self._start)
        return first + (self._end() - self.epoch - 1) * self._batches(self.rows)

    def _batches(self, rows: int) -> int:
        """Batches of this rank among so many rows."""
        if self.drop_last:
            return rows // (self.batch_size * self.world)
        every = -(-rows // self.batch_size)
        return max(0, -(-(every - self.rank) // self.world))

    # Position

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next, from 0."""
        self._epoch[0] = epoch
        self._start = 0
        self._until = None

    @property
    def epoch(self) -> int:
        return int(self._epoch[0])

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration over this object stands: behind the last batch that it gave.

        A ``DataLoader`` with workers reads ahead on copies: take the state of :meth:`loader`'s.
        """
        return {
            "version": _VERSION,
            "table": self.table,
            "snapshot": self.snapshot,
            "where": self._where,
            "seed": self.seed,
            "epoch": self.epoch,
            "rows": self._start,
            "until": self._end(),
            "tail": None if self._tail is None else {str(s): o for s, o in self._tail.items()},
        }

    def _end(self) -> int:
        """The epoch before which an iteration ends."""
        if self._until is not None and self._until > self.epoch:
            return self._until
        return self.epoch + self.epochs

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where a state was taken, on the same snapshot.

        Between batches of the snapshot the number of ranks, workers and rows of a batch may differ
        from before. Where it starts takes no time that depends on how far it is.

        :raises InvalidArgumentError: the state is of another table, seed or choice of rows.
        """
        if state.get("version") != _VERSION:
            raise InvalidArgumentError(f"the state has version {state.get('version')!r}, not 1")
        for name, mine in (("table", self.table), ("seed", self.seed), ("where", self._where)):
            if state[name] != mine:
                raise InvalidArgumentError(
                    f"the state is of {name} {state[name]!r}, the dataset of {mine!r}; "
                    f"open the dataset with the same {name}"
                )
        if state["snapshot"] != self.snapshot:
            if self._cache is not None or self._catalog_table is None:
                raise InvalidArgumentError(
                    f"the state is of snapshot {state['snapshot']}, and the rows of snapshot "
                    f"{self.snapshot} are open; give snapshot={state['snapshot']} to Dataset"
                )
            metadata = self._catalog_table.metadata
            if self.follow:
                self._offsets = _offsets(metadata, state["snapshot"])
            self.snapshot = state["snapshot"]
        self._epoch[0] = state["epoch"]
        self._start = state["rows"]
        self._until = state["until"]
        tail = state["tail"]
        self._tail = None if tail is None else {int(s): o for s, o in tail.items()}

    # Batches

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        index, count = (worker.id, worker.num_workers) if worker else (0, 1)
        if self._tail is None:
            count_of_rows = self.rows
            first, until = self.epoch, self._end()
            taken = 0
            for epoch in range(first, until):
                start = self._start if epoch == first else 0
                for batch in self._share(count_of_rows - start):
                    mine = taken % count == index
                    taken += 1
                    place = start + batch * self.batch_size
                    end = start + (batch - batch % self.world + self.world) * self.batch_size
                    if worker is None:
                        self._epoch[0], self._until = epoch, until
                        self._start = min(end, count_of_rows)
                    if mine:
                        yield self.take(epoch, place, place + self.batch_size)
            if worker is None:
                self.set_epoch(until)
        if self.follow and index == 0:
            yield from self._follow(keep=worker is None)

    def _share(self, rows: int) -> range:
        """The numbers of this rank's batches among so many rows."""
        return range(self.rank, self.rank + self._batches(rows) * self.world, self.world)

    def take(self, epoch: int, start: int, end: int) -> dict[str, Any]:
        """The rows at the places `start` ..< `end` of an epoch."""
        order = Order(
            self.rows, seed=self.seed, epoch=epoch, shuffle=self.shuffle, window=self.window
        )
        rows = order.rows(start, end)
        if self._chosen is not None:
            rows = self._chosen[rows]
        return self._gather(rows)

    def _gather(self, rows: np.ndarray) -> dict[str, Any]:
        """Rows by their numbers, unshuffled."""
        cache = self._open()
        return gather(self._layout, cache.rows, cache.places(rows))

    def _column(self, name: str) -> np.ndarray:
        """A `Dense` or `Id` feature of all rows, unshuffled."""
        cache = self._open()
        return cache.rows.matrices[name][cache.places(np.arange(cache.count))]

    def _select(self, keep: np.ndarray, batch_size: int, epochs: int, shuffle: bool) -> Dataset:
        """The rows for which `keep` is true, from the same files."""
        self._open()
        result = copy.copy(self)
        result._chosen = np.flatnonzero(keep)
        result.batch_size, result.epochs, result.shuffle = batch_size, epochs, shuffle
        result._epoch = torch.zeros(1, dtype=torch.int64)
        return result

    def _follow(self, keep: bool) -> Iterator[dict[str, Any]]:
        assert self._source is not None
        position = dict(self._offsets) if self._tail is None else dict(self._tail)
        if keep:
            self._tail = position
        tail = Tail(
            self._source,
            position,
            batch_size=self.batch_size,
            wait=self._wait,
            idle=self._idle,
            rank=self.rank,
            world=self.world,
        )
        yield from tail

    def _open(self) -> Cache:
        if self._cache is None:
            assert self._catalog_table is not None
            self._cache, self._owner = open_cache(
                self._catalog_table, self.snapshot, self._layout, self._where, self._folder
            )
        return self._cache

    def __getstate__(self) -> dict[str, Any]:
        # To other processes go the files, not the handles.
        self._open()
        return {**self.__dict__, "_catalog_table": None, "_owner": None}

    def loader(self, num_workers: int = 0, **options: Any) -> Loader:
        """A ``DataLoader`` over this dataset that knows where it stands.

        :param options: of ``DataLoader``: ``pin_memory``, ``prefetch_factor``,
            ``multiprocessing_context`` (fork, forkserver and spawn all do) and so on.
        """
        from ._loader import Loader

        return Loader(self, num_workers, options)


def _ranks(rank: int | None, world: int | None) -> tuple[int, int]:
    if (rank is None) != (world is None):
        raise InvalidArgumentError("rank and world go together")
    if rank is None or world is None:
        distributed = torch.distributed
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1
    if not 0 <= rank < world:
        raise InvalidArgumentError(f"rank is {rank} of {world}; it must be 0 to {world - 1}")
    return rank, world


def _offsets(
    metadata: dict[str, Any], snapshot: int | None, *, required: bool = True
) -> dict[int, int]:
    """Behind which rows of the log a snapshot ends."""
    if snapshot is None:
        return {}
    known = {s["snapshot-id"]: s for s in metadata.get("snapshots", [])}
    found = known.get(snapshot)
    if found is None:
        raise NotFoundError(f"the table keeps no snapshot {snapshot} any more")
    while found is not None:
        summary = found.get("summary", {})
        if _PROPERTY in summary:
            return {int(shard): end for shard, end in json.loads(summary[_PROPERTY]).items()}
        # A snapshot that only rewrites files, or that somebody else made, holds what the one
        # before it held of the log.
        found = known.get(found.get("parent-snapshot-id"))
    if not required:
        return {}
    raise InvalidArgumentError(
        f"snapshot {snapshot} does not say which rows of a stream it holds ({_PROPERTY}); "
        "follow=True needs the table of a stream of 'weir up'"
    )
