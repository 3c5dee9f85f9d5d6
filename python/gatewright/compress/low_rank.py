# SPDX-License-Identifier: Apache-2.0
"""Low rank: a weight matrix becomes a product of two, so that the loss moves as little as possible.

With W [out, in] of a layer y = W x, a rank r, and second [out, r] first [r, in] in its place:

    svd      least sum_ij (W - second first)_ij**2
    fwsvd    FWSVD (Hsu et al., ICLR 2022, arXiv 2207.00112): the same with the weight of input j scaled by
             sqrt(sum_i I_ij): (U, S, V) = svd(W diag(s)), second = U S, first = V^T diag(1 / s)
    tfwsvd   TFWSVD (Hua et al., EMNLP 2022, arXiv 2211.09718): the least of
             J = sum_ij I_ij (W - second first)_ij**2 + ridge (|second|**2 + |first|**2)
             by alternating least squares, or by Adam and then SGD as the paper has it

I is the empirical Fisher information, the mean square of every weight's gradient per sample. Papers write y = x W, so
that their rows are the inputs here. All numbers are float64 inside.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gatewright.compress.matrices import matrices
from gatewright.compress.training import Loss, cross_entropy
from gatewright.errors import DataError, UnsupportedError
from gatewright.progress import track

Factors = tuple[torch.Tensor, torch.Tensor]
"""first [r, in] and second [out, r]."""

FLOOR = 1e-6
"""Least Fisher information, as a share of the mean: a weight that no sample needs is still to be about right."""
ROWS = 256
"""Rows that alternating least squares solves at once."""


def svd(weight: torch.Tensor, rank: int) -> Factors:
    """The best approximation of W [out, in] by plain squares; the singular values are shared evenly."""
    u, s, v = torch.linalg.svd(weight.double(), full_matrices=False)
    root = s[:rank].sqrt()
    return root[:, None] * v[:rank], u[:, :rank] * root


def fwsvd(weight: torch.Tensor, fisher: torch.Tensor, rank: int) -> Factors:
    """FWSVD in closed form; see the top.

    Args:
        weight, fisher: [out, in].
    """
    scale = floored(fisher).sum(0).sqrt()
    first, second = svd(weight.double() * scale, rank)
    return first / scale, second


def floored(fisher: torch.Tensor) -> torch.Tensor:
    """Fisher information with nothing below `FLOOR` times its mean; all ones where there is none."""
    fisher = fisher.double()
    mean = float(fisher.mean())
    return fisher.clamp_min(FLOOR * mean) if mean > 0 else torch.ones_like(fisher)


def weighted_error(weight: torch.Tensor, fisher: torch.Tensor, factors: Factors) -> float:
    """sum_ij I_ij (W - second first)_ij**2 over sum_ij I_ij W_ij**2."""
    first, second = factors
    weight, fisher = weight.double(), floored(fisher)
    return float((fisher * (weight - second @ first).square()).sum() / (fisher * weight.square()).sum())


def als(weight: torch.Tensor, fisher: torch.Tensor, rank: int, sweeps: int = 15, ridge: float = 1e-6) -> Factors:
    """TFWSVD by alternating least squares, from the FWSVD solution; no step makes J larger.

    For each row of `second`: b_i = (first diag(I_i) first^T + ridge)**-1 first diag(I_i) w_i, and likewise for columns
    of `first`.

    Args:
        ridge: relative to the mean Fisher information.
    """
    weight, fisher = weight.double(), floored(fisher)
    fisher = fisher / fisher.mean()
    first, second = balanced(fwsvd(weight, fisher, rank))
    for _ in range(sweeps):
        second = _rows(weight, fisher, first, ridge)
        first = _rows(weight.T, fisher.T, second.T, ridge).T
    return first.contiguous(), second


def balanced(factors: Factors) -> Factors:
    """The same product with factors of equal norm, as the ridge wants them."""
    first, second = factors
    root = (first.norm() / second.norm().clamp_min(1e-30)).sqrt().clamp_min(1e-30)
    return first / root, second * root


def _rows(weight: torch.Tensor, fisher: torch.Tensor, basis: torch.Tensor, ridge: float) -> torch.Tensor:
    """[n, r] of least squares: each row of weight [n, m] by basis [r, m], with weights fisher [n, m]."""
    rank = len(basis)
    products = (basis[:, None] * basis[None]).reshape(rank * rank, -1).T
    shift = ridge * torch.eye(rank, dtype=basis.dtype)
    found = []
    for w, i in zip(weight.split(ROWS), fisher.split(ROWS), strict=True):
        normal = (i @ products).reshape(-1, rank, rank) + shift
        found.append(torch.linalg.solve(normal, ((i * w) @ basis.T)[:, :, None])[:, :, 0])
    return torch.cat(found)


def adam_sgd(
    weight: torch.Tensor, fisher: torch.Tensor, rank: int, steps: int = 4000, rate: float = 1e-2, ridge: float = 1e-6
) -> Factors:
    """TFWSVD as the paper does it: Adam until J is below that of the FWSVD solution, and then SGD with momentum.

    Args:
        steps: of both together.
        rate: of Adam, in standard deviations of the factors.
    """
    weight, fisher = weight.double(), floored(fisher)
    fisher = fisher / fisher.mean()
    scale = weight.std(correction=0).clamp_min(1e-12)
    target = weight / scale
    with torch.no_grad():
        threshold = float(_objective(target, fisher, *balanced(fwsvd(target, fisher, rank)), ridge))
    first, second = (t.clone().requires_grad_() for t in svd(target, rank))
    optimizer: Any = torch.optim.Adam([first, second], lr=rate)
    best, kept, adam = float("inf"), (first, second), True
    for _ in range(steps):
        value = _objective(target, fisher, first, second, ridge)
        now = float(value.detach())
        if now < best:
            best, kept = now, (first.detach().clone(), second.detach().clone())
        if adam and now < threshold:
            # The largest curvature is about that of a factor against the largest Fisher information of a row.
            bend = max(
                float((fisher @ first.detach().square().T).max()), float((fisher.T @ second.detach().square()).max())
            )
            optimizer, adam = torch.optim.SGD([first, second], lr=0.2 / (rank**0.5 * bend), momentum=0.9), False
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return kept[0].detach() * scale, kept[1].detach()


def _objective(
    weight: torch.Tensor, fisher: torch.Tensor, first: torch.Tensor, second: torch.Tensor, ridge: float
) -> torch.Tensor:
    """J."""
    fit = (fisher * (weight - second @ first).square()).sum()
    return fit + ridge * (first.square().sum() + second.square().sum())


METHODS: Mapping[str, Callable[..., Factors]] = {
    "svd": lambda weight, fisher, rank: svd(weight, rank),
    "fwsvd": fwsvd,
    "tfwsvd": als,
    "tfwsvd_adam": adam_sgd,
}
"""By name; each takes weight, fisher and rank."""


def fisher(
    model: nn.Module,
    x: Any,
    y: Any,
    paths: Sequence[str],
    loss: Loss = cross_entropy,
    wrong: bool = False,
    label: str = "Fisher information",
) -> dict[str, torch.Tensor]:
    """Empirical Fisher information of weights: the mean over samples of the squared gradient, shaped as the weights.

    Args:
        x, y: samples and labels; sequences whose items may differ in length.
        paths: of the layers.
        wrong: only samples with a wrong answer count, which is nearly as good (TFWSVD, section 5) and much faster.

    Raises:
        DataError: no sample counts.
    """
    weights = [model.get_submodule(p).weight for p in paths]
    total = [torch.zeros_like(w, dtype=torch.float64) for w in weights]
    before, count = model.training, 0
    model.eval()
    for k in track(range(len(x)), label):
        item, truth = torch.as_tensor(x[k])[None], torch.as_tensor(y[k]).long()[None]
        if wrong:
            with torch.no_grad():
                if int(model(item).argmax()) == int(truth):
                    continue
        for sums, grad in zip(total, torch.autograd.grad(loss(model, item, truth), weights), strict=True):
            sums += grad.double().square()
        count += 1
    model.train(before)
    if not count:
        raise DataError("fisher", f"{len(x)} samples, none of them counts", "at least one", "wrong=False takes all")
    return {p: t / count for p, t in zip(paths, total, strict=True)}


def spread(fisher: torch.Tensor, p: float = 2.0) -> float:
    """The paper's predictor of plain SVD's failure: phi(W) = Var(I / max(|I|_p, eps)); larger is worse for SVD."""
    flat = fisher.double().flatten()
    return float((flat / flat.norm(p).clamp_min(1e-12)).var(correction=0))


@dataclass(frozen=True)
class LowRank:
    """How layers are factorised.

    Attributes:
        method: of `METHODS`.
        ratio: share of the full rank min(in, out) that stays; the papers have 0.33.
        multiple: ranks are rounded to a multiple, so that foldings divide them.
    """

    method: str = "tfwsvd"
    ratio: float = 0.33
    multiple: int = 4

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DataError("LowRank.method", f"{self.method!r}", ", ".join(METHODS))
        if not 0 < self.ratio <= 1 or self.multiple < 1:
            raise DataError(
                "LowRank", f"ratio = {self.ratio}, multiple = {self.multiple}", "0 < ratio <= 1, at least 1"
            )

    def rank(self, shape: Sequence[int]) -> int:
        """For a weight [out, in, ...]."""
        full = min(shape[0], int(torch.Size(shape[1:]).numel()))
        return min(full, max(1, round(full * self.ratio / self.multiple)) * self.multiple)


def factorised(
    model: nn.Module,
    how: LowRank,
    fishers: Mapping[str, torch.Tensor] | None = None,
    keep: Sequence[str] = (),
    ranks: Mapping[str, int] | None = None,
) -> nn.Module:
    """A copy in which each linear layer or convolution is two: to r channels, and from there with the bias.

    Layers that would grow stay: r (in + out) has to be less than in * out.

    Args:
        fishers: information of each weight by path, see `fisher`; not needed for "svd".
        keep: globs of layers that stay.
        ranks: by path, instead of `how.ratio`.

    Raises:
        UnsupportedError: nothing to factorise, or a grouped convolution.
        DataError: the information of a layer is missing.
    """
    model = copy.deepcopy(model)
    for path, layer in matrices(model, keep, "low_rank.factorised").items():
        shape = layer.weight.shape
        outs, ins = shape[0], int(shape[1:].numel())
        rank = (ranks or {}).get(path, how.rank(shape))
        if rank * (ins + outs) >= ins * outs:
            continue
        information = (fishers or {}).get(path)
        if information is None and how.method != "svd":
            raise DataError(
                f"Fisher information of {path or 'model'}", "missing", ", ".join(fishers or {}) or "fisher()"
            )
        flat = None if information is None else information.reshape(outs, -1)
        first, second = METHODS[how.method](layer.weight.detach().reshape(outs, -1), flat, rank)
        made = pair(layer, first, second, path)
        if not path:
            return made
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, made)
    return model


def pair(layer: Any, first: torch.Tensor, second: torch.Tensor, path: str) -> nn.Module:
    """The two layers: the first has the kernel, stride and padding, the second bias and outputs."""
    rank, outs = len(first), len(second)
    biased = layer.bias is not None
    if isinstance(layer, nn.Linear):
        one: Any = nn.Linear(layer.in_features, rank, bias=False)
        two: Any = nn.Linear(rank, outs, bias=biased)
    else:
        if layer.groups != 1:
            raise UnsupportedError(path, f"groups = {layer.groups}", "1", "keep this layer")
        geometry = {k: getattr(layer, k) for k in ("stride", "padding", "dilation", "padding_mode")}
        one = type(layer)(layer.in_channels, rank, layer.kernel_size, bias=False, **geometry)
        two = type(layer)(rank, outs, 1, bias=biased)
    with torch.no_grad():
        one.weight.copy_(first.reshape(one.weight.shape))
        two.weight.copy_(second.reshape(two.weight.shape))
        if biased:
            two.bias.copy_(layer.bias)
    return nn.Sequential(one, two).train(layer.training)
