# SPDX-License-Identifier: Apache-2.0
"""Dense models become sparse in one call, and calibration sets the selector from data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from gatewright.errors import CalibrationError, UnsupportedError
from gatewright.nn import TopKAttention, calibrate_selector, sparsify

torch.set_num_threads(1)


class BertSelfAttention(nn.Module):
    """The structure that Hugging Face encoders share."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.num_attention_heads, self.attention_head_size = heads, channels // heads
        self.query, self.key, self.value = (nn.Linear(channels, channels) for _ in range(3))
        self.dropout = nn.Dropout(0.1)
        self.is_decoder = False

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None) -> tuple[Any, Any]:
        q, k, v = (
            layer(hidden_states).unflatten(-1, (self.num_attention_heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        weights = q @ k.transpose(-1, -2) * self.attention_head_size**-0.5
        weights = (weights if attention_mask is None else weights + attention_mask).softmax(-1)
        return (self.dropout(weights) @ v).transpose(1, 2).flatten(2), weights


class Layer(nn.Module):
    """Attention in a tree, as in a checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": BertSelfAttention(12, 3), "output": nn.Linear(12, 12)})

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return self.attention["output"](self.attention["self"](x, mask)[0])


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_transformer_encoder(batch_first: bool, norm_first: bool) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=batch_first, norm_first=norm_first)
    dense = nn.TransformerEncoder(layer, 2).eval()
    x = torch.randn(3, 9, 16) if batch_first else torch.randn(9, 3, 16)
    hidden = torch.zeros(3, 9, dtype=torch.bool)
    hidden[1, 4:] = True
    shown = ~hidden if batch_first else ~hidden.T
    with torch.no_grad():
        same = sparsify(dense, top=9)
        for mask in (None, hidden):
            want, found = (m(x, src_key_padding_mask=mask) for m in (dense, same))
            # The fused dense path leaves padding at 0.
            assert torch.allclose(found[shown], want[shown], atol=1e-5)
        sparse = sparsify(dense, top=2)
        assert not torch.allclose(sparse(x), dense(x), atol=1e-3)
    assert all(isinstance(m.self_attn, TopKAttention) for m in sparse.layers)
    assert all(isinstance(m.self_attn, nn.MultiheadAttention) for m in dense.layers)
    trained = sparsify(dense.train(), top=3)
    trained(x).sum().backward()
    assert all(p.grad is not None for p in trained.parameters())


def test_self_attention_of_berts_kind() -> None:
    torch.manual_seed(0)
    dense, x = Layer().eval(), torch.randn(2, 7, 12)
    additive = torch.zeros(2, 1, 1, 7)
    additive[1, ..., 3:] = torch.finfo(torch.float32).min
    same = sparsify(dense, top=7)
    with torch.no_grad():
        assert torch.allclose(same(x), dense(x), atol=1e-6)
        want = dense(x, additive)
        masks = (additive, additive == 0, (additive == 0)[:, 0, 0], (additive == 0).expand(2, 1, 7, 7))
        for mask in (*masks, masks[2].long()):
            assert torch.allclose(same(x, mask), want, atol=1e-6)
        sparse = sparsify(dense, top=2, bits=1)
        assert torch.allclose(sparse(x, additive)[1, :3], sparse(x[1:, :3])[0], atol=1e-6)
    # A checkpoint of the dense model still fits.
    extra = set(sparse.state_dict()) ^ set(dense.state_dict())
    assert extra == {f"attention.self.{a}_thresholds" for a in "qk"}


def test_hugging_face_bert() -> None:
    transformers = pytest.importorskip("transformers", reason="extra 'dev'")
    torch.manual_seed(0)
    for kind in ("eager", "sdpa"):
        config = transformers.BertConfig(
            vocab_size=50,
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=32,
            max_position_embeddings=40,
        )
        config._attn_implementation = kind
        dense = transformers.BertModel(config).eval()
        ids, mask = torch.randint(0, 50, (2, 30)), torch.ones(2, 30, dtype=torch.long)
        mask[1, 12:] = 0
        with torch.no_grad():
            want = dense(ids, attention_mask=mask).last_hidden_state
            found = sparsify(dense, top=30)(ids, attention_mask=mask).last_hidden_state
            assert torch.allclose(found[mask.bool()], want[mask.bool()], atol=1e-5)
            sparse = sparsify(dense, top=5)
            calibrate_selector(sparse, [{"input_ids": ids, "attention_mask": mask}])
            alone = sparse(ids[1:, :12]).last_hidden_state[0]
            assert torch.allclose(sparse(ids, attention_mask=mask).last_hidden_state[1, :12], alone, atol=1e-5)
            assert not torch.allclose(alone, want[1, :12], atol=1e-4)


def test_bare_attention_and_what_is_refused() -> None:
    assert isinstance(sparsify(nn.MultiheadAttention(8, 2)), TopKAttention)
    with pytest.raises(UnsupportedError, match="no attention found"):
        sparsify(nn.Linear(3, 3))
    inside = nn.ModuleDict({"mix": nn.MultiheadAttention(8, 2, kdim=4)})
    with pytest.raises(UnsupportedError, match=r"mix: kdim = 4, vdim = 8"):
        sparsify(inside)
    with pytest.raises(UnsupportedError, match="add_bias_kv"):
        sparsify(nn.MultiheadAttention(8, 2, add_bias_kv=True))
    decoder = Layer()
    decoder.attention["self"].is_decoder = True
    with pytest.raises(UnsupportedError, match=r"attention.self: is_decoder = True"):
        sparsify(decoder)
    relative = Layer()
    relative.attention["self"].position_embedding_type = "relative_key"
    with pytest.raises(UnsupportedError, match="position_embedding_type = 'relative_key'"):
        sparsify(relative)
    attention = sparsify(Layer()).attention["self"]
    with pytest.raises(UnsupportedError, match="past_key_values given"):
        attention(torch.randn(1, 2, 12), past_key_values=object())


def test_calibration_sees_only_what_is_not_masked() -> None:
    torch.manual_seed(0)
    layer = TopKAttention(8, 2, top=3, bits=2)
    x = torch.randn(2, 6, 8)
    x[1, 2:] = 1e3
    calibrate_selector(layer, [{"query": x, "lengths": torch.tensor([6, 2])}])
    shown = torch.cat([x[0], x[1, :2]])
    for limit, linear in ((layer.q_thresholds, layer.query), (layer.k_thresholds, layer.key)):
        assert float(limit) == pytest.approx(float(linear(shown).detach().abs().mean()), rel=1e-5)
    assert layer.top == 3 and layer.training and layer.observer is None


def test_calibration_methods() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), sparsify(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 3))
    batches = [torch.randn(2, 5, 4), (torch.randn(1, 9, 4),)]
    layer = model[1].self_attn
    calibrate_selector(model, batches, "absmax")
    with torch.no_grad():
        peak = max(float(layer.query(model[0](b[0] if isinstance(b, tuple) else b)).abs().max()) for b in batches)
    wide = layer.q_thresholds.clone()
    assert float(wide[0]) == pytest.approx(peak / 14, rel=1e-5)
    calibrate_selector(model, batches, "mse")
    assert torch.all(layer.q_thresholds < wide)


def test_calibration_runs_densely() -> None:
    torch.manual_seed(0)
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
    )
    found = []
    for top in (1, None):
        sparse = sparsify(encoder, top)
        calibrate_selector(sparse, [torch.ones(1, 2, 8).cumsum(1) * torch.arange(8.0)])
        found.append([m for n, m in sparse.named_buffers() if "thresholds" in n])
    assert len(found[0]) == 4 and all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_calibration_errors() -> None:
    layer = TopKAttention(8, 2)
    for batches, method, text in (
        ([], "mse", "no data reached"),
        ([torch.randn(1, 3, 8)], "median", "method = 'median'"),
        ([torch.full((1, 3, 8), torch.nan)], "mse", "NaN or infinite"),
    ):
        with pytest.raises(CalibrationError, match=text):
            calibrate_selector(layer, batches, method)
    with pytest.raises(CalibrationError, match="no TopKAttention"):
        calibrate_selector(nn.Linear(2, 2), [torch.randn(1, 2)])
    assert layer.observer is None and layer.top == 30
