# SPDX-License-Identifier: Apache-2.0
"""Training that goes on with the stream of examples.

For every batch of the tail, in this order:

1. The ranker says what it expects; figures compare that with labels, also with those that come
   later.
2. The ranker learns from all rows, corrected for positives that came as negatives first.
3. The retriever learns from positives: only embeddings move (row-wise Adagrad: Duchi et al., JMLR
   2011, one accumulator a row), the towers stay, so that vectors of items that nobody touched stay
   right.

Now and then a version is published with the rows that changed; with the graphs every so many times.
A checkpoint holds the model and the position together: after a crash it goes on from there, and the
first publication then writes everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ._metrics import Prequential
from ._model import UNKNOWN, Model
from ._publish import Publisher, Texts, lineage
from ._tail import Tail
from ._trainer import (
    Options,
    Say,
    ranker_loss,
    ranker_parameters,
    repeated,
    retriever_loss,
    weights,
)

_DEVIATION_OF_NEW = 0.01
#: Random items beside those of a batch: there are few positives at a time.
_NEGATIVES = 512
_ACCUMULATOR = 0.1


class Online:
    """Keeps a model up with its examples.

    :param tail: batches of the definition's features, with ticks.
    :param interval: seconds between publications.
    :param graphs_every: after so many intervals the graphs are written again.
    :param checkpoint: the file that it goes on from after a restart.
    """

    def __init__(
        self,
        model: Model,
        tail: Tail,
        publisher: Publisher,
        *,
        options: Options,
        snapshot: int | None,
        checkpoint: Path,
        texts: Texts,
        interval: float = 5.0,
        graphs_every: int = 12,
        everything: bool = False,
        say: Say | None = None,
    ) -> None:
        self.model = model
        self._tail = tail
        self._publisher = publisher
        self._options = options
        self._snapshot = snapshot
        self._checkpoint = checkpoint
        self._texts = texts
        self._interval = interval
        self._graphs_every = graphs_every
        self._say = say or (lambda _: None)
        self.prequential = Prequential(model.definition.tasks)
        self.rows = self.positives = self.publications = 0
        model.embedding.sparse = True
        self._accumulators = torch.zeros(len(model.vocabulary))
        self._optimizer = torch.optim.Adam(
            ranker_parameters(model), lr=options.online_rate, betas=(0.9, 0.99)
        )
        self._changed: set[int] = set()
        self._moved: set[int] = set()
        self._ranker_moved = everything
        # Times that something could be published since the graphs were.
        self._waited = graphs_every
        if everything:
            self._changed.update(range(1, len(model.vocabulary)))
            self._moved.update(self._changed)

    def run(self, stop: Callable[[], bool]) -> None:
        """Goes on until `stop` says so, or the tail ends; publishes what is left then."""
        published = time.monotonic()
        for batch in self._tail:
            if batch:
                self.learn(batch)
            now = time.monotonic()
            if now - published >= self._interval:
                self.publish()
                published = now
            if stop():
                break
        self.publish(last=True)

    def learn(self, batch: dict[str, Any]) -> None:
        """Takes the examples of one batch."""
        model = self.model
        model.grow(batch["item"].numpy(), _DEVIATION_OF_NEW)
        more = len(model.vocabulary) - len(self._accumulators)
        self._accumulators = torch.cat([self._accumulators, torch.zeros(more)])
        news = self._predict(batch)
        if not self._options.repeats:
            news = news * (~repeated(batch))[:, None]
        self._moved.update(model.note_items(batch).tolist())

        loss = ranker_loss(model, batch, news)
        if torch.isfinite(loss):
            self._optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(ranker_parameters(model), 1.0)
            self._optimizer.step()
            self._ranker_moved = True

        positive = self._positives(batch, news)
        if positive is not None:
            self._step(positive)
        self.rows += len(batch["item"])

    def _predict(self, batch: dict[str, Any]) -> torch.Tensor:
        """Notes what the model says; returns which labels are news."""
        correction = batch.get("correction")
        requests = batch.get("request", batch["_offset"]).numpy()
        news = self.prequential.add(
            requests,
            batch["item"].numpy(),
            batch["user"].numpy(),
            batch["labels"].numpy(),
            self.model.scores(self.model.inputs(batch)).numpy(),
            weights(batch).numpy(),
            None if correction is None else correction.numpy(),
        )
        return torch.from_numpy(news)

    def _positives(self, batch: dict[str, Any], news: torch.Tensor) -> dict[str, Any] | None:
        """The rows that the retriever learns from: positives, each when it becomes one."""
        keep = (batch["positive"] > 0.5).any(1) & (news > 0.5).any(1)
        if not keep.any():
            return None
        self.positives += int(keep.sum())
        history = batch["history"]
        result = {
            name: value[keep] for name, value in batch.items() if isinstance(value, torch.Tensor)
        }
        result["history"] = type(history)(history.values[keep], history.mask[keep])
        return result

    def _step(self, batch: dict[str, Any]) -> None:
        """Moves the embeddings of a batch's positives."""
        model = self.model
        for parameter in model.retriever.parameters():
            parameter.requires_grad_(False)
        weight = model.embedding.weight
        weight.grad = None
        np.add.at(model.counts, model.vocabulary.rows(batch["item"].numpy()), 1)
        loss = retriever_loss(model, batch, _NEGATIVES)
        if loss is None or not torch.isfinite(loss):
            return
        # A sum over the positives, as if each came alone.
        (loss * min(len(batch["item"]), 32)).backward()
        assert weight.grad is not None
        gradient = weight.grad.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        values = values[rows != UNKNOWN]
        rows = rows[rows != UNKNOWN]
        self._accumulators[rows] += values.square().mean(1)
        scale = self._options.embedding_rate / (self._accumulators[rows] + _ACCUMULATOR).sqrt()
        with torch.no_grad():
            weight[rows] -= scale[:, None] * values
        weight.grad = None
        touched = rows[values.abs().amax(1) > 0].tolist()
        self._changed.update(touched)
        self._moved.update(touched)

    def publish(self, last: bool = False) -> int | None:
        """Writes a version with what changed since the last one, and the checkpoint; ``None`` when
        nothing did.

        :param last: the graphs go out, too, if they changed.
        """
        self._waited += 1
        with_graphs = self._ranker_moved and (last or self._waited >= self._graphs_every)
        if not self._changed and not self._moved and not with_graphs:
            return None
        changed, moved = (np.array(sorted(s), np.int64) for s in (self._changed, self._moved))
        metrics = {
            "prequential": self.prequential.summary(),
            "rows": self.rows,
            "positives": self.positives,
        }
        version = self._publisher.publish_changes(
            self.model,
            changed,
            moved,
            lineage(self.model, self._snapshot, self._tail.position, self._options.seed, "online"),
            metrics,
            self._texts,
            with_graphs=with_graphs,
        )
        self.publications += 1
        self._changed.clear()
        self._moved.clear()
        if with_graphs:
            self._ranker_moved = False
            self._waited = 0
        self.save()
        self._say(
            f"version {version}: {self.rows} examples, {self.positives} positives, "
            f"{len(changed)} embeddings, {len(moved)} vectors"
        )
        return version

    def save(self) -> None:
        self.model.save(
            self._checkpoint,
            {
                "snapshot": self._snapshot,
                "position": dict(self._tail.position),
                "embeddings_from": self._publisher.embeddings_from,
                "graph_version": self._publisher.graph_version,
            },
        )
