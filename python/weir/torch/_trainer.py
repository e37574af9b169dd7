# SPDX-License-Identifier: Apache-2.0
"""Training in batch.

1. The retriever learns from positives: the user's history before it against the item, among the
   items of the batch, with log-Q.
2. The ranker gets a copy of the towers and learns all tasks from all examples; embeddings stay.
3. Examples of the last part of the time are held out for figures; then both learn from all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from .._errors import InvalidDataError
from . import _metrics
from ._dataset import Dataset
from ._definition import Definition
from ._features import text_id
from ._model import UNKNOWN, Model
from ._models import in_batch_loss

if TYPE_CHECKING:
    from .._catalog import CatalogTable

_HISTORY = text_id("history")
#: A row counts at most so often, however few of its kind were kept.
_WEIGHT_MAX = 20.0
#: An epoch has so many steps, unless batches became very small.
_STEPS_MIN = 60
#: Rows that means and deviations of features are made of.
_NORMALIZE = 50_000
#: Rows that are looked at together.
_PART = 65_536
#: With fewer rows none is held out.
_HOLDOUT_LEAST = 100
#: Rows that a first calibration is made of.
_SAMPLE = 10_000


@dataclass
class Options:
    """How training goes. Times are for one core."""

    seed: int = 0
    retriever_epochs: int = 5
    retriever_batch: int = 1024
    retriever_rate: float = 1e-2
    ranker_epochs: int = 1
    ranker_batch: int = 2048
    ranker_rate: float = 1e-2
    #: The share of the time's last examples that figures are taken from.
    holdout: float = 0.1
    #: Whether to learn from examples whose item is in the user's history.
    repeats: bool = False
    online_rate: float = 3e-4
    embedding_rate: float = 0.005


Say = Callable[[str], None]


class Trainer:
    """Trains one model on a snapshot of its examples."""

    def __init__(
        self, definition: Definition, table: CatalogTable, options: Options, say: Say | None = None
    ) -> None:
        self.definition = definition
        self.table = table
        self.options = options
        self.snapshot = table.snapshot_id
        self._say = say or (lambda _: None)
        self.model = Model(definition, options.seed)
        self.metrics: dict[str, Any] = {}

    def run(self) -> Model:
        """Trains from nothing; figures are in ``metrics`` then.

        :raises InvalidDataError: there is nothing to learn from, or it is damaged.
        """
        started = time.perf_counter()
        self._read()
        options = self.options
        early = self._early
        self._normalize(early)
        epochs = self._retrieve(early, options.retriever_epochs, options.retriever_rate)
        self._hand_over()
        self._rank(early, options.ranker_epochs, options.ranker_rate, start=True)
        if (~early & self._kept).any():
            self.metrics.update(self._evaluate(~early))
            self._say(f"held out: {self.metrics}")
            every = np.ones(len(early), bool)
            # As much of the rate as fits the epochs that did good.
            rate = options.retriever_rate * epochs / max(1, options.retriever_epochs)
            self._retrieve(every, max(1, epochs // 2), rate)
            self._hand_over()
            self._rank(every, options.ranker_epochs, options.ranker_rate / 2)
        self.model.check()
        self.metrics["seconds"] = round(time.perf_counter() - started, 1)
        return self.model

    def _read(self) -> None:
        """Reads the rows; finds items, positives and the rows that are not held out."""
        definition = self.definition
        if self.snapshot is None:
            raise self._nothing("no rows yet")
        self._data = Dataset(
            self.table, definition.features(), seed=self.options.seed, snapshot=self.snapshot
        )
        if not self._data.rows:
            raise self._nothing("no rows yet")
        self._positive = (self._data._column("positive") > 0.5).any(1)
        self._kept = np.ones(len(self._positive), bool)
        if not self.options.repeats:
            self._kept = ~self._repeated()
            self._positive &= self._kept
        if "source" in self.definition.features():
            self._kept &= ~self._first()
        if not self._positive.any():
            raise self._nothing(f"no row with {' or '.join(definition.positives)}")
        items = self._data._column("item")[:, 0]
        self.model.grow(items)
        rows = self.model.vocabulary.rows(items[self._positive])
        self.model.counts += np.bincount(rows, minlength=len(self.model.vocabulary))
        times = self._data._column("at")[:, 0]
        self._early = np.ones(len(times), bool)
        if self.options.holdout and len(times) >= _HOLDOUT_LEAST:
            self._early = times <= np.quantile(times, 1 - self.options.holdout)

    def _repeated(self) -> np.ndarray:
        """Which rows' items are in their histories.

        Lists that leave out what is known never show them, and who learns from them learns to say
        what was there last.
        """
        items = self._data._column("item")[:, 0]
        result = np.zeros(len(items), bool)
        for start in range(0, len(items), _PART):
            part = np.arange(start, min(start + _PART, len(items)))
            result[part] = repeated(self._data._gather(part)).numpy()
        return result

    def _first(self) -> np.ndarray:
        """Which rows of history are the first that name their item.

        Negatives are items that were named before: these rows teach that what nobody has met is
        what people want. The retriever learns from them, among positives.
        """
        items, times, source = (self._data._column(n)[:, 0] for n in ("item", "at", "source"))
        order = np.argsort(times, kind="stable")
        result = np.zeros(len(items), bool)
        result[order[np.unique(items[order], return_index=True)[1]]] = True
        return result & (source == _HISTORY)

    def _nothing(self, what: str) -> InvalidDataError:
        return InvalidDataError(
            f"{self.definition.examples} has {what}, so that {self.definition.name} cannot be "
            "trained; wait until its flush, or fill it with 'weir pipeline backfill'"
        )

    def _normalize(self, rows: np.ndarray) -> None:
        """Means and deviations of features, from a sample."""
        data = self._data._select(rows, _NORMALIZE, 1, True)
        batch = data.take(0, 0, _NORMALIZE)
        self.model.note_items(batch)
        for tower, name in (("user", "user_dense"), ("item", "item_dense")):
            if name in batch:
                getattr(self.model.retriever, tower).normalize.fit(batch[name])
                getattr(self.model.ranker, f"{tower}_normalize").fit(batch[name])

    # Retriever

    def _retrieve(self, rows: np.ndarray, epochs: int, rate: float) -> int:
        """Trains on the positives of rows; gives the number of epochs that were good.

        Where rows are held out, it stops when an epoch makes their loss greater, and takes it back.
        """
        most = self.options.retriever_batch
        data = self._data._select(rows & self._positive, most, 1, True)
        steps = _steps(data, most)
        if not steps:
            return 0
        # Noise grows as batches shrink; the rate falls with it.
        rate *= (data.batch_size / most) ** 0.5
        parameters = [*self.model.retriever.parameters(), *self.model.embedding.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=rate)
        schedule = _warm(optimizer, steps * epochs)
        held = self._data._select(~rows & self._positive, data.batch_size, 1, True)
        best: tuple[float, list[torch.Tensor]] | None = None
        for epoch in range(epochs):
            losses: list[float] = []
            for batch in data:
                loss = retriever_loss(self.model, batch, 0)
                if loss is not None:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    losses.append(loss.item())
                schedule.step()
            self.metrics["retriever_loss"] = _mean(losses)
            found = self._loss_of(held)
            said = "" if found is None else f", held out {found:.4f}"
            self._say(f"retriever: epoch {epoch + 1} of {epochs}, loss {_mean(losses)}{said}")
            if found is None:
                continue
            if best is not None and found > best[0]:
                with torch.no_grad():
                    for parameter, value in zip(parameters, best[1]):
                        parameter.copy_(value)
                return epoch
            best = (found, [parameter.detach().clone() for parameter in parameters])
        return epochs

    @torch.no_grad()
    def _loss_of(self, data: Dataset) -> float | None:
        """The retriever's loss on the batches of a full size."""
        losses = []
        for place in range(0, data.rows - data.batch_size + 1, data.batch_size):
            batch = data.take(0, place, place + data.batch_size)
            loss = retriever_loss(self.model, batch, 0)
            if loss is not None:
                losses.append(loss.item())
        return float(np.mean(losses)) if losses else None

    # Ranker

    def _hand_over(self) -> None:
        """Gives the ranker the towers, and items to compare with."""
        model = self.model
        model.ranker.towers.load_state_dict(model.retriever.state_dict())
        known = np.flatnonzero(model.item_times > np.iinfo(np.int64).min)
        drawn = torch.randint(0, len(known), (len(model.ranker.others),), generator=model.generator)
        model.ranker.others.copy_(model.item_vectors(known[drawn.numpy()]))

    def _rank(self, rows: np.ndarray, epochs: int, rate: float, start: bool = False) -> None:
        data = self._data._select(rows & self._kept, self.options.ranker_batch, epochs, True)
        steps = _steps(data, self.options.ranker_batch)
        if not steps:
            return
        if start:
            self._calibrate(data)
        rate *= (data.batch_size / self.options.ranker_batch) ** 0.5
        optimizer = torch.optim.Adam(ranker_parameters(self.model), lr=rate)
        schedule = _warm(optimizer, steps)
        losses: list[float] = []
        for batch in data:
            self.model.note_items(batch)
            loss = ranker_loss(self.model, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if len(losses) % 100 == 0:
                self._say(f"ranker: step {len(losses)} of {steps}, loss {_mean(losses)}")
        self.metrics["ranker_loss"] = _mean(losses)

    @torch.no_grad()
    def _calibrate(self, data: Dataset) -> None:
        batch = data.take(data.epoch, 0, _SAMPLE)
        inputs = self.model.inputs(batch)
        item, history = (self.model.embedding(inputs[name]) for name in ("item", "history"))
        features = (inputs["user_dense"], inputs["item_dense"], item, history, inputs["mask"])
        self.model.ranker.calibrate(batch["labels"], *features)

    def _evaluate(self, rows: np.ndarray) -> dict[str, Any]:
        """Figures of examples that were not trained on."""
        found: dict[str, list[Any]] = {"labels": [], "scores": [], "users": [], "weights": []}
        for batch in self._data._select(rows & self._kept, 8192, 1, False):
            inputs = self.model.inputs(batch)
            found["scores"].append(self.model.scores(inputs).numpy())
            found["labels"].append(batch["labels"].numpy())
            found["users"].append(batch["user"].numpy())
            found["weights"].append(weights(batch).numpy())
        parts = {name: np.concatenate(value) for name, value in found.items()}
        return {
            task: _metrics.summary(
                parts["labels"][:, i], parts["scores"][:, i], parts["users"], parts["weights"]
            )
            for i, task in enumerate(self.definition.tasks)
        }


def repeated(batch: dict[str, Any]) -> torch.Tensor:
    """Which rows' items are in their histories."""
    history = batch["history"]
    return ((history.values == batch["item"][:, None]) & history.mask).any(1)


def retriever_loss(model: Model, batch: dict[str, Any], more: int) -> torch.Tensor | None:
    """The loss of a batch of positives.

    :param more: items drawn from all as further negatives. They have their latest features: only
        for batches of now, or the model learns that negatives are those with features of later.
    """
    inputs = model.inputs(batch)
    known = inputs["item"] != UNKNOWN
    if not known.any():
        return None
    model.train()
    item = inputs["item"][known]
    rows = item.numpy()
    history = model.embedding(inputs["history"][known])
    users = model.retriever.user(inputs["user_dense"][known], history, inputs["mask"][known])
    # Items of the batch, with their features then; and some of all, with their latest.
    drawn = np.zeros(0, np.int64)
    vocabulary = len(model.vocabulary)
    if more and vocabulary > 1:
        drawn = torch.randint(1, vocabulary, (more,), generator=model.generator).numpy()
        drawn = drawn[model.item_times[drawn] > np.iinfo(np.int64).min]
    candidates = np.concatenate((rows, drawn))
    dense = torch.cat([inputs["item_dense"][known], torch.from_numpy(model.item_dense[drawn])])
    items = model.retriever.item(dense, model.embedding(torch.from_numpy(candidates)))
    # The expected number of times each candidate is in the batch.
    share = np.maximum(model.counts[candidates], 1) / max(1.0, model.counts.sum())
    expected = share * len(rows) + len(drawn) / max(1, vocabulary - 1)
    log_q = torch.from_numpy(np.log(expected).astype(np.float32))
    return in_batch_loss(users, items, torch.from_numpy(candidates), log_q)


def ranker_parameters(model: Model) -> list[torch.nn.Parameter]:
    """What the ranker learns: all but its copy of the towers."""
    return [p for name, p in model.ranker.named_parameters() if not name.startswith("towers.")]


def ranker_loss(
    model: Model, batch: dict[str, Any], news: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy of all tasks; rows count by what their sampling left out.

    :param news: for rows of a stream ``[rows, tasks]``: 1 for a label that is told for the first
        time, or became true. Such rows come early, as negatives; see :func:`fake_negative_weights`.
    """
    inputs = model.inputs(batch)
    model.train()
    with torch.no_grad():
        item = model.embedding(inputs["item"])
        history = model.embedding(inputs["history"])
    logits = model.ranker.logits(
        inputs["user_dense"], inputs["item_dense"], item, history, inputs["mask"]
    )
    each = functional.binary_cross_entropy_with_logits(logits, batch["labels"], reduction="none")
    weight = weights(batch)
    if news is not None:
        served = torch.ones(len(weight), dtype=torch.bool)
        if "source" in batch:
            served = batch["source"] != _HISTORY
        correction = fake_negative_weights(batch["labels"], torch.sigmoid(logits.detach()))
        each = each * news * torch.where(served[:, None], correction, torch.ones(()))
    return (each.mean(1) * weight).sum() / weight.sum()


def fake_negative_weights(labels: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
    """Weights with which examples that come early as negatives, and again when they became
    positive, give unbiased probabilities.

    Source: Ktena et al., "Addressing Delayed Feedback for Continuous Training with Neural Networks
    in CTR Prediction", RecSys 2019 (fake negative weighted loss).

    :param chance: what the model says, without gradient.
    """
    return (1 + chance) * torch.where(labels > 0.5, torch.ones(()), 1 - chance)


def weights(batch: dict[str, Any]) -> torch.Tensor:
    """1 through the sampling rate; impressions made of history stand for themselves."""
    count = len(batch["item"])
    if "rate" not in batch:
        return torch.ones(count)
    rate = batch["rate"][:, 0]
    weight = torch.where(rate > 0, 1 / rate, torch.ones(()))
    weight = torch.nan_to_num(weight, nan=1.0).clamp(1.0, _WEIGHT_MAX)
    if "source" in batch:
        weight = torch.where(batch["source"] == _HISTORY, torch.ones(()), weight)
    return weight


def _steps(data: Dataset, most: int) -> int:
    """Sets the rows of a batch, so that little data gives some steps, too; returns how many."""
    data.batch_size = min(most, max(32, data.rows // _STEPS_MIN))
    return len(data)


def _warm(optimizer: torch.optim.Optimizer, steps: int) -> Any:
    """Rises over the first steps, then falls to a twentieth."""
    rise = max(1, min(50, steps // 10))
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / rise) * (1 - 0.95 * step / max(1, steps))
    )


def _mean(losses: list[float]) -> float:
    return round(float(np.mean(losses[-100:])), 5)
