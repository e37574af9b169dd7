# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow, huge, malformed or gone get an answer or are cut off, and nobody waits."""

from __future__ import annotations

import contextlib
import gzip
import json
import resource
import socket
import time

import pytest
from rest_server import BINARY
from stream_server import StreamServer

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with StreamServer(tmp_path_factory.mktemp("streams") / "project") as server:
        yield server
        assert server.process.poll() is None


def talk(server, data: bytes, *, half_close=False, timeout=20) -> bytes:
    """What comes back for raw bytes, until the server closes or nothing comes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = b""
        connection.settimeout(timeout)
        try:
            while part := connection.recv(65_536):
                answer += part
                if b"\r\n\r\n" in answer and b"Connection: close" not in answer:
                    break
        except OSError:
            pass
        return answer


def status(server, method, path, body=None, **headers):
    code, _, answer = server.request(
        method, path, body, {key.replace("_", "-"): value for key, value in headers.items()}
    )
    return code, json.loads(answer) if answer.startswith(b"{") else answer


EVENTS = "/v1/streams/shop.events"
POST = b"POST /v1/streams/shop.events HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("method", "path", "headers", "code", "word"),
    [
        ("POST", "/v1/streams/shop.nothing", {}, 404, "shop.nothing"),
        ("POST", "/v1/streams/nothing", {}, 400, "namespace.table"),
        ("POST", "/v1/streams/%ff", {}, 400, "percent"),
        ("GET", "/v1/streams/shop.events/what", {}, 404, "docs/streams-api.md"),
        ("PUT", EVENTS, {}, 405, "PUT"),
        ("DELETE", "/metrics", {}, 405, "DELETE"),
        ("POST", EVENTS, {"Content_Type": "image/png"}, 415, "image/png"),
        ("POST", EVENTS, {"Content_Encoding": "br"}, 415, "gzip or zstd"),
        ("POST", EVENTS + "?unknown_feilds=ignore", {}, 400, "did you mean 'unknown_fields'"),
        ("POST", EVENTS + "?binary=octal", {}, 400, "base64, hex"),
        ("POST", EVENTS, {"Weir_Producer_Id": "a"}, 400, "together"),
        (
            "POST",
            EVENTS,
            {"Weir_Producer_Id": "a", "Weir_Producer_Sequence": "-1"},
            400,
            "whole number",
        ),
        ("GET", EVENTS + "?from=yesterday", {}, 400, "earliest, latest"),
        ("GET", EVENTS + "?from=0:1,0:2", {}, 400, "position"),
        ("GET", EVENTS + "?limit=1", {}, 400, "from"),
        ("GET", EVENTS + "?from=latest&limit=x", {}, 400, "limit"),
        ("GET", EVENTS + "?from=latest", {"Accept": "image/png"}, 406, "event-stream"),
        ("GET", EVENTS + "/scan?filter=id+%3E", {}, 400, "filter"),
        ("GET", EVENTS + "/scan?columns=nothing", {}, 400, "nothing"),
        ("POST", EVENTS + "/lookup", {}, 400, "primary key"),
        ("POST", "/v1/streams/shop.items/lookup", {}, 400, "lookup"),
    ],
)
def test_wrong_requests(server, method, path, headers, code, word):
    found, answer = status(server, method, path, b'{"id": "x', **headers)
    assert found == code, answer
    assert word in answer["error"]["message"], answer
    assert answer["error"]["code"] == code


def test_keys_that_are_none(server):
    for body in ['{"keys": [{"idd": 1}]}', '{"keys": ["a"]}', '{"keys": 5}', "[]", '{"kesy": []}']:
        code, answer = status(server, "POST", "/v1/streams/shop.items/lookup", body.encode())
        assert code == 400, answer
    code, answer = status(server, "POST", "/v1/streams/shop.items/lookup", b'{"keys": []}')
    assert (code, answer) == (200, {"rows": []})


def test_bodies_that_are_too_large(server):
    head = b"POST /v1/streams/shop.events HTTP/1.1\r\nHost: x\r\n"
    # Announced: refused before it comes.
    answer = talk(server, head + b"Content-Length: 99999999999\r\n\r\n")
    assert b" 413 " in answer.split(b"\r\n")[0]
    # Not announced.
    code, answer = status(server, "POST", EVENTS, (b"x" * (1 << 20) for _ in range(40)))
    assert code == 413
    # Small as sent, large in truth.
    bomb = gzip.compress(b'{"id": 1}\n' * 30_000_000, 9)
    assert len(bomb) < 32 << 20
    code, answer = status(server, "POST", EVENTS, bomb, Content_Encoding="gzip")
    assert code == 413, answer
    # Short lines that say many rows.
    code, answer = status(server, "POST", EVENTS, b'{"id":1}\n' * 2_000_000)
    assert code == 413
    assert "records" in answer["error"]["message"]
    # Nothing but bad lines.
    code, answer = status(server, "POST", EVENTS, b"x\n" * 100_000)
    assert code == 413
    assert "do not fit" in answer["error"]["message"]
    # A record that is too long is refused alone.
    lines = b'{"id": 1, "kind": "' + b"x" * (2 << 20) + b'"}\n{"id": 2}\n'
    code, answer = status(server, "POST", EVENTS, lines)
    assert code == 200
    assert answer["rows"] == 1
    assert answer["rejected"]["count"] == 1


def test_bodies_that_are_damaged(server):
    whole = gzip.compress(b'{"id": 1}\n' * 1_000)
    for body in [whole[:-9], whole[:30], b"\x1f\x8b", b"nonsense", whole + b"rest"]:
        code, _ = status(server, "POST", EVENTS, body, Content_Encoding="gzip")
        assert code == 400
    for body in [
        b"",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\x10\x00\x00\x00" + b"\x07" * 50,
        b"{}",
    ]:
        code, _ = status(
            server, "POST", EVENTS, body, Content_Type="application/vnd.apache.arrow.stream"
        )
        assert code == 400


def test_deep_and_odd_records(server):
    deep = '{"id": 1, "x": ' + "[" * 100_000 + "]" * 100_000 + "}"
    code, answer = status(server, "POST", EVENTS + "?unknown_fields=ignore", deep.encode())
    assert code == 200
    assert answer["rejected"]["count"] == 1
    for line in [
        b'{"id": 1e999999999}',
        b'{"id": ' + b"9" * 100_000 + b"}",
        b"\0" * 100,
        b'{"id":1',
    ]:
        code, answer = status(server, "POST", EVENTS, line)
        assert code == 200
        assert answer["rows"] == 0
        assert answer["rejected"]["count"] == 1


def test_broken_http(server):
    for data in [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + b"Content-Length: -5\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    ]:
        answer = talk(server, data, half_close=True)
        assert answer == b"" or answer.split(b" ")[1].startswith(b"4"), answer[:200]
    # Half closed in the middle of a body: nothing was taken.
    before = server.describe("shop.events")["appended_rows"]
    head = b"POST /v1/streams/shop.events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    talk(server, head + b'{"id": 1}\n', half_close=True)
    assert server.describe("shop.events")["appended_rows"] == before


def test_slow_and_silent_clients_do_not_hold_up_others(server):
    connections = []
    for number in range(300):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        if number % 3 == 1:
            connection.sendall(b"POST /v1/streams/shop.events HTTP/1.1\r\nHost: x\r\n")
        if number % 3 == 2:
            connection.sendall(
                b"POST /v1/streams/shop.events HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"
            )
        connections.append(connection)
    started = time.monotonic()
    code, answer = server.append("shop.events", '{"id": 1}')
    assert code == 200
    assert answer["rows"] == 1
    assert time.monotonic() - started < 10
    for connection in connections:
        connection.close()


@pytest.mark.slow
def test_tails_that_nobody_reads(server):
    line = json.dumps({"id": 1, "kind": "x" * 1_000})
    for _ in range(3):
        assert server.append("shop.events", "\n".join([line] * 10_000))[0] == 200
    connections = []
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(b"GET /v1/streams/shop.events?from=earliest HTTP/1.1\r\nHost: x\r\n\r\n")
        connections.append(connection)
    code, _ = server.append("shop.events", '{"id": 2}')
    assert code == 200
    for connection in connections:
        connection.close()
    # Too many at a time are refused, with the time after which to try again.
    connections = []
    answers = []
    for _ in range(260):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        connection.sendall(b"GET /v1/streams/shop.events?from=latest HTTP/1.1\r\nHost: x\r\n\r\n")
        connections.append(connection)
    for connection in connections:
        answers.append(connection.recv(4_096).split(b"\r\n")[0])
    assert any(b" 429 " in answer for answer in answers)
    assert sum(b" 200 " in answer for answer in answers) >= 200
    for connection in connections:
        connection.close()
    deadline = time.monotonic() + 60
    while True:
        code, _, _ = server.request("GET", EVENTS + "?from=earliest&limit=1")
        if code == 200:
            break
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.slow
def test_ten_thousand_connections(server):
    wanted = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted + 500:
        pytest.skip(f"this process may open only {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 500), hard))
    connections = []
    slowest = 0.0
    try:
        for number in range(wanted):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            connections.append(connection)
            with contextlib.suppress(OSError):
                if number % 3 == 1:
                    connection.sendall(POST + b"Content-Length: 500\r\n\r\n{")
                if number % 3 == 2:
                    connection.sendall(b"GET /v1/str")
            if number % 500 == 499:
                started = time.monotonic()
                code, answer = server.append("shop.events", f'{{"id": {number}}}')
                slowest = max(slowest, time.monotonic() - started)
                assert (code, answer["rows"]) == (200, 1)
        assert slowest < 10
        assert server.peak_memory < 2 << 30
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert server.append("shop.events", '{"id": 1}')[0] == 200


def test_requests_that_never_end_are_cut_off(server):
    """The head of a request has a minute to come; the body, too. Here: a byte now and then."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(POST + b"Content-Length: 1000000\r\n\r\n")
        for _ in range(5):
            connection.sendall(b" ")
            time.sleep(0.01)
        before = server.describe("shop.events")["appended_rows"]
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65_536)
        assert answer == b"" or b" 400 " in answer.split(b"\r\n")[0]
    assert server.describe("shop.events")["appended_rows"] == before


def test_tokens(tmp_path):
    token = "0123456789abcdef-secret"
    with StreamServer(tmp_path / "project", "--token", token) as server:
        assert server.request("GET", "/healthz")[0] == 200
        assert server.request("GET", "/readyz")[0] == 200
        for method, path in [("POST", EVENTS), ("GET", EVENTS), ("GET", "/metrics")]:
            code, headers, _ = server.request(method, path, b"" if method == "POST" else None)
            assert code == 401
            assert headers["WWW-Authenticate"].startswith("Bearer")
        headers = {"Authorization": f"Bearer {token}"}
        assert server.request("GET", EVENTS, headers=headers)[0] == 200
        assert server.append("shop.events", '{"id": 1}', headers)[0] == 200
