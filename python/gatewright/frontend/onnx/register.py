# SPDX-License-Identifier: Apache-2.0
"""Which ONNX operators there are: every module of `operators/` registers its own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewright.frontend.onnx.model import Array, Node
    from gatewright.frontend.onnx.recorder import Recorder, Tensor

Lowering = Callable[["Node", "Recorder"], "Tensor | Array"]
"""Records the calls of one node and returns its first output; a constant if all its inputs are."""

_KNOWN: dict[str, Lowering] = {}


def lowers(*operators: str) -> Callable[[Lowering], Lowering]:
    """Register a lowering; the first sentence of its docstring says what is supported."""

    def add(function: Lowering) -> Lowering:
        _KNOWN.update(dict.fromkeys(operators, function))
        return function

    return add


@cache
def lowerings() -> dict[str, Lowering]:
    """Lowerings by ONNX operator."""
    from gatewright.frontend.onnx import operators

    for module in pkgutil.iter_modules(operators.__path__):
        importlib.import_module(f"{operators.__name__}.{module.name}")
    return dict(sorted(_KNOWN.items()))


def supported() -> dict[str, str]:
    """For every ONNX operator what of it is supported, in a sentence."""
    return {name: (f.__doc__ or "").strip().splitlines()[0] for name, f in lowerings().items()}
