# SPDX-License-Identifier: Apache-2.0
"""Cycles of the token ring on real sentence lengths, beside padding, packing and a rigid pipeline of three stages.

All machines have the same operators with the same cycles per token; the ring is simulated token by token
(`scheduler/ring.py`), the others are in closed form and pay for nothing but what is named (`scheduler/policies`).
"""

from __future__ import annotations

from collections.abc import Sequence

import _encoder as encoder
import matplotlib
import numpy as np
from _table import RESULTS, markdown, versions, write

from gatewright.examples._texts import SETS
from gatewright.graph import Folding
from gatewright.ops.top_k_attention import TopKAttention
from gatewright.scheduler.machine import Looped
from gatewright.scheduler.policies import schedule
from gatewright.scheduler.ring import Ring, simulate_ring
from gatewright.scheduler.work import ideal, pass_cycles

matplotlib.use("svg")
matplotlib.rcParams |= {"svg.hashsalt": "gatewright", "svg.fonttype": "none"}
from matplotlib import pyplot as plt  # noqa: E402

BATCHES = {1: 16, 4: 6, 16: 3, 64: 1}
"""Sequences of a batch, and how many batches are drawn of each set."""

LAYERS = (6, 12)
COARSE = (("q", "k", "v"), ("attention", "o"), ("up", "gelu", "down"))
"""Operators of the three coarse stages of Peng et al."""

RING, SORTED, ARRIVAL = "ring", "rigid, sorted", "rigid, arrival order"
MACHINES = (RING, SORTED, ARRIVAL, "packed", "padded to batch", "padded to set")

GOALS = {1: 1.10, 16: 1.03}
"""Cycles over ideal that are wanted at a batch size, with 12 layers."""

SINGLE = {"o": Folding(simd=1, pe=384), "down": Folding(simd=2, pe=384)}
"""All outputs at once: such a matrix finishes with its last input."""

PACE_768 = {
    **{name: Folding(simd=8, pe=24) for name in "qkvo"},
    "up": Folding(simd=8, pe=96),
    "attention": Folding(lanes=4, simd=8, tokens=2),
}

FASTER: dict[str, dict[str, Folding]] = {
    "as above": {},
    "o twice as fast": {"o": Folding(simd=16, pe=16)},
    "o and down finish with their last input": SINGLE,
    "q, k, v 1.5 times as fast": {name: Folding(simd=12, pe=16) for name in "qkv"},
    "q, k, v twice as fast": {name: Folding(simd=16, pe=16) for name in "qkv"},
    "q, k, v twice as fast; o and down finish with their last input": {
        **{name: Folding(simd=16, pe=16) for name in "qkv"},
        **SINGLE,
    },
    "q, k, v, o three times as fast": {name: Folding(simd=16, pe=24) for name in "qkvo"},
    "every matrix at 768 cycles": {**PACE_768, "down": Folding(simd=32, pe=24)},
    "every matrix at 768 cycles, down finishes with its last input": {**PACE_768, "down": SINGLE["down"]},
}
"""Foldings that make operators faster that are not the bottleneck, and another pace for all."""


SETTING = f"""\
One encoder layer of MiniLM's size ({encoder.WIDTH} channels, {encoder.INNER} inside the feed-forward part,
{encoder.HEADS} heads, top {encoder.TOP}) is used 6 or 12 times. Every matrix takes {encoder.PACE} cycles per token:
{encoder.multipliers(encoder.FOLDINGS):,} multiply-accumulates per cycle in all. Attention looks at {encoder.KEYS} keys
per cycle, one head after another. {encoder.SLOTS} token slots, {encoder.SEQUENCES} sequences in flight, first come
first served. Lengths are those of the test sets: {{shapes}}. Batches are drawn without replacement
({", ".join(f"{count} of {size}" for size, count in BATCHES.items())}); a share is total cycles over total ideal ones.

- **ideal**: the operator with most to do never waits, from the first cycle on. No schedule can beat it.
- **ring**: the token ring, simulated token by token, filling and draining included. The model is held to within 1 % of
  simulated RTL by `tests/scheduler/test_ring_timing.py`.
- **rigid**: three coarse stages (projections; attention; feed-forward) that move on together, each step as long as the
  longest sequence in flight, every sequence at its own length (Peng et al., DAC 2022); in arrival order, or sorted
  by falling length. Filling a stage is not charged. Alone, a sequence leaves two stages of three idle.
- **padded** to the longest of the batch or of the set, and **packed** into windows as long as the set's longest,
  longest first: nothing but padding is charged, no filling and no bubbles."""

READING = """\
With two or more sequences in flight the ring has nothing to wait for but its first fill and its last drain, a share
that falls with the batch. A single sequence of n tokens over L layers pays twice: attention cannot begin before the
last token, so the projections of the first layer and what follows attention in the last one run alone, (L + 1) / L;
and every layer adds the time of one token through all operators, about four matrices one after the other, so 4 / n.
Padding to the batch is free for one sequence only."""

ALONE = """\
Batches of one, 12 layers, over the ideal of the bottleneck, which but for the last two rows stays the same: the first
matrix of the feed-forward part. Faster projections shorten the first fill, the larger loss of long sequences. A matrix
that finishes with its last input (all outputs at once, one fold) takes its latency out of every layer, the larger loss
of short ones; at a pace that suits its shape, as in the last row, this needs no more multipliers."""

ATTENTION = f"""\
Cycles between two results, all {encoder.HEADS} heads: max(ceil(n / KEYS), min(n, k)) per head, taken from
`TopKAttention.stages`. The wide datapath works on k keys whatever n is; only the low-bit selector sees all n."""


class Lengths:
    """Token counts of a test set.

    Attributes:
        kinds: distinct lengths, rising.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.tokens = np.asarray([len(text) for text in SETS[name]().test])
        self.kinds = sorted({int(n) for n in self.tokens})

    def draw(self, size: int, count: int) -> list[list[int]]:
        """`count` batches of kinds in arrival order; always the same ones."""
        rng = np.random.default_rng(size)
        index = np.searchsorted(self.kinds, self.tokens)
        return [rng.choice(index, size, replace=False).tolist() for _ in range(count)]


def machines(lengths: Lengths, ring: Ring, order: Sequence[int]) -> dict[str, int]:
    """Cycles of a batch on every machine but the ring."""
    batch, machine = [lengths.kinds[k] for k in order], Looped(ring)
    return {
        SORTED: schedule(machine, batch, "rigid", stages=COARSE).cycles,
        ARRIVAL: schedule(machine, batch, "rigid", stages=COARSE, descending=False).cycles,
        "packed": schedule(machine, batch, "packed").cycles,
        "padded to batch": schedule(machine, batch, "padding").cycles,
        "padded to set": schedule(machine, batch, "padding", to=lengths.kinds[-1]).cycles,
    }


def comparison(lengths: Lengths, layers: int) -> list[dict[str, object]]:
    """A row per batch size: cycles over ideal ones, totals of all batches drawn."""
    ring = encoder.ring(encoder.FOLDINGS, lengths.kinds, layers)
    work = pass_cycles(ring.body)
    rows = []
    for size, count in BATCHES.items():
        total = dict.fromkeys((*MACHINES, "ideal"), 0)
        for order in lengths.draw(size, count):
            total["ideal"] += ideal(work, order, layers)
            total[RING] += simulate_ring(ring, order).cycles
            for name, cycles in machines(lengths, ring, order).items():
                total[name] += cycles
        shares = {name: f"{total[name] / total['ideal']:.3f}" for name in MACHINES}
        rows.append({"set": lengths.name, "layers": layers, "batch": size, **shares})
    return rows


def alone(every: Sequence[Lengths]) -> list[dict[str, object]]:
    """What faster operators bring to a sequence that is alone, over the ideal of its bottleneck."""
    plain = encoder.multipliers(encoder.FOLDINGS)
    rows = []
    for name, changes in FASTER.items():
        foldings = {**encoder.FOLDINGS, **changes}
        extra = encoder.multipliers(foldings) - plain
        row: dict[str, object] = {"folding": name, "multipliers": f"{plain + extra} (+{extra / plain:.0%})"}
        for lengths in every:
            ring = encoder.ring(foldings, lengths.kinds, 12)
            work = pass_cycles(ring.body)
            found = bound = 0
            for (kind,) in lengths.draw(1, BATCHES[1]):
                found += simulate_ring(ring, [kind]).cycles
                bound += ideal(work, [kind], 12)
            row[f"{lengths.name}, {lengths.tokens.mean():.0f} tokens"] = f"{found / bound:.3f}"
        rows.append(row)
    return rows


def plot_machines(rows: Sequence[dict[str, object]], every: Sequence[Lengths]) -> None:
    """Cycles over ideal by batch size, 12 layers, one panel per set."""
    figure, panels = plt.subplots(1, len(every), figsize=(10, 3.4), sharey=True)
    for panel, lengths in zip(panels, every, strict=True):
        shown = [r for r in rows if r["set"] == lengths.name and r["layers"] == 12]
        for name in MACHINES:
            panel.plot([str(r["batch"]) for r in shown], [float(str(r[name])) for r in shown], "o-", ms=3, label=name)
        panel.set(title=f"{lengths.name}, {lengths.tokens.mean():.0f} tokens", xlabel="sequences in a batch")
        panel.set(yscale="log", yticks=[1, 1.5, 2, 3, 4], yticklabels=["1", "1.5", "2", "3", "4"])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("cycles / ideal, 12 layers")
    panels[-1].legend(fontsize=7)
    _save(figure, "length_adaptivity")


def plot_attention() -> None:
    """Cycles per query of the attention operator by length, all heads."""
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True)
    lengths = np.unique(np.geomspace(8, 512, 40).astype(int))
    for panel, keys in zip(panels, (1, 4, 8), strict=True):
        for top in (8, 30, 64):
            panel.plot(lengths, [per_query(top, keys, int(n)) for n in lengths], label=f"k = {top}")
        panel.set(title=f"{keys} keys per cycle", xlabel="tokens n", xscale="log", yscale="log")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"cycles per query, {encoder.HEADS} heads")
    panels[0].legend(fontsize=8)
    _save(figure, "attention_cycles")


def _save(figure: plt.Figure, name: str) -> None:
    figure.tight_layout()
    figure.savefig(RESULTS / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def per_query(top: int, keys: int, tokens: int) -> int:
    """Cycles between two results of the attention operator, from its own timing."""
    kind = encoder.layer().types["q"]
    op = TopKAttention.of([kind] * 3, encoder.OPERAND, heads=encoder.HEADS, top=top, bits=1)
    folding = Folding(lanes=encoder.WIDTH // encoder.HEADS, simd=keys, tokens=2)
    (stage,) = op.stages(folding, tokens, kind, kind, kind)
    return int(np.max(stage.interval))


def verdict(rows: Sequence[dict[str, object]]) -> str:
    """Which goals are met, in words."""
    lines = []
    for size, goal in GOALS.items():
        found = [(r["set"], float(str(r[RING]))) for r in rows if r["layers"] == 12 and r["batch"] == size]
        met = ", ".join(f"{name} {share:.3f} ({'met' if share <= goal else 'missed'})" for name, share in found)
        lines.append(f"- Goal of {goal:.2f} with 12 layers and batches of {size}: {met}.")
    return "\n".join(lines)


def main() -> None:
    """Measure and write `results/length_adaptivity.md` and two plots."""
    every = [Lengths(name) for name in SETS]
    rows = [row for layers in LAYERS for lengths in every for row in comparison(lengths, layers)]
    plot_machines(rows, every)
    plot_attention()
    shapes = "; ".join(
        f"{s.name}: {s.tokens.mean():.0f} tokens on average, {s.tokens.min()} to {s.tokens.max()}" for s in every
    )
    write(
        "length_adaptivity",
        "# Cycles on real sentence lengths",
        "`python bench/length_adaptivity.py` with " + versions("gatewright", "numpy", "matplotlib"),
        SETTING.format(shapes=shapes),
        "## Cycles over ideal",
        markdown(rows),
        verdict(rows),
        "![cycles over ideal by batch size](length_adaptivity.svg)",
        READING,
        "## One sequence alone: faster operators beside the bottleneck",
        markdown(alone(every)),
        ALONE,
        "## Attention",
        "![cycles per query by length](attention_cycles.svg)",
        ATTENTION,
    )


if __name__ == "__main__":
    main()
