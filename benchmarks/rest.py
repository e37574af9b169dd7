# SPDX-License-Identifier: Apache-2.0
"""Requests per second of the catalog server: loading a table, and committing to one.

The clients are threads of this process with a connection each, on the same machine; with few cores
they take as much of them as the server, so that figures are lower bounds.

    benchmarks/rest.py [--seconds 5] [--connections 1,4,16] [--catalog postgresql://...]
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python" / "tests"))

from rest_server import SCHEMA, RestServer, set_property


def measure(server, seconds, connections, request):
    """Requests per second and the latencies in milliseconds of `request(connection, thread)`."""
    latencies = [[] for _ in range(connections)]
    end = time.monotonic() + seconds

    def work(thread):
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        while (start := time.perf_counter()) and time.monotonic() < end:
            request(connection, thread)
            latencies[thread].append((time.perf_counter() - start) * 1_000)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = sorted(latency for own in latencies for latency in own)
    return len(every) / seconds, every[len(every) // 2], every[int(len(every) * 0.99)]


def send(connection, method, path, body=None, **headers):
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, headers)
    response = connection.getresponse()
    text = response.read()
    assert response.status in (200, 204, 304), (response.status, text)
    return response


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", default="1,4,16")
    parser.add_argument("--catalog")
    options = parser.parse_args()
    arguments = ["--catalog", options.catalog] if options.catalog else []
    with (
        tempfile.TemporaryDirectory() as folder,
        RestServer(Path(folder) / "warehouse", *arguments) as server,
    ):
        tables = "/v1/namespaces/n/tables"
        server.request("POST", "/v1/namespaces", {"namespace": ["n"]})
        for name in ["t", *(f"t{index}" for index in range(64))]:
            server.request("POST", tables, {"name": name, "schema": SCHEMA})
        _, fields, _ = server.request("GET", f"{tables}/t")
        tag = fields["etag"]
        kinds = {
            "GET config": lambda c, _: send(c, "GET", "/v1/config"),
            "load table": lambda c, _: send(c, "GET", f"{tables}/t"),
            "load table, not modified": lambda c, _: send(
                c, "GET", f"{tables}/t", **{"If-None-Match": tag}
            ),
            "commit, a table each": lambda c, thread: send(
                c, "POST", f"{tables}/t{thread}", set_property("at", str(time.perf_counter()))
            ),
            "commit, one table": lambda c, _: send(
                c, "POST", f"{tables}/t0", set_property("at", str(time.perf_counter()))
            ),
        }
        print(f"{'':28}{'connections':>12}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}")
        for name, request in kinds.items():
            for connections in map(int, options.connections.split(",")):
                rate, middle, high = measure(server, options.seconds, connections, request)
                print(f"{name:28}{connections:>12}{rate:>12.0f}{middle:>10.2f}{high:>10.2f}")


if __name__ == "__main__":
    main()
