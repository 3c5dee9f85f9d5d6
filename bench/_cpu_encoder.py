# SPDX-License-Identifier: Apache-2.0
"""The dense sentence encoder on this machine's processor: torch, and ONNX Runtime in fp32 and int8."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gatewright.nn.bert import BertEncoder, EncoderBlock

Run = Callable[[torch.Tensor, torch.Tensor], object]


class Dense(nn.Module):
    """The weights of `BertEncoder` in the operators that the runtimes have fast kernels for."""

    def __init__(self, model: BertEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ids [N, n] and mask [N, n] (1: token, 0: padding) -> mean vectors [N, D]."""
        embed = self.model.embed
        positions = functional.embedding(torch.arange(ids.shape[1], device=ids.device), embed.positions)
        x = self.model.norm(functional.embedding(ids, embed.table) + positions)
        seen = mask[:, None, None, :].bool()
        for block in self.model.layer:
            x = self.layer(block, x, seen)
        weight = mask[..., None].to(x.dtype)
        return (x * weight).sum(1) / weight.sum(1)

    @staticmethod
    def layer(block: EncoderBlock, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """One encoder layer with fused dense attention."""
        of, heads = block.attention, block.attention.num_heads
        q, k, v = (m(x).unflatten(-1, (heads, -1)).transpose(1, 2) for m in (of.query, of.key, of.value))
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        x = block.norm1(x + of.output(mixed.transpose(1, 2).flatten(2)))
        return block.norm2(x + block.contract(block.activation(block.expand(x))))


def batches(items: Sequence[Sequence[int]], size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Ids and masks of `size` items each, sorted by length and padded to the longest of the batch."""
    order = sorted(items, key=len)
    found = []
    for start in range(0, len(order), size):
        part = order[start : start + size]
        ids = torch.zeros(len(part), len(part[-1]), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, item in enumerate(part):
            ids[row, : len(item)] = torch.tensor(item)
            mask[row, : len(item)] = 1
        found.append((ids, mask))
    return found


def runtimes(model: BertEncoder, folder: Path) -> dict[str, Run]:
    """Every runtime by name, ready to run one batch."""
    import onnxruntime as ort
    from onnxruntime.quantization import QuantType, quantize_dynamic

    dense = Dense(model).eval()
    ids, mask = torch.ones(2, 7, dtype=torch.long), torch.ones(2, 7, dtype=torch.long)
    axes = {0: torch.export.Dim("batch", min=1, max=256), 1: torch.export.Dim("tokens", min=2, max=512)}
    program = torch.onnx.export(
        dense, (ids, mask), input_names=["ids", "mask"], dynamo=True, opset_version=18, dynamic_shapes=(axes, axes)
    )
    assert program is not None
    program.save(str(folder / "dense.onnx"))
    quantize_dynamic(
        str(folder / "dense.onnx"), str(folder / "int8.onnx"), weight_type=QuantType.QInt8, per_channel=True
    )

    def session(name: str) -> Run:
        found = ort.InferenceSession(str(folder / name), providers=["CPUExecutionProvider"])
        return lambda ids, mask: found.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})

    def eager(ids: torch.Tensor, mask: torch.Tensor) -> object:
        with torch.inference_mode():
            return dense(ids, mask)

    return {
        "torch fp32": eager,
        "ONNX Runtime fp32": session("dense.onnx"),
        "ONNX Runtime int8": session("int8.onnx"),
    }


def rate(run: Run, work: Sequence[tuple[torch.Tensor, torch.Tensor]], repeats: int = 3) -> float:
    """Sequences per second of wall time: the best of `repeats` passes over the batches, after a warm-up."""
    run(*work[0])
    run(*work[-1])
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        for ids, mask in work:
            run(ids, mask)
        best = min(best, time.perf_counter() - start)
    return sum(len(ids) for ids, _ in work) / best
