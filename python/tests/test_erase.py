# SPDX-License-Identifier: Apache-2.0
# Length: one file per program, so that its helpers are shared.
"""`weir table erase`: every byte of every file is looked through afterwards by others' readers."""

from __future__ import annotations

import base64
import datetime
import io
import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kafka_broker import KafkaBroker
from pyiceberg.table import StaticTable
from stream_server import StreamServer
from test_table_cli import BINARY, Lake, rows

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

#: Short enough to be whole in bounds, which are cut at 16 characters.
MARKER = "victim-9f27c1"


def texts(value: object):
    """All texts and bytes within a value."""
    if isinstance(value, str):
        yield value.encode()
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts(inner)


def holders(folder: Path, marker: str = MARKER) -> list[str]:
    """Files, and names of files, with the marker: in their bytes or in what these unpack to."""
    wanted = marker.encode()
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        is_there = wanted in data or marker in str(path)
        if data[:4] == b"PAR1":
            for batch in pq.ParquetFile(io.BytesIO(data)).iter_batches():
                is_there |= any(wanted in text for text in texts(batch.to_pylist()))
        elif data[:4] == b"Obj\x01":
            for record in fastavro.reader(io.BytesIO(data)):
                is_there |= any(wanted in text for text in texts(record))
        if is_there:
            found.append(str(path.relative_to(folder)))
    return found


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    pq.write_table(rows(), tmp_path / "like.parquet")
    lake.text("create", "shop.orders", "--like", "like.parquet")
    return lake


def put(lake: Lake, *ids: int, victim: int | None = None) -> None:
    table = rows(*ids)
    names = [MARKER if i == victim else f"other-{i}" for i in ids]
    table = table.set_column(1, "country", pa.array(names))
    lake.files += 1
    pq.write_table(table, lake.folder / f"put-{lake.files}.parquet")
    lake.text("append", "shop.orders", f"put-{lake.files}.parquet")
    (lake.folder / f"put-{lake.files}.parquet").unlink()


def metadata_file(lake: Lake) -> Path:
    files = lake.folder.glob("lake/**/*.metadata.json")
    return max(files, key=lambda path: int(path.name.split("-")[0].lstrip("v").split(".")[0]))


def seen_by_others(lake: Lake) -> list[dict]:
    table = StaticTable.from_metadata(str(metadata_file(lake)))
    return table.scan().to_arrow().sort_by("id").to_pylist()


def fill(lake: Lake) -> None:
    put(lake, 0, 1, 2)
    put(lake, 3, 7, 4, victim=7)
    put(lake, 5, 8, 6, victim=8)
    put(lake, 9)
    # One of them is deleted already, and lies there still.
    lake.text("delete", "shop.orders", "--where", "id in (8, 4)")
    lake.text("compact", "shop.orders", "--trigger", "3")


def test_nothing_is_left_of_a_row(lake: Lake) -> None:
    fill(lake)
    assert len(holders(lake.folder / "lake")) >= 3
    before = seen_by_others(lake)
    plan = lake.json(
        "erase", "shop.orders", "--where", f"country = '{MARKER}'", "--dry-run", "--json"
    )
    assert plan["rows_erased"] >= 2
    assert len(holders(lake.folder / "lake")) >= 3
    text = lake.text("erase", "shop.orders", "--where", f"country = '{MARKER}'", "--marker", MARKER)
    assert "Erased" in text
    assert "0 markers" in text
    assert holders(lake.folder / "lake") == []
    assert seen_by_others(lake) == [row for row in before if row["country"] != MARKER]
    proofs = list(lake.folder.glob("lake/**/erasures/*.json"))
    assert len(proofs) == 1
    proof = json.loads(proofs[0].read_text())
    assert proof["complete"]
    assert proof["where"] == "country = ?"
    assert proof["scan"]["markers_found"] == [0]
    assert proof["scan"]["files"] > 5
    assert all(len(file["before"]["sha256"]) == 64 for file in proof["files_rewritten"])
    # Again there is nothing to do; the table is written on.
    again = lake.json("erase", "shop.orders", "--where", f"country = '{MARKER}'")
    assert again["rows_erased"] == 0
    assert again["snapshots_expired"] == []
    put(lake, 20, 21)
    assert len(seen_by_others(lake)) == len(before) + 1


def test_what_is_refused(lake: Lake) -> None:
    fill(lake)
    lake.text("tag", "shop.orders", "kept")
    done = lake.run("erase", "shop.orders", "--where", "id = 7", code=1)
    assert "the tag 'kept' leads to such rows" in done.stderr
    assert "--include-refs" in done.stderr
    done = lake.run("erase", "shop.orders", "--where", "idd = 7", code=1)
    assert "did you mean id" in done.stderr
    done = lake.run("erase", "shop.orders", "--where", "id = ", code=1)
    assert "condition" in done.stderr or "expected" in done.stderr
    text = lake.text(
        "erase",
        "shop.orders",
        "--where",
        f"country = '{MARKER}'",
        "--include-refs",
        "--marker",
        MARKER,
    )
    assert "0 markers" in text
    assert holders(lake.folder / "lake") == []


def test_killed_at_any_moment(lake: Lake) -> None:
    source = random.Random(4)
    fill(lake)
    before = seen_by_others(lake)
    command = [
        str(BINARY),
        "table",
        "erase",
        "shop.orders",
        "--catalog",
        str(lake.folder / "lake"),
        "--where",
        f"country = '{MARKER}'",
        "--marker",
        MARKER,
    ]
    for _ in range(6):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(source.random() * 0.25)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        left = [row for row in seen_by_others(lake) if row["country"] != MARKER]
        assert left == [row for row in before if row["country"] != MARKER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert holders(lake.folder / "lake") == []
    assert seen_by_others(lake) == [row for row in before if row["country"] != MARKER]


PROJECT = """
data: data
server: {port: 0}
streams:
  shop.events:
    columns:
      user_id: string not null
      at: timestamptz not null
      kind: string
      price: double
    event_time: at
    shards: 2
    flush: {interval: 200ms}
  shop.users:
    columns:
      user_id: string not null
      name: string
      at: long
    primary_key: user_id
    merge: {engine: last_write, sequence: at}
    flush: {interval: 200ms}
profiles:
  shop.user_profile:
    source: shop.events
    entity: user_id
    features:
      events: count
      recent: {function: last, columns: [kind], count: 3}
"""


def events(users: list[str], count: int) -> list[dict]:
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    return [
        {
            "user_id": users[number % len(users)],
            "at": (start + datetime.timedelta(seconds=number)).isoformat(),
            "kind": "click",
            "price": number / 2,
        }
        for number in range(count)
    ]


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def profile_count(server: StreamServer, user: str) -> int | None:
    status, _, body = server.request(
        "GET", f"/v1/streams/shop.user_profile/scan?filter=user_id%20=%20'{user}'"
    )
    assert status == 200, body
    lines = [json.loads(line) for line in body.splitlines()]
    return lines[0]["events"] if lines else None


def newest(data: Path, table: str) -> str:
    """The newest metadata file of a table."""
    files = [path for path in data.rglob("*.metadata.json") if path.parts[-3].startswith(table)]
    files = [path for path in files if "dead_letters" not in path.parts[-3]]
    return str(max(files, key=lambda path: int(path.name.split("-")[0].lstrip("v"))))


def run_erase(table: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(BINARY), "table", "erase", table, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


def erase(
    server: StreamServer, *arguments: str, table: str = "shop.events", code: int | None = 0
) -> subprocess.CompletedProcess:
    """By the service; whatever comes of it when `code` is none."""
    done = run_erase(table, "--url", server.uri, *arguments)
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done


def erase_left_behind(server: StreamServer, table: str) -> None:
    """As the message says: nobody writes the table meanwhile."""
    server.stop()
    catalog = f"sqlite:{server.folder}/data/catalog.db"
    where = ("--where", f"user_id = '{MARKER}'")
    done = run_erase(table, "--catalog", catalog, "--table-only", "--orphans", "0s", *where)
    assert done.returncode == 0, done.stdout + done.stderr
    server.start()


def fill_streams(server: StreamServer) -> None:
    users = ["ann", "bob", MARKER, "cy"]
    assert server.append("shop.events", events(users, 400))[0] == 200
    for number, user in enumerate(users):
        for version in range(3):
            status, _ = server.append(
                "shop.users", [{"user_id": user, "name": f"{user}-{version}", "at": version}]
            )
            assert status == 200
        if number % 2:
            server.wait_until_covered("shop.users")
    # Records that became no rows.
    bad = [
        {"user_id": MARKER, "at": "not a time"},
        {"user_id": "bob", "at": "not a time"},
    ]
    server.append("shop.events", bad)
    server.append("shop.events", f'{{"user_id": "{MARKER}", "at": 7, \n')
    wait_for(lambda: profile_count(server, "cy") == 100)
    wait_for(lambda: profile_count(server, MARKER) == 100)
    server.wait_until_covered("shop.events")


def test_a_user_of_a_service(tmp_path: Path) -> None:
    with StreamServer(tmp_path / "up", project=PROJECT) as server:
        fill_streams(server)
        data = tmp_path / "up"
        assert len(holders(data)) > 6
        done = erase(
            server, "--where", f"user_id = '{MARKER}'", "--marker", MARKER, "--cascade", "--json"
        )
        answer = json.loads(done.stdout)
        assert answer["complete"], answer
        names = {proof["table"] for proof in answer["tables"]}
        assert {"shop.events", "shop.users", "shop.user_profile"} <= names
        assert MARKER not in done.stdout
        assert holders(data) == []
        # Everything else is there.
        assert profile_count(server, MARKER) is None
        assert profile_count(server, "ann") == 100
        status, _, body = server.request("GET", "/v1/streams/shop.events/scan")
        assert status == 200
        assert len(body.splitlines()) == 300
        status, _, body = server.request("GET", "/v1/streams/shop.users/scan")
        assert sorted(json.loads(line)["name"] for line in body.splitlines()) == [
            "ann-2",
            "bob-2",
            "cy-2",
        ]
        status, _, body = server.request("GET", "/v1/streams/shop.events_dead_letters/scan")
        letters = [base64.b64decode(json.loads(line)["bytes"]) for line in body.splitlines()]
        assert any(b"bob" in letter for letter in letters)
        assert not any(MARKER.encode() in letter for letter in letters)
        assert MARKER.encode() not in body
        # As PyIceberg reads it.
        seen = StaticTable.from_metadata(newest(data, "events")).scan().to_arrow()
        assert sorted(set(seen["user_id"].to_pylist())) == ["ann", "bob", "cy"]
        assert seen.num_rows == 300
        # By another column than the key, which leaves the others.
        erase(server, "--where", "name = 'cy-2'", "--marker", "cy-2", table="shop.users")
        status, _, body = server.request("GET", "/v1/streams/shop.users/scan")
        assert sorted(json.loads(line)["name"] for line in body.splitlines()) == ["ann-2", "bob-2"]
        # What comes later is new, and begins from nothing.
        assert server.append("shop.events", events([MARKER], 3))[0] == 200
        wait_for(lambda: profile_count(server, MARKER) == 3)
        assert profile_count(server, "bob") == 100
        server.stop()
        server.start()
        assert profile_count(server, MARKER) == 3
        assert profile_count(server, "bob") == 100
        erase(server, "--where", f"user_id = '{MARKER}'", "--marker", MARKER, "--cascade")
        assert holders(data) == []
        refused = subprocess.run(
            [
                str(BINARY),
                "table",
                "erase",
                "shop.events",
                "--catalog",
                server.uri,
                "--where",
                "user_id = 'x'",
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert refused.returncode == 1
        assert "--url" in refused.stderr
        done = erase(server, "--where", "nobody = 7", code=1)
        assert "nobody" in done.stderr


def test_a_service_killed_while_it_erases(tmp_path: Path) -> None:
    source = random.Random(11)
    with StreamServer(tmp_path / "up", project=PROJECT) as server:
        fill_streams(server)
        for _ in range(4):
            process = subprocess.Popen(
                [
                    str(BINARY),
                    "table",
                    "erase",
                    "shop.events",
                    "--url",
                    server.uri,
                    "--where",
                    f"user_id = '{MARKER}'",
                    "--cascade",
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            time.sleep(source.random() * 1.0)
            server.kill()
            process.communicate(timeout=60)
            server.start()
            wait_for(lambda: profile_count(server, "bob") == 100)
        arguments = ("--where", f"user_id = '{MARKER}'", "--marker", MARKER, "--cascade")
        done = erase(server, *arguments, code=None)
        if done.returncode != 0:
            # What a flush or a compaction that was killed had written, and not committed.
            assert "too young to be removed" in done.stderr, done.stdout + done.stderr
            for table in ("shop.events", "shop.users", "shop.user_profile"):
                erase_left_behind(server, table)
            erase(server, *arguments)
        assert holders(tmp_path / "up") == []
        status, _, body = server.request("GET", "/v1/streams/shop.events/scan")
        assert status == 200
        assert len(body.splitlines()) == 300


def test_what_a_killed_writer_left_behind(tmp_path: Path) -> None:
    """A young file that nothing leads to may be a commit's: it goes when nobody writes any more."""
    with StreamServer(tmp_path / "up", project=PROJECT) as server:
        fill_streams(server)
        data = tmp_path / "up" / "data"
        source = next(
            path
            for path in data.glob("shop/users-*/data/*.parquet")
            if MARKER in pq.read_table(path)["user_id"].to_pylist()
        )
        left = source.with_name("left-behind.parquet")
        shutil.copy(source, left)
        half = source.with_name(".weir-tmp-25b-2a-149f4d60cb93764f")
        half.write_bytes(source.read_bytes()[:-100])
        where = ("--where", f"user_id = '{MARKER}'")
        done = erase(server, *where, "--marker", MARKER, table="shop.users", code=1)
        assert "too young to be removed" in done.stderr
        assert "--table-only --orphans 0s" in done.stderr
        assert "left-behind.parquet" in done.stderr
        # What was half written is nobody's: its writer would hold a lock on it.
        assert not half.exists()
        done = erase(server, *where, "--orphans", "23h", table="shop.users", code=1)
        assert "younger than a day may be the service's own" in done.stderr
        assert left.exists()
        erase(server, *where, "--orphans", "1d", "--dry-run", table="shop.users")
        erase_left_behind(server, "shop.users")
        assert not left.exists()
        erase(server, *where, "--marker", MARKER, "--cascade")
        assert holders(tmp_path / "up") == []
        status, _, body = server.request("GET", "/v1/streams/shop.users/scan")
        assert status == 200
        names = sorted(json.loads(line)["name"] for line in body.splitlines())
        assert names == ["ann-2", "bob-2", "cy-2"]


def test_messages_in_kafka_are_named(tmp_path: Path) -> None:
    with (
        KafkaBroker(events=2) as broker,
        StreamServer(tmp_path / "up", project=broker.project(PROJECT, events="events")) as server,
    ):
        server.append("shop.events", events(["ann", MARKER], 40))
        server.wait_until_covered("shop.events")
        where = f"user_id = '{MARKER}'"
        done = erase(server, "--where", where, "--marker", MARKER, "--cascade", code=1)
        assert "kafka-delete-records" in done.stderr
        # All that is Weir's own is erased.
        assert holders(tmp_path / "up") == []
        status, _, body = server.request("GET", "/v1/streams/shop.events/scan")
        assert status == 200
        assert len(body.splitlines()) == 20
