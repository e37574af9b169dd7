# SPDX-License-Identifier: Apache-2.0
"""Every snapshot taken during a storm of upserts and deletes, read by three and replayed."""

from __future__ import annotations

import pytest
import storm
from rest_server import BINARY


@pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")
def test_all_readers_agree_at_every_snapshot(tmp_path):
    counts = storm.run(tmp_path, seed=20_261_121, requests=300)
    assert counts["snapshots"] >= 8
    assert counts["snapshots read during the storm"] >= 1
