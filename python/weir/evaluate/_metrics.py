# SPDX-License-Identifier: Apache-2.0
"""Metrics of rankings and of predicted probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Of a ranking at K, for one user: name -> value.
RANKING = ("recall", "ndcg", "hr", "mrr")


def ranking(hits: npt.NDArray[np.bool_], target_count: int, k: int) -> tuple[float, ...]:
    """Recall, NDCG, hit rate and reciprocal rank of one user's list.

    :param hits: which places of the list hold a target, best place first.
    :param target_count: how many items are to be found, above 0.
    """
    places = np.flatnonzero(hits[:k])
    if len(places) == 0:
        return (0.0, 0.0, 0.0, 0.0)
    gain = float(np.sum(1 / np.log2(places + 2.0)))
    best = float(np.sum(1 / np.log2(np.arange(min(target_count, k)) + 2.0)))
    return (len(places) / target_count, gain / best, 1.0, 1.0 / (1.0 + float(places[0])))


def bootstrap(
    values: Floats,
    *,
    clusters: npt.ArrayLike | None = None,
    seed: int = 0,
    samples: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """The interval of a mean: percentiles of the means of samples drawn with replacement.

    :param clusters: of each value, such as its user: values of one cluster are drawn together.
    """
    if len(values) == 0:
        return (float("nan"), float("nan"))
    generator = np.random.default_rng(seed)
    sums, counts = np.asarray(values, np.float64), None
    if clusters is not None:
        names, numbers = np.unique(np.asarray(clusters), return_inverse=True)
        if len(names) < len(values):
            sums, counts = np.bincount(numbers, values), np.bincount(numbers)
    means = np.empty(samples)
    for index in range(samples):
        drawn = generator.integers(0, len(sums), len(sums))
        if counts is None:
            means[index] = sums[drawn].mean()
        else:
            means[index] = sums[drawn].sum() / counts[drawn].sum()
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return (float(low), float(high))


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """The probability that a positive stands above a negative; ties count half.

    ``nan`` when there is one kind only.
    """
    truth = np.asarray(labels, bool)
    values = np.asarray(scores, np.float64)
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    above = float(ranks[inverse][truth].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def grouped_auc(groups: npt.ArrayLike, labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """The mean AUC of groups (users, mostly), each weighted by its rows.

    Groups with one kind of label only do not count; ``nan`` when none is left.
    """
    order = np.argsort(np.asarray(groups), kind="stable")
    keys = np.asarray(groups)[order]
    truth = np.asarray(labels, bool)[order]
    values = np.asarray(scores, np.float64)[order]
    bounds = np.append(np.flatnonzero(np.append(True, keys[1:] != keys[:-1])), len(keys))
    total = weight = 0.0
    for low, high in zip(bounds[:-1], bounds[1:]):
        value = auc(truth[low:high], values[low:high])
        if not np.isnan(value):
            total += value * (high - low)
            weight += high - low
    return total / weight if weight else float("nan")


def logloss(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float:
    """The mean of -log of what was said about what came; probabilities are kept from 0 and 1."""
    truth = np.asarray(labels, bool)
    values = np.clip(np.asarray(probabilities, np.float64), 1e-7, 1 - 1e-7)
    losses = -np.where(truth, np.log(values), np.log1p(-values))
    return float(np.average(losses, weights=None if weights is None else np.asarray(weights)))


def calibration(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 10
) -> list[tuple[float, float, int]]:
    """By bins of equal counts: the mean of what was predicted, of what came, and the rows."""
    truth = np.asarray(labels, np.float64)
    values = np.asarray(probabilities, np.float64)
    parts: Sequence[npt.NDArray[np.int64]] = np.array_split(np.argsort(values), bins)
    return [
        (float(values[part].mean()), float(truth[part].mean()), len(part))
        for part in parts
        if len(part)
    ]
