# SPDX-License-Identifier: Apache-2.0
"""Labelled time series that the package aeon ships, read from its archive; nothing of it is installed or imported."""

from __future__ import annotations

import zipfile
from functools import cache

import numpy as np
import numpy.typing as npt

from gatewright.examples._texts import Package

AEON = Package("aeon==1.6.0", "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409")
"""BSD-3; OSULeaf and others come from the UCR archive."""
Part = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


@cache
def load(name: str) -> tuple[Part, Part]:
    """Training and test part of a data set of equally long series with one channel: ([N, 1, L], [N]) each."""
    with zipfile.ZipFile(AEON.archive()) as archive:
        texts = [archive.read(f"aeon/datasets/data/{name}/{name}_{part}.ts").decode() for part in ("TRAIN", "TEST")]
    lines = [[s for s in t.splitlines() if s and s[0] not in "#@"] for t in texts]
    classes = sorted({s.rsplit(":", 1)[1] for s in lines[0]})
    train, test = (
        (
            np.array([[[float(v) for v in s.rsplit(":", 1)[0].split(",")]] for s in part], np.float32),
            np.array([classes.index(s.rsplit(":", 1)[1]) for s in part], np.int64),
        )
        for part in lines
    )
    return train, test
