# SPDX-License-Identifier: Apache-2.0
"""The search over bits finds the cheapest choice where losses add up, and repairs it where they do not."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.errors import CalibrationError
from gatewright.frontend import QuantConfig, import_model
from gatewright.frontend.search_bits import multiplier_bits, search_bits, search_transformer
from gatewright.nn.bert import BertEncoder

CLASSES = {"a": (12, 10, 8, 6), "b": (12, 10, 8, 6), "c": (16, 14)}
PRICE = {"a": 5.0, "b": 1.0, "c": 0.1}
HURT = {"a": 1.0, "b": 4.0, "c": 0.01}


def additive(bits: Mapping[str, int]) -> tuple[float, float]:
    loss = sum(HURT[n] * 4.0**-w for n, w in bits.items())
    return 1 - loss, sum(PRICE[n] * w for n, w in bits.items())


def interacting(bits: Mapping[str, int]) -> tuple[float, float]:
    quality, cost = additive(bits)
    both = bits["a"] < 12 and bits["b"] < 12
    return quality - (1e-4 if both else 0.0), cost


@pytest.mark.parametrize("target", [1 - 1e-3, 1 - 1e-4, 1 - 2e-5, 1 - 2e-6])
def test_additive_losses_give_the_cheapest_choice(target: float) -> None:
    found = search_bits(additive, target, CLASSES)
    choices = [dict(zip(CLASSES, widths, strict=True)) for widths in itertools.product(*CLASSES.values())]
    least = min(cost for quality, cost in map(additive, choices) if quality >= target)
    assert found.best.cost == least and found.best.quality >= target
    assert len(found.checked) == 1 and found.widest.bits == {"a": 12, "b": 12, "c": 16}


def test_what_was_predicted_wrongly_is_widened_until_it_holds() -> None:
    target = 1 - 5e-5
    found = search_bits(interacting, target, CLASSES)
    assert len(found.checked) > 1 and found.checked[0].quality < target <= found.best.quality
    assert found.best == found.checked[-1] and found.best.cost < found.widest.cost


def test_a_target_out_of_reach_is_refused() -> None:
    with pytest.raises(CalibrationError, match="quality 1.00000 with the widest choice"):
        search_bits(additive, 1.0, CLASSES)


def test_table_names_every_class_and_the_choice() -> None:
    found = search_bits(additive, 1 - 1e-4, CLASSES)
    lines = found.table().splitlines()
    assert lines[0] == "| class | 16 bits | 14 bits | 12 bits | 10 bits | 8 bits | 6 bits | chosen |"
    assert lines[2].startswith("| a |  |  | ") and lines[2].endswith(f"| {found.best.bits['a']} |")
    assert "of the widest choice's multiplier bits" in lines[-1]


def test_multiplier_bits_of_a_network() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    data = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)
    found = [
        multiplier_bits(import_model(model, data[:1], data, config=QuantConfig(activation_bits=b)).graph)
        for b in (8, 6)
    ]
    assert found == [8 * (48 + 24), 6 * (48 + 24)]


def test_search_on_an_encoder() -> None:
    """A tiny encoder: the choice found holds when it is measured anew, and narrower than the widest."""
    torch.manual_seed(0)
    model = BertEncoder(20, 16, channels=8, inner=16, layers=1, heads=2, top=4).eval()
    draw = np.random.default_rng(0)
    texts = [draw.integers(0, 20, n) for n in (3, 5, 8, 13, 16, 2)]
    classes = {"operand": (12, 6), "qkv": (12, 6), "gelu": (12, 6)}
    found = search_transformer(model, texts[:4], texts, 0.99, classes, length=(1, 16))
    config = QuantConfig.transformer(**dict(found.best.bits))
    golden = import_model(model, texts[0][None], texts[:4], config=config, dynamic={"n": (1, 16)})
    with torch.no_grad():
        pairs = [(np.asarray(golden.run([t])).reshape(-1), model(torch.from_numpy(t)[None])[0].numpy()) for t in texts]
    cosine = np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])
    assert found.best.quality == pytest.approx(cosine, abs=1e-6) and cosine >= 0.99
    assert found.best.cost == multiplier_bits(golden.raw) < found.widest.cost
