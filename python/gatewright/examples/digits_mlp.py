# SPDX-License-Identifier: Apache-2.0
"""The 8 x 8 digits of scikit-learn through a perceptron 64-32-16-10."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.errors import ToolError
from gatewright.examples._base import Data, Trained

TAIL = 397
"""Test items: the last ones, unshuffled, which other people wrote."""


def build() -> Any:
    """An untrained perceptron."""
    from torch import nn

    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 10))


def load() -> Data:
    """1,400 training and 397 test digits; all 1,797 go through RTL."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ToolError("scikit-learn", "not installed", hint="pip install 'gatewright[examples]'") from None
    digits = load_digits()
    # Pixels are 0 to 16: exact in five bits.
    x = (digits.data / 16.0).astype(np.float32)
    y = digits.target.astype(np.int64)
    return Data(x[:-TAIL], y[:-TAIL], x[-TAIL:], y[-TAIL:], x, y)


EXAMPLE = Trained(
    name="digits_mlp", build=build, load=load, target=64, epochs=40, batch=128, rate=2e-2, decay=1e-2, calibration=1000
)
