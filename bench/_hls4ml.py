# SPDX-License-Identifier: Apache-2.0
"""The hls4ml side of `peers_digits_mlp.py`: convert the same float network, run its C++ emulation."""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np

SETTINGS = {"ap_fixed<16,6>": 16, "ap_fixed<8,4>": 8}


def rows(model: Any, x: np.ndarray, y: np.ndarray, scores: np.ndarray) -> list[dict[str, object]]:
    """One row per precision; a row that says what to install when hls4ml is not there.

    Args:
        x, y: test items and labels.
        scores: results of the float model.
    """
    try:
        import hls4ml
    except ImportError:
        return [{"generator": "hls4ml", "note": "not installed: pip install 'gatewright[hls]'"}]
    found = []
    for precision in SETTINGS:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            config = hls4ml.utils.config_from_pytorch_model(
                model, (x.shape[1],), granularity="name", default_precision=precision, backend="Vitis"
            )
            hls = hls4ml.converters.convert_from_pytorch_model(
                model, hls_config=config, output_dir=folder, backend="Vitis", io_type="io_parallel"
            )
            hls.compile()
            seconds = time.perf_counter() - start
            result = hls.predict(np.ascontiguousarray(x)).reshape(len(x), -1)
            label = result.argmax(axis=1)
            found.append(
                {
                    "generator": f"hls4ml {hls4ml.__version__}, {precision}",
                    "accuracy": float(np.mean(label == y)),
                    "agrees with float": float(np.mean(label == scores.argmax(axis=1))),
                    "note": f"C++ emulation only ({seconds:.0f} s): no cycles or LUT without Vitis",
                }
            )
    return found
