# SPDX-License-Identifier: Apache-2.0
"""A whole LeNet at one target, dense and with four kinds of zeros: trained, verified in RTL, counted by Yosys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from _kept import Kept
from _points import MNIST, Point
from _sparse_hardware import stored
from _sparse_nets import ROUNDS
from _table import markdown, spread
from _unet_hardware import COLUMNS, synthesis
from torch import nn

from gatewright.comparison import macs
from gatewright.compress.dst_ee import Exploration, exploration, scaled, train_sparse
from gatewright.compress.sparse import Pattern, finished, kept_share, masked
from gatewright.compress.training import Training, evaluate, reproducible, train
from gatewright.design import compile as compiled
from gatewright.examples._mnist import load
from gatewright.graph import most_tokens

TRAINING = Training(10, 64, 6e-3, shift=2)
SEEDS = (0, 1, 2)
BOARD, TARGET, IMAGES = "u200", 5000, 3
"""Cycles per image that designs are folded for; images that go through RTL."""


@dataclass(frozen=True)
class Zeros:
    """Which weights are kept in the second convolution and the first two dense layers.

    Attributes:
        density: share of their weights; over layers as ERK says, but the same in all with a pattern.
        pattern: unstructured, N:M, or as many weights for every output.
    """

    density: float
    pattern: Pattern


VARIANTS: dict[str, Zeros | None] = {
    "dense": None,
    "1:4": Zeros(1 / 4, Pattern(1, 4)),
    "unstructured, 10% kept": Zeros(0.1, Pattern()),
    "unstructured, 5% kept": Zeros(0.05, Pattern()),
    "rows alike, 10% kept": Zeros(0.1, Pattern(group="output")),
}


def build() -> nn.Module:
    """Eight maps in the first layer and not six, so that groups of four inputs divide the second."""
    first = [nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    second = [nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    dense = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*first, *second, *dense)


def trained(name: str, how: Exploration, seed: int) -> tuple[nn.Module, dict[str, float]]:
    """The plain model with its zeros, and accuracy, density and R."""
    data, zeros, training = load(), VARIANTS[name], replace(TRAINING, seed=seed)
    with reproducible(seed):
        model = build()
    found = {"density": 1.0, "R": 1.0}
    if zeros is None:
        train(model, data.train_x, data.train_y, training)
    else:
        layout = "erk" if zeros.pattern == Pattern() else "uniform"
        model = masked(model, zeros.density, zeros.pattern, distribution=layout, keep=["0", "11"], seed=seed)
        steps = training.epochs * (len(data.train_x) // training.batch)
        train_sparse(model, data.train_x, data.train_y, training, scaled(how, steps, ROUNDS))
        found = {"density": kept_share(model), "R": exploration(model)}
        model = finished(model)
    return model.eval(), {"accuracy": evaluate(model, data.test_x, data.test_y).accuracy, **found}


def figures(name: str, how: Exploration, seed: int) -> dict[str, float]:
    """Of one training."""
    return trained(name, how, seed)[1]


def hardware(name: str, how: Exploration) -> dict[str, Any]:
    """Compile seed 0, verify, count."""
    data = load()
    model, found = trained(name, how, 0)
    design = compiled(model, data.train_x[:1], data.train_x[:256], board=BOARD, target=TARGET, name="sparse_lenet")
    golden = np.asarray(design.run(data.test_x)).argmax(1)
    verified = design.verify(data.test_x[:IMAGES], ["golden", "rtl"], compare=False)
    verified.check()
    graph, tokens = design.graph, most_tokens(design.imported.input_type.tokens)
    return {
        **found,
        "golden": float((golden == data.test_y).mean()),
        "operators": [n.op.name() for n in graph.nodes if hasattr(n.op, "weight")],
        "macs": sum(macs(graph, n) for n in graph.nodes),
        "rtl": verified.rows[-1].cycles,
        "predicted": verified.predicted,
        "period": design.predict([tokens] * 3).period,
        "bits": stored(design),
        "synthesis": synthesis(design),
    }


def whole(found: dict[str, Any], source: str = "yosys") -> dict[str, float]:
    """Operators and queues together."""
    return {k: sum(kind[f"{source} {k}"] for kind in found["synthesis"].values()) for k in COLUMNS}


def blocks(kept: Kept, how: Exploration) -> list[str]:
    """Section of the page."""
    rows: list[dict[str, object]] = []
    for name in VARIANTS:
        made = [kept.get(f"lenet/{name}/{s}", partial(figures, name, how, s)) for s in SEEDS]
        one = kept.get(f"lenet hardware/{name}", partial(hardware, name, how))
        real, model = whole(one), whole(one, "model")
        row: dict[str, object] = {"zeros": name, "accuracy": spread([m["accuracy"] for m in made], 100, 2)}
        row |= {"seed 0": f"{100 * one['accuracy']:.1f}", "golden": f"{100 * one['golden']:.1f}"}
        row |= {"MACs": one["macs"], "cycles per image": one["period"]}
        row |= {"RTL": f"equal; {one['rtl']:,} cycles, {one['predicted']:,} predicted"}
        row |= {"Kbit": f"{one['bits'] / 1000:,.0f}"}
        rows.append(row | {k.upper(): f"{real[k]:,g} ({round(model[k], 1):,g})" for k in COLUMNS})
    return [
        f"## A LeNet by Yosys, all folded for {TARGET:,} cycles per image",
        f"5 x 5 convolutions of 8 and 16 maps, dense layers of 120, 84 and 10; MNIST subset, {len(SEEDS)} seeds. Zeros "
        f"in the second convolution and the first two dense layers, DST-EE with c = {how.c:g}; the first layer and the "
        f"classifier stay dense. Seed 0 is compiled for {BOARD} and {TARGET:,} cycles per image; {IMAGES} images in "
        "RTL, golden over the whole test set. Operators and queues each by Yosys, in brackets the analytic model; Kbit "
        "on the load chain.",
        markdown(rows),
        "By kind of operator. Whether a matrix becomes sparse is decided by its cost at this pace "
        "(docs/decisions/0022). Outputs without weights leave; what unstructured training keeps is uneven, which rows "
        "alike are not.",
        markdown(parts(kept)),
    ]


def parts(kept: Kept) -> list[dict[str, object]]:
    """Look-up tables and DSP blocks by kind of operator."""
    found = {name: kept.found[f"lenet hardware/{name}"]["synthesis"] for name in VARIANTS}
    kinds = list(dict.fromkeys(kind for one in found.values() for kind in one))
    rows = []
    for kind in kinds:
        row: dict[str, object] = {"module": kind}
        for name, one in found.items():
            cells = one.get(kind)
            row[f"{name}: LUT / DSP"] = f"{cells['yosys lut']:,g} / {cells['yosys dsp']:g}" if cells else "-"
        rows.append(row)
    return rows


def points(kept: Kept) -> list[Point]:
    """What was compiled, for the plots."""
    found = []
    for name, zeros in VARIANTS.items():
        one = kept.found[f"lenet hardware/{name}"]
        method, label = ("dense", "LeNet") if zeros is None else ("DST-EE", f"LeNet, {name}")
        dsp = whole(one)["dsp"] * one["period"]
        found.append(Point(MNIST, method, f"{label}, compiled", one["golden"], 0.0, one["bits"], dsp))
    return found
