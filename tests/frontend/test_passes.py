# SPDX-License-Identifier: Apache-2.0
"""Each rewrite: the result is smaller where it should be, and equal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frontend.nets import Mixed, noise, seeded
from torch import nn

from gatewright.fixed import Fixed
from gatewright.frontend import fold, passes
from gatewright.frontend.program import runner
from gatewright.frontend.trace import trace
from gatewright.graph import Graph, Node, Op, Pass, TensorType
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.ops.reshape import Reshape

SIGNED, UNSIGNED = Fixed(6, 3), Fixed(6, 3, signed=False)
NARROW = Requantize(1, Fixed(5, 2, signed=False))
CASES: dict[str, tuple[Pass, Fixed, list[Op], list[str]]] = {
    "relu on unsigned": (passes.drop_unsigned_relu, UNSIGNED, [Relu(), NARROW], ["requantize"]),
    "relu on signed": (passes.drop_unsigned_relu, SIGNED, [Relu(), NARROW], ["relu", "requantize"]),
    "second relu": (passes.drop_unsigned_relu, SIGNED, [Relu(), Relu()], ["relu"]),
    "relu between input and output": (passes.drop_unsigned_relu, UNSIGNED, [Relu()], ["relu"]),
    "two relus in a row": (passes.drop_unsigned_relu, UNSIGNED, [Relu(), Relu(), NARROW], ["requantize"]),
    "three reshapes": (
        passes.merge_reshapes,
        SIGNED,
        [Relu(), Reshape(8), Reshape(24), Reshape(12)],
        ["relu", "reshape"],
    ),
    "same format": (
        passes.drop_idle_requantize,
        SIGNED,
        [Relu(), Requantize(0, Fixed(5, 3, False))],
        ["relu"],
    ),
    "other format": (passes.drop_idle_requantize, SIGNED, [NARROW], ["requantize"]),
    "same channels": (passes.drop_idle_reshape, SIGNED, [Reshape(4), Relu()], ["relu"]),
    "reshape twice": (passes.merge_reshapes, SIGNED, [Relu(), Reshape(8), Reshape(24)], ["relu", "reshape"]),
    "reshape that does not nest": (
        passes.merge_reshapes,
        SIGNED,
        [Reshape(12), Reshape(6)],
        ["reshape", "reshape"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_graph_pass(name: str) -> None:
    rewrite, fixed, ops, wanted = CASES[name]
    values = ["x", *(f"v{i}" for i in range(len(ops)))]
    nodes = tuple(Node(values[i + 1], op, (values[i],)) for i, op in enumerate(ops))
    old = Graph({"x": TensorType(6, 4, fixed)}, nodes, (values[-1],))
    new = rewrite(old)
    assert [n.op.name() for n in new.nodes] == wanted
    x = np.random.default_rng(0).integers(fixed.lo, fixed.hi + 1, (6, 4))
    assert np.array_equal(old.evaluate(x)[0], new.evaluate(x)[0])
    assert old.types[old.outputs[0]] == new.types[new.outputs[0]]


def test_saturation_at_zero_is_relu() -> None:
    x = np.arange(-40, 40).reshape(-1, 1)
    for shift in (-1, 0, 1, 2):
        form = Fixed(4, 3 - shift, signed=False)
        rounded = Requantize(shift, form).evaluate(x)
        assert np.array_equal(rounded, Requantize(shift, form).evaluate(np.maximum(x, 0)))


class Reparametrized(nn.Module):
    """A weight that is computed from others."""

    def __init__(self) -> None:
        super().__init__()
        self.raw, self.gain = nn.Parameter(torch.randn(4, 5)), nn.Parameter(torch.rand(4, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, torch.tanh(self.raw) * self.gain)


def norms() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.BatchNorm2d(3),
        nn.Flatten(),
        nn.Linear(27, 4),
        nn.BatchNorm1d(4, affine=False),
    )


FLOAT = {
    "constants": (fold.fold_constants, Reparametrized, (5,), 1),
    "batch-norm": (fold.fold_batch_norm, norms, (1, 5, 5), 5),
    "mixed": (fold.simplify, Mixed, (1, 7, 7), 14),
}


@pytest.mark.parametrize("name", FLOAT)
def test_float_rewrite(name: str) -> None:
    rewrite, build, shape, steps = FLOAT[name]
    x = noise(1, *shape)
    old = trace(seeded(build), x, {})
    new = rewrite(old)
    assert len(new.steps) == steps < len(old.steps)
    before, after = (runner(p, wide=True)(x.numpy())[p.output] for p in (old, new))
    assert np.allclose(before, after, rtol=1e-6, atol=1e-7)


def test_dead_steps_are_dropped() -> None:
    class Dead(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.relu(x)
            return x.flatten(1).relu()

    program = fold.drop_dead(trace(Dead().eval(), noise(1, 2, 2), {}))
    assert [s.target.split(".")[1] for s in program.steps] == ["flatten", "relu"]
