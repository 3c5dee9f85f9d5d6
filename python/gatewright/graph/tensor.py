# SPDX-License-Identifier: Apache-2.0
"""Types of the streams between operators."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.errors import DataError, GraphError
from gatewright.fixed import Fixed, Ints


@dataclass(frozen=True)
class Length:
    """A number of tokens known only at run time: `(n + offset) // stride` for a symbol `n`.

    Floor division nests, so any chain of strided windows stays in this one form.

    Attributes:
        name: the symbol.
        minimum, maximum: inclusive bounds of the symbol `n` itself.
        offset, stride: the affine map from `n` to this length.
    """

    name: str
    maximum: int
    minimum: int = 1
    offset: int = 0
    stride: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.maximum:
            raise GraphError(f"length {self.name}", f"bounds {self.minimum}..{self.maximum}", "1 <= min <= max")
        if self.least < 1:
            raise GraphError(
                f"length {self.name}",
                f"{self} is {self.least} at n = {self.minimum}",
                "at least one token",
                "raise the minimum length, or pad the window",
            )

    def at(self, n: int) -> int:
        """Tokens when the symbol is `n`."""
        return (n + self.offset) // self.stride

    @property
    def least(self) -> int:
        """Fewest tokens."""
        return self.at(self.minimum)

    @property
    def most(self) -> int:
        """Most tokens."""
        return self.at(self.maximum)

    def then(self, offset: int, stride: int) -> Length:
        """The length `(self + offset) // stride`."""
        return dataclasses.replace(self, offset=self.offset + offset * self.stride, stride=self.stride * stride)

    def __str__(self) -> str:
        inner = self.name if not self.offset else f"{self.name}{self.offset:+d}"
        return inner if self.stride == 1 else f"({inner})//{self.stride}"


Tokens = int | Length


def most_tokens(tokens: Tokens) -> int:
    """Largest number of tokens."""
    return tokens if isinstance(tokens, int) else tokens.most


def least_tokens(tokens: Tokens) -> int:
    """Smallest number of tokens."""
    return tokens if isinstance(tokens, int) else tokens.least


@dataclass(frozen=True)
class TensorType:
    """Type of an edge: how many tokens, channels per token, and the format of one channel."""

    tokens: Tokens
    channels: int
    fixed: Fixed

    def __str__(self) -> str:
        return f"[{self.tokens}, {self.channels}] {self.fixed}"


def checked_sequence(name: str, kind: TensorType, data: Any) -> Ints:
    """`data` as int64 [tokens, channels] if it is a legal sequence of type `kind`.

    Raises:
        DataError: naming the input, what it has and what is allowed.
    """
    array = np.asarray(data)
    place = f"input {name}"
    if not np.issubdtype(array.dtype, np.integer):
        raise DataError(place, f"dtype {array.dtype}", "integers", "quantise with Design.quantize")
    if array.ndim != 2 or array.shape[1] != kind.channels:
        raise DataError(place, f"shape {array.shape}", f"[tokens, {kind.channels}]")
    least, most = least_tokens(kind.tokens), most_tokens(kind.tokens)
    if not least <= len(array) <= most:
        raise DataError(place, f"{len(array)} tokens", f"{least} to {most} tokens")
    array = array.astype(np.int64)
    if not kind.fixed.contains(array):
        span = f"[{array.min()}, {array.max()}]"
        raise DataError(place, f"values {span}", f"[{kind.fixed.lo}, {kind.fixed.hi}] ({kind.fixed})")
    return array
