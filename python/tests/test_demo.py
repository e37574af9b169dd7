# SPDX-License-Identifier: Apache-2.0
"""The main job in small: from events to a feed, each part killed, the tables as without kills."""

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
    """`weir demo`, imports, backfill, training and the live part: a kill or two of each."""
    command = [sys.executable, str(ROOT / "demo" / "kills.py"), str(tmp_path), "synthetic"]
    command += ["--kills", "1", "--seconds", "12", "--users", "50", "--no-replay", "--no-model"]
    command += ["--weir", str(BINARY)]
    paths = [str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    folder = tmp_path / "seed-1"
    kills = json.loads((folder / "kills.json").read_text())["kills"]
    assert {name.split(":")[0] for name in kills} >= {"import", "backfill", "train", "live"}
    report = json.loads((folder / "report.json").read_text())
    assert not [text for text in report["checks"].values() if text.startswith("FAILED")]
    names = [one["name"] for one in report["evaluation"]["recommenders"]]
    assert names[-1] == "the full loop"
    assert report["serving"]["requests"] > 0
    assert report["serving"]["models"]
    assert report["feed"]["before"] != report["feed"]["after"]
    assert "<svg" in (folder / "report.html").read_text()
