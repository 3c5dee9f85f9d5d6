# SPDX-License-Identifier: Apache-2.0
"""Graphs with labelled nodes, graph convolutional networks on them, and what training costs by formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from gatewright.compress.dst_ee import METHODS, train_sparse
from gatewright.compress.slr import METHODS as RELAXATIONS
from gatewright.compress.slr import train_and_prune
from gatewright.compress.sparse import finished, masked
from gatewright.compress.training import Training, reproducible, train
from gatewright.nn import Aggregate

LABELLED = 20
"""Training nodes per class; all others are test nodes."""
EPOCHS = 300
EVERY = 50
"""Epochs between updates of masks."""
ROUND = 10
"""Epochs between rounds of SLR and ADMM."""
TRAINING = Training(EPOCHS, 1, 1e-2, decay=5e-2)
CONV1 = "1"
"""Path of the weight that becomes sparse."""


@dataclass(frozen=True)
class Labelled:
    """A graph with features [1, nodes, channels], edges [2, edges] in both directions and labels [nodes]."""

    title: str
    x: Any
    edges: Any
    labels: Any
    hidden: int

    @property
    def nodes(self) -> int:
        """Of the graph."""
        return int(self.x.shape[1])

    @property
    def classes(self) -> int:
        """Different labels."""
        return int(self.labels.max()) + 1


def neighbours(x: Any, count: int) -> Any:
    """[2, edges] of the graph in which every node is connected with its nearest ones."""
    far = ((x[:, None] - x[None]) ** 2).sum(-1)
    np.fill_diagonal(far, np.inf)
    near = np.argsort(far, axis=1, kind="stable")[:, :count]
    pairs = np.stack([near.reshape(-1), np.repeat(np.arange(len(x)), count)])
    return np.unique(np.concatenate([pairs, pairs[::-1]], axis=1), axis=1)


@cache
def digits() -> Labelled:
    """600 of scikit-learn's 8 x 8 digits, each connected with its 8 nearest ones."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = (found.data[:600] / 16).astype(np.float32), found.target[:600].astype(np.int64)
    return Labelled("digits, 8 nearest neighbours", x[None], neighbours(x, 8), y, 16)


@cache
def cancer() -> Labelled:
    """The 569 tumours of scikit-learn's breast cancer data, standardised, each connected with its 5 nearest ones."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    x = ((found.data - found.data.mean(0)) / found.data.std(0)).astype(np.float32)
    return Labelled("breast cancer, 5 nearest neighbours", x[None], neighbours(x, 5), found.target.astype(np.int64), 16)


@cache
def blocks() -> Labelled:
    """Stochastic block model: 5 communities of 100 nodes, 128 binary features of which each community favours 16."""
    rng, size, count = np.random.default_rng(0), 100, 5
    y = np.repeat(np.arange(count), size)
    linked = np.triu(rng.random((500, 500)) < np.where(y[:, None] == y[None], 0.04, 0.006), 1)
    favoured = rng.random((count, 128)).argsort(1) < 16
    x = (rng.random((500, 128)) < np.where(favoured[y], 0.15, 0.05)).astype(np.float32)
    pairs = np.stack(np.nonzero(linked))
    return Labelled("stochastic block model", x[None], np.concatenate([pairs, pairs[::-1]], axis=1), y, 32)


GRAPHS: dict[str, Callable[[], Labelled]] = {"digits": digits, "blocks": blocks, "cancer": cancer}


def build(graph: Labelled) -> nn.Sequential:
    """Two graph convolutions. Behind the first linear layer fewer channels are moved, so it has no bias."""
    a = [Aggregate(graph.edges, graph.nodes) for _ in range(2)]
    wide, hidden = graph.x.shape[2], graph.hidden
    first = (nn.Dropout(0.5), nn.Linear(wide, hidden, bias=False), a[0], nn.ReLU())
    return nn.Sequential(*first, nn.Dropout(0.5), a[1], nn.Linear(hidden, graph.classes))


def shown(graph: Labelled, seed: int) -> Any:
    """[1, nodes] labels of the training nodes, -1 at all others."""
    rng = np.random.default_rng(seed)
    found = np.full(graph.nodes, -1)
    for label in range(graph.classes):
        chosen = rng.permutation(np.flatnonzero(graph.labels == label))[:LABELLED]
        found[chosen] = label
    return found[None]


def node_loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross entropy over the nodes with a label; a `training.Loss` of whole graphs [1, nodes, channels]."""
    return nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten(), ignore_index=-1)


def accuracy(scores: Any, graph: Labelled, seed: int) -> float:
    """Share of test nodes whose largest score [1, nodes, classes] is right."""
    test = shown(graph, seed)[0] < 0
    return float((np.asarray(scores)[0].argmax(1) == graph.labels)[test].mean())


def run(graph: Labelled, method: str, density: float, seed: int) -> nn.Module:
    """A trained model with plain weights; equally many epochs for every method."""
    y, training = shown(graph, seed), replace(TRAINING, seed=seed)
    with reproducible(seed):
        model: Any = build(graph)
    if method in RELAXATIONS:
        third = replace(training, epochs=EPOCHS // 3)
        train(model, graph.x, y, third, node_loss, "dense")
        how = replace(RELAXATIONS[method], every=ROUND)
        return finished(train_and_prune(model, graph.x, y, {CONV1: density}, third, third, how, loss=node_loss))
    if method in METHODS:
        model = masked(model, {CONV1: density}, seed=seed)
        train_sparse(model, graph.x, y, training, replace(METHODS[method], every=EVERY), node_loss)
        return finished(model)
    train(model, graph.x, y, training, node_loss, "dense")
    return model


def flops(graph: Labelled, method: str, density: float) -> tuple[float, float]:
    """Operations of a training: of the sparse layer, and of the whole network.

    A layer of a matrix product costs it once forward, once for the gradient of its weights and once for that of its
    input, which the first layer does not need. A gradient for growth is that of all weights.
    """
    edges = graph.edges.shape[1] + graph.nodes
    one = 2.0 * graph.nodes * graph.x.shape[2] * graph.hidden
    rest = 3 * 2.0 * graph.nodes * graph.hidden * graph.classes + 2 * 2 * 2.0 * edges * graph.hidden
    if method in RELAXATIONS:
        first = 2 * one * EPOCHS * (2 + density) / 3
    elif method in METHODS:
        how = METHODS[method]
        updates = int(how.until * EPOCHS) // EVERY if how.growth == "gradient" else 0
        first = 2 * one * density * EPOCHS + updates * one * (1 - density)
    else:
        first = 2 * one * EPOCHS
    return first, first + rest * EPOCHS
