# SPDX-License-Identifier: Apache-2.0
"""all-MiniLM-L6-v2, pre-trained: sentences to embeddings, with top-30 attention, on one physical encoder layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.examples._base import Array, Example, Study
from gatewright.examples._texts import minilm, movie
from gatewright.frontend import QuantConfig, import_model
from gatewright.frontend.roll import Ring
from gatewright.nn import calibrate_selector

MOST = 128
"""Tokens of the longest sentence that the example's hardware takes."""
CALIBRATION = 32
"""Training sentences that formats and selector thresholds are chosen from."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Sentences(Example):
    """A sentence encoder on movie-review snippets.

    Attributes:
        lengths: of the test sentences, in tokens; the first one of about each length is taken.
        top, bits: keys per query, and bits of the scores that choose them.
        config: number formats.
    """

    lengths: tuple[int, ...]
    top: int
    bits: int
    config: QuantConfig

    def study(self) -> Study:
        import torch

        texts, model = movie(), minilm(self.top, self.bits).eval()
        seen = texts.train[:CALIBRATION]
        calibrate_selector(model, model.batches(seen))
        samples = [np.asarray(i, np.int64) for i in picked(texts.test, self.lengths)]
        imported = import_model(
            model,
            torch.tensor([seen[0]]),
            [np.asarray(i, np.int64) for i in seen],
            config=self.config,
            dynamic={"n": (1, MOST)},
            name=self.name,
        )
        with torch.no_grad():
            real = [model(torch.from_numpy(ids)[None])[0].numpy() for ids in samples]

        def quality(found: Any) -> float:
            return mean_cosine(list(found), real)

        return Study(imported, samples, real, "cosine to float", quality)


def picked(items: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[Sequence[int]]:
    """For each length the first item that is nearest to it."""
    return [min(items, key=lambda item: abs(len(item) - n)) for n in lengths]


def mean_cosine(found: Sequence[Array], real: Sequence[Array]) -> float:
    """Mean cosine of vectors with their counterparts."""
    pairs = zip(found, real, strict=True)
    return float(np.mean([np.dot(f, r) / (np.linalg.norm(f) * np.linalg.norm(r)) for f, r in pairs]))


EXAMPLE = Sentences(
    name="minilm",
    target=6 * 1152 * MOST,
    ring=Ring("layer", sequences=8, group=1),
    stalled=False,
    lengths=(9, 13, 17, 22, 28, 36, 45, 58),
    top=30,
    bits=4,
    config=QuantConfig.transformer(bits=10, tie=("layer.*",)),
)
