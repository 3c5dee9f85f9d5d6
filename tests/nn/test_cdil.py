# SPDX-License-Identifier: Apache-2.0
"""CDIL-CNN: what the paper says of it, and gated blocks in hardware on sequences of mixed length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frontend.nets import noise, seeded
from torch import nn

import gatewright as gw
from gatewright.errors import UnsupportedError
from gatewright.frontend import Imported, import_model
from gatewright.nn.cdil import CDIL, DilatedBlock, depth
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.roll import Roll

LENGTHS = (5, 19, 7, 5, 12)


def network(blocks: int = 3, hidden: int = 4, **options: bool) -> nn.Module:
    """Blocks with weights that reach saturation now and then."""
    model = seeded(lambda: CDIL(2, 3, hidden, blocks, **options))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for value in model.parameters():
            nn.init.normal_(value, 0.0, 0.4)
    return model


def imported(model: nn.Module) -> Imported:
    return import_model(model, noise(1, 2, 8), [noise(2, n) for n in LENGTHS], dynamic={"n": (5, 20)})


def test_depth_covers_the_sequence() -> None:
    """Every position of the last block sees the whole sequence; with one block less, none does."""
    n = 16
    assert depth(n) == depth(31) == 4
    for blocks, sees in ((depth(n), n), (depth(n) - 1, 15)):
        body = seeded(lambda blocks=blocks: CDIL(1, 2, 2, blocks)).body
        x = torch.ones(1, 1, n, requires_grad=True)
        for value in body.parameters():
            nn.init.constant_(value, 0.5)
        body(x)[0, :, 3].sum().backward()
        assert int((x.grad != 0).sum()) == sees


def test_classes_do_not_depend_on_where_a_circular_sequence_starts() -> None:
    x = noise(1, 2, 16)
    turned = torch.roll(x, 5, 2)
    for circular in (True, False):
        model = network(circular=circular)
        assert torch.allclose(model(x), model(turned), atol=1e-5) == circular


@pytest.mark.parametrize("options", [{}, {"gated": True}, {"circular": False}, {"dilated": False}], ids=str)
def test_graph_means_what_torch_computes(options: dict[str, bool]) -> None:
    model = network(**options)
    found = imported(model)
    data = [noise(2, n) for n in LENGTHS]
    seen = found.compare(data)
    assert seen.holds
    with torch.no_grad():
        assert all(np.allclose(r, model(x[None])[0], atol=1e-4) for r, x in zip(seen.real, data, strict=True))
    # Weight normalisation is folded, gates are products, and circular padding lies behind the sequence.
    names = {n.op.name() for n in found.graph.nodes}
    assert ("multiply" in names) == ("gated" in options) and ("roll" in names) == ("circular" not in options)
    assert all(not n.op.circular or n.op.padding[0] == 0 for n in found.graph.nodes if isinstance(n.op, Conv1d))


def test_gate_of_linear_layers() -> None:
    """Channels last, without bias, and a batch norm in between."""
    model = seeded(lambda: nn.Sequential(nn.Linear(5, 8, bias=False), nn.GLU(), nn.Linear(4, 6), nn.GLU(-1)))
    data = noise(20, 5)
    found = import_model(model, data[:1], data)
    assert [n.op.name() for n in found.graph.nodes] == ["linear", "linear", "pwl", "multiply"] * 2
    seen = found.compare(data)
    assert seen.holds and np.allclose(np.stack(seen.real), model(data).detach(), atol=1e-4)


class Excited(nn.Module):
    """One factor per sequence and channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate = nn.Conv1d(2, 4, 3), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        found: torch.Tensor = x * torch.sigmoid(self.gate(x.mean(2)))[:, :, None]
        return found


REFUSED = {
    "a gate of a pool": (lambda: nn.Sequential(nn.MaxPool1d(2), nn.GLU(1)), r"aten.glu.default\): input = not made by"),
    "a gate across groups": (lambda: nn.Sequential(nn.Conv1d(2, 4, 3, groups=2), nn.GLU(1)), "input = not made by"),
    "one factor per sequence": (Excited, r"(?s)equal shapes.*squeeze-and-excitation|layouts .* that differ"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    build, words = REFUSED[name]
    with pytest.raises(UnsupportedError, match=words):
        import_model(seeded(build), noise(1, 2, 8), noise(6, 2, 8))


def test_sequences_shorter_than_the_padding_are_refused() -> None:
    block = seeded(lambda: DilatedBlock(2, 2, 8))
    with pytest.raises(UnsupportedError, match=r"conv1d.padding: .*circular on 1 x 4 tokens"):
        import_model(block, noise(1, 2, 16), [noise(2, 16)], dynamic={"n": (4, 20)})


def test_rtl_on_sequences_of_mixed_length() -> None:
    """With stalls: residual queues are as deep as computed and no deeper, so a wrong depth would hang."""
    model = network(blocks=2, hidden=2, gated=True)
    data = [noise(2, n) for n in (*LENGTHS, 3, 20)]
    design = gw.compile(model, noise(1, 2, 8), data, dynamic={"n": (3, 20)}, target=60)
    assert sum(isinstance(n.op, Roll) for n in design.graph.nodes) == 2
    for stall in (0.0, 0.4):
        (row,) = (r for r in design.verify(data, ["rtl"], stall=stall).rows if r.executor == "rtl")
        assert row.mismatches == 0
        predicted = design.predict([x.shape[1] for x in data]).cycles
        # Off where window and matrix unit are about equally busy, see test_window_cycles.
        assert stall or abs(row.cycles - predicted) <= 0.05 * predicted
