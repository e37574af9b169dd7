# SPDX-License-Identifier: Apache-2.0
"""The catalog server by plain HTTP: what clients' libraries do not show."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid

import pytest
from rest_server import BINARY, SCHEMA, RestServer, set_property

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


def key() -> str:
    """A fresh UUID of version 7."""
    digits = uuid.uuid4().hex
    return str(uuid.UUID(digits[:12] + "7" + digits[13:]))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with RestServer(tmp_path_factory.mktemp("warehouse")) as server:
        yield server


@pytest.fixture
def namespace(server, request):
    name = request.node.name.replace("[", "_").replace("]", "")
    status, _, _ = server.request("POST", "/v1/namespaces", {"namespace": [name]})
    assert status == 200
    return name


@pytest.fixture
def table(server, namespace):
    """The path of a table."""
    status, _, _ = server.request(
        "POST", f"/v1/namespaces/{namespace}/tables", {"name": "t", "schema": SCHEMA}
    )
    assert status == 200
    return f"/v1/namespaces/{namespace}/tables/t"


def test_errors_have_the_model_of_the_specification(server):
    for method, path, body, status, kind in [
        ("GET", "/v1/namespaces/absent", None, 404, "NoSuchNamespaceException"),
        ("GET", "/v1/namespaces/absent/tables", None, 404, "NoSuchNamespaceException"),
        ("GET", "/v1/namespaces/absent/tables/t", None, 404, "NoSuchTableException"),
        ("GET", "/v1/namespaces/absent/views/v", None, 404, "NoSuchViewException"),
        ("GET", "/v1/other/namespaces", None, 404, "NoSuchWarehouseException"),
        ("GET", "/v1/config?warehouse=other", None, 404, "NoSuchWarehouseException"),
        ("GET", "/v2/config", None, 404, "NoSuchRouteException"),
        ("PUT", "/v1/namespaces", None, 405, "MethodNotAllowedException"),
        ("POST", "/v1/namespaces", b"{", 400, "BadRequestException"),
        ("POST", "/v1/namespaces", b"[" * 100_000, 400, "BadRequestException"),
        ("POST", "/v1/namespaces", {"namespace": []}, 400, "BadRequestException"),
        ("POST", "/v1/namespaces", {"namespace": "a"}, 400, "BadRequestException"),
        ("GET", "/v1/namespaces?pageSize=0", None, 400, "BadRequestException"),
        ("GET", "/v1/namespaces?pageToken=%21", None, 400, "BadRequestException"),
        ("GET", "/v1/namespaces/%FF", None, 400, "BadRequestException"),
    ]:
        found, _, answer = server.request(method, path, body)
        assert (found, answer["error"]["type"]) == (status, kind), path
        assert answer["error"]["code"] == status
        assert answer["error"]["message"]


def test_config_names_the_warehouse(server):
    for query in ["", "?warehouse=weir", f"?warehouse=file://{server.data}", "?warehouse="]:
        status, _, answer = server.request("GET", f"/v1/config{query}")
        assert status == 200
        assert answer["overrides"]["prefix"] == "weir"
        assert "POST /v1/{prefix}/transactions/commit" in answer["endpoints"]


def test_entity_tags(server, table):
    status, fields, _ = server.request("GET", table)
    tag = fields["etag"]
    status, fields, answer = server.request("GET", table, headers={"If-None-Match": tag})
    assert (status, fields["etag"], answer) == (304, tag, None)
    for field in [f'"x", W/{tag}', f"W/{tag}"]:
        assert server.request("GET", table, headers={"If-None-Match": field})[0] == 304
    # Another representation has another tag.
    status, fields, _ = server.request(
        "GET", f"{table}?snapshots=refs", None, {"If-None-Match": tag}
    )
    assert status == 200
    assert fields["etag"] != tag
    status, fields, _ = server.request("POST", table, set_property("a", "1"))
    assert status == 200
    assert fields["etag"] != tag
    assert server.request("GET", table, headers={"If-None-Match": tag})[0] == 200
    assert server.request("GET", table, headers={"If-None-Match": fields["etag"]})[0] == 304
    assert server.request("GET", table, headers={"If-None-Match": '"nonsense"'})[0] == 200


def test_the_same_key_is_the_same_answer(server, table):
    fields = {"Idempotency-Key": key()}
    body = set_property("a", "1")
    first = server.request("POST", table, body, fields)
    second = server.request("POST", table, body, fields)
    assert first[0] == second[0] == 200
    assert first[2]["metadata-location"] == second[2]["metadata-location"]
    # Another request with it is refused, and does nothing.
    status, _, answer = server.request("POST", table, set_property("a", "2"), fields)
    assert (status, answer["error"]["type"]) == (400, "BadRequestException")
    _, _, answer = server.request("GET", table)
    assert answer["metadata"]["properties"]["a"] == "1"
    # Errors are kept, too.
    gone = table.rsplit("/", 1)[0] + "/later"
    fields = {"Idempotency-Key": key()}
    assert server.request("DELETE", gone, headers=fields)[0] == 404
    collection = table.rsplit("/", 1)[0]
    assert server.request("POST", collection, {"name": "later", "schema": SCHEMA})[0] == 200
    assert server.request("DELETE", gone, headers=fields)[0] == 404
    fields = {"Idempotency-Key": key()}
    assert server.request("DELETE", gone, headers=fields)[0] == 204
    assert server.request("DELETE", gone, headers=fields)[0] == 204
    for bad in ["", "x", str(uuid.uuid4())]:
        assert server.request("DELETE", gone, headers={"Idempotency-Key": bad})[0] == 400


def test_a_key_sent_at_once_many_times_is_done_once(server, table):
    fields = {"Idempotency-Key": key()}
    collection = table.rsplit("/", 1)[0]
    answers = []

    def create():
        body = {"name": "once", "schema": SCHEMA}
        answers.append(server.request("POST", collection, body, fields))

    threads = [threading.Thread(target=create) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _, _ in answers] == [200] * 12
    assert len({answer["metadata"]["table-uuid"] for _, _, answer in answers}) == 1


def test_sixteen_writers_lose_nothing(server, table):
    """Each writer adds columns, under the requirement that nobody else has added one meanwhile."""
    per_writer = 6
    failures = []

    def write(writer):
        for turn in range(per_writer):
            for _ in range(2_000):
                _, _, answer = server.request("GET", table)
                last = answer["metadata"]["last-column-id"]
                schema = next(
                    schema
                    for schema in answer["metadata"]["schemas"]
                    if schema["schema-id"] == answer["metadata"]["current-schema-id"]
                )
                field = {
                    "id": last + 1,
                    "name": f"c{writer}_{turn}",
                    "required": False,
                    "type": "int",
                }
                body = {
                    "requirements": [
                        {"type": "assert-last-assigned-field-id", "last-assigned-field-id": last}
                    ],
                    "updates": [
                        {
                            "action": "add-schema",
                            "schema": {
                                "type": "struct",
                                "fields": [*schema["fields"], field],
                            },
                        },
                        {"action": "set-current-schema", "schema-id": -1},
                    ],
                }
                status, _, answer = server.request("POST", table, body)
                if status == 200:
                    break
                if status != 409 or answer["error"]["type"] != "CommitFailedException":
                    failures.append((status, answer))
                    return
            else:
                failures.append(f"writer {writer} starved")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    _, _, answer = server.request("GET", table)
    metadata = answer["metadata"]
    current = [s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"]]
    names = {field["name"] for field in current[0]["fields"]}
    assert names == {"id"} | {f"c{w}_{t}" for w in range(16) for t in range(per_writer)}
    ids = [field["id"] for field in current[0]["fields"]]
    assert len(set(ids)) == len(ids) == 16 * per_writer + 1


def test_transactions_change_all_tables_or_none(server, namespace):
    for name in ["a", "b"]:
        server.request(
            "POST", f"/v1/namespaces/{namespace}/tables", {"name": name, "schema": SCHEMA}
        )

    def change(name, value, *requirements):
        return {
            "identifier": {"namespace": [namespace], "name": name},
            **set_property("x", value, *requirements),
        }

    def values():
        found = []
        for name in ["a", "b"]:
            _, _, answer = server.request("GET", f"/v1/namespaces/{namespace}/tables/{name}")
            found.append(answer["metadata"].get("properties", {}).get("x"))
        return found

    path = "/v1/transactions/commit"
    status, _, _ = server.request(
        "POST", path, {"table-changes": [change("a", "1"), change("b", "1")]}
    )
    assert (status, values()) == (204, ["1", "1"])
    wrong = {"type": "assert-table-uuid", "uuid": str(uuid.uuid4())}
    status, _, answer = server.request(
        "POST", path, {"table-changes": [change("a", "2"), change("b", "2", wrong)]}
    )
    assert (status, answer["error"]["type"]) == (409, "CommitFailedException")
    status, _, answer = server.request(
        "POST", path, {"table-changes": [change("a", "2"), change("absent", "2")]}
    )
    assert (status, answer["error"]["type"]) == (404, "NoSuchTableException")
    status, _, _ = server.request(
        "POST", path, {"table-changes": [change("a", "2"), change("a", "3")]}
    )
    assert status == 400
    assert values() == ["1", "1"]


def test_tables_stay_in_the_warehouse(server, namespace, tmp_path):
    collection = f"/v1/namespaces/{namespace}/tables"
    (server.data / "plain").write_text("a file where a folder should be")
    for location, status in [
        (str(tmp_path / "outside"), 403),
        (f"file://{server.data}-not/x", 403),
        (f"file://{server.data}/../x", 400),
        (f"file://{server.data}/plain/x", 400),
        ("s3://bucket/x", 403),
        ("relative", 400),
        ("", 400),
    ]:
        body = {"name": "t", "schema": SCHEMA, "location": location}
        found, _, answer = server.request("POST", collection, body)
        assert found == status, (location, answer)
        body = {"name": "t", "metadata-location": location + "/v1.metadata.json"}
        found, _, _ = server.request("POST", f"/v1/namespaces/{namespace}/register", body)
        assert found in (400, 403)
    body = {"name": "t", "schema": SCHEMA, "location": f"file://{server.data}/mine"}
    assert server.request("POST", collection, body)[0] == 200
    for update in [
        {"action": "set-location", "location": "/tmp/x"},
        {"action": "set-properties", "updates": {"write.metadata.path": "/tmp/x"}},
    ]:
        body = {"requirements": [], "updates": [update]}
        assert server.request("POST", f"{collection}/t", body)[0] == 403


def test_requests_are_bounded(server):
    # A body that announces too much is refused before it is sent.
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    # One that does not stop is cut off.
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /v1/namespaces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        try:
            for _ in range(200):
                connection.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
    assert sent < 100 << 20
    # So are heads.
    status, _, _ = server.request("GET", "/v1/config?warehouse=" + "x" * 20_000)
    assert status in (400, 404)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (1 << 20))
            assert connection.recv(100)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431", b"")
        except OSError:
            pass
    for garbage in [b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\xff\xfe" * 50]:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(garbage + b"\r\n\r\n")
            assert connection.recv(100)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 404", b"")
    assert server.request("GET", "/v1/config")[0] == 200


def test_reports_are_taken(server, table):
    report = {
        "report-type": "commit-report",
        "table-name": "t",
        "snapshot-id": 1,
        "sequence-number": 1,
        "operation": "append",
        "metrics": {"added-data-files": {"unit": "count", "value": 1}},
    }
    assert server.request("POST", f"{table}/metrics", report)[0] == 204
    assert server.request("POST", f"{table}/metrics", {})[0] == 400
    assert server.request("POST", f"{table}-not/metrics", report)[0] == 404


def test_it_stops_when_told(tmp_path):
    with RestServer(tmp_path / "data") as server:
        idle = socket.create_connection(("127.0.0.1", server.port))
        assert server.request("GET", "/health")[0] == 200
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 10
        idle.close()
    assert os.path.isdir(tmp_path / "data")
