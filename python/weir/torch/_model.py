# SPDX-License-Identifier: Apache-2.0
"""A model while it is trained: vocabulary, embeddings, towers and ranker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._errors import InvalidArgumentError, InvalidDataError
from ._definition import Definition
from ._models import Ranker, Retriever

#: Row of the embedding table for padding and unknown ids: always zero.
UNKNOWN = 0
_VERSION = 1


class Vocabulary:
    """Ids to rows of a table, from 1; 0 for ids that are not there."""

    def __init__(self, ids: np.ndarray | None = None) -> None:
        self.ids = np.empty(0, np.int64)  # row 1 first
        self._sorted = np.empty(0, np.int64)
        self._rows = np.empty(0, np.int64)
        if ids is not None:
            self.add(ids)

    def __len__(self) -> int:
        """Rows, with that of unknown ids."""
        return len(self.ids) + 1

    def add(self, ids: np.ndarray) -> None:
        """Gives rows to ids that have none, in the order of their values. Null has none."""
        fresh = np.unique(ids)
        fresh = fresh[(fresh != -1) & (self.rows(fresh) == UNKNOWN)]
        if not len(fresh):
            return
        self.ids = np.concatenate((self.ids, fresh))
        order = np.argsort(self.ids)
        self._sorted, self._rows = self.ids[order], order + 1

    def rows(self, ids: np.ndarray) -> np.ndarray:
        if not len(self._sorted):
            return np.zeros(ids.shape, np.int64)
        place = np.searchsorted(self._sorted, ids).clip(max=len(self._sorted) - 1)
        return np.where(self._sorted[place] == ids, self._rows[place], UNKNOWN)


class Model(nn.Module):
    """All parameters of a definition, and what serving needs of each item."""

    def __init__(self, definition: Definition, seed: int = 0) -> None:
        super().__init__()
        self.definition = definition
        self.generator = torch.Generator().manual_seed(seed)
        users, items = len(definition.user_dense), len(definition.item_dense)
        size, length, vector = (
            definition.embedding,
            definition.history_length,
            definition.dimension,
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.retriever = Retriever(users, items, size, length, vector)
            self.ranker = Ranker(users, items, size, length, vector, len(definition.tasks))
        self.vocabulary = Vocabulary()
        self.embedding = nn.Embedding(1, size, padding_idx=UNKNOWN)
        with torch.no_grad():
            self.embedding.weight.zero_()
        #: How often each item was a positive, for log-Q and for the share of those drawn at random.
        self.counts = np.zeros(1, np.float64)
        #: Each item's latest features, and as of when.
        self.item_dense = np.full((1, items), np.nan, np.float32)
        self.item_times = np.full(1, np.iinfo(np.int64).min)

    def grow(self, ids: np.ndarray, deviation: float = 0.003) -> None:
        """Makes room for ids that are new.

        :param deviation: of what an embedding begins with: small beside a step, so that items with
            few examples are what they learnt, and not noise.
        """
        before = len(self.vocabulary)
        self.vocabulary.add(ids)
        more = len(self.vocabulary) - before
        if not more:
            return
        size = self.definition.embedding
        weight = torch.randn(more, size, generator=self.generator) * deviation
        with torch.no_grad():
            grown = torch.cat([self.embedding.weight, weight])
        sparse = self.embedding.sparse
        self.embedding = nn.Embedding(
            len(self.vocabulary), size, padding_idx=UNKNOWN, sparse=sparse, _weight=grown
        )
        self.counts = np.concatenate((self.counts, np.zeros(more)))
        width = self.item_dense.shape[1]
        nothing = np.full((more, width), np.nan, np.float32)
        self.item_dense = np.concatenate((self.item_dense, nothing))
        times = np.full(more, np.iinfo(np.int64).min)
        self.item_times = np.concatenate((self.item_times, times))

    def inputs(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A batch's tensors with ids as rows."""
        count = len(batch["item"])
        history = batch["history"]
        rows = torch.from_numpy(self.vocabulary.rows(history.values.numpy()))
        # As the service has it: items that the model does not know are there, with zeros.
        mask = history.mask & (history.values != -1)
        return {
            "user_dense": batch.get("user_dense", torch.zeros(count, 0)),
            "item_dense": batch.get("item_dense", torch.zeros(count, 0)),
            "item": torch.from_numpy(self.vocabulary.rows(batch["item"].numpy())),
            "history": rows,
            "mask": mask.float(),
        }

    def note_items(self, batch: dict[str, Any]) -> np.ndarray:
        """Keeps the latest features of a batch's items; returns the rows that changed."""
        rows = self.vocabulary.rows(batch["item"].numpy())
        times = batch["at"].numpy() if "at" in batch else np.zeros(len(rows), np.int64)
        order = np.argsort(times, kind="stable")
        order = order[times[order] >= self.item_times[rows[order]]]
        order = order[rows[order] != UNKNOWN]
        self.item_times[rows[order]] = times[order]  # the last of equal rows counts
        if "item_dense" in batch:
            self.item_dense[rows[order]] = batch["item_dense"].numpy()[order]
        return np.unique(rows[order])

    @torch.no_grad()
    def item_vectors(self, rows: np.ndarray) -> Tensor:
        """The vectors that retrieval searches."""
        self.eval()
        dense = torch.from_numpy(self.item_dense[rows])
        return self.retriever.item(dense, self.embedding(torch.from_numpy(rows)))

    @torch.no_grad()
    def user_vectors(self, inputs: dict[str, Any]) -> Tensor:
        self.eval()
        history = self.embedding(inputs["history"])
        return self.retriever.user(inputs["user_dense"], history, inputs["mask"])

    @torch.no_grad()
    def scores(self, inputs: dict[str, Any]) -> Tensor:
        """The ranker's probabilities ``[rows, tasks]``."""
        self.eval()
        return self.ranker(
            inputs["user_dense"],
            inputs["item_dense"],
            self.embedding(inputs["item"]),
            self.embedding(inputs["history"]),
            inputs["mask"],
        )

    def check(self) -> None:
        """Finds parameters that are no numbers, so that no such model is published.

        :raises InvalidDataError: says which.
        """
        for name, value in [*self.named_parameters(), *self.named_buffers()]:
            if not torch.isfinite(value).all():
                raise InvalidDataError(
                    f"{self.definition.name}: {name} has values that are NaN or infinite; the "
                    "model is not published. Train again with a lower learning rate"
                )

    # Checkpoints

    def save(self, path: Path, more: dict[str, Any]) -> None:
        """Writes everything that going on needs, at once or not at all."""
        state = {
            "version": _VERSION,
            "definition": self.definition.as_dict(),
            "parameters": self.state_dict(),
            "ids": torch.from_numpy(self.vocabulary.ids),
            "counts": torch.from_numpy(self.counts),
            "item_dense": torch.from_numpy(self.item_dense),
            "item_times": torch.from_numpy(self.item_times),
            "generator": self.generator.get_state(),
            **more,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        torch.save(state, temporary)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path, definition: Definition) -> tuple[Model, dict[str, Any]]:
        """A saved model, and what was saved with it.

        :raises InvalidArgumentError: it was saved for another definition.
        """
        state = torch.load(path, weights_only=True)
        if state.get("version") != _VERSION or state["definition"] != definition.as_dict():
            raise InvalidArgumentError(
                f"{path} was saved for another definition of {definition.name}; "
                "train anew (--fresh)",
                path=str(path),
            )
        model = cls(definition)
        ids = state["ids"].numpy()
        # Rows in the order in which they were given.
        model.vocabulary.ids = ids
        order = np.argsort(ids)
        model.vocabulary._sorted, model.vocabulary._rows = ids[order], order + 1
        model.embedding = nn.Embedding(len(ids) + 1, definition.embedding, padding_idx=UNKNOWN)
        model.load_state_dict(state["parameters"])
        model.counts = state["counts"].numpy()
        model.item_dense = state["item_dense"].numpy()
        model.item_times = state["item_times"].numpy()
        model.generator.set_state(state["generator"])
        return model, state
