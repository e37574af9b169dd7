# SPDX-License-Identifier: Apache-2.0
"""Runs recommenders on a split."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import InvalidArgumentError, InvalidDataError
from ._baselines import Recommender
from ._metrics import RANKING, bootstrap, ranking
from ._splits import Split

#: Users whose scores are in memory at a time.
BATCH = 256


@dataclass
class Evaluation:
    """What came of one recommender.

    :param metrics: "recall@20" -> (value, low, high): the mean over users and its 95 % interval.
    :param coverage: of K: the part of all items that stood in somebody's list.
    :param per_user: "recall@20" -> the value of each user of the split, in its order.
    :param users: the user of each of these values; in several splits a user may stand again.
    """

    name: str
    metrics: dict[str, tuple[float, float, float]]
    coverage: dict[int, float]
    seconds: float
    per_user: dict[str, npt.NDArray[np.float64]] = field(repr=False)
    users: npt.NDArray[Any] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "metrics": {
                name: {"value": value, "low": low, "high": high}
                for name, (value, low, high) in self.metrics.items()
            },
            "coverage": {f"@{k}": value for k, value in self.coverage.items()},
            "seconds": self.seconds,
        }


def evaluate(
    recommender: Recommender,
    split: Split,
    ks: Sequence[int] = (10, 20),
    *,
    mask_history: bool = True,
    seed: int = 0,
    onward: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Ranks all items for each tested user and compares with what was held out.

    Equal scores are ordered by the number of the item, whatever is to be found.

    :param mask_history: leaves out items that the user met already.
    :param onward: told of users done and users in all.
    :raises InvalidDataError: a score is NaN.
    """
    begin = time.perf_counter()
    recommender.fit(split.train)
    lists = _ranked_lists(recommender, split, max(ks), mask_history, onward)
    return measure(
        recommender.name, lists, split, ks, seed=seed, seconds=time.perf_counter() - begin
    )


def measure(
    name: str,
    lists: Sequence[Sequence[int]] | npt.NDArray[np.int64],
    split: Split,
    ks: Sequence[int],
    *,
    seed: int = 0,
    seconds: float = 0.0,
) -> Evaluation:
    """Metrics of lists that are there already, one for each user of the split, best item first."""
    if len(lists) != len(split.users) or len(split.users) == 0:
        raise InvalidArgumentError(f"{len(lists)} lists for {len(split.users)} tested users")
    values = np.zeros((len(ks), len(RANKING), len(split.users)))
    seen = {k: np.zeros(split.train.item_count, bool) for k in ks}
    for row, (items, targets) in enumerate(zip(lists, split.targets)):
        array = np.asarray(items, np.int64)
        hits = np.isin(array, targets)
        for index, k in enumerate(ks):
            values[index, :, row] = ranking(hits, len(targets), k)
            part = array[:k]
            seen[k][part[part >= 0]] = True
    per_user = {
        f"{metric}@{k}": values[index, place]
        for index, k in enumerate(ks)
        for place, metric in enumerate(RANKING)
    }
    coverage = {k: float(seen[k].mean()) for k in ks}
    users = split.train.user_ids[np.asarray(split.users)]
    return Evaluation(name, _means(per_user, users, seed), coverage, seconds, per_user, users)


def pool(parts: Sequence[Evaluation], *, seed: int = 0) -> Evaluation:
    """One recommender on several splits as one: every user of every split counts once.

    The interval is of users: what stands in several splits of one user is drawn together. Coverage
    is the mean of the splits'.
    """
    if not parts:
        raise InvalidArgumentError("there is no evaluation to pool")
    users = np.concatenate([part.users for part in parts])
    per_user = {
        metric: np.concatenate([part.per_user[metric] for part in parts])
        for metric in parts[0].per_user
    }
    coverage = {k: float(np.mean([part.coverage[k] for part in parts])) for k in parts[0].coverage}
    seconds = sum(part.seconds for part in parts)
    metrics = _means(per_user, users, seed)
    return Evaluation(parts[0].name, metrics, coverage, seconds, per_user, users)


def _means(
    per_user: dict[str, npt.NDArray[np.float64]], users: npt.NDArray[Any], seed: int
) -> dict[str, tuple[float, float, float]]:
    return {
        metric: (float(value.mean()), *bootstrap(value, clusters=users, seed=seed))
        for metric, value in per_user.items()
    }


def _ranked_lists(
    recommender: Recommender,
    split: Split,
    k: int,
    mask_history: bool,
    onward: Callable[[int, int], None] | None,
) -> npt.NDArray[np.int64]:
    order = np.argsort(split.train.users, kind="stable")
    items = split.train.items[order]
    bounds = np.searchsorted(split.train.users[order], np.arange(split.train.user_count + 1))
    k = min(k, split.train.item_count)
    result = np.empty((len(split.users), k), np.int64)
    for start in range(0, len(split.users), BATCH):
        users = split.users[start : start + BATCH]
        scores = np.array(recommender.scores(users), np.float32)
        if scores.shape != (len(users), split.train.item_count):
            raise InvalidDataError(f"{recommender.name} gave scores of shape {scores.shape}")
        if np.isnan(scores).any():
            raise InvalidDataError(f"{recommender.name} gave scores that are NaN")
        if mask_history:
            for row, user in enumerate(users):
                scores[row, items[bounds[user] : bounds[user + 1]]] = -np.inf
        result[start : start + len(users)] = top(scores, k)
        if onward:
            onward(start + len(users), len(split.users))
    return result


def top(scores: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.int64]:
    """The k best of each row, equal scores by their place."""
    if k < scores.shape[1]:
        # All that are as good as the k-th: ties are decided by place, not by the partition.
        bar = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        result = np.empty((len(scores), k), np.int64)
        for row in range(len(scores)):
            found = np.flatnonzero(scores[row] >= bar[row])
            result[row] = found[np.argsort(-scores[row, found], kind="stable")[:k]]
        return result
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def compare(
    ours: Evaluation, other: Evaluation, metric: str, *, seed: int = 0
) -> tuple[float, float, float]:
    """How much better the first is, for the same users: the mean difference, and its interval."""
    difference = ours.per_user[metric] - other.per_user[metric]
    return (float(difference.mean()), *bootstrap(difference, clusters=ours.users, seed=seed))
