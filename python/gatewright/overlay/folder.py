# SPDX-License-Identifier: Apache-2.0
"""What a build folder says to a host: its shell, how data lie in memory, the weights, the model's way in and out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.errors import DataError
from gatewright.fixed import Ints
from gatewright.frontend.imported import Imported
from gatewright.graph import TensorType
from gatewright.schedule import tokens_at
from gatewright.shell.layout import Layout, Words

WHERE = "a folder that `design.build` or `gatewright build` wrote"


@dataclass(frozen=True, eq=False)
class Folder:
    """A build.

    Attributes:
        path: of the folder.
        facts: its host.json.
    """

    path: Path
    facts: Mapping[str, Any]

    @staticmethod
    def read(path: str | Path) -> Folder:
        """The build in `path`.

        Raises:
            DataError: there is none.
        """
        file = Path(path) / "host.json"
        try:
            return Folder(Path(path), json.loads(file.read_text()))
        except (OSError, ValueError) as error:
            raise DataError(str(file), f"cannot be read: {error}", WHERE) from error

    def fact(self, name: str) -> Any:
        """An entry of host.json.

        Raises:
            DataError: it is not there.
        """
        if name not in self.facts:
            raise DataError(str(self.path / "host.json"), f"it has no {name!r}", WHERE, "build again with this version")
        return self.facts[name]

    @property
    def shell(self) -> str:
        """Kind of the shell: "dma", "memory" or "uart"."""
        return str(self.facts.get("shell", "uart"))

    @property
    def build_id(self) -> int:
        """Of the hardware."""
        return int(self.fact("build_id"))

    @property
    def layout(self) -> Layout:
        """How data lie in memory; not for a UART."""
        return Layout(**{f.name: int(self.fact(f.name)) for f in fields(Layout)})

    @cached_property
    def imported(self) -> Imported:
        """Graph with its way in and out."""
        return Imported.load(self.path / "model.npz")

    @cached_property
    def ports(self) -> tuple[TensorType, TensorType]:
        """Types of input and output."""
        graph = self.imported.graph
        (entry,), (exit,) = graph.inputs.values(), graph.outputs
        return entry, graph.types[exit]

    @property
    def lanes(self) -> tuple[int, int]:
        """Channels in a beat of input and output."""
        widths = [kind.fixed.width for kind in self.ports]
        return int(self.fact("input_bits")) // widths[0], int(self.fact("output_bits")) // widths[1]

    def results(self, tokens: int) -> int:
        """Tokens of the result of a sequence with that many."""
        return tokens_at(self.ports[1].tokens, tokens)

    @cached_property
    def memory(self) -> Words:
        """Words of the load chain [load_words, load_bits / 32].

        Raises:
            DataError: the file of weights is missing or has another size.
        """
        file = self.path / "weights.hex"
        words, columns = int(self.fact("load_words")), int(self.fact("load_bits")) // 32
        try:
            # A line is one word of the chain, its most significant part first.
            raw = bytes.fromhex(file.read_text())
            big = np.frombuffer(raw, ">u4").reshape(words, columns)
        except (OSError, ValueError) as error:
            raise DataError(str(file), f"not the weights of this build: {error}", WHERE) from error
        return np.ascontiguousarray(big[:, ::-1], np.uint32)

    def golden(self, sequence: Ints) -> Ints:
        """What the hardware must make of a sequence [tokens, channels]."""
        (result,) = self.imported.graph.evaluate(sequence)
        return result
