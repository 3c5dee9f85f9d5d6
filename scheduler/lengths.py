# SPDX-License-Identifier: Apache-2.0
"""How long sequences are: distinct lengths and how likely each is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.errors import DataError

FORMS = "samples [5, 9, 9], or a histogram {5: 1, 9: 2}"


@dataclass(frozen=True)
class Lengths:
    """A distribution of sequence lengths.

    Attributes:
        values: distinct lengths in tokens, rising.
        weights: probability of each; they sum to 1.
    """

    values: tuple[int, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.values, self.values[1:], strict=False))
        if not self.values or self.values[0] < 1 or not rising or len(self.values) != len(self.weights):
            raise DataError("lengths", f"values {self.values[:6]}", "rising lengths from 1 on, each with a weight")
        if min(self.weights) < 0 or abs(sum(self.weights) - 1) > 1e-6:
            raise DataError("lengths.weights", f"sum {sum(self.weights):g}", "probabilities that sum to 1")

    @staticmethod
    def of(given: Lengths | Mapping[Any, float] | Iterable[int]) -> Lengths:
        """From samples, or from a histogram of length to count.

        Raises:
            DataError: nothing is given, or a length or count is not a positive number.
        """
        if isinstance(given, Lengths):
            return given
        try:
            counts = dict(given) if isinstance(given, Mapping) else Counter(given)
            pairs = sorted((int(k), float(v)) for k, v in counts.items() if v)
        except (TypeError, ValueError) as error:
            raise DataError("lengths", str(error), FORMS) from None
        total = sum(v for _, v in pairs)
        if not pairs or pairs[0][0] < 1 or min(v for _, v in pairs) < 0:
            raise DataError("lengths", f"{dict(pairs[:4])}", FORMS)
        return Lengths(tuple(k for k, _ in pairs), tuple(v / total for _, v in pairs))

    @property
    def mean(self) -> float:
        """Tokens of a sequence on average."""
        return self.expectation(self.values)

    def expectation(self, figures: Sequence[float]) -> float:
        """Mean of a figure that is known for each length."""
        return float(np.dot(self.weights, figures))

    def at_mean(self, figures: Sequence[float]) -> float:
        """A figure at the mean length, linear between the lengths."""
        return float(np.interp(self.mean, self.values, figures))

    def condensed(self, most: int) -> Lengths:
        """At most `most` lengths: neighbours of about equal probability in all become their rounded mean.

        The mean length moves by less than one token.
        """
        if len(self.values) <= most:
            return self
        middle = np.cumsum(self.weights) - np.asarray(self.weights) / 2
        bins = np.minimum((middle * most).astype(int), most - 1)
        counts: dict[int, float] = {}
        for one in np.unique(bins):
            weights = np.where(bins == one, self.weights, 0.0)
            if weights.sum():
                value = round(float(weights @ np.asarray(self.values)) / float(weights.sum()))
                counts[value] = counts.get(value, 0.0) + float(weights.sum())
        return Lengths.of(counts)

    def as_json(self) -> dict[str, float]:
        """Length (as text, JSON has no other keys) to probability; `of` reads it."""
        return {str(k): w for k, w in zip(self.values, self.weights, strict=True)}
