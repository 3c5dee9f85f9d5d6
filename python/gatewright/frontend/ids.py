# SPDX-License-Identifier: Apache-2.0
"""Inputs that are integers: token ids, which only look-ups in a table read."""

from __future__ import annotations

import numpy as np

from gatewright.errors import UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend.program import Program, Ref
from gatewright.frontend.rearrange import MOVES
from gatewright.frontend.trace import tensors

TABLES = {
    "gatewright.token_embedding.default": ("ids", "table"),
    "aten.embedding.default": ("indices", "weight"),
}
"""Look-ups: argument that holds the ids, argument that holds the table, one row per id."""


def count(program: Program) -> int:
    """How many ids there are: rows of the smallest table that they index.

    Raises:
        UnsupportedError: something else reads the input.
    """
    alike, rows = {program.input}, []
    for step in tensors(program):
        if not alike & set(step.reads):
            continue
        if step.target in MOVES:
            alike.add(step.name)
            continue
        index, table = TABLES.get(step.target, ("", ""))
        found = step.args.get(table)
        if not isinstance(step.args.get(index), Ref) or not isinstance(found, np.ndarray):
            raise UnsupportedError(
                step.place,
                "input = integers",
                f"integers that only look-ups in a table read: {', '.join(TABLES)}",
                "pass real numbers, or look the ids up with gatewright.nn.TokenEmbedding",
            )
        rows.append(len(found))
    if not rows:
        raise UnsupportedError("input", "integers that nothing reads", "an input that the output depends on")
    return min(rows)


def form(ids: int) -> Fixed:
    """The narrowest format of the integers 0 to ids - 1."""
    return Fixed(max(1, (ids - 1).bit_length()), 0, signed=False)
