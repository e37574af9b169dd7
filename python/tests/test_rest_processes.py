# SPDX-License-Identifier: Apache-2.0
"""Several catalog servers on one catalog, and servers that are killed."""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
import uuid

import pytest
from rest_server import BINARY, SCHEMA, RestServer, set_property

pytestmark = [
    pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built"),
    pytest.mark.skipif("WEIR_TEST_CATALOG" in os.environ, reason="needs the folder's catalog"),
]

TABLE = "/v1/namespaces/n/tables/t"


def key() -> str:
    """A fresh UUID of version 7."""
    digits = uuid.uuid4().hex
    return str(uuid.UUID(digits[:12] + "7" + digits[13:16] + "8" + digits[17:]))


def prepared(server):
    server.request("POST", "/v1/namespaces", {"namespace": ["n"]})
    status, _, _ = server.request(
        "POST", "/v1/namespaces/n/tables", {"name": "t", "schema": SCHEMA}
    )
    assert status == 200


def adding(column):
    """A commit that adds a column, without requirements: done twice, the second is refused."""
    return {
        "requirements": [],
        "updates": [
            {
                "action": "add-schema",
                "schema": {
                    "type": "struct",
                    "fields": [
                        *SCHEMA["fields"],
                        {"id": 2, "name": column, "required": False, "type": "int"},
                    ],
                },
            },
            {"action": "set-current-schema", "schema-id": -1},
            {"action": "set-properties", "updates": {column: "1"}},
        ],
    }


def test_servers_share_catalog_keys_and_tokens(tmp_path):
    with RestServer(tmp_path / "data") as one, RestServer(tmp_path / "data") as two:
        prepared(one)
        fields = {"Idempotency-Key": key()}
        first = one.request("POST", TABLE, set_property("a", "1"), fields)
        second = two.request("POST", TABLE, set_property("a", "1"), fields)
        assert first[0] == second[0] == 200
        assert first[2]["metadata-location"] == second[2]["metadata-location"]
        assert two.request("POST", TABLE, set_property("a", "2"), fields)[0] == 400

        # Both take commits at once; none is lost.
        failures = []

        def write(server, name):
            for turn in range(20):
                for _ in range(200):
                    body = set_property(f"{name}{turn}", "1")
                    status, _, answer = server.request("POST", TABLE, body)
                    if status == 200:
                        break
                    if status != 409:
                        failures.append(answer)
                        return

        threads = [
            threading.Thread(target=write, args=(server, f"{name}-"))
            for server, name in [(one, "a"), (two, "b"), (one, "c"), (two, "d")]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        for server in (one, two):
            _, _, answer = server.request("GET", TABLE)
            properties = answer["metadata"]["properties"]
            assert {f"{n}-{t}" for n in "abcd" for t in range(20)} <= set(properties)


def test_a_killed_server_leaves_a_request_done_or_not(tmp_path):
    """Clients send a request again with its key when the server died: it is done exactly once."""
    randomness = random.Random(5)
    server = RestServer(tmp_path / "data")
    try:
        prepared(server)
        _, _, before = server.request("GET", TABLE)
        lost = 0
        for turn in range(12):
            fields = {"Idempotency-Key": key()}
            body = adding(f"c{turn}")
            victim = server
            delay = randomness.uniform(0, 0.012)
            killer = threading.Thread(target=lambda v=victim, d=delay: (time.sleep(d), v.kill()))
            killer.start()
            answer = None
            try:
                answer = server.request("POST", TABLE, body, fields)
            except (OSError, http.client.HTTPException):
                lost += 1
            killer.join()
            server.stop()
            server = RestServer(tmp_path / "data")
            _, _, now = server.request("GET", TABLE)
            done = f"c{turn}" in now["metadata"].get("properties", {})
            if answer is not None:
                assert answer[0] == 200
                assert done
            # The reservation of a request that was not finished holds for a while; a commit that
            # was made took its answer with it.
            status, _, again = server.request("POST", TABLE, body, fields)
            if done:
                assert status == 200, again
                assert again["metadata-location"] == now["metadata-location"]
            else:
                assert status in (200, 503), again
        _, _, after = server.request("GET", TABLE)
        assert after["metadata"]["table-uuid"] == before["metadata"]["table-uuid"]
        assert lost > 0
    finally:
        server.stop()


def test_killed_servers_and_pyiceberg(tmp_path):
    """Clients append while their server is killed again and again: what was acknowledged is there
    once, what failed is there whole or not at all."""
    pa = pytest.importorskip("pyarrow")
    rest = pytest.importorskip("pyiceberg.catalog.rest")
    randomness = random.Random(int(os.environ.get("WEIR_KILL_SEED", "9")))
    kills = int(os.environ.get("WEIR_KILLS", "8"))
    rows_each, writers = 7, 4
    schema = pa.schema([("writer", pa.int64()), ("turn", pa.int64()), ("row", pa.int64())])
    server = RestServer(tmp_path / "data")
    port, uri = server.port, server.uri
    catalog = rest.RestCatalog("first", uri=uri)
    catalog.create_namespace("n")
    catalog.create_table("n.t", schema)
    acknowledged, failed = set(), set()
    stop = threading.Event()

    def write(writer):
        turn = 0
        table = None
        while not stop.is_set():
            turn += 1
            data = pa.table(
                {
                    "writer": [writer] * rows_each,
                    "turn": [turn] * rows_each,
                    "row": range(rows_each),
                },
                schema=schema,
            )
            try:
                if table is None:
                    table = rest.RestCatalog(f"w{writer}", uri=uri).load_table("n.t")
                table.append(data)
                acknowledged.add((writer, turn))
            except Exception:  # Whatever the client makes of a server that goes away.
                failed.add((writer, turn))
                table = None
                time.sleep(0.02)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(kills):
            before = len(acknowledged)
            deadline = time.monotonic() + 20
            while len(acknowledged) < before + 3 and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(randomness.uniform(0, 0.1))
            server.kill()
            server.stop()
            server = RestServer(tmp_path / "data", "--port", str(port))
        stop.set()
        for thread in threads:
            thread.join()
        assert len(acknowledged) >= 3 * kills
        assert failed
        table = catalog.load_table("n.t")
        found = {}
        for row in table.scan().to_arrow().to_pylist():
            found.setdefault((row["writer"], row["turn"]), []).append(row["row"])
        assert all(sorted(values) == list(range(rows_each)) for values in found.values())
        assert acknowledged <= set(found) <= acknowledged | failed
        # One snapshot for each append, each on the one before.
        assert len(table.history()) == len(found)
        parents = [snapshot.parent_snapshot_id for snapshot in table.snapshots()]
        assert len(set(parents)) == len(parents)
    finally:
        stop.set()
        server.stop()
