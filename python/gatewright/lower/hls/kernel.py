# SPDX-License-Identifier: Apache-2.0
"""How an operator is spelled in C++: a kernel of `hls/`, its compile-time parameters and its tables of constants.

Each operator of the library is spelled in `kernels/<name>.py`. One from elsewhere has a method
`hls(folding, *inputs) -> Kernel`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import FoldingError, NotExpressibleError
from gatewright.fixed import Fixed, Ints, enclosing
from gatewright.graph import Folding, Op, TensorType

WORD = 64
"""Widest integer of a kernel: `ap_int` is one machine word up to here."""


@dataclass(frozen=True, eq=False)
class Table:
    """Integers that a kernel reads.

    Attributes:
        values: [banks, entries].
        fill: what a bank that is shorter than another one is filled up with; None where all are equally long.
    """

    values: Ints
    fill: int | None = None

    @property
    def entries(self) -> int:
        """Length of a bank."""
        return self.values.shape[1]

    @property
    def fixed(self) -> Fixed:
        """Narrowest format of all entries."""
        return enclosing(int(self.values.min()), int(self.values.max()), 0)


@dataclass(frozen=True, eq=False)
class Kernel:
    """A call of a C++ function template.

    Attributes:
        function: its name, and that of its header.
        shape: compile-time constants that iterations of a loop have in common.
        widths: compile-time constants of which the largest serves all iterations: bits, table lengths.
        tables: constants, in the order of the function's arguments.
        in_lanes: channels per beat of each input stream.
        out_lanes: channels per beat of the output stream.
        header: of a kernel that is not in the library.
    """

    function: str
    shape: Mapping[str, int]
    in_lanes: tuple[int, ...]
    out_lanes: int
    widths: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    header: Path | None = None

    @property
    def parameters(self) -> dict[str, int]:
        """All compile-time constants."""
        return {**self.shape, **self.widths}


def table(values: Any, fill: int | None = None) -> Table:
    """One bank of integers of any shape, in C order."""
    return Table(np.asarray(values, np.int64).reshape(1, -1), fill)


def wide(place: str, bits: int, shifts: npt.ArrayLike = 0) -> int:
    """Bits in which signed sums of `bits` can be rounded and shifted by any of `shifts`.

    Raises:
        NotExpressibleError: more than a machine word.
    """
    array = np.asarray(shifts)
    most, least = int(array.max(initial=0)), int(array.min(initial=0))
    found = max(bits, most) + 1 - least
    if found > WORD:
        raise NotExpressibleError(place, f"intermediates of {found} bits", f"at most {WORD}", "use narrower formats")
    return found


def spell(op: Op, folding: Folding, *inputs: TensorType) -> Kernel:
    """The kernel of an operator.

    Raises:
        NotExpressibleError: nobody has written one.
    """
    own: Callable[..., Kernel] | None = getattr(op, "hls", None)
    if own is not None:
        return own(folding, *inputs)
    name = f"{__package__}.kernels.{op.name()}"
    if importlib.util.find_spec(name) is None:
        raise NotExpressibleError(
            f"operator {op.name()}",
            "no HLS kernel",
            "the library's operators, and those with a method hls(folding, *inputs) -> Kernel",
            "write hls/<operator>.hpp and spell it",
        )
    spelled: Callable[..., Kernel] = importlib.import_module(name).spell
    return spelled(op, folding, *inputs)


def merge(kernels: Sequence[Kernel]) -> Kernel:
    """One kernel for the same operator in every iteration of a loop, its tables as banks.

    Raises:
        FoldingError: the iterations need different hardware.
    """
    first = kernels[0]
    for k, one in enumerate(kernels[1:], 1):
        if (one.function, one.shape, one.in_lanes, one.out_lanes) != (
            first.function,
            first.shape,
            first.in_lanes,
            first.out_lanes,
        ):
            raise FoldingError(
                first.function, f"{dict(one.shape)} in iteration {k}, {dict(first.shape)} in iteration 0", "equal ones"
            )
    widths = {name: max(k.widths[name] for k in kernels) for name in first.widths}
    tables = {name: _banks([k.tables[name] for k in kernels]) for name in first.tables}
    return replace(first, widths=widths, tables=tables)


def _banks(tables: Sequence[Table]) -> Table:
    longest = max(t.entries for t in tables)
    fills = [0 if t.fill is None else t.fill for t in tables]
    assert all(t.entries == longest or t.fill is not None for t in tables)
    rows = [
        np.pad(t.values, ((0, 0), (0, longest - t.entries)), constant_values=f)
        for t, f in zip(tables, fills, strict=True)
    ]
    return Table(np.concatenate(rows), tables[0].fill)
