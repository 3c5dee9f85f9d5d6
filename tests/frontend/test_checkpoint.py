# SPDX-License-Identifier: Apache-2.0
"""A BERT checkpoint becomes a torch encoder: every tensor has its place, and the result is BERT's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gatewright.errors import DataError, UnsupportedError
from gatewright.frontend.checkpoint import load_bert

CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 12,
    "intermediate_size": 20,
    "layer_norm_eps": 1e-6,
    "max_position_embeddings": 16,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "vocab_size": 30,
}


def checkpoint(prefix: str = "") -> dict[str, torch.Tensor]:
    """Random tensors under the published names."""
    draw = torch.Generator().manual_seed(0)
    d, inner = 12, 20
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (30, d),
        "embeddings.position_embeddings.weight": (16, d),
        "embeddings.token_type_embeddings.weight": (2, d),
        "embeddings.LayerNorm.weight": (d,),
        "embeddings.LayerNorm.bias": (d,),
        "pooler.dense.weight": (d, d),
        "pooler.dense.bias": (d,),
    }
    parts = {f"attention.self.{n}": (d, d) for n in ("query", "key", "value")} | {
        "attention.output.dense": (d, d),
        "attention.output.LayerNorm": (d,),
        "intermediate.dense": (inner, d),
        "output.dense": (d, inner),
        "output.LayerNorm": (d,),
    }
    for layer in range(2):
        for part, shape in parts.items():
            shapes[f"encoder.layer.{layer}.{part}.weight"] = shape
            shapes[f"encoder.layer.{layer}.{part}.bias"] = shape[:1]
    found = {prefix + n: torch.randn(s, generator=draw) * 0.5 for n, s in shapes.items()}
    return found | {prefix + "embeddings.position_ids": torch.arange(16)[None]}


def reference(state: dict[str, torch.Tensor], ids: torch.Tensor) -> torch.Tensor:
    """Mean token vector of one text by the published equations, straight from the published names."""

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ state[name + ".weight"].T + state[name + ".bias"]

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return nn.functional.layer_norm(x, (12,), state[name + ".weight"], state[name + ".bias"], 1e-6)

    tables = (state[f"embeddings.{n}_embeddings.weight"] for n in ("word", "position", "token_type"))
    words, positions, types = tables
    x = norm(words[ids] + positions[: len(ids)] + types[0], "embeddings.LayerNorm")
    for layer in range(2):
        at = f"encoder.layer.{layer}."
        heads = [linear(x, f"{at}attention.self.{n}").reshape(-1, 3, 4) for n in ("query", "key", "value")]
        weight = (torch.einsum("ihc,jhc->hij", heads[0], heads[1]) / 2.0).softmax(-1)
        context = torch.einsum("hij,jhc->ihc", weight, heads[2]).flatten(1)
        x = norm(x + linear(context, at + "attention.output.dense"), at + "attention.output.LayerNorm")
        inner = linear(x, at + "intermediate.dense")
        inner = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
        x = norm(x + linear(inner, at + "output.dense"), at + "output.LayerNorm")
    return x.mean(0)


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_is_bert(prefix: str, tmp_path: Path) -> None:
    state = checkpoint(prefix)
    plain = {n.removeprefix("bert."): t for n, t in state.items()}
    items = [torch.randint(0, 30, (n,), generator=torch.Generator().manual_seed(n)) for n in (1, 2, 7, 16)]
    want = torch.stack([reference(plain, ids) for ids in items])
    for top in (None, 16):
        model = load_bert(state, CONFIG, top=top)
        assert not model.training
        for ids, one in zip(items, want, strict=True):
            assert torch.allclose(model(ids[None])[0], one, atol=1e-5)
        (ids, lengths) = model.batches([i.tolist() for i in items], tokens=1000)[0]
        assert ids.shape == (4, 16) and torch.allclose(model(ids, lengths), want, atol=1e-5)
        found = model.vectors([i.tolist() for i in items], tokens=20)
        assert torch.allclose(found, nn.functional.normalize(want, dim=1), atol=1e-5)
    # From a folder, by the file formats as published.
    safetensors = pytest.importorskip("safetensors.torch", reason="extra 'text'")
    safetensors.save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    again = load_bert(tmp_path, top=16)
    assert torch.equal(again(items[3][None]), load_bert(state, CONFIG, top=16)(items[3][None]))


def test_a_hugging_face_model() -> None:
    bert = pytest.importorskip("transformers", reason="extra 'dev'")
    config = bert.BertConfig(**CONFIG)
    torch.manual_seed(0)
    model = bert.BertModel(config).eval()
    ids = torch.randint(0, CONFIG["vocab_size"], (2, 9))
    with torch.no_grad():
        want = model(ids).last_hidden_state.mean(1)
        assert torch.allclose(load_bert(model, top=None)(ids), want, atol=1e-5)
        assert torch.allclose(load_bert(model, top=9)(ids), want, atol=1e-5)
    with pytest.raises(UnsupportedError, match="config hidden_act: 'relu'"):
        load_bert(model, config.to_dict() | {"hidden_act": "relu"})
    with pytest.raises(DataError, match="no config with a state dict"):
        load_bert(nn.Linear(2, 2))


def test_exports_with_a_length_known_at_run_time() -> None:
    model = load_bert(checkpoint(), CONFIG, top=3)
    size = torch.export.Dim("n", min=2, max=16)
    exported = torch.export.export(model, (torch.randint(0, 30, (1, 5)),), dynamic_shapes=({1: size},))
    calls = [str(n.target) for n in exported.graph.nodes if n.op == "call_function"]
    assert calls.count("gatewright.topk_attention.default") == 2
    assert calls.count("gatewright.token_embedding.default") == 1
    assert calls.count("aten.layer_norm.default") == 5 and calls.count("aten.linear.default") == 12
    assert set(calls[-1:]) == {"aten.mean.dim"}
    for n in (2, 16):
        ids = torch.randint(0, 30, (1, n))
        assert torch.allclose(exported.module()(ids), model(ids), atol=1e-6)


def test_every_key_is_accounted_for() -> None:
    state = checkpoint()
    name = "encoder.layer.1.intermediate.dense.bias"
    cases: tuple[tuple[dict[str, torch.Tensor], str], ...] = (
        (state | {"encoder.layer.0.adapter.weight": torch.ones(1)}, "key encoder.layer.0.adapter.weight: unknown"),
        (state | {"encoder.layer.2.output.dense.bias": torch.ones(12)}, "encoder.layer.2.output.dense.bias: unknown"),
        ({n: t for n, t in state.items() if n != name}, "1 tensors are missing: layer.1.expand.bias"),
        ({n: t for n, t in state.items() if "token_type" not in n}, "missing: embeddings.token_type_embeddings"),
        (state | {name: torch.ones(19)}, r"dense.bias: shape \[19\]\n  supported: \[20\]"),
        (state | {"embeddings.token_type_embeddings.weight": torch.ones(2, 3)}, r"shape \[2, 3\]"),
    )
    for wrong, text in cases:
        with pytest.raises(DataError, match=text):
            load_bert(wrong, CONFIG)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"hidden_act": "relu"}, UnsupportedError, "config hidden_act: 'relu'"),
        ({"position_embedding_type": "relative_key"}, UnsupportedError, "position_embedding_type"),
        ({"hidden_size": None}, DataError, "config hidden_size: missing"),
        ({"num_attention_heads": 0}, DataError, "config num_attention_heads: 0"),
        ({"num_attention_heads": 5}, UnsupportedError, "heads = 5 for embed_dim = 12"),
    ],
)
def test_configuration_is_checked(change: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        load_bert(checkpoint(), CONFIG | change)


def test_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"config\.json: cannot be read"):
        load_bert(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(DataError, match="not an object"):
        load_bert(tmp_path)
    with pytest.raises(DataError, match="no config with a state dict"):
        load_bert(checkpoint())
    pytest.importorskip("safetensors", reason="extra 'text'")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(DataError, match=r"model\.safetensors: cannot be read"):
        load_bert(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    with pytest.raises(DataError, match=r"model\.safetensors: cannot be read"):
        load_bert(tmp_path)


def test_items_are_checked() -> None:
    model = load_bert(checkpoint(), CONFIG)
    for item, text in (([], "item 1: 0 tokens"), ([1] * 17, "item 1: 17 tokens"), ([3, 30], "id 30"), ([-1], "id -1")):
        with pytest.raises(DataError, match=text):
            model.vectors([[1, 2], item])
