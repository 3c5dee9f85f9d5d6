# SPDX-License-Identifier: Apache-2.0
"""Which ONNX operators there are: every module of `operators/` registers its own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewright.frontend.onnx.model import Array, Node
    from gatewright.frontend.onnx.recorder import Recorder
    from gatewright.frontend.onnx.tensor import Tensor

Lowering = Callable[["Node", "Recorder"], "Tensor | Array | list[Tensor]"]
"""Records the calls of one node and returns its first output, or all; a constant if all its inputs are."""


class Batch(Enum):
    """Where the run-time inputs of an operator may have their batch dimension."""

    FIRST = "first"
    ANYWHERE = "anywhere"
    """It works along the last dimension at most: its result lies as its inputs do."""
    READ = "read"
    """The lowering looks at `Tensor.axes` itself."""


_KNOWN: dict[str, Lowering] = {}
_BATCH: dict[str, Batch] = {}


def lowers(*operators: str, batch: Batch = Batch.FIRST) -> Callable[[Lowering], Lowering]:
    """Register a lowering; the first sentence of its docstring says what is supported."""

    def add(function: Lowering) -> Lowering:
        _KNOWN.update(dict.fromkeys(operators, function))
        _BATCH.update(dict.fromkeys(operators, batch))
        return function

    return add


@cache
def lowerings() -> dict[str, Lowering]:
    """Lowerings by ONNX operator."""
    from gatewright.frontend.onnx import operators

    for module in pkgutil.iter_modules(operators.__path__):
        importlib.import_module(f"{operators.__name__}.{module.name}")
    return dict(sorted(_KNOWN.items()))


def batch_of(operator: str) -> Batch:
    """Where a known operator may have the batch."""
    lowerings()
    return _BATCH[operator]


def supported() -> dict[str, str]:
    """For every ONNX operator what of it is supported, in a sentence."""
    return {name: (f.__doc__ or "").strip().splitlines()[0] for name, f in lowerings().items()}
