# SPDX-License-Identifier: Apache-2.0
"""A two-tower retriever and a multi-task ranker over one table of item embeddings.

What the service computes are graphs of embeddings and raw features (null is NaN); embeddings come
from the table of the model. So graphs stay small, and a publication writes the embeddings that
changed.

Sources: Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations",
RecSys 2019 (towers, log-Q); Zhou et al., "Deep Interest Network", KDD 2018 (attention of the item
over the history); Ma et al., "Modeling Task Relationships in Multi-task Learning", KDD 2018 (tasks
over shared layers; here one shared layer, a head for each task).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Items that a match is compared with.
OTHERS = 128


class Normalize(nn.Module):
    """Raw features to inputs: signed logarithm, standardised, and what is missing."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    @staticmethod
    def squash(values: Tensor) -> Tensor:
        return torch.sign(values) * torch.log1p(torch.abs(values))

    def fit(self, values: Tensor) -> None:
        """Takes mean and deviation from raw features, NaN left out."""
        good = ~torch.isnan(values)
        count = good.sum(0).clamp(min=1)
        squashed = torch.where(good, self.squash(values), torch.zeros(()))
        self.mean.copy_(squashed.sum(0) / count)
        off = torch.where(good, squashed - self.mean, torch.zeros(()))
        deviation = (off.square().sum(0) / count).sqrt()
        self.scale.copy_(torch.where(deviation > 1e-6, 1 / deviation, torch.ones(())))

    def forward(self, values: Tensor) -> Tensor:
        missing = torch.isnan(values)
        known = torch.where(missing, torch.zeros_like(values), values)
        scaled = torch.clamp((self.squash(known) - self.mean) * self.scale, -6.0, 6.0)
        scaled = torch.where(missing, torch.zeros_like(values), scaled)
        return torch.cat([scaled, missing.to(values.dtype)], 1)


def _attend(scores: Tensor, mask: Tensor, history: Tensor) -> Tensor:
    """The history's mean by softmax of the scores; zero for an empty history."""
    weights = torch.softmax(scores + (mask - 1.0) * 1e4, 1) * mask
    if len(history) == 1:
        return torch.matmul(weights, history[0])
    return torch.matmul(weights.unsqueeze(1), history).squeeze(1)


def _meet(history: Tensor, item: Tensor) -> Tensor:
    """The dot product of each row's item with each place of its history ``[rows, length]``."""
    if len(history) == 1:
        return torch.matmul(item, history[0].T)
    return torch.matmul(history, item.unsqueeze(2)).squeeze(2)


class UserTower(nn.Module):
    """A user's vector from the history's embeddings and the user's features."""

    def __init__(self, dense: int, embedding: int, length: int, vector: int) -> None:
        super().__init__()
        self.normalize = Normalize(dense)
        self.position = nn.Parameter(torch.zeros(length))
        self.key = nn.Linear(embedding, embedding)
        self.query = nn.Parameter(torch.zeros(embedding))
        self.direct = nn.Linear(embedding, vector - 1, bias=False)
        hidden = 2 * embedding
        self.deep = nn.Sequential(
            nn.Linear(embedding + 2 * dense, hidden), nn.ReLU(), nn.Linear(hidden, vector - 1)
        )
        _orthogonal(self.direct)

    def forward(self, user_dense: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """``[rows, vector]``; the last element is 1 and meets the item's bias."""
        scores = torch.matmul(torch.tanh(self.key(history)), self.query) + self.position
        pooled = _attend(scores, mask, history)
        vector = self.direct(pooled)
        vector = vector + self.deep(torch.cat([pooled, self.normalize(user_dense)], 1))
        return torch.cat([vector, torch.ones_like(vector[:, :1])], 1)


class ItemTower(nn.Module):
    """An item's vector from its embedding; its last element is a bias, with the item's features."""

    def __init__(self, dense: int, embedding: int, vector: int) -> None:
        super().__init__()
        self.normalize = Normalize(dense)
        self.direct = nn.Linear(embedding, vector - 1, bias=False)
        self.bias = nn.Sequential(nn.Linear(embedding + 2 * dense, 32), nn.ReLU(), nn.Linear(32, 1))
        _orthogonal(self.direct)

    def forward(self, item_dense: Tensor, embedding: Tensor) -> Tensor:
        bias = self.bias(torch.cat([embedding, self.normalize(item_dense)], 1))
        return torch.cat([self.direct(embedding), bias], 1)


class Retriever(nn.Module):
    """Two towers whose vectors' dot product says how likely the user's next item it is."""

    def __init__(
        self, user_dense: int, item_dense: int, embedding: int, length: int, vector: int
    ) -> None:
        super().__init__()
        self.user = UserTower(user_dense, embedding, length, vector)
        self.item = ItemTower(item_dense, embedding, vector)

    def forward(self, user_dense: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        return self.user(user_dense, history, mask)


def in_batch_loss(users: Tensor, items: Tensor, rows: Tensor, log_q: Tensor) -> Tensor:
    """Softmax over the items of a batch, corrected for how often each is there.

    :param users: vectors ``[positives, vector]``.
    :param items: vectors ``[candidates, vector]``; that of positive `r` is the `r`-th.
    :param rows: which item each candidate is; the same item elsewhere is no negative.
    :param log_q: the logarithm of each candidate's share of what is drawn.
    """
    count = len(users)
    logits = users @ items.T - log_q
    same = rows[:count, None] == rows[None, :]
    same &= ~torch.eye(count, len(rows), dtype=torch.bool)
    return functional.cross_entropy(logits.masked_fill(same, -1e9), torch.arange(count))


class Ranker(nn.Module):
    """Probabilities of several actions, for a user and an item.

    Sees the features of both; the retriever's vectors; the item's attention over the history,
    by learnt weights and by cosine with weights of recency.
    """

    others: Tensor

    def __init__(
        self,
        user_dense: int,
        item_dense: int,
        embedding: int,
        length: int,
        vector: int,
        tasks: int,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        self.user_normalize = Normalize(user_dense)
        self.item_normalize = Normalize(item_dense)
        # A copy of the retriever's towers, as they were when the ranker was trained.
        self.towers = Retriever(user_dense, item_dense, embedding, length, vector)
        self.register_buffer("others", torch.zeros(OTHERS, vector))
        self.query = nn.Linear(embedding, embedding, bias=False)
        self.position = nn.Parameter(torch.zeros(length))
        self.recency = nn.Parameter(torch.arange(length) * math.log(0.9))
        nn.init.eye_(self.query.weight)
        self.logit = nn.Linear(1, tasks)
        width = 2 * (user_dense + item_dense) + 3 * embedding + 4
        self.deep = nn.Sequential(nn.Linear(width, hidden), nn.ReLU())
        self.heads = nn.Sequential(nn.Linear(hidden, hidden // 2), nn.ReLU())
        self.tasks = nn.Linear(hidden // 2, tasks)
        with torch.no_grad():
            self.tasks.weight.mul_(0.1)

    def calibrate(self, labels: Tensor, *inputs: Tensor, steps: int = 30) -> None:
        """Starts with what the towers' match says alone: logistic regression by Newton's method."""
        with torch.no_grad():
            match = self.match(*inputs).double()
            ones = torch.ones_like(match)
            design = torch.stack([match, ones], 1)
            for task in range(labels.shape[1]):
                weight = torch.zeros(2, dtype=torch.float64)
                for _ in range(steps):
                    chance = torch.sigmoid(design @ weight)
                    slope = design.T @ (chance - labels[:, task]) + 1e-3 * weight
                    curve = (design * (chance * (1 - chance))[:, None]).T @ design
                    weight -= torch.linalg.solve(curve + 1e-3 * torch.eye(2), slope)
                self.logit.weight[task, 0], self.logit.bias[task] = weight.float()

    def match(
        self, user_dense: Tensor, item_dense: Tensor, item: Tensor, history: Tensor, mask: Tensor
    ) -> Tensor:
        """What the towers say ``[rows]``: the item against the mean of some others.

        A softmax leaves open what is the same for all items, so that it must not count.
        """
        users = self.towers.user(user_dense, history, mask)
        others = torch.logsumexp(users @ self.others.T, 1) - math.log(len(self.others))
        return (users * self.towers.item(item_dense, item)).sum(1) - others

    def logits(
        self, user_dense: Tensor, item_dense: Tensor, item: Tensor, history: Tensor, mask: Tensor
    ) -> Tensor:
        """``[rows, tasks]``. The user's inputs may be of one row: one user for all items."""
        match = self.match(user_dense, item_dense, item, history, mask).unsqueeze(1)
        pooled = _attend(_meet(history, self.query(item)) + self.position, mask, history)
        length = torch.sqrt((item * item).sum(1, keepdim=True) + 1e-6)
        lengths = torch.sqrt((history * history).sum(2) + 1e-6)
        cosine = _meet(history, item) / (lengths * length) * mask
        near = (cosine * torch.exp(self.recency)).sum(1, keepdim=True)
        nearest = cosine.max(1, keepdim=True).values
        seen = torch.log1p(mask.sum(1, keepdim=True)).expand(near.shape)
        user = self.user_normalize(user_dense)
        inputs = torch.cat(
            [
                user.expand(item.shape[0], user.shape[1]),
                self.item_normalize(item_dense),
                item,
                pooled,
                item * pooled,
                torch.tanh(match * 0.2),
                near,
                nearest,
                seen,
            ],
            1,
        )
        return self.logit(match) + self.tasks(self.heads(self.deep(inputs)))

    def forward(
        self, user_dense: Tensor, item_dense: Tensor, item: Tensor, history: Tensor, mask: Tensor
    ) -> Tensor:
        return torch.sigmoid(self.logits(user_dense, item_dense, item, history, mask))


def _orthogonal(layer: nn.Linear) -> None:
    rows, columns = layer.weight.shape
    if rows == columns:
        nn.init.eye_(layer.weight)
    else:
        nn.init.orthogonal_(layer.weight)
