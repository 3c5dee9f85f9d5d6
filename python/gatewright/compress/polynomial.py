# SPDX-License-Identifier: Apache-2.0
"""ReLU becomes a trainable polynomial of degree two, which costs a secure network one square instead of a comparison.

X2act is that of PASNet (arXiv 2306.15513) and its code; the other initialiser is DaPa of AutoReP (arXiv 2308.10134).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from gatewright.compress.sites import Site, chosen, exchanged, sites
from gatewright.errors import DataError, UnsupportedError
from gatewright.nn import Quadratic

SQUARE, SLOPE = 0.005, 1.0
"""Straight-through polynomial initialisation (STPAI): w1 and w2 of PASNet's code, b = 0; close to the identity."""

STARTS = ("stpai", "dapa")


class X2Act(Quadratic):
    """`X2act(x) = (c / sqrt(N)) w1 x**2 + w2 x + b`: w1 is `square`, w2 `slope`, b `constant`; all are trained.

    The factor makes steps of w1 small where a layer has many elements: the square of one that is large there would
    otherwise drive training apart. It is folded into the one node `quadratic` of the graph.

    Args:
        elements: N, numbers of one sample that the layer has.
        c: scale; PASNet's code has a factor of 1 or 0.1 in place of c / sqrt(N).
        channels, dim: see `Quadratic`; None for one polynomial per layer, as in the paper.
        square, slope, constant: of the start.
    """

    def __init__(
        self,
        elements: int,
        c: float = 1.0,
        channels: int | None = None,
        dim: int = 1,
        square: float = SQUARE,
        slope: float = SLOPE,
        constant: float = 0.0,
    ) -> None:
        if elements < 1 or not c > 0:
            raise DataError("X2Act", f"elements = {elements}, c = {c}", "at least one element and c > 0")
        super().__init__(channels, dim, square, slope, constant)
        self.scale = c / math.sqrt(elements)

    def coefficients(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.scale * self.square, self.slope, self.constant

    def extra_repr(self) -> str:
        """What `print` of a model shows."""
        a, b, c = (x.detach().mean().item() for x in self.coefficients())
        return f"{a:.4g} x^2 + {b:.4g} x + {c:.4g}"


def dapa(mean: float, sigma: float) -> tuple[float, float, float]:
    """The quadratic with the least mean squared distance to ReLU for x ~ N(mean, sigma^2): of x^2, of x, constant.

    AutoReP's distribution-aware approximation, as its formula demands with the standard deviation; the published code
    passes the variance.

    Raises:
        DataError: sigma is not positive.
    """
    if not sigma > 0:
        raise DataError("dapa", f"sigma = {sigma}", "a positive standard deviation")
    u = mean / sigma
    density = math.exp(-u * u / 2) / math.sqrt(2 * math.pi)
    square = density / (2 * sigma)
    slope = 1 - math.erfc(u / math.sqrt(2)) / 2 - u * density
    constant = (mean * mean / sigma + sigma) * density / 2
    return square, slope, constant


def replace(
    model: nn.Module,
    example: Any,
    *,
    c: float = 1.0,
    start: str = "stpai",
    keep: Collection[str] = (),
    per_channel: bool = False,
    pools: bool = False,
) -> nn.Module:
    """A copy of a model with X2act in place of ReLU; it is to be trained afterwards.

    Args:
        example: a batch [N, ...]; gives the sizes of layers, and the distributions for "dapa".
        c: see `X2Act`.
        start: "stpai" near the identity, or "dapa" near ReLU.
        keep: globs of module paths that stay as they are.
        per_channel: a polynomial per channel (dimension 1) instead of one per layer.
        pools: also average in place of maximum pooling.

    Raises:
        UnsupportedError: nothing to replace, a glob of `keep` matches nothing, or a ReLU is no module of its own.
        DataError: an unknown start.
    """
    if start not in STARTS:
        raise DataError("replace", f"start = {start!r}", ", ".join(STARTS))
    found = [s for s in sites(model, example) if pools or s.kind == "relu"]
    made = {}
    for site in chosen(found, keep, "replace"):
        relu = site.kind == "relu"
        made[site.path] = x2act(site, c, start, per_channel) if relu else average(model, site)
        made[site.path].train(model.training)
    return exchanged(model, made)


def x2act(site: Site, c: float = 1.0, start: str = "stpai", per_channel: bool = False) -> X2Act:
    """The polynomial for one ReLU."""
    made = X2Act(site.elements, c, site.inputs[0] if per_channel else None)
    if start == "dapa":
        square, slope, constant = dapa(site.mean, site.sigma)
        with torch.no_grad():
            made.square.fill_(square / made.scale)
            made.slope.fill_(slope)
            made.constant.fill_(constant)
    return made


def average(model: nn.Module, site: Site) -> nn.AvgPool2d:
    """The average pooling of the same windows.

    Raises:
        UnsupportedError: dilated windows; there is no such average pooling.
    """
    pool: Any = model.get_submodule(site.path)
    if pool.dilation not in (1, (1, 1)) or pool.return_indices:
        raise UnsupportedError(site.path, f"dilation = {pool.dilation}, or indices", "windows without gaps")
    return nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode)
