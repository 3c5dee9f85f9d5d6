# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers of a float program, taken apart: a linear layer for all time steps at once, then the recurrence."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from gatewright.errors import UnsupportedError
from gatewright.frontend.layout import Shape
from gatewright.frontend.program import Array, Program, Ref, Step
from gatewright.ops import _recurrent
from gatewright.ops._recurrent import Cell

LAYERS = {name: c for c in Cell for name in (f"aten.{c.value}.input", f"gatewright.{c.value}_layers.default")}
"""Calls by their overloads: PyTorch's own, and what tracing makes of its modules (`nn.recurrent`)."""
STATED = "gatewright.recurrence.default"
"""Call of a layer that is trained in integers (`nn.recurrence`): taken apart already, with its own formats."""
ORDER = {Cell.LSTM: (0, 2, 1, 3), Cell.GRU: (0, 1, 2)}
"""PyTorch's gates (i, f, g, o and r, z, n) in the order of `Recurrent`."""
INNER = ("gate", "state", "argument")
"""What has formats of its own inside, see `_recurrent.Trace`."""


def split_recurrent(program: Program) -> Program:
    """h[t] = cell(W_ih x[t] + b_ih + W_hh h[t-1] + b_hh): what does not depend on h is a linear layer of its own.

    Layers on top of each other become as many pairs. Where all that is read is the last step, `y[:, -1]`, the
    recurrence puts out nothing else.

    Raises:
        UnsupportedError: a direction, first state, projection or layout without a lowering; names it.
    """
    steps: list[Step] = []
    renamed: dict[str, Ref] = {}
    readers = program.readers
    for step in program.steps:
        if step.target not in (*LAYERS, STATED):
            if step.name not in renamed:
                steps.append(step)
            continue
        after = readers[step.name]
        final = bool(after) and all(_is_last(s, step) for s in after) and step.name != program.output
        made = _stated(step, final) if step.target == STATED else _layers(step, final)
        if final:
            renamed |= {s.name: Ref(step.name) for s in after}
        steps += made
    put: Callable[[Any], Any] = lambda v: (  # noqa: E731 - recursive over lists
        renamed.get(v.name, v) if isinstance(v, Ref) else [put(x) for x in v] if isinstance(v, list) else v
    )
    steps = [dataclasses.replace(s, args={k: put(v) for k, v in s.args.items()}) for s in steps]
    return dataclasses.replace(
        program, steps=tuple(steps), output=renamed.get(program.output, Ref(program.output)).name
    )


def _check(step: Step) -> None:
    def refuse(attribute: str, value: object, supported: str) -> NoReturn:
        raise UnsupportedError(step.place, f"{attribute} = {value}", supported)

    args = step.args
    if args["bidirectional"]:
        refuse("bidirectional", True, "one direction")
    if args["train"] and args["dropout"]:
        refuse("training", True, "evaluation mode")
    hx = args["hx"] if isinstance(args["hx"], list) else [args["hx"]]
    if not all(isinstance(h, np.ndarray) and not h.any() for h in hx):
        refuse("hx", "a first state", "none: sequences begin with zeros")
    if len(args["params"]) != args["num_layers"] * (4 if args["has_biases"] else 2):
        refuse("proj_size", "a projection", "0")


def _is_last(step: Step, source: Step) -> bool:
    """Whether a step takes the last token of a recurrent layer's result."""
    if step.target != "aten.select.int":
        return False
    axis = 1 if source.args["batch_first"] else 0
    length = (source.shape or (None, None))[axis]
    return step.args["dim"] % 3 == axis and step.args["index"] in (-1, None if length is None else length - 1)


def _layers(step: Step, final: bool) -> list[Step]:
    """All layers of one call; the last step has its name."""
    import torch

    _check(step)
    args, cell, last = step.args, LAYERS[step.target], step.args["input"]
    each = len(args["params"]) // args["num_layers"]
    assert step.shape is not None
    # Batch first, whatever the call says.
    item = step.shape[:2] if args["batch_first"] else (step.shape[1], step.shape[0])
    steps: list[Step] = []

    def add(name: str, target: str, function: Callable[..., Any], given: dict[str, Any], shape: Shape) -> Ref:
        inner = INNER if target.startswith("gatewright") else ()
        steps.append(Step(name, target, function, given, shape, step.path, inner))
        return Ref(name)

    def turned(name: str, value: Ref, shape: Shape) -> Ref:
        given = {"self": value, "dim0": 0, "dim1": 1}
        return add(name, "aten.transpose.int", torch.ops.aten.transpose.int, given, shape)

    if not args["batch_first"]:
        last = turned(f"{step.name}_input", last, (*item, args["params"][0].shape[1]))
    for layer in range(args["num_layers"]):
        weight, hidden, bias, own = in_order(cell, args["params"][layer * each : (layer + 1) * each])
        top = layer == args["num_layers"] - 1
        name = step.name if top and (args["batch_first"] or final) else f"{step.name}_{layer}"
        given = {"input": last, "weight": weight, "bias": bias}
        wide = (*item, len(weight))
        last = add(f"{step.name}_{layer}_gates", "aten.linear.default", torch.ops.aten.linear.default, given, wide)
        given = {"input": last, "weight": hidden, "bias": own, "final": final and top, "formats": None}
        shape = (item[0], hidden.shape[1]) if final and top else (*item, hidden.shape[1])
        last = add(name, f"gatewright.{cell.value}", _function(cell), given, shape)
    if not args["batch_first"] and not final:
        turned(step.name, last, step.shape)
    return steps


def _stated(step: Step, final: bool) -> list[Step]:
    """The recurrence of a call that brings its formats; the last step has its name."""
    import torch

    cell, shape, turned = Cell(step.args["cell"]), step.shape, not step.args["batch_first"] and not final
    assert shape is not None
    item = shape[:2] if step.args["batch_first"] else (shape[1], shape[0])
    given = {name: step.args[name] for name in ("input", "weight", "bias", "formats")} | {"final": final}
    name, after = f"{step.name}_0" if turned else step.name, (item[0], shape[2]) if final else (*item, shape[2])
    made = [Step(name, f"gatewright.{cell.value}", _function(cell), given, after, step.path, INNER)]
    if turned:
        back = {"self": Ref(name), "dim0": 0, "dim1": 1}
        made.append(Step(step.name, "aten.transpose.int", torch.ops.aten.transpose.int, back, shape, step.path))
    return made


def in_order(cell: Cell, params: Sequence[Array]) -> tuple[Array, Array, Array, Array]:
    """Weights of the input and of h, bias of either, with gates in our order, from PyTorch's.

    A GRU scales what comes from h by the reset gate, so its bias stays there; all others can come before.
    """
    order = list(ORDER[cell])

    def sorted_gates(rows: Array) -> Array:
        return rows.reshape(len(order), -1, *rows.shape[1:])[order].reshape(rows.shape)

    weight, hidden = map(sorted_gates, params[:2])
    none = np.zeros(len(weight))
    ours, theirs = map(sorted_gates, params[2:]) if len(params) > 2 else (none, none)
    kept = np.zeros(len(weight))
    if cell is Cell.GRU:
        kept[2 * hidden.shape[1] :] = theirs[2 * hidden.shape[1] :]
    return weight, hidden, ours + theirs - kept, kept


def _function(cell: Cell) -> Callable[..., tuple[Any, ...]]:
    """The recurrence of a batch of one as PyTorch tensors, then what formats inside are chosen for."""

    def run(input: Any, weight: Any, bias: Any, final: bool, formats: Any) -> tuple[Any, ...]:
        import torch

        found = _recurrent.run(cell, input[0].numpy(), weight.numpy(), bias.numpy())
        hidden = found.hidden[-1] if final else found.hidden
        return tuple(
            torch.from_numpy(v[None]).to(input.dtype) for v in (hidden, found.gate, found.state, found.argument)
        )

    return run
