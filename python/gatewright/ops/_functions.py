# SPDX-License-Identifier: Apache-2.0
"""Real functions of one number that become tables, with their derivatives for error bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from gatewright.fixed import Floats

Real = Callable[[Floats], Floats]

_ERF = np.frompyfunc(math.erf, 1, 1)
_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715
SOFTPLUS_LINEAR = 20.0
"""From here on softplus is the identity, as PyTorch has it by default."""


@dataclass(frozen=True)
class Function:
    """A function with what bounds its changes.

    Attributes:
        value: the function itself, vectorised.
        derivative: its derivative; at a corner the value of either side that is larger in magnitude.
        turns: every local extremum of the derivative's magnitude, corners included.
    """

    value: Real
    derivative: Real
    turns: tuple[float, ...] = ()

    def steepest(self, low: Floats, high: Floats) -> Floats:
        """Largest |derivative| on every interval [low, high]."""
        with np.errstate(over="ignore"):
            found = np.maximum(np.abs(self.derivative(low)), np.abs(self.derivative(high)))
            for turn in self.turns:
                there = float(np.abs(self.derivative(np.array([turn])))[0])
                found = np.where((low <= turn) & (turn <= high), np.maximum(found, there), found)
        # The turns are known to five digits; the derivative is flat there.
        return np.asarray(found * (1 + 1e-9))


def erf(x: Floats) -> Floats:
    """Error function."""
    return np.asarray(_ERF(x), np.float64)


def sigmoid(x: Floats) -> Floats:
    """`1 / (1 + exp(-x))` without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _density(x: Floats) -> Floats:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _gelu(x: Floats) -> Floats:
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def _gelu_slope(x: Floats) -> Floats:
    return 0.5 * (1 + erf(x / math.sqrt(2))) + x * _density(x)


def _gelu_tanh(x: Floats) -> Floats:
    return 0.5 * x * (1 + np.tanh(_TANH_SCALE * (x + _TANH_CUBE * x**3)))


def _gelu_tanh_slope(x: Floats) -> Floats:
    bent = np.tanh(_TANH_SCALE * (x + _TANH_CUBE * x**3))
    return 0.5 * (1 + bent) + 0.5 * x * (1 - bent**2) * _TANH_SCALE * (1 + 3 * _TANH_CUBE * x**2)


def _silu_slope(x: Floats) -> Floats:
    s = sigmoid(x)
    return s * (1 + x * (1 - s))


def _softplus(x: Floats) -> Floats:
    return np.where(x > SOFTPLUS_LINEAR, x, np.logaddexp(0.0, x))


def _mish_slope(x: Floats) -> Floats:
    bent = np.tanh(np.logaddexp(0.0, x))
    return bent + x * sigmoid(x) * (1 - bent**2)


def _inside(low: float, high: float, slope: Real) -> Real:
    """`slope` on [low, high], 0 outside."""
    return lambda x: np.where((x >= low) & (x <= high), slope(x), 0.0)


class Kind(str, Enum):
    """Names of the functions."""

    GELU = "gelu"
    GELU_TANH = "gelu_tanh"
    SILU = "silu"
    MISH = "mish"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    EXP = "exp"
    SOFTPLUS = "softplus"
    HARDSWISH = "hardswish"
    HARDSIGMOID = "hardsigmoid"
    RELU6 = "relu6"
    HARDTANH = "hardtanh"


def _ones(x: Floats) -> Floats:
    return np.ones_like(x)


def _hardswish_slope(x: Floats) -> Floats:
    return np.where(x > 3, 1.0, np.where(x >= -3, (2 * x + 3) / 6, 0.0))


def _tanh_slope(x: Floats) -> Floats:
    found: Floats = 1.0 - np.square(np.tanh(x))
    return found


FUNCTIONS: dict[Kind, Function] = {
    # gelu' = cdf + x pdf, gelu'' = (2 - x**2) pdf. The others were found on a grid.
    Kind.GELU: Function(_gelu, _gelu_slope, (-math.sqrt(2), math.sqrt(2))),
    Kind.GELU_TANH: Function(_gelu_tanh, _gelu_tanh_slope, (-1.4185, 1.4185)),
    Kind.SILU: Function(lambda x: x * sigmoid(x), _silu_slope, (-2.39936, 2.39936)),
    Kind.MISH: Function(lambda x: x * np.tanh(np.logaddexp(0.0, x)), _mish_slope, (-2.25638, 1.49057)),
    Kind.SIGMOID: Function(sigmoid, lambda x: sigmoid(x) * sigmoid(-x), (0.0,)),
    Kind.TANH: Function(np.tanh, _tanh_slope, (0.0,)),
    Kind.EXP: Function(np.exp, np.exp),
    Kind.SOFTPLUS: Function(_softplus, sigmoid),
    Kind.HARDSWISH: Function(lambda x: x * np.clip(x + 3, 0, 6) / 6, _hardswish_slope, (-3.0, 3.0)),
    Kind.HARDSIGMOID: Function(lambda x: np.clip(x + 3, 0, 6) / 6, _inside(-3, 3, lambda x: _ones(x) / 6), (0.0,)),
    Kind.RELU6: Function(lambda x: np.clip(x, 0, 6), _inside(0, 6, _ones), (3.0,)),
    Kind.HARDTANH: Function(lambda x: np.clip(x, -1, 1), _inside(-1, 1, _ones), (0.0,)),
}
