# SPDX-License-Identifier: Apache-2.0
"""What float meanings and error bounds share: windows and the matrix unit in real numbers."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from gatewright.fixed import Fixed, Floats, Ints
from gatewright.graph import Reference
from gatewright.ops._window import Window


def matrix_real(values: Floats, reference: Reference) -> Floats:
    """`W x + b` for [tokens, groups, in per group]; real `weight`, channels first, and `bias`."""
    return _product(values, reference.constants["weight"]) + reference.constants["bias"]


def matrix_bound(
    value: Floats, error: Floats, output: Floats, reference: Reference, form: Fixed, shift: Ints
) -> Floats:
    """Error bound of a matrix unit: half a step, what quantized weights change, saturation, and `|W| e`.

    Args:
        value, error: [tokens, groups, in per group] golden inputs and their bounds.
        output: [tokens, channels] golden results.
        form: their format.
        shift: [channels] right shift; without one nothing is rounded.
    """
    own = _product(np.abs(value), reference.errors["weight"]) + reference.errors["bias"]
    spread = _product(error, np.abs(reference.constants["weight"]))
    return reference.bound(form, matrix_real(value, reference), output, own, spread, shift > 0)


def _product(x: Floats, weight: Floats) -> Floats:
    """[tokens, groups, in] by [groups * out, ...] -> [tokens, groups * out]."""
    groups = x.shape[1]
    rows = weight.reshape(groups, len(weight) // groups, -1)
    sums = x.transpose(1, 0, 2) @ rows.transpose(0, 2, 1)
    return sums.transpose(1, 0, 2).reshape(len(x), -1)


def real_patches(window: Window, values: Floats, fill: float = 0.0) -> Floats:
    """[positions, taps, channels] of real values; padding reads `fill`."""
    padded = np.concatenate([values, np.full((1, values.shape[1]), fill)])
    index = window.patches(cast(Any, np.arange(len(values))[:, None]), len(values))[..., 0]
    return padded[index]
