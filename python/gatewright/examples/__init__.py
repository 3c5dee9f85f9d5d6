# SPDX-License-Identifier: Apache-2.0
"""Networks on real data, one file each; every file that defines `EXAMPLE` is found."""

import importlib
import pkgutil

from gatewright.examples._base import Data, Example, Study, Trained

__all__ = ["Data", "Example", "Study", "Trained", "examples"]


def examples() -> dict[str, Example]:
    """Every example by name."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    found = [importlib.import_module(f"{__name__}.{name}").EXAMPLE for name in names]
    return {example.name: example for example in found}
