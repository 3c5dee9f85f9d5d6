# SPDX-License-Identifier: Apache-2.0
"""What sparse_linear and the sparse convolutions share: which weight is multiplied when, and by which multiplier.

A token comes in `words` beats of `simd * reach` channels, and multiplier s of an output sees channels s * reach to
(s + 1) * reach - 1 of each. A row of the weight store holds, for every output of a fold and every multiplier, one kept
weight and the place of its channel; a fold takes as many rows as its busiest multiplier has weights. Outputs that
are neighbours in a block share places: what any of them keeps, all of them hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import GraphError
from gatewright.fixed import Ints
from gatewright.graph import Folding, Stage
from gatewright.ops._matrix import Matrix

Mask = npt.NDArray[np.bool_]
REACHES = (1, 2, 4, 8, 16)
"""Channels of a beat that a multiplier may choose from; a power of two, so that an index is two fields."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one set of weights.

    Attributes:
        weight: [rows, pe, simd] integers; 0 where a multiplier waits for a busier one.
        place: [rows, sources, simd] channel: beat * reach + channel of what the multiplier sees.
        final: [rows] whether a row ends a fold.
        next: [rows] whether the next row reads the next beat (`shared`).
    """

    weight: Ints
    place: Ints
    final: Mask
    next: Mask


@dataclass(frozen=True, eq=False)
class Sparse:
    """A sparse matrix unit.

    Attributes:
        matrix: integers and formats, one group, zeros where nothing is kept.
        block: neighbouring outputs that share places.
        reach: channels of a beat that a multiplier chooses from.
        shared: all multipliers read the same beat, as N:M patterns allow; else each reads its own.
        others: [out, in] weights in stream order of the other iterations of a loop. Every iteration takes as many rows
            as the one with the most.
    """

    matrix: Matrix
    block: int = 1
    reach: int = 1
    shared: bool = False
    others: tuple[Ints, ...] = ()

    def __post_init__(self) -> None:
        if self.matrix.groups != 1:
            raise GraphError("groups", f"{self.matrix.groups}", "1 in a sparse operator")
        if self.reach not in REACHES:
            raise GraphError("reach", f"{self.reach}", ", ".join(map(str, REACHES)))
        if self.block < 1 or self.matrix.outs % self.block:
            raise GraphError("block", f"{self.block} on {self.matrix.outs} outputs", "a divisor")
        if self.matrix.ins % self.reach:
            raise GraphError("reach", f"{self.reach} on {self.matrix.ins} inputs", "a divisor")

    def check(self, folding: Folding) -> None:
        """Raise GraphError unless `folding` divides this matrix."""
        self.matrix.check(folding)
        if self.matrix.ins % self.lanes(folding):
            problem = f"{folding.simd} x reach {self.reach} does not divide {self.matrix.ins} inputs"
            raise GraphError("simd", problem, "a divisor of them together")
        if folding.tokens != 1:
            raise GraphError("tokens", f"{folding.tokens}", "1 in a sparse operator")

    def foldings(self, lanes: int = 0) -> Iterator[Folding]:
        """Legal foldings, fewest multipliers first; `lanes` are what the operator says, or those of a beat."""
        ins, outs = self.matrix.ins // self.reach, self.matrix.outs
        simds = [d for d in range(1, ins + 1) if ins % d == 0]
        pes = [d for d in range(1, outs + 1) if outs % d == 0]
        options = [Folding(lanes or s * self.reach, s, p) for s in simds for p in pes]
        yield from sorted(options, key=lambda f: (f.simd * f.pe, f.pe))

    def lanes(self, folding: Folding) -> int:
        """Channels per beat."""
        return folding.simd * self.reach

    def words(self, folding: Folding) -> int:
        """Beats per token."""
        return self.matrix.ins // self.lanes(folding)

    def share(self, folding: Folding) -> int:
        """Outputs of a fold that share places."""
        return gcd(self.block, folding.pe)

    def unit(self, folding: Folding) -> Folding:
        """The folding of the multipliers: only outputs that share places can share a multiplier."""
        return folding if self.share(folding) % 2 == 0 else replace(folding, port=0)

    def place_bits(self, folding: Folding) -> int:
        """Bits of an index."""
        beats = 0 if self.shared else (self.words(folding) - 1).bit_length()
        return max(1, beats + (self.reach - 1).bit_length())

    def row_bits(self, folding: Folding) -> int:
        """Bits of a row: weights, places, flags."""
        sources = folding.pe // self.share(folding)
        weights = self.matrix.row_bits(self.unit(folding))
        return weights + sources * folding.simd * self.place_bits(folding) + 1 + self.shared

    def depth(self, folding: Folding) -> int:
        """Rows per token."""
        return max(int(self._steps(k, folding).sum()) for k in range(1 + len(self.others)))

    def stages(self, folding: Folding, need: Ints) -> list[Stage]:
        """Timing when output token j needs the whole of input token need[j].

        Bank full, gather, product, adder tree, accumulator, two steps of rescaling, register slice; and all rows.
        """
        depth = self.depth(folding)
        latency = 6 + self.matrix.levels(self.unit(folding)) + depth
        return [Stage(need, max(depth, self.words(folding)), latency)]

    def rows(self, folding: Folding) -> Rows:
        """The rows of `matrix`, filled up at the end of its last fold where another iteration has more."""
        pe, simd, share = folding.pe, folding.simd, self.share(folding)
        sources, steps = pe // share, self._steps(0, folding)
        depth = self.depth(folding)
        starts = np.cumsum(steps) - steps
        kept = self._kept(0, folding.simd, share)
        group, word, lane, channel = np.nonzero(kept.transpose(0, 2, 1, 3) if not self.shared else kept)
        if not self.shared:
            word, lane = lane, word
        # The how-manieth a weight is for its multiplier, on its beat or in all.
        order = (group * simd + lane) if not self.shared else (group * kept.shape[1] + word) * simd + lane
        rank = np.arange(len(order)) - np.searchsorted(order, order)
        fold = (group * share // pe) if not self.shared else (group * share // pe) * kept.shape[1] + word
        row = starts[fold] + rank
        found = Rows(
            np.zeros((depth, pe, simd), np.int64),
            np.zeros((depth, sources, simd), np.int64),
            np.zeros(depth, np.bool_),
            np.zeros(depth, np.bool_),
        )
        source = group % sources
        found.place[row, source, lane] = word * self.reach + channel
        weight = self._seen(0, simd)
        for p in range(share):
            found.weight[row, source * share + p, lane] = weight[group * share + p, word, lane, channel]
        ends = (np.cumsum(steps) - 1).reshape(-1, kept.shape[1] if self.shared else 1)
        if self.shared:
            found.next[ends[:, :-1].reshape(-1)] = True
        ends[-1, -1] = depth - 1
        found.final[ends[:, -1]] = True
        return found

    def _steps(self, which: int, folding: Folding) -> Ints:
        """Rows of every fold, or with `shared` of every beat of every fold; at least one."""
        load = self._load(which, folding.simd, self.share(folding))
        folds = load.reshape(self.matrix.outs // folding.pe, -1, load.shape[1]).max(axis=1)
        return np.maximum(folds, 1).reshape(-1)

    def _load(self, which: int, simd: int, share: int) -> Ints:
        """[groups of outputs, 1 or beats] weights of the busiest multiplier."""
        key = (which, simd, share)
        if key not in self._loads:
            counts = self._kept(which, simd, share).sum(axis=3)
            busy = counts.max(axis=2) if self.shared else counts.sum(axis=1).max(axis=1)[:, None]
            self._loads[key] = busy.astype(np.int64)
        return self._loads[key]

    @cached_property
    def _loads(self) -> dict[tuple[int, int, int], Ints]:
        return {}

    def _kept(self, which: int, simd: int, share: int) -> Mask:
        """[groups of outputs, words, simd, reach] what any output of a group keeps."""
        seen = self._seen(which, simd) != 0
        return seen.reshape(-1, share, *seen.shape[1:]).any(axis=1)

    def _seen(self, which: int, simd: int) -> Ints:
        """[out, words, simd, reach] weights by multiplier."""
        weight = self.others[which - 1] if which else self.matrix.weight[0]
        return weight.reshape(len(weight), -1, simd, self.reach)


def sampled(rng: np.random.Generator, found: dict[str, Any], reaches: list[int]) -> dict[str, Any]:
    """Zeros at a random density and a random way to find operands; for fuzzing.

    Args:
        found: keyword arguments of an operator, with `weight` [out, ...].
        reaches: to choose from.
    """
    weight = found["weight"]
    block = int(rng.choice([b for b in (1, 1, 2, 4) if len(weight) % b == 0]))
    kept = rng.random((len(weight) // block, *weight.shape[1:])) < rng.choice([0.0, 0.05, 0.3, 0.7, 1.0])
    places = {"block": block, "reach": int(rng.choice(reaches)), "shared": bool(rng.random() < 0.5)}
    return found | places | {"weight": np.where(np.repeat(kept, block, axis=0), weight, 0)}
