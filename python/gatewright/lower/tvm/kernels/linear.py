# SPDX-License-Identifier: Apache-2.0
"""Matrix-vector product per token."""

from __future__ import annotations

from gatewright.graph import TensorType
from gatewright.lower.tvm.kernels._matrix import matrix
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.ops.linear import Linear


def spell(emit: Emitter, op: Linear, output: TensorType, x: Value) -> Value:
    """The matrix unit on the tokens themselves."""
    return matrix(emit, op.matrix(x.form), x, output)
