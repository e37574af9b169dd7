# SPDX-License-Identifier: Apache-2.0
"""Streams over HTTP: what comes back is what was sent, whatever happens in between."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import subprocess
import threading
import time

import pyarrow as pa
import pyarrow.json
import pytest
from kafka_broker import KafkaBroker
from pyiceberg.catalog.rest import RestCatalog
from rest_server import BINARY
from stream_server import PROJECT, StreamServer

import weir

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with StreamServer(tmp_path_factory.mktemp("streams") / "project") as server:
        yield server


@pytest.fixture
def stream(server):
    with weir.connect(server.uri) as catalog, catalog.stream("shop.events") as stream:
        yield stream


def ids(table) -> list[int]:
    return sorted(table.column("id").to_pylist())


def test_append_scan_tail(server, stream):
    first = stream.append([{"id": i, "at": "2026-01-31T22:31:08.5Z"} for i in range(100)])
    assert first["rows"] == 100
    assert not first["repeat"]
    assert sum(end - start for start, end in first["offsets"].values()) == 100
    table = stream.scan(columns=["id", "kind"], where="id < 100").read_all()
    assert ids(table) == list(range(100))
    assert set(table.column("kind").to_pylist()) == {"view"}
    rows = pa.Table.from_batches(stream.tail("earliest", follow=False))
    assert ids(rows) == list(range(100))
    offsets = {(r["_shard"], r["_offset"]) for r in rows.to_pylist()}
    assert len(offsets) == 100
    assert len(pa.Table.from_batches(stream.tail("earliest", limit=7))) == 7
    server.wait_until_covered("shop.events")
    # The same port is an Iceberg catalog, and another reader agrees.
    catalog = RestCatalog("weir", uri=server.uri)
    read = catalog.load_table("shop.events").scan(row_filter="id < 100").to_arrow()
    assert ids(read) == list(range(100))
    assert stream.lag() == (0, 0)


def test_arrow_rows_of_other_types(stream):
    data = pa.table(
        {
            "score": pa.array([1.5, None], pa.float32()),
            "id": pa.array([1000, 1001], pa.int32()),
            "kind": pa.array(["a", None]).dictionary_encode(),
            "tags": pa.array([["x"], []], pa.large_list(pa.large_string())),
            "place": pa.array([{"y": 2.0, "x": 1.0}, None]),
        }
    )
    assert stream.append(data)["rows"] == 2
    rows = stream.scan(where="id >= 1000 and id < 1002").read_all().sort_by("id").to_pylist()
    assert [row["score"] for row in rows] == [1.5, None]
    assert [row["kind"] for row in rows] == ["a", None]
    assert [row["tags"] for row in rows] == [["x"], []]
    assert [row["place"] for row in rows] == [{"x": 1.0, "y": 2.0}, None]
    with pytest.raises(weir.InvalidArgumentError, match="did you mean 'kind'"):
        stream.append(pa.table({"id": [1], "knd": ["a"]}))
    with pytest.raises(weir.InvalidArgumentError, match="id"):
        stream.append(pa.table({"id": pa.array([None], pa.int64())}))


def test_lines_are_read_as_pyarrow_reads_them(server, stream):
    source = random.Random(7)
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("kind", pa.string()),
            ("score", pa.float64()),
            ("tags", pa.list_(pa.string())),
            ("place", pa.struct([("x", pa.float64()), ("y", pa.float64())])),
        ]
    )
    lines = []
    for number in range(2_000, 4_000):
        row = {"id": number}
        if source.random() < 0.8:
            row["kind"] = source.choice(["", "ä", '\u2028\n"\\', "🎈" * 3, "x" * 300, None])
        if source.random() < 0.8:
            row["score"] = source.choice(
                [0, -1, 1.5, source.random(), source.random() * 10 ** source.randint(-300, 300)]
            )
        if source.random() < 0.5:
            row["tags"] = [source.choice(["a", "b", None]) for _ in range(source.randint(0, 4))]
        if source.random() < 0.5:
            row["place"] = {"x": source.random(), "y": None}
        row = dict(source.sample(list(row.items()), len(row)))
        lines.append(json.dumps(row, ensure_ascii=source.random() < 0.5))
    text = "\n".join(lines).encode()
    for body, encoding in [
        (text, None),
        (
            gzip.compress(text[: len(text) // 2 + 1]) + gzip.compress(text[len(text) // 2 + 1 :]),
            "gzip",
        ),
        (pa.compress(text, codec="zstd", asbytes=True), "zstd"),
    ]:
        headers = {"Content-Encoding": encoding} if encoding else {}
        status, answer = server.append("shop.events", body, headers)
        assert (status, answer["rows"], answer["rejected"]["count"]) == (200, 2_000, 0), answer
    expected = pyarrow.json.read_json(
        io.BytesIO(text), parse_options=pyarrow.json.ParseOptions(explicit_schema=schema)
    ).select(schema.names)
    rows = stream.scan(columns=schema.names, where="id >= 2000 and id < 4000").read_all()
    assert len(rows) == 6_000
    rows = rows.sort_by("id").to_pylist()[::3]
    wanted = expected.sort_by("id").to_pylist()
    for row, want, line in zip(
        rows, wanted, sorted(lines, key=lambda line: json.loads(line)["id"])
    ):
        if "kind" not in json.loads(line):
            want["kind"] = "view"
        assert row == want


def test_bad_records_go_to_the_dead_letters(server):
    lines = '{"id": 5000}\n{"id": "x"}\nnonsense\n\n{"id": 5001, "idd": 1}\n{"id": 5002}'
    status, answer = server.append("shop.events", lines)
    assert status == 200
    assert answer["rows"] == 2
    assert answer["rejected"]["count"] == 3
    assert [r["line"] for r in answer["rejected"]["records"]] == [2, 3, 5]
    assert answer["rejected"]["records"][0]["column"] == "id"
    status, _, body = server.request("GET", "/v1/streams/shop.events_dead_letters/scan")
    letters = [json.loads(line) for line in body.splitlines()]
    letters = [letter for letter in letters if letter["stream"] == "shop.events"]
    assert [letter["record"] for letter in letters][-3:] == [2, 3, 5]
    status, answer = server.append("shop.events", lines, query="?on_error=refuse")
    assert status == 422
    assert answer["rejected"]["count"] == 3
    status, answer = server.append(
        "shop.events", '{"id": 5003, "idd": 1}', query="?unknown_fields=ignore"
    )
    assert status == 200
    assert answer["rows"] == 1


def test_keyed_rows(server):
    with weir.connect(server.uri) as catalog, catalog.stream("shop.items") as items:
        items.append([{"id": i, "name": f"n{i}", "at": 10} for i in range(100)])
        items.append([{"id": 1, "name": "late", "at": 5}, {"id": 2, "name": "new", "at": 11}])
        items.append([{"id": 3, "at": 12, "_op": "delete"}])
        rows = items.lookup([1, 2, 3, 1000], columns=["id", "name"])
        assert rows == [{"id": 1, "name": "n1"}, {"id": 2, "name": "new"}, None, None]
        found = items.lookup(pa.table({"id": [1000, 2, 1]})).to_pylist()
        assert [(row["_key"], row["name"]) for row in found] == [(1, "new"), (2, "n1")]
        assert len(items.scan().read_all()) == 99
        server.wait_until_covered("shop.items")
        assert items.lookup([{"id": 2}], columns=["name"]) == [{"name": "new"}]
        table = RestCatalog("weir", uri=server.uri).load_table("shop.items")
        names = {row["id"]: row["name"] for row in table.scan().to_arrow().to_pylist()}
        assert len(names) == 99
        assert names[1] == "n1"
        assert names[2] == "new"


@pytest.fixture(params=["segments", "kafka"])
def logs(request):
    """The broker under the streams' logs, or None: each test runs over both kinds of log."""
    if request.param == "segments":
        yield None
        return
    with KafkaBroker(events=2, items=1) as broker:
        yield broker


def project_over(broker) -> str:
    return broker.project(PROJECT, events="events", items="items") if broker else PROJECT


def test_a_request_that_is_sent_again_is_appended_once(tmp_path, logs):
    with StreamServer(tmp_path / "project", project=project_over(logs)) as server:
        rows = [{"id": i} for i in range(50)]
        headers = {"Weir-Producer-Id": "p", "Weir-Producer-Sequence": "7"}
        status, first = server.append("shop.events", rows, headers)
        assert status == 200
        assert not first["repeat"]
        status, again = server.append("shop.events", rows, headers)
        assert status == 200
        assert again["repeat"]
        assert again["offsets"] == first["offsets"]
        server.kill()
        server.start()
        status, again = server.append("shop.events", rows, headers)
        assert status == 200
        assert again["repeat"]
        assert again["offsets"] == first["offsets"]
        _, _, body = server.request("GET", "/v1/streams/shop.events/scan?columns=id")
        assert sorted(json.loads(line)["id"] for line in body.splitlines()) == list(range(50))


def test_kills_lose_and_double_nothing(tmp_path, logs):
    source = random.Random(3)
    acknowledged = 0
    with StreamServer(tmp_path / "project", project=project_over(logs)) as server:
        stream = None
        for _ in range(5):
            stream = weir.Stream(server.uri, "shop.events", producer="one")
            for _ in range(source.randint(1, 8)):
                rows = [{"id": acknowledged + i} for i in range(20)]
                stream.append(rows, sequence=acknowledged)
                acknowledged += 20
            stream.close()
            server.kill()
            server.start()
        _, _, body = server.request("GET", "/v1/streams/shop.events/scan?columns=id")
        found = sorted(json.loads(line)["id"] for line in body.splitlines())
        assert found == list(range(acknowledged))
        assert server.stop() == 0
        assert "draining" in server.errors()
        server.start()
        assert server.describe("shop.events")["lag_rows"] == 0


def test_brokers_that_restart_under_a_service_that_is_killed(tmp_path):
    with (
        KafkaBroker(events=2, items=1) as broker,
        StreamServer(tmp_path / "project", project=project_over(broker)) as server,
    ):
        for round in range(3):
            broker.tell("down")
            answers = []
            thread = threading.Thread(
                target=lambda round=round, answers=answers: answers.append(
                    server.append(
                        "shop.items",
                        [{"id": i, "name": f"n{round}", "at": round} for i in range(round, 100)],
                        {"Weir-Producer-Id": "p", "Weir-Producer-Sequence": str(round)},
                    )
                )
            )
            thread.start()
            time.sleep(0.2)
            assert not answers
            broker.tell("up")
            thread.join()
            assert answers[0][0] == 200
            server.kill()
            server.start()
            with weir.connect(server.uri) as catalog, catalog.stream("shop.items") as items:
                names = items.scan(columns=["id", "name"]).read_all().to_pylist()
                found = items.lookup([{"id": 0}, {"id": 99}], columns=["name"])
            assert {row["id"]: row["name"] for row in names} == {
                i: f"n{min(i, round)}" for i in range(100)
            }
            assert found == [{"name": "n0"}, {"name": f"n{round}"}]
        server.wait_until_covered("shop.items")


def test_a_second_process_is_refused(tmp_path):
    with StreamServer(tmp_path / "project"), pytest.raises(RuntimeError, match="did not start"):
        StreamServer(tmp_path / "project")


def test_metrics_and_health(server):
    assert server.request("GET", "/healthz")[::2] == (200, b"ok\n")
    assert server.request("GET", "/readyz")[::2] == (200, b"ready\n")
    status, headers, body = server.request("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = {}
    kinds = {}
    for line in body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            kinds[name] = kind
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name not in samples
            samples[name] = float(value)
    assert kinds["weir_request_seconds"] == "histogram"
    assert samples['weir_stream_appended_rows_total{table="shop.events"}'] >= 0
    assert samples['weir_stream_lag_rows{table="shop.items"}'] >= 0
    assert any(name.startswith("weir_requests_total{") for name in samples)


def test_command_line(server, tmp_path):
    def run(*arguments, input=None):
        result = subprocess.run(
            [str(BINARY), *arguments],
            input=input,
            capture_output=True,
            text=True,
            env={**os.environ, "WEIR_URL": server.uri},
            timeout=120,
        )
        return result.returncode, result.stdout, result.stderr

    code, out, _ = run(
        "stream", "append", "shop.items", input='{"id": 900, "name": "x", "at": 1}\n'
    )
    assert (code, out) == (0, "1 rows appended to shop.items\n")
    code, out, err = run("stream", "append", "shop.items", input='{"id": 901}\n{"idd": 1}\n')
    assert code == 1
    assert "1 records rejected" in out
    assert "did you mean 'id'" in err
    weir.write_parquet(pa.table({"id": [902], "name": ["p"]}), str(tmp_path / "rows.parquet"))
    assert run("stream", "append", "shop.items", str(tmp_path / "rows.parquet"))[0] == 0
    code, out, _ = run("lookup", "shop.items", "--key", "900", "--key", "902", "--columns", "name")
    assert (code, out) == (0, '{"name":"x"}\n{"name":"p"}\n')
    code, out, _ = run("stream", "tail", "shop.items", "--from", "earliest", "--no-follow")
    assert code == 0
    assert any(json.loads(line)["id"] == 900 for line in out.splitlines())
    code, out, _ = run("stream", "describe", "shop.items")
    assert json.loads(out)["primary_key"] == ["id"]
    code, out, _ = run("stream", "lag")
    assert code == 0
    assert "shop.items:" in out
    code, _, err = run("stream", "describe", "shop.nothing")
    assert code == 1
    assert "shop.nothing" in err
