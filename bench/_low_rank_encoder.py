# SPDX-License-Identifier: Apache-2.0
"""A sentence encoder whose feed-forward layers become pairs, without any training: accuracy, and its hardware."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from _points import MOVIE, WEIGHT, Point
from _sentences import Head, cosines, vectors
from torch import nn

import gatewright as gw
from gatewright.compress import low_rank
from gatewright.compress.matrices import matrices
from gatewright.examples._texts import minilm, movie
from gatewright.nn import calibrate_selector
from gatewright.nn.bert import BertEncoder
from gatewright.schedule import all_nodes

RATIO = 0.33
SAMPLES, TESTS = 300, 500
SWEEPS = 3
METHODS = ("svd", "fwsvd", "tfwsvd")
PATHS = tuple(f"layer.{k}.{part}" for k in range(6) for part in ("expand", "contract"))
TOKENS = 64


class Classifier(nn.Module):
    """An encoder with a logistic head on its embeddings of length 1."""

    def __init__(self, model: BertEncoder, head: Head) -> None:
        super().__init__()
        self.model = model
        weight = torch.tensor(np.concatenate([-head.model.coef_, head.model.coef_])).float() / 2
        bias = torch.tensor(np.concatenate([-head.model.intercept_, head.model.intercept_])).float() / 2
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """[1, n] to scores [1, 2]."""
        embedding = nn.functional.normalize(self.model(ids), dim=1)
        return embedding @ self.weight.T + self.bias


def pairs(model: BertEncoder, factors: dict[str, low_rank.Factors]) -> BertEncoder:
    """A copy with these layers in pairs."""
    made: Any = copy.deepcopy(model)
    for path, (first, second) in factors.items():
        parent, _, name = path.rpartition(".")
        setattr(made.get_submodule(parent), name, low_rank.pair(model.get_submodule(path), first, second, path))
    return made.eval()


def encoder(seed: int) -> dict[str, Any]:
    """Figures of every method, and the predictor per layer."""
    texts, draw = movie(), np.random.default_rng(seed)
    model = minilm(top=None).eval()
    train = draw.permutation(len(texts.train))[:800]
    test = draw.permutation(len(texts.test))[:TESTS]
    head = Head.fit(vectors(model, [texts.train[i] for i in train]), texts.train_labels[train])
    items, truth = [texts.test[i] for i in test], texts.test_labels[test]
    dense = vectors(model, items)
    chosen = [int(i) for i in train[:SAMPLES]]
    labels = texts.train_labels[chosen]
    fisher = low_rank.fisher(
        Classifier(model, head), [texts.train[i] for i in chosen], labels, [f"model.{p}" for p in PATHS]
    )
    found: dict[str, Any] = {"dense": float(np.mean(head.label(dense) == truth)), "methods": {}}
    errors: dict[str, list[float]] = {}
    for method in METHODS:
        made, errors[method] = factors(model, fisher, method)
        embeddings = vectors(pairs(model, made), items)
        found["methods"][method] = {
            "accuracy": float(np.mean(head.label(embeddings) == truth)),
            "agree": float(np.mean(head.label(embeddings) == head.label(dense))),
            "cosine": float(cosines(embeddings, dense).mean()),
            "error": float(np.mean(errors[method])),
        }
        print(seed, method, found["methods"][method], flush=True)
    found["phi"] = [low_rank.spread(fisher[f"model.{p}"]) for p in PATHS]
    found["svd error"] = errors["svd"]
    found["gain"] = [a / b for a, b in zip(errors["svd"], errors["tfwsvd"], strict=True)]
    return found


def factors(
    model: BertEncoder, fisher: dict[str, torch.Tensor], method: str
) -> tuple[dict[str, low_rank.Factors], list[float]]:
    """Of every layer, with its weighted error."""
    made, errors = {}, []
    for path in PATHS:
        weight: Any = model.get_submodule(path).weight
        weight, information = weight.detach(), fisher[f"model.{path}"]
        rank = low_rank.LowRank(method, RATIO).rank(weight.shape)
        if method == "tfwsvd":
            made[path] = low_rank.als(weight, information, rank, SWEEPS)
        else:
            made[path] = low_rank.METHODS[method](weight, information, rank)
        errors.append(low_rank.weighted_error(weight, information, made[path]))
    return made, errors


def encoder_hardware() -> list[dict[str, object]]:
    """The encoder with top-30 attention before and after, on one physical layer."""
    texts, model = movie(), minilm().eval()
    seen = [np.asarray(i) for i in texts.train[:16]]
    calibrate_selector(model, model.batches(texts.train[:16]))
    thin = pairs(model, {p: low_rank.svd(weight(model, p), rank(model, p)) for p in PATHS})
    return [row(name, one, seen) for name, one in (("as published", model), ("pairs of rank 128", thin))]


def weight(model: BertEncoder, path: str) -> torch.Tensor:
    """Of a layer."""
    found: Any = model.get_submodule(path)
    return found.weight.detach()


def rank(model: BertEncoder, path: str) -> int:
    """Of its pair."""
    return low_rank.LowRank("svd", RATIO).rank(weight(model, path).shape)


def row(name: str, model: BertEncoder, seen: Sequence[np.ndarray]) -> dict[str, object]:
    """Cycles by the cycle model, resources by the cost model, at one and the same pace."""
    design = gw.compile(
        model, torch.tensor(seen[0])[None], seen, config=gw.QuantConfig.transformer(tie=("layer.*",)),
        dynamic={"n": (1, TOKENS)}, ring=gw.Ring("layer", sequences=8, group=1), target=6 * 2304 * TOKENS,
        name="minilm",
    )  # fmt: skip
    total = dict.fromkeys(("lut", "ff", "dsp", "bram36", "uram288"), 0.0)
    for key, (graph, node) in all_nodes(design.graph):
        cost = node.op.cost(design.foldings[key], *graph.input_types(node))
        for resource in total:
            total[resource] += getattr(cost, resource)
    cycles = design.predict([TOKENS]).cycles
    return {"": name, "cycles": cycles, **{k.upper(): round(v) for k, v in total.items()}}


def bits_of(model: nn.Module, ratio: float | None, chosen: Sequence[str]) -> float:
    """Bits of the weights of a model whose chosen layers are pairs; without a ratio none is."""
    total = 0
    for path, layer in matrices(model).items():
        outs, ins = layer.weight.shape
        pair = ratio is not None and path in chosen
        total += low_rank.LowRank("svd", ratio).rank((outs, ins)) * (outs + ins) if pair and ratio else outs * ins
    return WEIGHT * total


def over_seeds(task: str, method: str, label: str, values: Sequence[float], bits: float) -> Point:
    """A point for the plots."""
    return Point(task, method, label, float(np.mean(values)), float(np.std(values, ddof=1)), bits)


def encoder_points(runs: Sequence[dict[str, Any]]) -> list[Point]:
    """Of every method, from the figures of `encoder` for all seeds."""
    model, task = minilm(top=None), f"{MOVIE}, {TESTS} of them"
    found = [over_seeds(task, "dense", "MiniLM", [r["dense"] for r in runs], bits_of(model, None, ()))]
    for method in METHODS:
        values = [r["methods"][method]["accuracy"] for r in runs]
        label = f"MiniLM, {RATIO:.0%} of the ranks"
        found.append(over_seeds(task, method.upper(), label, values, bits_of(model, RATIO, PATHS)))
    return found
