# SPDX-License-Identifier: Apache-2.0
"""A run-time length: what recordings at two lengths have in common."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from gatewright.errors import UnsupportedError
from gatewright.frontend.layout import Shape
from gatewright.frontend.program import Program, Step

SIZES = "shape"
"""Argument of a reshape in which a size may depend on the length."""


def merged(short: Program, long: Program) -> Program:
    """The program of which both are instances; sizes in which they differ are left open.

    Raises:
        UnsupportedError: another argument depends on the length.
    """
    if [s.target for s in short.steps] != [s.target for s in long.steps]:
        raise UnsupportedError("dynamic", "other operators at another length", "operators that take any length")
    steps = tuple(_step(a, b) for a, b in zip(short.steps, long.steps, strict=True))
    return dataclasses.replace(short, shape=_open(short.shape, long.shape), steps=steps)


def _step(a: Step, b: Step) -> Step:
    args: dict[str, Any] = {}
    for name, value in a.args.items():
        other = b.args[name]
        if _equal(value, other):
            args[name] = value
            continue
        differ = [k for k, (m, n) in enumerate(zip(value, other, strict=True)) if m != n] if name == SIZES else []
        if len(differ) != 1:
            raise UnsupportedError(
                a.place,
                f"{name} = {value} at one length and {other} at another",
                "constants that do not depend on the length",
            )
        # A single open size follows from the others.
        args[name] = [-1 if k in differ else n for k, n in enumerate(value)]
    return dataclasses.replace(a, args=args, shape=_open(a.shape, b.shape))


def _open(a: Shape | None, b: Shape | None) -> Shape:
    assert a is not None and b is not None
    return tuple(m if m == n else None for m, n in zip(a, b, strict=True))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.array_equal(a, b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)
