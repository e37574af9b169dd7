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
