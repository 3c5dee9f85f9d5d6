# SPDX-License-Identifier: Apache-2.0
"""AQ-BERT: the width of every group of weights, found by gradients (Zhao et al., IJCAI 2021, arXiv 2112.14938).

A group g of output channels has logits O_g over widths b; in training the layer computes with

    W^_g = sum_b p_gb Q_b(W_g)         p_g = GumbelSoftmax(O_g / tau)         Q_0 = 0

and Q_b as in `quantize`. Weights learn on one part of the data and logits on another, in turn (bilevel, as in DARTS):

    L_weights = CE + mu sum_g sqrt(|g|) |W_g|_2            L_logits = CE + lambda L_size
    L_size    = log E if E > (1 + e) T,  -log E if E < (1 - e) T,  else 0,      E = sum_g |g| sum_b softmax(O_g)_b c_b

T is the budget. c_b is b, for a budget of bits per weight, or what a weight of b bits costs in hardware. In the end
each group takes its most likely width, and the weights are trained again with widths fixed. Equations are from memory
of the paper (no code is public); decision 27 says what is ours.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from gatewright.compress.low_rank_cost import least
from gatewright.compress.matrices import matrices, parametrized
from gatewright.compress.quantize import REFRESH, points, rounded
from gatewright.compress.training import Loss, Training, batches, cross_entropy, finite, reproducible, tensors
from gatewright.errors import DataError
from gatewright.frontend.config import BITS
from gatewright.ops._memory_cost import weigh
from gatewright.progress import track

STEEP = 1e3
"""Penalty of the most expensive width beyond which no logit matters."""

Bits = dict[str, torch.Tensor]
"""[out] widths of the output channels, by module path; what `quantize.prepare` takes."""


@dataclass(frozen=True)
class Search:
    """How widths are searched.

    Attributes:
        target: T, in units of `costs` per weight: bits, if there are none.
        options: widths to choose from.
        groups: of each matrix: neighbouring output channels, as many in each as can be; at most one per channel.
        band: e of the budget.
        strength: lambda.
        lasso: mu, per weight of the model.
        rate: learning rate of the logits.
        hot, cold: tau at the start and in the end, falling exponentially.
        method: of binary points, see `QuantConfig`.
        costs: by module path, what a weight costs at each of the options; by default its bits.
        train: "both", or "logits" for weights that stay as they are.
    """

    target: float
    options: tuple[int, ...] = (0, 2, 4, 8)
    groups: int = 128
    band: float = 0.03
    strength: float = 1.0
    lasso: float = 0.0
    rate: float = 0.05
    hot: float = 1.0
    cold: float = 0.1
    method: str = "mse"
    costs: Mapping[str, Sequence[float]] = field(default_factory=dict)
    train: str = "both"

    def __post_init__(self) -> None:
        if len(self.options) < 2 or any(b not in (0, *BITS) for b in self.options):
            raise DataError("Search.options", f"{self.options}", f"at least two widths of 0 to {BITS[-1]} bits")
        if self.groups < 1 or not self.hot >= self.cold > 0 or not 0 <= self.band < 1:
            problem = f"groups = {self.groups}, tau {self.hot} to {self.cold}, band = {self.band}"
            raise DataError("Search", problem, "at least one group, hot >= cold > 0, a band in [0, 1)")
        if self.train not in ("both", "logits"):
            raise DataError("Search.train", f"{self.train!r}", "'both' or 'logits'")


class Choice(nn.Module):
    """The parametrisation of one weight: a mixture of its roundings.

    Attributes:
        logits: [groups, options]; several layers may share them.
        table: [options] cost of a weight at each.
        group: [out] group of each output channel.
        tau: temperature.
    """

    group: torch.Tensor
    table: torch.Tensor

    def __init__(self, how: Search, weight: torch.Tensor, logits: nn.Parameter, table: Sequence[float]) -> None:
        super().__init__()
        self.how, self.logits, self.tau, self._age = how, logits, how.hot, 0
        outs = len(weight)
        self.register_buffer("group", torch.arange(outs) * len(logits) // outs)
        self.register_buffer("table", torch.tensor(table, dtype=torch.float64))
        self.size = weight.numel()
        self._frac: dict[int, torch.Tensor] = {}
        # Of weights that stay as they are.
        self._made: dict[int, torch.Tensor] = {}

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The mixture in training mode; in evaluation mode each group has its most likely width."""
        fixed = self.how.train == "logits"
        fresh = not self._made if fixed else not self.training or self._age % REFRESH == 0
        self._age = self._age + 1 if self.training else 0
        # Inside a channel all weights have one width, so the noise is per group, too.
        share = nn.functional.gumbel_softmax(self.logits, self.tau) if self.training else self.hard()
        total = torch.zeros_like(weight)
        for k, bits in enumerate(self.how.options):
            if not bits:
                continue
            if fresh:
                self._frac[bits] = points(weight, bits, self.how.method)
            if fixed and fresh:
                self._made[bits] = rounded(weight, bits, self._frac[bits]).detach()
            scale = share[:, k][self.group].reshape(-1, *[1] * (weight.ndim - 1))
            total = total + scale * (self._made[bits] if fixed else rounded(weight, bits, self._frac[bits]))
        return total

    def hard(self) -> torch.Tensor:
        """[groups, options] one where the logit is largest."""
        found = nn.functional.one_hot(self.logits.detach().argmax(1), len(self.how.options))
        return found.to(self.logits.dtype)

    def expected(self) -> torch.Tensor:
        """Cost of the layer's weights, by the probabilities without noise; differentiable in the logits."""
        each = torch.softmax(self.logits.double(), 1) @ self.table
        return each[self.group].mean() * self.size


@dataclass(frozen=True, eq=False)
class Found:
    """Result of a search.

    Attributes:
        widths: for `quantize.prepare`, in whose training they stay fixed.
        cost: mean cost of a weight with them, in units of the target.
        expected: the same by the probabilities, after each pass over the data.
        losses: mean cross entropy on the validation batches, after each pass.
    """

    widths: Bits
    cost: float
    expected: list[float]
    losses: list[float]


def search(
    model: nn.Module,
    train: tuple[Any, Any],
    validation: tuple[Any, Any],
    how: Search,
    training: Training,
    *,
    keep: Collection[str] = (),
    ties: Sequence[Collection[str]] = (),
    loss: Loss = cross_entropy,
) -> Found:
    """Widths of all groups of a model's weights within a budget.

    Args:
        model: trained; it is not changed.
        train, validation: inputs and labels that weights, and logits, learn from.
        training: of the weights; steps of the logits alternate with them.
        keep: globs of layers that stay as they are and do not count.
        ties: globs or paths of layers that share their logits, e.g. those that share hardware in a ring.

    Raises:
        UnsupportedError: a glob matches nothing, or nothing is left.
        DataError: fewer items than a batch, costs that do not fit the options, or the loss is no longer finite.
    """
    with reproducible(training.seed):
        made = mixed(model, how, keep, ties)
        return _search(made, train, validation, how, training, loss)


def mixed(model: nn.Module, how: Search, keep: Collection[str] = (), ties: Sequence[Collection[str]] = ()) -> nn.Module:
    """A copy whose weights are mixtures, with all widths equally likely; see `search`."""
    model = copy.deepcopy(model)
    layers, shared = matrices(model, keep, "aq_bert"), dict[int, nn.Parameter]()
    for path, layer in layers.items():
        table = how.costs.get(path, how.options)
        if len(table) != len(how.options):
            raise DataError(f"Search.costs[{path!r}]", f"{len(table)} of them", f"one for each of {how.options}")
        at = next((k for k, tie in enumerate(ties) if any(fnmatchcase(path, t) for t in tie)), None)
        count = min(how.groups, len(layer.weight))
        logits = shared.get(at) if at is not None else None
        if logits is None:
            logits = nn.Parameter(torch.zeros(count, len(how.options)))
            if at is not None:
                shared[at] = logits
        if len(logits) != count:
            raise DataError(f"ties of {path!r}", f"{len(layer.weight)} channels", "layers of equal shape")
        made = Choice(how, layer.weight, logits, [float(c) for c in table])
        parametrize.register_parametrization(layer, "weight", made.train(model.training))
    return model


def choices(model: nn.Module) -> dict[str, Choice]:
    """The parametrisation of every layer, by its path."""
    return parametrized(model, Choice)


def _search(model: nn.Module, train: Any, validation: Any, how: Search, training: Training, loss: Loss) -> Found:
    feeds = [batches(*tensors(x, y, training.batch), training.batch, training.shift) for x, y in (train, validation)]
    every = choices(model)
    size = sum(c.size for c in every.values())
    logits = list({id(c.logits): c.logits for c in every.values()}.values())
    weights = [p for p in model.parameters() if not any(p is o for o in logits)] if how.train == "both" else []
    each = len(train[0]) // training.batch
    steps = training.epochs * each
    tune = torch.optim.AdamW(weights, lr=training.rate, weight_decay=training.decay) if weights else None
    schedule = torch.optim.lr_scheduler.OneCycleLR(tune, training.rate, total_steps=steps) if tune else None
    choose = torch.optim.Adam(logits, lr=how.rate, betas=(0.5, 0.999))
    expected, losses, sums = list[float](), list[float](), 0.0
    model.train()
    for step in track(range(steps), "widths"):
        for one in every.values():
            one.tau = how.hot * (how.cold / how.hot) ** (step / max(1, steps - 1))
        if tune is not None and schedule is not None:
            value = loss(model, *next(feeds[0])) + how.lasso * penalty(model)
            tune.zero_grad()
            value.backward()
            tune.step()
            schedule.step()
        own = loss(model, *next(feeds[1]))
        mean = torch.stack([c.expected() for c in every.values()]).sum() / size
        choose.zero_grad()
        (own + how.strength * budget_loss(mean, how)).backward()
        choose.step()
        sums += float(own.detach())
        if (step + 1) % each == 0:
            losses.append(finite(sums / each, "widths"))
            expected.append(float(mean.detach()))
            sums = 0.0
    model.eval()
    picked, cost = settled(every, how)
    options = torch.tensor(how.options)
    return Found({p: options[picked[p]][c.group] for p, c in every.items()}, cost, expected, losses)


def settled(every: Mapping[str, Choice], how: Search) -> tuple[dict[str, torch.Tensor], float]:
    """The option [groups] of each layer, and their mean cost.

    The most likely ones, if their cost is within the band; it need not be although the expected cost is. Else those
    of the largest log p - x c, where x is the least at which the cost is not above the band.
    """
    size = sum(c.size for c in every.values())

    def costs(x: float) -> tuple[dict[str, torch.Tensor], float]:
        found, total = dict[str, torch.Tensor](), 0.0
        for path, c in every.items():
            # Layers that share logits are to make one choice: a cost per weight is the mean over them.
            shared = [o for o in every.values() if o.logits is c.logits]
            table = torch.stack([o.table for o in shared]).mean(0)
            found[path] = (torch.log_softmax(c.logits.detach().double(), 1) - x * table).argmax(1)
            total += float(c.table[found[path]][c.group].mean()) * c.size
        return found, total / size

    picked, cost = costs(0.0)
    if abs(cost - how.target) <= how.band * how.target:
        return picked, cost
    scale = max(max(abs(float(v)) for v in c.table) for c in every.values())
    low, high = -STEEP / scale, STEEP / scale
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if costs(middle)[1] <= (1 + how.band) * how.target else (middle, high)
    return costs(high)


def budget_loss(mean: torch.Tensor, how: Search) -> torch.Tensor:
    """L_size of a mean cost."""
    size = float(mean.detach())
    if size > (1 + how.band) * how.target:
        return torch.log(mean)
    if size < (1 - how.band) * how.target:
        return -torch.log(mean)
    return torch.zeros((), dtype=mean.dtype)


def penalty(model: nn.Module) -> torch.Tensor:
    """Group lasso: sum over all groups of sqrt(|g|) times the norm of its weights, per weight of the model."""
    total, size = torch.zeros(()), 0
    for path, choice in choices(model).items():
        weight = model.get_submodule(path).parametrizations["weight"].original
        squares = torch.zeros(len(choice.logits)).index_add(0, choice.group, weight.square().flatten(1).sum(1))
        each = torch.bincount(choice.group).sqrt() * weight[0].numel() ** 0.5
        # A norm has no gradient at 0.
        total = total + (each * (squares + 1e-12).sqrt()).sum()
        size += weight.numel()
    return total / size


def hardware(
    model: nn.Module,
    pace: Mapping[str, int],
    options: Sequence[int],
    activation: int = 8,
    keep: Collection[str] = (),
) -> dict[str, list[float]]:
    """What a weight costs at each width, in look-up tables by the cost model: a table for `Search.costs`.

    Every layer is a matrix unit of the cheapest folding that keeps up; DSP blocks and memories count as many tables as
    a large device has of them for each (`ops/_memory_cost.py`). A weight's share is proportional; 0 bits are free.

    Args:
        pace: cycles that a token of each layer may take, by path.
        activation: bits of activations.
    """
    found = {}
    for path, layer in matrices(model, keep, "aq_bert.hardware").items():
        outs, size = len(layer.weight), layer.weight.numel()
        found[path] = [
            weigh(least(size // outs, outs, pace[path], b, activation)) / size if b else 0.0 for b in options
        ]
    return found


def uniform(model: nn.Module, bits: int, keep: Collection[str] = ()) -> Bits:
    """The same width for all channels, to compare with."""
    return {p: torch.full((len(m.weight),), bits) for p, m in matrices(model, keep, "aq_bert.uniform").items()}
