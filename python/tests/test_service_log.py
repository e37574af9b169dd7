# SPDX-License-Identifier: Apache-2.0
"""What `weir up` writes to standard error."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timezone

import pytest
from faults import Faults
from feed import PROJECT, Feed
from rest_server import BINARY
from stream_server import StreamServer

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


def test_events_are_json_objects(tmp_path):
    faults = Faults(tmp_path, tmp_path / "project" / "data")
    with StreamServer(
        tmp_path / "project",
        "--log-format",
        "json",
        "--verbose",
        project=PROJECT,
        environment=faults.environment,
    ) as server:
        feed = Feed(server)
        assert feed.send() == 200
        server.request("GET", "/v1/streams/none.%0A?x=%22", headers={"X": "y"})
        faults.set(write_errno=28)
        feed.send_until(lambda status: status == 503, count=3_000)
        faults.set(write_errno=0)
        feed.send_until(lambda status: status == 200)
        server.wait_until_covered("shop.events")
        assert server.stop() == 0
        events = [json.loads(line) for line in server.errors().splitlines()]
    for event in events:
        time = datetime.fromisoformat(event["time"])
        assert abs((datetime.now(timezone.utc) - time).total_seconds()) < 300
        assert event["level"] in ("debug", "info", "warning", "error")
    by_name = {}
    for event in events:
        by_name.setdefault(event["event"], []).append(event)
    assert [events[0]["event"], events[1]["event"]] == ["recovered", "serving"]
    assert [event["event"] for event in events if event["level"] == "info"][-2:] == [
        "draining",
        "stopped",
    ]
    first = by_name["request"][0]
    assert (first["method"], first["target"], first["status"]) == (
        "POST",
        "/v1/streams/shop.events",
        200,
    )
    assert "No space" in by_name["log_failed"][0]["message"]
    assert by_name["log_failed"][0]["shard"] == 0
    assert by_name["log_recovered"]
    assert by_name["flushed"][0]["stream"] in ("shop.events", "shop.items")


def test_events_are_text_by_default(tmp_path):
    with StreamServer(tmp_path / "project", project=PROJECT) as server:
        assert Feed(server).send() == 200
        assert server.stop() == 0
        lines = server.errors().splitlines()
    assert [line.split(" ")[2].rstrip(":") for line in lines] == [
        "recovered",
        "serving",
        "draining",
        "stopped",
    ]
    assert all(line.split(" ")[1] == "info" for line in lines)


def test_why_it_does_not_start_is_an_event(tmp_path):
    (tmp_path / "weir.yaml").write_text(PROJECT.replace("long not null", "lung"))
    command = [BINARY, "up", tmp_path, "--log-format", "json"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    event = json.loads(line)
    assert (event["level"], event["event"]) == ("error", "failed")
    assert "did you mean long" in event["message"]


@pytest.mark.parametrize("closes", [False, True])
def test_nobody_reads_the_log(tmp_path, closes):
    server = StreamServer(tmp_path / "project", project=PROJECT)
    server.stop()
    process = subprocess.Popen(
        [BINARY, "up", tmp_path / "project", "--verbose"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    line = process.stdout.readline().decode()
    server.port = int(line.rsplit(":", 1)[1])
    server.process = process
    if closes:
        process.stderr.close()
    try:
        feed = Feed(server)
        # More than a pipe holds.
        for _ in range(1_000):
            assert feed.send(2) == 200
        feed.check()
    finally:
        process.terminate()
        assert process.wait(60) == 0
