# SPDX-License-Identifier: Apache-2.0
"""Recurrent networks quantized after training beside the same ones trained in integers, and the latter compiled."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from _kept import Kept
from _rnn_nets import CELLS, ROWS, SEEDS, data, golden, trained
from _table import percent
from torch import nn

import gatewright as gw
from gatewright.compress import irnn, quantize
from gatewright.compress.training import Training, evaluate, train
from gatewright.frontend import import_model
from gatewright.nn.recurrence import SLOPES

WIDTHS = ((4, 6), (4, 4), (3, 4), (2, 4), (3, 3))
"""Bits of weights and of activations."""
TUNED = Training(3, 64, 3e-3, clip=1.0)
AFTER = ("after training", "after training, tuned as long")
HARDWARE = ((4, 4), (2, 4))


@cache
def tuned(cell: str, seed: int) -> nn.Module:
    """The float network, trained on as long as those in integers are."""
    model = copy.deepcopy(trained(cell, seed))
    train(model, *data()[:2], replace(TUNED, seed=seed), label=f"{cell} {seed} tuned")
    return model


@cache
def made(cell: str, seed: int, weights: int, bits: int, slopes: str) -> nn.Module:
    """Trained in integers, from the float network."""
    x, y, _, _ = data()
    config = gw.QuantConfig(activation_bits=bits, weight_bits=weights)
    model = irnn.prepare(trained(cell, seed), x[:256], config, slopes=slopes)
    train(model, x, y, replace(TUNED, seed=seed), label=f"{cell} {seed} {weights}/{bits} {slopes}")
    return quantize.finished(model)


def accuracy(method: str, cell: str, weights: int, bits: int, seed: int) -> float:
    """Of the integers of the compiled network on the test images; those of training are the same ones."""
    x, _, test, labels = data()
    config = gw.QuantConfig(activation_bits=bits, weight_bits=weights)
    if method in AFTER:
        model: nn.Module = trained(cell, seed) if method == AFTER[0] else tuned(cell, seed)
        graph = import_model(model, x[:1], x[:256], config=config).graph
        return float(np.mean(golden(graph, test)[0].argmax(axis=1) == labels))
    model = made(cell, seed, weights, bits, method)
    found = import_model(model, x[:1], x[:1])
    scores = golden(found.graph, test)[0]
    with torch.no_grad():
        assert np.array_equal(found.output_type.fixed.dequantize(scores), model(torch.as_tensor(test)).double().numpy())
    return float(np.mean(scores.argmax(axis=1) == labels))


def key(method: str, cell: str, weights: int, bits: int) -> str:
    """Name of a result, without the seed."""
    return f"trained/{TUNED.epochs}/{method}/{cell}/{weights}/{bits}"


def accuracies(kept: Kept) -> list[dict[str, object]]:
    """One row per layer and widths."""
    rows: list[dict[str, object]] = []
    for cell in CELLS:
        real = [kept.get(f"float tuned/{TUNED.epochs}/{cell}/{s}", partial(real_tuned, cell, s)) for s in SEEDS]
        before = [kept.found[f"float/{cell}/{s}"] for s in SEEDS]
        both = {AFTER[0]: percent(before), AFTER[1]: percent(real)}
        rows.append({"layer": cell, "weights / activations": "float", **both, **dict.fromkeys(map(named, SLOPES), "")})
        for weights, bits in WIDTHS:
            row: dict[str, object] = {"layer": cell, "weights / activations": f"{weights} / {bits} bits"}
            for method in (*AFTER, *SLOPES):
                values = [
                    kept.get(
                        f"{key(method, cell, weights, bits)}/{s}", partial(accuracy, method, cell, weights, bits, s)
                    )
                    for s in SEEDS
                ]
                row[named(method)] = percent(values)
            rows.append(row)
    return rows


def named(method: str) -> str:
    """Column of a method."""
    return method if method in AFTER else f"trained in integers, slope of the {method}"


def real_tuned(cell: str, seed: int) -> float:
    """Accuracy of the float network that was trained as long."""
    return evaluate(tuned(cell, seed), *data()[2:]).accuracy


def results(kept: Kept, method: str, cell: str, weights: int, bits: int) -> Sequence[float]:
    """Accuracies of all seeds."""
    return [kept.found[f"{key(method, cell, weights, bits)}/{s}"] for s in SEEDS]


def claims(kept: Kept) -> str:
    """What training in integers gains, and which slope is better, by the means."""
    lines = []
    for cell in CELLS:
        gains = []
        for weights, bits in WIDTHS:
            ours = max(float(np.mean(results(kept, s, cell, weights, bits))) for s in SLOPES)
            theirs = max(float(np.mean(results(kept, m, cell, weights, bits))) for m in AFTER)
            gains.append(f"{100 * (ours - theirs):+.1f} at {weights} / {bits}")
        lines.append(f"{cell} {', '.join(gains)}")
    gap = [
        np.mean(results(kept, "table", cell, *w)) - np.mean(results(kept, "function", cell, *w))
        for cell in CELLS
        for w in WIDTHS
    ]
    wins, lead = sum(g > 0 for g in gap), 100 * np.mean(gap)
    return (
        f"Points that the better slope gains over the better quantization after training: {'; '.join(lines)}. "
        f"The slope of the table is ahead of the function's in {wins} of {len(gap)} cases; it leads by {lead:+.1f} "
        "points on average."
    )


def verified(cell: str, weights: int, bits: int) -> dict[str, Any]:
    """A network trained in integers, compiled without calibration data but one image; three images in RTL."""
    x, _, test, _ = data()
    model = made(cell, 0, weights, bits, "table")
    name = f"{cell.lower()}_{weights}_{bits}"
    design = gw.compile(model, x[:1], x[:1], board="pynq-z2", target=6000, name=name)
    return measured(design, test[:3])


def measured(design: Any, images: Any) -> dict[str, Any]:
    """Cycles and resources of a compiled network, RTL beside golden."""
    checked = design.verify(images, ("golden", "rtl"), compare=True)
    ran = max(r.cycles for r in checked.rows)
    tokens = design.predict([ROWS, ROWS]).cycles - design.predict([ROWS]).cycles
    ((_, folding),) = [(n, f) for n, f in design.foldings.items() if design.graph.node(n).op.name() == "recurrent"]
    bits = sum(n.op.weight.size * n.op.weight_width for n in design.graph.nodes if hasattr(n.op, "weight_width"))
    return {
        "mismatches": checked.mismatches, "simulated": ran, "predicted": checked.predicted, "cycles": tokens,
        "simd": folding.simd, "pe": folding.pe, "bits": bits, "resources": design.resources().total.amounts(),
    }  # fmt: skip
