# SPDX-License-Identifier: Apache-2.0
"""Lay the package out as it is installed, by links: mypy and import-linter walk folders only."""

import os
import shutil
import sys
from pathlib import Path

ROOMS = ("rtl", "hls", "boards", "scheduler")

root, tree = Path(__file__).resolve().parent.parent, Path(sys.argv[1]).resolve()
skip = shutil.ignore_patterns("__pycache__")
shutil.rmtree(tree, ignore_errors=True)
shutil.copytree(root / "python/gatewright", tree / "gatewright", copy_function=os.symlink, ignore=skip)
for room in ROOMS:
    shutil.copytree(root / room, tree / "gatewright" / room, copy_function=os.symlink, ignore=skip)
