# SPDX-License-Identifier: Apache-2.0
"""weir.torch.Dataset with follow=True: the snapshot, then the stream's tail, each row once."""

from __future__ import annotations

import itertools
import random
import socket

import pytest

torch = pytest.importorskip("torch")

from rest_server import BINARY  # noqa: E402
from stream_server import StreamServer  # noqa: E402

import weir  # noqa: E402
from weir.torch import Dataset, Dense, Id, Sequence  # noqa: E402

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

PROJECT = """
server: {port: PORT}
streams:
  shop.events:
    columns: {id: long not null, x: double, tags: list<long>}
    shards: 2
    shard_key: id
    flush: {interval: 200ms}
  shop.items:
    columns: {id: long not null, x: double}
    primary_key: [id]
    flush: {interval: 200ms}
"""
FEATURES = {"id": Id("id"), "x": Dense("x"), "tags": Sequence("tags", 2)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(tmp_path):
    project = PROJECT.replace("PORT", str(free_port()))
    with StreamServer(tmp_path / "project", project=project) as server:
        yield server


def append(server, first: int, count: int) -> None:
    rows = [{"id": i, "x": i / 2, "tags": [i, -i]} for i in range(first, first + count)]
    status, _ = server.append("shop.events", rows)
    assert status == 200


def open_dataset(server, **options) -> Dataset:
    catalog = weir.connect(server.uri)
    stream = catalog.stream("shop.events")
    return Dataset(
        catalog.table("shop.events"),
        FEATURES,
        stream=stream,
        follow=True,
        **{"batch_size": 64, "seed": 1, "wait": 0.05, "idle": 1.0, **options},
    )


def ids(batches) -> list[int]:
    return [row for batch in batches for row in batch["id"].tolist()]


def test_snapshot_and_tail_have_each_row_once(server):
    append(server, 0, 500)
    server.wait_until_covered("shop.events")
    dataset = open_dataset(server)
    append(server, 500, 300)  # after the snapshot, in the log or in the table: all the same
    found, more = [], False
    for batch in dataset:
        found += batch["id"].tolist()
        assert batch["x"][:, 0].tolist() == [i / 2 for i in batch["id"].tolist()]
        assert batch["tags"].values.tolist() == [[i, -i] for i in batch["id"].tolist()]
        if len(found) >= 500 and not more:
            append(server, 800, 100)
            more = True
    assert sorted(found) == list(range(900))
    with pytest.raises(TypeError, match="no length"):
        len(dataset)


@pytest.mark.parametrize("workers", [0, 2])
def test_going_on_in_the_tail(server, workers):
    append(server, 0, 300)
    server.wait_until_covered("shop.events")
    loader = open_dataset(server).loader(workers)
    append(server, 300, 400)
    found = ids(itertools.islice(iter(loader), 8))
    assert len(found) >= 300
    state = loader.state_dict()
    assert state["tail"] is not None
    append(server, 700, 100)
    rest = open_dataset(server)
    rest.load_state_dict(state)
    found += ids(rest.loader(workers))
    assert sorted(found) == list(range(800))


def test_ranks_share_the_tail(server):
    append(server, 0, 200)
    server.wait_until_covered("shop.events")
    parts = [open_dataset(server, rank=rank, world=3) for rank in range(3)]
    append(server, 200, 300)
    found = [ids(part) for part in parts]
    assert sorted(itertools.chain(*found)) == list(range(500))
    assert all(len(part) > 80 for part in found)


def test_a_stream_without_a_snapshot_is_followed_from_its_first_row(server):
    dataset = open_dataset(server)
    append(server, 0, 100)
    assert sorted(ids(dataset)) == list(range(100))


def test_the_service_may_go_and_come_back(server):
    append(server, 0, 100)
    server.wait_until_covered("shop.events")
    dataset = open_dataset(server, idle=4.0)
    source = random.Random(3)
    found, sent = [], 100
    for batch in dataset:
        found += batch["id"].tolist()
        if len(found) == sent and sent < 600:
            if source.random() < 0.5:
                server.kill()
                server.start()
            append(server, sent, 100)
            sent += 100
    assert sorted(found) == list(range(600))


def test_deletes_of_a_keyed_stream_are_no_rows(server):
    catalog = weir.connect(server.uri)
    stream = catalog.stream("shop.items")
    stream.append([{"id": i, "x": 0.0} for i in range(10)])
    server.wait_until_covered("shop.items")
    dataset = Dataset(
        catalog.table("shop.items"),
        {"id": Id("id"), "x": Dense("x")},
        stream=stream,
        follow=True,
        wait=0.05,
        idle=1.0,
    )
    stream.append([{"id": 3, "_op": "delete"}, {"id": 4, "x": 1.0}])
    batches = list(dataset)
    assert sorted(batches[0]["id"].tolist()) == list(range(10))
    assert [b["id"].tolist() for b in batches[1:]] == [[4]]


def test_a_position_that_the_log_has_let_go_of_is_told(server):
    append(server, 0, 10)
    server.wait_until_covered("shop.events")
    dataset = open_dataset(server)
    state = dataset.state_dict()
    dataset.load_state_dict({**state, "tail": {"0": 10**9, "1": 0}})
    with pytest.raises(weir.WeirError, match=r"offset|position|shard"):
        list(dataset)


def test_a_table_that_is_no_streams_cannot_be_followed(server, tmp_path):
    import pyarrow as pa

    catalog = weir.connect(tmp_path / "lake")
    catalog.create_namespace("a")
    table = catalog.create_table("a.b", pa.schema([("id", pa.int64())]))
    table.append(pa.table({"id": [1]}))
    stream = weir.Stream(server.uri, "shop.events")
    with pytest.raises(weir.InvalidArgumentError, match=r"weir\.stream\.offsets"):
        Dataset(table, {"id": Id("id")}, stream=stream, follow=True)
