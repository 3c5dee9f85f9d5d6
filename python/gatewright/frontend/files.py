# SPDX-License-Identifier: Apache-2.0
"""Arrays in one .npz file: int64 and float64, stored in the narrowest type that holds them exactly."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gatewright.frontend.program import Array

LEVEL = 1
"""Of compression: weights hardly shrink further, and higher levels take several times as long."""


def write(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as file:
        for name, array in arrays.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.save(entry, narrow(array), allow_pickle=False)


def read(path: str | Path) -> dict[str, Array]:
    """Inverse of `write`; nothing in the file is executed."""
    with np.load(path, allow_pickle=False) as file:
        return {k: wide(file[k]) for k in file.files}


def narrow(array: Array) -> Array:
    """The same values in the narrowest type of their kind."""
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            single = array.astype(np.float32)
        return single if np.array_equal(single.astype(np.float64), array) else array
    if array.dtype.kind != "i" or not array.size:
        return array
    # A signed type reaches from -1 - x to x.
    return array.astype(np.min_scalar_type(min(int(array.min()), -1 - int(array.max()))))


def wide(array: Array) -> Array:
    """Inverse of `narrow` for int64 and float64; other kinds stay as they are."""
    kinds = {"f": np.float64, "i": np.int64}
    return array.astype(kinds[array.dtype.kind]) if array.dtype.kind in kinds else array
