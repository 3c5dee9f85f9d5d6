# SPDX-License-Identifier: Apache-2.0
"""The format of every value of a program, from its data, what alone reads it, and what it is tied to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gatewright.errors import CalibrationError
from gatewright.fixed import Fixed
from gatewright.frontend import ids
from gatewright.frontend.calibrate import Stats, Unseen, choose, fake_quantized, unseen
from gatewright.frontend.fold import AFFINE
from gatewright.frontend.program import Step
from gatewright.frontend.structure import RELU, Structure
from gatewright.frontend.tie import Groups

FAKE_QUANTIZE = (
    "aten.fake_quantize_per_tensor_affine.default",
    "aten.fake_quantize_per_tensor_affine.tensor_qparams",
    "gatewright.fake_quantize.default",
)


@dataclass(frozen=True)
class Wanted:
    """The format that a value should be produced in.

    Attributes:
        relu: the format is that of the ReLU which alone reads the value.
        rounded: the format is that of the fake-quantize which alone reads it.
        rounding: of that fake-quantize, see `gatewright.graph.ROUNDINGS`.
    """

    fixed: Fixed
    relu: bool = False
    rounded: Fixed | None = None
    rounding: str = "half_even"


@dataclass(frozen=True, eq=False)
class Formats(Structure):
    """Formats of one program."""

    @cached_property
    def tied(self) -> Groups:
        """Values of equal format."""
        crossing = self._crossing
        return self._groups(
            names for names in self.ties.siblings if crossing & set(names) or not all(self._free(n) for n in names)
        )

    @property
    def _crossing(self) -> set[str]:
        return {name for names in self.ties.crossings for name in names}

    @cached_property
    def carried(self) -> set[str]:
        """Values of one format with what enters an iteration."""
        groups = {self.tied.of(name) for name in self._crossing}
        return {name for name in self.root if self.tied.of(name) in groups}

    def _free(self, name: str) -> bool:
        """Whether whatever touches the value takes its binary point as data."""
        calls = [self.steps[name], *self.readers[name]]
        free = all(s.target in self.operators and self.operators[s.target].free_points for s in calls)
        return free and name != self.root[self.program.output] and not any(self._narrows(s, name) for s in calls[1:])

    # Widths

    @cached_property
    def bits(self) -> dict[str, int]:
        """Width of every value.

        Raises:
            CalibrationError: widths of tied values differ.
        """
        raw, own = self.program.readers, dict[str, int | None]()
        for name, said in self.stated.items():
            own[name] = said.get("activation_bits")
            step = self.steps.get(name)
            source = step.reads[0] if step is not None and step.reads else None
            passes = step is not None and (step.target == RELU or self.keeps(step))
            if own[name] is None and passes and source in own and len(raw[source]) == 1:
                own[name] = own[source]
        return {n: w for names in self.kin.members.values() for n, w in self._widths(names, own).items()}

    def _widths(self, names: Sequence[str], own: Mapping[str, int | None]) -> dict[str, int]:
        """One width for values of equal width."""
        if len(names) == 1:
            return {names[0]: own[names[0]] or self._argument_bits(names) or self.config.activation_bits}
        roots = [n for n in names if self.root[n] == n]
        default = self._argument_bits(roots) or self.config.activation_bits
        inside = {n: own[n] or default for n in roots if n in self.ties.spots}
        # What comes from outside takes the width of what it is tied to, unless it was told otherwise.
        outside = {n: own[n] or min(inside.values(), default=default) for n in roots if n not in self.ties.spots}
        widths = inside | outside
        if len(set(widths.values())) > 1:
            self._refuse_widths("activation_bits", widths)
        return dict.fromkeys(names, next(iter(widths.values())))

    def _argument_bits(self, names: Sequence[str]) -> int | None:
        """The widest `argument_bits` of all that read these values; None where one has no choice."""
        wanted = [self.at(s).argument_bits for n in names for s in self.readers[self.root[n]]]
        found = [w for w in wanted if w is not None]
        return max(found) if found and len(found) == len(wanted) else None

    def operand_bits(self, step: Step, source: str) -> int | None:
        """The width at which a call reads a value at most."""
        if step.target not in AFFINE:
            return None
        for said in (self.config.stated(step.path, self.names(step)), self.stated[source]):
            if "operand_bits" in said:
                return None if said["operand_bits"] is None else int(said["operand_bits"])
        return self.config.operand_bits

    def _narrows(self, step: Step, source: str) -> bool:
        most = self.operand_bits(step, source)
        return most is not None and self.bits[source] > most

    def _refuse_widths(self, name: str, widths: Mapping[str, Any]) -> None:
        places = {n: self.steps[n].place if n in self.steps else "input" for n in widths}
        raise CalibrationError(
            "QuantConfig.tie",
            f"{name} differ: " + ", ".join(f"{places[n]} {w}" for n, w in widths.items()),
            "equal widths in every iteration",
            "override them for all iterations alike",
        )

    # Formats

    def check(self) -> None:
        """Raise CalibrationError unless overrides match something and corresponding calls have equal widths."""
        for names in self.ties.siblings:
            for key in ("weight_bits", "operand_bits"):
                found = {n: getattr(self.at(self.steps[n]), key) for n in names}
                if len(set(found.values())) > 1:
                    self._refuse_widths(key, found)

    @cached_property
    def _merged(self) -> dict[str, Stats]:
        """Statistics of every set of values of equal format."""
        found: dict[str, Stats] = {}
        for key, names in self.tied.members.items():
            parts = [self.stats[n] for n in names if self.root[n] == n or len(names) == 1]
            low, high = min(p.low for p in parts), max(p.high for p in parts)
            found[key] = Stats(low, high, np.concatenate([p.sample for p in parts]))
        return found

    @cached_property
    def _negative(self) -> set[str]:
        """The sets of values of equal sign in which one is negative."""
        return {self.kin.of(n) for n in self.root if self.stats[n].low < 0}

    @cached_property
    def _chosen(self) -> dict[tuple[str, int, str], Fixed]:
        return {}

    def _choose(self, name: str, bits: int, method: str) -> Fixed:
        key = self.tied.of(name), bits, method
        if key not in self._chosen:
            self._chosen[key] = choose(self._merged[key[0]], bits, method, self.kin.of(name) in self._negative)
        return self._chosen[key]

    def operand(self, step: Step, width: int) -> Fixed | None:
        """The format in which a matrix operator reads its input of `width` bits; None for the input's own."""
        source = self.root[step.reads[0]]
        most = self.operand_bits(step, source)
        return self._choose(source, most, self.at(step).method) if most is not None and width > most else None

    @cached_property
    def wanted(self) -> dict[str, Wanted]:
        """The format of every tensor.

        A value that only a ReLU reads takes the ReLU's unsigned format, so that saturation at 0 is the ReLU; one
        that only a fake-quantize reads takes that format. Operators that keep their input's format, such as max
        pooling and reshapes, pass the wish on. Tied values take such a format only if all of them do.

        Raises:
            CalibrationError: tied values were trained with different formats.
        """
        alone: set[str] = set()
        while True:
            found = self._attempt(alone)
            differ = {k for k, names in self.tied.members.items() if len({found[n].fixed for n in names}) > 1}
            if not differ - alone:
                break
            alone |= differ
        for key in differ:
            self._refuse_widths("formats", {n: found[n].fixed for n in self.tied.members[key]})
        return found

    def _attempt(self, alone: Collection[str]) -> dict[str, Wanted]:
        """Formats when sets of tied values in `alone` follow no wish of their readers."""
        found: dict[str, Wanted] = {}
        for name, step in reversed([(self.program.input, None), *self.steps.items()]):
            if step is None and self.program.ids is not None:
                found[name] = Wanted(ids.form(self.program.ids))
                continue
            if step is not None and step.target in FAKE_QUANTIZE:
                form = fake_quantized(step)
                found[name] = Wanted(form, rounded=form, rounding=step.args.get("rounding", "half_even"))
                continue
            found[name] = self._wish(name, step, found, alone) or self._own(name, step)
        return found

    def _own(self, name: str, step: Step | None) -> Wanted:
        """The format that the data of a value ask for; without data the one that it keeps."""
        if isinstance(self.stats, Unseen):
            return Wanted(self._kept(name))
        method = self.at(step).method if step else self.config.at("input").method
        return Wanted(self._choose(name, self.bits[name], method))

    def _kept(self, name: str) -> Fixed:
        """The format of the quantizer in front of operators that have none of their own.

        Raises:
            CalibrationError: there is no quantizer.
        """
        step = self.steps.get(name)
        while step is not None and self.keeps(step) and len(step.reads) == 1:
            step = self.steps.get(step.reads[0])
        if step is None or step.target not in FAKE_QUANTIZE:
            raise unseen(self.steps[name].place if name in self.steps else "input")
        return fake_quantized(step)

    def _wish(self, name: str, step: Step | None, found: Mapping[str, Wanted], alone: Collection[str]) -> Wanted | None:
        """The format that the only reader of a value asks for, if there is one."""
        after = self.program.readers[name]
        if len(after) != 1 or name == self.program.output or after[0].name not in found:
            return None
        (reader,) = after
        goal = found[reader.name]
        if self.tied.of(name) in alone or (step is not None and step.target == RELU and goal.fixed.signed):
            return None
        if reader.target in FAKE_QUANTIZE:
            return Wanted(goal.fixed, goal.relu, goal.fixed, goal.rounding)
        if reader.target == RELU and not goal.fixed.signed:
            return Wanted(goal.fixed, True, goal.rounded, goal.rounding)
        return goal if self.keeps(reader) else None
