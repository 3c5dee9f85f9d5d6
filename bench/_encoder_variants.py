# SPDX-License-Identifier: Apache-2.0
"""MiniLM compressed in several ways, each taught again by the dense encoder on sentences without labels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import numpy as np
import torch
from _kept import Kept
from _low_rank_encoder import PATHS, RATIO, Classifier, factors, pairs, weight
from _mixed_encoder import ROLES, chosen
from _sentences import Head, cosines, vectors
from _table import ROOT
from torch import nn

from gatewright.compress import ae_bert, low_rank, quantize, training
from gatewright.compress.distill import Distillation
from gatewright.compress.matrices import matrices
from gatewright.compress.sparse import Pattern, finished, masked
from gatewright.examples._texts import minilm, movie, snippets, tokenize
from gatewright.nn.bert import BertEncoder

CHECKPOINTS = ROOT / "build" / "compress_encoder"
LENGTH, BATCH, STEPS, RATE = 32, 16, 160, 1e-3
"""Tokens of a training window, windows per step, steps, highest learning rate."""
BUDGET = ae_bert.Budget(0.75, spread=0.2, most=0.875, count=8)
JUDGED = 96
"""Training sentences that candidates of AE-BERT are judged on, without labels."""
FISHER = 200
"""Labelled training sentences that the Fisher information is taken from."""
EIGHTHS = Pattern(group=8)
NARROW = 4
"""Bits of weights of the combination."""
RANK = low_rank.LowRank("fwsvd", RATIO).rank((1536, 384))


@dataclass(frozen=True)
class Variant:
    """A way to compress.

    Attributes:
        title: what the page calls it.
        method: what the plots call it.
        prepare: from the dense encoder; None for the encoder as it is.
        structure: what `prepare` makes, whatever its numbers are.
        widths: bits of weights by glob of module paths; 8 without it.
        base: name of the variant whose weights it takes, instead of its own.
    """

    title: str
    method: str
    prepare: Callable[[BertEncoder], nn.Module] | None = None
    structure: Callable[[BertEncoder], nn.Module] = copy.deepcopy
    widths: Callable[[], Mapping[str, int]] | None = None
    base: str = ""


@cache
def dense() -> BertEncoder:
    """As published, with attention to all keys; only the layers behind the table of tokens may learn."""
    model = minilm(top=None).eval()
    for parameter in (*model.embed.parameters(), *model.norm.parameters()):
        parameter.requires_grad = False
    return model


@cache
def windows() -> np.ndarray:
    """[N, LENGTH] ids: snippets that are in no test set joined and cut, so that no position is padding."""
    held = {tuple(ids) for ids in movie().test}
    bare = [ids for ids in tokenize([text for text, _ in snippets()]) if tuple(ids) not in held]
    joined = np.array([token for ids in bare for token in ids[1:-1]])
    first, last = bare[0][0], bare[0][-1]
    cut = joined[: len(joined) // (LENGTH - 2) * (LENGTH - 2)].reshape(-1, LENGTH - 2)
    return np.pad(cut, ((0, 0), (1, 1)), constant_values=((0, 0), (first, last)))


class Ids(nn.Module):
    """An encoder whose ids come as floats, which the shared training loop makes of all inputs."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, n] to [N, D]."""
        found: torch.Tensor = self.encoder(x.long())
        return found


def taught(student: nn.Module) -> nn.Module:
    """The student after it has learnt the dense encoder's embeddings, and its tokens after every layer; in place."""
    features = {path: path for path in ("", *(f"encoder.layer.{k}" for k in range(6)))}
    loss = Distillation(Ids(dense()), features, labels=0.0, logits=0.0, features=1.0)
    chosen = np.random.default_rng(0).permutation(len(windows()))[: BATCH * STEPS]
    how = training.Training(1, BATCH, RATE, 0.0, clip=1.0)
    training.train(Ids(student), windows()[chosen], np.zeros(len(chosen)), how, loss, "distillation")
    return student


def pruned(pattern: Pattern, density: float) -> Callable[[BertEncoder], nn.Module]:
    """The largest weights of every matrix stay."""
    return lambda model: masked(model, density, pattern, distribution="uniform")


def searched(model: BertEncoder) -> nn.Module:
    """AE-BERT: ratios per kind of matrix, equal over the layers, since these share hardware."""
    items = movie().train[-JUDGED:]
    wanted = vectors(model, items)
    ties = [[f"layer.{k}.{kind}" for k in range(6)] for kind in ROLES]

    def judge(candidate: Any) -> float:
        return float(cosines(vectors(candidate, items), wanted).mean())

    found = ae_bert.search(model, judge, BUDGET, EIGHTHS, ties=ties)
    print("AE-BERT", found.scores, {k: found.ratios[f"layer.0.{k}"] for k in ROLES}, flush=True)
    return found.model


def thin(model: BertEncoder) -> nn.Module:
    """Both feed-forward matrices in pairs of a third of their rank, by FWSVD."""
    texts = movie()
    head = Head.fit(vectors(model, texts.train[:500]), texts.train_labels[:500])
    named = [f"model.{path}" for path in PATHS]
    classifier = Classifier(model, head)
    fisher = low_rank.fisher(classifier, texts.train[:FISHER], texts.train_labels[:FISHER], named)
    return pairs(model, factors(model, fisher, "fwsvd")[0])


def hollow(model: BertEncoder) -> nn.Module:
    """What `thin` makes, without its numbers."""
    shapes = {path: weight(model, path).shape for path in PATHS}
    return pairs(model, {p: (torch.zeros(RANK, ins), torch.zeros(outs, RANK)) for p, (outs, ins) in shapes.items()})


def found_widths() -> dict[str, int]:
    """Of AQ-BERT, a width per kind of matrix."""
    return {f"layer.*.{role}": bits for role, bits in chosen(Kept("compress_mixed", True)).items()}


VARIANTS: dict[str, Variant] = {
    "dense": Variant("dense, 8-bit weights", "dense"),
    "2:4": Variant("magnitude, 2:4 in blocks of two outputs", "magnitude", pruned(Pattern(2, 4), 0.5)),
    "1:4": Variant("magnitude, 1:4", "magnitude", pruned(Pattern(group=4), 0.25)),
    "2:8": Variant("magnitude, 2:8", "magnitude", pruned(EIGHTHS, 0.25)),
    "ae_bert": Variant("AE-BERT, n:8", "AE-BERT", searched),
    "low_rank": Variant(f"FWSVD, feed-forward in pairs of rank {RANK}", "FWSVD", thin, hollow),
    "mixed": Variant("AQ-BERT, 3 bits per weight", "AQ-BERT", widths=found_widths),
    "both": Variant(
        f"FWSVD as above, {NARROW}-bit weights", "FWSVD, narrow", widths=lambda: {"layer.*": NARROW}, base="low_rank"
    ),
}


def made(name: str, keep: bool) -> BertEncoder:
    """The model of a variant with plain weights, in evaluation mode.

    Args:
        keep: take it from a checkpoint of an earlier run where there is one.
    """
    model, widths = learnt(VARIANTS[name].base or name, keep), VARIANTS[name].widths
    if widths is None:
        return model
    bits = {p: next(b for glob, b in widths().items() if fnmatchcase(p, glob)) for p in matrices(model)}
    return quantize.post_training(model, bits).eval()  # type: ignore[return-value]


@cache
def learnt(name: str, keep: bool) -> BertEncoder:
    """Before weights are rounded."""
    variant, path = VARIANTS[name], CHECKPOINTS / f"{name.replace(':', '_')}.npz"
    if variant.prepare is None:
        return dense()
    model: Any
    if keep and path.exists():
        model = variant.structure(dense())
        training.load(path, model.layer)
    else:
        model = finished(taught(variant.prepare(dense())))
        path.parent.mkdir(parents=True, exist_ok=True)
        training.save(path, model.layer)
    return model.eval()  # type: ignore[no-any-return]
