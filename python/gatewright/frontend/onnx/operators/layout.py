# SPDX-License-Identifier: Apache-2.0
"""Operators that only move or rename elements."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from gatewright.frontend.onnx.model import Node
from gatewright.frontend.onnx.recorder import Recorder
from gatewright.frontend.onnx.register import Batch, lowers
from gatewright.frontend.onnx.tensor import Tensor
from gatewright.frontend.recurrent import LAYERS


def _kept(b: Recorder) -> Tensor:
    """Input 0, wherever its batch is; moving elements does not change what their integers stand for."""
    found = b.value(0)
    if not isinstance(found, Tensor):
        return b.tensor(0)
    return found


def _viewed(b: Recorder, shape: list[int]) -> Tensor:
    x = _kept(b)
    if math.prod(shape) != math.prod(x.shape):
        b.refuse("shape", shape, f"{math.prod(x.shape)} elements: one item of shape {list(x.shape)}")
    turned = x.regrouped(shape) if x.axes is not None else None
    if turned is not None:
        return turned
    x = b.first(x, "input")
    if shape and shape[0] != 1:
        b.refuse("shape", shape, "a batch of one in front", "leave the batch dimension open (0 or -1) in the export")
    found = b.call("aten.reshape.default", {"self": x, "shape": shape})
    return dataclasses.replace(found, form=x.form)


@lowers("Reshape", batch=Batch.READ)
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


@lowers("Flatten", batch=Batch.READ)
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


@lowers("Squeeze", batch=Batch.READ)
def squeeze(node: Node, b: Recorder) -> Tensor:
    """Constant axes of size 1."""
    x = _kept(b)
    gone = _axes(node, b, len(x.shape))
    gone = [k for k, n in enumerate(x.shape) if n == 1] if gone is None else gone
    if x.batch in gone:
        b.refuse("axes", gone, "any but the batch dimension")
    return _viewed(b, [n for k, n in enumerate(x.shape) if k not in gone])


@lowers("Unsqueeze", batch=Batch.READ)
def unsqueeze(node: Node, b: Recorder) -> Tensor:
    """Constant axes behind the batch dimension."""
    x = _kept(b)
    raw = b.constant(1, node.get("axes"))
    new = _axes(node, b, len(x.shape) + len(raw)) or []
    if 0 in new and x.batch == 0:
        b.refuse("axes", new, "axes behind the batch dimension")
    sizes = list(x.shape)
    for axis in sorted(new):
        sizes.insert(axis, 1)
    return _viewed(b, sizes)


@lowers("Transpose", batch=Batch.READ)
def transpose(node: Node, b: Recorder) -> Tensor:
    """Any permutation; the batch dimension is in front again before an operator that looks at it."""
    x = _kept(b)
    order = list(node.get("perm") or range(len(x.shape))[::-1])
    if x.axes is not None or order[0] != 0:
        return x.turned([x.order[k] for k in order])
    found = b.call("aten.permute.default", {"self": x, "dims": order})
    return dataclasses.replace(found, form=x.form)


@lowers("Identity", batch=Batch.READ)
def identity(node: Node, b: Recorder) -> Tensor:
    """Nothing happens."""
    return _kept(b)


@lowers("Dropout", batch=Batch.READ)
def dropout(node: Node, b: Recorder) -> Tensor:
    """In inference mode; without its mask."""
    if b.has(2) and bool(b.constant(2)):
        b.refuse("training_mode", True, "False")
    if any(o in b.model.readers for o in node.outputs[1:]):
        b.refuse("outputs", "a mask that is read", "the values only")
    return _kept(b)


@lowers("Cast", batch=Batch.READ)
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


@lowers("Gather", batch=Batch.READ)
def gather(node: Node, b: Recorder) -> Tensor:
    """Rows of a constant table by token ids (an embedding), axis = 0; or the last step of a recurrent layer."""
    data = b.value(0)
    if isinstance(data, Tensor):
        return _picked(node, b, data)
    table = b.reals(0)
    if node.get("axis", 0) != 0 or table.ndim != 2:
        b.refuse("axis", f"{node.get('axis', 0)} of a table of shape {list(table.shape)}", "0 of [rows, channels]")
    ids = b.tensor(1)
    return b.call("aten.embedding.default", {"weight": table, "indices": b.first(ids, "input 1")})


def _picked(node: Node, b: Recorder, x: Tensor) -> Tensor:
    """One element along a dimension: of size 1, or the last step of a recurrent layer."""
    axis = node.get("axis", 0) % len(x.shape)
    index = np.asarray(b.constant(1))
    place = x.order[axis]
    last = index.size == 1 and int(index.reshape(-1)[0]) in (-1, x.shape[axis] - 1)
    recurrent = place == 1 and any(s.name == x.name and s.target in LAYERS for s in b.steps)
    if not last or not (place is None or recurrent):
        b.refuse(
            "indices",
            f"{index.tolist()} along dimension {axis} of a run-time tensor of shape {list(x.shape)}",
            "a constant table, or the last step of a recurrent layer, y[:, -1]",
        )
    # What is picked by a list of one index stays as a dimension.
    left: list[int | None] = [] if index.ndim == 0 else [None]
    if place is None:
        return x.turned([*x.order[:axis], *left, *x.order[axis + 1 :]])
    found = b.call("aten.select.int", {"self": x.plain, "dim": 1, "index": -1})
    order = [a if a is None or a < place else a - 1 for a in x.order]
    return found.turned([*order[:axis], *left, *order[axis + 1 :]])
