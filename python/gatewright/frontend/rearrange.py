# SPDX-License-Identifier: Apache-2.0
"""Calls that only move or rename elements: they change a value's layout and emit no hardware."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from gatewright.errors import UnsupportedError
from gatewright.frontend import layout
from gatewright.frontend.call import Pad, Value
from gatewright.frontend.layout import LayoutError
from gatewright.frontend.program import Step

Move = Callable[[Step, Value], Value]

MOVES: dict[str, Move] = {}
"""By ATen overload."""


def _moves(*targets: str) -> Callable[[Move], Move]:
    def add(move: Move) -> Move:
        MOVES.update(dict.fromkeys(targets, move))
        return move

    return add


@_moves(
    "aten.clone.default",
    "aten.detach.default",
    "aten.contiguous.default",
    "aten.alias.default",
    "aten.dropout.default",
    "aten.feature_dropout.default",
    "aten.lift_fresh_copy.default",
)
def _identity(step: Step, value: Value) -> Value:
    if step.args.get("train"):
        raise UnsupportedError(
            step.place,
            "train = True",
            "dropout in evaluation mode",
            "pass training=self.training, or use torch.nn.Dropout",
        )
    return value


@_moves(
    "aten.view.default",
    "aten.reshape.default",
    "aten.flatten.using_ints",
    "aten.unflatten.int",
    "aten.squeeze.default",
    "aten.squeeze.dim",
    "aten.squeeze.dims",
    "aten.unsqueeze.default",
    "aten._unsafe_view.default",
)
def _reshape(step: Step, value: Value) -> Value:
    assert step.shape is not None
    try:
        return dataclasses.replace(value, view=layout.reshape(value.view, step.shape))
    except LayoutError as error:
        raise UnsupportedError(step.place, f"cannot {error}", "merging or splitting whole axes") from None


@_moves("aten.permute.default", "aten.transpose.int", "aten.t.default")
def _permute(step: Step, value: Value) -> Value:
    rank = len(value.view.dims)
    order = list(range(rank))
    if "dims" in step.args:
        order = [d % rank for d in step.args["dims"]]
    elif rank > 1:
        a, b = step.args.get("dim0", 0) % rank, step.args.get("dim1", 1) % rank
        order[a], order[b] = order[b], order[a]
    return dataclasses.replace(value, view=layout.permute(value.view, order))


@_moves("aten.pad.default", "aten.constant_pad_nd.default")
def _pad(step: Step, value: Value) -> Value:
    mode, fill = step.args.get("mode", "constant"), step.args.get("value")
    if mode not in ("constant", "circular"):
        raise UnsupportedError(step.place, f"mode = {mode!r}", "'constant' with value 0, or 'circular'")
    if mode == "constant" and fill not in (None, 0, 0.0):
        raise UnsupportedError(step.place, f"value = {fill}", "padding with 0")
    flat = step.args["pad"]
    if any(not isinstance(p, int) or p < 0 for p in flat):
        raise UnsupportedError(step.place, f"pad = {flat}", "amounts of at least 0")
    # Torch lists the last dimension first.
    pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)][::-1]
    amounts = ((0, 0),) * (len(value.view.dims) - len(pairs)) + tuple(pairs)
    if all(p == (0, 0) for p in amounts):
        return value
    return dataclasses.replace(value, pad=Pad(amounts, mode == "circular"))


def moved(step: Step, value: Value) -> Value:
    """The value after a call of `MOVES`."""
    if value.pad is not None and MOVES[step.target] is not _identity:
        raise UnsupportedError(step.place, "input = padded by aten.pad", "padding directly before a convolution")
    return MOVES[step.target](step, value)
