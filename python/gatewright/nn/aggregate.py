# SPDX-License-Identifier: Apache-2.0
"""Aggregation over the edges of a graph, one node in an exported program: `A X` with a constant sparse A."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gatewright.errors import DataError

NORMALISATIONS = ("symmetric", "mean", "sum")


@torch.library.custom_op("gatewright::aggregate", mutates_args=())
def aggregate(
    x: torch.Tensor,
    starts: torch.Tensor,
    sources: torch.Tensor,
    coefficients: torch.Tensor,
    capacity: int,
    degree: int,
) -> torch.Tensor:
    """[..., nodes, channels]: at each node the sum of `coefficients` times what is at the sources of its edges.

    Edges are ordered by the node where they end: `starts` [nodes + 1], `sources` and `coefficients` [edges].
    """
    targets = _targets(starts)
    return torch.zeros_like(x).index_add(-2, targets, x.index_select(-2, sources) * coefficients[:, None])


@aggregate.register_fake
def _(x: torch.Tensor, *_: Any) -> torch.Tensor:
    return torch.empty_like(x)


def _targets(starts: torch.Tensor) -> torch.Tensor:
    """[edges] node where each ends."""
    return torch.repeat_interleave(torch.arange(len(starts) - 1), starts.diff())


def _save(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    x, starts, sources, coefficients = ctx.saved_tensors
    at_ends = grad.index_select(-2, _targets(starts))
    into = torch.zeros_like(x).index_add(-2, sources, at_ends * coefficients[:, None])
    each = (at_ends * x.index_select(-2, sources)).flatten(0, -3) if x.ndim > 2 else at_ends * x[sources]
    return into, None, None, each.sum(dim=-1).reshape(-1, len(sources)).sum(0), None, None


aggregate.register_autograd(_backward, setup_context=_save)


class Aggregate(nn.Module):
    """`A X` for the features X [.., nodes, channels] of a graph's nodes; the middle of a graph convolution.

    A graph convolution (Kipf and Welling, ICLR 2017, arXiv 1609.02907) is `nn.Linear` and this, in either order: behind
    the linear layer it moves as many channels as that puts out.

    Args:
        edges: [2, edges] node numbers, (from, to); an undirected graph has both directions.
        nodes: of the graph.
        normalisation: "symmetric" D^-1/2 A D^-1/2, "mean" D^-1 A, or "sum" A, with the degrees D = A 1.
        self_loops: every node has an edge to itself of weight 1, in D too; nodes without edges give 0 else.
        weights: [edges] of A before normalisation; ones by default. Those of equal edges are added.
        capacity, degree: edges, and edges that end at one node, that hardware is to have room for; 0 for this graph's.

    Raises:
        DataError: a node number, weight or name is not allowed.
    """

    starts: torch.Tensor
    sources: torch.Tensor
    coefficients: torch.Tensor

    def __init__(
        self,
        edges: Any,
        nodes: int,
        normalisation: str = "symmetric",
        self_loops: bool = True,
        weights: Any = None,
        capacity: int = 0,
        degree: int = 0,
    ) -> None:
        super().__init__()
        if normalisation not in NORMALISATIONS:
            raise DataError("Aggregate.normalisation", f"{normalisation!r}", ", ".join(NORMALISATIONS))
        index = torch.as_tensor(edges).long().reshape(2, -1)
        if nodes < 1 or (index.numel() and not 0 <= int(index.min()) <= int(index.max()) < nodes):
            raise DataError("Aggregate.edges", f"nodes {index.flatten().tolist()[:6]}..", f"0 to {nodes - 1}")
        value = torch.ones(index.shape[1]) if weights is None else torch.as_tensor(weights).float()
        if value.shape != index.shape[1:]:
            raise DataError(
                "Aggregate.weights", f"shape {list(value.shape)}", f"one for each of {index.shape[1]} edges"
            )
        if self_loops:
            loop = torch.arange(nodes)
            index, value = torch.cat([index, torch.stack([loop, loop])], 1), torch.cat([value, torch.ones(nodes)])
        self.normalisation, self.nodes, self.capacity, self.degree = normalisation, nodes, capacity, degree
        # Ordered by the node where an edge ends; equal ones become one.
        keys, place = torch.unique(index[1] * nodes + index[0], return_inverse=True)
        targets, sources = keys // nodes, keys % nodes
        value = _normalised(torch.zeros(len(keys)).index_add(0, place, value), targets, sources, nodes, normalisation)
        counts = torch.bincount(targets, minlength=nodes)
        self.register_buffer("starts", torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)]))
        self.register_buffer("sources", sources)
        self.register_buffer("coefficients", value)

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"{self.nodes} nodes, {len(self.sources)} edges, {self.normalisation}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[.., nodes, channels] to the same."""
        if x.shape[-2] != self.nodes:
            raise DataError("Aggregate", f"{x.shape[-2]} nodes", f"the {self.nodes} of the graph")
        return aggregate(x, self.starts, self.sources, self.coefficients, self.capacity, self.degree)


def _normalised(
    value: torch.Tensor, targets: torch.Tensor, sources: torch.Tensor, nodes: int, how: str
) -> torch.Tensor:
    """[edges] coefficients of edges with weights `value`."""
    if how == "sum":
        return value
    degrees = torch.zeros(nodes).index_add(0, targets, value)
    product = degrees[targets] * (degrees[sources] if how == "symmetric" else degrees[targets])
    if bool((product <= 0).any()):
        raise DataError("Aggregate.weights", "a degree that is not positive", "weights with positive sums per node")
    return value / product.sqrt()
