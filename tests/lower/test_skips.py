# SPDX-License-Identifier: Apache-2.0
"""Skip connections round deeper levels: the depth of their FIFOs is what is needed, and not much more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from frontend.nets import noise, seeded
from torch import nn

import gatewright as gw
from gatewright.errors import SimulationError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.lower import network, timing
from gatewright.lower.depths import Depth, depths, join_lags
from gatewright.lower.rtl import RtlDesign, lower
from gatewright.ops.concat import Concat
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.max_pool import MaxPool
from gatewright.ops.upsample import Upsample
from gatewright.schedule import Link
from gatewright.sim.library import Simulator, build

HEIGHT, WIDTH, CHANNELS, IMAGES = 4, 6, 2, 3
SKIP = ("y", 1)
SPARE = 2
"""Tokens of the lag that are not in the FIFO's memory: in its output register, and with the late branch only."""


def level() -> tuple[Graph, dict[str, Folding]]:
    """One level of a U-Net without arithmetic: halve, double, and put the image beside it. A token is a beat."""
    kind = TensorType(HEIGHT * WIDTH, CHANNELS, Fixed(8, 0))
    nodes = (
        Node("a", MaxPool((1, 1), (1, 1), (0, 0), (1, 1), HEIGHT, WIDTH), ("x",)),
        Node("p", MaxPool((2, 2), (2, 2), (0, 0), (1, 1), HEIGHT, WIDTH), ("a",)),
        Node("u", Upsample((2, 2), False, HEIGHT // 2, WIDTH // 2), ("p",)),
        Node("y", Concat(), ("u", "a")),
    )
    return Graph({"x": kind}, nodes, ("y",), "level"), {n.name: Folding(lanes=CHANNELS) for n in nodes}


def with_skip(monkeypatch: pytest.MonkeyPatch, tokens: int) -> RtlDesign:
    """The hardware with a FIFO of so many tokens in the skip."""

    def chosen(graph: Graph, foldings: Mapping[str, Folding]) -> dict[Link, Depth]:
        found = depths(graph, foldings)
        return found | {SKIP: replace(found[SKIP], tokens=tokens, channels=tokens * CHANNELS)}

    with monkeypatch.context() as patch:
        patch.setattr(network, "depths", chosen)
        return lower(*level())


def test_the_least_depth_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """A FIFO of lag - 2 tokens goes on, also with stalls; one token less stops for ever, and the harness says so."""
    graph, foldings = level()
    lag, fork = join_lags(graph, foldings)[SKIP]
    # The first token back needs the first two of row 1; by then the skip has sent nothing.
    assert (lag, fork) == (WIDTH + 2, "a")
    computed = depths(graph, foldings)[SKIP]
    assert computed.tokens >= lag and computed.reason.startswith(f"{computed.tokens} tokens: input 1 of y: ")
    designs = [with_skip(monkeypatch, n) for n in (computed.tokens, lag - SPARE, lag - SPARE - 1, 1)]
    library = build(designs, "-O0")
    rng = np.random.default_rng(0)
    images = [rng.integers(-128, 128, (HEIGHT * WIDTH, CHANNELS), dtype=np.int64) for _ in range(IMAGES)]
    wanted = [graph.evaluate(x)[0] for x in images]
    lengths, cycles = {"y": [HEIGHT * WIDTH] * IMAGES}, []
    for index, design in enumerate(designs[:2]):
        with Simulator(design, library, index, 1) as simulator:
            for stall in (0.4, 0.0):
                run = simulator.run([images], lengths, idle=stall, stall=stall)
                assert all(np.array_equal(a, b) for a, b in zip(run.outputs[0], wanted, strict=True))
            cycles.append(run.cycles)
    # The computed depth is for pace, the least one only goes on.
    predicted = timing.cycles(graph, foldings, designs[0], [(HEIGHT * WIDTH,)] * IMAGES)
    assert predicted.cycles == pytest.approx(cycles[0], rel=0.02) and cycles[0] < cycles[1]
    for index in (2, 3):
        with (
            Simulator(designs[index], library, index, 1) as simulator,
            pytest.raises(SimulationError, match=r"the design is stalled(.|\n)*m0 0/"),
        ):
            simulator.run([images], lengths)


def test_only_where_lengths_vary_a_skip_holds_more() -> None:
    """`x` beside a convolution of `x` behind a pool that sends bursts; of a fixed and of a run-time length."""
    zero = np.zeros(2, np.int64)
    found = {}
    for tokens in (40, Length("n", 40, 2)):
        conv = Conv1d(np.ones((2, 2, 9), np.int64), zero, zero, 4, Fixed(8, 0), padding=(4,))
        wide = Conv1d(np.ones((2, 2, 3), np.int64), zero, zero, 4, Fixed(8, 0), padding=(1,))
        nodes = (
            Node("a", wide, ("x",)),
            Node("c", conv, ("a",)),
            Node("d", conv, ("c",)),
            Node("y", Concat(), ("d", "a")),
        )
        graph = Graph({"x": TensorType(tokens, 2, Fixed(8, 0))}, nodes, ("y",))
        foldings = {"a": Folding(2, 6, 2), "c": Folding(2, 18, 1), "d": Folding(2, 18, 1), "y": Folding(1)}
        found[type(tokens)] = depths(graph, foldings)[SKIP]
    lag = join_lags(graph, foldings)[SKIP][0]
    assert lag <= found[int].tokens <= found[Length].tokens


class Small(nn.Module):
    """Three levels: one way up is a transposed convolution, the other the nearest neighbour."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 4, 1)
        self.up, self.join, self.last = nn.ConvTranspose2d(4, 3, 2, 2), nn.Conv2d(6, 2, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        high = torch.relu(self.a(x))
        middle = torch.relu(self.b(nn.functional.max_pool2d(high, 2)))
        low = torch.relu(self.c(nn.functional.max_pool2d(middle, 2)))
        x = torch.relu(self.join(torch.cat([self.up(low), middle], 1)))
        return self.last(torch.cat([nn.functional.interpolate(x, scale_factor=2), high], 1))


def test_a_small_u_net() -> None:
    """RTL equals golden with stalls, and runs as predicted without; golden stays within the derived bound."""
    x = noise(5, 1, 8, 12)
    design = gw.compile(seeded(Small), x[:1], x, board="pynq-z2", target=4000)
    assert [n.op.name() for n in design.graph.nodes].count("upsample") == 2
    design.verify(x, ["golden", "rtl"], stall=0.3).check()
    free = design.verify(x, ["golden", "rtl"])
    free.check()
    assert free.rows[-1].cycles == pytest.approx(free.predicted, rel=0.05)
