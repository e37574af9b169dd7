# SPDX-License-Identifier: Apache-2.0
"""Changes between positions of a stream, live scans in the shell, deletes by key."""

from __future__ import annotations

import json
import random
import subprocess

import pyarrow as pa
import pytest
from rest_server import BINARY
from stream_server import StreamServer

import weir

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with StreamServer(tmp_path_factory.mktemp("streams") / "project") as server:
        yield server


def apply(state: dict[int, dict], changes: pa.Table) -> None:
    """The state by primary key, changed as the changes say; each must fit."""
    for row in changes.to_pylist():
        kind = row.pop("_change_type")
        if kind in ("INSERT", "UPDATE_AFTER"):
            assert kind == "UPDATE_AFTER" or row["id"] not in state
            state[row["id"]] = row
        elif kind == "DELETE":
            assert state.pop(row["id"]) == row
        else:
            assert kind == "UPDATE_BEFORE"
            assert state[row["id"]] == row


def test_changes_lead_from_state_to_state(server):
    """Whoever applies changes from position to position has the table at every one."""
    source = random.Random(11)
    with weir.connect(server.uri) as catalog, catalog.stream("shop.items") as stream:
        start = stream.changes("earliest")
        state: dict[int, dict] = {}
        apply(state, start.read_all())
        position = start.position
        for step in range(12):
            rows = []
            for _ in range(source.randrange(1, 30)):
                key = source.randrange(1000, 1030)
                rows.append({"id": key, "at": source.randrange(50), "name": f"n{step}"})
                if source.random() < 0.25:
                    # A delete needs the key and the sequence alone.
                    rows[-1] = {"id": key, "at": source.randrange(50), "_op": "delete"}
            stream.append(rows)
            if step % 4 == 3:
                server.wait_until_covered("shop.items")
            changes = stream.changes(position)
            apply(state, changes.read_all())
            position = changes.position
            live = {row["id"]: row for row in stream.scan().read_all().to_pylist()}
            assert live == state
        # The same in one go, and nothing behind the end.
        whole: dict[int, dict] = {}
        apply(whole, stream.changes("earliest", position).read_all())
        assert whole == state
        assert stream.changes(position, position).read_all().num_rows == 0
        with pytest.raises(weir.NotFoundError):
            stream.changes({0: 10**9})
        with pytest.raises(weir.InvalidArgumentError):
            stream.changes(position, "earliest")


def test_deletes_need_their_keys_alone(server):
    with weir.connect(server.uri) as catalog, catalog.stream("shop.items") as stream:
        stream.append([{"id": 501, "name": "a", "at": 1}, {"id": 502, "name": "b", "at": 1}])
        answer = stream.append([{"id": 501, "at": 2, "_op": "delete"}])
        assert answer["rows"] == 1
        assert answer["rejected"]["count"] == 0
        stream.append(pa.table({"id": [502], "at": [2], "_op": pa.array([1], pa.int32())}))
        assert stream.lookup([501, 502]) == [None, None]


def test_cli_scans_live_rows_and_changes(server):
    with weir.connect(server.uri) as catalog, catalog.stream("shop.items") as stream:
        before = stream.changes("earliest").position
        stream.append([{"id": 701, "name": "cli", "at": 9}])

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(BINARY), *arguments, "--url", server.uri],
            capture_output=True,
            text=True,
            check=False,
        )

    found = run("table", "scan", "shop.items", "--live", "--where", "id = 701", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["name"] == "cli"
    counted = run("table", "scan", "shop.items", "--live", "--where", "id = 701", "--count")
    assert counted.stdout.strip() == "1"
    changes = run("stream", "changes", "shop.items", "--from", before)
    assert changes.returncode == 0, changes.stderr
    rows = [json.loads(line) for line in changes.stdout.splitlines()]
    assert [(row["_change_type"], row["id"]) for row in rows] == [("INSERT", 701)]
    assert "the next changes: --from" in changes.stderr
