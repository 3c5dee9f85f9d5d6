# SPDX-License-Identifier: Apache-2.0
"""Softmax pooling and additive attention as torch modules: values, gradients, padded batches, a compiled network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gatewright as gw
from gatewright.errors import DataError, UnsupportedError
from gatewright.nn import AdditiveAttention, SoftmaxPool

# Tensors this small only wait for each other's threads.
torch.set_num_threads(1)


def slow(scores: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """[F] of one sequence, head by head."""
    parts = values.chunk(scores.shape[1], dim=1)
    return torch.cat([(torch.softmax(s, 0)[:, None] * v).sum(0) for s, v in zip(scores.T, parts, strict=True)])


@pytest.mark.parametrize("heads", [1, 2, 6])
def test_is_the_weighted_mean_of_every_head(heads: int) -> None:
    scores, values = torch.randn(3, 5, heads), torch.randn(3, 5, 6)
    found = SoftmaxPool()(scores, values)
    assert torch.allclose(found, torch.stack([slow(s, v) for s, v in zip(scores, values, strict=True)]), atol=1e-6)


def test_gradients() -> None:
    scores, values = (torch.randn(2, 4, c, dtype=torch.float64, requires_grad=True) for c in (2, 6))
    assert torch.autograd.gradcheck(SoftmaxPool(), (scores, values))
    lengths = torch.tensor([4, 2])
    assert torch.autograd.gradcheck(lambda s, v: SoftmaxPool()(s, v, lengths), (scores, values))


def test_a_padded_batch_is_its_sequences_one_by_one() -> None:
    """Whatever stands in the padding; in values and in gradients."""
    torch.manual_seed(0)
    lengths, module = torch.tensor([3, 7, 1]), AdditiveAttention(6, 5, heads=3)
    x = torch.randn(3, 7, 6)
    seen = torch.arange(7) < lengths[:, None]
    x[~seen] = 1e6
    x.requires_grad_()
    found = module(x, lengths)
    alone = torch.cat([module(row[None, :n]) for row, n in zip(x, lengths.tolist(), strict=True)])
    assert torch.allclose(found, alone, atol=1e-6)
    wanted, *rest = torch.autograd.grad((alone**2).sum(), [x, *module.parameters()])
    grad, *others = torch.autograd.grad((found**2).sum(), [x, *module.parameters()])
    assert torch.allclose(grad, wanted, atol=1e-6) and not grad[~seen].any() and grad[seen].all()
    assert all(torch.allclose(g, w, atol=1e-5) for g, w in zip(others, rest, strict=True))


def test_refusals() -> None:
    scores, values = torch.randn(2, 5, 2), torch.randn(2, 5, 6)
    for wrong in ([0, 5], [5, 6], [5]):
        with pytest.raises(DataError, match=r"SoftmaxPool.lengths.*\n.*from 1 to 5"):
            SoftmaxPool()(scores, values, torch.tensor(wrong))
    with pytest.raises(DataError, match=r"\[2, 4, 2\] and \[2, 5, 6\]"):
        SoftmaxPool()(scores[:, :4], values)
    with pytest.raises(DataError, match="2 heads on 5 channels"):
        SoftmaxPool()(scores, values[..., :5])
    with pytest.raises(UnsupportedError, match="heads = 4 for 6 features"):
        AdditiveAttention(6, 3, heads=4)
    with pytest.raises(UnsupportedError, match="hidden = 0"):
        AdditiveAttention(6, 0)


class Reader(nn.Module):
    """A recurrent layer, attention over all of its steps, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 8, batch_first=True)
        self.pool = AdditiveAttention(8, 6, heads=2)
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return self.out(self.pool(self.rnn(x)[0], lengths))


@pytest.mark.slow
def test_a_trained_reader_compiles_and_equals_golden_in_rtl() -> None:
    """Which of three channels was once high, anywhere in a sequence: trained on a padded batch, run without padding."""
    torch.manual_seed(0)
    model, x, lengths = Reader(), torch.randn(96, 9, 4) * 0.3, torch.randint(1, 10, (96,))
    place, label = (torch.rand(96) * lengths).long(), torch.randint(0, 3, (96,))
    x[torch.arange(96), place, label] += 3
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(40):
        loss = nn.functional.cross_entropy(model(x, lengths), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    assert float((model(x, lengths).argmax(1) == label).float().mean()) > 0.9
    design = gw.compile(model, x[:1], x, dynamic={"n": (1, 9)}, target=2000)
    assert [n.op.name() for n in design.graph.nodes][2:] == ["linear", "pwl", "linear", "softmax_pool", "linear"]
    rows = [row[:n] for row, n in zip(x[:8], lengths.tolist(), strict=False)]
    found = design.verify([rows[0], rows[1]], ["rtl"], stall=0.2).check()
    assert len(rows[0]) != len(rows[1]) and found.rows[-1].mismatches == 0
    golden = torch.tensor(design.run(rows))
    assert torch.equal(golden.argmax(1), model(x[:8], lengths[:8]).argmax(1))
