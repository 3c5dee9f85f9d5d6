# SPDX-License-Identifier: Apache-2.0
"""Several equally built graphs after each other, on one piece of hardware: the token ring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Cost, Folding, Graph, Length, Node, Op, Stage, TensorType, most_tokens
from gatewright.ops.add import Add
from gatewright.ops.linear import Linear
from gatewright.scheduler.admission import Admission


@dataclass(frozen=True, eq=False)
class Loop(Op):
    """`y = bodies[-1](... bodies[1](bodies[0](x)))`: one physical layer that tokens go round in.

    The bodies have the same operators under the same names, wired alike; their widths are hardware, their weights,
    tables and shifts are data that the iteration selects. Foldings of a body's nodes are those of the node
    `{loop}.{name}`.

    Attributes:
        bodies: one graph per iteration, each with one input and one output of one and the same type.
        slots: tokens that may be under way at once; at least the longest sequence.
        sequences: sequences that may be under way at once.
        group: most tokens that share a weight read. A group ends with its sequence, so large ones cost short sequences.
    """

    bodies: tuple[Graph, ...]
    slots: int
    sequences: int = 16
    group: int = 2

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if not isinstance(x.tokens, Length) or (x.tokens.offset, x.tokens.stride) != (0, 1):
            raise GraphError("loop", f"{x.tokens} tokens", "the run-time length of the graph's input")
        first = self.bodies[0]
        for k, body in enumerate(self.bodies):
            place = f"loop.bodies[{k}]"
            if len(body.inputs) != 1 or len(body.outputs) != 1:
                raise GraphError(place, f"{len(body.inputs)} inputs, {len(body.outputs)} outputs", "one of each")
            for end, kind in (("input", *body.inputs.values()), ("output", body.types[body.outputs[0]])):
                if kind != x:
                    raise GraphError(place, f"{end} of type {kind}", f"{x}, what enters the loop", "tie the formats")
            if signature(body) != signature(first):
                raise GraphError(place, "another structure than bodies[0]", "the same operators, wired alike")
            for name, other in first.types.items():
                if body.types[name].channels != other.channels:
                    problem = f"{name} has {body.types[name].channels} channels, {other.channels} in bodies[0]"
                    raise GraphError(place, problem, "equal ones", "give layers in pairs the largest rank of them")
        if self.admission.problem:
            name, problem, allowed = self.admission.problem
            raise GraphError(f"loop.{name}", problem, allowed)
        return x

    @property
    def admission(self) -> Admission:
        """What may be under way: the rule of the hardware and of the cycle model."""
        (kind,) = self.bodies[0].inputs.values()
        return Admission(self.slots, self.sequences, most_tokens(kind.tokens))

    def describe(self) -> str:
        body = self.bodies[0]
        return f"loop({len(self.bodies)} x {len(body.nodes)} operators, slots={self.slots}, sequences={self.sequences})"

    def evaluate(self, *inputs: Ints) -> Ints:
        (x,) = inputs
        for body in self.bodies:
            (x,) = body.evaluate(x)
        return x

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Loop | None:
        """Two or three layers `x + W2 relu(W1 x)`, each with weights of its own."""
        (x,) = inputs
        if not isinstance(x.tokens, Length) or (x.tokens.offset, x.tokens.stride) != (0, 1):
            return None
        hidden, wide = int(rng.integers(1, 9)), Fixed(8, x.fixed.frac, signed=False)
        bodies = []
        for _ in range(int(rng.integers(2, 4))):
            nodes = (
                Node("up", _layer(rng, x.fixed, x.channels, hidden, wide), ("x",)),
                Node("down", _layer(rng, wide, hidden, x.channels, x.fixed), ("up",)),
                Node("sum", Add.of(x.fixed, x.fixed, x.fixed), ("x", "down")),
            )
            bodies.append(Graph({"x": x}, nodes, ("sum",), "layer"))
        slots = most_tokens(x.tokens) + int(rng.integers(0, 9))
        return cls(tuple(bodies), slots, int(rng.integers(1, 5)))

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        yield Folding()

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        """The ring alone; its operators are counted for themselves."""
        (x,) = inputs
        bits = self.slots * x.channels * x.fixed.width
        if folding.ultra:
            return Cost(lut=400, ff=500, uram288=float(np.ceil(bits / 294_912)))
        return Cost(lut=400, ff=500, bram36=float(np.ceil(bits / 36_864)))

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        """The ring takes the widths of its body."""
        return 0, 0

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        """What surrounds the loop sees: nothing leaves before the sequence is in. See `scheduler.ring` for the time."""
        return [Stage(np.full(tokens, tokens - 1), 1, len(self.bodies) * tokens, 1, self.slots)]


def _layer(rng: np.random.Generator, x: Fixed, ins: int, outs: int, output: Fixed) -> Linear:
    """Random 4-bit weights; sums fill the output."""
    weight = rng.integers(-8, 8, (outs, ins), dtype=np.int64)
    shift = rng.integers(0, 3, outs, dtype=np.int64) + max(0, x.width + 4 - output.width)
    return Linear(weight, rng.integers(-99, 100, outs, dtype=np.int64), shift, 4, output)


def signature(body: Graph) -> tuple[tuple[object, ...], ...]:
    """Names, operators and wiring."""
    return tuple((n.name, type(n.op), n.inputs) for n in body.nodes)
