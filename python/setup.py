# SPDX-License-Identifier: Apache-2.0
"""The wheel's tag and the native library in it; everything else stands in pyproject.toml.

dev/build-wheel passes both in the environment: WEIR_LIBRARY, the file to bundle, and
WEIR_PLATFORM_TAG, the platform that it runs on.
"""

import os
import shutil

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py


class BuildWithLibrary(build_py):
    """Puts the native library beside the modules."""

    def run(self) -> None:
        super().run()
        library = os.environ.get("WEIR_LIBRARY")
        if not library:
            raise SystemExit("WEIR_LIBRARY is not set; build the wheel with dev/build-wheel")
        shutil.copy(library, os.path.join(self.build_lib, "weir", "libWeirC.so"))


class PlatformWheel(bdist_wheel):
    """One wheel for every Python 3: the library is loaded by ctypes."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self) -> "tuple[str, str, str]":
        platform = os.environ.get("WEIR_PLATFORM_TAG") or super().get_tag()[2]
        return "py3", "none", platform


class BinaryDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(
    distclass=BinaryDistribution,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel},
)
