# SPDX-License-Identifier: Apache-2.0
"""Figures of training beside the plainest computation; weights of early negatives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from weir.torch import _metrics  # noqa: E402
from weir.torch._trainer import fake_negative_weights  # noqa: E402


def plain_auc(labels, scores, weights) -> float:
    above = total = 0.0
    for i, j in itertools.product(range(len(labels)), repeat=2):
        if labels[i] > labels[j]:
            pair = weights[i] * weights[j]
            total += pair
            above += pair * ((scores[i] > scores[j]) + (scores[i] == scores[j]) / 2)
    return above / total if total else float("nan")


@pytest.mark.parametrize("seed", range(20))
def test_auc_and_gauc_are_those_of_all_pairs(seed):
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 60))
    labels = random.integers(0, 2, count).astype(float)
    scores = random.integers(0, 8, count) / 8  # with ties
    weights = random.integers(1, 4, count).astype(float)
    found = _metrics.auc(labels, scores, weights)
    np.testing.assert_allclose(found, plain_auc(labels, scores, weights), equal_nan=True)
    groups = random.integers(0, 4, count)
    parts = []
    for group in range(4):
        mine = groups == group
        value = plain_auc(labels[mine], scores[mine], weights[mine])
        if not np.isnan(value):
            parts.append((value, mine.sum()))
    rows = sum(size for _, size in parts)
    wanted = sum(value * size for value, size in parts) / rows if parts else float("nan")
    np.testing.assert_allclose(
        _metrics.gauc(labels, scores, groups, weights), wanted, equal_nan=True
    )


def test_summary_by_sampling_rate():
    """Negatives of which one in four was kept count four times."""
    labels = np.array([1.0, 0, 0])
    scores = np.array([0.5, 0.1, 0.1])
    found = _metrics.summary(labels, scores, np.array([1, 1, 1]), np.array([1.0, 4, 4]))
    assert found["calibration"] == pytest.approx((0.5 + 0.8) / 1, abs=1e-6)
    assert found["entropy"] == pytest.approx(-(np.log(1 / 9) + 8 * np.log(8 / 9)) / 9, abs=1e-6)
    assert found["auc"] == 1


def test_corrections_change_labels_and_not_predictions():
    window = _metrics.Prequential(["click", "like"], window=3)

    def add(requests, labels, scores, corrections=None):
        count = len(requests)
        return window.add(
            np.array(requests),
            np.zeros(count, np.int64),
            np.arange(count),
            np.array(labels, np.float32),
            np.array(scores, np.float32),
            np.ones(count, np.float32),
            None if corrections is None else np.array(corrections),
        ).tolist()

    assert add([1, 2], [[0, 0], [0, 0]], [[0.2, 0.1], [0.8, 0.3]]) == [[1, 1], [1, 1]]
    assert add([2], [[1, 0]], [[0.1, 0.1]], [1]) == [[1, 0]]
    assert add([2], [[1, 1]], [[0.1, 0.1]], [1]) == [[0, 1]]
    assert add([2], [[1, 1]], [[0.1, 0.1]], [1]) == [[0, 0]]
    found = window.summary()["click"]
    assert (found["rows"], found["positives"], found["auc"]) == (2, 1, 1.0)
    assert window.seen == 2
    add([3, 4, 5], [[0, 0]] * 3, [[0.5, 0.5]] * 3)
    assert window.summary()["click"]["rows"] == 3
    # Forgotten meanwhile: what is true is taken for news.
    assert add([1], [[1, 0]], [[0.1, 0.1]], [1]) == [[1, 0]]


@pytest.mark.parametrize("chance", [0.02, 0.3, 0.7])
def test_early_negatives_leave_probabilities_right(chance):
    """Every example comes as a negative; positives come again."""
    labels = torch.tensor([[0.0], [1.0]])
    mass = torch.tensor([[1.0], [chance]])
    logit = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([logit], lr=1.0)
    for _ in range(3_000):
        said = torch.sigmoid(logit).expand(2, 1)
        losses = torch.nn.functional.binary_cross_entropy(said, labels, reduction="none")
        loss = (losses * mass * fake_negative_weights(labels, said.detach())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.sigmoid(logit).item() == pytest.approx(chance, abs=1e-3)
