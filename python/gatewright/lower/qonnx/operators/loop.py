# SPDX-License-Identifier: Apache-2.0
"""A loop, unrolled: ONNX has no way to say that iterations share hardware."""

from __future__ import annotations

from gatewright.lower.qonnx.spelling import Call, spells, written
from gatewright.lower.qonnx.values import Value
from gatewright.ops.loop import Loop


@spells(Loop)
def loop(call: Call) -> Value:
    """The bodies one after the other."""
    w, (value,) = call.writer, call.inputs
    place = w.place
    for k, body in enumerate(call.op.bodies):
        (name,) = body.inputs
        (value,) = written(w, body, {name: value}, call.length, f"{place}_{k}_")
    w.place = place
    return value
