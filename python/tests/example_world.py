# SPDX-License-Identifier: Apache-2.0
"""Training examples of a small world whose tastes are known, by the contract of docs/models.md."""

from __future__ import annotations

import json
import random

import pyarrow as pa

#: The streams that training reads and writes.
STREAMS = """
data: data
server: {port: 0}
streams:
  shop.examples:
    columns:
      request_id: string not null
      item_id: long not null
      user_id: long not null
      surface: string
      at: timestamptz not null
      position: int
      user_events: long
      user_mean_value: double
      user_recent_item_id: list<long>
      item_events: long
      item_trend: double
      about_category: string
      click: boolean not null
      like: boolean not null
      sampling_rate: float
      propensity: double
      is_correction: boolean
      source: string
    primary_key: [request_id, item_id]
    flush: {interval: 300ms}
  shop.model:
    columns:
      version: long not null
      created_at: timestamptz
      retriever_graph: binary
      ranker_graph: binary
      graph_version: long
      metadata: string not null
      lineage: string
      metrics: string
    primary_key: [version]
    flush: {interval: 300ms}
  shop.model_embeddings:
    columns:
      role: string not null
      id: string not null
      version: long not null
      vector: list<float not null> not null
    primary_key: [role, id, version]
    flush: {interval: 300ms}
"""

#: What the trainer reads of weir.yaml.
PROJECT = {
    "data": "data",
    "server": {"port": 0},
    "feature_views": {
        "shop.ranking": {
            "user": {"table": "shop.user_profile", "key": "user_id"},
            "item": {"table": "shop.item_profile", "key": "item_id"},
            "about": {"table": "shop.items", "key": "item_id", "columns": ["category"]},
        }
    },
    "examples": {
        "shop.examples": {
            "features": "shop.ranking",
            "requests": "shop.requests",
            "feedback": "shop.events",
            "labels": {"click": {"where": "kind = 'click'"}, "like": {"where": "value >= 4"}},
        }
    },
    "models": {
        "shop.model": {
            "examples": "shop.examples",
            "retriever": {"label": "click", "dimension": 8},
            "ranker": {"labels": ["click", "like"]},
            "embedding": 8,
            "history": "user_recent_item_id",
            "history_length": 10,
        }
    },
}
ITEMS, GROUPS = 40, 4

SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.string(), False),
        pa.field("item_id", pa.int64(), False),
        pa.field("user_id", pa.int64(), False),
        pa.field("surface", pa.string()),
        pa.field("at", pa.timestamp("us", "UTC"), False),
        pa.field("position", pa.int32()),
        pa.field("user_events", pa.int64()),
        pa.field("user_mean_value", pa.float64()),
        pa.field("user_recent_item_id", pa.list_(pa.int64())),
        pa.field("item_events", pa.int64()),
        pa.field("item_trend", pa.float64()),
        pa.field("about_category", pa.string()),
        pa.field("click", pa.bool_(), False),
        pa.field("like", pa.bool_(), False),
        pa.field("sampling_rate", pa.float32()),
        pa.field("propensity", pa.float64()),
        pa.field("is_correction", pa.bool_()),
        pa.field("source", pa.string()),
    ]
)


class World:
    """Users like items of their own group: `user % GROUPS` is `item % GROUPS`."""

    def __init__(self, seed: int = 5, users: int = 120) -> None:
        self.random = random.Random(seed)
        self.users = users
        self.history: dict[int, list[int]] = {}
        self.counts = [0] * ITEMS
        self.requests = 0

    def rows(self, requests: int, source: str = "history") -> list[dict]:
        result = []
        for _ in range(requests):
            user = self.random.randrange(self.users)
            own = [i for i in range(ITEMS) if i % GROUPS == user % GROUPS]
            liked = self.random.choice(own) if self.random.random() < 0.9 else None
            chosen = self.random.randrange(ITEMS) if liked is None else liked
            others = self.random.sample([i for i in range(ITEMS) if i != chosen], 3)
            recent = self.history.setdefault(user, [])
            for item in (chosen, *others):
                result.append(
                    {
                        "request_id": f"r{self.requests}",
                        "item_id": item,
                        "user_id": user,
                        "surface": "home",
                        "at": 1_700_000_000_000_000 + self.requests * 1_000_000,
                        "user_events": len(recent),
                        "user_mean_value": 4.0 if recent else None,
                        "user_recent_item_id": list(recent[:10]),
                        "item_events": self.counts[item],
                        "item_trend": self.counts[item] / 2,
                        "about_category": f"group {item % GROUPS}",
                        "click": item == chosen,
                        "like": item == liked,
                        "sampling_rate": 1.0,
                        "is_correction": False,
                        "source": source,
                    }
                )
            self.history[user] = [chosen, *recent][:10]
            self.counts[chosen] += 1
            self.requests += 1
        return result

    def table(self, requests: int, source: str = "history") -> pa.Table:
        return pa.Table.from_pylist(self.rows(requests, source), schema=SCHEMA)


def write_project(folder, change=None):
    """The trainer's project file; JSON is YAML, too."""
    project = json.loads(json.dumps(PROJECT))
    if change is not None:
        change(project)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "weir.yaml"
    path.write_text(json.dumps(project))
    return path
