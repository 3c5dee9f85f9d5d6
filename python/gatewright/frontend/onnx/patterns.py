# SPDX-License-Identifier: Apache-2.0
"""Functions that exporters spell with several operators become one node again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np

from gatewright.frontend.onnx.model import Model, Node

CLOSE = 1e-5
"""Relative distance up to which a constant in single precision is the one that is meant."""

Found = tuple[Node, str, tuple[str, ...], dict[str, object]]
"""Last node of a pattern, operator, inputs and attributes of the node in its place."""


def rewrite(model: Model) -> Model:
    """All patterns, in order; each keeps what the model computes."""
    for find in PATTERNS:
        made = {last.name: _node(last, op, inputs, attributes) for last, op, inputs, attributes in find(_Graph(model))}
        nodes = tuple(made.get(n.name, n) for n in model.nodes)
        model = _live(dataclasses.replace(model, nodes=nodes))
    return model


def _node(last: Node, op: str, inputs: tuple[str, ...], attributes: dict[str, object]) -> Node:
    return Node(last.name, op, inputs, last.outputs, attributes, last.opset)


def _live(model: Model) -> Model:
    """Without nodes that no output needs."""
    needed, kept = set(model.outputs), list[Node]()
    for node in reversed(model.nodes):
        if needed & set(node.outputs):
            needed |= set(node.inputs)
            kept.append(node)
    return dataclasses.replace(model, nodes=tuple(kept[::-1]))


class _Graph:
    """Steps through a model."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def of(self, op: str) -> Iterator[Node]:
        """Nodes of an operator."""
        return (n for n in self.model.nodes if n.op == op)

    def maker(self, tensor: str, *ops: str) -> Node | None:
        """The node that makes a tensor, if it is of these operators."""
        found = self.model.producers.get(tensor)
        return found if found is not None and found.op in ops else None

    def reader(self, tensor: str, *ops: str) -> Node | None:
        """The only node that reads a tensor, if it is of these operators."""
        found = self.model.readers.get(tensor, [])
        alone = len(found) == 1 and tensor not in self.model.outputs
        return found[0] if alone and found[0].op in ops else None

    def number(self, tensor: str) -> float | None:
        """A constant of one element."""
        found = self.model.constants.get(tensor)
        return float(np.asarray(found).reshape(-1)[0]) if found is not None and np.size(found) == 1 else None

    def scaled(self, tensor: str) -> tuple[str, float] | None:
        """(x, c) for a tensor that is made as x * c."""
        node = self.maker(tensor, "Mul", "Div")
        if node is None:
            return None
        a, b = node.inputs
        if (c := self.number(b)) is not None:
            return a, c if node.op == "Mul" else 1 / c
        c = self.number(a) if node.op == "Mul" else None
        return None if c is None else (b, c)

    def shifted(self, tensor: str) -> tuple[str, float] | None:
        """(x, c) for a tensor that is made as x + c."""
        node = self.maker(tensor, "Add")
        for k in (0, 1) if node is not None else ():
            if (c := self.number(node.inputs[k])) is not None:  # type: ignore[union-attr]
                return node.inputs[1 - k], c  # type: ignore[union-attr]
        return None

    def product(self, start: str, x: str, factor: float) -> Node | None:
        """The node that makes `start * x * factor`, multiplied in any order."""
        last: Node | None = None
        missing = True
        while missing or not math.isclose(factor, 1, rel_tol=CLOSE):
            last = self.reader(start, "Mul", "Div")
            if last is None:
                return None
            other = last.inputs[1] if last.inputs[0] == start else last.inputs[0]
            number, scaled = self.number(other), self.scaled(other)
            if last.op == "Div":
                if number is None or last.inputs[0] != start:
                    return None
                factor *= number
            elif number is not None:
                factor /= number
            elif missing and other == x:
                missing = False
            elif missing and scaled is not None and scaled[0] == x:
                missing, factor = False, factor / scaled[1]
            else:
                return None
            (start,) = last.outputs
        return last


def near(value: float | None, wanted: float) -> bool:
    """Whether a constant is the one that is meant."""
    return value is not None and math.isclose(value, wanted, rel_tol=CLOSE)


def gelu(g: _Graph) -> Iterator[Found]:
    """gelu(x) = x / 2 * (1 + erf(x / sqrt(2)))."""
    for erf in g.of("Erf"):
        inner = g.scaled(erf.inputs[0])
        plus = g.reader(erf.outputs[0], "Add")
        if inner is None or plus is None or not near(inner[1], 1 / math.sqrt(2)):
            continue
        shift = g.shifted(plus.outputs[0])
        last = g.product(plus.outputs[0], inner[0], 0.5) if shift is not None and shift[1] == 1 else None
        if last is not None:
            yield last, "Gelu", (inner[0],), {}


def swish(g: _Graph) -> Iterator[Found]:
    """swish(x) = x * sigmoid(x)."""
    for gate in g.of("Sigmoid"):
        last = g.product(gate.outputs[0], gate.inputs[0], 1.0)
        if last is not None:
            yield last, "Swish", gate.inputs, {}


def hard_swish(g: _Graph) -> Iterator[Found]:
    """hardswish(x) = x * clip(x + 3, 0, 6) / 6, or x * hardsigmoid(x)."""
    for clip in g.of("Clip"):
        shift = g.shifted(clip.inputs[0])
        bounds = [g.number(i) for i in clip.inputs[1:]] or [clip.get("min"), clip.get("max")]
        if shift is None or shift[1] != 3 or bounds != [0, 6]:
            continue
        last = g.product(clip.outputs[0], shift[0], 1 / 6)
        if last is not None:
            yield last, "HardSwish", (shift[0],), {}
    for gate in g.of("HardSigmoid"):
        last = g.product(gate.outputs[0], gate.inputs[0], 1.0)
        if near(gate.get("alpha"), 1 / 6) and near(gate.get("beta", 0.5), 0.5) and last is not None:
            yield last, "HardSwish", gate.inputs, {}


def layer_norm(g: _Graph) -> Iterator[Found]:
    """(x - mean) / sqrt(mean((x - mean)**2) + eps) * gamma + beta."""
    for root in g.of("Sqrt"):
        inside = g.shifted(root.inputs[0])
        variance = g.maker(inside[0], "ReduceMean") if inside is not None else None
        square = g.maker(variance.inputs[0], "Pow", "Mul") if variance is not None else None
        divide = g.reader(root.outputs[0], "Div")
        if inside is None or variance is None or square is None or divide is None:
            continue
        squares = square.inputs[1] == square.inputs[0] if square.op == "Mul" else g.number(square.inputs[1]) == 2
        centred = [_centred(g, t) for t in (square.inputs[0], divide.inputs[0])]
        axis = _axis(g, variance)
        if not squares or centred[0] is None or centred[0] != centred[1] or centred[0][1] != axis or axis is None:
            continue
        gain = g.reader(divide.outputs[0], "Mul")
        gamma = _other(g, gain, divide.outputs[0])
        bias = g.reader(gain.outputs[0], "Add") if gain is not None else None
        beta = _other(g, bias, gain.outputs[0]) if gain is not None else None
        if bias is not None and gamma is not None and beta is not None:
            yield bias, "LayerNormalization", (centred[0][0], gamma, beta), {"epsilon": inside[1], "axis": axis}


def _centred(g: _Graph, tensor: str) -> tuple[str, int | None] | None:
    """(x, axis) for a tensor that is made as x - mean(x)."""
    sub = g.maker(tensor, "Sub")
    mean = g.maker(sub.inputs[1], "ReduceMean") if sub is not None else None
    if sub is None or mean is None or mean.inputs[0] != sub.inputs[0]:
        return None
    return sub.inputs[0], _axis(g, mean)


def _axis(g: _Graph, node: Node) -> int | None:
    axes = node.get("axes")
    if axes is None and len(node.inputs) > 1:
        axes = g.model.constants.get(node.inputs[1])
    kept = node.get("keepdims", 1)
    return int(axes[0]) if axes is not None and len(axes) == 1 and kept else None


def _other(g: _Graph, node: Node | None, tensor: str) -> str | None:
    """The constant vector beside `tensor`."""
    if node is None:
        return None
    name = node.inputs[1] if node.inputs[0] == tensor else node.inputs[0]
    return name if np.ndim(g.model.constants.get(name, 0.0)) == 1 else None


def half_up(g: _Graph) -> Iterator[Found]:
    """floor(x / s + 1/2): half a step is added in front of a quantizer that rounds down."""
    for quant in g.of("Quant"):
        shift = g.shifted(quant.inputs[0])
        scale = g.number(quant.inputs[1])
        if quant.get("rounding_mode") != "FLOOR" or shift is None or scale is None:
            continue
        if shift[1] == scale / 2:
            attributes = dict(quant.attributes) | {"rounding_mode": HALF_UP}
            yield quant, "Quant", (shift[0], *quant.inputs[1:]), attributes


def floor_of_relu(g: _Graph) -> Iterator[Found]:
    """clip(floor(max(x, 0) / s), 0, most) = clip(floor(x / s), 0, most): the matrix in front then reaches it."""
    for quant in g.of("Quant"):
        relu = g.maker(quant.inputs[0], "Relu")
        if quant.get("rounding_mode") == "FLOOR" and not quant.get("signed", 1) and relu is not None:
            if g.reader(relu.outputs[0], "Quant") is quant:
                yield quant, "Quant", (relu.inputs[0], *quant.inputs[1:]), dict(quant.attributes)


def last_state(g: _Graph) -> Iterator[Found]:
    """h_n[k] of recurrent layers on top of each other: the last step of layer k, without joining them first."""
    for pick in g.of("Gather"):
        index = g.model.constants.get(pick.inputs[1])
        joined = g.maker(pick.inputs[0], "Concat")
        if joined is None or index is None or index.ndim or pick.get("axis", 0) or joined.get("axis"):
            continue
        layers = [g.maker(part, "LSTM", "GRU") for part in joined.inputs]
        one = [n is not None and n.outputs.index(p) > 0 for n, p in zip(layers, joined.inputs, strict=True)]
        if all(one) and -len(one) <= index < len(one):
            yield pick, "Squeeze", (joined.inputs[int(index)],), {"axes": [0]}


HALF_UP = "ADD_HALF_AND_FLOOR"
"""What `half_up` makes the rounding mode: QONNX's own HALF_UP rounds away from zero."""

PATTERNS: tuple[Callable[[_Graph], Iterator[Found]], ...] = (
    gelu,
    swish,
    hard_swish,
    layer_norm,
    half_up,
    floor_of_relu,
    last_state,
)
