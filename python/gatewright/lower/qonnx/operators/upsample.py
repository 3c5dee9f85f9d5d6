# SPDX-License-Identifier: Apache-2.0
"""Larger images."""

from __future__ import annotations

import numpy as np

from gatewright.lower.qonnx.spelling import Call, spells
from gatewright.lower.qonnx.values import Value
from gatewright.ops.upsample import Upsample


@spells(Upsample)
def upsample(call: Call) -> Value:
    """Resize of the nearest neighbour; or DepthToSpace, spelled by its law where the factors differ."""
    w, op, (x,) = call.writer, call.op, call.inputs
    name = x.at((op.height, op.width))
    batch, channels = w.shapes[name][0], call.kind.channels
    down, across = op.scale
    form = (op.height * down, op.width * across)
    shape = (batch, channels, *form)
    if not op.blocks:
        scales = w.constant(np.array([1, 1, down, across]), np.float32, "scales")
        attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return call.result(w.node("Resize", [name, "", scales], shape, **attributes), form)
    if down == across:
        return call.result(w.node("DepthToSpace", [name], shape, blocksize=down, mode="CRD"), form)
    blocks = w.reshape(name, (batch, channels, down, across, op.height, op.width))
    return call.result(w.reshape(w.transpose(blocks, (0, 1, 4, 2, 5, 3)), shape), form)
