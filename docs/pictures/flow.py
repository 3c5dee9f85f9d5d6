# SPDX-License-Identifier: Apache-2.0
"""Draws flow.svg: the way of a network through gatewright, and how busy each operator of mnist_lenet is.

Run from the checkout after `make venv`: `.venv/bin/python docs/pictures/flow.py`
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from gatewright import boards
from gatewright.design import Design, fold
from gatewright.examples import examples
from gatewright.schedule import node_cycles

BOXES = (
    (0.00, 0.50, "PyTorch module", "float, trained"),
    (0.27, 0.50, "integer graph", "golden meaning, NumPy"),
    (0.54, 0.86, "RTL in Verilator", "every sample, full speed"),
    (0.54, 0.50, "RTL under cocotb", "random stalls on every port"),
    (0.54, 0.14, "Yosys", "LUT, FF, DSP, BRAM of the board"),
)
ARROWS = (
    (0.205, 0.5, 0.265, 0.5, "within derived\ntolerance"),
    (0.475, 0.55, 0.535, 0.84, "=="),
    (0.475, 0.5, 0.535, 0.5, "=="),
    (0.475, 0.45, 0.535, 0.16, ""),
)


def flow(axes: Axes) -> None:
    """Boxes and arrows."""
    axes.set_axis_off()
    axes.set_xlim(-0.01, 0.78)
    axes.set_ylim(-0.05, 1.05)
    for x, y, title, text in BOXES:
        axes.add_patch(plt.Rectangle((x, y - 0.13), 0.2, 0.26, facecolor="#eef3f8", edgecolor="#35618f"))
        axes.text(x + 0.1, y + 0.035, title, ha="center", va="center", weight="bold", fontsize=10)
        axes.text(x + 0.1, y - 0.06, text, ha="center", va="center", fontsize=8, color="#444444")
    for x0, y0, x1, y1, text in ARROWS:
        axes.annotate("", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "->", "color": "#35618f"})
        axes.text((x0 + x1) / 2, max(y0, y1) + (0.17 if "\n" in text else 0.03), text, ha="center", fontsize=8)


def busy(axes: Axes, design: Design) -> None:
    """Busy cycles per image of every operator, against the slowest one."""
    nodes = [n for n in design.graph.nodes if n.name in design.rtl.instances]
    cycles = [node_cycles(design.graph, n, design.foldings[n.name], 784) for n in nodes]
    axes.barh(range(len(nodes)), cycles, color=["#35618f" if c == max(cycles) else "#a9c3dd" for c in cycles])
    axes.set_yticks(range(len(nodes)), [n.op.name() for n in nodes])
    axes.invert_yaxis()
    axes.set_xlabel("cycles per image")
    axes.set_title("mnist_lenet: busy cycles of each operator; the slowest sets the rate", fontsize=10, loc="left")
    for row, (node, count) in enumerate(zip(nodes, cycles, strict=True)):
        folding = design.foldings[node.name]
        macs = folding.simd * folding.pe * folding.tokens
        text = f"{count:,.0f}" + (f"   {macs} multipliers" if macs > 1 else "")
        depth = design.rtl.depths.get((node.name, 0))
        axes.text(
            count + 60,
            row,
            text + (f", FIFO of {depth.tokens} tokens in front" if depth else ""),
            va="center",
            fontsize=8,
        )
    axes.set_xlim(0, max(cycles) * 1.45)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main() -> None:
    """Draw."""
    # Text stays text, and the same picture gives the same file.
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "gatewright"}
    example = examples()["mnist_lenet"]
    design = fold(example.imported(), boards.load("u200"), example.target)
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 6), height_ratios=(1, 1.2), layout="constrained")
    flow(top)
    busy(bottom, design)
    figure.savefig(Path(__file__).with_name("flow.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
