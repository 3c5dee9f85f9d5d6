# SPDX-License-Identifier: Apache-2.0
"""Small random networks that two parties compute, and what their datapaths are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Graph, Node, Op, TensorType
from gatewright.lower.secure.design import lower_party
from gatewright.lower.secure.pair import Line, PairDesign, pair
from gatewright.lower.secure.party import Wires
from gatewright.ops.average_pool import AveragePool
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear
from gatewright.ops.quadratic import Quadratic
from gatewright.ops.reshape import Reshape
from gatewright.secure.program import Program, Secrets, compile_program
from gatewright.secure.role import Role
from gatewright.sim.secure import Session, Transcript
from gatewright.sim.secure_parties import in_software

X, H, P = Fixed(8, 4), Fixed(10, 5), Fixed(12, 7)
SESSION = Session(bytes(range(32)), bytes(range(32, 64)), (1 << 33) + 5)


def _constants(rng: np.random.Generator, shape: tuple[int, ...]) -> dict[str, Any]:
    """Weights, biases and a shift per output."""
    return {
        "weight": rng.integers(-60, 60, shape),
        "bias": rng.integers(-1000, 1000, shape[0]),
        "shift": rng.integers(5, 8, shape[0]),
        "weight_width": 8,
        "output": H,
    }


def _activation(rng: np.random.Generator, channels: int) -> Quadratic:
    slope, constant = rng.integers(-40, 40, channels), rng.integers(-5000, 5000, channels)
    return Quadratic(rng.integers(-8, 8, channels), slope, constant, 8, H)


def _chain(name: str, kind: TensorType, *ops: Op) -> Graph:
    names = ["x", *(f"n{i}" for i in range(len(ops)))]
    nodes = tuple(Node(names[i + 1], op, (names[i],)) for i, op in enumerate(ops))
    return Graph({"x": kind}, nodes, (names[-1],), name)


def perceptron() -> Graph:
    """12-8-3."""
    rng = np.random.default_rng(0)
    first, last = Linear(**_constants(rng, (8, 12))), Linear(**_constants(rng, (3, 8)))
    return _chain("perceptron", TensorType(1, 12, X), first, _activation(rng, 8), last)


def convolutions() -> Graph:
    """Padded, strided and grouped convolutions, means of 4 and of 6 values, a dense layer."""
    rng = np.random.default_rng(1)
    first = Conv2d(**_constants(rng, (4, 1, 3, 3)), height=9, width=8, padding=(1, 1))
    halves = AveragePool((3, 2), (3, 2), (0, 0), H.frac - P.frac, P, 9, 8)
    second = Conv2d(**_constants(rng, (4, 2, 2, 2)), height=3, width=4, groups=2, stride=(1, 2))
    return _chain(
        "convolutions",
        TensorType(72, 1, X),
        first,
        _activation(rng, 4),
        halves,
        second,
        _activation(rng, 4),
        AveragePool((2, 2), (2, 2), (0, 0), 0, H, 2, 2),
        Reshape(4),
        Linear(**_constants(rng, (3, 4))),
    )


@dataclass(frozen=True, eq=False)
class Case:
    """A network, its software transcript, and its datapaths."""

    program: Program
    secrets: Secrets
    x: Ints
    software: Transcript
    drawn: Any
    design: PairDesign


def case(
    graph: Graph,
    foldings: dict[int, Folding],
    queries: int,
    *,
    wires: Wires | None = None,
    line: Line | None = None,
    taps: bool = True,
    word: int = 64,
) -> Case:
    """Run `queries` random queries in software and generate the hardware for them."""
    program, secrets = compile_program(graph, word=word)
    ((_, kind),) = graph.inputs.items()
    shape = (queries, kind.tokens, kind.channels)
    x = np.random.default_rng(queries).integers(kind.fixed.lo, kind.fixed.hi + 1, shape)
    software, drawn, constants = in_software(program, secrets, SESSION, x)
    halves = [lower_party(program, role, foldings, constants[role], wires, taps) for role in Role]
    return Case(program, secrets, x, software, drawn, pair(halves[0], halves[1], line))
