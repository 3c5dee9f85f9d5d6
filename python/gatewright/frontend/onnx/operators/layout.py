# SPDX-License-Identifier: Apache-2.0
"""Operators that only move or rename elements."""

from __future__ import annotations

import dataclasses
import math

from gatewright.frontend.onnx.model import Node
from gatewright.frontend.onnx.recorder import Recorder, Tensor
from gatewright.frontend.onnx.register import lowers


def _kept(b: Recorder) -> Tensor:
    """Input 0; moving elements does not change what their integers stand for."""
    found = b.value(0)
    if not isinstance(found, Tensor):
        return b.tensor(0)
    return found


def _viewed(b: Recorder, shape: list[int]) -> Tensor:
    x = _kept(b)
    if math.prod(shape) != math.prod(x.shape):
        b.refuse("shape", shape, f"{math.prod(x.shape)} elements: one item of shape {list(x.shape)}")
    if shape and shape[0] != 1:
        b.refuse("shape", shape, "a batch of one in front", "leave the batch dimension open (0 or -1) in the export")
    found = b.call("aten.reshape.default", {"self": x, "shape": shape})
    return dataclasses.replace(found, form=x.form)


@lowers("Reshape")
def reshape(node: Node, b: Recorder) -> Tensor:
    """To a constant shape that keeps the batch and merges or splits whole axes."""
    x = _kept(b)
    wanted = [int(n) for n in (b.constant(1) if b.has(1) else node.get("shape"))]
    if not node.get("allowzero", 0):
        wanted = [x.shape[k] if n == 0 else n for k, n in enumerate(wanted)]
    if -1 in wanted:
        rest = math.prod(n for n in wanted if n != -1)
        wanted[wanted.index(-1)] = math.prod(x.shape) // max(rest, 1)
    return _viewed(b, wanted)


@lowers("Flatten")
def flatten(node: Node, b: Recorder) -> Tensor:
    """axis = 1."""
    x = _kept(b)
    axis = node.get("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    if axis == 0:
        b.refuse("axis", node.get("axis"), "1: the batch dimension stays")
    return _viewed(b, [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])


def _axes(node: Node, b: Recorder, rank: int) -> list[int] | None:
    found = b.constant(1, node.get("axes"))
    return None if found is None else [int(a) % rank for a in found]


@lowers("Squeeze")
def squeeze(node: Node, b: Recorder) -> Tensor:
    """Constant axes of size 1."""
    x = _kept(b)
    gone = _axes(node, b, len(x.shape))
    gone = [k for k, n in enumerate(x.shape) if n == 1] if gone is None else gone
    if 0 in gone:
        b.refuse("axes", gone, "any but the batch dimension")
    return _viewed(b, [n for k, n in enumerate(x.shape) if k not in gone])


@lowers("Unsqueeze")
def unsqueeze(node: Node, b: Recorder) -> Tensor:
    """Constant axes behind the batch dimension."""
    x = _kept(b)
    raw = b.constant(1, node.get("axes"))
    new = _axes(node, b, len(x.shape) + len(raw)) or []
    if 0 in new:
        b.refuse("axes", new, "axes behind the batch dimension")
    sizes = list(x.shape)
    for axis in sorted(new):
        sizes.insert(axis, 1)
    return _viewed(b, sizes)


@lowers("Transpose")
def transpose(node: Node, b: Recorder) -> Tensor:
    """Any permutation that keeps the batch dimension in front."""
    x = _kept(b)
    order = list(node.get("perm") or range(len(x.shape))[::-1])
    if order[0] != 0:
        b.refuse("perm", order, "the batch dimension first")
    found = b.call("aten.permute.default", {"self": x, "dims": order})
    return dataclasses.replace(found, form=x.form)


@lowers("Identity")
def identity(node: Node, b: Recorder) -> Tensor:
    """Nothing happens."""
    return _kept(b)


@lowers("Dropout")
def dropout(node: Node, b: Recorder) -> Tensor:
    """In inference mode; without its mask."""
    if b.has(2) and bool(b.constant(2)):
        b.refuse("training_mode", True, "False")
    if any(o in b.model.readers for o in node.outputs[1:]):
        b.refuse("outputs", "a mask that is read", "the values only")
    return _kept(b)


@lowers("Cast")
def cast(node: Node, b: Recorder) -> Tensor:
    """Of real numbers to float32 or float64, of integers to int32 or int64."""
    from onnx.helper import tensor_dtype_to_np_dtype

    x = _kept(b)
    allowed = ("float32", "float64") if x.sample.is_floating_point() else ("int32", "int64")
    wanted = str(tensor_dtype_to_np_dtype(node.get("to", 1)))
    if wanted not in allowed:
        b.refuse("to", wanted, " or ".join(allowed))
    return x


@lowers("Concat")
def concat(node: Node, b: Recorder) -> Tensor:
    """Run-time tensors along the channels."""
    parts = [b.tensor(k) for k in range(len(node.inputs))]
    return b.call("aten.cat.default", {"tensors": parts, "dim": node.get("axis", 1)})


@lowers("Gather")
def gather(node: Node, b: Recorder) -> Tensor:
    """Rows of a constant table by token ids (an embedding); axis = 0."""
    if isinstance(b.value(0), Tensor):
        b.refuse("data", "a run-time tensor", "a constant table")
    table = b.reals(0)
    if node.get("axis", 0) != 0 or table.ndim != 2:
        b.refuse("axis", f"{node.get('axis', 0)} of a table of shape {list(table.shape)}", "0 of [rows, channels]")
    args = {"weight": table, "indices": b.tensor(1)}
    return b.call("aten.embedding.default", args)
