# SPDX-License-Identifier: Apache-2.0
"""What a program from somebody else must fulfil before anything is allocated for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gatewright.errors import RingError
from gatewright.secure.words import WORDS

if TYPE_CHECKING:
    from gatewright.secure.program import Program
    from gatewright.secure.step import Step

MOST = 1 << 26
"""Elements of a step's result, of its weights, or of what its windows see."""


def _integer(value: Any) -> bool:
    return type(value) is int


def _integers(count: int | None = None) -> Callable[[Any], bool]:
    def right(value: Any) -> bool:
        return isinstance(value, tuple) and all(map(_integer, value)) and count in (None, len(value))

    return right


TYPES: dict[str, Callable[[Any], bool]] = {
    "int": _integer,
    "bool": lambda value: type(value) is bool,
    "str": lambda value: type(value) is str,
    "tuple[int, ...]": _integers(),
    "tuple[int, int]": _integers(2),
    "tuple[int, int, int, int]": _integers(4),
}
"""Values that a field may have, by its annotation; fields of other types are dataclasses, named in theirs."""


def check_fields(value: Any) -> None:
    """Raise TypeError unless every field of a dataclass, and of those inside, has a value of its type."""
    for field in dataclasses.fields(value):
        found, wanted = getattr(value, field.name), str(field.type)
        if wanted in TYPES:
            right = TYPES[wanted](found)
        elif wanted == "tuple[Step, ...]":
            right = isinstance(found, tuple)
            for step in found:
                check_fields(step)
        else:
            right = type(found).__name__ in wanted.split(" | ") or (found is None and "None" in wanted)
            if found is not None:
                check_fields(found)
        if not right:
            raise TypeError(field.name)


def check(program: Program) -> None:
    """Raise RingError unless the steps read each other in order, with shapes and rings that fit."""
    steps = program.steps
    if program.word not in WORDS or not steps:
        raise RingError("program", f"{len(steps)} steps on {program.word} bits", "words of 32 or 64 bits")
    for index, step in enumerate(steps):
        problem = _problem(step, index, program)
        if problem:
            raise RingError(f"program, step {index}", problem, "what `compile_program` makes")
    kinds = [type(s).__name__ for s in steps]
    if kinds[0] != "Input" or kinds[-1] != "Reveal" or "Input" in kinds[1:] or "Reveal" in kinds[:-1]:
        raise RingError("program", f"{kinds[0]} .. {kinds[-1]}", "Input .. Reveal, and neither in between")


def _problem(step: Step, index: int, program: Program) -> str:
    """What is wrong with a step, or nothing. The order matters: later rules rely on earlier ones."""
    if step.word != program.word:
        return f"{step.word} bits in a program of {program.word}"
    if not (step.tokens >= 1 and step.channels >= 1 and step.count <= MOST):
        return f"{step.tokens} x {step.channels} elements"
    if any(not 0 <= i < index for i in step.inputs):
        return f"inputs {step.inputs}"
    if not 1 <= step.bits <= step.word:
        return f"a ring of {step.bits} bits"
    sources = [program.steps[i] for i in step.inputs]
    if not step.fits(*sources):
        return "shapes or attributes that do not fit its inputs"
    if step.bits > step.most():
        return f"a ring of {step.bits} bits"
    needs = step.needs()
    if len(needs) != len(sources) or any(n > s.bits for n, s in zip(needs, sources, strict=True)):
        return f"rings of {needs} bits asked of its inputs"
    return ""
