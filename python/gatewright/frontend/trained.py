# SPDX-License-Identifier: Apache-2.0
"""Weights that a quantizer has put on a grid: taken as they are, or refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gatewright.errors import UnsupportedError
from gatewright.frontend.config import BITS, QuantConfig
from gatewright.frontend.imported import Imported


@dataclass(frozen=True)
class TrainedWeights:
    """Module paths whose weights came from a quantizer, with its bits."""

    bits: Mapping[str, int]

    def configured(self, config: QuantConfig) -> QuantConfig:
        """The choices with these weights in their own widths, where they are wider; overrides of the user win."""
        wide = {p: {"weight_bits": b} for p, b in self.bits.items() if b in BITS and b > config.weight_bits}
        return dataclasses.replace(config, overrides={**wide, **config.overrides}) if wide else config

    def checked(self, found: Imported) -> Imported:
        """The graph, if it holds these weights exactly.

        Raises:
            UnsupportedError: it does not; names all of them.
        """
        problems = []
        for node in found.raw.nodes:
            error = found.references[node.name].errors.get("weight")
            if node.origin in self.bits and error is not None and np.any(error):
                problems.append(f"{node.origin} ({self.bits[node.origin]} bits)")
        if problems:
            raise UnsupportedError(
                "weights",
                f"quantized ones are on no power-of-two grid of their width: {', '.join(problems)}",
                f"power-of-two scales, at most {BITS[-1]} bits, batch normalisation merged before training",
                "merge and train again, or pass recalibrate=True",
            )
        return found
