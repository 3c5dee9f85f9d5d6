# SPDX-License-Identifier: Apache-2.0
"""Rewrites of the float program before quantisation. Each keeps what the program computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gatewright.frontend.program import Array, Program, Ref, Step
from gatewright.frontend.recurrent import split_recurrent
from gatewright.frontend.transposed import TRANSPOSED, expand_transposed, scaled

Rewrite = Callable[[Program], Program]

AFFINE = (
    "aten.conv1d.default",
    "aten.conv1d.padding",
    "aten.conv2d.default",
    "aten.conv2d.padding",
    "aten.linear.default",
)
"""Calls `W x + b` whose weight has the output channel first."""


def fold_constants(program: Program) -> Program:
    """f(c) for constants c is a constant: fake-quantised or reparametrised weights become plain arrays."""
    import torch

    known: dict[str, Any] = {}
    steps: list[Step] = []
    for step in program.steps:
        step = dataclasses.replace(step, args={k: _put(v, known) for k, v in step.args.items()})
        if step.reads or step.shape is None or step.name == program.output:
            steps.append(step)
            continue
        # float32, as the model computes it: a fake-quantised weight must fall on the same grid point.
        args = {k: _tensor(v) for k, v in step.args.items()}
        with torch.no_grad():
            known[step.name] = np.array(step.function(**args).double().numpy())
    return dataclasses.replace(program, steps=tuple(steps))


def fold_batch_norm(program: Program) -> Program:
    """g (W x + b - m) / s + h = (g/s) W x + (g/s)(b - m) + h, with s = sqrt(var + eps)."""
    steps = list(program.steps)
    readers, merged = program.readers, dict[str, Ref]()
    for norm in program.steps:
        if norm.target != "aten.batch_norm.default" or norm.args["running_mean"] is None:
            continue
        origin = norm.reads[0]
        source = next((s for s in steps if s.name == origin), None)
        if source is None or source.target not in (*AFFINE, *TRANSPOSED) or len(readers[source.name]) != 1:
            continue
        if source.target == "aten.linear.default" and len(norm.shape or ()) != 2:
            continue
        if not isinstance(source.args["weight"], np.ndarray):
            continue
        scale, offset = affine(norm)
        weight = source.args["weight"]
        bias = source.args["bias"] if source.args.get("bias") is not None else np.zeros(len(scale))
        if source.target in TRANSPOSED:
            found = scaled(weight, scale, source.args["groups"])
        else:
            found = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        args = dict(source.args) | {"weight": found, "bias": bias * scale + offset}
        merged[norm.name] = Ref(source.name)
        steps[steps.index(source)] = dataclasses.replace(source, args=args)
        steps = [s for s in steps if s is not norm]
    steps = [dataclasses.replace(s, args={k: _put(v, merged) for k, v in s.args.items()}) for s in steps]
    output = merged.get(program.output, Ref(program.output)).name
    return dataclasses.replace(program, steps=tuple(steps), output=output)


def affine(norm: Step) -> tuple[Array, Array]:
    """(scale, offset) per channel of an evaluation-mode batch-norm: y = scale * x + offset."""
    args = norm.args
    mean, variance = args["running_mean"], args["running_var"]
    gain = args["weight"] if args["weight"] is not None else np.ones_like(mean)
    shift = args["bias"] if args["bias"] is not None else np.zeros_like(mean)
    scale = gain / np.sqrt(variance + args["eps"])
    return scale, shift - mean * scale


def split_gates(program: Program) -> Program:
    """glu(W x + b) = (W1 x + b1) * sigmoid(W2 x + b2), where W1 and W2 are the upper and lower half of W's rows.

    A stream cannot be cut along its channels, but the layer in front of the gate can. One that others read or that
    has groups stays; `Multiply` refuses its gate.
    """
    import torch

    steps = list(program.steps)
    readers = program.readers
    for gate in [s for s in program.steps if s.target == "aten.glu.default"]:
        source = next((s for s in steps if s.name == gate.reads[0]), None)
        if source is None or not _halves(source, gate) or len(readers[source.name]) != 1:
            continue
        weight, bias = source.args["weight"], source.args.get("bias")
        made = []
        for name, rows in (("value", slice(None, len(weight) // 2)), ("gate", slice(len(weight) // 2, None))):
            args = dict(source.args) | {"weight": weight[rows], "bias": None if bias is None else bias[rows]}
            made.append(dataclasses.replace(source, name=f"{gate.name}_{name}", args=args, shape=gate.shape))
        value, halved = made
        half = dataclasses.replace(gate, name=f"{gate.name}_sigmoid", target="aten.sigmoid.default")
        half = dataclasses.replace(half, function=torch.ops.aten.sigmoid.default, args={"self": Ref(halved.name)})
        product = dataclasses.replace(gate, target="aten.mul.Tensor", function=torch.ops.aten.mul.Tensor)
        product = dataclasses.replace(product, args={"self": Ref(value.name), "other": Ref(half.name)})
        at = steps.index(source)
        steps[at : at + 1] = made
        at = steps.index(gate)
        steps[at : at + 1] = [half, product]
    return dataclasses.replace(program, steps=tuple(steps))


def _halves(source: Step, gate: Step) -> bool:
    """Whether the output channels of `source` are what `gate` cuts in two, without cutting a group."""
    if source.target not in AFFINE or not isinstance(source.args["weight"], np.ndarray) or not source.shape:
        return False
    rank = len(source.shape)
    channels = rank - 1 if source.target == "aten.linear.default" else 1
    # Depthwise and other grouped layers read other inputs in their lower half.
    return gate.args["dim"] % rank == channels and source.args.get("groups", 1) == 1


def drop_dead(program: Program) -> Program:
    """A value that nobody reads need not be computed."""
    live = {program.output}
    for step in reversed(program.steps):
        if step.name in live:
            live.update(step.reads)
    return dataclasses.replace(program, steps=tuple(s for s in program.steps if s.name in live))


REWRITES: tuple[Rewrite, ...] = (
    fold_constants,
    fold_batch_norm,
    split_gates,
    expand_transposed,
    split_recurrent,
    drop_dead,
)


def simplify(program: Program) -> Program:
    """All rewrites in order."""
    for rewrite in REWRITES:
        program = rewrite(program)
    return program


def _put(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, Ref):
        return known.get(value.name, value)
    return [_put(v, known) for v in value] if isinstance(value, list) else value


def _tensor(value: Any) -> Any:
    import torch

    if isinstance(value, np.ndarray):
        found = torch.from_numpy(value)
        return found.float() if found.is_floating_point() else found
    return [_tensor(v) for v in value] if isinstance(value, list) else value
