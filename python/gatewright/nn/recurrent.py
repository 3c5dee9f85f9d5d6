# SPDX-License-Identifier: Apache-2.0
"""torch.nn.LSTM and torch.nn.GRU as one node each in an exported graph, for sequences of any length.

PyTorch's own calls are traced step by step, which fixes the number of steps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace

import torch
from torch.nn.modules import rnn


@torch.library.custom_op("gatewright::lstm_layers", mutates_args=())
def lstm_layers(
    input: torch.Tensor,
    hx: list[torch.Tensor],
    params: list[torch.Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`torch.lstm`: hidden vectors of every step, last hidden vectors and last cells."""
    options = has_biases, num_layers, dropout, train, bidirectional, batch_first
    y, h, c = torch.ops.aten.lstm.input(input, hx, params, *options)
    # With one step they would be the same memory.
    return y.clone(), h.clone(), c.clone()


@lstm_layers.register_fake
def _(
    input: torch.Tensor,
    hx: list[torch.Tensor],
    params: list[torch.Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return _results(input, hx[0], bidirectional), torch.empty_like(hx[0]), torch.empty_like(hx[1])


@torch.library.custom_op("gatewright::gru_layers", mutates_args=())
def gru_layers(
    input: torch.Tensor,
    hx: torch.Tensor,
    params: list[torch.Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`torch.gru`: hidden vectors of every step, and the last ones."""
    options = has_biases, num_layers, dropout, train, bidirectional, batch_first
    y, h = torch.ops.aten.gru.input(input, hx, params, *options)
    return y.clone(), h.clone()


@gru_layers.register_fake
def _(
    input: torch.Tensor,
    hx: torch.Tensor,
    params: list[torch.Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    return _results(input, hx, bidirectional), torch.empty_like(hx)


def _results(input: torch.Tensor, hx: torch.Tensor, bidirectional: bool) -> torch.Tensor:
    return input.new_empty((*input.shape[:-1], hx.shape[-1] * (2 if bidirectional else 1)))


@contextlib.contextmanager
def as_one_node() -> Iterator[None]:
    """While it lasts, the modules call the operators above. For tracing, in evaluation mode: there is no gradient."""
    # The modules look the functions up in a name of their own, so that no other caller sees the change.
    real = rnn._VF
    rnn._VF = SimpleNamespace(lstm=lstm_layers, gru=gru_layers, rnn_tanh=real.rnn_tanh, rnn_relu=real.rnn_relu)
    try:
        yield
    finally:
        rnn._VF = real
