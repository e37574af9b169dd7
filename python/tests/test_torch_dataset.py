# SPDX-License-Identifier: Apache-2.0
"""weir.torch.Dataset on snapshots: what tensors hold, in which order, from how many processes."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pyarrow as pa
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import weir  # noqa: E402
from weir.torch import (  # noqa: E402
    Dataset,
    Dense,
    Id,
    IdList,
    Sequence,
    _native,
    text_id,
)
from weir.torch._order import Order  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

COUNT = 2_003
FEATURES = {
    "dense": Dense("x", "y", "flag"),
    "id": Id("id"),
    "pair": Id("id", "name"),
    "tags": IdList("tags"),
    "words": IdList("words"),
    "weights": IdList("weights"),
    "recent": Sequence("tags", 3),
    "scores": Sequence("weights", 2),
}


def rows() -> pa.Table:
    index = range(COUNT)
    return pa.table(
        {
            "id": pa.array(index, pa.int64()),
            "x": pa.array([i / 7 for i in index], pa.float32()),
            "y": pa.array([None if i % 7 == 0 else i * 3 for i in index], pa.int32()),
            "flag": pa.array([i % 3 == 0 for i in index]),
            "name": pa.array([None if i % 11 == 0 else f"name {i % 97}" for i in index]),
            "tags": pa.array(
                [None if i % 13 == 0 else [i + k for k in range(i % 6)] for i in index],
                pa.list_(pa.int64()),
            ),
            "words": pa.array([[f"w{k}" for k in range(i % 3)] for i in index]),
            "weights": pa.array([[i / 2, None][: i % 3] for i in index], pa.list_(pa.float32())),
        }
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    catalog = weir.connect(tmp_path_factory.mktemp("lake"))
    catalog.create_namespace("a")
    data = rows()
    table = catalog.create_table("a.b", data.schema)
    table.append(data.slice(0, 1_200))
    table.append(data.slice(1_200))
    return table


def ids(batches) -> list[list[int]]:
    return [batch["id"].tolist() for batch in batches]


def make(table, **options) -> Dataset:
    return Dataset(table, {"id": Id("id")}, **{"batch_size": 64, "seed": 3, **options})


def test_tensors_hold_what_the_columns_hold(table):
    found = 0
    wanted = rows().to_pylist()
    for batch in Dataset(table, FEATURES, batch_size=100, seed=1):
        assert batch["dense"].dtype == torch.float32
        assert batch["recent"].mask.dtype == torch.bool
        for place, number in enumerate(batch["id"].tolist()):
            row = wanted[number]
            values = [math.nan if v is None else v for v in (row["x"], row["y"], row["flag"])]
            np.testing.assert_array_equal(
                batch["dense"][place].numpy(), np.array(values, np.float32)
            )
            name = -1 if row["name"] is None else text_id(row["name"])
            assert batch["pair"][place].tolist() == [number, name]
            assert ragged(batch["tags"], place) == (row["tags"] or [])
            assert ragged(batch["words"], place) == [text_id(w) for w in row["words"]]
            weights = [math.nan if w is None else w for w in row["weights"]]
            np.testing.assert_array_equal(ragged(batch["weights"], place), weights)
            assert padded(batch["recent"], place) == (row["tags"] or [])[:3]
            assert len(padded(batch["scores"], place)) == min(2, len(weights))
            found += 1
        assert (batch["recent"].values[~batch["recent"].mask] == 0).all()
    assert found == COUNT


def ragged(feature, row) -> list:
    return feature.values[feature.offsets[row] : feature.offsets[row + 1]].tolist()


def padded(feature, row) -> list:
    return feature.values[row][feature.mask[row]].tolist()


@pytest.mark.parametrize("window", [None, 1_024])
def test_any_ranks_and_workers_see_the_same_order(table, window):
    wanted = ids(make(table, window=window))
    assert sorted(itertools.chain(*wanted)) == list(range(COUNT))
    for world, workers in itertools.product((1, 2, 3), (0, 2)):
        parts = [
            ids(make(table, window=window, rank=rank, world=world).loader(workers))
            for rank in range(world)
        ]
        together = [parts[i % world][i // world] for i in range(len(wanted))]
        assert together == wanted, (world, workers)
        assert [len(p) for p in parts] == [
            len(make(table, rank=rank, world=world)) for rank in range(world)
        ]


@pytest.mark.parametrize("context", ["fork", "forkserver", "spawn"])
def test_workers_of_every_kind(table, context):
    make(table).rows  # noqa: B018  the parent has used the library, too
    found = ids(make(table).loader(2, multiprocessing_context=context))
    assert found == ids(make(table))


def test_orders_differ_by_seed_and_epoch_alone(table):
    first = ids(make(table))
    assert ids(make(table)) == first
    assert ids(make(table, seed=4)) != first
    both = ids(make(table, epochs=2))
    assert both[: len(first)] == first
    second = make(table)
    second.set_epoch(1)
    assert ids(second) == both[len(first) :] != first
    assert ids(second) == ids(later := make(table, epochs=3))[-len(first) :]
    assert later.epoch == 3
    scanned = table.scan(["id"]).to_arrow().column("id").to_pylist()
    assert [r for b in ids(make(table, shuffle=False)) for r in b] == scanned


def test_drop_last_gives_every_rank_as_many_batches(table):
    parts = [ids(make(table, drop_last=True, rank=r, world=3)) for r in range(3)]
    assert {len(part) for part in parts} == {COUNT // (64 * 3)}
    assert {len(batch) for part in parts for batch in part} == {64}


@pytest.mark.parametrize("workers", [0, 2])
def test_going_on_from_any_batch(table, workers):
    wanted = ids(make(table, epochs=2))
    for stop in (1, 5, 31, 32, 33, 50):
        loader = make(table, epochs=2).loader(workers)
        got = ids(itertools.islice(iter(loader), stop))
        state = pickle.loads(pickle.dumps(loader.state_dict()))
        rest = make(table, epochs=2)
        rest.load_state_dict(state)
        assert len(rest) == len(wanted) - stop
        assert got + ids(rest.loader(workers)) == wanted


def test_going_on_with_other_ranks_and_batches(table):
    wanted = [row for batch in ids(make(table)) for row in batch]
    parts = [make(table, rank=rank, world=2) for rank in range(2)]
    got = [ids(itertools.islice(iter(part), 3)) for part in parts]
    seen = [row for pair in zip(*got) for batch in pair for row in batch]
    rest = make(table, batch_size=50)
    rest.load_state_dict(parts[0].state_dict())
    assert seen + [row for batch in ids(rest) for row in batch] == wanted


def test_going_on_reads_only_what_comes(table, monkeypatch):
    dataset = make(table)
    taken = []
    original = Order.rows
    monkeypatch.setattr(
        Order, "rows", lambda self, a, b: taken.append((a, b)) or original(self, a, b)
    )
    dataset.load_state_dict({**dataset.state_dict(), "rows": 1_900})
    next(iter(dataset))
    assert taken == [(1_900, 1_964)]


def test_a_state_of_something_else_is_refused(table):
    state = make(table).state_dict()
    with pytest.raises(weir.InvalidArgumentError, match="seed 3, the dataset of 4"):
        make(table, seed=4).load_state_dict(state)
    with pytest.raises(weir.InvalidArgumentError, match="where"):
        make(table, where="id > 3").load_state_dict(state)
    opened = make(table)
    opened.rows  # noqa: B018
    with pytest.raises(weir.InvalidArgumentError, match="snapshot=17"):
        opened.load_state_dict({**state, "snapshot": 17})


def test_the_snapshot_stays_when_rows_come(tmp_path):
    catalog = weir.connect(tmp_path)
    catalog.create_namespace("a")
    table = catalog.create_table("a.b", rows().schema)
    table.append(rows().slice(0, 500))
    dataset = make(table)
    state = dataset.state_dict()
    wanted = ids(dataset)
    table.append(rows().slice(500))
    later = make(table.refresh())
    assert later.rows == COUNT
    later = make(table)
    later.load_state_dict(state)
    assert ids(later) == wanted


def test_rows_of_a_stream_keep_their_order_through_compaction(tmp_path):
    """Their shard and offset name them, wherever they lie."""
    catalog = weir.connect(tmp_path)
    catalog.create_namespace("a")
    data = rows().select(["id"])
    data = data.append_column("_shard", pa.array([i % 2 for i in range(COUNT)], pa.int32()))
    data = data.append_column("_offset", pa.array([i // 2 for i in range(COUNT)], pa.int64()))
    one = catalog.create_table("a.one", data.schema)
    one.append(data)
    other = catalog.create_table("a.other", data.schema)
    order = np.random.default_rng(1).permutation(COUNT)
    for part in np.array_split(order, 5):
        other.append(data.take(pa.array(part)))
    assert ids(make(one)) == ids(make(other))
    assert ids(make(one, where="id < 700")) == ids(make(other, where="id < 700"))


def test_rows_are_kept_in_a_folder(table, tmp_path, monkeypatch):
    wanted = ids(make(table, cache=tmp_path))
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr("weir.torch._cache._build", None)
    assert ids(make(table, cache=tmp_path)) == wanted


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_bad_values_are_refused_by_name(tmp_path, value):
    catalog = weir.connect(tmp_path)
    catalog.create_namespace("a")
    data = pa.table(
        {
            "id": [1, 2, 3],
            "x": pa.array([0.5, value, 1.0], pa.float64()),
            "_shard": pa.array([0, 0, 0], pa.int32()),
            "_offset": pa.array([7, 8, 9], pa.int64()),
        }
    )
    table = catalog.create_table("a.b", data.schema)
    table.append(data)
    with pytest.raises(weir.InvalidDataError, match=r"'x' is .* of shard 0, offset 8") as raised:
        list(Dataset(table, {"x": Dense("x", bad="refuse")}))
    assert raised.value.column == "x"
    (batch,) = Dataset(table, {"x": Dense("x")}, shuffle=False)
    assert batch["x"][:, 0].isnan().tolist() == [False, True, False]
    (batch,) = Dataset(table, {"x": Dense("x", bad="zero")}, shuffle=False)
    assert batch["x"][:, 0].tolist() == [0.5, 0.0, 1.0]


def test_wrong_features_are_told(table):
    for features, message in (
        ({}, "features is empty"),
        ({"f": Id("nam")}, "no column 'nam'; there are id, x"),
        ({"f": Dense("name")}, "Dense takes no column of type"),
        ({"f": Id("tags")}, "Id takes no column of type"),
        ({"f": IdList("id")}, "IdList takes no column of type"),
    ):
        with pytest.raises(weir.InvalidArgumentError, match=message):
            Dataset(table, features)
    with pytest.raises(weir.InvalidArgumentError, match="at least one"):
        Dense()
    with pytest.raises(weir.InvalidArgumentError, match="length is 0"):
        Sequence("tags", 0)
    with pytest.raises(weir.InvalidArgumentError, match="batch_size is 0"):
        make(table, batch_size=0)
    with pytest.raises(weir.InvalidArgumentError, match="needs stream="):
        make(table, follow=True)
    with pytest.raises(weir.InvalidArgumentError, match="rank is 2 of 2"):
        make(table, rank=2, world=2)


def test_tables_without_rows(tmp_path):
    catalog = weir.connect(tmp_path)
    catalog.create_namespace("a")
    table = catalog.create_table("a.b", rows().schema)
    assert list(Dataset(table, FEATURES)) == []
    table.append(rows().slice(0, 0))
    assert list(Dataset(table.refresh(), FEATURES).loader(1)) == []
    table.append(rows())
    assert list(Dataset(table.refresh(), FEATURES, where="id < 0")) == []


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 6_000),
    st.integers(0, 2**63),
    st.integers(0, 100),
    st.one_of(st.none(), st.integers(1, 5_000)),
)
def test_every_order_is_a_permutation(count, seed, epoch, window):
    order = Order(count, seed=seed, epoch=epoch, window=window)
    whole = order.rows(0, count)
    assert sorted(whole.tolist()) == list(range(count))
    third = count // 3
    parts = [order.rows(0, third), order.rows(third, 2 * third), order.rows(2 * third, count + 9)]
    assert np.concatenate(parts).tolist() == whole.tolist()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_lists_are_gathered_as_numpy_does(data):
    width = data.draw(st.integers(1, 5))
    count = data.draw(st.integers(0, 20))
    lengths = data.draw(st.lists(st.integers(0, 6), min_size=width * count, max_size=width * count))
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64)
    kind = data.draw(st.sampled_from([np.int64, np.float32]))
    values = np.arange(offsets[-1]).astype(kind)
    chosen = st.lists(st.integers(0, count - 1), max_size=30) if count else st.just([])
    rows = np.array(data.draw(chosen), np.int64)
    most = data.draw(st.lists(st.integers(0, 4), min_size=width, max_size=width))
    found = _native.gather_lists(offsets, values, width, rows, most)
    wanted = _native.gather_lists_slowly(offsets, values, width, rows, most)
    for (part, second), (other, another) in zip(found, wanted):
        assert part.dtype == other.dtype
        np.testing.assert_array_equal(part, other)
        np.testing.assert_array_equal(second, another)


@pytest.mark.skipif(_native._gather is None, reason="an older library")
def test_damaged_offsets_and_wrong_rows_are_errors():
    values = np.arange(10)
    good = np.array([0, 3, 10], np.int64)
    for offsets in ([0, 3, 11], [0, 7, 3], [-1, 3, 10], [0, 2**62, 10]):
        with pytest.raises(weir.InvalidDataError, match="offsets of row"):
            _native.gather_lists(np.array(offsets), values, 1, np.array([0, 1]), [2])
    for row in (-1, 2, 2**60):
        with pytest.raises(weir.InvalidArgumentError, match="there are 2 rows"):
            _native.gather_lists(good, values, 1, np.array([0, row]), [2])
