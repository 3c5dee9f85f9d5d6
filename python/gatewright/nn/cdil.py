# SPDX-License-Identifier: Apache-2.0
"""Circular dilated convolutions for long sequences (CDIL-CNN), and their gated form.

Cheng, Khalitov, Yu, Zhang, Yang: Classification of long sequential data using circular dilated convolutional neural
networks. Neurocomputing 518 (2023), arXiv 2201.02143. Gates: Dauphin, Fan, Auli, Grangier: Language modeling with
gated convolutional networks. ICML 2017, arXiv 1612.08083.

Every position of the last block sees the whole sequence, so each may vote: the class scores are the mean over all
positions. A block costs the same per position, whatever its dilation, hence n log n for n positions.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

INITIAL = 0.01
"""Standard deviation of initial weights and biases in the paper."""


def depth(length: int) -> int:
    """Blocks with which a kernel of 3 sees `length` positions: floor(log2(length)), as in the paper's time series."""
    return int(math.log2(length))


class DilatedBlock(nn.Module):
    """`y = relu(conv(x)) + res(x)`, or gated `y = a(x) * sigmoid(b(x)) + res(x)`; [N, C, L] to [N, C', L].

    Args:
        ins, outs: channels; `res` is the identity where they are equal, else a convolution with kernel 1.
        dilation: positions between taps; L is to be at least `dilation * (kernel - 1) / 2`.
        kernel: taps, odd.
        circular: the sequence continues periodically; else with zeros (the temporal convolutions of Bai et al., 2018,
            but centred).
        gated: a gated linear unit in place of the ReLU.
        initial: standard deviation of initial weights and biases; None for torch's own, with which few steps of
            training do (and gates, which are linear while everything is small).
    """

    def __init__(
        self,
        ins: int,
        outs: int,
        dilation: int,
        kernel: int = 3,
        circular: bool = True,
        gated: bool = False,
        initial: float | None = INITIAL,
    ) -> None:
        super().__init__()
        mode, reach = "circular" if circular else "zeros", dilation * (kernel - 1) // 2
        conv = nn.Conv1d(ins, outs * (2 if gated else 1), kernel, padding=reach, dilation=dilation, padding_mode=mode)
        self.res = nn.Identity() if ins == outs else nn.Conv1d(ins, outs, 1)
        if initial is not None:
            for value in (*conv.parameters(), *self.res.parameters()):
                nn.init.normal_(value, 0.0, initial)
        self.conv = weight_norm(conv)
        self.act = nn.GLU(dim=1) if gated else nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, ins, L] to [N, outs, L]."""
        found: torch.Tensor = self.act(self.conv(x)) + self.res(x)
        return found


class CDIL(nn.Module):
    """Blocks with dilations 1, 2, 4, .., the mean over positions, and a linear classifier; [N, C, L] to [N, classes].

    Args:
        ins: channels of the input.
        classes: scores.
        hidden: channels of every block.
        blocks: number of blocks; see `depth`.
        kernel, circular, gated, initial: see `DilatedBlock`.
        dilated: False keeps every dilation at 1: the plain network of equal depth that the paper compares with.
    """

    def __init__(
        self,
        ins: int,
        classes: int,
        hidden: int = 32,
        blocks: int = 8,
        kernel: int = 3,
        circular: bool = True,
        gated: bool = False,
        dilated: bool = True,
        initial: float | None = INITIAL,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(
                DilatedBlock(hidden if i else ins, hidden, 2**i if dilated else 1, kernel, circular, gated, initial)
                for i in range(blocks)
            )
        )
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, ins, L] to [N, classes]; L is to be at least `2 ** (blocks - 1)` for kernel 3."""
        scores: torch.Tensor = self.head(self.body(x).mean(dim=2))
        return scores
