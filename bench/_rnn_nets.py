# SPDX-License-Identifier: Apache-2.0
"""Recurrent networks that read images row by row: float, in integers, and with other tables."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

import gatewright as gw
from gatewright.compress.training import Training, reproducible, train
from gatewright.examples._mnist import load
from gatewright.fixed import Fixed
from gatewright.frontend import import_model
from gatewright.graph import Graph
from gatewright.ops._functions import FUNCTIONS
from gatewright.ops._functions import Kind as Function
from gatewright.ops._piecewise import fit, fit_uniform
from gatewright.ops._recurrent import Cell
from gatewright.ops.pwl import Pwl
from gatewright.ops.recurrent import Recurrent

SEEDS = (0, 1, 2)
HIDDEN, ROWS = 32, 28
TRAINED = Training(10, 64, 1e-2, clip=1.0)
CELLS: dict[str, type[nn.RNNBase]] = {"LSTM": nn.LSTM, "GRU": nn.GRU}
PIECES = (4, 8, 16)
KNOTS = {"adaptive": fit, "uniform": fit_uniform}
TESTED = 1000


class Reader(nn.Module):
    """Reads an image row by row and says what digit it was."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.rnn = CELLS[cell](ROWS, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 28, 28] to [N, 10]."""
        y, _ = self.rnn(x)
        scores: torch.Tensor = self.out(y[:, -1])
        return scores


@cache
def data() -> tuple[Any, Any, Any, Any]:
    """Rows of the MNIST images as time steps."""
    found = load()
    return found.train_x[:, 0], found.train_y, found.test_x[:TESTED, 0], found.test_y[:TESTED]


@cache
def trained(cell: str, seed: int) -> Reader:
    """A float network."""
    x, y, _, _ = data()
    with reproducible(seed):
        model = Reader(cell)
    train(model, x, y, replace(TRAINED, seed=seed), label=f"{cell} {seed}")
    return model


def scores(cell: str, seed: int) -> Any:
    """Of the float network."""
    model = trained(cell, seed)
    with torch.no_grad():
        return model(torch.as_tensor(data()[2])).numpy()


@cache
def imported(cell: str, seed: int, weights: int = 8, bits: int = 8) -> Any:
    """In integers, quantized after training."""
    config = gw.QuantConfig(activation_bits=bits, weight_bits=weights)
    return import_model(trained(cell, seed), torch.zeros(1, ROWS, ROWS), data()[0][:256], config=config)


def refitted(graph: Graph, knots: str, pieces: int) -> Graph:
    """The same network with other tables."""

    def table(old: Pwl, x: Fixed) -> Pwl:
        found = KNOTS[knots](FUNCTIONS[Function(old.kind)].value, x, old.output, pieces)
        return Pwl(old.kind, found.knots, found.slopes, found.offsets, found.shift, old.output, found.error)

    nodes = []
    for node in graph.nodes:
        op = node.op
        if isinstance(op, Recurrent):
            candidate = None if op.candidate is None else table(op.candidate, op.gate)
            tables = {"sigmoid": table(op.sigmoid, op.gate), "tanh": table(op.tanh, op.argument)}
            op = replace(op, candidate=candidate, **tables)
        nodes.append(replace(node, op=op))
    return replace(graph, nodes=tuple(nodes))


def golden(graph: Graph, images: Any) -> tuple[Any, Any]:
    """Integers of the scores [N, 10] and of every step's hidden vector [N, 28, hidden], all images at once."""
    gates, layer, out = (n.op for n in graph.nodes)
    assert isinstance(layer, Recurrent)
    x = graph.inputs["x"].fixed.quantize(images)
    u = gates.evaluate(x.reshape(-1, ROWS)).reshape(len(x), ROWS, -1)
    h = state = np.zeros((len(x), HIDDEN), np.int64)
    every = []
    for step in range(ROWS):
        h, state, _ = layer.step(u[:, step], h, state)
        every.append(h)
    (alone,) = graph.evaluate(x[0])
    scores = out.evaluate(h)
    assert np.array_equal(scores[:1], alone)
    return scores, np.stack(every, axis=1)


def integers(cell: str, seed: int, knots: str, pieces: int, weights: int = 8, bits: int = 8) -> list[float]:
    """Accuracy, agreement with float, largest error of a hidden unit, of a table; mean error of a hidden unit."""
    graph, model = refitted(imported(cell, seed, weights, bits).graph, knots, pieces), trained(cell, seed)
    (op,) = (n.op for n in graph.nodes if isinstance(n.op, Recurrent))
    found, hidden = golden(graph, data()[2])
    with torch.no_grad():
        real = model.rnn(torch.as_tensor(data()[2]))[0].numpy()
    said = found.argmax(axis=1)
    far = np.abs(op.output.dequantize(hidden) - real)
    table = max(t.error * op.activation.ulp for t in (op.sigmoid, op.tanh))
    agreed = np.mean(said == scores(cell, seed).argmax(axis=1))
    return [float(np.mean(said == data()[3])), float(agreed), float(far.max()), table, float(far.mean())]


def sensitivity(cell: str) -> list[float]:
    """How far the last hidden vector can be from the float model's if every input of the recurrence is at the end of
    its own bound, to first order: mean and maximum over the units of three images, then the derived bound's mean.
    """
    model = imported(cell, 0)
    gates, layer = (model.raw.nodes[k] for k in range(2))
    assert isinstance(layer.op, Recurrent)
    least, most = [], []
    for image in data()[2][:3].astype(np.float64):
        trace = model.raw.trace({"x": model.encode([image])[0]})
        found = {n: model.raw.types[n].fixed.dequantize(v) for n, v in trace.items()}
        entry = np.abs(found["x"] - image)
        u = found[gates.name]
        error = gates.op.error_bound([(found["x"], entry)], u, model.references[gates.name])
        reference = model.references[layer.name]
        most.append(layer.op.error_bound([(u, error)], found[layer.name], reference))
        least.append((np.abs(jacobian(layer.op.cell, u, reference)) * error).sum(axis=(1, 2)))
    return [float(np.mean(least)), float(np.max(least)), float(np.mean(most))]


def jacobian(cell: Cell, u: Any, reference: Any) -> Any:
    """[hidden, tokens, gates * hidden] derivatives of the last hidden vector of the float recurrence."""
    weight, bias = (torch.from_numpy(reference.constants[n]) for n in ("weight", "bias"))

    def last(x: torch.Tensor) -> torch.Tensor:
        h = state = torch.zeros(HIDDEN, dtype=torch.float64)
        for one in x:
            v = weight @ h + bias
            if cell is Cell.LSTM:
                i, g, f, o = (one + v).split(HIDDEN)
                state = torch.sigmoid(f) * state + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(state)
            else:
                r, z = torch.sigmoid((one + v)[: 2 * HIDDEN]).split(HIDDEN)
                n = torch.tanh(one[2 * HIDDEN :] + r * v[2 * HIDDEN :])
                h = n + z * (h - n)
        return h

    return torch.autograd.functional.jacobian(last, torch.from_numpy(u)).numpy()  # type: ignore[no-untyped-call]
