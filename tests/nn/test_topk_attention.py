# SPDX-License-Identifier: Apache-2.0
"""Top-k attention against a plain reference with loops, against dense attention, and as a torch operator."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from gatewright.errors import DataError, UnsupportedError
from gatewright.nn import TopKAttention
from gatewright.nn.selector import GREATEST, LEVELS, code, select, thresholds
from gatewright.nn.topk_attention import topk_attention

torch.set_num_threads(1)


def limits(bits: int, kind: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor([0.2, 0.5, 0.7, 1.1, 1.3, 1.9, 2.2][: LEVELS[bits]], dtype=kind)


def reference_code(x: float, steps: list[float], bits: int) -> int:
    sign, count = (-1 if x < 0 else 1), sum(t <= abs(x) for t in steps)
    return {1: sign, 2: sign * (1 + 2 * count)}.get(bits, sign * count)


def reference(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, steps: torch.Tensor, heads: int, top: int, bits: int, seen: Any
) -> tuple[torch.Tensor, list[list[list[int]]]]:
    """The definition, for one item [n, D]: result and chosen keys per head and query; `seen(i, j)` allows."""
    n, width = q.shape[0], q.shape[1] // heads
    result, picked = torch.zeros_like(q), []
    coded = [[[reference_code(float(x), steps.tolist(), bits) for x in row] for row in m] for m in (q, k)]
    for h in range(heads):
        part = slice(h * width, (h + 1) * width)
        rows = []
        for i in range(n):
            score = {
                j: sum(a * b for a, b in zip(coded[0][i][part], coded[1][j][part], strict=True))
                for j in range(k.shape[0])
                if seen(i, j)
            }
            best = sorted(score, key=lambda j: (-score[j], j))[:top]
            rows.append(sorted(best))
            exact = [float(q[i, part] @ k[j, part]) / math.sqrt(width) for j in best]
            powers = [math.exp(s - max(exact)) for s in exact]
            for j, p in zip(best, powers, strict=True):
                result[i, part] += p / sum(powers) * v[j, part]
        picked.append(rows)
    return result, picked


def coarse(*shape: int, seed: int = 0) -> torch.Tensor:
    """Few different values, so that scores often tie."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, shape, generator=draw).double() / 2


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("causal", [False, True])
def test_is_the_definition(bits: int, causal: bool) -> None:
    q, k, v = (coarse(9, 8, seed=s) for s in range(3))
    steps = limits(bits)
    for top in (1, 2, 4, 8, 9, 20):
        want, picked = reference(q, k, v, steps, 2, top, bits, lambda i, j: j <= i or not causal)
        found = topk_attention(q[None], k[None], v[None], steps, steps, 2, top, bits, causal)[0]
        assert torch.allclose(found, want, atol=1e-12)
        chosen = select(q[None], k[None], steps, steps, 2, top, bits, causal)
        if chosen is not None:
            full = chosen.expand(1, 2, 9, 9)[0]
            assert [[row.nonzero().flatten().tolist() for row in head] for head in full] == picked


def test_ties_go_to_the_lowest_index() -> None:
    q, k = torch.ones(1, 3, 4), torch.ones(1, 50, 4)
    k[0, 20] = 3.0
    chosen = select(q, k, limits(4, torch.float32), limits(4, torch.float32), 1, 5, 4)
    assert chosen is not None
    assert all(row.nonzero().flatten().tolist() == [0, 1, 2, 3, 20] for row in chosen[0, 0])


def test_order_is_exact_where_float32_would_round() -> None:
    """Scores times keys exceed 2**24 here."""
    n, width = 6000, 64
    k = torch.full((1, n, width), 9.0)
    chosen = select(k[:, :1], k, limits(4, torch.float32), limits(4, torch.float32), 1, 4, 4)
    assert chosen is not None and width * 49 * n > 1 << 24
    assert chosen[0, 0, 0].nonzero().flatten().tolist() == [0, 1, 2, 3]


def test_codes_at_the_thresholds() -> None:
    x = torch.tensor([-0.5, -0.49, -0.0, 0.0, 0.2, 0.5, 9.0, -9.0])
    steps = torch.tensor([0.2, 0.5, 0.7])
    assert code(x, steps[:0], 1).tolist() == [-1, -1, 1, 1, 1, 1, 1, -1]
    assert code(x, steps[1:2], 2).tolist() == [-3, -1, 1, 1, 1, 3, 3, -3]
    assert code(x, steps, 3).tolist() == [-2, -1, 0, 0, 1, 2, 3, -3]
    assert int(code(torch.tensor([99.0]), limits(4, torch.float32), 4)) == GREATEST[4]


def test_thresholds() -> None:
    sample = torch.linspace(-2.0, 2.0, 4001)
    assert thresholds(sample, 2.0, 1.0, 1, "mse").tolist() == []
    assert thresholds(sample, 2.0, 1.0, 2, "mse").tolist() == [1.0]
    step = 2.0 / 7
    assert torch.allclose(thresholds(sample, 2.0, 1.0, 4, "absmax"), (torch.arange(7) + 0.5) * step)
    # The least error of a uniform distribution: seven and a half steps on either side, not seven.
    found = thresholds(sample, 2.0, 1.0, 4, "mse")
    assert float(found[0]) * 2 == pytest.approx(2.0 / 7.5, rel=0.04)
    # One outlier does not stretch the step of least error.
    assert (
        float(thresholds(sample, 50.0, 1.0, 3, "mse")[0]) < 0.5 < float(thresholds(sample, 50.0, 1.0, 3, "absmax")[0])
    )
    assert thresholds(torch.zeros(5), 0.0, 0.0, 4, "mse").isfinite().all()


@pytest.mark.parametrize("bits", [1, 4])
def test_is_a_proper_torch_operator(bits: int) -> None:
    q, k, v = (torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True) for _ in range(3))
    for top, causal in ((2, False), (2, True), (9, False)):
        torch.library.opcheck(topk_attention, (q, k, v, limits(bits), limits(bits), 3, top, bits, causal))


@pytest.mark.parametrize("top", [1, 3, 9])
@pytest.mark.parametrize("causal", [False, True])
def test_gradients(top: int, causal: bool) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    steps = limits(4)
    assert torch.autograd.gradcheck(lambda *x: topk_attention(*x, steps, steps, 2, top, 4, causal), (q, k, v))


def test_gradients_of_the_masked_path_equal_those_of_the_operator() -> None:
    torch.manual_seed(0)
    layer = TopKAttention(8, 2, top=3).double()
    x = torch.randn(2, 7, 8, dtype=torch.float64)
    grads = []
    for mask in (None, torch.zeros(2, 7, dtype=torch.bool)):
        layer.zero_grad()
        layer(x, key_padding_mask=mask)[0].square().sum().backward()
        grads.append([p.grad.clone() for p in layer.parameters()])  # type: ignore[union-attr]
    for one, other in zip(*grads, strict=True):
        assert torch.allclose(one, other, atol=1e-12)
        assert one.abs().max() > 0 or one.ndim == 1


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_equals_dense_attention_when_every_key_is_kept(kind: torch.dtype, batch_first: bool, bias: bool) -> None:
    from gatewright.nn import sparsify

    torch.manual_seed(0)
    dense = nn.MultiheadAttention(12, 3, bias=bias, batch_first=batch_first, dtype=kind).eval()
    x = torch.randn(4, 6, 12, dtype=kind)
    hidden = torch.zeros(4 if batch_first else 6, 6 if batch_first else 4, dtype=torch.bool)
    hidden[1, 2:] = True
    above = torch.ones(len(hidden[0]), len(hidden[0]), dtype=torch.bool).triu(1)
    additive = torch.zeros(above.shape, dtype=kind).masked_fill(above, -torch.inf)
    # Another mask for every item and head; each query sees itself at least.
    each = torch.rand(3 * len(hidden), *above.shape) < 0.5
    each &= ~torch.eye(len(above), dtype=torch.bool)
    bound = 1e-12 if kind == torch.float64 else 1e-6
    for top in (6, 40, None):
        sparse = sparsify(dense, top=top)
        masks = ({"key_padding_mask": hidden}, {"attn_mask": above}, {"attn_mask": additive}, {"attn_mask": each})
        for more in ({}, *masks):
            want = dense(x, x, x, need_weights=False, **more)[0]
            found, weights = sparse(x, x, x, need_weights=False, **more)
            assert found.dtype == kind and weights is None
            assert (found - want).abs().max() <= bound
        want = dense(x, x, x, need_weights=False, attn_mask=additive, is_causal=True)[0]
        assert (sparse(x, x, x, attn_mask=additive, is_causal=True)[0] - want).abs().max() <= bound


def test_causal_per_call_is_causal_by_construction() -> None:
    torch.manual_seed(0)
    layer = TopKAttention(8, 2, top=3)
    x = torch.randn(2, 7, 8)
    found = layer(x, is_causal=True)[0]
    layer.causal = True
    assert torch.equal(found, layer(x)[0])
    x[:, 4:] += 1
    assert torch.equal(layer(x)[0][:, :4], found[:, :4])


def test_lengths_do_not_see_padding() -> None:
    torch.manual_seed(0)
    for causal in (False, True):
        layer = TopKAttention(8, 2, top=3, causal=causal).double().eval()
        items = [torch.randn(n, 8, dtype=torch.float64) for n in (1, 2, 3, 7)]
        batch = torch.full((4, 7, 8), 1e6, dtype=torch.float64)
        for row, item in zip(batch, items, strict=True):
            row[: len(item)] = item
        found = layer(batch, lengths=torch.tensor([len(i) for i in items]))[0]
        for row, item in zip(found, items, strict=True):
            assert torch.allclose(row[: len(item)], layer(item[None])[0][0], atol=1e-12)
            assert torch.allclose(layer(item)[0], layer(item[None])[0][0], atol=0)


def test_a_row_without_keys_is_zero() -> None:
    layer = TopKAttention(8, 2, top=2, project=False)
    x = torch.randn(2, 5, 8, requires_grad=True)
    for top in (2, None):
        layer.top = top
        found = layer(x, key_padding_mask=torch.tensor([[False] * 5, [True] * 5]))[0]
        assert found[0].abs().max() > 0 and torch.all(found[1] == 0)
        found.sum().backward()
        assert x.grad is not None and x.grad.isfinite().all()


def test_cross_attention() -> None:
    torch.manual_seed(0)
    dense = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    from gatewright.nn import sparsify

    x, memory = torch.randn(2, 3, 8), torch.randn(2, 9, 8)
    want = dense(x, memory, memory, need_weights=False)[0]
    assert torch.allclose(sparsify(dense, top=9)(x, memory, memory)[0], want, atol=1e-6)
    assert sparsify(dense, top=2)(x, memory, memory)[0].shape == want.shape


def test_dropout_only_in_training() -> None:
    torch.manual_seed(0)
    layer = TopKAttention(8, 2, top=3, dropout=0.5)
    x = torch.randn(1, 6, 8)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


def test_exports_as_four_linear_layers_and_one_node() -> None:
    layer = TopKAttention(8, 2, top=3, bits=2).eval()
    size = torch.export.Dim("n", min=2, max=64)
    exported = torch.export.export(layer, (torch.randn(1, 5, 8),), dynamic_shapes=({1: size},))
    calls = [n for n in exported.graph.nodes if n.op == "call_function"]
    linear, attention = "aten.linear.default", "gatewright.topk_attention.default"
    assert [str(n.target) for n in calls] == [linear] * 3 + [attention, linear]
    assert calls[3].args[5:] == (2, 3, 2, False)
    for n in (2, 33):
        x = torch.randn(1, n, 8)
        assert torch.allclose(exported.module()(x)[0], layer(x)[0], atol=1e-6)


def test_refusals() -> None:
    for arguments, text in (
        ((8, 3), "heads = 3 for embed_dim = 8"),
        ((8, 2, 0), "top = 0"),
        ((8, 2, 4, 5), "bits = 5"),
    ):
        with pytest.raises(UnsupportedError, match=text):
            TopKAttention(*arguments)
    layer, x = TopKAttention(8, 2), torch.randn(1, 4, 8)
    with pytest.raises(UnsupportedError, match="need_weights"):
        layer(x, need_weights=True)
    with pytest.raises(DataError, match="attn_mask: values other than 0 and -inf"):
        layer(x, attn_mask=torch.full((4, 4), 0.5))
