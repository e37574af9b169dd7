# SPDX-License-Identifier: Apache-2.0
"""schemathesis against the catalog server, with the published OpenAPI description.

Whatever is sent, no answer is a server error and each is as the description says.

$WEIR_CONTRACT_SECONDS bounds the time: 40 by default, an hour for a night; the seed is
$WEIR_CONTRACT_SEED, 1 by default.
$WEIR_CONFORMANCE names the folder of published files; the default is ../shared/conformance beside
the repository. Without it the test is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rest_server import BINARY, ROOT, RestServer

FOLDER = Path(os.environ.get("WEIR_CONFORMANCE", ROOT.parent / "shared" / "conformance"))
DESCRIPTION = FOLDER / "iceberg" / "rest-catalog-open-api.yaml"
SECONDS = int(os.environ.get("WEIR_CONTRACT_SECONDS", "40"))
SEED = os.environ.get("WEIR_CONTRACT_SEED", "1")
PROGRAM = shutil.which("schemathesis", path=str(Path(sys.executable).parent))

pytestmark = [
    pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built"),
    pytest.mark.skipif(not DESCRIPTION.exists(), reason=f"{DESCRIPTION} is not there"),
    pytest.mark.skipif(PROGRAM is None, reason="schemathesis is not installed"),
]

# What is checked of every answer. Left out: that all it allows is accepted (to it any string is a
# type), and that all else is refused (a null is taken as a member that is not there).
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]


def repaired(description):
    """The description without its own mistakes, which would fail every right answer.

    - `nullable` is not a word of OpenAPI 3.1; the type is to have "null" instead.
    - `oneOf` over alternatives that hold together (an integer is an int and a long) holds never.
    """
    if isinstance(description, list):
        return [repaired(part) for part in description]
    if not isinstance(description, dict):
        return description
    result = {name: repaired(part) for name, part in description.items()}
    if isinstance(result.get("type"), str) and result.pop("nullable", False) is True:
        result["type"] = [result["type"], "null"]
    if "oneOf" in result and "discriminator" not in result:
        result["anyOf"] = result.pop("oneOf")
    return result


def test_contract(tmp_path):
    import yaml

    description = tmp_path / "open-api.json"
    description.write_text(json.dumps(repaired(yaml.safe_load(DESCRIPTION.read_text()))))
    with RestServer(tmp_path / "warehouse") as server:
        done = subprocess.run(
            [
                PROGRAM,
                "run",
                str(description),
                f"--url={server.uri}",
                f"--checks={','.join(CHECKS)}",
                f"--max-time={SECONDS}",
                f"--seed={SEED}",
                "--continue-on-failure",
                "--max-examples=1000",
                "--generation-database=none",
                "--warnings=off",
                "--no-color",
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "rest_hooks",
                "PYTHONPATH": str(Path(__file__).parent / "contract"),
                "WEIR_CONTRACT_URL": server.uri,
            },
            capture_output=True,
            text=True,
        )
        assert server.process.poll() is None, server.errors()
        assert server.stop() == 0, server.errors()
    print(done.stdout[-1_500:])
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
