# SPDX-License-Identifier: Apache-2.0
"""Project files: what `weir check` says, and the JSON Schema for editors."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from rest_server import BINARY, ROOT
from stream_server import PROJECT

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

SCHEMA = json.loads((ROOT / "docs" / "weir.schema.json").read_text())


def check(path: Path, *arguments):
    result = subprocess.run(
        [str(BINARY), "check", str(path), *arguments], capture_output=True, text=True, timeout=60
    )
    return result.returncode, result.stdout, result.stderr


def example() -> str:
    """The first whole file in docs/project.md."""
    text = (ROOT / "docs" / "project.md").read_text()
    return text.split("## An example")[1].split("```yaml\n")[1].split("```")[0]


def test_check(tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text(example())
    assert check(tmp_path)[:2] == (0, f"{file}: 2 streams, no problems\n")
    file.write_text(example().replace("timestamptz", "timestmptz"))
    code, out, _ = check(file)
    assert code == 1
    assert out.splitlines()[0].startswith(
        f"{file}:9:11: column 'at': there is no type 'timestmptz'"
    )
    code, out, _ = check(file, "--json")
    problems = json.loads(out)["problems"]
    assert code == 1
    assert len(problems) == 2
    assert problems[0]["line"] == 9
    assert "timestamptz" in problems[0]["remedy"]
    code, _, err = check(tmp_path / "nothing.yaml")
    assert code == 1
    assert "no such file" in err


def test_the_schema_is_one():
    jsonschema_rs.meta.validate(SCHEMA)


def test_the_schema_agrees_with_check(tmp_path):
    validator = jsonschema_rs.Draft7Validator(SCHEMA)
    good = [PROJECT, example()]
    bad = [
        PROJECT.replace("streams:", "stream:"),
        PROJECT.replace("shards: 2", "shards: 0"),
        PROJECT.replace("shards: 2", "shrads: 2"),
        PROJECT.replace("id: long not null", "id: loong", 1),
        PROJECT.replace("interval: 500ms", "interval: 500"),
        PROJECT.replace("last_write", "last_wirte"),
        PROJECT.replace("shop.events:", "events:"),
    ]
    for number, text in enumerate(good + bad):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        code, out, _ = check(file)
        errors = list(validator.iter_errors(yaml.safe_load(text)))
        assert (code == 0) == (number < len(good)), out
        assert (not errors) == (number < len(good)), (text, errors)
