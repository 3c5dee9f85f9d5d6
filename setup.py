# SPDX-License-Identifier: Apache-2.0
"""The package list, which pyproject.toml cannot say: what is found below python/, and four mapped rooms."""

from setuptools import find_packages, setup

ROOMS = ("rtl", "hls", "boards", "scheduler")

inner = [f"gatewright.{room}.{name}" for room in ROOMS for name in find_packages(room)]
setup(
    packages=find_packages("python") + [f"gatewright.{room}" for room in ROOMS] + inner,
    package_dir={"": "python"} | {f"gatewright.{room}": room for room in ROOMS},
)
