# SPDX-License-Identifier: Apache-2.0
"""A network that simulates in seconds: two linear layers over sequences of 2 to 9 tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

import gatewright as gw
from gatewright.design import Design

LEAST, MOST = 2, 9
Item = npt.NDArray[np.float32]


def items(lengths: list[int], seed: int = 0) -> list[Item]:
    """Random sequences [tokens, 6]."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, (n, 6)).astype(np.float32) for n in lengths]


LENGTHS = [2, 9, 5, 3, 9, 2, 7]
ITEMS = items(LENGTHS)


def design(board: str, sign: int = 1) -> Design:
    """The network for a board; with another sign of its last layer it has other weights and the same hardware."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    with torch.no_grad():
        for parameter in model[2].parameters():
            parameter *= sign
    seen = items([LEAST, MOST, 4, 5], seed=9)
    found: Design = gw.compile(
        model, torch.from_numpy(seen[3])[None], seen, dynamic={"n": (LEAST, MOST)}, board=board, name="tiny", target=600
    )
    return found


def built(board: str, folder: Path, sign: int = 1) -> Path:
    """A build for the simulated device."""
    design(board, sign).build(folder, tool="sim")
    return folder
