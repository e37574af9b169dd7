# SPDX-License-Identifier: Apache-2.0
"""A surface over live candidates and a model: scores beside onnxruntime, swaps, replays."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rest_server import BINARY
from stream_server import StreamServer
from test_serving import act, ask, recommend, replay

import weir

onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

MODELS = Path(__file__).parents[2] / "Tests" / "WeirRankerTests" / "Models"
EMBEDDING, HISTORY, VECTOR = 4, 5, 6
ITEMS = 40
USER = ["user_events", "user_mean_value", "user_heat"]
ITEM = ["item_events", "item_trend"]

PROJECT = """
server: {port: 0}
streams:
  shop.events:
    columns:
      user_id: long not null
      item_id: long not null
      at: timestamptz not null
      kind: string
      value: double
      request_id: string
    event_time: at
    shards: 2
    shard_key: user_id
  shop.items:
    columns: {item_id: long not null, category: string, created_at: timestamptz}
    primary_key: item_id
profiles:
  shop.user_profile:
    source: shop.events
    entity: user_id
    features:
      events: count
      mean_value: {function: mean, column: value}
      heat: {function: decayed_count, half_life: 3d}
      recent: {function: last, columns: [item_id, value], count: 20}
  shop.item_profile:
    source: shop.events
    entity: item_id
    features:
      events: count
      trend: {function: decayed_count, half_life: 14d}
candidates:
  shop.trending: {kind: trending, profile: shop.item_profile, feature: trend, count: 50}
  shop.similar:
    {kind: similar, profile: shop.user_profile, feature: recent, column: item_id, shrinkage: 1}
  shop.fresh: {kind: fresh, table: shop.items, time: created_at, count: 20}
feature_views:
  shop.ranking:
    user: {table: shop.user_profile, key: user_id}
    item: {table: shop.item_profile, key: item_id}
    attributes: {table: shop.items, key: item_id, columns: [category]}
models:
  shop.model:
    examples: shop.examples
    retriever: {label: like, dimension: 6}
    ranker: {labels: [click, like]}
    embedding: 4
    history: user_recent_item_id
surfaces:
  home:
    features: shop.ranking
    events: shop.events
    sources:
      similar: {from: shop.similar, seeds: user_recent_item_id, decay: 0.7, count: 200}
      trending: {from: shop.trending, count: 100}
      fresh: {from: shop.fresh, count: 50}
      two_tower: {model: shop.model, count: 10}
    filter: {seen: user_recent_item_id}
    score: {model: shop.model, value: {click: 1, like: 5}}
    rerank: {count: 15, max_per: {feature: attributes_category, count: 5}, explore: 0.1}
    budget: {fresh: 20s, retrieve: 5s, hydrate: 5s, score: 5s, log: 5s}
    log: shop.requests
"""


class World:
    """The vectors of versions, as they should count."""

    def __init__(self, server: StreamServer) -> None:
        self.server = server
        self.random = np.random.default_rng(1)
        self.vectors: dict[tuple[str, str], np.ndarray] = {}
        options = onnxruntime.SessionOptions()
        self.ranker, self.retriever = (
            onnxruntime.InferenceSession(str(MODELS / name), options)
            for name in ("ranker.onnx", "retriever.onnx")
        )

    def publish(self, version: int, items: range, graphs: bool, broken: bool = False) -> None:
        rows = []
        for item in items:
            for role, width in (("item", EMBEDDING), ("item_vector", VECTOR)):
                vector = self.random.normal(size=width).astype(np.float32)
                if broken:
                    vector[0] = np.nan
                else:
                    self.vectors[role, str(item)] = vector
                rows.append(
                    {"role": role, "id": str(item), "version": version, "vector": vector.tolist()}
                )
        metadata = {
            "format": 1,
            "user_dense": USER,
            "item_dense": ITEM,
            "embedding": EMBEDDING,
            "history": "user_recent_item_id",
            "history_length": HISTORY,
            "vector": VECTOR,
            "tasks": ["click", "like"],
        }

        def graph(name: str) -> bytes | None:
            return (MODELS / name).read_bytes() if graphs else None

        registry = pa.table(
            {
                "version": pa.array([version], pa.int64()),
                "retriever_graph": pa.array([graph("retriever.onnx")], pa.binary()),
                "ranker_graph": pa.array([graph("ranker.onnx")], pa.binary()),
                "graph_version": pa.array([1], pa.int64()),
                "metadata": pa.array([json.dumps(metadata)]),
            }
        )
        vectors = pa.Table.from_pylist(
            rows,
            pa.schema(
                [
                    ("role", pa.string()),
                    ("id", pa.string()),
                    ("version", pa.int64()),
                    ("vector", pa.list_(pa.float32())),
                ]
            ),
        )
        with weir.connect(self.server.uri) as catalog:
            with catalog.stream("shop.model_embeddings") as stream:
                stream.append(vectors)
            with catalog.stream("shop.model") as stream:
                stream.append(registry)

    def inputs(self, features: dict) -> dict[str, np.ndarray]:
        history = features["user_recent_item_id"][:HISTORY]
        embeddings = np.zeros((1, HISTORY, EMBEDDING), np.float32)
        mask = np.zeros((1, HISTORY), np.float32)
        for place, item in enumerate(history):
            embeddings[0, place] = self.vectors.get(("item", str(item)), 0)
            mask[0, place] = 1
        return {
            "user_dense": dense([features], USER),
            "user_embedding": np.zeros((1, EMBEDDING), np.float32),
            "history_embedding": embeddings,
            "history_mask": mask,
        }

    def scores(self, user: dict, items: list[dict]) -> np.ndarray:
        """What each item is worth, by onnxruntime."""
        count = len(items)
        inputs = {
            name: np.repeat(value, count, axis=0) for name, value in self.inputs(user).items()
        }
        inputs["item_dense"] = dense([item["features"] for item in items], ITEM)
        inputs["item_embedding"] = np.stack(
            [
                self.vectors.get(("item", str(item["item"])), np.zeros(EMBEDDING, np.float32))
                for item in items
            ]
        )
        click, like = self.ranker.run(["scores"], inputs)[0].T
        return click + 5 * like

    def nearest(self, user: dict, seen: list[int]) -> list[int]:
        (vector,) = self.retriever.run(["user_vector"], self.inputs(user))[0]
        dots = {
            int(key): float(vector @ value)
            for (role, key), value in self.vectors.items()
            if role == "item_vector" and int(key) not in seen
        }
        return sorted(dots, key=lambda item: (-dots[item], item))[:10]


def dense(rows: list[dict], names: list[str]) -> np.ndarray:
    return np.array(
        [[np.nan if row[name] is None else row[name] for name in names] for row in rows],
        np.float32,
    )


def serve(server, version, **request):
    """The list that the model's version scored, once it does."""
    deadline = time.monotonic() + 60
    while True:
        answer = recommend(server, surface="home", explain=True, **request)
        if answer["model_version"] == version or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


def test_a_surface_with_a_model(tmp_path):
    library = {"WEIR_ONNXRUNTIME": str(Path(onnxruntime.__file__).parent / "capi")}
    with StreamServer(tmp_path / "project", project=PROJECT, environment=library) as server:
        server.append(
            "shop.items",
            [
                {"item_id": item, "category": f"c{item % 4}", "created_at": "2026-01-01T00:00:00Z"}
                for item in range(ITEMS)
            ],
        )
        for user in range(12):
            act(server, user, [(user * 3 + k) % ITEMS for k in range(6)])
        answer = recommend(server, surface="home", user=1)
        assert answer["fallbacks"] == ["no_model:two_tower", "no_model"]
        assert answer["model_version"] is None
        world = World(server)
        names = [answer["request_id"]]
        for version, items in ((1, range(ITEMS)), (2, range(5, 9)), (4, range(30, 32))):
            world.publish(version, items, graphs=version == 1)
            for user in (1, 5, 99):
                answer = serve(server, version, user=user)
                check(world, answer, version, user)
                names.append(answer["request_id"])
        # A version with numbers that are none serves nobody.
        world.publish(5, range(3), graphs=False, broken=True)
        act(server, 1, [39])
        time.sleep(1)
        answer = recommend(server, surface="home", user=1, explain=True)
        check(world, answer, 4, 1)
        assert "model_refused" in server.errors()
        status, similar = ask(server, "/v1/similar/3?surface=home")
        assert status == 200
        assert similar["known"]
        code, said = replay(server, *names, answer["request_id"])
        assert code == 0, said
        assert said.splitlines()[-1].endswith("mismatch 0"), said


def check(world, answer, version, user):
    assert answer["model_version"] == version, world.server.errors()
    assert answer["fallbacks"] == ([] if user < 12 else ["user_unknown"])
    features = answer["user_features"]
    scores = world.scores(features, answer["items"])
    np.testing.assert_allclose([item["score"] for item in answer["items"]], scores, rtol=1e-4)
    nearest = world.nearest(features, features["user_recent_item_id"] or [])
    for item in answer["items"]:
        for place in item["places"]:
            if place["source"] == "two_tower":
                assert nearest[place["place"] - 1] == item["item"]
