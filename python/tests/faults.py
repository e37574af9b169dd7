# SPDX-License-Identifier: Apache-2.0
"""A disk that fails and a clock that jumps, under one process, when a test says so."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

import pytest


class Faults:
    """Faults of calls that change files in `folder`, of a process with `environment`."""

    _FIELDS = ("clock_nanoseconds", "write_errno", "sync_errno", "failed")

    def __init__(self, work: Path, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("clang")
        if compiler is None:
            pytest.skip("there is no C compiler for the library that makes calls fail")
        library = work / "faults.so"
        source = Path(__file__).with_name("faults.c")
        flags = ["-O1", "-shared", "-fPIC", "-Wall", "-Werror"]
        subprocess.run([compiler, *flags, "-o", library, source, "-ldl"], check=True)
        control = work / "faults.control"
        control.write_bytes(bytes(8 * len(self._FIELDS)))
        with control.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8 * len(self._FIELDS))
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "LD_PRELOAD": str(library),
            "WEIR_TEST_FAULTS": str(control),
            "WEIR_TEST_FAULTS_FOLDER": str(folder),
        }

    def _place(self, name: str) -> int:
        return 8 * self._FIELDS.index(name)

    def set(self, **values: int) -> None:
        for name, value in values.items():
            struct.pack_into("<q", self._shared, self._place(name), value)

    def set_clock(self, seconds: float) -> None:
        """By how much the clock is wrong."""
        self.set(clock_nanoseconds=int(seconds * 1e9))

    @property
    def failed(self) -> int:
        """How many calls were made to fail."""
        return struct.unpack_from("<q", self._shared, self._place("failed"))[0]
