# SPDX-License-Identifier: Apache-2.0
"""Rewrites of the float program before quantisation. Each keeps what the program computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gatewright.frontend.program import Array, Program, Ref, Step

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
        if source is None or source.target not in AFFINE or len(readers[source.name]) != 1:
            continue
        if source.target == "aten.linear.default" and len(norm.shape or ()) != 2:
            continue
        if not isinstance(source.args["weight"], np.ndarray):
            continue
        scale, offset = affine(norm)
        weight = source.args["weight"]
        bias = source.args["bias"] if source.args.get("bias") is not None else np.zeros(len(weight))
        scaled = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        args = dict(source.args) | {"weight": scaled, "bias": bias * scale + offset}
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


def drop_dead(program: Program) -> Program:
    """A value that nobody reads need not be computed."""
    live = {program.output}
    for step in reversed(program.steps):
        if step.name in live:
            live.update(step.reads)
    return dataclasses.replace(program, steps=tuple(s for s in program.steps if s.name in live))


REWRITES: tuple[Rewrite, ...] = (fold_constants, fold_batch_norm, drop_dead)


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
