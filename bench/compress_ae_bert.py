# SPDX-License-Identifier: Apache-2.0
"""AE-BERT on MiniLM: ratios per matrix found by trial beside equal ratios, one budget, before and after fine-tuning.

Run: python bench/compress_ae_bert.py; writes results/compress_ae_bert.md. `--keep` goes on where an earlier run ended.
"""

from __future__ import annotations

import argparse
import copy
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from _kept import Kept
from _points import MOVIE, WEIGHT, Point, zeros_bits
from _points import write as write_points
from _sentences import Head, vectors
from _table import markdown, versions, write
from torch import nn

from gatewright.compress import training
from gatewright.compress.ae_bert import Budget, pruned, search
from gatewright.compress.matrices import matrices
from gatewright.compress.sparse import kept_share
from gatewright.examples._texts import minilm, movie

SEEDS, RATIO = (0, 1, 2), 0.5
LONGEST = 40
"""Tokens that a snippet is cut at."""
TUNED, JUDGED, TESTED = 512, 160, 400
"""Training snippets for the head and fine-tuning; others that candidates are judged on; test snippets."""
STEPS, RATE = 16, 2e-5
"""Batches of 16 snippets in fine-tuning, and its highest learning rate."""
COUNT = 8
"""Candidates of a search, equal ratios among them."""
KEEP = ["head"]


class Classifier(nn.Module):
    """Ids [N, n], 0 behind the end, to scores of two classes: MiniLM and a linear head on vectors of length 1."""

    def __init__(self, encoder: nn.Module, head: Head) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(384, 2)
        with torch.no_grad():
            weight, bias = (torch.as_tensor(v).float() for v in (head.model.coef_[0], head.model.intercept_[0]))
            # Scores whose difference is that of the logistic head.
            self.head.weight.copy_(torch.stack([-weight / 2, weight / 2]))
            self.head.bias.copy_(torch.stack([-bias / 2, bias / 2]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores [N, 2]."""
        ids = x.long()
        lengths = (ids != 0).sum(1)
        made = self.encoder(ids[:, : int(lengths.max())], lengths)
        return self.head(nn.functional.normalize(made, dim=1))


def padded(items: list[list[int]]) -> np.ndarray:
    """[N, LONGEST] ids, 0 behind the end."""
    return np.array([(i[:LONGEST] + [0] * LONGEST)[:LONGEST] for i in items], np.float32)


@cache
def parts() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Inputs and labels for fitting, judging and testing."""
    texts = movie()
    x, y = padded(texts.train), texts.train_labels
    order = np.random.default_rng(0).permutation(len(x))
    tuned, judged = order[:TUNED], order[TUNED : TUNED + JUDGED]
    test = np.random.default_rng(1).permutation(len(texts.test))[:TESTED]
    return {
        "tuned": (x[tuned], y[tuned]),
        "judged": (x[judged], y[judged]),
        "test": (padded([texts.test[i] for i in test]), texts.test_labels[test]),
    }


@cache
def trained() -> Classifier:
    """MiniLM as published, with a logistic head."""
    encoder = minilm(top=None).eval()
    x, y = parts()["tuned"]
    items = [[int(t) for t in row if t] for row in x]
    return Classifier(encoder, Head.fit(vectors(encoder, items), y)).eval()


def judge(model: nn.Module, part: str = "judged") -> training.Metrics:
    """Accuracy and loss on a part of the data."""
    with training.reproducible(0):
        return training.evaluate(model, *parts()[part], batch=64)


def tuned(model: nn.Module, seed: int) -> training.Metrics:
    """Some batches of training snippets with the masks as they are, then the test."""
    model = copy.deepcopy(model)
    chosen = np.random.default_rng(seed).permutation(TUNED)[: STEPS * 16]
    x, y = (part[chosen] for part in parts()["tuned"])
    training.train(model, x, y, training.Training(1, 16, RATE, 0.01, seed=seed, clip=1.0))
    return judge(model, "test")


def measured(ratio: float, seed: int) -> dict[str, Any]:
    """One search, and both ways before and after fine-tuning."""
    model = trained()
    budget = Budget(ratio, spread=0.3, count=COUNT, seed=seed)
    found = search(model, lambda m: -judge(m).loss, budget, keep=KEEP)
    flat = pruned(model, dict.fromkeys(found.ratios, ratio), keep=KEEP)
    ways = {"equal": flat, "found": found.model}
    raw = {f"{k} as pruned": judge(m, "test").accuracy for k, m in ways.items()}
    fine = {f"{k} fine-tuned": tuned(m, seed).accuracy for k, m in ways.items()}
    kept = {f"{k} kept": kept_share(m) for k, m in ways.items()}
    spread = {"scores": found.scores, "ratios": found.ratios}
    return {**raw, **fine, **kept, **spread}


def rows(found: dict[str, dict[str, Any]]) -> list[dict[str, object]]:
    """One row per seed, and means."""
    made = []
    for key, run in found.items():
        best = int(np.argmax(run["scores"]))
        made.append(
            {
                "seed": key.split("/")[1],
                "judged loss, equal": f"{-run['scores'][0]:.3f}",
                "all candidates": f"{-max(run['scores']):.3f} to {-min(run['scores']):.3f}",
                "winner": "equal ratios" if best == 0 else f"candidate {best}",
                **{k: f"{run[k]:.3f}" for k in run if k.endswith(("pruned", "tuned"))},
            }
        )
    keys = [k for k in next(iter(found.values())) if k.endswith(("pruned", "tuned"))]
    values = {k: np.array([run[k] for run in found.values()]) for k in keys}
    return [*made, {"seed": "mean ± s", **{k: f"{v.mean():.3f} ± {v.std(ddof=1):.3f}" for k, v in values.items()}}]


def verdict(runs: list[dict[str, Any]]) -> str:
    """In how many seeds the ratios found beat equal ones on the test snippets."""
    error = 100 * np.sqrt(0.25 / TESTED)
    said = [
        f"{sum(r[f'found {when}'] > r[f'equal {when}'] for r in runs)} of {len(runs)} seeds {when}"
        for when in ("as pruned", "fine-tuned")
    ]
    return (
        f"Claim of the paper: the ratios found are better after fine-tuning. Here they beat equal ratios in {said[0]} "
        f"and in {said[1]}; the standard error of an accuracy is up to {error:.1f} points, so smaller differences say "
        "nothing."
    )


def points(runs: list[dict[str, Any]], before: float) -> list[Point]:
    """Both ways after fine-tuning, as it goes into the plots."""
    weights = sum(m.weight.numel() for m in matrices(minilm(top=None)).values())
    task = f"{MOVIE}, {TESTED} cut at {LONGEST} tokens"
    found = [Point(task, "dense", "MiniLM", before, 0.0, WEIGHT * weights)]
    for way, title in (("equal", "magnitude"), ("found", "AE-BERT")):
        accuracies = [r[f"{way} fine-tuned"] for r in runs]
        share = float(np.mean([r[f"{way} kept"] for r in runs]))
        mean, spread = float(np.mean(accuracies)), float(np.std(accuracies, ddof=1))
        found.append(Point(task, title, f"{RATIO:.0%} zeros", mean, spread, zeros_bits(weights, share * weights)))
    return found


def main() -> None:
    """Measure what is not kept, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse what an earlier run measured")
    kept = Kept("compress_ae_bert", parser.parse_args().keep)
    runs = {f"{RATIO}/{s}": kept.get(f"{RATIO}/{s}", partial(measured, RATIO, s)) for s in SEEDS}
    dense = kept.get("dense", lambda: judge(trained(), "test").accuracy)
    write_points("compress_ae_bert", points(list(runs.values()), dense))
    write(
        "compress_ae_bert",
        "# AE-BERT on MiniLM: ratios by trial beside equal ratios",
        f"`python bench/compress_ae_bert.py` with {versions('gatewright', 'torch', 'scikit-learn')}. all-MiniLM-L6-v2 "
        f"with a logistic head on movie snippets; {RATIO:.0%} of the weights of its 36 matrices pruned by magnitude. "
        f"{COUNT} candidates per seed, judged by the loss on {JUDGED} snippets without fine-tuning; then {STEPS} "
        f"batches of 16 with fixed masks. Accuracy on {TESTED} test snippets; without pruning {dense:.3f}. "
        "Sizes and learning rate were set after a smaller run on the same pool, which came out alike.",
        markdown(rows(runs)),
        verdict(list(runs.values())),
    )


if __name__ == "__main__":
    main()
