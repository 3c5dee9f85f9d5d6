# SPDX-License-Identifier: Apache-2.0
"""Executors: everything that computes a compiled graph, with one call signature. Each must equal golden exactly.

A module of this package is an executor when it has `NAME` and `run(job) -> Run`; there is no list to edit.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gatewright.fixed import Ints
from gatewright.graph import Folding, Graph
from gatewright.lower.rtl import RtlDesign, lower


@dataclass(frozen=True, eq=False)
class Run:
    """What an executor computed.

    Attributes:
        outputs: per graph output, one [tokens, channels] array per sequence.
        cycles: clock cycles from the first input beat to the last output beat, both included; 0 without a clock.
        finished: [sequences] cycle, counted from the first input beat, at which each sequence left output 0.
    """

    outputs: tuple[list[Ints], ...]
    cycles: int = 0
    finished: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class Job:
    """Sequences to push through a graph, back to back.

    Attributes:
        graph: what to compute.
        foldings: how its hardware is folded.
        inputs: per graph input, one [tokens, channels] integer array per sequence.
        lengths: per graph output, the number of tokens of every result.
        idle: chance per cycle that an input pauses.
        stall: chance per cycle that an output is not ready.
        seed: of both patterns and of registers without reset.
        waves: record a waveform where the executor can.
        hardware: the generated hardware, if it exists already.
    """

    graph: Graph
    foldings: Mapping[str, Folding]
    inputs: Sequence[Sequence[Ints]]
    lengths: Mapping[str, Sequence[int]]
    idle: float = 0.0
    stall: float = 0.0
    seed: int = 1
    waves: bool = False
    hardware: RtlDesign | None = None

    @cached_property
    def rtl(self) -> RtlDesign:
        """Generated hardware."""
        return self.hardware or lower(self.graph, self.foldings)


def executors() -> dict[str, Callable[[Job], Run]]:
    """Every executor by name, golden first."""
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    found = {m.NAME: m.run for m in modules}
    return {name: found[name] for name in sorted(found, key=lambda n: (n != "golden", n))}
