# SPDX-License-Identifier: Apache-2.0
"""What error bounds share: windows and the matrix unit in real numbers."""

from __future__ import annotations

from typing import Any, cast

from gatewright.fixed import Floats
from gatewright.graph import Reference
from gatewright.ops._window import Window


def matrix_bound(value: Floats, error: Floats, output: Floats, reference: Reference, groups: int) -> Floats:
    """Error bound of a matrix unit: what quantised weights, rounding and saturation did at the golden inputs,
    plus `|W| e`.

    Args:
        value, error: [tokens, groups, in per group] golden inputs and their bounds.
        output: [tokens, channels] golden results.
        reference: with real `weight`, channels first, and `bias`.
    """
    weight, bias = reference.constants["weight"], reference.constants["bias"]
    rows = weight.reshape(groups, len(bias) // groups, -1)
    ideal = _product(value, rows) + bias
    return reference.bound(ideal, output, _product(error, abs(rows)))


def _product(x: Floats, rows: Floats) -> Floats:
    """[tokens, groups, in] by [groups, out, in] -> [tokens, groups * out]."""
    sums = x.transpose(1, 0, 2) @ rows.transpose(0, 2, 1)
    return sums.transpose(1, 0, 2).reshape(len(x), -1)


def real_patches(window: Window, values: Floats) -> Floats:
    """[positions, taps, channels] of real values; padding reads 0."""
    return cast(Floats, window.patches(cast(Any, values)))
