# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers: the calls that PyTorch's own modules become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewright.frontend.onnx.model import Array, Node
from gatewright.frontend.onnx.operators.matrix import weights
from gatewright.frontend.onnx.recorder import Recorder
from gatewright.frontend.onnx.register import Batch, lowers
from gatewright.frontend.onnx.tensor import Tensor
from gatewright.ops._recurrent import Cell

ORDER = {Cell.LSTM: (0, 2, 3, 1), Cell.GRU: (1, 0, 2)}
"""ONNX's gates (i, o, f, c and z, r, h) in the order of PyTorch (i, f, g, o and r, z, n)."""
ACTIVATIONS = {Cell.LSTM: ["Sigmoid", "Tanh", "Tanh"], Cell.GRU: ["Sigmoid", "Tanh"]}
W, R, B, LENGTHS, STATE, CELLS, PEEPHOLES = range(1, 8)
"""Inputs behind X."""


@lowers("LSTM", batch=Batch.READ)
def lstm(node: Node, b: Recorder) -> list[Tensor]:
    """Forward, whole sequences that begin with zeros, sigmoid and tanh; results Y and Y_h."""
    b.only("input_forget", 0)
    _zero(b, CELLS, "initial_c")
    if b.has(PEEPHOLES) and np.any(b.reals(PEEPHOLES)):
        b.refuse("P", "peepholes", "none", "train it without, as PyTorch's LSTM is")
    return _layer(node, b, Cell.LSTM)


@lowers("GRU", batch=Batch.READ)
def gru(node: Node, b: Recorder) -> list[Tensor]:
    """Forward, linear_before_reset = 1, whole sequences that begin with zeros, sigmoid and tanh; results Y and Y_h."""
    if node.get("linear_before_reset", 0) != 1:
        hint = "train it with the reset behind the product, as PyTorch does, and Keras with reset_after=True"
        b.refuse("linear_before_reset", node.get("linear_before_reset", 0), "1", hint)
    return _layer(node, b, Cell.GRU)


def _layer(node: Node, b: Recorder, cell: Cell) -> list[Tensor]:
    """Y, and Y_h if something reads it."""
    _options(node, b, cell)
    x = _sequence(node, b)
    params, size = _params(b, cell, x.shape[2])
    zeros = np.zeros((1, 1, size))
    args: dict[str, Any] = {"input": x, "hx": [zeros, zeros] if cell is Cell.LSTM else zeros, "params": params}
    args |= {"has_biases": len(params) > 2, "num_layers": 1, "dropout": 0.0, "train": False}
    args |= {"bidirectional": False, "batch_first": True}
    y = b.call(f"aten.{cell.value}.input", args, _hidden(cell))
    behind = node.get("layout", 0)
    found = [y.turned([0, 1, None, 2] if behind else [1, None, 0, 2])]
    if _read(node, b, 1):
        h = b.call("aten.select.int", {"self": y, "dim": 1, "index": -1})
        found.append(h.turned([0, None, 1] if behind else [None, 0, 1]))
    if _read(node, b, 2):
        b.refuse("Y_c", "it is read", "Y and Y_h", "end the design with output= before it, or read Y_h instead")
    return found


def _read(node: Node, b: Recorder, index: int) -> bool:
    name = node.outputs[index] if index < len(node.outputs) else ""
    return name != "" and (name in b.model.readers or name in b.model.outputs)


def _options(node: Node, b: Recorder, cell: Cell) -> None:
    """Refuse what the layers here do not do."""
    if node.get("direction", "forward") != "forward":
        hint = "train it in one direction: the other one needs the whole sequence before its first step"
        b.refuse("direction", node.get("direction"), "forward", hint)
    b.only("layout", 0, 1)
    if node.get("clip") is not None:
        b.refuse("clip", node.get("clip"), "none", "train it without; formats saturate where calibration says")
    wanted = ACTIVATIONS[cell]
    found = list(node.get("activations") or wanted)
    if [a.lower() for a in found] != [a.lower() for a in wanted]:
        b.refuse("activations", ", ".join(found), ", ".join(wanted), "train it with PyTorch's own activations")
    if b.has(LENGTHS):
        hint = "one sequence runs at a time, at its own length: leave them out, and pass dynamic="
        b.refuse("sequence_lens", "given", "none", hint)
    _zero(b, STATE, "initial_h")


def _zero(b: Recorder, index: int, what: str) -> None:
    """Refuse a first state that is computed, or not zero."""
    hint = "sequences begin with zeros: leave the state out of the call"
    if not b.has(index):
        return
    found = b.value(index)
    if isinstance(found, Tensor):
        b.refuse(what, "computed at run time", "zeros", hint)
    if np.any(found):
        b.refuse(what, f"values from {np.min(found):g} to {np.max(found):g}", "zeros", hint)


def _sequence(node: Node, b: Recorder) -> Tensor:
    """X as [N, L, C]."""
    x = b.tensor(0)
    if node.get("layout", 0) == 0:
        time, batch, channels = x.order
        x = x.turned([batch, time, channels])
        if batch != 0:
            b.refuse(
                "X",
                f"its batch as dimension {x.order.index(0)} of [N, L, C]",
                "[L, N, C] behind a Transpose of [N, L, C]",
                "export with batch_first=True, or transpose the model's input before this node",
            )
    return b.first(x, "X")


def _params(b: Recorder, cell: Cell, channels: int) -> tuple[list[Array], int]:
    """Weights and bias as PyTorch has them, and the number of units."""
    rows = [weights(b, W), weights(b, R), b.reals(B)]
    size = rows[1].shape[-1]
    wanted = [(1, cell.gates * size, channels), (1, cell.gates * size, size), (1, 2 * cell.gates * size)]
    for name, array, shape in zip("WRB", rows, wanted, strict=True):
        if array is not None and array.shape != shape:
            b.refuse(name, f"shape {list(array.shape)}", f"{list(shape)}")

    def ordered(array: Array) -> Array:
        gates = array.reshape(cell.gates, size, *array.shape[1:])
        return np.ascontiguousarray(gates[list(ORDER[cell])]).reshape(array.shape)

    parts = [rows[0][0], rows[1][0], *(np.split(rows[2][0], 2) if rows[2] is not None else ())]
    return [ordered(p) for p in parts], size


def _hidden(cell: Cell) -> Callable[..., Any]:
    """PyTorch's call, of which the hidden vectors of all steps are the result."""
    import torch

    function = getattr(torch.ops.aten, cell.value).input
    return lambda **args: function(**args)[0]
