# SPDX-License-Identifier: Apache-2.0
"""What the choice of formats needs to know about a program: streams, readers, choices, and what corresponds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gatewright.frontend import tie
from gatewright.frontend.calibrate import Stats
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.program import Program, Step
from gatewright.frontend.rearrange import MOVES
from gatewright.frontend.tie import Groups, Ties
from gatewright.graph import Op

RELU = "aten.relu.default"


def short(target: str) -> str:
    """`aten.add.Tensor` -> `add`."""
    return target.split(".")[1]


@dataclass(frozen=True, eq=False)
class Structure:
    """A program, its statistics and the choices for it.

    Attributes:
        stats: of every tensor.
        operators: by ATen overload.
    """

    program: Program
    stats: Mapping[str, Stats]
    config: QuantConfig
    operators: Mapping[str, type[Op]]

    @cached_property
    def steps(self) -> dict[str, Step]:
        """Calls whose result is a tensor that was observed, by name."""
        return {s.name: s for s in self.program.steps if s.name in self.stats}

    @cached_property
    def root(self) -> dict[str, str]:
        """For every value the one in whose stream it lies: moves emit nothing."""
        found = {self.program.input: self.program.input}
        for name, step in self.steps.items():
            found[name] = found[step.reads[0]] if step.target in MOVES else name
        return found

    @cached_property
    def readers(self) -> dict[str, list[Step]]:
        """For every stream the calls that read it, whatever lies between."""
        found: dict[str, list[Step]] = {r: [] for r in self.root.values()}
        for step in self.steps.values():
            for name in step.reads if step.target not in MOVES else ():
                if name in self.root:
                    found[self.root[name]].append(step)
        return found

    def names(self, step: Step) -> set[str]:
        """Names of a call's operator, for overrides."""
        cls = self.operators.get(step.target)
        return {short(step.target)} | ({cls.name()} if cls else set())

    @cached_property
    def stated(self) -> dict[str, dict[str, Any]]:
        """What overrides say about every value's producer, in the order of the program."""
        found = {self.program.input: self.config.stated("input")}
        return found | {n: self.config.stated(s.path, self.names(s)) for n, s in self.steps.items()}

    def at(self, step: Step) -> QuantConfig:
        """The choices for one call."""
        return self.config.at(step.path, self.names(step))

    def keeps(self, step: Step) -> bool:
        """True for moves and for operators that have no format of their own, except ReLU, which narrows."""
        if step.target in MOVES:
            return "pad" not in step.target
        cls = self.operators.get(step.target)
        fields = [] if cls is None else [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
        return cls is not None and "output" not in fields and step.target != RELU

    @cached_property
    def ties(self) -> Ties:
        """Calls and values that correspond over iterations."""
        steps = [s for s in self.steps.values() if s.target not in MOVES] if self.config.tie else []
        reads = {s.name: [self.root[r] for r in s.reads if r in self.root] for s in steps}
        return tie.find(steps, reads, self.config.tie)

    def _groups(self, siblings: Iterable[Sequence[str]]) -> Groups:
        """Values with their streams, crossings, and these siblings."""
        found = Groups(self.root)
        for names in (*(self.root.items() if self.config.tie else ()), *self.ties.crossings, *siblings):
            found.join(names)
        return found

    @cached_property
    def kin(self) -> Groups:
        """Values of equal width and sign."""
        return self._groups(self.ties.siblings)
