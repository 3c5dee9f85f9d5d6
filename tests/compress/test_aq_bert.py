# SPDX-License-Identifier: Apache-2.0
"""AQ-BERT: its equations by hand, budgets, ties, and a search whose answer is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from gatewright.compress import aq_bert, quantize, training
from gatewright.compress.aq_bert import Search
from gatewright.errors import DataError

HOW = Search(target=2.0, groups=4)


def small(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)).eval()


def test_a_mixture_by_hand() -> None:
    """In evaluation mode the most likely width; in training, at any temperature, a mixture of roundings."""
    made = aq_bert.mixed(small(), HOW)
    choice = aq_bert.choices(made)["0"]
    with torch.no_grad():
        choice.logits.copy_(torch.eye(4) * 30)
    weight = made[0].parametrizations["weight"].original  # type: ignore[index, union-attr]
    widths = [0, 0, 2, 2, 4, 4, 8, 8]
    assert torch.equal(made[0].weight, quantize.Quantized(widths, 8).eval()(weight))  # type: ignore[index]
    choice.train()
    choice.tau = 0.1
    assert torch.allclose(choice(weight), made[0].weight, atol=1e-6)  # type: ignore[index]


def test_expected_size_and_its_loss() -> None:
    made = aq_bert.mixed(small(), HOW)
    choice = aq_bert.choices(made)["0"]
    assert float(choice.expected().detach()) == pytest.approx(128 * 14 / 4)
    with torch.no_grad():
        choice.logits[0] = torch.tensor([0.0, math.log(3.0), -99.0, -99.0])
    assert float(choice.expected().detach()) == pytest.approx(32 * 1.5 + 96 * 3.5)
    sizes = [aq_bert.budget_loss(torch.tensor(e), HOW) for e in (2.5, 2.05, 1.95, 1.5)]
    assert [float(s) for s in sizes] == pytest.approx([math.log(2.5), 0, 0, -math.log(1.5)])


def test_group_lasso() -> None:
    made = aq_bert.mixed(small(), HOW)
    total, size = 0.0, 0
    for path, rows in (("0", [2] * 4), ("2", [1, 1, 1])):
        weight = made.get_submodule(path).parametrizations["weight"].original.detach()  # type: ignore[index, union-attr]
        total += sum(float(part.norm()) * math.sqrt(part.numel()) for part in weight.split(rows))
        size += weight.numel()
    assert aq_bert.penalty(made).item() == pytest.approx(total / size, rel=1e-4)


@pytest.mark.parametrize(("target", "logit"), [(1.0, 5.0), (3.0, 5.0), (6.0, 0.1)])
def test_what_is_taken_keeps_to_the_budget(target: float, logit: float) -> None:
    """All logits say the same width; the budget says another mean."""
    how = Search(target, groups=64)
    made = aq_bert.mixed(nn.Sequential(nn.Linear(10, 64)), how)
    every = aq_bert.choices(made)
    with torch.no_grad():
        every["0"].logits.copy_(torch.rand(64, 4, generator=torch.Generator().manual_seed(0)))
        every["0"].logits[:, 2] += logit
    picked, cost = aq_bert.settled(every, how)
    assert target * 0.9 < cost <= target * 1.03
    assert float(torch.tensor(how.options)[picked["0"]].double().mean()) == pytest.approx(cost)


def task(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels that depend on the first four inputs alone."""
    x = torch.randn(count, 16, generator=torch.Generator().manual_seed(count))
    return x, x[:, :3].argmax(1)


def trained() -> nn.Sequential:
    """Half of the hidden channels feed nothing."""
    model = small()
    x, y = task(600)
    training.train(model, x, y, training.Training(10, 50, 1e-2))
    with torch.no_grad():
        model[2].weight[:, 4:] = 0
    return model


def test_search_prunes_what_is_not_needed() -> None:
    """Channels that feed nothing cost as much as the others and are worth nothing."""
    model, learning = trained(), training.Training(12, 50, 1e-3)
    before = [p.clone() for p in model.parameters()]
    how = Search(2.5, groups=8, rate=0.1, train="logits")
    found = aq_bert.search(model, task(500), task(400), how, learning, keep=["2"])
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    widths = found.widths["0"]
    assert widths[:4].sum() > widths[4:].sum() and abs(found.cost - 2.5) < 0.3
    again = aq_bert.search(model, task(500), task(400), how, learning, keep=["2"])
    assert torch.equal(again.widths["0"], widths) and again.losses == found.losses


def test_both_levels_learn_and_ties_hold() -> None:
    """Weights move in the search; tied layers have equal widths; the result goes straight into `prepare`."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    how = Search(3.0, groups=2, lasso=0.1, costs={p: [0, 2, 4, 9] for p in ("0", "2", "4")})
    found = aq_bert.search(model, task(100), task(100), how, training.Training(2, 50, 1e-2), ties=[["0", "2"]])
    assert torch.equal(found.widths["0"], found.widths["2"])
    assert set(quantize.widths(quantize.prepare(model, found.widths))) == {"0", "2", "4"}


def test_hardware_costs() -> None:
    """By the cost model: two bits are far cheaper than eight, four hardly are; nothing is free but nothing."""
    table = aq_bert.hardware(small(), {"0": 16, "2": 4}, (0, 2, 4, 8))
    for none, two, four, eight in table.values():
        assert none == 0 < two < four <= eight


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Search(2.0, (0, 17)), "two widths"),
        (lambda: Search(2.0, groups=0), "one group"),
        (lambda: Search(2.0, train="all"), "'both' or 'logits'"),
        (lambda: aq_bert.mixed(small(), replace(HOW, costs={"0": [1.0]})), "one for each"),
        (lambda: aq_bert.mixed(small(), HOW, ties=[["*"]]), "equal shape"),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        call()
