# SPDX-License-Identifier: Apache-2.0
"""MiniLM with a width per matrix: found on labelled snippets through a linear head, without training the encoder.

`mixed(kept)` gives the encoder and the formats to compile it with, for other benches.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from _kept import Kept
from _points import MOVIE, Point
from compress_ae_bert import LONGEST, TESTED, judge, parts, trained
from torch import nn

from gatewright.compress import aq_bert, quantize
from gatewright.compress.matrices import matrices
from gatewright.compress.training import Training
from gatewright.examples._texts import minilm
from gatewright.frontend import QuantConfig
from gatewright.nn.bert import BertEncoder

ROLES = ("attention.query", "attention.key", "attention.value", "attention.output", "expand", "contract")
TIES = [[f"*layer.*.{role}"] for role in ROLES]
"""One physical layer serves all six in a ring: equal matrices have equal widths."""
OPTIONS, TARGET = (2, 3, 4, 5, 6), 3.0
"""Widths to choose from; mean bits of a weight."""
UNIFORM = (8, 6, 5, 4, 3, 2)
SEARCH = aq_bert.Search(TARGET, OPTIONS, groups=1, rate=0.2, strength=1.0, train="logits")
PASSES = 3
"""Over the snippets that AE-BERT judges candidates on, in batches of 16: what the head was fitted to says little."""
SEEDS = (0, 1, 2)
PROTOCOL = (
    "all-MiniLM-L6-v2 with a logistic head on movie snippets, the protocol of `compress_ae_bert.md`: accuracy in "
    "percent and cross-entropy on 400 test snippets, standard error 2.3 points. They are cut at 40 tokens and the head "
    "was fitted to 512 others, so that the accuracy is below that of `compress_encoder.md`, and the head is surer of "
    "itself than it is right: hence losses above ln 2. The encoder is not trained: widths are found by AQ-BERT's "
    "logits alone, on 160 other labelled snippets. Equal matrices of the six layers have equal widths, as they share "
    "one physical layer. Between uniform widths and those found, only the same mean is a comparison."
)
"""What is measured on the encoder."""

Widths = dict[str, int]
"""Bits by role."""


def search(seed: int) -> dict[str, Any]:
    """Widths of the roles, by AQ-BERT with weights as published."""
    own = parts()["judged"]
    found = aq_bert.search(trained(), own, own, SEARCH, Training(PASSES, 16, seed=seed), keep=["head"], ties=TIES)
    widths = {role: int(found.widths[f"encoder.layer.0.{role}"][0]) for role in ROLES}
    return {"widths": widths, "bits": found.cost, "losses": found.losses}


def by_path(widths: Widths, prefix: str = "") -> dict[str, int]:
    """Bits by module path."""
    return {f"{prefix}layer.{k}.{role}": bits for k in range(6) for role, bits in widths.items()}


def accuracy(widths: Widths | None) -> dict[str, float]:
    """On the test snippets, weights rounded after training; None for float."""
    model: nn.Module = trained()
    if widths is not None:
        model = quantize.post_training(model, by_path(widths, "encoder."), keep=["head"])
    found = judge(model, "test")
    return {"accuracy": found.accuracy, "loss": found.loss}


def mean_bits(widths: Widths) -> float:
    """Of a weight of the encoder's matrices."""
    return quantize.mean_bits(_shapes(), by_path(widths))


@cache
def _shapes() -> BertEncoder:
    return minilm(top=None)


def searched(kept: Kept, seed: int) -> Widths:
    """Widths that a search has found."""
    found: Widths = kept.get(f"encoder/search {TARGET}/{seed}", lambda: search(seed))["widths"]
    return found


def chosen(kept: Kept) -> Widths:
    """Widths of the search with seed 0."""
    return searched(kept, 0)


def mixed(kept: Kept, top: int | None = 30) -> tuple[BertEncoder, QuantConfig]:
    """The encoder with the widths found, its weights on their grids, and the formats for `gatewright.compile`.

    Args:
        kept: `Kept("compress_mixed", True)` takes what `compress_mixed.py` has found; else the search takes minutes.
        top: keys per query; selectors are not calibrated yet.
    """
    widths = chosen(kept)
    made: Any = quantize.post_training(minilm(top=top), by_path(widths))
    return made.eval(), formats(widths)


def formats(widths: Widths) -> QuantConfig:
    """Of an encoder with these widths of its matrices."""
    own = {f"layer.*.{role}": {"weight_bits": bits} for role, bits in widths.items()}
    return QuantConfig.transformer(tie=("layer.*",), overrides=own)


def rows(kept: Kept) -> list[dict[str, object]]:
    """Float, uniform widths, and those found."""
    made: list[tuple[str, Widths | None, dict[str, float]]] = [
        ("float", None, kept.get("encoder/float", lambda: accuracy(None)))
    ]
    for bits in UNIFORM:
        flat = dict.fromkeys(ROLES, bits)
        made.append((f"{bits} bits", flat, kept.get(f"encoder/uniform {bits}", lambda flat=flat: accuracy(flat))))
    for seed in SEEDS:
        found = searched(kept, seed)
        key = "encoder/" + " ".join(map(str, found.values()))
        made.append((f"found, seed {seed}", found, kept.get(key, lambda found=found: accuracy(found))))
    return [_row(*one) for one in made]


def _row(name: str, widths: Widths | None, found: dict[str, float]) -> dict[str, object]:
    shown = {role.removeprefix("attention."): "" if widths is None else widths[role] for role in ROLES}
    bits = "32" if widths is None else f"{mean_bits(widths):.2f}"
    judged = {"accuracy": f"{100 * found['accuracy']:.1f}", "loss": f"{found['loss']:.2f}"}
    return {"weights": name, "mean bits": bits, **shown, **judged}


def encoder_points(kept: Kept) -> list[Point]:
    """Of the table, for the plots."""
    task, weights = f"{MOVIE}, {TESTED} cut at {LONGEST} tokens", sum(p.numel() for p in _matrices())
    made = []
    for bits in UNIFORM:
        made.append((f"{bits} bits", float(bits), [kept.found[f"encoder/uniform {bits}"]["accuracy"]], "one width"))
    every = [searched(kept, seed) for seed in SEEDS]
    accuracies = [kept.found["encoder/" + " ".join(map(str, w.values()))]["accuracy"] for w in every]
    mean = float(np.mean([mean_bits(w) for w in every]))
    made.append((f"{mean:.1f} bits", mean, accuracies, "AQ-BERT"))
    return [
        Point(task, method, f"MiniLM, {label}", float(np.mean(a)), float(np.std(a, ddof=1)) if len(a) > 1 else 0.0,
              bits * weights)
        for label, bits, a, method in made
    ]  # fmt: skip


def _matrices() -> list[torch.Tensor]:
    return [m.weight for m in matrices(_shapes()).values()]
