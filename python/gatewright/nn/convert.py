# SPDX-License-Identifier: Apache-2.0
"""Dense attention in a trained model becomes top-k attention, and its selector is calibrated."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from gatewright.errors import CalibrationError, UnsupportedError
from gatewright.nn.selector import thresholds
from gatewright.nn.topk_attention import TopKAttention
from gatewright.progress import track

SAMPLE = 1 << 14
"""Values kept per layer, tensor and batch for the least-squares choice."""

METHODS = ("mse", "absmax")


class BertTopKSelfAttention(TopKAttention):
    """In place of a BERT self-attention: the same call, the same parameter names, no output projection."""

    def forward(  # type: ignore[override]
        self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, *args: Any, **more: Any
    ) -> tuple[torch.Tensor, None]:
        """Context [N, n, D] and None for the weights.

        Args:
            attention_mask: [N, n] with 1 or true at tokens; or [N, 1, 1 or n, n], true, or 0 rather than a large
                negative number, where a query sees a key.
        """
        given = [f"argument {i + 2}" for i, a in enumerate(args) if a is not None]
        given += [n for n in ("head_mask", "encoder_hidden_states", "past_key_values") if more.get(n) is not None]
        if given:
            raise UnsupportedError("BertTopKSelfAttention", f"{', '.join(given)} given", "hidden states and a mask")
        allowed = attention_mask
        if allowed is not None and allowed.ndim == 2:
            allowed = allowed.bool()[:, None, None, :]
        elif allowed is not None and allowed.dtype != torch.bool:
            allowed = allowed >= 0
        return self.attend(hidden_states, hidden_states, hidden_states, allowed, self.causal), None


def sparsify(model: nn.Module, top: int | None = 30, bits: int = 4) -> nn.Module:
    """A copy of `model` in which every attention looks at its `top` best keys only.

    Converts `nn.MultiheadAttention`, as in `nn.TransformerEncoder`, and the self-attention of Hugging Face encoders
    of BERT's kind: a module named *SelfAttention with linear layers query, key and value. Call
    `calibrate_selector` afterwards.

    Raises:
        UnsupportedError: there is no attention, or one has no exact counterpart; names it.
    """
    model = copy.deepcopy(model)
    found = [(path, m) for path, m in model.named_modules() if _convertible(m)]
    if not found:
        raise UnsupportedError("sparsify", "no attention found", "nn.MultiheadAttention or BERT self-attention")
    for path, module in found:
        multi = isinstance(module, nn.MultiheadAttention)
        made = (_from_multihead if multi else _from_bert)(module, path or "model", top, bits)
        made.train(module.training)
        if not path:
            return made
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, made)
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoder):
            # Nested tensors belong to the fused dense path.
            module.use_nested_tensor = False
    return model


def _convertible(module: nn.Module) -> bool:
    if isinstance(module, TopKAttention):
        return False
    bert = type(module).__name__.endswith("SelfAttention")
    parts = (getattr(module, name, None) for name in ("query", "key", "value"))
    return isinstance(module, nn.MultiheadAttention) or (bert and all(isinstance(p, nn.Linear) for p in parts))


def _from_multihead(module: Any, path: str, top: int | None, bits: int) -> TopKAttention:
    if not module._qkv_same_embed_dim:
        raise UnsupportedError(path, f"kdim = {module.kdim}, vdim = {module.vdim}", f"{module.embed_dim} for both")
    if module.bias_k is not None or module.add_zero_attn:
        raise UnsupportedError(path, "add_bias_kv or add_zero_attn", "keys that come from tokens")
    made = TopKAttention(
        module.embed_dim,
        module.num_heads,
        top,
        bits,
        bias=module.in_proj_bias is not None,
        batch_first=module.batch_first,
        dropout=module.dropout,
    ).to(module.in_proj_weight)
    rows = module.in_proj_weight.chunk(3)
    offsets = (None,) * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
    for own, weight, bias in zip((made.query, made.key, made.value), rows, offsets, strict=True):
        _fill(own, weight, bias)
    assert made.output is not None
    _fill(made.output, module.out_proj.weight, module.out_proj.bias)
    return made


def _from_bert(module: Any, path: str, top: int | None, bits: int) -> TopKAttention:
    kind = getattr(module, "position_embedding_type", None) or "absolute"
    if kind != "absolute":
        raise UnsupportedError(path, f"position_embedding_type = {kind!r}", "'absolute'")
    if getattr(module, "is_decoder", False):
        raise UnsupportedError(path, "is_decoder = True", "an encoder")
    query = module.query
    if query.in_features != query.out_features:
        raise UnsupportedError(path, f"query of {query.in_features} -> {query.out_features}", "a square matrix")
    dropout = getattr(module, "dropout", 0.0)
    made = BertTopKSelfAttention(
        query.in_features,
        module.num_attention_heads,
        top,
        bits,
        bias=query.bias is not None,
        dropout=getattr(dropout, "p", dropout),
        project=False,
    ).to(query.weight)
    for name in ("query", "key", "value"):
        source = getattr(module, name)
        _fill(getattr(made, name), source.weight, source.bias)
    return made


def _fill(layer: nn.Linear, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    layer.requires_grad_(weight.requires_grad)


class _Seen:
    """Values of one tensor of one layer over all batches."""

    def __init__(self) -> None:
        self.parts: list[torch.Tensor] = []
        self.peak = self.sum = 0.0
        self.count = 0
        self.draw = torch.Generator().manual_seed(0)

    def add(self, x: torch.Tensor) -> None:
        flat = x.detach().flatten().cpu()
        if not bool(flat.isfinite().all()):
            raise CalibrationError("calibrate_selector", "a query or key is NaN or infinite", "finite values")
        if not len(flat):
            return
        self.peak = max(self.peak, float(flat.abs().max()))
        self.sum += float(flat.abs().double().sum())
        self.count += len(flat)
        few = len(flat) <= SAMPLE
        self.parts.append(flat if few else flat[torch.randint(len(flat), (SAMPLE,), generator=self.draw)])

    def thresholds(self, bits: int, method: str) -> torch.Tensor:
        return thresholds(torch.cat(self.parts), self.peak, self.sum / self.count, bits, method)


def calibrate_selector(model: nn.Module, batches: Iterable[Any], method: str = "mse") -> None:
    """Set the selector's thresholds of every `TopKAttention` in `model` from data, in place.

    The model runs densely meanwhile. Keys that a mask hides do not count.

    Args:
        batches: arguments of the model, one call each: a tensor, a tuple of positional or a mapping of named ones.
        method: "mse", least squared error of the codes; or "absmax", as in the paper.

    Raises:
        CalibrationError: no data, data that are not finite, or an unknown method.
    """
    layers = [m for m in model.modules() if isinstance(m, TopKAttention)]
    if method not in METHODS:
        raise CalibrationError("calibrate_selector", f"method = {method!r}", " or ".join(METHODS))
    if not layers:
        raise CalibrationError("calibrate_selector", "no TopKAttention in the model", "a model from sparsify()")
    seen = {layer: (_Seen(), _Seen()) for layer in layers}
    kept, training = [layer.top for layer in layers], [(m, m.training) for m in model.modules()]

    def observe(layer: TopKAttention, q: torch.Tensor, k: torch.Tensor) -> None:
        for one, values in zip(seen[layer], (q, k), strict=True):
            one.add(values)

    try:
        model.eval()
        for layer in layers:
            layer.observer, layer.top = observe, None
        with torch.no_grad():
            for batch in track(batches, "selector calibration"):
                _call(model, batch)
    finally:
        for layer, top in zip(layers, kept, strict=True):
            layer.observer, layer.top = None, top
        for module, mode in training:
            module.training = mode
    if not all(one.count for pair in seen.values() for one in pair):
        raise CalibrationError("calibrate_selector", "no data reached an attention layer", "at least one batch")
    for layer, pair in seen.items():
        for name, one in zip(("q_thresholds", "k_thresholds"), pair, strict=True):
            getattr(layer, name).copy_(one.thresholds(layer.bits, method))


def _call(model: nn.Module, batch: Any) -> None:
    if isinstance(batch, Mapping):
        model(**batch)
    else:
        model(*batch if isinstance(batch, tuple) else (batch,))
