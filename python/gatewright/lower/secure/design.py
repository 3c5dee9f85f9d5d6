# SPDX-License-Identifier: Apache-2.0
"""One party's datapath as a generated top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatewright.errors import NotExpressibleError
from gatewright.fixed import Ints
from gatewright.graph import Folding
from gatewright.lower.secure.party import Boundary, Message, Party, Random, Wires
from gatewright.lower.secure.place import Constants, place
from gatewright.lower.sources import closure
from gatewright.lower.writer import Stream
from gatewright.secure.program import Program
from gatewright.secure.role import Role

MODULES = (
    "party_link",
    "share_generator",
    "bit_pack",
    "bit_unpack",
    "share_add",
    "stream_fifo",
    "stream_fork",
    "stream_width",
)
"""What every party is made of beside its steps."""
STEPS = ("modular_linear", "patches", "share_pool", "share_truncate", "stream_join", "x2act")


@dataclass(frozen=True, eq=False)
class PartyDesign:
    """One party's datapath.

    Attributes:
        name: top module.
        role: whose.
        text: generated SystemVerilog.
        inputs, outputs: streams of the client's data and of corrections.
        taps: ports that show the result of every step (`p<step>`) and the words of every message (`o<step>`).
        memory: [words, 1] of the load chain.
        randoms, sends, receives: streams of the generator, channels of the link.
        wires: see there.
    """

    name: str
    role: Role
    text: str
    inputs: tuple[Boundary, ...]
    outputs: tuple[Boundary, ...]
    taps: tuple[Boundary, ...]
    memory: Ints
    randoms: tuple[Random, ...]
    sends: tuple[Message, ...]
    receives: tuple[Message, ...]
    wires: Wires

    @property
    def library(self) -> list[Path]:
        """Library files that it instantiates, leaves first."""
        return closure([*MODULES, *(m for m in STEPS if f"  {m} #(" in self.text)])


def lower_party(
    program: Program,
    role: Role,
    foldings: Mapping[int, Folding],
    constants: Sequence[Constants],
    wires: Wires | None = None,
    taps: bool = False,
) -> PartyDesign:
    """Generate one party's datapath.

    Args:
        foldings: by step, for products, sums and activations, the same at both parties.
        constants: per step what this party holds: the server its secrets, the client `masked` weights.
        wires: of generator and link, the same at both parties.
        taps: show every step's result.

    Raises:
        NotExpressibleError: a step has no hardware, or reads several others.
    """
    wires = wires or Wires()
    party = Party(role, program.word, wires)
    streams: list[Stream | None] = []
    for index, step in enumerate(program.steps):
        source = streams[step.inputs[0]] if step.inputs else None
        readers = sum(index in other.inputs for other in program.steps)
        _check_chain(index, len(step.inputs), readers)
        if source is not None:
            source = party.narrow(source, step.needs()[0], f"m{index}")
        result = place(party, index, step, source, foldings.get(index, Folding()), constants[index])
        if taps and result is not None:
            party.tap(f"p{index}", result, f"result of step {index}")
        streams.append(result)
    if taps:
        for message in party.sends:
            party.tap(f"o{message.step}", Stream(message.name, 1, 8 * wires.payload), f"message of step {message.step}")
    name = f"{program.name}_{role.name.lower()}"
    text = party.finish(name, f"{program.name}: the {role.name.lower()}'s half of {len(program.steps)} steps.")
    memory = np.concatenate([rows.reshape(-1, 1) for rows in party.memory])
    return PartyDesign(
        name,
        role,
        text,
        tuple(party.inputs),
        tuple(party.outputs),
        tuple(party.taps),
        memory,
        tuple(party.randoms),
        tuple(party.sends),
        tuple(party.receives),
        wires,
    )


def _check_chain(index: int, inputs: int, readers: int) -> None:
    if inputs > 1 or readers > 1:
        problem = f"{inputs} inputs and {readers} readers"
        raise NotExpressibleError(f"step {index}", problem, "a chain of steps: at most one input and one reader")
