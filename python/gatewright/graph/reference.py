# SPDX-License-Identifier: Apache-2.0
"""What a node stands for in the float model, and how far its integers may be from that."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatewright.fixed import Fixed, Floats

ROUNDINGS: Mapping[str, Callable[[Floats], Floats]] = {
    "half_even": np.rint,
    "half_up": lambda v: np.floor(v + 0.5),
    "half_away": lambda v: np.sign(v) * np.floor(np.abs(v) + 0.5),
    "floor": np.floor,
}
"""How float models round to integers."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The float operator that a node stands for.

    Attributes:
        constants: real weights before quantization, by attribute name.
        errors: |quantized - real| of the same constants.
        relu: saturation at 0 stands for a ReLU that follows in the float model.
        rounded: the float model itself rounds and saturates the result to this format.
        rounding: how it rounds, see `ROUNDINGS`; golden rounds halves up.
    """

    constants: Mapping[str, Floats] = dataclasses.field(default_factory=dict)
    errors: Mapping[str, Floats] = dataclasses.field(default_factory=dict)
    relu: bool = False
    rounded: Fixed | None = None
    rounding: str = "half_even"

    def then(self, values: Floats) -> Floats:
        """What the float model makes of the operator's own results."""
        if self.relu:
            values = np.maximum(values, 0.0)
        if self.rounded is not None:
            form = self.rounded
            steps = ROUNDINGS[self.rounding](np.ldexp(values, form.frac))
            values = form.dequantize(np.clip(steps, form.lo, form.hi))
        return values

    def bound(
        self, form: Fixed, ideal: Floats, output: Floats, own: Floats, spread: Floats, rounds: npt.ArrayLike = True
    ) -> Floats:
        """Bound of |golden - float| of a result.

        Args:
            form: format of the result.
            ideal: the float operator's own results at the golden inputs.
            output: golden real values.
            own: what quantized constants change at the golden inputs.
            spread: how far the float operator can move when its inputs move by their errors.
            rounds: whether the exact result is rounded to `form`, per channel or for all.
        """
        if self.rounded is not None:
            # Both sides round and saturate: that moves two values apart by at most one step more than they are.
            moved = own + spread
            tie = np.minimum(np.abs(self.then(ideal) - output), form.ulp)
            return np.where(moved > 0, moved + form.ulp, tie)
        highest, lowest = form.dequantize(np.array([form.hi, form.lo]))
        # A ReLU saturates at 0 in the float model as well, and max(., 0) moves no two values further apart.
        stuck = (output >= highest) | ((output <= lowest) & (not self.relu))
        clipped = np.where(stuck, np.abs(self.then(ideal) - output), 0.0)
        return np.asarray(rounds) * form.ulp / 2 + own + clipped + spread
