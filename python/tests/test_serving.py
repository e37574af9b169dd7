# SPDX-License-Identifier: Apache-2.0
"""Surfaces of a service: lists and what they are made of, their log, and hostile requests."""

from __future__ import annotations

import datetime
import json
import random
import subprocess
import time

import pytest
from rest_server import BINARY
from stream_server import StreamServer

import weir

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

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
    flush: {interval: 300ms}
  shop.items:
    columns: {item_id: long not null, category: string}
    primary_key: item_id
  shop.similar:
    columns:
      item_id: long not null
      items: "list<struct<item: long, score: double, reason: string>>"
    primary_key: item_id
  shop.trending:
    columns:
      segment: string not null
      items: "list<struct<item: long, score: double, reason: string>>"
    primary_key: segment
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
      week: {function: count, window: 7d}
      trend: {function: decayed_count, half_life: 14d}
feature_views:
  shop.ranking:
    user: {table: shop.user_profile, key: user_id}
    item: {table: shop.item_profile, key: item_id}
    attributes: {table: shop.items, key: item_id, columns: [category]}
surfaces:
  home:
    features: shop.ranking
    events: shop.events
    sources:
      similar: {from: shop.similar, seeds: user_recent_item_id, decay: 0.7, count: 200}
      trending: {from: shop.trending, count: 100}
    filter: {seen: user_recent_item_id}
    rerank: {count: 10, max_per: {feature: attributes_category, count: 4}, explore: 0.2}
    budget: {fresh: 20s, retrieve: 5s, hydrate: 5s, score: 5s, log: 5s}
    log: shop.requests
  plain:
    features: shop.ranking
    sources:
      trending: {from: shop.trending, count: 100}
    budget: {retrieve: 5s, hydrate: 5s}
"""

ITEMS = 60


def ranked(items):
    return [
        {"item": item, "score": 1.0 / (place + 1), "reason": f"number {place + 1}"}
        for place, item in enumerate(items)
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with StreamServer(tmp_path_factory.mktemp("serving"), project=PROJECT) as server:
        server.append(
            "shop.items",
            [{"item_id": item, "category": f"c{item % 5}"} for item in range(ITEMS)],
        )
        server.append(
            "shop.similar",
            [
                {"item_id": item, "items": ranked([(item * 7 + k) % ITEMS for k in range(1, 20)])}
                for item in range(ITEMS)
            ],
        )
        server.append("shop.trending", [{"segment": "", "items": ranked(range(ITEMS))}])
        yield server


def ask(server, path, body=None, method=None):
    method = method or ("GET" if body is None else "POST")
    data = json.dumps(body) if isinstance(body, (dict, list)) else body
    status, _, answer = server.request(method, path, data)
    return status, json.loads(answer)


def recommend(server, **request):
    status, answer = ask(server, "/v1/recommend", request)
    assert status == 200, answer
    return answer


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def act(server, user, items, **more):
    events = [
        {"user_id": user, "item_id": item, "at": now(), "kind": "view", "value": 1.5, **more}
        for item in items
    ]
    status, answer = ask(server, "/v1/events?surface=home", events)
    assert (status, answer["rows"]) == (200, len(items)), answer


def wait_until_known(server, user, events):
    deadline = time.monotonic() + 60
    while True:
        status, answer = ask(server, f"/v1/features/user/{user}?surface=home")
        assert status == 200, answer
        if answer["features"]["user_events"] == events or time.monotonic() > deadline:
            return answer


def test_a_stranger_gets_what_is_trending(server):
    answer = recommend(server, surface="home", user=999)
    assert answer["fallbacks"] == ["user_unknown"]
    assert answer["model_version"] is None
    assert len(answer["items"]) == 10
    assert {item["source"] for item in answer["items"]} == {"trending"}
    categories = [item["item"] % 5 for item in answer["items"]]
    assert max(categories.count(one) for one in categories) <= 4
    assert set(answer["timing"]) >= {"user_us", "retrieve_us", "hydrate_us", "total_us"}
    metrics = server.request("GET", "/metrics")[2].decode()
    assert 'weir_serving_fallbacks_total{surface="home",code="user_unknown"}' in metrics


def test_what_somebody_does_changes_the_list(server):
    act(server, 1, [3, 4])
    found = wait_until_known(server, 1, 2)
    assert found["known"]
    assert found["features"]["user_recent_item_id"] == [4, 3]
    answer = recommend(server, surface="home", user=1, count=20, explain=True)
    assert answer["fallbacks"] == []
    items = answer["items"]
    assert not {3, 4} & {item["item"] for item in items}
    assert answer["user_features"]["user_events"] == 2
    by_rule = rule(3, 4)
    for item in items:
        assert item["score"] == pytest.approx(by_rule[item["item"]])
        assert 0 < item["propensity"] <= 1
        assert item["features"]["attributes_category"] == f"c{item['item'] % 5}"
        best = {place["source"]: place["place"] for place in item["places"]}
        if item["source"] == "similar":
            assert best["similar"] <= best.get("trending", 1000)
            assert item["reason"].startswith("number")
            assert " of " in item["reason"]


def rule(*recent):
    """Scores by the rule: reciprocal places in both sources."""
    similar = {}
    for place, seed in enumerate(reversed(recent)):
        for k in range(1, 20):
            item = (seed * 7 + k) % ITEMS
            similar[item] = similar.get(item, 0) + 0.7**place / k
    scores = {}
    order = sorted(similar, key=lambda item: (-similar[item], item))
    for items in (order, range(ITEMS)):
        for place, item in enumerate(items):
            scores[item] = scores.get(item, 0) + 1 / (61 + place)
    return scores


def test_a_list_knows_what_its_user_just_did(server):
    for turn in range(20):
        act(server, 70, [turn])
        answer = recommend(server, surface="home", user=70, explain=True)
        assert answer["user_features"]["user_recent_item_id"][0] == turn, answer["fallbacks"]


def test_what_was_served_is_logged(server):
    act(server, 2, [10])
    wait_until_known(server, 2, 1)
    answer = recommend(server, surface="home", user=2)
    with weir.connect(server.uri) as catalog, catalog.stream("shop.requests") as stream:
        (row,) = stream.lookup([{"request_id": answer["request_id"]}])
    assert row["surface"] == "home"
    assert row["user_id"] == 2
    assert row["model_version"] is None
    assert row["items"] == [item["item"] for item in answer["items"]]
    assert row["scores"] == [item["score"] for item in answer["items"]]
    assert row["sources"] == [item["source"] for item in answer["items"]]
    assert row["user_events"] == 1
    assert row["user_recent_item_id"] == [10]
    assert sum(row["user_offsets"]) > 0
    assert row["attributes_category"] == [f"c{item % 5}" for item in row["items"]]
    assert len(row["item_events"]) == len(row["item_offsets"]) == len(row["items"])
    candidates = {one["item"]: one for one in row["candidates"]}
    assert len(candidates) == ITEMS - 1
    assert 10 not in candidates
    for item, score in zip(row["items"], row["scores"]):
        assert candidates[item]["score"] == score
        assert candidates[item]["groups"] == [f"c{item % 5}"]
    # A surface without a log serves, too.
    assert len(recommend(server, surface="plain", user=2)["items"]) == 20


def test_lists_and_features_of_one(server):
    status, answer = ask(server, "/v1/similar/5?surface=home&count=3")
    assert status == 200
    assert answer["known"]
    assert [one["item"] for one in answer["items"]] == [36, 37, 38]
    assert answer["items"][0] == {"item": 36, "score": 1.0, "reason": "number 1"}
    assert ask(server, "/v1/similar/777?surface=home")[1]["known"] is False
    status, answer = ask(server, "/v1/features/item/777?surface=home")
    assert status == 200
    assert not answer["known"]
    assert answer["features"]["item_events"] == 0
    # Lists that change are served as they are, at once.
    server.append("shop.similar", [{"item_id": 5, "items": ranked([50])}])
    answer = ask(server, "/v1/similar/5?surface=home")[1]
    assert [one["item"] for one in answer["items"]] == [50]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("", 400, "no request for a list"),
        ("[]", 400, "must be an object"),
        ('{"surface": "home"', 400, "no request"),
        ({"user": 1}, 400, "say which surface"),
        ({"surface": "homme", "user": 1}, 404, "there is no surface 'homme'"),
        ({"surface": "home"}, 400, "names no user"),
        ({"surface": "home", "user": None}, 400, "names no user"),
        ({"surface": "home", "user": "x"}, 400, "whole number"),
        ({"surface": "home", "user": 1.5}, 400, "whole number"),
        ({"surface": "home", "user": 1 << 70}, 400, "whole number"),
        ({"surface": "home", "user": 1, "count": 0}, 400, "between 1 and 1000"),
        ({"surface": "home", "user": 1, "count": 1e9}, 400, "between 1 and 1000"),
        ({"surface": "home", "user": 1, "usr": 1}, 400, "did you mean 'user'?"),
        ({"surface": "home", "user": 1, "context": 3}, 400, "context"),
        ({"surface": "home", "user": 1, "exclude": [[]]}, 400, "exclude"),
        ({"surface": "home", "user": 1, "exclude": [1] * 10_001}, 413, "exclude"),
        ('{"surface":' + "[" * 100_000, 400, ""),
        (" " * (1 << 20) + "{}", 413, "1 MiB"),
    ],
)
def test_requests_that_make_no_sense(server, body, status, said):
    found, answer = ask(server, "/v1/recommend", body)
    assert found == status, answer
    assert said in answer["error"]["message"], answer
    assert recommend(server, surface="plain", user=1)["items"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/recommend", 405),
        ("DELETE", "/v1/events", 405),
        ("GET", "/v1/similar/", 400),
        ("GET", "/v1/similar/x?surface=home", 400),
        ("GET", "/v1/similar/%ff?surface=home", 400),
        ("GET", "/v1/similar/1/2", 404),
        ("GET", "/v1/similar/1?surface=plain", 404),
        ("GET", "/v1/similar/1?surface=home&source=trending", 404),
        ("GET", "/v1/similar/1?surface=home&count=-1", 400),
        ("GET", "/v1/features/shop/1?surface=home", 404),
        ("GET", "/v1/features/user/99999999999999999999?surface=home", 400),
        ("POST", "/v1/events", 400),
        ("POST", "/v1/events?surface=plain", 400),
        ("POST", "/v1/events?surface=none", 404),
    ],
)
def test_paths_that_make_no_sense(server, method, path, status):
    found, answer = ask(server, path, "" if method == "POST" else None, method)
    assert found == status, answer
    assert answer["error"]["message"]


def test_events_that_do_not_fit(server):
    good = {"user_id": 50, "item_id": 1, "at": now(), "kind": "view"}
    status, answer = ask(server, "/v1/events?surface=home", [good, 3, {"user_id": 1}])
    assert status == 200
    assert answer["rows"] == 1
    assert answer["rejected"]["count"] == 2
    lines = json.dumps(good) + "\n" + json.dumps(good)
    status, answer = ask(server, "/v1/events?surface=home", lines)
    assert status == 200
    assert answer["rows"] == 2
    for body in ("[", "[1, 2", '[{"user_id": ]', "[" * 10_000):
        status, answer = ask(server, "/v1/events?surface=home", body)
        assert status == 400, answer


def test_a_project_without_surfaces(tmp_path):
    project = "server: {port: 0}\nstreams:\n  a.b:\n    columns: {x: long}\n"
    with StreamServer(tmp_path / "project", project=project) as server:
        status, answer = ask(server, "/v1/recommend", {"user": 1})
        assert status == 404
        assert "surfaces" in answer["error"]["message"]


def replay(server, *arguments):
    command = [str(BINARY), "replay", *arguments, "--url", server.uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_requests_are_replayed_while_tables_change(server):
    source = random.Random(3)
    names = []
    for turn in range(1000):
        user = source.randrange(100, 140)
        if turn % 5 == 0:
            act(server, source.randrange(100, 140), source.sample(range(ITEMS), 3))
        if turn % 25 == 0:
            item = source.randrange(ITEMS)
            server.append(
                "shop.similar",
                [{"item_id": item, "items": ranked(source.sample(range(ITEMS), 15))}],
            )
            server.append("shop.items", [{"item_id": item, "category": f"c{source.randrange(5)}"}])
        count = source.randrange(1, 20)
        names.append(recommend(server, surface="home", user=user, count=count)["request_id"])
    code, said = replay(server, *names)
    assert code == 0, said
    assert said.splitlines()[-1].startswith("1000 requests, ")
    assert said.splitlines()[-1].endswith(", mismatch 0"), said
    code, said = replay(server, "--last", "3", "--surface", "home")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()[:3]] == names[-3:]
    code, said = replay(server, "nobody")
    assert code == 1
    assert "no request log has the request 'nobody'" in said


def test_a_replay_shows_the_first_difference(server):
    answer = recommend(server, surface="home", user=100)
    with weir.connect(server.uri) as catalog, catalog.stream("shop.requests") as stream:
        (row,) = stream.lookup([{"request_id": answer["request_id"]}])
        row["item_events"][2] += 1
        row = {name: value for name, value in row.items() if not name.startswith("_")}
        receipt = stream.append([row])
        assert receipt["rejected"]["count"] == 0, receipt
    code, said = replay(server, answer["request_id"])
    assert code == 1
    item = answer["items"][2]["item"]
    assert f"mismatch 1; item {item}, item_events: served " in said
    for body in (
        "",
        "[]",
        '{"last": -1}',
        '{"request_ids": [1]}',
        '{"request_ids": [], "last": 1}',
    ):
        assert ask(server, "/v1/replay", body)[0] == 400
    assert ask(server, "/v1/replay", {"request_ids": ["x"] * 1001})[0] == 400
