# SPDX-License-Identifier: Apache-2.0
"""The catalog server as a process of its own, and plain HTTP requests to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = Path(os.environ.get("WEIR_BIN", ROOT / ".build" / "release" / "weir")).resolve()

SCHEMA = {
    "type": "struct",
    "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}],
}


def set_property(name, value, *requirements):
    """The body of a commit that sets a property."""
    return {
        "requirements": list(requirements),
        "updates": [{"action": "set-properties", "updates": {name: value}}],
    }


class RestServer:
    """`weir catalog serve` on a free port, from construction to the end of the `with`."""

    def __init__(self, data: Path, *arguments: str, **environment: str) -> None:
        # WEIR_TEST_CATALOG runs the tests on another catalog than the one in the folder.
        if catalog := os.environ.get("WEIR_TEST_CATALOG"):
            arguments = ("--catalog", catalog, *arguments)
        self.data = data
        # A file, so that a talkative server cannot fill a pipe that nobody reads.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [str(BINARY), "catalog", "serve", "--data", str(data), "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **environment},
        )
        line = self.process.stdout.readline().decode()
        if not line.startswith("weir catalog at "):
            self.process.wait(10)
            raise RuntimeError(f"the server did not start: {line}{self.errors()}")
        self.uri = line.rsplit(" ", 1)[1].strip()
        self.port = urlsplit(self.uri).port

    def errors(self) -> str:
        """What the server wrote to standard error so far."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def __enter__(self) -> RestServer:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> int:
        """Stops the server as an operator would; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        return self.process.returncode

    def kill(self) -> None:
        """Ends the server at once, as a loss of power would."""
        self.process.kill()
        self.process.wait()

    def request(
        self, method: str, path: str, body=None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], object]:
        """Status, header fields (lower case) and JSON body (None without one) of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            data = body
            fields = dict(headers or {})
            if body is not None and not isinstance(body, bytes):
                data = json.dumps(body).encode()
                fields.setdefault("Content-Type", "application/json")
            connection.request(method, path, body=data, headers=fields)
            response = connection.getresponse()
            text = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, found, json.loads(text) if text else None
        finally:
            connection.close()
