# SPDX-License-Identifier: Apache-2.0
"""Between a model's tensors as torch has them and streams."""

from __future__ import annotations

from gatewright.frontend.layout import Axis, View
from gatewright.graph import TensorType
from gatewright.lower.qonnx.values import SEQUENCE, TOKENS, Form, Value
from gatewright.lower.qonnx.writer import Writer


def _size(axis: Axis, tokens: int) -> int:
    return tokens if axis.size is None else axis.size


def _order(view: View) -> list[Axis]:
    """Axes as torch has them."""
    return [a for d in view.dims for a in d]


def _form(view: View, tokens: int) -> Form | None:
    """The form of a stream that lies as the torch tensor does; None for any other."""
    order = _order(view)
    if order == [*view.channels, *view.tokens]:
        sizes = [_size(a, tokens) for a in view.tokens]
        image = len(view.dims) == 4 and len(sizes) == 2
        return (sizes[0], sizes[1]) if image else SEQUENCE
    return TOKENS if order == [*view.tokens, *view.channels] else None


def _shape(form: Form, batch: int, channels: int, tokens: int) -> tuple[int, ...]:
    if form == TOKENS:
        return batch, tokens, channels
    return (batch, channels, tokens) if form == SEQUENCE else (batch, channels, *form)


def entered(w: Writer, name: str, kind: TensorType, tokens: int, batch: int, view: View) -> Value:
    """The input [N, ...] as a stream, rounded and saturated to its format."""
    w.shapes[name] = (batch, *_torch_shape(view, tokens)[1:])
    rounded = w.quantize(name, kind.fixed, True)
    form = _form(view, tokens)
    if form is not None:
        return Value(w, kind, tokens, form, w.reshape(rounded, _shape(form, batch, kind.channels, tokens)))
    order = _order(view)
    atoms = w.reshape(rounded, (batch, *(_size(a, tokens) for a in order)))
    moved = w.transpose(atoms, (0, *(1 + order.index(a) for a in view.stream)))
    return Value(w, kind, tokens, TOKENS, w.reshape(moved, (batch, tokens, kind.channels)))


def left(w: Writer, value: Value, view: View) -> str:
    """A stream as the output [N, ...]."""
    tokens = value.tokens
    form = _form(view, tokens)
    source = value.at(TOKENS if form is None else form)
    batch = w.shapes[source][0]
    if form is None:
        order = _order(view)
        atoms = w.reshape(source, (batch, *(_size(a, tokens) for a in view.stream)))
        source = w.transpose(atoms, (0, *(1 + view.stream.index(a) for a in order)))
    return w.reshape(source, (batch, *_torch_shape(view, tokens)[1:]))


def _torch_shape(view: View, tokens: int) -> list[int]:
    found = []
    for group in view.dims:
        size = 1
        for axis in group:
            size *= _size(axis, tokens)
        found.append(size)
    return found
