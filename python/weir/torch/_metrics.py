# SPDX-License-Identifier: Apache-2.0
"""How good probabilities are."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np


def auc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The chance that a positive is above a negative, ties half; NaN without one of both."""
    weights = np.ones(len(labels)) if weights is None else weights.astype(np.float64)
    order = np.argsort(scores, kind="stable")
    scores, positive = scores[order], (labels[order] > 0.5)
    weights = weights[order]
    up, down = weights * positive, weights * ~positive
    if not up.sum() or not down.sum():
        return float("nan")
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    ups = np.diff(np.concatenate(([0.0], np.cumsum(up)[ends])))
    downs = np.concatenate(([0.0], np.cumsum(down)[ends]))
    below = downs[:-1] + np.diff(downs) / 2
    return float((ups * below).sum() / (up.sum() * down.sum()))


def gauc(
    labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """The mean of the AUC of each group that has both classes, weighted by its rows."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[:1]] - 1))
    total = rows = 0.0
    for part in np.split(order, starts[1:]):
        if 0 < labels[part].sum() < len(part):
            value = auc(labels[part], scores[part], None if weights is None else weights[part])
            total += value * len(part)
            rows += len(part)
    return total / rows if rows else float("nan")


def logloss(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    clipped = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    losses = -np.where(labels > 0.5, np.log(clipped), np.log1p(-clipped))
    return float(np.average(losses, weights=weights))


def summary(
    labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, weights: np.ndarray
) -> dict[str, Any]:
    """The metrics of one task. Rows count by `weights`, 1 through their sampling rate.

    ``calibration`` is predicted through observed positives (1 is right); ``entropy`` the logloss of
    the constant that is right on average: who is above it has learnt nothing.
    """
    if not len(labels):
        return {"rows": 0}
    rate = float(np.average(labels, weights=weights))
    constant = np.full(len(labels), rate)
    predicted = float(np.average(scores, weights=weights))
    result = {
        "rows": len(labels),
        "positives": int(labels.sum()),
        "logloss": logloss(labels, scores, weights),
        "entropy": logloss(labels, constant, weights),
        "auc": auc(labels, scores, weights),
        "gauc": gauc(labels, scores, groups, weights),
        "calibration": predicted / rate if rate else float("nan"),
    }
    return {name: _rounded(value) for name, value in result.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 6)
    return value


class Prequential:
    """First predictions of the latest examples, beside what is known of their labels now.

    An example that comes again as a correction changes the label, not the prediction, and does not
    count twice.

    :param window: examples that are kept.
    """

    def __init__(self, tasks: list[str], window: int = 50_000) -> None:
        self._tasks = tasks
        self._window = window
        self._rows: OrderedDict[tuple[int, int], list[Any]] = OrderedDict()
        self.seen = 0

    def add(
        self,
        requests: np.ndarray,
        items: np.ndarray,
        users: np.ndarray,
        labels: np.ndarray,
        scores: np.ndarray,
        weights: np.ndarray,
        corrections: np.ndarray | None = None,
    ) -> np.ndarray:
        """Takes predictions and labels ``[rows, tasks]``.

        :param corrections: which rows were told before, for those that are not kept any more.
        :returns: 1 for each label that is told for the first time, or has become true since.
        """
        keys = zip(requests.tolist(), items.tolist())
        news = np.ones(labels.shape, np.float32)
        for place, (key, user, label, score, weight) in enumerate(
            zip(keys, users.tolist(), labels, scores, weights.tolist())
        ):
            row = self._rows.get(key)
            if row is not None:
                news[place] = label > row[1]
                row[1], row[3] = label, weight
                continue
            if corrections is not None and corrections[place] > 0:
                news[place] = label > 0.5
            self._rows[key] = [user, label, score, weight]
            self.seen += 1
        while len(self._rows) > self._window:
            self._rows.popitem(last=False)
        return news

    def summary(self) -> dict[str, Any]:
        """Metrics of each task over the window."""
        if not self._rows:
            return {}
        users, labels, scores, weights = zip(*self._rows.values())
        label, score = np.stack(labels), np.stack(scores)
        return {
            task: summary(label[:, i], score[:, i], np.array(users), np.array(weights))
            for i, task in enumerate(self._tasks)
        }
