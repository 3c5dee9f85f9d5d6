# SPDX-License-Identifier: Apache-2.0
"""Analytic resources of memories: weight stores and small tables."""

from __future__ import annotations

from math import ceil

from gatewright.graph import Cost, Folding

BLOCK_DEPTH = 192
"""Memories from this depth on are taken as block RAM."""
ULTRA_DEPTH = 1024
"""Rows from which on `store` asks for UltraRAM, where there is some."""
CHAIN_SKID = Cost(lut=33, ff=66)
"""Register slice of a store's load chain."""
LUT_PER = {"ff": 0.5, "dsp": 170, "bram36": 550, "uram288": 1200}
"""Look-up tables per piece of each, about as many as an Alveo U200 has."""


def store(row: int, rows: int, folding: Folding) -> Cost:
    """Weight memory of `rows` rows of `row` bits for each bank, in pieces of 32 bits, with its load chain."""
    depth = rows * folding.banks
    if folding.ultra and depth >= ULTRA_DEPTH:
        return CHAIN_SKID + Cost(lut=20, uram288=ceil(row / 72) * ceil(depth / 4096))
    if depth < BLOCK_DEPTH:
        return CHAIN_SKID + memory(row, depth)
    return CHAIN_SKID + Cost(lut=20, bram36=ceil(row / 32) * ceil(depth / 512) / 2)


def memory(bits: int, depth: int) -> Cost:
    """Memory in look-up tables, with a registered output: eight hold seven bits of 64 words."""
    return Cost(lut=bits * 8 / 7 * ceil(depth / 64), ff=bits)


def weigh(cost: Cost) -> float:
    """A cost as one number of look-up tables, each resource in proportion to what a large device has of it."""
    return cost.lut + sum(factor * getattr(cost, name) for name, factor in LUT_PER.items())
