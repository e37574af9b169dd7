# SPDX-License-Identifier: Apache-2.0
"""Recommenders that are hard to beat: popularity, item-to-item, EASE."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from .._errors import LimitError
from ._interactions import Interactions

Scores = npt.NDArray[np.float32]


class Recommender(Protocol):
    """What ``evaluate`` calls. ``name`` stands in reports."""

    name: str

    def fit(self, events: Interactions) -> None:
        """Learns from all that is known."""

    def scores(self, users: list[int]) -> Scores:
        """A score for every item, the larger the better: shape (users, items)."""


class Popularity:
    """How many events an item had, each counting half after ``half_life`` seconds, if given."""

    def __init__(self, half_life: float | None = None) -> None:
        self.name = "popularity" if half_life is None else "trending"
        self.half_life = half_life

    def fit(self, events: Interactions) -> None:
        weights = None
        if self.half_life is not None and len(events):
            weights = np.exp2((events.times - events.times[-1]) / self.half_life)
        counts = np.bincount(events.items, weights, minlength=events.item_count)
        self._scores = counts.astype(np.float32)

    def scores(self, users: list[int]) -> Scores:
        return np.broadcast_to(self._scores, (len(users), len(self._scores))).copy()


class _Histories:
    """Each user's distinct items, the latest first, at most ``length``."""

    def __init__(self, events: Interactions, length: int | None) -> None:
        # Events are in order of time; the last of each (user, item) stands for it.
        pairs = events.users * events.item_count + events.items
        _, first = np.unique(pairs[::-1], return_index=True)
        rows = np.sort(len(pairs) - 1 - first)[::-1]
        order = rows[np.argsort(events.users[rows], kind="stable")]
        self.items = events.items[order]
        counts = np.bincount(events.users[order], minlength=events.user_count)
        self.bounds = np.append(0, np.cumsum(counts))
        if length is not None:
            ages = np.arange(len(order)) - np.repeat(self.bounds[:-1], counts)
            self.items = self.items[ages < length]
            self.bounds = np.append(0, np.cumsum(np.minimum(counts, length)))

    def of(self, user: int) -> npt.NDArray[np.int64]:
        return self.items[self.bounds[user] : self.bounds[user + 1]]


class ItemToItem:
    """Cosine between items by the users who met both, shrunk where few did.

    ``co / sqrt(n_i n_j) * co / (co + shrinkage)``, summed over the user's items, each counting
    ``decay`` times its successor: what the candidates of kind ``similar`` hold.

    :param history: items of a user that count, the latest ones; all when ``None``.
    :param neighbours: of an item that count, the best ones; all when ``None``.
    """

    def __init__(
        self,
        shrinkage: float = 0.0,
        decay: float = 0.7,
        history: int | None = None,
        neighbours: int | None = None,
    ) -> None:
        self.name = "item-to-item"
        self.shrinkage, self.decay = shrinkage, decay
        self.history, self.neighbours = history, neighbours

    def fit(self, events: Interactions) -> None:
        self.item_count = events.item_count
        self._histories = _Histories(events, self.history)
        items, bounds = self._histories.items, self._histories.bounds
        users = np.repeat(np.arange(events.user_count), np.diff(bounds))
        order = np.argsort(items, kind="stable")
        counts = np.bincount(items, minlength=self.item_count)
        starts = np.append(0, np.cumsum(counts))
        users = users[order]
        roots = np.sqrt(np.maximum(counts, 1))
        self._neighbours: list[tuple[npt.NDArray[np.int64], Scores]] = []
        for item in range(self.item_count):
            met = users[starts[item] : starts[item + 1]]
            found = _gather(items, bounds, met)
            others, common = np.unique(found, return_counts=True)
            keep = others != item
            others, common = others[keep], common[keep].astype(np.float64)
            values = common / (roots[item] * roots[others]) * common / (common + self.shrinkage)
            if self.neighbours is not None and len(others) > self.neighbours:
                best = np.lexsort((others, -values))[: self.neighbours]
                others, values = others[best], values[best]
            self._neighbours.append((others, values.astype(np.float32)))

    def scores(self, users: list[int]) -> Scores:
        result = np.zeros((len(users), self.item_count), np.float32)
        for row, user in enumerate(users):
            weight = 1.0
            for item in self._histories.of(user):
                others, values = self._neighbours[item]
                result[row, others] += weight * values
                weight *= self.decay
                if weight < 1e-6:
                    break
        return result


def _gather(
    items: npt.NDArray[np.int64], bounds: npt.NDArray[np.int64], users: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The items of users, one behind the other."""
    starts, counts = bounds[users], bounds[users + 1] - bounds[users]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    places = np.arange(total) - np.repeat(ends - counts, counts) + np.repeat(starts, counts)
    return items[places]


class EASE:
    """Linear regression of each item on all others, by one matrix inverse.

    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. Takes 16 bytes for each
    pair of items.
    """

    ITEM_COUNT_MAX = 25_000

    def __init__(self, regularisation: float = 200.0) -> None:
        self.name = "EASE"
        self.regularisation = regularisation

    def fit(self, events: Interactions) -> None:
        count = events.item_count
        if count > self.ITEM_COUNT_MAX:
            raise LimitError(
                f"EASE takes {self.ITEM_COUNT_MAX} items at most, not {count}; use item-to-item"
            )
        self._histories = _Histories(events, None)
        items, bounds = self._histories.items, self._histories.bounds
        gram = np.zeros((count, count))
        for user in range(events.user_count):
            own = items[bounds[user] : bounds[user + 1]]
            gram[np.ix_(own, own)] += 1
        gram[np.diag_indices(count)] += self.regularisation
        inverse = np.linalg.inv(gram)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0)
        self._weights = weights.astype(np.float32)

    def scores(self, users: list[int]) -> Scores:
        return np.stack([self._weights[self._histories.of(user)].sum(axis=0) for user in users])
