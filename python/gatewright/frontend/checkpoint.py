# SPDX-License-Identifier: Apache-2.0
"""Pre-trained weights as published -> torch module that the front end can import."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewright.errors import DataError, ToolError, UnsupportedError

if TYPE_CHECKING:
    import torch

    from gatewright.nn.bert import BertEncoder

WEIGHTS, CONFIG = "model.safetensors", "config.json"

_BLOCK = r"encoder\.layer\.(\d+)\."
NAMES: tuple[tuple[str, str], ...] = (
    (r"embeddings\.word_embeddings\.weight", r"embed.table"),
    (r"embeddings\.position_embeddings\.weight", r"embed.positions"),
    (r"embeddings\.LayerNorm\.(weight|bias)", r"norm.\1"),
    (_BLOCK + r"attention\.self\.(query|key|value)\.(weight|bias)", r"layer.\1.attention.\2.\3"),
    (_BLOCK + r"attention\.output\.dense\.(weight|bias)", r"layer.\1.attention.output.\2"),
    (_BLOCK + r"attention\.output\.LayerNorm\.(weight|bias)", r"layer.\1.norm1.\2"),
    (_BLOCK + r"intermediate\.dense\.(weight|bias)", r"layer.\1.expand.\2"),
    (_BLOCK + r"output\.dense\.(weight|bias)", r"layer.\1.contract.\2"),
    (_BLOCK + r"output\.LayerNorm\.(weight|bias)", r"layer.\1.norm2.\2"),
)
"""Published name -> name in `BertEncoder`."""

TYPES = "embeddings.token_type_embeddings.weight"
"""Row 0 is added to every position."""

UNUSED = r"embeddings\.position_ids|pooler\.dense\.(weight|bias)"
"""A counter, and the head for next-sentence prediction, which a mean over the tokens does not need."""

FIXED = {
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}
"""Configuration that has one supported value; absent means supported."""


def load_bert(
    source: str | Path | torch.nn.Module | Mapping[str, torch.Tensor],
    config: Mapping[str, Any] | None = None,
    *,
    top: int | None = 30,
    bits: int = 4,
) -> BertEncoder:
    """The encoder of a BERT checkpoint in evaluation mode, float32.

    Args:
        source: a folder with model.safetensors and config.json, a Hugging Face `BertModel`, or a state dict.
        config: the configuration, for a state dict; otherwise in place of the one that is there.
        top, bits: of the attention, see `gatewright.nn.TopKAttention`; top = None leaves it dense.

    Raises:
        DataError: a file, key or configuration entry is missing or unknown, or a shape is wrong.
        UnsupportedError: the configuration describes another network.
    """
    from gatewright.nn.bert import BertEncoder

    if isinstance(source, str | Path):
        config, state = config or _config(Path(source)), _weights(Path(source))
    elif hasattr(source, "state_dict"):
        own = getattr(source, "config", None)
        config, state = config or (None if own is None else own.to_dict()), source.state_dict()
    else:
        state = dict(source)
    if config is None:
        raise DataError("load_bert", "no config with a state dict", "the contents of config.json")
    for name, value in FIXED.items():
        if config.get(name, value) != value:
            raise UnsupportedError(f"config {name}", repr(config[name]), repr(value))
    model = BertEncoder(
        vocabulary=_number(config, "vocab_size"),
        positions=_number(config, "max_position_embeddings"),
        channels=_number(config, "hidden_size"),
        inner=_number(config, "intermediate_size"),
        layers=_number(config, "num_hidden_layers"),
        heads=_number(config, "num_attention_heads"),
        eps=float(config.get("layer_norm_eps", 1e-12)),
        top=top,
        bits=bits,
    )
    _fill(model, state)
    return model.eval()


def _fill(model: BertEncoder, state: Mapping[str, torch.Tensor]) -> None:
    """Copy every tensor to its place; each must have one and each place one tensor."""
    import torch

    own = model.state_dict()
    missing = {name for name in own if not name.endswith("_thresholds")}
    types = None
    for key, tensor in state.items():
        name = key.removeprefix("bert.")
        if re.fullmatch(UNUSED, name):
            continue
        if name == TYPES:
            types = tensor
            continue
        target = next((re.sub(a, b, name) for a, b in NAMES if re.fullmatch(a, name)), None)
        if target not in own:
            raise DataError(f"checkpoint key {key}", "unknown", "the keys of BERT's encoder with this configuration")
        if tensor.shape != own[target].shape:
            want = f"{list(own[target].shape)}, as the configuration says"
            raise DataError(f"checkpoint key {key}", f"shape {list(tensor.shape)}", want)
        own[target] = tensor.to(torch.float32)
        missing.discard(target)
    if missing or types is None:
        absent = sorted(missing) or [TYPES]
        shown = ", ".join(absent[:5]) + (", .." if len(absent) > 5 else "")
        raise DataError("checkpoint", f"{len(absent)} tensors are missing: {shown}", "all tensors of the encoder")
    channels = own["embed.positions"].shape[1]
    if types.ndim != 2 or types.shape[1] != channels:
        raise DataError(f"checkpoint key {TYPES}", f"shape {list(types.shape)}", f"[types, {channels}]")
    own["embed.positions"] = own["embed.positions"] + types[0].to(torch.float32)
    model.load_state_dict(own)


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError) as error:
        raise DataError(str(folder / CONFIG), f"cannot be read: {error}", "a checkpoint's configuration") from error
    if not isinstance(found, dict):
        raise DataError(str(folder / CONFIG), "not an object", "a checkpoint's configuration")
    return found


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise ToolError("safetensors", "not installed", hint="pip install 'gatewright[text]'") from None
    try:
        return dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise DataError(str(folder / WEIGHTS), f"cannot be read: {error}", "weights as safetensors") from error


def _number(config: Mapping[str, Any], name: str) -> int:
    value = config.get(name)
    if not isinstance(value, int) or value < 1:
        raise DataError(f"config {name}", "missing" if value is None else repr(value), "a positive whole number")
    return value
