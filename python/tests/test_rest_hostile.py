# SPDX-License-Identifier: Apache-2.0
"""Clients that mean the catalog server no good: others are answered, in bounded memory."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import threading
import time
from pathlib import Path

import pytest
from rest_server import BINARY, RestServer

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

POST = b"POST /v1/namespaces HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def server(tmp_path):
    with RestServer(tmp_path / "warehouse") as server:
        yield server
        # Whatever was done to it, it answers, says nothing and stops when told.
        assert server.request("GET", "/v1/config")[0] == 200
        assert server.stop() == 0
        assert server.errors() == ""


@pytest.fixture
def descriptors():
    """Enough of them for thousands of connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 5_000
    if before[1] != resource.RLIM_INFINITY and before[1] < wanted:
        pytest.skip("this process may not open 5,000 files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], wanted), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def resident_bytes(server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def connected(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def answer(connection) -> tuple[int, dict]:
    """Status and JSON body of the one answer on a connection that the server then closes."""
    data = b""
    while part := connection.recv(1 << 16):
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body else {}


def sent(server, *parts: bytes) -> tuple[int, dict]:
    with connected(server) as connection:
        for part in parts:
            connection.sendall(part)
        return answer(connection)


def test_idle_connections(server, descriptors):
    """More of them than the server keeps: the oldest go, nobody is locked out."""
    before = resident_bytes(server)
    kept = [connected(server) for _ in range(2_000)]
    try:
        start = time.monotonic()
        assert server.request("GET", "/v1/config")[0] == 200
        assert time.monotonic() - start < 5
        # The newest are there still, the oldest are not.
        kept[-1].sendall(b"GET /v1/config HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer(kept[-1])[0] == 200
        kept[0].settimeout(5)
        assert kept[0].recv(1) == b""
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 1_200
        assert resident_bytes(server) - before < 128 << 20
    finally:
        for connection in kept:
            connection.close()


def test_few_descriptors(tmp_path):
    """A server that may open few files keeps fewer connections, instead of failing to open them."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    import subprocess

    script = f"ulimit -n 400; exec {BINARY} catalog serve --data {tmp_path / 'data'} --port 0"
    process = subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE)
    try:
        port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
        kept = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(600)]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            body = b'{"namespace":["a"]}'
            connection.sendall(
                POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            assert answer(connection)[0] == 200
        for connection in kept:
            connection.close()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_slow_clients(server, descriptors):
    """Heads and bodies that do not go on."""
    slow = []
    for _ in range(300):
        slow.append(connected(server))
        slow[-1].sendall(POST + b"Content-Length: 1000000\r\n\r\n{")
        slow.append(connected(server))
        slow[-1].sendall(b"GET /v1/conf")
    start = time.monotonic()
    for _ in range(20):
        assert server.request("GET", "/v1/config")[0] == 200
    assert time.monotonic() - start < 5
    # One that goes on in the end is answered.
    body = b'"namespace":["late"]}'
    slow[0].sendall(body + b" " * (1_000_000 - 1 - len(body)))
    assert slow[0].recv(15) == b"HTTP/1.1 200 OK"
    for connection in slow:
        connection.close()


def test_half_closed_connections(server):
    """Who has sent all may stop sending, and gets the answer."""
    with connected(server) as connection:
        connection.sendall(b"GET /v1/config HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    with connected(server) as connection:
        connection.sendall(POST + b'Content-Length: 100\r\n\r\n{"namespace"')
        connection.shutdown(socket.SHUT_WR)
        status, found = answer(connection)
        assert (status, found["error"]["message"]) == (
            400,
            "the body of the request ends early",
        )
    for part in (b"", b"GET", b"GET / HTTP/1.1\r\n", POST):
        with connected(server) as connection:
            connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass


def test_connections_that_are_torn(server):
    """Clients that vanish in the middle of requests and answers."""
    request = (
        b'POST /v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 19\r\n\r\n{"namespace":["a"]}'
    )
    for end in range(0, len(request) + 1, 3):
        connection = connected(server)
        # A reset instead of an orderly end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(request[:end])
        connection.close()
    assert server.request("GET", "/v1/config")[0] == 200


def test_bad_framing(server):
    """Requests whose end two readers would see at different places."""
    body = b'{"namespace":["a"]}'
    for head in (
        b"Content-Length: 19\r\nContent-Length: 20\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 1e3\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Content-Length: 19\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Bad Name: x\r\n",
        b"X: a\x00b\r\n",
        b": empty\r\n",
    ):
        with connected(server) as connection:
            connection.sendall(POST + head + b"Connection: close\r\n\r\n" + body)
            status = connection.recv(12)
            assert status in (b"HTTP/1.1 400", b"HTTP/1.1 413", b""), (head, status)
    for chunk in (b"zz\r\n", b"-5\r\n", b"ffffffffffffffffff\r\n", b"5;" + b"x" * 100_000):
        with connected(server) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(12) in (b"HTTP/1.1 400", b""), chunk


def test_bodies_that_are_not_what_they_should_be(server):
    deep = b'{"namespace":' + b"[" * 200_000
    wide = b'{"namespace":[' + b"0," * 600_000 + b"0]}"
    for body, reason in (
        (b"", "no JSON value"),
        (b"\xff\xfe{}", "byte 0xff"),
        (b'{"namespace":["\xff\xfe"]}', "UTF-8"),
        (b'{"namespace":["\xed\xa0\x80"]}', "UTF-8"),
        (b'{"namespace":["\\ud800"]}', "surrogate"),
        (b'{"namespace":["a"]} x', "follows"),
        (b'{"namespace":["a"],}', "where"),
        (b'{"namespace":[NaN]}', "where"),
        (b'{"namespace":[1e999999999]}', "number"),
        (b'{"namespace":["' + b"a" * 1_000_000 + b'"]}', "namespace"),
        (b'{"namespace":["a\x00b"]}', "control"),
        (b'{"namespace":["a\\u0000b"]}', "a"),
        (deep, "deep"),
        (wide, "500000 values"),
        (b'{"namespace":' * 1_000, "deep"),
        (b'{"x":0,' * 3, ""),
    ):
        found, _, content = server.request("POST", "/v1/namespaces", body)
        assert found == 400, (body[:60], content)
        assert reason in content["error"]["message"], (body[:60], content["error"]["message"][:300])
        assert len(content["error"]["message"]) < 10_000


def test_paths_and_queries_that_are_not_text(server):
    for path in (
        "/v1/namespaces/%ff",
        "/v1/namespaces/%ed%a0%80",
        "/v1/namespaces/%",
        "/v1/namespaces/%zz",
        "/v1/namespaces/" + "a" * 20_000,
        "/v1/namespaces/" + "%1F".join(["a"] * 5_000),
        "/v1/namespaces/a/tables/%00",
        "/v1/namespaces?parent=%ff",
        "/v1/namespaces?pageToken=" + "A" * 10_000,
        "/v1/namespaces?pageSize=99999999999999999999999",
        "/v1/namespaces?pageSize=-1",
        "/v1/namespaces/../../etc/passwd",
        "//v1//namespaces",
        "/v1/namespaces/a/tables/t?snapshots=%00",
    ):
        found, _, content = server.request("GET", path)
        assert found in (400, 404), (path[:60], found)
        assert content["error"]["code"] == found
        assert len(content["error"]["message"]) < 50_000


def test_many_headers(server):
    for head in (
        b"".join(b"X-%d: y\r\n" % index for index in range(5_000)),
        b"X: " + b"y" * 40_000 + b"\r\n",
        b"Authorization: Bearer " + b"y" * 40_000 + b"\r\n",
    ):
        with connected(server) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /v1/config HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
            assert connection.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 431", b"")
    assert server.request("GET", "/v1/config", headers={"Authorization": "\xff\xfe"})[0] == 200


def test_large_bodies_at_once(server):
    """Each is within its bound; together they would be 1.2 GB, as JSON many times that."""
    body = b'{"namespace":[' + b"0," * (15 << 20) + b"0]}"
    head = POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    statuses = []

    def post():
        with contextlib.suppress(ConnectionError), connected(server) as connection:
            connection.settimeout(60)
            with contextlib.suppress(ConnectionError):
                connection.sendall(head + body)
            statuses.append(answer(connection)[0])

    threads = [threading.Thread(target=post) for _ in range(40)]
    for thread in threads:
        thread.start()
    peak = 0
    while any(thread.is_alive() for thread in threads):
        peak = max(peak, resident_bytes(server))
        time.sleep(0.02)
    assert set(statuses) <= {400, 503}
    assert 400 in statuses
    assert peak < 1 << 30, f"{peak >> 20} MiB"
    assert server.request("GET", "/v1/config")[0] == 200


def test_answers_that_nobody_reads(server):
    """A client that only sends is not read any more when its answers pile up."""
    before = resident_bytes(server)
    request = b"GET /v1/config HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000
    with connected(server) as connection:
        connection.settimeout(2)
        taken = 0
        with contextlib.suppress(TimeoutError):
            for _ in range(3_000):
                taken += connection.send(request)
        assert taken < 64 << 20
        assert server.request("GET", "/v1/config")[0] == 200
        assert resident_bytes(server) - before < 64 << 20
