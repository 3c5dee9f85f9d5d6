# SPDX-License-Identifier: Apache-2.0
"""Measurements in a file, so that a run can go on where an earlier one ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from _table import ROOT


class Kept:
    """Results by name, in build/<bench>.json.

    Args:
        bench: name of the benchmark.
        keep: take what an earlier run has found.
    """

    def __init__(self, bench: str, keep: bool) -> None:
        self.path = ROOT / "build" / f"{bench}.json"
        self.found: dict[str, Any] = json.loads(self.path.read_text()) if keep and self.path.exists() else {}

    def get(self, key: str, make: Callable[[], Any]) -> Any:
        """What is known under a name; else it is made, shown and kept. JSON has to be able to say it."""
        if key not in self.found:
            self.found[key] = make()
            print(key, self.found[key], flush=True)
            self.path.parent.mkdir(exist_ok=True)
            self.path.write_text(json.dumps(self.found))
        return self.found[key]
