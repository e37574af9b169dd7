# SPDX-License-Identifier: Apache-2.0
"""A ``DataLoader`` whose state is where its consumer stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from ._dataset import Dataset


class Loader:
    """Batches read by worker processes, in the dataset's order.

    Its state is that of the batches it gave out, whatever workers have read ahead.
    """

    def __init__(self, dataset: Dataset, num_workers: int, options: dict[str, Any]) -> None:
        self.dataset = dataset
        self._options = {**options, "num_workers": num_workers, "batch_size": None}
        self._place: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        dataset = self.dataset
        dataset._open()  # before processes are started, so that they share it
        state = dataset.state_dict()
        if dataset._tail is None:
            yield from self._snapshot(state)
        else:
            yield from self._rest(iter(self._make()), state)
        dataset.load_state_dict(self.state_dict())

    def _make(self) -> torch.utils.data.DataLoader:
        return torch.utils.data.DataLoader(self.dataset, **self._options)

    def _snapshot(self, state: dict[str, Any]) -> Iterator[dict[str, Any]]:
        dataset = self.dataset
        batches = iter(self._make())
        first, until = state["epoch"], state["until"]
        for epoch in range(first, until):
            start = state["rows"] if epoch == first else 0
            for number in dataset._share(dataset.rows - start):
                last = number - number % dataset.world + dataset.world
                self._place = {
                    **state,
                    "epoch": epoch,
                    "rows": min(start + last * dataset.batch_size, dataset.rows),
                }
                yield next(batches)
        self._place = {**state, "epoch": until, "rows": 0, "until": until + dataset.epochs}
        if dataset.follow:
            tail = {str(s): o for s, o in dataset._offsets.items()}
            yield from self._rest(batches, {**self._place, "tail": tail})
        else:
            next(batches, None)  # lets workers end

    def _rest(self, batches: Iterator[Any], state: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for batch in batches:
            tail = dict(state["tail"])
            for shard, offset in zip(batch["_shard"].tolist(), batch["_offset"].tolist()):
                tail[str(shard)] = max(tail.get(str(shard), 0), offset + 1)
            state = self._place = {**state, "tail": tail}
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Where it stands: behind the last batch that it gave."""
        return dict(self._place if self._place is not None else self.dataset.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.dataset.load_state_dict(state)
        self._place = dict(state)
