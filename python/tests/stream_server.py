# SPDX-License-Identifier: Apache-2.0
"""A project's services as a process of their own, and plain HTTP requests to them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from rest_server import BINARY

PROJECT = """
data: data
server: {port: 0}
streams:
  shop.events:
    columns:
      id: long not null
      at: timestamptz
      kind: {type: string, default: view}
      price: decimal(9, 2)
      score: double
      tags: list<string>
      place: "struct<x: double, y: double>"
      extra: map<string, long>
      raw: binary
    event_time: at
    shards: 2
    flush: {interval: 500ms}
  shop.items:
    columns:
      id: long not null
      name: string
      at: long
    primary_key: id
    merge: {engine: last_write, sequence: at}
    flush: {interval: 500ms}
"""


class StreamServer:
    """`weir up` on a free port, from construction to the end of the `with`."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        project: str = PROJECT,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.environment = {**os.environ, **(environment or {})}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weir.yaml").write_text(project)
        self.arguments = arguments
        self.start()

    def start_only(self) -> None:
        """Starts the process, and does not wait until it serves."""
        # A file, so that a talkative server cannot fill a pipe that nobody reads.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [str(BINARY), "up", str(self.folder), *self.arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=self.environment,
        )

    def start(self) -> None:
        self.start_only()
        line = self.process.stdout.readline().decode()
        if not line.startswith("weir at "):
            self.process.wait(10)
            raise RuntimeError(f"the service did not start: {line}{self.errors()}")
        self.uri = line.rsplit(" ", 1)[1].strip()
        self.port = urlsplit(self.uri).port

    def errors(self) -> str:
        """What the service wrote to standard error so far."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    @property
    def peak_memory(self) -> int:
        """The most bytes of memory that the process has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    def __enter__(self) -> StreamServer:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> int:
        """Stops the service as an operator would; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        return self.process.returncode

    def kill(self) -> None:
        """Ends the service at once, as a loss of power would."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def request(self, method, path, body=None, headers=None, timeout=60):
        """Status, headers and body of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def append(self, table, lines, headers=None, query=""):
        """The status and the answer's JSON to lines of JSON, given as text, bytes or values."""
        if isinstance(lines, list):
            lines = "".join(json.dumps(line) + "\n" for line in lines)
        body = lines.encode() if isinstance(lines, str) else lines
        status, _, answer = self.request("POST", f"/v1/streams/{table}{query}", body, headers or {})
        return status, json.loads(answer)

    def describe(self, table):
        status, _, answer = self.request("GET", f"/v1/streams/{table}")
        assert status == 200, answer
        return json.loads(answer)

    def wait_until_covered(self, table, seconds=60):
        """Waits until the table holds everything that was appended."""
        deadline = time.monotonic() + seconds
        while self.describe(table)["lag_rows"] > 0:
            assert time.monotonic() < deadline, self.describe(table)
            time.sleep(0.05)
