# SPDX-License-Identifier: Apache-2.0
"""The recurrence of an LSTM or GRU layer in the arithmetic of the hardware, with gradients; see `ops.recurrent`.

Every value is a multiple of a power of two and is kept in float64, where these sums and products are exact; so the
results are those of the integers. Rounding passes gradients as if it were not there, but not where it saturates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from gatewright.errors import DataError
from gatewright.fixed import Fixed, Ints, as_integers, from_integers
from gatewright.nn.fake_quantize import rounded
from gatewright.ops._functions import FUNCTIONS
from gatewright.ops._piecewise import integers
from gatewright.ops._recurrent import Cell, Forms
from gatewright.ops.pwl import Pwl
from gatewright.ops.recurrent import tables_of

SLOPES = ("table", "function")
"""Where gradients of gates come from: the line of the table, or the function that it stands for."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """Tables for arguments of one format, every result written down.

    Attributes:
        form: of the argument.
        values, slopes: [tables * 2**width] results and gradients.
        base: [columns] or [1] index of the result of integer 0.
    """

    form: Fixed
    values: torch.Tensor
    slopes: torch.Tensor
    base: torch.Tensor

    @classmethod
    def of(cls, form: Fixed, tables: list[Pwl], columns: Ints, slopes: str) -> Lookup:
        """`columns` says which of the tables each column is looked up in."""
        every, values, ramps = integers(form), [], []
        for op in tables:
            values.append(op.output.dequantize(op.evaluate(every)))
            ramps.append(_ramp(op, form) if slopes == "table" else _slope(op, form))
        base = columns * len(every) - form.lo
        found, gradients = (torch.from_numpy(np.concatenate(v)) for v in (values, ramps))
        return cls(form, found, gradients, torch.from_numpy(base))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Results for float64 arguments [.., columns], which are rounded to `form` first."""
        return cast(torch.Tensor, _LookedUp.apply(x, self))


def _ramp(op: Pwl, form: Fixed) -> Any:
    """Slope of the line at every argument, 0 where the result saturates."""
    every, form_out = integers(form), op.output
    piece = np.searchsorted(op.knots, every, side="right")
    line = op.slopes[piece]
    sums = (line * every + op.table.rounded_offsets[piece]) >> op.shift
    inside = (sums >= form_out.lo) & (sums <= form_out.hi)
    return np.where(inside, np.ldexp(line.astype(np.float64), form.frac - form_out.frac - op.shift), 0.0)


def _slope(op: Pwl, form: Fixed) -> Any:
    return FUNCTIONS[op.kind].derivative(form.dequantize(integers(form)))


class _LookedUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, table: Lookup) -> torch.Tensor:
        form = table.form
        steps = torch.floor(x * 2.0**form.frac + 0.5)
        kept = steps.clamp(form.lo, form.hi)
        index = kept.long() + table.base
        ctx.save_for_backward(table.slopes[index] * (kept == steps))
        return table.values[index]

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        return grads[0] * ctx.saved_tensors[0], None


@lru_cache(maxsize=64)
def lookups(cell: Cell, size: int, forms: Forms, slopes: str) -> tuple[Lookup, Lookup]:
    """Tables of the gates side by side, and of the last tanh: the very ones of the compiled operator."""
    sigmoid, candidate, tanh = tables_of(cell, forms.gate, forms.argument, forms.activation)
    if candidate is None:
        gates = Lookup.of(forms.gate, [sigmoid], np.zeros(2 * size, np.int64), slopes)
    else:
        gates = Lookup.of(forms.gate, [sigmoid, candidate], np.repeat([0, 1, 0, 0], size), slopes)
    return gates, Lookup.of(forms.argument, [tanh], np.zeros(1, np.int64), slopes)


def run(
    cell: Cell, u: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, forms: Forms, slopes: str = "table"
) -> torch.Tensor:
    """Hidden vectors [N, L, hidden] in float64.

    Args:
        u: [N, L, gates * hidden] on the grid of `forms.input`; gates as `Recurrent` orders them.
        weight, bias: [gates * hidden, hidden] and [gates * hidden] on their grids.
        slopes: one of `SLOPES`.
    """
    size = weight.shape[1]
    u, turned, bias = u.double(), weight.double().T, bias.double()
    gates, last = lookups(cell, size, forms, slopes)
    h = state = torch.zeros(len(u), size, dtype=torch.float64)
    found = []
    for x in u.unbind(1):
        v = rounded(torch.addmm(bias, h, turned), forms.input, bounded=False)
        if cell is Cell.LSTM:
            i, g, f, o = gates(x + v).split(size, 1)
            state = rounded(f * state + i * g, forms.state)
            h = rounded(o * last(state), forms.output)
        else:
            r, z = gates((x + v)[:, : 2 * size]).split(size, 1)
            n = last(x[:, 2 * size :] + r * v[:, 2 * size :])
            state = rounded(n + z * (state - n), forms.state)
            h = rounded(state, forms.output)
        found.append(h)
    return torch.stack(found, 1)


@torch.library.custom_op("gatewright::recurrence", mutates_args=())
def recurrence(
    input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, cell: str, formats: list[int], batch_first: bool
) -> torch.Tensor:
    """`run` as one call of an exported graph; without gradients.

    Args:
        formats: `fixed.as_integers` of `Forms`.
        batch_first: the result is [N, L, hidden] as the input is, else [L, N, hidden].
    """
    found = run(Cell(cell), input, weight, bias, Forms(*from_integers(formats))).to(input.dtype)
    return found if batch_first else found.transpose(0, 1).contiguous()


@recurrence.register_fake
def _(
    input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, cell: str, formats: list[int], batch_first: bool
) -> torch.Tensor:
    first, second = input.shape[:2] if batch_first else (input.shape[1], input.shape[0])
    return input.new_empty((first, second, weight.shape[1]))


class Recurrence(nn.Module):
    """What recurs of an LSTM or GRU layer; a linear layer gives its input. Gradients in training mode only.

    Attributes:
        weight, bias: [gates * hidden, hidden] and [gates * hidden], gates as `ops.recurrent.Recurrent` orders them.
        forms: formats; they are in checkpoints.
        slopes: one of `SLOPES`.
        batch_first: the result is [N, L, hidden], else [L, N, hidden].
    """

    def __init__(
        self,
        cell: Cell,
        weight: torch.Tensor,
        bias: torch.Tensor,
        forms: Forms,
        slopes: str = "table",
        batch_first: bool = True,
    ) -> None:
        super().__init__()
        if slopes not in SLOPES:
            raise DataError("Recurrence.slopes", f"{slopes!r}", " or ".join(SLOPES))
        self.cell, self.forms, self.slopes = cell, forms, slopes
        self.batch_first = batch_first
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        """[N, L, gates * hidden] to [N, L, hidden]."""
        weight, bias, first = self.weight, self.bias, self.batch_first
        if self.training:
            h = run(self.cell, u, weight, bias, self.forms, self.slopes).to(u.dtype)
            return h if first else h.transpose(0, 1)
        numbers = as_integers(*self.forms)
        found: torch.Tensor = torch.ops.gatewright.recurrence(u, weight, bias, self.cell.value, numbers, first)
        return found

    def get_extra_state(self) -> torch.Tensor:
        """Formats, for checkpoints."""
        return torch.tensor(as_integers(*self.forms))

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Formats, from a checkpoint."""
        self.forms = Forms(*from_integers(state.tolist()))
