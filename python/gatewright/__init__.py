# SPDX-License-Identifier: Apache-2.0
"""A trained PyTorch network becomes a verified FPGA accelerator, proven in open-source simulation.

import gatewright as gw

design = gw.compile(model, example, calibration, board="u200", target=64)
print(design.verify(samples))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatewright.design import Design as Design
    from gatewright.design import compile as compile
    from gatewright.frontend.checkpoint import load_bert as load_bert
    from gatewright.frontend.config import QuantConfig as QuantConfig
    from gatewright.frontend.roll import Ring as Ring
    from gatewright.graph import Folding as Folding
    from gatewright.lower.partition import partition as partition
    from gatewright.overlay import Overlay as Overlay
    from gatewright.scheduler.lengths import Lengths as Lengths
    from gatewright.scheduler.objectives import Resources as Resources

_WHERE = {
    "compile": "gatewright.design",
    "Design": "gatewright.design",
    "load_bert": "gatewright.frontend.checkpoint",
    "QuantConfig": "gatewright.frontend.config",
    "Ring": "gatewright.frontend.roll",
    "Folding": "gatewright.graph",
    "partition": "gatewright.lower.partition",
    "Overlay": "gatewright.overlay",
    "Lengths": "gatewright.scheduler.lengths",
    "Resources": "gatewright.scheduler.objectives",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    """Public names are loaded on first use, so that the import itself stays light."""
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
