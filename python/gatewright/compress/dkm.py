# SPDX-License-Identifier: Apache-2.0
"""DKM: differentiable k-means clusters weights while they are trained (Cho et al., ICLR 2022, arXiv 2108.12659).

A weight of N numbers is cut into N / d vectors w_i; there are k = 2**b centroids c_j, so b / d bits say a weight. Each
forward pass repeats (section 3.2 of the paper)

    A_ij = softmax_j(-|w_i - c_j|**2 / tau)           c_j <- sum_i A_ij w_i / sum_i A_ij

from the centroids of the pass before, until they move by less than a tolerance or `iterations` are done, and computes
with W~ = A C. Gradients flow through all iterations to the weights; nothing is added to the loss. In evaluation mode,
and in the end (`snapped`), each vector is its nearest centroid.

Two baselines are here too: `post_training` clusters once and trains nothing, and with `train="codebook"` the assignment
stays and centroids are trained (Deep Compression: Han et al., ICLR 2016, arXiv 1510.00149).
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from gatewright.compress.kmeans import assign, distances, lloyd, plus_plus
from gatewright.compress.matrices import alone, matrices, plain
from gatewright.errors import DataError, UnsupportedError

AXES = ("outputs", "flat")
TRAINED = ("weights", "codebook")


@dataclass(frozen=True)
class Clustering:
    """How the weight of a layer is clustered.

    Attributes:
        bits: b, 1 to 8; there are 2**b centroids.
        length: d, weights per vector.
        axis: "outputs" makes a vector of d neighbouring output channels at one input, which hardware can store as an
            index whatever the order of inputs; "flat" cuts the flattened weight, as the paper does.
        tau: temperature in units of the variance of the layer's weights. The paper's are absolute, one for a model.
        iterations: of k-means per forward pass, at most.
        tolerance: of the centroids' largest move, in standard deviations of the weights.
        seed: of the first centroids, by k-means++.
        train: "weights" is DKM; with "codebook" the first assignment stays, and the centroids are the parameters.
    """

    bits: int
    length: int = 1
    axis: str = "outputs"
    tau: float = 0.02
    iterations: int = 5
    tolerance: float = 1e-4
    seed: int = 0
    train: str = "weights"

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 8 or self.length < 1:
            raise DataError("Clustering", f"bits = {self.bits}, length = {self.length}", "1 to 8 bits, length >= 1")
        if self.axis not in AXES or self.train not in TRAINED:
            raise DataError(
                "Clustering", f"axis = {self.axis!r}, train = {self.train!r}", f"{' or '.join(AXES)}; {TRAINED}"
            )
        if not self.tau > 0 or self.iterations < 1:
            raise DataError("Clustering", f"tau = {self.tau}, iterations = {self.iterations}", "tau > 0, at least 1")

    @property
    def entries(self) -> int:
        """k."""
        return 1 << self.bits

    @property
    def bits_per_weight(self) -> float:
        """b / d, without the table."""
        return self.bits / self.length


def soft_means(
    vectors: torch.Tensor, centroids: torch.Tensor, tau: float, iterations: int, tolerance: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """W~ = A C [n, d] and C [k, d] after the iterations above; differentiable in `vectors`.

    Args:
        vectors: [n, d].
        centroids: [k, d] to start from.
        tau: in units of squared weights.
        tolerance: largest move of a number of C at which the iterations end.
    """
    attention = torch.empty(0)
    for _ in range(iterations):
        attention = torch.softmax(-distances(vectors, centroids) / tau, dim=1)
        # A centroid that is far from everything has no mass to speak of: it stays where it is.
        mass = attention.sum(0)[:, None]
        moved = torch.where(mass > 1e-6, attention.T @ vectors / mass.clamp_min(1e-6), centroids)
        step = float((moved - centroids).detach().abs().max())
        centroids = moved
        if step <= tolerance:
            break
    return attention @ centroids, centroids


class _Vectors(nn.Module):
    """Cuts weights into vectors and puts them together again."""

    def __init__(self, how: Clustering, shape: torch.Size, path: str, groups: int) -> None:
        super().__init__()
        self.how, self.shape = how, shape
        per_group, length = shape[0] // groups, how.length
        if how.axis == "outputs" and per_group % length:
            raise UnsupportedError(
                path, f"vectors of {length} outputs on {per_group} of a group", "a divisor", "another length, or keep"
            )
        if shape.numel() % length:
            raise UnsupportedError(path, f"vectors of {length} on {shape.numel()} weights", "a divisor")

    def cut(self, weight: torch.Tensor) -> torch.Tensor:
        """[out, ...] -> [n, d]."""
        if self.how.axis == "flat":
            return weight.reshape(-1, self.how.length)
        return weight.reshape(self.shape[0] // self.how.length, self.how.length, -1).transpose(1, 2).flatten(0, 1)

    def join(self, vectors: torch.Tensor) -> torch.Tensor:
        """Inverse of `cut`."""
        if self.how.axis == "flat":
            return vectors.reshape(self.shape)
        blocks = vectors.reshape(self.shape[0] // self.how.length, -1, self.how.length)
        return blocks.transpose(1, 2).reshape(self.shape)


class DKM(_Vectors):
    """The parametrisation of one weight; its buffers are the last centroids, so checkpoints hold them."""

    centroids: torch.Tensor

    def __init__(self, how: Clustering, weight: torch.Tensor, path: str = "", groups: int = 1) -> None:
        super().__init__(how, weight.shape, path, groups)
        vectors = self.cut(weight.detach())
        self.register_buffer("centroids", plus_plus(vectors, how.entries, how.seed))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Soft in training mode, snapped in evaluation mode."""
        vectors = self.cut(weight)
        if not self.training:
            return self.join(self.centroids[assign(vectors, self.centroids)])
        # As the weights' scale changes while they are trained, so does the temperature.
        variance = float(weight.detach().var(correction=0).clamp_min(1e-20))
        how = self.how
        tolerance = how.tolerance * variance**0.5
        found, centroids = soft_means(vectors, self.centroids.clone(), how.tau * variance, how.iterations, tolerance)
        self.centroids.copy_(centroids.detach())
        return self.join(found)


class Codebook(_Vectors):
    """The parametrisation whose parameter is the codebook [k, d] itself; the indices are fixed."""

    code: torch.Tensor

    def __init__(self, how: Clustering, weight: torch.Tensor, path: str = "", groups: int = 1) -> None:
        super().__init__(how, weight.shape, path, groups)
        vectors = self.cut(weight.detach())
        self._centroids = lloyd(vectors, how.entries, how.seed)
        self.register_buffer("code", assign(vectors, self._centroids))

    def forward(self, codebook: torch.Tensor) -> torch.Tensor:
        """The weight."""
        return self.join(codebook[self.code])

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        """The codebook of the weight with which this was made."""
        return self._centroids


Choices = Clustering | Mapping[str, Clustering]


def _chosen(model: nn.Module, how: Choices, keep: Collection[str], place: str) -> dict[str, tuple[Any, Clustering]]:
    """Layers with their clustering; of several globs that match, the last counts."""
    table = {"*": how} if isinstance(how, Clustering) else dict(how)
    found = {}
    layers = matrices(model, keep, place)
    for glob in table:
        if not any(fnmatchcase(p, glob) for p in layers):
            raise UnsupportedError(place, f"{glob!r} matches no layer", ", ".join(layers))
    for path, layer in layers.items():
        picked = [c for glob, c in table.items() if fnmatchcase(path, glob)]
        if picked:
            found[path] = (layer, picked[-1])
    return found


def cluster(model: nn.Module, how: Choices, keep: Collection[str] = ()) -> nn.Module:
    """A copy whose weights are clustered in every forward pass; it is to be trained, and then `snapped`.

    Batch norms are folded into the weights in front of them when a network is compiled, channel by channel, which no
    codebook survives: fuse them before.

    Args:
        how: for all layers, or by globs of module paths.
        keep: globs of layers that stay as they are.

    Raises:
        UnsupportedError: nothing to cluster, a glob matches nothing, or a length does not divide a layer.
    """
    model = copy.deepcopy(model)
    for path, (layer, one) in _chosen(model, how, keep, "dkm.cluster").items():
        kind = DKM if one.train == "weights" else Codebook
        made = kind(one, layer.weight, path, getattr(layer, "groups", 1))
        parametrize.register_parametrization(layer, "weight", made.train(model.training))
    return model


def snapped(model: nn.Module, soft: bool = False) -> nn.Module:
    """A copy with plain weights, each vector of a clustered one its nearest centroid; in evaluation mode.

    Args:
        soft: vectors are the means that training computes with instead; to see what snapping changes.

    Raises:
        UnsupportedError: another parametrisation is on a clustered layer as well.
    """
    model = copy.deepcopy(model).eval()
    for path, module in model.named_modules():
        if not parametrize.is_parametrized(module, "weight"):
            continue
        layer: Any = module
        if not isinstance(layer.parametrizations["weight"][0], DKM | Codebook):
            continue
        alone(layer, path, "clustered weights alone")
        layer.parametrizations["weight"][0].train(soft)
        plain(layer)
    return model


def post_training(model: nn.Module, how: Choices, keep: Collection[str] = ()) -> nn.Module:
    """A copy whose weights are the nearest centroids of plain k-means; nothing is trained.

    Args:
        how, keep: as in `cluster`; `tau`, `iterations` and `train` do not matter.

    Raises:
        UnsupportedError: as there.
    """
    model = copy.deepcopy(model)
    for path, (layer, one) in _chosen(model, how, keep, "dkm.post_training").items():
        cutter = _Vectors(one, layer.weight.shape, path, getattr(layer, "groups", 1))
        with torch.no_grad():
            vectors = cutter.cut(layer.weight)
            centroids = lloyd(vectors, one.entries, one.seed)
            layer.weight.copy_(cutter.join(centroids[assign(vectors, centroids)]))
    return model
