# SPDX-License-Identifier: Apache-2.0
"""`weir up` on disks, clocks and catalogs that fail: clear errors, nothing lost, and it goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from faults import Faults
from feed import PROJECT, Feed
from rest_server import BINARY
from stream_server import StreamServer

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

ENOSPC, EROFS, EIO = 28, 30, 5


@contextlib.contextmanager
def small_disk(path: Path, megabytes: int):
    """A disk of its own in memory; skips where it cannot be mounted."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "weir-test", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path: Path) -> Path:
    """Takes all the space that is left."""
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    return ballast


def lives(server: StreamServer) -> None:
    assert server.process.poll() is None, server.errors()
    assert server.request("GET", "/healthz")[0] == 200


def is_well(feed: Feed) -> None:
    """All is in the tables, also for PyIceberg, and after the process was killed."""
    feed.send_until(lambda status: status == 200 and feed.pending is None)
    feed.check(by_iceberg=True)
    feed.server.kill()
    feed.server.start()
    feed.check()
    assert feed.send_until(lambda status: status == 200) == 200
    feed.check(by_iceberg=True)


def test_a_full_disk(tmp_path):
    with (
        small_disk(tmp_path / "disk", 64) as disk,
        StreamServer(disk / "project", project=PROJECT) as server,
    ):
        feed = Feed(server, text_bytes=500)
        for _ in range(10):
            assert feed.send() == 200
        ballast = fill(disk)
        feed.send_until(lambda status: status != 200, count=1_000)
        assert feed.last_error
        for _ in range(5):
            status = feed.send()
            assert status in (429, 503), feed.last_error
            assert feed.retry_after is not None
        assert "space" in feed.last_error or "overloaded" in feed.last_error, feed.last_error
        lives(server)
        feed.check()
        # A disk that stays full through a restart loses nothing either.
        server.kill()
        ballast.unlink()
        server.start()
        feed.check()
        ballast = fill(disk)
        feed.send_until(lambda status: status != 200, count=1_000)
        ballast.unlink()
        is_well(feed)


@pytest.mark.parametrize(("error", "word"), [(ENOSPC, "No space"), (EROFS, "Read-only")])
def test_writes_that_fail(tmp_path, error, word):
    faults = Faults(tmp_path, tmp_path / "project" / "data")
    with StreamServer(
        tmp_path / "project", project=PROJECT, environment=faults.environment
    ) as server:
        feed = Feed(server)
        for _ in range(10):
            assert feed.send() == 200
        faults.set(write_errno=error)
        deadline = time.monotonic() + 30
        while server.describe("shop.items")["failed_flushes"] == 0:
            status = feed.send()
            assert status in (200, 429, 503), feed.last_error
            assert time.monotonic() < deadline
        feed.send_until(lambda status: status != 200)
        assert word in feed.last_error
        assert word in server.describe("shop.items")["last_flush_failure"]
        assert faults.failed > 0
        lives(server)
        feed.check()
        faults.set(write_errno=0)
        is_well(feed)


def test_syncs_that_fail(tmp_path):
    faults = Faults(tmp_path, tmp_path / "project" / "data")
    with StreamServer(
        tmp_path / "project", project=PROJECT, environment=faults.environment
    ) as server:
        feed = Feed(server)
        for _ in range(3):
            for _ in range(5):
                assert feed.send() == 200
            faults.set(sync_errno=EIO)
            for _ in range(5):
                assert feed.send() in (429, 503), feed.last_error
            assert "Input/output error" in feed.last_error
            lives(server)
            status, _, reason = server.request("GET", "/readyz")
            assert status == 503
            assert b"Input/output error" in reason
            faults.set(sync_errno=0)
            # Also when nobody sends: who is not ready may get no more rows.
            deadline = time.monotonic() + 20
            while server.request("GET", "/readyz")[0] != 200:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            feed.send_until(lambda status: status == 200 and feed.pending is None)
        feed.check()
        is_well(feed)


def test_a_disk_that_cannot_be_written_to_is_told_at_the_start(tmp_path):
    faults = Faults(tmp_path, tmp_path / "project" / "data")
    with StreamServer(
        tmp_path / "project", project=PROJECT, environment=faults.environment
    ) as server:
        feed = Feed(server)
        for _ in range(10):
            assert feed.send() == 200
        server.kill()
        faults.set(write_errno=EROFS)
        with pytest.raises(RuntimeError, match=r"[Rr]ead-only") as error:
            server.start()
        assert "Fatal" not in str(error.value)
        assert server.process.returncode == 1
        faults.set(write_errno=0)
        server.start()
        feed.check()
        is_well(feed)


@pytest.mark.parametrize("jumps", [[3_600, -7_200, 0], [-86_400, 86_400, -86_400 * 365]])
def test_clocks_that_jump(tmp_path, jumps):
    faults = Faults(tmp_path, tmp_path / "project" / "data")
    with StreamServer(
        tmp_path / "project", project=PROJECT, environment=faults.environment
    ) as server:
        feed = Feed(server)
        for jump in [0, *jumps]:
            for _ in range(10):
                assert feed.send() == 200
            faults.set_clock(jump)
            for _ in range(10):
                assert feed.send() == 200, feed.last_error
            assert abs(newest_row(feed) - time.time() - jump) < 60
            feed.check(by_iceberg=True)
        # Also while it was away.
        server.kill()
        faults.set_clock(jumps[0])
        server.start()
        feed.check()
        is_well(feed)


def newest_row(feed: Feed) -> float:
    """When the row of the greatest offset came in, by the service's clock."""
    rows = feed.scan("shop.events").sort_by("_offset")
    return rows.column("_ingest_time")[-1].as_py().timestamp()


class Postgres:
    """A PostgreSQL of its own, reached by a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parts[-2]))
        if not programs:
            pytest.skip("PostgreSQL is not installed")
        self.programs, self.folder = programs[-1], folder
        folder.mkdir(mode=0o755)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-U", "weir", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.address = f"postgresql://weir@/postgres?host={folder}"
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run(
            [*become, self.programs / program, "-D", self.folder / "data", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            cwd="/",
        )

    def start(self) -> None:
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "start", "-w", "-o", options, "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "stop", "-m", mode)


def wait_for_failed_flush(feed: Feed) -> None:
    """Sends on: rows are durable in the log whatever becomes of the catalog."""
    deadline = time.monotonic() + 60
    failed = feed.server.describe("shop.events")["failed_flushes"]
    while feed.server.describe("shop.events")["failed_flushes"] == failed:
        assert feed.send() == 200, feed.last_error
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert feed.server.describe("shop.events")["last_flush_failure"]


@pytest.fixture
def postgres():
    # A short path, for the socket; of a kind that another user may enter.
    folder = Path(f"/tmp/weir-pg-{os.getpid()}-{time.monotonic_ns() % 1_000_000}")
    server = Postgres(folder)
    yield server
    with contextlib.suppress(subprocess.CalledProcessError):
        server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_catalog_that_goes_away_and_returns(tmp_path, postgres):
    project = f"catalog: {postgres.address}\n" + PROJECT
    with StreamServer(tmp_path / "project", project=project) as server:
        feed = Feed(server)
        for _ in range(10):
            assert feed.send() == 200
        postgres.stop()
        wait_for_failed_flush(feed)
        lives(server)
        feed.check()
        postgres.start()
        feed.check(by_iceberg=True)
        postgres.stop()
        server.kill()
        with pytest.raises(RuntimeError, match="PostgreSQL") as error:
            server.start()
        assert "Fatal" not in str(error.value)
        postgres.start()
        server.start()
        is_well(feed)


def test_a_rest_catalog_that_is_killed(tmp_path):
    warehouse = tmp_path / "lake"
    port = 0
    catalog = None

    def serve() -> subprocess.Popen:
        process = subprocess.Popen(
            [BINARY, "catalog", "serve", "--data", warehouse, "--port", str(port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline().startswith("weir catalog at ")
        return process

    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = chosen.getsockname()[1]
    catalog = serve()
    text = f"catalog: http://127.0.0.1:{port}\nwarehouse: file://{warehouse}\n" + PROJECT
    try:
        with StreamServer(tmp_path / "project", project=text) as server:
            feed = Feed(server)
            for _ in range(2):
                for _ in range(10):
                    assert feed.send() == 200
                catalog.kill()
                catalog.wait()
                wait_for_failed_flush(feed)
                feed.check()
                catalog = serve()
                feed.check(by_iceberg=True)
            is_well(feed)
    finally:
        catalog.kill()
        catalog.wait()


def test_a_log_that_is_full_is_429_and_goes_on(tmp_path):
    """Files of the table cannot be written, and the log has as many bytes as it may."""
    faults = Faults(tmp_path, tmp_path / "lake")
    text = PROJECT.replace(
        "{interval: 200ms}", "{interval: 200ms, bytes: 8MiB}\n    log: {bytes: 24MiB}"
    )
    text = f"warehouse: file://{tmp_path / 'lake'}\n{text}"
    with StreamServer(tmp_path / "project", project=text, environment=faults.environment) as server:
        feed = Feed(server, text_bytes=2_000)
        assert feed.send() == 200
        faults.set(write_errno=ENOSPC)
        feed.send_until(lambda status: status != 200, count=1_000)
        assert feed.send() == 429, feed.last_error
        assert int(feed.retry_after) >= 1
        assert server.request("GET", "/readyz")[0] == 200
        assert server.peak_memory < 1 << 30
        lives(server)
        feed.check()
        faults.set(write_errno=0)
        is_well(feed)


def test_a_second_process_takes_over(tmp_path):
    with StreamServer(tmp_path / "project", project=PROJECT) as first:
        feed = Feed(first)
        for _ in range(10):
            assert feed.send() == 200
        with pytest.raises(RuntimeError, match="one process owns a shard's log") as error:
            StreamServer(tmp_path / "project", project=PROJECT)
        assert f":{first.process.pid}" in str(error.value)
        assert feed.send() == 200
        first.kill()
        started = time.monotonic()
        with StreamServer(tmp_path / "project", project=PROJECT) as second:
            assert time.monotonic() - started < 20
            feed.server = second
            feed.check()
            is_well(feed)
