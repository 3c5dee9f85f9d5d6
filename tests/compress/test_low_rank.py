# SPDX-License-Identifier: Apache-2.0
"""Low rank: optimality of each method, Fisher information, layers in pairs, and when pairs are less hardware."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gatewright.compress import low_rank, low_rank_cost
from gatewright.compress.low_rank import LowRank
from gatewright.errors import DataError, FoldingError, UnsupportedError


def heavy(outs: int = 32, ins: int = 24, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights, and Fisher information with a heavy tail."""
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(outs, ins, generator=draw)
    return weight, torch.exp(2 * torch.randn(outs, ins, generator=draw)) * torch.exp(torch.randn(ins, generator=draw))


def test_order_of_the_methods() -> None:
    """Weighted error: TFWSVD < FWSVD < SVD; the paper's optimiser ends near alternating least squares."""
    weight, fisher = heavy()
    error = {k: low_rank.weighted_error(weight, fisher, m(weight, fisher, 8)) for k, m in low_rank.METHODS.items()}
    assert error["tfwsvd"] < error["fwsvd"] < error["svd"]
    assert error["tfwsvd_adam"] < 1.3 * error["tfwsvd"] < error["fwsvd"]


def test_svd_is_the_best_unweighted() -> None:
    weight, _ = heavy()
    ones = torch.ones_like(weight)
    first, second = low_rank.svd(weight, 5)
    tail = torch.linalg.svdvals(weight.double())[5:].square().sum()
    assert torch.isclose((weight - second @ first).square().sum(), tail)
    # With equal information all methods are plain SVD.
    for method in (low_rank.fwsvd, low_rank.als):
        assert low_rank.weighted_error(weight, ones, method(weight, ones, 5)) == pytest.approx(
            low_rank.weighted_error(weight, ones, (first, second)), rel=1e-4
        )


def test_fwsvd_is_exact_for_information_per_input() -> None:
    """Where all outputs of an input matter alike, no factors have a smaller weighted error than FWSVD's."""
    weight, fisher = heavy()
    rows = fisher[:1].expand_as(fisher)
    closed = low_rank.weighted_error(weight, rows, low_rank.fwsvd(weight, rows, 6))
    assert closed <= low_rank.weighted_error(weight, rows, low_rank.als(weight, rows, 6)) * (1 + 1e-6)
    assert closed < low_rank.weighted_error(weight, rows, low_rank.svd(weight, 6))


def test_als_never_gets_worse() -> None:
    weight, fisher = heavy(seed=3)
    errors = [low_rank.weighted_error(weight, fisher, low_rank.als(weight, fisher, 6, k)) for k in (0, 1, 3, 9)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.8 * errors[0]
    assert errors[0] == pytest.approx(low_rank.weighted_error(weight, fisher, low_rank.fwsvd(weight, fisher, 6)))


def test_fisher_is_the_mean_of_squared_gradients() -> None:
    """Closed form for one linear layer: gradient (p - y) x^T; and only wrong samples where so asked."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 3))
    x, y = torch.randn(20, 5), torch.randint(0, 3, (20,))
    scores = model(x).detach()
    error = torch.softmax(scores, 1) - nn.functional.one_hot(y, 3)
    each = (error[:, :, None] * x[:, None]).double().square()
    found = low_rank.fisher(model, x, y, ["0"])["0"]
    assert torch.allclose(found, each.mean(0), rtol=1e-4)
    wrong = scores.argmax(1) != y
    assert torch.allclose(low_rank.fisher(model, x, y, ["0"], wrong=True)["0"], each[wrong].mean(0), rtol=1e-4)
    with pytest.raises(DataError, match="none of them counts"):
        low_rank.fisher(model, x, scores.argmax(1), ["0"], wrong=True)


def test_predictor() -> None:
    """Even information: zero. One weight that matters alone: near its largest."""
    even, lone = torch.ones(8, 8), torch.zeros(8, 8)
    lone[2, 3] = 5.0
    assert low_rank.spread(even) == 0 < low_rank.spread(heavy(8, 8)[1]) < low_rank.spread(lone)


def test_full_rank_pairs_compute_the_same() -> None:
    """Linear and convolution: the pair at a rank that loses nothing equals the layer."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(256, 40)).eval()
    with torch.no_grad():
        thin = torch.randn(16, 4) @ torch.randn(4, 27)
        model[0].weight.copy_(thin.reshape(16, 3, 3, 3))
        model[2].weight.copy_(torch.randn(40, 8) @ torch.randn(8, 256))
    found = low_rank.factorised(model, LowRank("svd"), ranks={"0": 4, "2": 8})
    x = torch.randn(5, 3, 8, 8)
    assert torch.allclose(found(x), model(x), atol=1e-3)
    assert [tuple(m.weight.shape[:2]) for m in found[0]] == [(4, 3), (16, 4)]  # type: ignore[index]
    assert sum(p.numel() for p in found.parameters()) < sum(p.numel() for p in model.parameters())
    assert isinstance(model[0], nn.Conv2d)


def test_ranks_and_layers_that_stay() -> None:
    assert LowRank(ratio=0.33, multiple=4).rank((384, 384)) == 128
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 2))
    found = low_rank.factorised(model, LowRank("svd", 0.25))
    assert isinstance(found[0], nn.Sequential) and isinstance(found[1], nn.Linear)  # type: ignore[index]


def test_refusals() -> None:
    with pytest.raises(DataError, match="Fisher information of 0: missing"):
        low_rank.factorised(nn.Sequential(nn.Linear(64, 64)), LowRank())
    with pytest.raises(UnsupportedError, match="groups = 8"):
        low_rank.factorised(nn.Sequential(nn.Conv1d(64, 64, 9, groups=8)), LowRank("svd", 0.1))
    with pytest.raises(DataError, match=r"LowRank\.method"):
        LowRank("qr")


def test_pairs_pay_where_they_have_fewer_products() -> None:
    """A small rank is less hardware at equal speed, one beyond the break-even more; the limit is found."""
    assert low_rank_cost.choice(128, 128, 16, 256).pays
    assert not low_rank_cost.choice(128, 128, 120, 256).pays
    rank = low_rank_cost.paying_rank(128, 128, 256)
    assert 16 < rank <= 64 and low_rank_cost.choice(128, 128, rank, 256).pays
    assert low_rank_cost.paying_rank(16, 4, 64) == 0
    with pytest.raises(FoldingError):
        low_rank_cost.choice(8, 8, 4, 0)
