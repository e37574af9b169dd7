# SPDX-License-Identifier: Apache-2.0
"""Evaluation against the plainest computation of each number."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import weir
from weir import evaluate
from weir.evaluate import Interactions, Split


def random_events(seed: int, users: int = 30, items: int = 25, count: int = 400) -> Interactions:
    generator = np.random.default_rng(seed)
    return Interactions.of(
        generator.integers(0, users, count) * 7 + 3,
        (items * generator.random(count) ** 2).astype(int) + 100,
        generator.integers(0, 10_000, count),
    )


def naive_metrics(ranked: list[int], targets: list[int], k: int) -> dict[str, float]:
    top = ranked[:k]
    hits = [place for place, item in enumerate(top) if item in targets]
    best = sum(1 / math.log2(place + 2) for place in range(min(k, len(targets))))
    return {
        f"recall@{k}": len(hits) / len(targets),
        f"ndcg@{k}": sum(1 / math.log2(place + 2) for place in hits) / best,
        f"hr@{k}": float(bool(hits)),
        f"mrr@{k}": 1 / (1 + hits[0]) if hits else 0.0,
    }


def naive_similarity(events: Interactions, shrinkage: float) -> dict[tuple[int, int], float]:
    sets: dict[int, set[int]] = {}
    for user, item in zip(events.users.tolist(), events.items.tolist()):
        sets.setdefault(user, set()).add(item)
    count: dict[int, int] = {}
    both: dict[tuple[int, int], int] = {}
    for items in sets.values():
        for item in items:
            count[item] = count.get(item, 0) + 1
        for pair in itertools.permutations(items, 2):
            both[pair] = both.get(pair, 0) + 1
    return {
        (one, other): co / math.sqrt(count[one] * count[other]) * co / (co + shrinkage)
        for (one, other), co in both.items()
    }


@pytest.mark.parametrize("seed", range(4))
def test_rankings_and_metrics_are_those_of_the_plainest_computation(seed: int) -> None:
    split = evaluate.split_by_time(random_events(seed), 0.7)
    train = split.train
    similarity = naive_similarity(train, shrinkage=3)
    result = evaluate.evaluate(evaluate.ItemToItem(shrinkage=3, decay=0.8), split, ks=(3, 10))
    expected: dict[str, list[float]] = {}
    for user, targets in zip(split.users, split.targets):
        own = [item for u, item in zip(train.users.tolist(), train.items.tolist()) if u == user]
        latest = list(dict.fromkeys(reversed(own)))
        scores = [
            sum(0.8**age * similarity.get((i, j), 0.0) for age, i in enumerate(latest))
            for j in range(train.item_count)
        ]
        ranked = sorted(
            (item for item in range(train.item_count) if item not in own),
            key=lambda item: (-np.float32(scores[item]), item),
        )
        for k in (3, 10):
            for name, value in naive_metrics(ranked, targets, k).items():
                expected.setdefault(name, []).append(value)
    for name, values in expected.items():
        # Sums in float32 may order near-equal scores otherwise: single users may differ.
        assert np.mean(np.abs(result.per_user[name] - values) > 1e-9) <= 0.07, name
        value, low, high = result.metrics[name]
        assert low <= value <= high


def test_popularity_coverage_and_ties() -> None:
    events = Interactions.of([1, 1, 2, 2, 3], [10, 11, 10, 12, 13], [1, 2, 3, 4, 5])
    split = Split(events.take(np.arange(4)), [2], [[3]], "by hand")
    result = evaluate.evaluate(evaluate.Popularity(), split, ks=(1, 3))
    # Item 10 is first, 11 and 12 tie by number, 13 nobody met: third place is 12.
    assert result.metrics["hr@3"][0] == 0
    assert result.coverage == {1: 0.25, 3: 0.75}
    again = evaluate.evaluate(evaluate.Popularity(), split, ks=(4,))
    assert again.metrics["mrr@4"][0] == 0.25


@pytest.mark.parametrize("seed", range(4))
def test_no_event_from_the_moment_on_is_known(seed: int) -> None:
    events = random_events(seed)
    split = evaluate.split_by_time(events, 0.6)
    moment = events.times[int(len(events) * 0.6)]
    assert (split.train.times < moment).all()
    later = events.take(np.flatnonzero(events.times >= moment))
    met = set(zip(split.train.users.tolist(), split.train.items.tolist()))
    expected = set(zip(later.users.tolist(), later.items.tolist())) - met
    held = {(user, item) for user, items in zip(split.users, split.targets) for item in items}
    assert held == expected


def test_last_item_split() -> None:
    events = Interactions.of([1, 1, 1, 2, 2, 3], [5, 6, 7, 5, 6, 5], [3, 1, 2, 1, 2, 1])
    split = evaluate.split_last_item(events)
    assert [int(split.train.user_ids[user]) for user in split.users] == [1]
    assert [int(split.train.item_ids[item]) for item in split.targets[0]] == [5]
    assert len(split.train) == 5


def test_auc_is_that_of_all_pairs() -> None:
    generator = np.random.default_rng(1)
    for _ in range(20):
        labels = generator.integers(0, 2, 40).astype(bool)
        scores = generator.integers(0, 8, 40) / 8
        pairs = [
            0.5 if p == n else float(p > n)
            for p, n in itertools.product(scores[labels], scores[~labels])
        ]
        assert evaluate.auc(labels, scores) == pytest.approx(np.mean(pairs))
    groups = [1, 1, 2, 2, 2, 3]
    value = evaluate.grouped_auc(groups, [1, 0, 1, 0, 0, 1], [0.9, 0.1, 0.2, 0.8, 0.1, 0.5])
    assert value == pytest.approx((1.0 * 2 + 0.5 * 3) / 5)
    assert math.isnan(evaluate.auc([1, 1], [0.1, 0.2]))


def test_logloss_and_bootstrap() -> None:
    assert evaluate.logloss([1, 0], [0.8, 0.4]) == pytest.approx(
        -(math.log(0.8) + math.log(0.6)) / 2
    )
    values = np.random.default_rng(2).random(500)
    low, high = evaluate.bootstrap(values)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert high - low == pytest.approx(2 * half, rel=0.15)
    assert low < values.mean() < high


def test_values_of_one_user_are_drawn_together() -> None:
    generator = np.random.default_rng(4)
    base = generator.random(400)
    low, high = evaluate.bootstrap(base)
    # The same values four times are no more evidence than once.
    again = evaluate.bootstrap(np.tile(base, 4), clusters=np.tile(np.arange(400), 4))
    assert again == pytest.approx((low, high), abs=1e-12)
    assert evaluate.bootstrap(base, clusters=np.arange(400)[::-1]) == (low, high)
    # Clusters of many sizes: the mean of all values, with the deviation of a ratio of sums.
    clusters = generator.integers(0, 60, 400)
    sums, counts = np.bincount(clusters, base), np.bincount(clusters)
    rest = sums - base.mean() * counts
    half = 1.96 * math.sqrt((rest**2).sum()) / counts.sum()
    low, high = evaluate.bootstrap(base, clusters=clusters, samples=4_000)
    assert high - low == pytest.approx(2 * half, rel=0.15)


@pytest.mark.parametrize("seed", range(4))
def test_rolling_splits_know_the_past_and_ask_for_what_comes_next(seed: int) -> None:
    events = random_events(seed, users=60)
    splits = evaluate.rolling_splits(events, 4, 0.5, known_users=seed % 2 == 0)
    rows = list(zip(events.times.tolist(), events.users.tolist(), events.items.tolist()))
    moments = [events.times[int(len(events) * share)] for share in (0.5, 0.625, 0.75, 0.875)]
    assert len(splits) == 4
    for split, begin, end in zip(splits, moments, [*moments[1:], math.inf]):
        known = [row for row in rows if row[0] < begin]
        assert list(zip(split.train.users.tolist(), split.train.items.tolist())) == [
            row[1:] for row in known
        ]
        met = {row[1:] for row in known}
        asked: dict[int, set[int]] = {}
        for time, user, item in rows:
            is_asked = seed % 2 or user in {one[1] for one in known}
            if begin <= time < end and (user, item) not in met and is_asked:
                asked.setdefault(user, set()).add(item)
        assert dict(zip(split.users, map(set, split.targets))) == asked
    parts = [evaluate.evaluate(evaluate.Popularity(), split, ks=(5,)) for split in splits]
    pooled = evaluate.pool(parts)
    values = np.concatenate([part.per_user["ndcg@5"] for part in parts])
    assert pooled.metrics["ndcg@5"][0] == values.mean()
    users = [split.train.user_ids[user] for split in splits for user in split.users]
    assert pooled.users.tolist() == users
    assert pooled.coverage[5] == pytest.approx(np.mean([part.coverage[5] for part in parts]))
    assert evaluate.compare(pooled, pooled, "ndcg@5") == (0, 0, 0)
    for count, fraction in ((0, 0.5), (3, 1.0), (500, 0.5)):
        with pytest.raises(weir.InvalidArgumentError, match="splits"):
            evaluate.rolling_splits(events, count, fraction)


def test_the_better_one_is_found_better() -> None:
    split = evaluate.split_by_time(random_events(3), 0.7)
    one = evaluate.evaluate(evaluate.Popularity(), split, ks=(5,))
    difference, low, high = evaluate.compare(one, one, "ndcg@5")
    assert (difference, low, high) == (0, 0, 0)


def test_scores_that_are_nan_are_refused() -> None:
    class Broken(evaluate.Popularity):
        def scores(self, users: list[int]) -> np.ndarray:
            return np.full((len(users), len(self._scores)), np.nan, np.float32)

    with pytest.raises(weir.InvalidDataError, match="NaN"):
        evaluate.evaluate(Broken(), evaluate.split_by_time(random_events(1), 0.7))


def test_served_scores_beside_what_came() -> None:
    generator = np.random.default_rng(4)
    requests, examples, rows = [], [], []
    for number in range(60):
        items = generator.permutation(30)[:8].tolist()
        scores = (generator.integers(0, 20, 8) / 20).tolist()
        requests.append({"request_id": f"r{number}", "items": items, "scores": scores})
        for item, score in zip(items, scores):
            truth, user = bool(generator.random() < score), number % 7
            rows.append((user, truth, score))
            examples.append(
                {"request_id": f"r{number}", "user_id": user, "item_id": item, "click": truth}
                | {"sampling_rate": 1.0}
            )
    examples.append(
        {"request_id": "history:0:1", "user_id": 1, "item_id": 2, "click": True}
        | {"sampling_rate": 0.1}
    )
    tables = pa.Table.from_pylist(requests), pa.Table.from_pylist(examples)
    result = evaluate.served(*tables, "click")
    users, truths, scores = zip(*rows)
    assert result["rows"] == 480
    assert result["positives"] == sum(truths)
    assert result["gauc"] == pytest.approx(evaluate.grouped_auc(users, truths, scores))
    assert result["auc"] == pytest.approx(evaluate.auc(truths, scores))
    assert result["logloss"] == pytest.approx(evaluate.logloss(truths, scores))
    with pytest.raises(weir.InvalidDataError, match="no column 'buy'"):
        evaluate.served(*tables, "buy")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "weir.evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_command_line(tmp_path) -> None:
    events = random_events(5)
    table = pa.table(
        {
            "u": events.user_ids[events.users],
            "i": events.item_ids[events.items],
            "t": (events.times * 1e6).astype("datetime64[us]"),
            "kind": ["a" if row % 5 else "b" for row in range(len(events))],
        }
    )
    pq.write_table(table, tmp_path / "events.parquet")
    pyarrow.csv.write_csv(table, tmp_path / "events.csv")
    columns = ["--user", "u", "--item", "i", "--time", "t", "--where", "kind=a", "-k", 5]
    results = []
    for name in ("events.parquet", "events.csv"):
        out = ["--json", tmp_path / "out.json", "--html", tmp_path / "out.html"]
        done = run(tmp_path / name, *columns, *out)
        assert done.returncode == 0, done.stderr
        assert "popularity" in done.stdout
        result = json.loads((tmp_path / "out.json").read_text())
        results.append([one["metrics"] for one in result["recommenders"]])
        assert "<svg" in (tmp_path / "out.html").read_text()
    assert results[0] == results[1]
    out = ["--json", tmp_path / "out.json", "--splits", 3, "--fraction", 0.6]
    done = run(tmp_path / "events.csv", *columns, *out)
    assert done.returncode == 0, done.stderr
    assert "ndcg@5 of item-to-item beside popularity: " in done.stdout
    result = json.loads((tmp_path / "out.json").read_text())
    assert len(result["splits"]) == 3
    assert result["users"] == sum(split["users"] for split in result["splits"])


def test_what_is_wrong_is_said(tmp_path) -> None:
    assert "there is no file" in run(tmp_path / "none.csv").stderr
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert "there is no column 'user_id'; there are: a, b" in run(tmp_path / "x.csv").stderr
    (tmp_path / "bad.txt").write_text("1 2 3\n4 x\n")
    assert "line 2" in run(tmp_path / "bad.txt").stderr
    columns = ["--user", "a", "--item", "b", "--time", "a"]
    done = run(tmp_path / "x.csv", *columns, "--splits", 2, "--before", "2020-01-01")
    assert "--splits goes with neither" in done.stderr
    done = run(tmp_path / "x.csv", *columns, "--splits", 2)
    assert "2 splits from the fraction 0.8" in done.stderr
    done = run(tmp_path / "x.csv", *columns, "--surface", "home")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
