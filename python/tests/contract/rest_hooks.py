# SPDX-License-Identifier: Apache-2.0
"""Hooks of the contract test: schemathesis imports this file.

Random names never meet: requests about tables would all end with "no such table". So most requests
get names from a few, which are made again when a request has dropped them.
"""

from __future__ import annotations

import os
import random

import requests
import schemathesis

URL = os.environ["WEIR_CONTRACT_URL"]
NAMESPACES = ["accounting", "accounting\x1ftax", "other"]
NAMES = ["sales", "paid"]
SCHEMA = {"type": "struct", "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}]}
VERSION = {
    "version-id": 1,
    "timestamp-ms": 1,
    "schema-id": 0,
    "summary": {"engine": "test"},
    "representations": [{"type": "sql", "sql": "select 1", "dialect": "duckdb"}],
    "default-namespace": ["accounting"],
}
choices = random.Random(int(os.environ.get("WEIR_CONTRACT_SEED", "1")))
session = requests.Session()
count = 0


def restore() -> None:
    """Makes the namespaces, tables and views again that are missing."""
    for namespace in NAMESPACES:
        session.post(f"{URL}/v1/namespaces", json={"namespace": namespace.split("\x1f")})
        path = f"{URL}/v1/namespaces/{namespace.replace(chr(0x1F), '%1F')}"
        session.post(f"{path}/tables", json={"name": "sales", "schema": SCHEMA})
        session.post(
            f"{path}/views",
            json={"name": "paid", "schema": SCHEMA, "view-version": VERSION, "properties": {}},
        )


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    global count
    if count % 50 == 0:
        restore()
    count += 1
    if case.headers and "Idempotency-Key" in case.headers and choices.random() < 0.7:
        # The example of the description would be used for many operations, which is refused.
        digits = f"{choices.getrandbits(128):032x}"
        case.headers["Idempotency-Key"] = (
            f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
        )
    parameters = case.path_parameters
    if not parameters:
        return
    # The server has one prefix; the specification allows any text.
    if "prefix" in parameters:
        parameters["prefix"] = "weir"
    if choices.random() < 0.2:
        return
    if "namespace" in parameters:
        parameters["namespace"] = choices.choice(NAMESPACES)
    for name in ("table", "view"):
        if name in parameters:
            parameters[name] = choices.choice(NAMES)
