# SPDX-License-Identifier: Apache-2.0
"""Additive shares of values that are in one place."""

from __future__ import annotations

import secrets

import numpy as np
import numpy.typing as npt

from gatewright.fixed import Ints
from gatewright.secure.words import Words, reduced, signed, to_words


def share(values: npt.ArrayLike, word: int) -> tuple[Words, Words]:
    """Two arrays of words, each uniform on its own, that add up to `values` modulo 2**word."""
    whole = to_words(values, word)
    first = np.frombuffer(secrets.token_bytes(whole.nbytes), whole.dtype).reshape(whole.shape)
    return first, whole - first


def reconstruct(first: Words, second: Words, bits: int) -> Ints:
    """The signed integers that two shares modulo 2**bits add up to."""
    return signed(reduced(first + second, bits), bits)
