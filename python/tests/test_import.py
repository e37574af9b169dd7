# SPDX-License-Identifier: Apache-2.0
"""`weir import`: data sets and files into streams, against the files read by Python."""

from __future__ import annotations

import datetime
import random
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from rest_server import BINARY
from stream_server import StreamServer

import weir

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

PROJECT = """
server: {port: 0}
streams:
  shop.events:
    columns: {user_id: long not null, item_id: long not null, at: timestamptz not null,
      kind: string, value: double}
    event_time: at
    shards: 1
  shop.items:
    columns: {item_id: long not null, title: string, genres: string}
    primary_key: [item_id]
"""
UTC = datetime.timezone.utc
FIRST = datetime.datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with StreamServer(tmp_path_factory.mktemp("import"), project=PROJECT) as server:
        yield server


def run(server: StreamServer, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(BINARY), "import", *map(str, arguments), "--url", server.uri]
    return subprocess.run(command, capture_output=True, text=True)


def rows(server: StreamServer, stream: str = "shop.events") -> list[dict]:
    return weir.Stream(server.uri, stream).scan().read_all().to_pylist()


def ratings(count: int, seed: int) -> list[tuple[int, int, float, int]]:
    """User, film, stars, seconds."""
    source = random.Random(seed)
    start = int(FIRST.timestamp())
    return [
        (source.randint(1, 50), source.randint(1, 30), source.randint(1, 10) / 2, start + place)
        for place in source.sample(range(count * 10), count)
    ]


def write_movielens(folder: Path, layout: str, events: list[tuple], films: dict[int, str]) -> None:
    folder.mkdir()
    if layout == "latest":
        lines = ["userId,movieId,rating,timestamp", *(",".join(map(str, row)) for row in events)]
        (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
        lines = ["movieId,title,genres", *(f'{i},"{t}, The",A|B' for i, t in films.items())]
        (folder / "movies.csv").write_text("\n".join(lines) + "\n")
    elif layout == "dat":
        (folder / "ratings.dat").write_text("\n".join("::".join(map(str, r)) for r in events))
        lines = [f"{i}::{t}: The :: Last::A|B".replace(" :: ", " : ") for i, t in films.items()]
        (folder / "movies.dat").write_text("\n".join(lines), encoding="latin-1")
    else:
        (folder / "u.data").write_text("\n".join("\t".join(map(str, row)) for row in events))
        rest = "|".join("0" * 19)
        lines = [f"{i}|{t}|01-Jan-1995||http://x|{rest}" for i, t in films.items()]
        (folder / "u.item").write_text("\n".join(lines), encoding="latin-1")


@pytest.mark.parametrize("layout", ["latest", "dat", "100k"])
def test_movielens(tmp_path: Path, layout: str) -> None:
    # Some pieces of text: separators fall on their borders.
    events = ratings(14_000, 3)
    films = {number: f"Amélie {number}" for number in range(1, 31)}
    write_movielens(tmp_path / "ml", layout, events, films)
    columns = ["--map", "at=event_time", "--map", "kind=event", "--time", "event_time"]
    with StreamServer(tmp_path / "service", project=PROJECT) as server:
        done = run(server, tmp_path / "ml", "shop.events", *columns)
        assert done.returncode == 0, done.stderr
        found = rows(server)
        done = run(server, tmp_path / "ml", "shop.items", "--table", "items")
        assert done.returncode == 0, done.stderr
        titles = {row["item_id"]: row["title"] for row in rows(server, "shop.items")}
    moments = [datetime.datetime.fromtimestamp(row[3], UTC) for row in events]
    expected = [(row[0], row[1], row[2], at, at) for row, at in zip(events, moments)]
    names = ("user_id", "item_id", "value", "at", "_known_at")
    assert sorted(tuple(row[name] for name in names) for row in found) == sorted(expected)
    # In the order of time, whatever the order of the file.
    by_offset = sorted(found, key=lambda row: row["_offset"])
    assert [row["at"] for row in by_offset] == sorted(moments)
    suffix = {"latest": ", The", "dat": ": The : Last", "100k": ""}[layout]
    assert titles == {number: title + suffix for number, title in films.items()}


def test_a_range_of_time_is_moved_and_comes_once(tmp_path: Path) -> None:
    events = ratings(2_000, 5)
    table = pa.table(
        {
            "who": [row[0] for row in events],
            "what": [row[1] for row in events],
            "when": pa.array([row[3] for row in events], pa.timestamp("s", "UTC")),
        }
    )
    pyarrow.csv.write_csv(table, tmp_path / "x.csv")
    pq.write_table(table, tmp_path / "x.parquet")
    after, before = FIRST + datetime.timedelta(seconds=2_000), FIRST + datetime.timedelta(hours=3)
    end = datetime.datetime(2026, 1, 1, tzinfo=UTC)
    columns = ["--map", "user_id=who", "--map", "item_id=what", "--map", "at=when"]
    range_ = ["--after", after.isoformat(), "--before", before.isoformat()]
    expected = sorted(
        (row[0], row[1], datetime.datetime.fromtimestamp(row[3], UTC) + (end - before), "rating")
        for row in events
        if after.timestamp() <= row[3] < before.timestamp()
    )
    assert 0 < len(expected) < len(events)
    for name in ("x.csv", "x.parquet"):
        with StreamServer(tmp_path / f"of-{name}", project=PROJECT) as server:
            command = [tmp_path / name, "shop.events", *columns, "--time", "when", *range_]
            command += ["--end", end.isoformat(), "--set", "kind=rating", "--batch-rows", 300]
            for attempt in range(2):
                done = run(server, *command)
                assert done.returncode == 0, done.stderr
                assert ("were there already" in done.stdout) == (attempt == 1)
            found = rows(server)
        names = ("user_id", "item_id", "at", "kind")
        assert sorted(tuple(row[name] for name in names) for row in found) == expected
        assert all(row["_known_at"] == row["at"] for row in found)


def test_what_is_wrong_is_said(server: StreamServer, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("user_id,item_id,at\n1,2,2020-01-01 00:00:00\n")
    file = tmp_path / "x.csv"
    for arguments, message in [
        ([tmp_path / "none", "shop.events"], "there is no such file or folder"),
        ([tmp_path, "shop.events"], "no data set was found there"),
        ([file, "shop.event"], "no stream of that name"),
        ([file, "shop.events", "--map", "whn=at"], "has no column 'whn'"),
        ([file, "shop.events", "--map", "at=when"], "there is no column 'when'"),
        ([file, "shop.events", "--time", "user_id"], "holds no timestamps"),
        ([file, "shop.events", "--time", "at", "--before", "2019-01-01T00:00:00Z"], "no row"),
        ([file, "shop.events", "--time", "at", "--before", "soon"], "no time with its zone"),
        (["synthetic", "shop.events", "--table", "nothing"], "has no table 'nothing'"),
    ]:
        done = run(server, *arguments)
        assert done.returncode == 1, arguments
        assert message in done.stderr, done.stderr
    for arguments in (["--map", "x"], ["--before", "2020-01-01T00:00:00Z"], ["--limit", "0"]):
        assert run(server, file, "shop.events", *arguments).returncode == 64
    assert rows(server) == []


def test_the_synthetic_world(server: StreamServer) -> None:
    columns = ["--map", "at=event_time", "--map", "kind=event", "--rows", 500]
    done = run(server, "synthetic", "shop.events", *columns)
    assert done.returncode == 0, done.stderr
    assert len(rows(server)) == 500
