# SPDX-License-Identifier: Apache-2.0
"""What follows an LSTM that reads images row by row: its last step, layer normalisation, or MadNorm and attention."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from _kept import Kept
from _rnn_nets import HIDDEN, ROWS, SEEDS, TRAINED, Reader, data
from _rnn_qat import AFTER, TUNED, measured, results
from _table import percent
from torch import nn

import gatewright as gw
from gatewright.compress import irnn, quantize
from gatewright.compress.training import evaluate, reproducible, train
from gatewright.frontend import import_model
from gatewright.graph import Graph
from gatewright.nn import AdditiveAttention, MadNorm
from gatewright.ops.recurrent import Recurrent

ATTENTION = 16
"""Rows of the matrix of the scores."""
NARROW = gw.QuantConfig(activation_bits=4, weight_bits=4)
HEADS = ("last step", "LayerNorm, last step", "MadNorm, additive attention")


class Headed(Reader):
    """LSTM, normalisation, one vector per image, and the linear layer."""

    def __init__(self, head: str) -> None:
        super().__init__("LSTM")
        self.norm = MadNorm(HIDDEN) if "Mad" in head else nn.LayerNorm(HIDDEN)
        self.attention = AdditiveAttention(HIDDEN, ATTENTION) if "attention" in head else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 28, 28] to [N, 10]."""
        y, _ = self.rnn(x)
        # Normalisation works step by step: only the last one is needed if only that is read.
        pooled = self.norm(y[:, -1]) if self.attention is None else self.attention(self.norm(y))
        scores: torch.Tensor = self.out(pooled)
        return scores


@cache
def headed(head: str, seed: int) -> nn.Module:
    """A float network, trained as the others on the page."""
    with reproducible(seed):
        model = Headed(head)
    train(model, *data()[:2], replace(TRAINED, seed=seed), label=f"{head} {seed}")
    return model


def batch(graph: Graph, images: Any) -> Any:
    """Integers of the scores [N, 10]: step by step for all images at once where an operator allows it."""
    (start,) = graph.inputs
    values = {start: graph.inputs[start].fixed.quantize(images)}
    for node in graph.nodes:
        inputs = [values[i] for i in node.inputs]
        if isinstance(node.op, Recurrent):
            values[node.name] = recurrence(node.op, inputs[0])
        elif node.op.each_token:
            found = node.op.evaluate(*(v.reshape(-1, v.shape[-1]) for v in inputs))
            values[node.name] = found.reshape(*inputs[0].shape[:-1], -1)
        else:
            values[node.name] = np.stack([node.op.evaluate(*one) for one in zip(*inputs, strict=True)])
    (result,) = graph.outputs
    assert np.array_equal(values[result][0], graph.evaluate(values[start][0])[0])
    return values[result][:, 0]


def recurrence(op: Recurrent, u: Any) -> Any:
    """Hidden vectors [N, 1 or 28, hidden]."""
    h = state = np.zeros((len(u), op.hidden), np.int64)
    every = []
    for step in range(u.shape[1]):
        h, state, _ = op.step(u[:, step], h, state)
        every.append(h)
    return np.stack(every[-1:] if op.final else every, axis=1)


def accuracy(head: str, seed: int) -> list[float]:
    """Of the float network and of its integers, quantized after training."""
    x, _, test, labels = data()
    model = headed(head, seed)
    found = batch(import_model(model, x[:1], x[:256]).graph, test).argmax(axis=1)
    return [evaluate(model, test, labels).accuracy, float(np.mean(found == labels))]


def narrow(head: str, seed: int) -> list[float]:
    """Accuracy of integers at `NARROW` bits: quantized after training, and trained so."""
    x, y, test, labels = data()
    model = headed(head, seed)
    made = irnn.prepare(model, x[:256], NARROW)
    train(made, x, y, replace(TUNED, seed=seed), label=f"{head} {seed} in integers")
    graphs = [import_model(m, x[:1], x[:256], config=NARROW).graph for m in (model, quantize.finished(made))]
    return [float(np.mean(batch(g, test).argmax(axis=1) == labels)) for g in graphs]


def compiled(head: str) -> dict[str, Any]:
    """The network of seed 0, three images in RTL."""
    x, _, test, _ = data()
    name = "mad_attention" if "attention" in head else "normed"
    design = gw.compile(headed(head, 0), x[:1], x[:256], board="pynq-z2", target=6000, name=name)
    return measured(design, test[:3])


def rows(kept: Kept) -> list[dict[str, object]]:
    """One per head; the last step alone is the LSTM of the other tables."""
    made: list[dict[str, object]] = []
    for head in HEADS:
        if head == HEADS[0]:
            real = [kept.found[f"float/LSTM/{s}"] for s in SEEDS]
            golden = [kept.found[f"integer/LSTM/adaptive/16/{s}"][0] for s in SEEDS]
            few = [results(kept, m, "LSTM", NARROW.weight_bits, NARROW.activation_bits) for m in (AFTER[0], "table")]
            one = kept.found["verified/LSTM"]
        else:
            both = [kept.get(f"head/{head}/{s}", partial(accuracy, head, s)) for s in SEEDS]
            real, golden = ([pair[k] for pair in both] for k in range(2))
            key = f"head narrow/{NARROW.weight_bits}/{NARROW.activation_bits}/{head}"
            pairs = [kept.get(f"{key}/{s}", partial(narrow, head, s)) for s in SEEDS]
            few = [[pair[k] for pair in pairs] for k in range(2)]
            one = kept.get(f"head compiled/{head}", partial(compiled, head))
        equal = "equal" if one["mismatches"] == 0 else "DIFFERENT"
        made.append({
            "after the LSTM": head, "float": percent(real), "8 / 8 bits": percent(golden),
            "4 / 4 bits after training": percent(few[0]), "trained at 4 / 4 bits": percent(few[1]),
            "cycles per image": one["cycles"], "cycles per row": one["cycles"] / ROWS,
            **{k.upper(): one["resources"][k] for k in ("lut", "ff", "dsp", "bram36")},
            "RTL": f"{equal}, {one['simulated']:,} cycles ({one['predicted']:,} predicted)",
        })  # fmt: skip
    return made
