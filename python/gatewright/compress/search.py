# SPDX-License-Identifier: Apache-2.0
"""Differentiable search: which comparisons of a network are worth what they cost two parties.

Every ReLU stands beside an X2act and every maximum pooling beside an average pooling, mixed by `softmax(alpha)`
(DARTS: Liu et al., arXiv 1806.09055). Weights are trained on one half of the data, the alphas on the other, with the
expected latency in the loss (PASNet, arXiv 2306.15513):

    CE + weight * sum over sites of softmax(alpha) . seconds

In the end each site keeps its likeliest choice, and the network is trained anew or further.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from gatewright.compress.polynomial import average, x2act
from gatewright.compress.sites import Site, chosen, exchanged, sites
from gatewright.compress.training import Loss, batches, cross_entropy, finite, reproducible, tensors
from gatewright.errors import DataError
from gatewright.progress import track

CHOICES = {"relu": ("relu", "x2act"), "max_pool": ("max_pool", "average_pool")}
"""Per kind of site what it may become; the first is what it is."""

Table = Mapping[str, Mapping[str, float]]
"""Path of a site and a choice to its latency, in any unit."""


def latencies(found: Iterable[Site], model: Callable[[Site, str], float]) -> dict[str, dict[str, float]]:
    """The table of a latency model: of a site and one of its choices."""
    return {s.path: {c: model(s, c) for c in CHOICES[s.kind]} for s in found}


class Gate(nn.Module):
    """Several layers for one place: `sum_k softmax(alpha)_k layer_k(x)`; alpha starts at 0."""

    def __init__(self, choices: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.choices = nn.ModuleDict(choices)
        self.alpha = nn.Parameter(torch.zeros(len(choices)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        chances = torch.softmax(self.alpha, 0)
        return torch.stack([p * layer(x) for p, layer in zip(chances, self.choices.values(), strict=True)]).sum(0)

    @property
    def chances(self) -> dict[str, float]:
        """Of each choice."""
        return dict(zip(self.choices, torch.softmax(self.alpha.detach(), 0).tolist(), strict=True))

    @property
    def best(self) -> str:
        """The likeliest choice; the first of equal ones."""
        return list(self.choices)[int(self.alpha.argmax())]


@dataclass(frozen=True)
class Search:
    """How a search is done; the defaults are those of PASNet's code, but for `alpha_rate`.

    Attributes:
        weight: lambda, loss in nats per unit of the latency table.
        epochs, batch, shift, seed: as in `training.Training`; a pass is one over half of the data.
        rate, last_rate, momentum, decay, clip: SGD of the weights, with a cosine from `rate` to `last_rate`.
        alpha_rate, alpha_decay: Adam of the alphas, betas 0.5 and 0.999. PASNet has 3e-4 and hundreds of epochs.
        second_order: an alpha's gradient looks one step of the weights ahead (see `alpha_gradient`).
    """

    weight: float
    epochs: int = 10
    batch: int = 64
    shift: int = 0
    seed: int = 0
    rate: float = 0.025
    last_rate: float = 0.001
    momentum: float = 0.9
    decay: float = 3e-4
    clip: float = 5.0
    alpha_rate: float = 0.03
    alpha_decay: float = 1e-3
    second_order: bool = True


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes:
        model: with the likeliest choices, weights as they were in the end.
        choices: of each site.
        chances: of every choice of each site, in the end.
        losses: mean loss of the weights' half, latency not included, per epoch.
    """

    model: nn.Module
    choices: dict[str, str]
    chances: dict[str, dict[str, float]]
    losses: list[float]


def supernet(
    model: nn.Module, example: Any, *, c: float = 1.0, start: str = "stpai", keep: Collection[str] = ()
) -> Any:
    """A copy of a model with a `Gate` at every site.

    Args:
        example, c, start, keep: as in `polynomial.replace`.

    Raises:
        UnsupportedError: as there.
    """
    made = {}
    for site in chosen(sites(model, example), keep, "supernet"):
        other = x2act(site, c, start) if site.kind == "relu" else average(model, site)
        layers = (model.get_submodule(site.path), other)
        made[site.path] = Gate(dict(zip(CHOICES[site.kind], layers, strict=True)))
    return exchanged(model, made).train(model.training)


def gates(model: nn.Module) -> dict[str, Gate]:
    """Every gate by its path."""
    return {path: m for path, m in model.named_modules() if isinstance(m, Gate)}


def freeze(model: nn.Module, choices: Mapping[str, str] | None = None) -> nn.Module:
    """A copy in which each gate is its likeliest choice, or the one given for its path."""
    picked = choices or {}
    return exchanged(model, {p: g.choices[picked.get(p, g.best)] for p, g in gates(model).items()})


def expected(found: Mapping[str, Gate], table: Table) -> torch.Tensor:
    """Expected latency of all gates together, in the table's unit.

    Raises:
        DataError: the table lacks a gate or a choice.
    """
    total = torch.zeros(())
    for path, gate in found.items():
        row = table.get(path, {})
        if set(row) != set(gate.choices):
            raise DataError(f"latency of {path or 'model'}", f"{sorted(row)}", ", ".join(gate.choices))
        total = total + torch.softmax(gate.alpha, 0) @ torch.tensor([row[c] for c in gate.choices])
    return total


def search(
    model: nn.Module, x: Any, y: Any, table: Table, options: Search, loss: Loss = cross_entropy, label: str = "search"
) -> Found:
    """Train the gates of a supernet, and take the likeliest choices.

    Args:
        model: from `supernet`; trained in place.
        x, y: inputs [N, ...] and labels [N]; half of them train weights, half the gates.
        table: latencies of every gate's choices, see `latencies`.
        loss: of the weights, and without the latency of the alphas.

    Raises:
        DataError: there are no gates, the table lacks one, less data than two batches, or the loss diverged.
    """
    switches = gates(model)
    if not switches:
        raise DataError("search", "the model has no gates", "a model from `supernet`")
    expected(switches, table)
    inputs, labels = tensors(x, y, 2 * options.batch)
    with reproducible(options.seed):
        losses = _searched(model, inputs, labels, table, options, loss, label)
    model.eval()
    choices = {p: g.best for p, g in switches.items()}
    return Found(freeze(model), choices, {p: g.chances for p, g in switches.items()}, losses)


def _searched(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, table: Table, options: Search, loss: Loss, label: str
) -> list[float]:
    weights, alphas = parameters(model)
    sgd = torch.optim.SGD(weights, options.rate, options.momentum, weight_decay=options.decay)
    adam = torch.optim.Adam(alphas, options.alpha_rate, (0.5, 0.999), weight_decay=options.alpha_decay)
    order = torch.randperm(len(x))
    ours, theirs = order[: len(x) // 2], order[len(x) // 2 :]
    feed = batches(x[ours], y[ours], options.batch, options.shift)
    judged = batches(x[theirs], y[theirs], options.batch, options.shift)
    each = len(ours) // options.batch
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, options.epochs * each, options.last_rate)
    found, total = [], 0.0
    model.train()

    for step in track(range(options.epochs * each), label):
        batch, held = next(feed), next(judged)
        rate = float(sgd.param_groups[0]["lr"]) if options.second_order else 0.0
        training = partial(loss, model, *batch)
        wanted = alpha_gradient(weights, alphas, training, partial(_objective, model, held, table, options, loss), rate)
        _step(adam, alphas, wanted)
        value = training()
        slopes = torch.autograd.grad(value, weights)
        _step(sgd, weights, slopes, options.clip)
        cosine.step()
        total += float(value.detach())
        if (step + 1) % each == 0:
            found.append(finite(total / each, label))
            total = 0.0
    return found


def _objective(
    model: nn.Module, held: tuple[torch.Tensor, torch.Tensor], table: Table, options: Search, loss: Loss
) -> torch.Tensor:
    return loss(model, *held) + options.weight * expected(gates(model), table)


def _step(
    optimizer: torch.optim.Optimizer,
    parameters: Sequence[nn.Parameter],
    slopes: Sequence[torch.Tensor],
    clip: float = float("inf"),
) -> None:
    for parameter, slope in zip(parameters, slopes, strict=True):
        parameter.grad = slope
    nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()


def parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Weights that are trained, and alphas."""
    alphas = [g.alpha for g in gates(model).values()]
    known = {id(a) for a in alphas}
    return [p for p in model.parameters() if p.requires_grad and id(p) not in known], alphas


def alpha_gradient(
    weights: Sequence[nn.Parameter],
    alphas: Sequence[nn.Parameter],
    training: Callable[[], torch.Tensor],
    objective: Callable[[], torch.Tensor],
    rate: float,
) -> list[torch.Tensor]:
    """Gradient for alphas of `objective(w - rate * d training(w)/dw)`: DARTS's bilevel step; first order at rate 0.

    With w' the moved weights it is `d_alpha objective(w') - rate * d_alpha d_w training(w) . d_w' objective(w')`; the
    product with the mixed second derivative is a central difference of `d_alpha training` along `d_w' objective`.
    Losses are functions of the current values; weights are as before in the end.
    """
    if not rate:
        return list(torch.autograd.grad(objective(), alphas))
    before = [w.detach().clone() for w in weights]
    steps = torch.autograd.grad(training(), weights)
    _move(weights, before, steps, -rate)
    found = torch.autograd.grad(objective(), [*alphas, *weights])
    direct, ahead = found[: len(alphas)], found[len(alphas) :]
    norm = torch.sqrt(sum((a.square().sum() for a in ahead), torch.zeros(())))
    # DARTS's choice, relative to the direction's length.
    reach = 0.01 / max(float(norm), 1e-12)
    sides = []
    for sign in (1.0, -1.0):
        _move(weights, before, ahead, sign * reach)
        sides.append(torch.autograd.grad(training(), alphas))
    _move(weights, before, ahead, 0.0)
    return [d - rate * (p - m) / (2 * reach) for d, p, m in zip(direct, *sides, strict=True)]


def _move(
    weights: Sequence[nn.Parameter], before: Sequence[torch.Tensor], steps: Sequence[torch.Tensor], factor: float
) -> None:
    with torch.no_grad():
        for weight, old, step in zip(weights, before, steps, strict=True):
            weight.copy_(old + factor * step)
