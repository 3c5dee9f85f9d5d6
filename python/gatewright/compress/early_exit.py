# SPDX-License-Identifier: Apache-2.0
"""Networks whose easy samples leave early: exits trained together, and what each says about samples.

BranchyNet: Teerapittayanon et al., ICPR 2016. `scheduler.split` chooses thresholds and cuts from what is said here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from gatewright.compress.training import Loss
from gatewright.errors import DataError
from gatewright.scheduler.sites import Exit


class EarlyExits(nn.Module):
    """Blocks in a row with a classifier behind some of them; the result is the list of all scores, the end last.

    Args:
        blocks: in order; the last one gives scores.
        heads: classifiers by the index of the block that they stand behind.

    Raises:
        DataError: a head behind no block, or behind the last one.
    """

    def __init__(self, blocks: Sequence[nn.Module], heads: Mapping[int, nn.Module]) -> None:
        super().__init__()
        wrong = [i for i in heads if not 0 <= i < len(blocks) - 1]
        if wrong:
            raise DataError("exits", f"behind blocks {wrong}", f"0 to {len(blocks) - 2}: the last block is an exit")
        self.blocks = nn.ModuleList(blocks)
        self.heads = nn.ModuleDict({str(i): heads[i] for i in sorted(heads)})

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if str(index) in self.heads:
                found.append(self.heads[str(index)](x))
        return [*found, x]

    @property
    def places(self) -> list[int]:
        """Blocks behind which there is an exit."""
        return [int(i) for i in self.heads]

    def path(self, blocks: int, head: bool = False) -> nn.Sequential:
        """The first blocks as a network of its own, with the classifier behind them if there is to be one."""
        return nn.Sequential(*self.blocks[:blocks], *([self.heads[str(blocks - 1)]] if head else [])).eval()

    def paths(self) -> list[nn.Sequential]:
        """The network up to each exit, and to the end."""
        return [*(self.path(i + 1, True) for i in self.places), self.path(len(self.blocks))]


def joint(weights: Sequence[float]) -> Loss:
    """The weighted sum of the cross entropies of all exits, the end last: a loss for `training.train`.

    Args:
        weights: one per exit and one for the end; the paper gives early exits more, or all 1.

    Raises:
        DataError: as many weights as exits are needed.
    """

    def loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        scores = model(x)
        if len(scores) != len(weights):
            raise DataError("exits", f"{len(weights)} weights", f"{len(scores)}, one per exit and the end")
        return torch.stack([w * nn.functional.cross_entropy(s, y) for w, s in zip(weights, scores, strict=True)]).sum()

    return loss


@dataclass(frozen=True, eq=False)
class Said:
    """What a classifier says about samples.

    Attributes:
        entropy: [N] -sum p ln p of its probabilities, in nats.
        right: [N] whether its label is right.
    """

    entropy: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, scores: Any, labels: Any) -> Said:
        """From scores [N, classes] before softmax, of a float model or a compiled one, and labels [N]."""
        chances = torch.softmax(torch.as_tensor(np.asarray(scores), dtype=torch.float64), dim=1)
        entropy = torch.special.entr(chances).sum(dim=1).numpy()
        return cls(entropy, np.asarray(scores).argmax(axis=1) == np.asarray(labels))

    def exit(self, name: str, after: str, seconds: tuple[float, ...]) -> Exit:
        """As the scheduler takes it, with six decimals; see `gatewright.scheduler.sites.Exit`."""
        return Exit(name, after, seconds, tuple(np.round(self.entropy, 6).tolist()), tuple(self.right.tolist()))


@dataclass(frozen=True)
class Left:
    """What thresholds do to samples: `shares` that leave at each exit and the end, and `accuracy` over all."""

    shares: tuple[float, ...]
    accuracy: float


def leave(said: Sequence[Said], thresholds: Sequence[float]) -> Left:
    """Let each sample leave at the first exit whose entropy is at most its threshold.

    Args:
        said: by each exit and the end.
        thresholds: one per exit, in nats.

    Raises:
        DataError: one threshold per exit is needed.
    """
    if len(thresholds) != len(said) - 1:
        raise DataError("thresholds", f"{len(thresholds)}", f"{len(said) - 1}, one per exit before the end")
    goes = np.stack([*(s.entropy <= t for s, t in zip(said[:-1], thresholds, strict=True)), said[-1].entropy >= 0])
    # Rounding may make an entropy of zero negative: nobody goes on behind the end.
    goes[-1] = True
    at = goes.argmax(axis=0)
    right = np.stack([s.right for s in said])[at, np.arange(len(at))]
    return Left(tuple(float((at == k).mean()) for k in range(len(said))), float(right.mean()))
