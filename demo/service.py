# SPDX-License-Identifier: Apache-2.0
"""`weir up` as a process that may be killed, and requests to it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"
#: Where a person's reactions go.
EVENTS = "/v1/events?surface=home"


def timestamp(micros: int) -> str:
    """Microseconds since 1970, as the service reads them."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(micros // 1_000_000))
    return f"{whole}.{micros % 1_000_000:06d}Z"


class Service:
    """`weir up` on a folder with a project file, which may be killed and started again."""

    def __init__(self, binary: Path, folder: Path, environment: dict[str, str] | None = None):
        self.binary, self.folder = binary, folder
        self.environment = {**os.environ, **(environment or {})}
        self.log = folder / "weir.log"
        self.starts = 0
        self.options: list[str] = []
        self.start()
        # Whoever speaks to it finds it at the same place after a kill.
        self.options = ["--port", str(self.port)]

    def start(self) -> None:
        self.launch()
        line = self.process.stdout.readline().decode()
        if not line.startswith("weir at "):
            last = "".join(self.log.read_text(errors="replace").splitlines(True)[-5:])
            sys.exit(f"error: weir up did not start; the end of {self.log}:\n{last}")
        self.uri = line.rsplit(" ", 1)[1].strip()
        self.port = urlsplit(self.uri).port

    def launch(self) -> None:
        """Starts the process, and does not wait until it serves."""
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.binary), "up", str(self.folder), *self.options],
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def kill_and_start(self) -> str:
        """Says how long it was away."""
        self.kill()
        begin = time.monotonic()
        self.start()
        return f"started again in {time.monotonic() - begin:.1f} s, everybody goes on"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


class Client:
    """One connection, opened again when it breaks. For one thread."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.connection: http.client.HTTPConnection | None = None

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> bytes:
        """The answer's body; an `OSError` when there is none now."""
        port = self.service.port
        is_fresh = self.connection is None or self.connection.port != port
        if is_fresh:
            self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            self.connection.request(method, path, body, headers or {})
            response = self.connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            self.connection = None
            if is_fresh:
                raise OSError(str(error)) from error
            # A connection of before a kill says nothing about now.
            return self.request(method, path, body, headers)
        if response.status in (429, 503, 504):
            raise OSError(answer.decode())
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.decode()}")
        return answer

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """As `request`, with JSON both ways."""
        text = None if body is None else json.dumps(body)
        return json.loads(self.request(method, path, text, {"Content-Type": "application/json"}))

    def send(self, path: str, events: list[dict], producer: str, sequence: int) -> None:
        """Appends events, once, however often the service goes away before it answers."""
        headers = {
            "Content-Type": "application/x-ndjson",
            "Weir-Producer-Id": producer,
            "Weir-Producer-Sequence": str(sequence),
        }
        body = "\n".join(json.dumps(event) for event in events)
        while True:
            try:
                self.request("POST", path, body, headers)
                return
            except OSError:
                time.sleep(0.02)

    def scan(self, stream: str, columns: str, where: str | None = None) -> pa.Table:
        query = {"columns": columns, **({"filter": where} if where else {})}
        path = f"/v1/streams/{quote(stream)}/scan?{urlencode(query)}"
        try:
            return pa.ipc.open_stream(self.request("GET", path, None, {"Accept": ARROW})).read_all()
        except pa.ArrowInvalid as error:
            raise OSError("the answer ends early") from error

    def lookup(self, stream: str, keys: list[dict], columns: list[str]) -> list[dict | None]:
        body = {"keys": keys, "columns": columns}
        found: list[dict | None] = self.json("POST", f"/v1/streams/{stream}/lookup", body)["rows"]
        return found
