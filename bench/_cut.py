# SPDX-License-Identifier: Apache-2.0
"""A small CNN in two parts on MNIST: accuracy by what is sent, features, bottlenecks or the image itself."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import _exits
import _jpeg
import numpy as np
import torch
from _kept import Kept
from _table import percent
from torch import nn

from gatewright.compress.bottleneck import Bottleneck
from gatewright.compress.training import Training, evaluate, reproducible, train
from gatewright.examples._mnist import load

SEEDS = (0, 1, 2)
CUT, PHASES = Training(4, 64, 4e-3, shift=2), 4
CHANNELS = 8
BOTTLENECKS = {
    "4 channels": (4, 1),
    "4 channels, every 2nd place": (4, 2),
    "2 channels, every 2nd place": (2, 2),
}
COARSE = (1, 2, 4)
"""The image itself is sent, sampled at this distance."""
JPEG = (196, 98, 49)
"""The image itself is sent as JPEG, in at most so many bytes on average besides the file's header."""


class Cut(nn.Module):
    """A network in two parts with something between them."""

    def __init__(self, unit: Bottleneck | None) -> None:
        super().__init__()
        self.device = nn.Sequential(nn.Conv2d(1, CHANNELS, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
        self.unit = unit
        rest = [nn.Conv2d(CHANNELS, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        self.server = nn.Sequential(*rest, nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.device(x)
        scores: torch.Tensor = self.server(x if self.unit is None else self.unit(x))
        return scores


@cache
def cut(seed: int, name: str | None) -> Cut:
    """Trained end to end, in phases; the range of the bytes is that of the first images, before each of them."""
    data = load()
    with reproducible(seed):
        model = Cut(Bottleneck(CHANNELS, *BOTTLENECKS[name]) if name else None)
        # Values grow while it learns: there is room for twice as much, and the range is measured anew.
        for phase in range(PHASES):
            if model.unit is not None:
                model.unit.calibrate(model.device(torch.from_numpy(data.train_x[:512])))
                model.unit.top.mul_(2 if phase < PHASES - 1 else 1)
            plan = replace(CUT, rate=CUT.rate / (phase + 1), seed=seed)
            train(model, data.train_x, data.train_y, plan, label=f"{name or 'plain'} {seed}", seeded=False)
    return model


def cut_row(seed: int, name: str | None) -> list[float]:
    """Accuracy, and bytes per image at the cut."""
    data, model = load(), cut(seed, name)
    found = evaluate(model, data.test_x, data.test_y).accuracy
    if model.unit is None:
        return [found, CHANNELS * 14 * 14]
    with torch.no_grad():
        features = model.device(torch.from_numpy(data.test_x[:200]))
    return [found, float(np.mean([len(m) for m in model.unit.messages(features)]))]


def coarse_row(seed: int, factor: int) -> list[float]:
    """Accuracy of the plain network trained on coarser images, and their bytes."""
    data = load()
    model = whole(seed, _exits.coarser(data.train_x, factor)) if factor > 1 else plain(seed)
    test = _exits.coarser(data.test_x, factor) if factor > 1 else data.test_x
    return [evaluate(model, test, data.test_y).accuracy, (28 // factor) ** 2]


def jpeg_row(seed: int, quality: int) -> list[float]:
    """Accuracy of the plain network trained on JPEG images, bytes of their files and of what differs between them.

    Last the accuracy of the network that was trained on the images as they are.
    """
    data = load()
    test = _jpeg.messages(data.test_x, quality)
    sizes = float(np.mean([len(m) for m in test])), float(np.mean([_jpeg.body(m) for m in test]))
    seen = _jpeg.arrived(_jpeg.messages(data.train_x, quality)), _jpeg.arrived(test)
    trained = whole(seed, seen[0])
    return [
        evaluate(trained, seen[1], data.test_y).accuracy,
        *sizes,
        evaluate(plain(seed), seen[1], data.test_y).accuracy,
    ]


@cache
def plain(seed: int) -> Cut:
    """The whole network, trained on the images as they are."""
    return whole(seed, load().train_x)


def whole(seed: int, images: Any) -> Cut:
    """The network without a bottleneck, trained on what the receiver sees."""
    with reproducible(seed):
        model = Cut(None)
        plan = replace(CUT, epochs=PHASES * CUT.epochs, seed=seed)
        train(model, images, load().train_y, plan, label="whole", seeded=False)
    return model


def cut_rows(kept: Kept) -> list[dict[str, object]]:
    """What is sent, in order of its size."""
    found = {f"image, 1 in {f * f}" if f > 1 else "image": [kept.get(f"coarse/{f}/{s}", partial(coarse_row, s, f))
             for s in SEEDS] for f in COARSE}  # fmt: skip
    found["feature, 8 channels"] = [kept.get(f"cut/plain/{s}", partial(cut_row, s, None)) for s in SEEDS]
    found |= {n: [kept.get(f"cut/{n}/{s}", partial(cut_row, s, n)) for s in SEEDS] for n in BOTTLENECKS}
    rows: list[dict[str, object]] = [
        {"sent": name, "bytes per image": round(float(np.mean([v[1] for v in values]))), "in a JPEG file": "-",
         "accuracy": percent([v[0] for v in values]), "trained on whole images": "-"}
        for name, values in found.items()
    ]  # fmt: skip
    for quality in jpeg_qualities(kept):
        four = np.array([kept.get(f"jpeg/{quality}/{s}", partial(jpeg_row, s, quality)) for s in SEEDS]).T
        rows.append({"sent": f"JPEG, quality {quality}", "bytes per image": round(four[2].mean()),
                     "in a JPEG file": round(four[1].mean()), "accuracy": percent(four[0]),
                     "trained on whole images": percent(four[3])})  # fmt: skip
    return sorted(rows, key=lambda row: -int(str(row["bytes per image"])))


def jpeg_qualities(kept: Kept) -> list[int]:
    """The best ones whose images are as small as those that a bottleneck sends."""
    return list(kept.get("jpeg/qualities", lambda: [_jpeg.quality_for(load().train_x[:500], n) for n in JPEG]))


def header(kept: Kept) -> int:
    """Bytes of a JPEG file that do not depend on the image."""
    _, whole_file, own, _ = kept.found[f"jpeg/{jpeg_qualities(kept)[0]}/{SEEDS[0]}"]
    return round(whole_file - own)


def beaten(kept: Kept) -> list[str]:
    """Bottlenecks that send no fewer bytes than an image, its header not counted, of which more are recognised."""

    def mean(key: str) -> list[float]:
        return list(np.mean([kept.found[f"{key}/{s}"] for s in SEEDS], axis=0))

    images = [(m[1], m[0]) for m in (mean(f"coarse/{f}") for f in COARSE)]
    images += [(m[2], m[0]) for m in (mean(f"jpeg/{q}") for q in jpeg_qualities(kept))]
    sent = {name: mean(f"cut/{name}") for name in BOTTLENECKS}
    return [n for n, (right, size) in sent.items() if any(b <= size and a > right for b, a in images)]
