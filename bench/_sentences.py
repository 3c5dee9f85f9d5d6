# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks on sentence embeddings share: heads, recall of the selector, figures of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

from gatewright.examples._texts import Texts
from gatewright.nn import calibrate_selector
from gatewright.nn.bert import BertEncoder
from gatewright.nn.selector import select
from gatewright.nn.topk_attention import TopKAttention

BUCKETS = (16, 31, 49, 65, 97, 129, 193, 257, 385)
"""Lower ends of the length buckets, in tokens, and the end of the last."""

CALIBRATION = 64
"""Training texts that the selector's steps are chosen from."""

LONGEST = 12
"""Texts whose selections are compared with exact ones: a spread over those longer than k."""


@dataclass(frozen=True, eq=False)
class Head:
    """A logistic head on embeddings of length 1."""

    model: LogisticRegression

    @classmethod
    def fit(cls, vectors: np.ndarray, labels: np.ndarray) -> Head:
        """Trained with the regularization that four-fold cross-validation likes best."""
        search = LogisticRegressionCV(
            Cs=np.logspace(-1, 3, 9),
            cv=4,
            l1_ratios=(0.0,),
            max_iter=2000,
            scoring="accuracy",
            use_legacy_attributes=False,
        )
        strength = float(search.fit(vectors, labels).C_)
        return cls(LogisticRegression(C=strength, max_iter=2000).fit(vectors, labels))

    def label(self, vectors: np.ndarray) -> np.ndarray:
        """Class of every embedding."""
        return self.model.predict(vectors)


def vectors(model: BertEncoder, items: Sequence[Sequence[int]]) -> np.ndarray:
    """Float embeddings [N, D] of length 1."""
    return model.vectors(items).numpy()


def figures(found: np.ndarray, dense: np.ndarray, texts: Texts, head: Head) -> dict[str, Any]:
    """Accuracy, agreement with the dense labels, and cosine to the dense embeddings, also by length."""
    label, lengths = head.label(found), np.array([len(t) for t in texts.test])
    cosine = cosines(found, dense)
    return {
        "accuracy": float(np.mean(label == texts.test_labels)),
        "agree": float(np.mean(label == head.label(dense))),
        "cosine": float(cosine.mean()),
        "p5": float(np.percentile(cosine, 5)),
        "buckets": by_length(cosine, lengths),
    }


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of every row of `a` to that of `b`."""
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def by_length(cosine: np.ndarray, lengths: np.ndarray) -> dict[str, float]:
    """Mean cosine per bucket of lengths that has texts."""
    found = {}
    for low, end in zip(BUCKETS, BUCKETS[1:], strict=False):
        inside = (lengths >= low) & (lengths < end)
        if inside.any():
            found[f"{low}-{end - 1}"] = float(cosine[inside].mean())
    return found


def calibrated(model: BertEncoder, texts: Texts, top: int | None, bits: int, method: str = "mse") -> BertEncoder:
    """The model itself with another selector, its steps chosen from the first training texts."""
    model.select(top, bits)
    if top is not None:
        calibrate_selector(model, model.batches(texts.train[:CALIBRATION]), method)
    return model


def recall(model: BertEncoder, items: Sequence[Sequence[int]]) -> float:
    """Share of the exact top-k keys that the selector finds, over texts longer than k; NaN without such."""
    layers = [m for m in model.modules() if isinstance(m, TopKAttention)]
    top = layers[0].top
    assert top is not None
    fit = sorted((i for i in items if len(i) > top), key=len)
    if not fit:
        return float("nan")
    shares: list[float] = []

    def observe(layer: TopKAttention, q: torch.Tensor, k: torch.Tensor) -> None:
        chosen = select(q[None], k[None], layer.q_thresholds, layer.k_thresholds, layer.num_heads, top, layer.bits)
        a, b = (x.unflatten(-1, (layer.num_heads, -1)).transpose(0, 1) for x in (q, k))
        best = (a @ b.transpose(-2, -1)).topk(top, dim=-1).indices
        assert chosen is not None
        shares.append(float(chosen[0].gather(-1, best).float().mean()))

    for layer in layers:
        layer.observer = observe
    try:
        with torch.no_grad():
            for i in np.linspace(0, len(fit) - 1, min(LONGEST, len(fit))).astype(int):
                model(torch.tensor(fit[i])[None])
    finally:
        for layer in layers:
            layer.observer = None
    return float(np.mean(shares))
