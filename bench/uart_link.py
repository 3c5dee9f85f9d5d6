# SPDX-License-Identifier: Apache-2.0
"""Faults on the line of the UART shell: what is told, what is repeated, and whether a result is ever wrong.

    python bench/uart_link.py

Real requests to the real RTL in Verilator: a small network, 200 sequences per kind of fault, a frame in seven damaged.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from _table import markdown, versions, write

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.lower.rtl import lower
from gatewright.ops.linear import Linear
from gatewright.progress import track
from gatewright.shell.accelerator import Accelerator
from gatewright.shell.wrap import UartDesign, uart
from gatewright.sim.beats import as_bytes, from_bytes
from gatewright.sim.faults import ANSWERS, REQUESTS, Damage, FaultyTransport
from gatewright.sim.uart import SimulatedPort, build

SEQUENCES = 200
CHANCE = 0.15
SEED = 1


def network() -> tuple[Graph, UartDesign]:
    """A layer of 8 to 6 channels for 1 to 4 tokens, behind a UART of 4 cycles per bit."""
    weight = np.random.default_rng(SEED).integers(-127, 128, (6, 8))
    op = Linear(weight, np.arange(6) * 11 - 40, np.full(6, 6), 8, Fixed(8, 4))
    graph = Graph({"x": TensorType(Length("n", 4), 8, Fixed(8, 4))}, (Node("y", op, ("x",)),), ("y",), "small")
    return graph, uart(lower(graph, {"y": Folding(simd=4, pe=2)}), 4, 1_000_000)


def measure(graph: Graph, design: UartDesign, library: Path, way: str, name: str, damage: Damage) -> dict[str, object]:
    """A row of the table."""
    rng = np.random.default_rng(SEED)
    sequences = [rng.integers(-128, 128, (int(rng.integers(1, 5)), 8)) for _ in range(SEQUENCES)]
    (source,), (result,) = design.network.inputs, design.network.outputs
    with SimulatedPort(library, design.divisor) as port:
        faulty = FaultyTransport(port, random.Random(f"{SEED} {name}"), chance=0.0)
        setattr(faulty, way, damage)
        accelerator = Accelerator(faulty, design.streams)
        accelerator.load(design.network.memory.astype(np.uint32))
        faulty.chance = CHANCE
        raw = accelerator.run([as_bytes(s, source) for s in sequences])
        faulty.chance = 0.0
        right = sum(
            np.array_equal(from_bytes(r, result), graph.evaluate(s)[0]) for r, s in zip(raw, sequences, strict=True)
        )
        registers, link = accelerator.registers, accelerator.link
        flags = ", ".join(f"`{f}`" for f in registers.errors()) or "-"
        told = registers.read("link_errors")
    return {
        "damaged": way,
        "how": (damage.__doc__ or name).rstrip("."),
        "frames damaged": faulty.injected,
        "dropped by the device": told,
        "its flags": flags,
        "dropped by the host": link.dropped,
        "repeated": link.repeated,
        "right results": f"{right} of {len(sequences)}",
    }


def main() -> None:
    """Write the page."""
    graph, design = network()
    library = build(design.name, design.files, design.sources)
    cases = [(way, *item) for way, table in (("request", REQUESTS), ("answer", ANSWERS)) for item in table.items()]
    rows = [measure(graph, design, library, *case) for case in track(cases, "faults")]
    note = (
        f"`python bench/uart_link.py`: {SEQUENCES} sequences of 1 to 4 tokens through the Verilated UART shell per\n"
        f"kind of fault; one frame in {1 / CHANCE:.0f} on its way is damaged, seed {SEED}. A request that nobody\n"
        "answers is repeated, and done once only. A damaged frame may leave another kind of damage behind it: a lost\n"
        f"delimiter joins two frames, a spare one makes a frame of what follows. {versions('verilator')}."
    )
    write("uart_link", "# Faults on the UART link", note, markdown(rows))


if __name__ == "__main__":
    main()
