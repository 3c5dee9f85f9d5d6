# SPDX-License-Identifier: Apache-2.0
"""Networks on real data, one file each; every file that defines `EXAMPLE` is found."""

import importlib
import pkgutil

from gatewright.examples._base import Data, Example, Study, Trained
from gatewright.examples._parties import TWO_PARTY, TwoParty

__all__ = ["Data", "Example", "Study", "Trained", "TwoParty", "examples", "two_party"]


def examples() -> dict[str, Example]:
    """Every example by name."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    found = [importlib.import_module(f"{__name__}.{name}").EXAMPLE for name in names]
    return {example.name: example for example in found}


def two_party() -> dict[str, TwoParty]:
    """Every example of two parties by name; they share the names of `examples`, but not its kind."""
    return {example.name: example for example in TWO_PARTY}
