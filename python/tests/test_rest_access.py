# SPDX-License-Identifier: Apache-2.0
"""Who may do what at the catalog server: tokens, clients, grants."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest
from rest_server import BINARY, SCHEMA, RestServer, set_property

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")

    def kept(secret):
        done = subprocess.run(
            [BINARY, "catalog", "secret"], input=secret.encode(), capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    clients = {
        "clients": [
            {
                "id": "reader",
                "secret": kept("reader's secret"),
                "grants": [{"namespace": ["sales"], "access": "read"}],
            },
            {
                "id": "writer",
                "secret": kept("writer's secret"),
                "grants": [
                    {"namespace": ["sales", "eu"], "access": "write"},
                    {"namespace": ["own"], "access": "admin"},
                ],
            },
        ]
    }
    (folder / "clients.json").write_text(json.dumps(clients))
    with RestServer(
        folder / "data",
        "--clients",
        str(folder / "clients.json"),
        WEIR_CATALOG_TOKEN="the operator's own token",
    ) as server:
        operator = {"Authorization": "Bearer the operator's own token"}
        for levels in [["sales"], ["sales", "eu"], ["secret"], ["own"]]:
            body = {"namespace": levels}
            assert server.request("POST", "/v1/namespaces", body, operator)[0] == 200
        for path in ["sales", "sales%1Feu", "secret"]:
            body = {"name": "t", "schema": SCHEMA}
            path = f"/v1/namespaces/{path}/tables"
            assert server.request("POST", path, body, operator)[0] == 200
        server.operator = operator
        server.reader = signed_in(server, "reader", "reader's secret")
        server.writer = signed_in(server, "writer", "writer's secret")
        yield server


def signed_in(server, name, secret):
    body = f"grant_type=client_credentials&client_id={name}&client_secret={secret}&scope=catalog"
    status, fields, answer = server.request(
        "POST", "/v1/oauth/tokens", body.replace("'", "%27").replace(" ", "+").encode(), FORM
    )
    assert status == 200, answer
    assert fields["cache-control"] == "no-store"
    assert answer["token_type"] == "bearer"
    assert answer["expires_in"] > 0
    return {"Authorization": f"Bearer {answer['access_token']}"}


def test_nothing_without_a_token(guarded):
    for fields in [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}]:
        for method, path in [
            ("GET", "/v1/config"),
            ("GET", "/v1/namespaces"),
            ("POST", "/v1/namespaces"),
            ("GET", "/v1/namespaces/sales/tables/t"),
            ("POST", "/v1/transactions/commit"),
        ]:
            status, found, answer = guarded.request(method, path, headers=fields)
            assert (status, answer["error"]["type"]) == (401, "NotAuthorizedException")
            assert found["www-authenticate"].startswith("Bearer")


def test_tokens_are_refused_by_the_book(guarded):
    def ask(body, **fields):
        status, _, answer = guarded.request(
            "POST", "/v1/oauth/tokens", body.encode(), {**FORM, **fields}
        )
        return status, answer["error"]

    assert ask("") == (400, "invalid_request")
    assert ask("grant_type=password") == (400, "unsupported_grant_type")
    exchange = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
    assert ask(exchange) == (400, "unsupported_grant_type")
    assert ask("grant_type=client_credentials") == (401, "invalid_client")
    wrong = "grant_type=client_credentials&client_id=reader&client_secret=wrong"
    assert ask(wrong) == (401, "invalid_client")
    assert ask(wrong.replace("reader", "nobody")) == (401, "invalid_client")
    basic = base64.b64encode(b"reader:reader%27s+secret").decode()
    status, _, answer = guarded.request(
        "POST",
        "/v1/oauth/tokens",
        b"grant_type=client_credentials",
        {**FORM, "Authorization": f"Basic {basic}"},
    )
    assert status == 200
    assert answer["access_token"]


def test_grants(guarded):
    reader, writer = guarded.reader, guarded.writer
    body = {"name": "new", "schema": SCHEMA}
    change = set_property("a", "1")

    def status(method, path, fields, body=None):
        return guarded.request(method, path, body, fields)[0]

    def names(path, fields):
        return guarded.request("GET", path, None, fields)[2]["namespaces"]

    assert names("/v1/namespaces", guarded.operator) == [["own"], ["sales"], ["secret"]]
    assert names("/v1/namespaces", reader) == [["sales"]]
    assert names("/v1/namespaces", writer) == [["own"], ["sales"]]
    assert names("/v1/namespaces?parent=sales", writer) == [["sales", "eu"]]
    assert status("GET", "/v1/namespaces?parent=secret", reader) == 403

    assert status("GET", "/v1/namespaces/sales/tables/t", reader) == 200
    assert status("GET", "/v1/namespaces/sales%1Feu/tables/t", reader) == 200
    assert status("HEAD", "/v1/namespaces/secret/tables/t", reader) == 403
    # What is not there is not told, either.
    assert status("GET", "/v1/namespaces/secret/tables/absent", reader) == 403
    assert status("GET", "/v1/namespaces/absent", reader) == 403
    assert status("POST", "/v1/namespaces/sales/tables/t", reader, change) == 403
    assert status("DELETE", "/v1/namespaces/sales/tables/t", reader) == 403
    assert status("POST", "/v1/namespaces/sales/tables", reader, body) == 403
    assert status("POST", "/v1/namespaces", reader, {"namespace": ["sales", "x"]}) == 403

    assert status("GET", "/v1/namespaces/sales/tables/t", writer) == 403
    assert status("POST", "/v1/namespaces/sales%1Feu/tables/t", writer, change) == 200
    assert (
        status("POST", "/v1/namespaces/sales%1Feu/properties", writer, {"removals": ["a"]}) == 403
    )
    assert status("DELETE", "/v1/namespaces/sales%1Feu", writer) == 403
    assert status("POST", "/v1/namespaces", writer, {"namespace": ["own", "x"]}) == 200
    assert status("DELETE", "/v1/namespaces/own%1Fx", writer) == 204

    def rename(source, destination):
        return {
            "source": {"namespace": source, "name": "t"},
            "destination": {"namespace": destination, "name": "t"},
        }

    for source, destination in [(["sales", "eu"], ["secret"]), (["secret"], ["own"])]:
        body = rename(source, destination)
        assert status("POST", "/v1/tables/rename", writer, body) == 403
    eu, other = ["sales", "eu"], ["secret"]
    changes = [
        {"identifier": {"namespace": levels, "name": "t"}, **change} for levels in (eu, other)
    ]
    body = {"table-changes": changes}
    assert status("POST", "/v1/transactions/commit", writer, body) == 403
    body = {"table-changes": changes[:1]}
    assert status("POST", "/v1/transactions/commit", writer, body) == 204


def test_grants_do_not_reach_others_files(guarded):
    """Who may write in one namespace can neither register nor drop what belongs to another."""
    _, _, answer = guarded.request("GET", "/v1/namespaces/secret/tables/t", None, guarded.operator)
    foreign = answer["metadata-location"]
    folder = answer["metadata"]["location"]
    for path, body in [
        ("own/register", {"name": "x", "metadata-location": foreign}),
        ("own/tables", {"name": "x", "schema": SCHEMA, "location": folder}),
        ("own/properties", {"updates": {"location": folder}}),
    ]:
        status, _, _ = guarded.request("POST", f"/v1/namespaces/{path}", body, guarded.writer)
        assert status == 403, path
    status, _, _ = guarded.request(
        "POST",
        "/v1/namespaces",
        {"namespace": ["own", "y"], "properties": {"location": folder}},
        guarded.writer,
    )
    assert status == 403
    status, _, answer = guarded.request(
        "POST", "/v1/namespaces/own/tables", {"name": "x", "schema": SCHEMA}, guarded.writer
    )
    assert status == 200
    for update in [
        {"action": "set-location", "location": folder},
        {"action": "set-properties", "updates": {"write.data.path": folder}},
    ]:
        status, _, _ = guarded.request(
            "POST",
            "/v1/namespaces/own/tables/x",
            {"requirements": [], "updates": [update]},
            guarded.writer,
        )
        assert status == 403
    status, _, _ = guarded.request(
        "DELETE", "/v1/namespaces/own/tables/x?purgeRequested=true", None, guarded.writer
    )
    assert status == 204


def test_it_does_not_listen_to_others_unasked(tmp_path):
    done = subprocess.run(
        [BINARY, "catalog", "serve", "--data", tmp_path, "--host", "0.0.0.0", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "--token or --clients" in done.stderr
