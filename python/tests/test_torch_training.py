# SPDX-License-Identifier: Apache-2.0
"""Training by `python -m weir.train`, as it is published, on a world whose tastes are known."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

from example_world import GROUPS, ITEMS, SCHEMA, STREAMS, World, write_project  # noqa: E402
from rest_server import BINARY  # noqa: E402
from stream_server import StreamServer  # noqa: E402

import weir  # noqa: E402
from weir.torch import _definition, _export  # noqa: E402
from weir.torch._model import Model  # noqa: E402
from weir.torch._trainer import Options, Trainer  # noqa: E402
from weir.train import main  # noqa: E402

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


def train(server, folder, *arguments, change=None) -> tuple[int, str, str]:
    """Status, output and errors of the command, in this process."""
    project = write_project(folder, change)
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = main(["--project", str(project), "--url", server.uri, *arguments])
    return status, output.getvalue(), errors.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A service, the world, and the answer of a training in batch."""
    folder = tmp_path_factory.mktemp("trained")
    with StreamServer(folder / "service", project=STREAMS) as server:
        world = World()
        catalog = weir.connect(server.uri)
        catalog.stream("shop.examples").append(world.table(3_000))
        status, answer, errors = train(server, folder / "project", "--json", "--epochs", "12")
        assert status == 0, errors
        yield server, world, folder / "project", json.loads(answer)


class Published:
    """A version as the service reads it: rows of the streams and ONNX Runtime, no PyTorch."""

    def __init__(self, server, version: int) -> None:
        catalog = weir.connect(server.uri)
        rows = catalog.stream("shop.model").scan().read_all().to_pylist()
        self.rows = {row["version"]: row for row in rows}
        self.row = self.rows[version]
        graphs = self.rows[self.row["graph_version"]]
        self.metadata = json.loads(self.row["metadata"])
        self.retriever = onnxruntime.InferenceSession(graphs["retriever_graph"])
        self.ranker = onnxruntime.InferenceSession(graphs["ranker_graph"])
        vectors = catalog.stream("shop.model_embeddings").scan().read_all().to_pylist()
        self.vectors: dict = {}
        for row in sorted(vectors, key=lambda row: row["version"]):
            if self.metadata["embeddings_from"] <= row["version"] <= version:
                self.vectors[row["role"], row["id"]] = np.array(row["vector"], np.float32)

    def inputs(self, row: dict) -> dict:
        size, length = self.metadata["embedding"], self.metadata["history_length"]
        zeros = np.zeros(size, np.float32)
        history = np.zeros((1, length, size), np.float32)
        mask = np.zeros((1, length), np.float32)
        for place, item in enumerate(row["user_recent_item_id"][:length]):
            history[0, place] = self.vectors.get(("item", str(item)), zeros)
            mask[0, place] = 1
        result = {"history_embedding": history, "history_mask": mask}
        for side in ("user_dense", "item_dense"):
            values = [np.nan if row[n] is None else row[n] for n in self.metadata[side]]
            result[side] = np.array([values], np.float32)
        result["item_embedding"] = self.vectors.get(("item", str(row["item_id"])), zeros)[None]
        return result

    def user_vector(self, row: dict) -> np.ndarray:
        return self._run(self.retriever, row)[0]

    def scores(self, row: dict) -> np.ndarray:
        return self._run(self.ranker, row)[0]

    def _run(self, session, row):
        given = self.inputs(row)
        return session.run(None, {i.name: given[i.name] for i in session.get_inputs()})[0]

    def retrieve(self, row: dict, count: int) -> list[int]:
        user = self.user_vector(row)
        items = [
            (float(v @ user), int(n))
            for (role, n), v in self.vectors.items()
            if role == "item_vector"
        ]
        return [item for _, item in sorted(items, reverse=True)[:count]]


def with_history(world, count=30):
    rows = [row for row in world.rows(400) if len(row["user_recent_item_id"]) >= 5]
    return rows[: count * 4]


def test_what_is_published_knows_the_tastes(trained):
    server, world, _, answer = trained
    model = Published(server, answer["version"])
    rows = with_history(world)
    right = total = 0
    for row in rows[::4]:
        found = model.retrieve(row, ITEMS // GROUPS)
        right += sum(item % GROUPS == row["user_id"] % GROUPS for item in found)
        total += len(found)
    assert right / total > 0.75  # by chance 0.25
    own = [model.scores(r) for r in rows if r["item_id"] % GROUPS == r["user_id"] % GROUPS]
    others = [model.scores(r) for r in rows if r["item_id"] % GROUPS != r["user_id"] % GROUPS]
    assert np.shape(own)[1] == 2
    assert np.mean(own, axis=0)[0] > 2 * np.mean(others, axis=0)[0]
    assert np.mean(own, axis=0)[1] > 2 * np.mean(others, axis=0)[1]
    for task in ("click", "like"):
        metrics = answer["metrics"][task]
        assert metrics["auc"] > 0.7
        assert metrics["logloss"] < metrics["entropy"]
        assert 0.7 < metrics["calibration"] < 1.4


def test_lineage_says_what_it_was_made_of(trained):
    server, _, _, answer = trained
    row = Published(server, answer["version"]).row
    lineage = json.loads(row["lineage"])
    assert lineage == answer["lineage"]
    table = weir.connect(server.uri).table("shop.examples")
    known = {s["snapshot-id"]: s for s in table.metadata["snapshots"]}
    summary = known[lineage["snapshot"]]["summary"]
    assert json.loads(summary["weir.stream.offsets"]) == lineage["offsets"] == {"0": 12_000}
    assert len(lineage["code"]) == 64
    assert lineage["seed"] == 0
    assert json.loads(row["metrics"])["click"]["rows"] > 500
    assert row["created_at"] > datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    assert json.loads(row["metadata"]) == {
        "format": 1,
        "user_dense": ["user_events", "user_mean_value"],
        "item_dense": ["item_events", "item_trend"],
        "embedding": 8,
        "history": "user_recent_item_id",
        "history_length": 10,
        "vector": 8,
        "tasks": ["click", "like"],
        "embeddings_from": answer["version"],
    }


def test_the_registrys_row_comes_last(trained):
    """Every version's vectors were durable before its row."""
    server, _, _, _ = trained
    catalog = weir.connect(server.uri)
    vectors = catalog.stream("shop.model_embeddings").scan(["version", "_ingest_time"]).read_all()
    for row in (
        catalog.stream("shop.model").scan(["version", "_ingest_time"]).read_all().to_pylist()
    ):
        mine = vectors.filter(pa.compute.equal(vectors["version"], row["version"]))
        assert mine.num_rows
        assert pa.compute.max(mine["_ingest_time"]).as_py() <= row["_ingest_time"]


def test_the_same_seed_gives_the_same_model(trained):
    server, _, folder, answer = trained
    definition = definition_of(server, folder)
    table = weir.connect(server.uri).table("shop.examples")
    options = Options(retriever_epochs=12)
    state = torch.load(folder / "data/training/shop.model.pt", weights_only=True)
    torch.set_num_threads(1)
    trainer = Trainer(definition, table, options)
    trainer.snapshot = answer["lineage"]["snapshot"]
    model = trainer.run()
    for name, value in model.state_dict().items():
        assert torch.equal(value, state["parameters"][name]), name


def test_the_ranker_passes_over_first_rows_and_what_was_met(trained):
    server, _, folder, answer = trained
    table = weir.connect(server.uri).table("shop.examples")
    trainer = Trainer(definition_of(server, folder), table, Options())
    trainer.snapshot = answer["lineage"]["snapshot"]
    trainer._read()
    items = trainer._data._column("item")[:, 0]
    found = dict(zip(*np.unique(items[trainer._kept], return_counts=True)))
    columns = ["item_id", "at", "source", "user_recent_item_id"]
    scan = table.scan(columns, at=trainer.snapshot)
    rows = sorted(scan.to_arrow().to_pylist(), key=lambda row: row["at"])
    expected: dict[int, int] = {}
    seen = set()
    for row in rows:
        item = row["item_id"]
        is_first = item not in seen and row["source"] == "history"
        seen.add(item)
        if not is_first and item not in row["user_recent_item_id"]:
            expected[item] = expected.get(item, 0) + 1
    assert found == expected


def definition_of(server, folder) -> _definition.Definition:
    catalog = weir.connect(server.uri)
    project = _definition.read_project(folder)
    return _definition.definition(project, None, lambda name: pa.schema(catalog.table(name).schema))


def test_online_publications_write_what_changed(trained):
    server, world, folder, answer = trained
    catalog = weir.connect(server.uri)
    examples = catalog.stream("shop.examples")
    before = Published(server, answer["version"])
    command = [sys.executable, "-m", "weir.train", "--online", "--interval", "0.5"]
    process = subprocess.Popen(
        [*command, "--project", folder, "--url", server.uri],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    try:
        # The first version after a start has everything. Then only what examples touch moves.
        rows = world.rows(1, "served")
        examples.append(pa.Table.from_pylist(rows, schema=SCHEMA))
        first = wait_for_version(catalog, answer["version"])
        new = {**rows[0], "request_id": "new", "item_id": 777, "user_recent_item_id": [0, 4]}
        examples.append(pa.Table.from_pylist([new], schema=SCHEMA))
        second = wait_for_version(catalog, first)
    finally:
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 0, errors
    after = Published(server, second)
    lineage, metrics = json.loads(after.row["lineage"]), json.loads(after.row["metrics"])
    assert lineage["trainer"] == "online"
    assert lineage["offsets"] == {"0": 12_005}
    assert metrics["rows"] == 5
    assert metrics["prequential"]["click"]["rows"] == 5
    assert after.row["graph_version"] == first
    assert after.row["retriever_graph"] is None
    assert after.metadata["embeddings_from"] == before.metadata["embeddings_from"]
    vectors = catalog.stream("shop.model_embeddings").scan().read_all().to_pylist()
    written = {(r["role"], r["id"]) for r in vectors if r["version"] == second}
    assert ("item_vector", "777") in written
    assert ("item", "777") in written
    # What the positive's row touches: itself, its history, and negatives that were drawn.
    assert {("item", "0"), ("item", "4")} <= written
    assert not np.array_equal(after.vectors["item", "0"], before.vectors["item", "0"])


def test_a_killed_trainer_goes_on_where_it_was(trained):
    server, world, folder, _ = trained
    catalog = weir.connect(server.uri)
    examples = catalog.stream("shop.examples")
    newest = max(catalog.stream("shop.model").scan(["version"]).read_all()["version"].to_pylist())
    command = [sys.executable, "-m", "weir.train", "--online", "--interval", "0.2"]
    command += ["--project", folder, "--url", server.uri]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        examples.append(world.table(3, "served"))
        newest = wait_for_version(catalog, newest)
        examples.append(world.table(20, "served"))
        process.kill()
    result = subprocess.run([*command, "--idle", "2"], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "going on from" in result.stderr
    rows = catalog.stream("shop.model").scan(["version", "lineage"]).read_all().to_pylist()
    last = max(rows, key=lambda row: row["version"])
    assert last["version"] > newest
    end = examples.describe()["shards"][0]["end"]
    assert json.loads(last["lineage"])["offsets"] == {"0": end}
    # Its first version has every row again: nothing depends on what was lost.
    vectors = catalog.stream("shop.model_embeddings").scan(["version", "role"]).read_all()
    mine = vectors.filter(pa.compute.greater(vectors["version"], newest)).to_pylist()
    first = min(row["version"] for row in mine)
    assert sum(r["version"] == first and r["role"] == "item" for r in mine) >= ITEMS


def wait_for_version(catalog, than: int) -> int:
    deadline = time.monotonic() + 60
    while True:
        versions = catalog.stream("shop.model").scan(["version"]).read_all()["version"]
        newest = max(versions.to_pylist())
        if newest > than:
            return newest
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_graphs_are_proven_against_onnx_runtime(trained):
    server, _, folder, _ = trained
    definition = definition_of(server, folder)
    model, _ = Model.load(folder / "data/training/shop.model.pt", definition)
    for graph in (_export.RetrieverGraph(model), _export.RankerGraph(model)):
        content = _export.export(graph, model)
        with torch.no_grad():
            for parameter in graph.parameters():
                parameter.mul_(1.5)
        with pytest.raises(weir.InvalidDataError, match="differs from PyTorch's"):
            _export.verify(content, graph, model)


def test_a_model_with_nan_is_not_published(trained):
    server, _, folder, _ = trained
    model, _ = Model.load(folder / "data/training/shop.model.pt", definition_of(server, folder))
    with torch.no_grad():
        model.embedding.weight[3, 2] = torch.nan
    with pytest.raises(weir.InvalidDataError, match=r"embedding\.weight has values that are NaN"):
        model.check()


def test_mistakes_are_told_in_words(trained, tmp_path):
    server, _, _, _ = trained

    def error(change=None, *arguments) -> str:
        status, _, errors = train(server, tmp_path, *arguments, change=change)
        assert status == 1
        return errors

    assert "no model 'shop.modl'; there are: shop.model" in error(None, "shop.modl")
    entry = lambda p: p["models"]["shop.model"]  # noqa: E731
    assert "has no label 'clik'; its boolean columns are: click, like" in error(
        lambda p: entry(p)["ranker"].update(labels=["clik"])
    )
    assert "no list column 'recent' for the history; there are: user_recent" in error(
        lambda p: entry(p).update(history="recent")
    )
    assert "shop.exampels" in error(lambda p: entry(p).update(examples="shop.exampels"))
    assert "embedding is 0" in error(lambda p: entry(p).update(embedding=0))


def test_examples_that_teach_nothing_are_told(tmp_path):
    with StreamServer(tmp_path / "service", project=STREAMS) as server:
        status, _, errors = train(server, tmp_path / "project")
        assert status == 1
        assert "shop.examples has no rows yet" in errors
        rows = [{**row, "click": False} for row in World().rows(10)]
        stream = weir.connect(server.uri).stream("shop.examples")
        stream.append(pa.Table.from_pylist(rows, schema=SCHEMA))
        status, _, errors = train(server, tmp_path / "project")
        assert status == 1
        assert "shop.examples has no row with click" in errors
