# SPDX-License-Identifier: Apache-2.0
"""Codecs, files, and a bound that can fail."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from frontend.nets import Mixed, noise, seeded
from torch import nn

from gatewright.errors import DataError
from gatewright.frontend import Imported, QuantConfig, files, import_model, observe
from gatewright.graph import Graph


@pytest.fixture(scope="module")
def mixed() -> Imported:
    return import_model(seeded(Mixed), noise(1, 1, 7, 7), noise(40, 1, 7, 7), name="mixed")


def test_file_round_trip(mixed: Imported, tmp_path: Path) -> None:
    mixed.save(tmp_path / "mixed.npz")
    again = Imported.load(tmp_path / "mixed.npz")
    x = noise(6, 1, 7, 7)
    assert str(again.graph) == str(mixed.graph) and str(again.raw) == str(mixed.raw)
    assert np.array_equal(again.run(x), mixed.run(x))
    assert all(np.array_equal(a, b) for a, b in zip(again.bound(x)[1], mixed.bound(x)[1], strict=True))
    with pytest.raises(DataError, match="the float model is not stored in the file"):
        again.compare(x)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing.npz: cannot be read"):
        Imported.load(tmp_path / "missing.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(DataError, match="a file written by Imported.save"):
        Imported.load(tmp_path / "other.npz")


def test_encode_rounds_and_saturates(mixed: Imported) -> None:
    fixed = mixed.input_type.fixed
    low, high = mixed.encode(np.stack([np.full((1, 7, 7), v) for v in (-1e9, 1e9)]))
    assert (low == fixed.lo).all() and (high == fixed.hi).all()


def test_encode_names_what_is_wrong(mixed: Imported) -> None:
    with pytest.raises(DataError, match=r"batch item 0: shape \[7, 7\]\n  supported: \[1, 7, 7\] per item"):
        mixed.encode(np.zeros((2, 7, 7)))
    with pytest.raises(DataError, match="batch item 1: 49 values are NaN or infinite"):
        mixed.encode(np.stack([np.zeros((1, 7, 7)), np.full((1, 7, 7), np.nan)]))


def test_lists_of_items_and_arrays_are_one(mixed: Imported) -> None:
    x = noise(3, 1, 7, 7)
    assert np.array_equal(mixed.run(x), mixed.run(list(x.numpy())))


@pytest.mark.parametrize("attribute", ["weight", "bias", "shift"])
def test_a_wrong_constant_breaks_the_bound(attribute: str) -> None:
    """The tolerance comes from formats, so a fault in the lowering shows."""
    model = seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    found = import_model(model, noise(1, 4), noise(40, 4))
    assert found.compare(noise(20, 4)).holds
    node = found.raw.nodes[0]
    values = getattr(node.op, attribute)
    wrong = values[::-1].copy() if attribute == "weight" else values + (1 if attribute == "shift" else 4000)
    op = dataclasses.replace(node.op, **{attribute: wrong})  # type: ignore[type-var]
    raw = dataclasses.replace(found.raw, nodes=(dataclasses.replace(node, op=op), *found.raw.nodes[1:]))
    assert isinstance(raw, Graph)
    seen = dataclasses.replace(found, raw=raw).compare(noise(20, 4))
    assert not seen.holds and seen.layers["linear"][2] > 1


def test_a_wrong_layout_breaks_the_meaning() -> None:
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten(), nn.Linear(18, 3)))
    found = import_model(model, noise(1, 1, 4, 4), noise(40, 1, 4, 4))
    reference = found.references["linear"]
    shuffled = dataclasses.replace(
        reference,
        constants={"weight": reference.constants["weight"][:, ::-1], "bias": reference.constants["bias"]},
    )
    seen = dataclasses.replace(found, references={**found.references, "linear": shuffled}).compare(noise(3, 1, 4, 4))
    assert not seen.holds and seen.meaning > 1e-3


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (-128, 127, "int8"),
        (-1, 128, "int16"),
        (0, 255, "int16"),
        (-129, 0, "int16"),
        (0, 2**31, "int64"),
        (-0.5, 0.1, "float64"),
        (-0.5, 0.25, "float32"),
        (0.0, 1e300, "float64"),
    ],
)
def test_files_hold_the_narrowest_type(low: float, high: float, kind: str) -> None:
    values = np.array([low, high])
    stored = files.narrow(values)
    assert stored.dtype == kind
    again = files.wide(stored)
    assert again.dtype == values.dtype and np.array_equal(again, values)


def test_one_calibration_run_serves_many_choices() -> None:
    model, data = seeded(Mixed), noise(9, 1, 7, 7)
    seen = observe(model, data[:1], data)
    for config in (QuantConfig(), QuantConfig(activation_bits=5, method="range")):
        whole = import_model(model, data[:1], data, config=config, name="mixed")
        assert str(seen.quantized(config, "mixed").graph) == str(whole.graph)
