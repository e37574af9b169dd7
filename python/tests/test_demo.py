# SPDX-License-Identifier: Apache-2.0
"""The main job in small: from events to a feed, killed twice on the way, on a synthetic world."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rest_server import BINARY

pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_from_event_to_feed_through_kills(tmp_path: Path) -> None:
    world = ["demo", "--synthetic", "--rows", "40000", "--out", str(tmp_path)]
    subprocess.run([str(BINARY), *world], check=True, capture_output=True)
    command = [sys.executable, str(ROOT / "demo" / "loop.py"), str(tmp_path), "synthetic"]
    command += ["--seconds", "12", "--users", "50", "--kills", "2", "--weir", str(BINARY)]
    paths = [str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = json.loads((tmp_path / "report.json").read_text())
    assert not [text for text in report["checks"].values() if text.startswith("FAILED")]
    names = [one["name"] for one in report["evaluation"]["recommenders"]]
    assert names[-1] == "the full loop"
    assert report["serving"]["requests"] > 0
    assert report["serving"]["models"]
    assert report["feed"]["before"] != report["feed"]["after"]
    assert "<svg" in (tmp_path / "report.html").read_text()
