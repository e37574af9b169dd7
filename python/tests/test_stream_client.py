# SPDX-License-Identifier: Apache-2.0
"""What the client of a stream does when a service refuses rows: a service that is made for it."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

import weir
from weir import _stream


class Refusing(http.server.ThreadingHTTPServer):
    """Gives the answers that were prepared, one after the other, and then takes the rows."""

    daemon_threads = True

    def __init__(self, answers: list[tuple[int, dict[str, str]]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.sequences: list[str] = []

    def __enter__(self) -> Refusing:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Refusing

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.sequences.append(self.headers["Weir-Producer-Sequence"])
        status, headers = self.server.answers.pop(0) if self.server.answers else (200, {})
        answer = {"rows": 1, "offsets": {}, "repeat": False, "rejected": {"count": 0}}
        if status != 200:
            answer = {"error": {"message": "too much", "type": "T", "code": status}}
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def waits(monkeypatch):
    """The client's waits, which take no time."""
    waits: list[float] = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(_stream.time, "sleep", sleep)
    monkeypatch.setattr(_stream.time, "monotonic", lambda: clock[0])
    return waits


def append(server: Refusing) -> dict:
    stream = _stream.Stream(f"http://127.0.0.1:{server.server_port}", "n.t", timeout=20)
    try:
        return stream.append([{"id": 1}])
    finally:
        stream.close()


def test_waits_for_what_the_service_asks(waits):
    asked = {"Retry-After": "1"}
    with Refusing([(429, asked)] * 5) as server:
        assert append(server)["rows"] == 1
        assert server.sequences == ["0"] * 6
    # Neither less nor, from time to time, more.
    assert len(waits) == 5
    assert all(1 <= wait <= 1.25 for wait in waits)
    assert len(set(waits)) > 1


def test_waits_longer_each_time_where_nothing_is_asked(waits):
    with Refusing([(503, {})] * 8) as server:
        append(server)
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2, 2]


def test_gives_up_when_its_time_is_over(waits):
    with Refusing([(429, {"Retry-After": "3"})] * 50) as server:
        with pytest.raises(weir.WeirError, match="too much"):
            append(server)
        assert set(server.sequences) == {"0"}
    assert sum(waits) <= 20


def test_what_is_wrong_is_not_sent_again(waits):
    with Refusing([(400, {"Retry-After": "1"})]) as server:
        with pytest.raises(weir.WeirError, match="too much"):
            append(server)
        assert server.sequences == ["0"]
    assert not waits
