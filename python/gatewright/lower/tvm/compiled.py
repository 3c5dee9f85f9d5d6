# SPDX-License-Identifier: Apache-2.0
"""A network compiled for a processor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gatewright.errors import DataError
from gatewright.fixed import Floats, Ints
from gatewright.frontend.imported import Imported
from gatewright.graph import Graph, checked_sequence
from gatewright.lower.tvm import bare
from gatewright.lower.tvm.loader import Network
from gatewright.lower.tvm.module import compiled
from gatewright.lower.tvm.processor import Processor
from gatewright.lower.tvm.program import Program, program


@dataclass(frozen=True, eq=False)
class Compiled:
    """Kernels for a processor that compute the golden integers of a graph.

    Attributes:
        program: the kernel calls.
        imported: way in and out in real numbers; None for a bare graph.
    """

    program: Program
    imported: Imported | None = None

    @staticmethod
    def of(graph: Graph, target: str = "native", imported: Imported | None = None) -> Compiled:
        """Lower a graph for an LLVM target; see `Processor`.

        Raises:
            MissingExtraError: TVM is not installed.
            NotExpressibleError: an operator has no kernel.
            DataError: the target is none.
        """
        return Compiled(program(graph, Processor(target)), imported)

    @cached_property
    def executable(self) -> Any:
        """The Relax executable."""
        return compiled(self.program)

    @cached_property
    def network(self) -> Network:
        """The network, ready to run on this machine."""
        return Network(self.executable, self.interface)

    @property
    def interface(self) -> dict[str, Any]:
        """Types and binary points of the inputs and outputs, as `Network` reads them."""

        def kind(name: str) -> dict[str, Any]:
            value = self.program.values[name]
            return {"dtype": value.dtype, "frac": value.form.frac, "channels": value.row[0]}

        ends = self.program
        return {"inputs": [kind(n) for n in ends.inputs], "outputs": [kind(n) for n in ends.outputs]}

    def run(self, *sequences: Ints) -> tuple[Ints, ...]:
        """Integers of every output for one sequence [tokens, channels] per input.

        Raises:
            DataError: shape, length or range does not match the input's type.
        """
        kinds = self.program.graph.inputs
        checked = [checked_sequence(n, k, s) for (n, k), s in zip(kinds.items(), sequences, strict=True)]
        return self.network(*checked)

    def __call__(self, batch: Any) -> Floats | list[Floats]:
        """Results of a batch [N, ...] in the layout of the model, as `Design.run` gives them.

        Raises:
            DataError: a batch of the wrong shape, or a graph that came without a model; use `run`.
        """
        if self.imported is None:
            raise DataError("batch", "a graph without a model", "integer sequences", "call run(sequence, ..)")
        return self.imported.decode([self.run(s)[0] for s in self.imported.encode(batch)])

    def export(self, path: str | Path) -> list[Path]:
        """Write a shared library and, beside it, the JSON file that `loader.Network` reads.

        Raises:
            DataError: the path does not end in .so.
        """
        library = Path(path)
        if library.suffix != ".so":
            raise DataError("export", f"{library.name}", "a file name that ends in .so")
        library.parent.mkdir(parents=True, exist_ok=True)
        self.executable.export_library(str(library))
        interface = library.with_suffix(".json")
        interface.write_text(json.dumps(self.interface, indent=1))
        return [library, interface]

    def write_c(self, folder: str | Path) -> list[Path]:
        """Write the network as C for the target, without any runtime; see `bare`."""
        return bare.write(self.program, folder)
