# SPDX-License-Identifier: Apache-2.0
"""The cheapest bits per class of tensors that keep a model's results close enough to float."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright.errors import CalibrationError
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.torch_export import observe
from gatewright.graph import Graph, most_tokens
from gatewright.progress import track

if TYPE_CHECKING:
    import torch

Bits = Mapping[str, int]
"""Class of tensors -> width."""

CLASSES: Mapping[str, Sequence[int]] = {
    "residual": (16, 14, 12),
    "operand": (12, 11, 10, 9, 8, 7),
    "qkv": (12, 11, 10, 9, 8, 7),
    "context": (12, 11, 10, 9, 8, 7),
    "hidden": (12, 11, 10, 9, 8, 7),
    "gelu": (12, 11, 10, 9, 8, 7),
}
"""Widths of the classes of `QuantConfig.transformer`, widest first."""


TINY = 1e-9
"""In place of a loss or a cost of 0 in a quotient."""


@dataclass(frozen=True)
class Trial:
    """One measured choice.

    Attributes:
        bits: width per class.
        quality: mean cosine to float.
        cost: multiplier bits per token.
    """

    bits: Bits
    quality: float
    cost: float


@dataclass(frozen=True)
class Search:
    """Result of `search_bits`.

    Attributes:
        best: the cheapest choice found that meets the target.
        widest: every class at its widest.
        alone: per class and width, the trial with only this class narrowed.
        checked: complete choices that were measured, in order.
    """

    best: Trial
    widest: Trial
    alone: Mapping[str, Mapping[int, Trial]]
    checked: tuple[Trial, ...]

    def table(self) -> str:
        """Markdown: the loss of every class at every width, and what was chosen."""
        widths = sorted({w for trials in self.alone.values() for w in trials}, reverse=True)
        lines = [
            "| class | " + " | ".join(f"{w} bits" for w in widths) + " | chosen |",
            "|---" * (len(widths) + 2) + "|",
        ]
        for name, trials in self.alone.items():
            cells = [f"{trials[w].quality:.5f}" if w in trials else "" for w in widths]
            lines.append(f"| {name} | " + " | ".join(cells) + f" | {self.best.bits[name]} |")
        share = self.best.cost / self.widest.cost
        lines += ["", f"Chosen: cosine {self.best.quality:.5f} at {share:.1%} of the widest choice's multiplier bits."]
        return "\n".join(lines)


def search_bits(
    measure: Callable[[Bits], tuple[float, float]],
    target: float,
    classes: Mapping[str, Sequence[int]] = CLASSES,
) -> Search:
    """The cheapest widths found whose measured quality is at least `target`.

    Losses and savings of different classes nearly add up. So every class is narrowed alone first; then the classes
    are narrowed step by step, always where most is saved per predicted loss, while the predicted sum stays
    within the target; last, the choice is measured, and widened where that gains most per cost until it holds.

    Args:
        measure: quality, at most 1, and cost of a choice.
        target: least quality.
        classes: widths of every class, widest first.

    Raises:
        CalibrationError: the widest choice misses the target.
    """

    def trial(bits: Bits) -> Trial:
        return Trial(dict(bits), *measure(bits))

    widest = trial({name: widths[0] for name, widths in classes.items()})
    if widest.quality < target:
        raise CalibrationError(
            "search_bits", f"quality {widest.quality:.5f} with the widest choice", f"{target}", "offer wider classes"
        )
    alone = {name: {widths[0]: widest} for name, widths in classes.items()}
    single = [(name, width) for name, widths in classes.items() for width in widths[1:]]
    for name, width in track(single, "bits of one class at a time"):
        alone[name][width] = trial({**widest.bits, name: width})

    def loss(name: str, width: int) -> float:
        return max(0.0, widest.quality - alone[name][width].quality)

    def change(bits: Bits, name: str, by: int) -> tuple[float, float, int] | None:
        """Predicted change of loss and saving, and the width, when a class goes `by` steps down its list."""
        at = list(classes[name]).index(bits[name]) + by
        if not 0 <= at < len(classes[name]):
            return None
        width = classes[name][at]
        saved = alone[name][bits[name]].cost - alone[name][width].cost
        return loss(name, width) - loss(name, bits[name]), saved, width

    bits = dict(widest.bits)
    while True:
        room = widest.quality - target - sum(loss(n, w) for n, w in bits.items())
        steps = [(n, c) for n in classes if (c := change(bits, n, 1)) is not None and c[0] <= room]
        if not steps:
            break
        name, (_, _, bits[name]) = max(steps, key=lambda s: s[1][1] / max(s[1][0], TINY))
    checked = [trial(bits)]
    while checked[-1].quality < target:
        steps = [(n, c) for n in classes if (c := change(bits, n, -1)) is not None]
        name, (_, _, bits[name]) = max(steps, key=lambda s: -s[1][0] / max(-s[1][1], TINY))
        checked.append(trial(bits))
    return Search(checked[-1], widest, alone, tuple(checked))


def by_class(bits: Bits) -> QuantConfig:
    """An encoder's formats with these widths of its classes of tensors."""
    widths: dict[str, Any] = dict(bits)
    return QuantConfig.transformer(**widths)


def search_transformer(
    model: torch.nn.Module,
    calibration: Sequence[Any],
    items: Sequence[Any],
    target: float,
    classes: Mapping[str, Sequence[int]] = CLASSES,
    configure: Callable[[Bits], QuantConfig] = by_class,
    length: tuple[int, int] = (1, 512),
) -> Search:
    """`search_bits` for an encoder that makes one vector of a sequence: mean cosine of golden to float.

    Args:
        model: in evaluation mode.
        calibration: sequences [n, ..] that formats are chosen from.
        items: sequences that quality is measured on.
        target: least mean cosine.
        classes: widths of every class, widest first.
        configure: formats of a choice.
        length: bounds of the run-time length.
    """
    import torch

    with torch.no_grad():
        real = [model(torch.as_tensor(np.asarray(i))[None])[0].double().numpy() for i in items]
    seen = observe(model, np.asarray(calibration[0])[None], calibration, dynamic={"n": length})

    def measure(bits: Bits) -> tuple[float, float]:
        found = seen.quantized(configure(bits))
        pairs = [(np.asarray(found.run([i])).reshape(-1), r) for i, r in zip(items, real, strict=True)]
        cosine = [g @ r / np.linalg.norm(g) / np.linalg.norm(r) for g, r in pairs]
        return float(np.mean(cosine)), multiplier_bits(found.raw)

    return search_bits(measure, target, classes)


def multiplier_bits(graph: Graph) -> float:
    """Per token and summed over nodes: products times the width of the activation in them.

    A matrix has a product per weight, attention two per channel and chosen key, anything else one per channel.
    """
    total, types = 0.0, graph.types
    for node in graph.nodes:
        read = types[node.inputs[0]]
        weight, top = getattr(node.op, "weight", None), getattr(node.op, "top", None)
        products = read.channels
        if isinstance(weight, np.ndarray) and weight.ndim > 1:
            products = weight.size
        elif isinstance(top, int):
            products = 2 * read.channels * min(top, most_tokens(read.tokens))
        total += products * read.fixed.width
    return total
