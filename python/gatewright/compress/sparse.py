# SPDX-License-Identifier: Apache-2.0
"""Masks on weights: patterns that hardware can use, densities per layer, magnitude pruning.

A masked layer computes with W * M. The mask is a buffer of a torch parametrisation, so checkpoints hold it and
`torch.export` sees plain weights with zeros.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from gatewright.compress.matrices import alone, matrices, parametrized, plain
from gatewright.errors import DataError, UnsupportedError

DISTRIBUTIONS = ("erk", "uniform")


@dataclass(frozen=True)
class Pattern:
    """Which weights are kept or dropped together, and where how many are kept.

    Weights are seen as [out, taps * in], in the order in which the hardware meets them. A *unit* is `block`
    neighbouring outputs at one input; the density holds in every *group* of units: the layer ("layer"), an output
    ("output", so that rows are balanced), or M neighbouring inputs of an output (an integer; N of M are kept).

    Attributes:
        block: outputs of a unit; two that share places also share a DSP multiplier.
        group: "layer", "output" or M.
    """

    block: int = 1
    group: str | int = "layer"

    def __post_init__(self) -> None:
        whole = isinstance(self.group, int) and self.group >= 1
        if self.block < 1 or not (whole or self.group in ("layer", "output")):
            raise DataError("Pattern", f"block = {self.block}, group = {self.group!r}", "'layer', 'output', or M >= 1")

    def units(self, values: torch.Tensor, path: str = "") -> torch.Tensor:
        """[out, in, ...] -> [groups, members, block].

        Raises:
            UnsupportedError: blocks or groups do not divide the layer.
        """
        flat = values.movedim(1, -1).flatten(1)
        outs, ins = flat.shape
        if outs % self.block:
            raise UnsupportedError(path, f"blocks of {self.block} on {outs} outputs", "a divisor", "keep this layer")
        made = flat.reshape(outs // self.block, self.block, ins).transpose(1, 2)
        if self.group == "layer":
            return made.reshape(1, -1, self.block)
        size = ins if self.group == "output" else int(self.group)
        if ins % size:
            raise UnsupportedError(path, f"groups of {size} on {ins} inputs", "a divisor", "keep this layer")
        return made.reshape(-1, size, self.block)

    def weights(self, units: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Inverse of `units`, of [groups, members]: a value per unit becomes one per weight."""
        rows = units.reshape(shape[0] // self.block, 1, -1).expand(-1, self.block, -1)
        inner = (*shape[2:], shape[1])
        return rows.reshape(shape[0], *inner).movedim(-1, 1)

    def count(self, density: float, members: int) -> int:
        """Units that a group of so many keeps; at least one."""
        return min(members, max(1, round(density * members)))


class Mask(nn.Module):
    """The parametrisation `W * mask`.

    Attributes:
        mask: [out, in, ...] bool.
        active: [out, in, ...] update rounds in which each weight was active, the initial one included.
        gradient: of the loss with respect to `W * mask` in the last backward pass, dense; None unless `watch`.
        watch: keep it.
    """

    mask: torch.Tensor
    active: torch.Tensor

    def __init__(self, mask: torch.Tensor, pattern: Pattern) -> None:
        super().__init__()
        self.pattern, self.watch = pattern, False
        self.gradient: torch.Tensor | None = None
        self.register_buffer("mask", mask)
        self.register_buffer("active", mask.to(torch.int32))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight that the layer computes with."""
        found = weight * self.mask
        if self.watch and found.requires_grad:
            found.register_hook(self._keep)
        return found

    def _keep(self, gradient: torch.Tensor) -> None:
        self.gradient = gradient.detach()


def masked(
    model: nn.Module,
    density: float | Mapping[str, float],
    pattern: Pattern | None = None,
    *,
    distribution: str = "erk",
    keep: Collection[str] = (),
    seed: int | None = None,
) -> nn.Module:
    """A copy of a model with masks: random ones (to train from the start), or of the largest weights (to prune).

    Args:
        density: share of weights kept, over all layers that are not in `keep` or by path; those get `distribution`.
        pattern: unstructured by default.
        distribution: "erk" or "uniform", see `densities`.
        keep: globs of module paths that stay dense.
        seed: of random masks; None for those of the largest magnitude.

    Raises:
        UnsupportedError: a glob matches nothing, or the pattern does not fit a layer.
        DataError: a density outside (0, 1], or an unknown distribution.
    """
    model, pattern = copy.deepcopy(model), pattern or Pattern()
    layers = matrices(model, keep, "masked")
    draw = None if seed is None else torch.Generator().manual_seed(seed)
    for path, share in shares(layers, density, distribution, "masked").items():
        weight = layers[path].weight.detach()
        units = pattern.units(weight, path)
        scores = units.abs().sum(2) if draw is None else torch.rand(units.shape[:2], generator=draw)
        kept = top(scores, torch.full((len(scores),), pattern.count(share, scores.shape[1])))
        mask = Mask(pattern.weights(kept, weight.shape), pattern)
        parametrize.register_parametrization(layers[path], "weight", mask)
    return model


def shares(
    layers: Mapping[str, Any], density: float | Mapping[str, float], distribution: str, place: str
) -> dict[str, float]:
    """The density of each layer: those given, or one for all of them that is distributed.

    Raises:
        UnsupportedError: there is no such layer.
        DataError: as `densities`.
    """
    found = densities(layers, density, distribution) if isinstance(density, float | int) else dict(density)
    if missing := sorted(set(found) - set(layers)):
        raise UnsupportedError(place, f"no layer {missing[0]!r}", ", ".join(layers))
    for path, share in found.items():
        if not 0 < share <= 1:
            raise DataError(f"density of {path}", f"{share}", "above 0, at most 1")
    return found


def densities(layers: Mapping[str, Any], density: float, distribution: str) -> dict[str, float]:
    """The density of each layer so that all together keep `density` of their weights.

    "uniform" gives all the same. "erk" (Erdos-Renyi kernel: Evci et al., RigL, arXiv 1911.11134) gives a layer a
    density in proportion to (out + in + kernel sizes) / (out * in * kernel sizes); beyond 1 it is dense.

    Raises:
        DataError: density outside (0, 1], or an unknown distribution.
    """
    if not 0 < density <= 1:
        raise DataError("density", f"{density}", "above 0, at most 1")
    if distribution not in DISTRIBUTIONS:
        raise DataError("distribution", f"{distribution!r}", " or ".join(DISTRIBUTIONS))
    if distribution == "uniform":
        return dict.fromkeys(layers, density)
    sizes = {p: layer.weight.numel() for p, layer in layers.items()}
    raw = {p: sum(layer.weight.shape) / sizes[p] for p, layer in layers.items()}
    full: set[str] = set()
    while True:
        # What dense layers do not take is shared by the others.
        rest = density * sum(sizes.values()) - sum(sizes[p] for p in full)
        scale = rest / sum(raw[p] * sizes[p] for p in raw if p not in full)
        over = {p for p in raw if p not in full and raw[p] * scale > 1}
        if not over:
            return {p: 1.0 if p in full else raw[p] * scale for p in raw}
        full |= over


def top(scores: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """[groups, members] bool: the `count` [groups] largest of each group, the first of equal ones."""
    order = scores.argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(scores.shape[1]).expand_as(order))
    return rank < count[:, None]


def masks(model: nn.Module) -> dict[str, Mask]:
    """The mask of every masked layer, by its path."""
    return parametrized(model, Mask)


def kept_share(model: nn.Module) -> float:
    """Share of the weights of masked layers that is kept."""
    found = [m.mask for m in masks(model).values()]
    if not found:
        raise DataError("kept_share", "the model has no masks", "a model from `masked`")
    return sum(int(m.sum()) for m in found) / sum(m.numel() for m in found)


def finished(model: nn.Module) -> nn.Module:
    """A copy with plain weights, zero where masks are; masks and counters are gone.

    Raises:
        UnsupportedError: another parametrisation is on a masked layer as well.
    """
    model = copy.deepcopy(model)
    for path in masks(model):
        layer = model.get_submodule(path)
        alone(layer, path, "a mask alone")
        plain(layer)
    return model
