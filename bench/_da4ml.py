# SPDX-License-Identifier: Apache-2.0
"""The da4ml side of `peers_digits_mlp.py`; runs in da4ml's own environment.

Reads the integer layers of a network from layers.npz in the working folder, traces the same arithmetic (round
half up, saturate), writes pipelined Verilog to ./verilog and da4ml's own integer results to results.npz.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from da4ml.codegen import VerilogModel
from da4ml.trace import FixedVariableArrayInput, comb_trace


def main(cutoff: float) -> None:
    start = time.perf_counter()
    data = np.load("layers.npz")
    formats = json.loads(Path("formats.json").read_text())
    x = FixedVariableArrayInput(formats[0]["channels"])
    # An input takes its width from the format; it has no range to saturate yet.
    value = quantized(x, formats[0], "WRAP")
    for index, form in enumerate(formats[1:]):
        weight, bias, shift = (data[f"{name}{index}"] for name in ("weight", "bias", "shift"))
        # A power of two per channel moves the binary point and costs nothing.
        value = (value @ weight.T.astype(np.float64) + bias.astype(np.float64)) * 2.0 ** -shift.astype(np.float64)
        value = quantized(value, form)
    comb = comb_trace(x, value)
    samples = data["x"].astype(np.float64)
    np.savez("results.npz", y=np.asarray(comb.predict(samples)).reshape(len(samples), -1))
    model = VerilogModel(comb, "digits", "verilog", latency_cutoff=cutoff, print_latency=False)
    model.write()
    info = {"version": version("da4ml"), "seconds": time.perf_counter() - start, "lut": float(comb.cost)}
    stages = getattr(model, "_pipe", None)
    info["stages"] = len(stages.solutions) if stages is not None else 1
    Path("info.json").write_text(json.dumps(info))


def quantized(value: object, form: dict[str, int], overflow: str = "SAT") -> object:
    """Round half up and saturate to an integer format."""
    signed = form["signed"]
    return value.quantize(signed, form["width"] - signed, 0, overflow_mode=overflow, round_mode="RND")


main(float(sys.argv[1]))
