# SPDX-License-Identifier: Apache-2.0
"""One pass over the nodes: constants are folded, the rest is recorded, all refusals are collected."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np

from gatewright.errors import UnsupportedError
from gatewright.frontend.onnx.model import Node
from gatewright.frontend.onnx.recorder import Recorder
from gatewright.frontend.onnx.register import Batch, Lowering, batch_of, lowerings
from gatewright.frontend.onnx.tensor import Tensor

SOFTMAX = ("Softmax", "LogSoftmax", "ArgMax", "TopK", "NonMaxSuppression")
"""Operators that often end a model and that a host can do."""
QUANTIZERS = ("Quant", "IntQuant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear")
"""Operators that say what a constant's grid is, so that they are not merely computed."""
SHOWN = 20
"""Refusals that an error spells out."""


def walk(b: Recorder) -> None:
    """Record every node.

    Raises:
        UnsupportedError: nodes have no exact lowering; names all of them.
    """
    refused = refusals(b)
    if refused:
        raise _all(refused)


def refusals(b: Recorder) -> list[tuple[Node, UnsupportedError]]:
    """Record every node that can be; returns those that cannot, and why."""
    known = lowerings()
    refused: list[tuple[Node, UnsupportedError]] = []
    lost: set[str] = set()
    for node in b.model.nodes:
        b.node = node
        if lost & set(node.inputs):
            lost |= {o for o in node.outputs if o}
            if node.op not in known and node.op != "Shape":
                refused.append((node, unknown(node)))
            continue
        try:
            result = _one(b, node, known.get(node.op))
        except UnsupportedError as error:
            refused.append((node, error))
            # What it makes of the sample lets the nodes behind it be judged on their own.
            result = _sampled(b, node)
            lost |= {o for o in node.outputs[len(result) :] if o}
        b.values.update(zip(node.outputs, result, strict=False))
    return refused


def _sampled(b: Recorder, node: Node) -> list[Any]:
    """Outputs of a refused node for the sample; none where they cannot be had."""
    inputs = {i: b.values[i] for i in node.inputs if i}
    constant = not any(isinstance(v, Tensor) for v in inputs.values())
    if any(isinstance(v, Tensor) and v.axes is not None for v in inputs.values()):
        # The results would have their batch anywhere, too.
        return []
    try:
        arrays = {k: v.sample.numpy() if isinstance(v, Tensor) else v for k, v in inputs.items()}
        if node.op in QUANTIZERS:
            # Its values hardly matter; the reference implementation does not know those of QONNX.
            found = [arrays[node.inputs[0]].astype(np.float32)]
        else:
            from onnx.reference import ReferenceEvaluator

            found = ReferenceEvaluator(node.proto).run(None, arrays)
        return [np.asarray(v) if constant else b.placed(np.asarray(v)) for v in found]
    except Exception:
        return []


def _one(b: Recorder, node: Node, lowering: Any) -> list[Any]:
    inputs = [b.values[i] for i in node.inputs if i]
    if node.op == "Shape" and isinstance(inputs[0], Tensor):
        shape = np.array(inputs[0].shape, np.int64)
        return [shape[node.get("start", 0) : node.get("end", None)]]
    constant = not any(isinstance(v, Tensor) for v in inputs)
    if constant and node.op not in QUANTIZERS:
        return _folded(b, node, inputs)
    if lowering is None:
        raise unknown(node)
    try:
        return _lowered(b, node, lowering)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        shapes = ", ".join(str(list(v.shape if isinstance(v, Tensor) else np.shape(v))) for v in inputs)
        raise UnsupportedError(node.place, f"inputs of shapes {shapes}: {line}", "shapes that ONNX allows") from error


def _lowered(b: Recorder, node: Node, lowering: Lowering) -> list[Any]:
    """Outputs of a node whose inputs may have their batch dimension elsewhere."""
    inputs = {i: b.values[i] for i in node.inputs if i}
    tensors = {i: v for i, v in inputs.items() if isinstance(v, Tensor)}
    turned = {i: v for i, v in tensors.items() if v.axes is not None}
    # Constants per channel are the same wherever the batch is.
    flat = all(v.ndim < 2 or v.size == 1 for v in inputs.values() if not isinstance(v, Tensor))
    alike = len({v.axes for v in tensors.values()}) == 1 and all(v.channels_last for v in turned.values())
    kind = batch_of(node.op)
    if turned and kind is Batch.ANYWHERE and flat and alike:
        b.values |= {i: v.plain for i, v in turned.items()}
        try:
            axes = next(iter(turned.values())).axes
            found = [dataclasses.replace(v, axes=axes) for v in _results(lowering(node, b))]
        finally:
            b.values |= turned
    else:
        for name, value in turned.items() if kind is not Batch.READ else ():
            b.values[name] = b.first(value, f"input {name}")
        found = _results(lowering(node, b))
    for name, value in zip(node.outputs, found, strict=False):
        if name in b.model.outputs and isinstance(value, Tensor):
            b.batch_first(value, f"output {name}")
    return found


def _results(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _folded(b: Recorder, node: Node, inputs: list[Any]) -> list[Any]:
    """f(c) for constants c, by the reference implementation of ONNX."""
    from onnx.reference import ReferenceEvaluator

    named = dict(zip([i for i in node.inputs if i], inputs, strict=True))
    try:
        found = ReferenceEvaluator(node.proto).run(None, named)
    except Exception as error:
        raise UnsupportedError(
            node.place, f"cannot be computed from its constants: {error}", "operators of ONNX itself"
        ) from error
    grid = next((b.grids[i] for i in node.inputs[:1] if i in b.grids), None)
    if grid is not None and node.op in ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Cast"):
        b.grids[node.outputs[0]] = grid
    return [np.asarray(v) for v in found]


def unknown(node: Node) -> UnsupportedError:
    """The refusal of an operator that has no lowering."""
    hint = f"end the design before it with output={node.inputs[0]!r}" if node.op in SOFTMAX else ""
    return UnsupportedError(node.place, f"operator {node.op} is not supported", ", ".join(lowerings()), hint)


def _all(refused: list[tuple[Node, UnsupportedError]]) -> UnsupportedError:
    """One error for all of them; that of a single node stays as it is."""
    if len(refused) == 1:
        return refused[0][1]
    known = lowerings()
    lines = []
    for node, error in refused[:SHOWN]:
        allowed = f" (supported: {error.allowed})" if node.op in known and error.allowed else ""
        lines.append(f"\n    {error.place}: {error.problem}{allowed}")
    if len(refused) > SHOWN:
        counts = Counter(n.op for n, _ in refused[SHOWN:])
        lines.append(f"\n    and {len(refused) - SHOWN} more: " + ", ".join(f"{op} {n}" for op, n in counts.items()))
    hint = next((e.hint for _, e in reversed(refused) if e.hint), "")
    return UnsupportedError("model", f"{len(refused)} nodes are not supported:{''.join(lines)}", ", ".join(known), hint)
