# SPDX-License-Identifier: Apache-2.0
"""Processes and bounded streams: what C++ texts and hls4ml projects are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatewright.fixed import Fixed
from gatewright.graph import TensorType
from gatewright.lower.hls.kernel import Kernel, Table

SHALLOW = 2
"""Beats between two processes that need no more: one is written while the other is read."""


@dataclass(frozen=True)
class Channel:
    """A FIFO between two processes, or between one and the outside.

    Attributes:
        name: a C++ identifier.
        fixed: format of an element; the C++ side sees its width and sign only.
        lanes: elements per beat.
        depth: beats.
        reason: why so many; empty for `SHALLOW`.
    """

    name: str
    fixed: Fixed
    lanes: int
    depth: int = SHALLOW
    reason: str = ""

    @property
    def element(self) -> str:
        """C++ type of an element."""
        return integer(self.fixed)

    @property
    def beat(self) -> str:
        """C++ type of a beat."""
        return f"gatewright::beat<{self.element}, {self.lanes}>"


def integer(fixed: Fixed) -> str:
    """C++ type of the integers of a format."""
    return f"ap_{'' if fixed.signed else 'u'}int<{fixed.width}>"


@dataclass(frozen=True, eq=False)
class Process:
    """A kernel at work, or a loop.

    Attributes:
        name: a C++ identifier.
        kernel: what runs; of a loop, its shape holds `times` and `most`.
        inputs, outputs: names of channels.
        note: for a comment.
        body: what a loop repeats, its tables with one bank per iteration.
    """

    name: str
    kernel: Kernel
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    note: str = ""
    body: Program | None = None

    def table(self, name: str) -> str:
        """C++ identifier of a table."""
        return f"{self.name}_{name}"


@dataclass(frozen=True, eq=False)
class Port:
    """A graph input or output.

    Attributes:
        value: the graph's name of it.
        kind: its type.
        channel: the stream.
    """

    value: str
    kind: TensorType
    channel: str


@dataclass(frozen=True, eq=False)
class Program:
    """Processes connected by channels; each channel has one writer and one reader.

    Attributes:
        name: a C++ identifier.
        channels: by name.
        processes: in an order in which data can flow without concurrency.
        inputs, outputs: in the order of the graph.
    """

    name: str
    channels: Mapping[str, Channel]
    processes: tuple[Process, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def tables(self) -> dict[str, Table]:
        """Every table by its C++ identifier, those of loops included."""
        found: dict[str, Table] = {}
        for process in self.processes:
            found |= {process.table(name): one for name, one in process.kernel.tables.items()}
            if process.body is not None:
                found |= process.body.tables()
        return found

    def headers(self) -> set[str]:
        """Names of the library headers that the kernels lie in."""
        found = {p.kernel.function for p in self.processes if p.kernel.header is None}
        return found.union(*(p.body.headers() for p in self.processes if p.body is not None))

    def extra(self) -> tuple[Process, ...]:
        """Processes whose kernels are not in the library, those of loops included."""
        inner = [q for p in self.processes if p.body is not None for q in p.body.extra()]
        return (*(p for p in self.processes if p.kernel.header is not None), *inner)
