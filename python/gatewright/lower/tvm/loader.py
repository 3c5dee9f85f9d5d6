# SPDX-License-Identifier: Apache-2.0
"""Runs an exported network. Needs this file, NumPy and TVM's runtime (TVM_USE_RUNTIME_LIB=1), no gatewright.

network = Network.load("network.so")
(result,) = network(tokens)             # integers [tokens, channels] in and out
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ENTRY = "run"
"""The function of the library that computes all outputs."""

Ints = npt.NDArray[np.int64]


class Network:
    """A compiled network.

    Args:
        module: the compiled module, or the executable that was just built.
        interface: what `Network.load` reads beside the library: "inputs" and "outputs", a list of {"dtype", "frac"}.
        threads: cores to use; all that this process may run on by default.
    """

    def __init__(self, module: Any, interface: dict[str, Any], threads: int = 0) -> None:
        import tvm
        from tvm.runtime.vm import VirtualMachine

        self.interface = interface
        self._tvm = tvm
        self._machine = VirtualMachine(module, tvm.cpu())
        # By default TVM binds the calling thread to one core, and all that it starts or calls later with it.
        os.environ.setdefault("TVM_BIND_THREADS", "0")
        # TVM's own default is one thread per two logical cores.
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        tvm.get_global_func("runtime.config_threadpool")(1, threads or cores)

    @staticmethod
    def load(path: str | Path, threads: int = 0) -> Network:
        """The network of a library and of the JSON file beside it."""
        import tvm

        text = Path(path).with_suffix(".json").read_text()
        return Network(tvm.runtime.load_module(str(path)), json.loads(text), threads)

    def __call__(self, *sequences: npt.ArrayLike) -> tuple[Ints, ...]:
        """Integers of every output for one sequence [tokens, channels] per input, in the inputs' formats."""
        found = self.raw(self.arguments(*sequences))
        return tuple(value.numpy().astype(np.int64) for value in found)

    def arguments(self, *sequences: npt.ArrayLike) -> list[Any]:
        """Sequences as TVM tensors."""
        kinds = [kind["dtype"] for kind in self.interface["inputs"]]
        return [self._tvm.runtime.tensor(np.asarray(s).astype(k)) for s, k in zip(sequences, kinds, strict=True)]

    def raw(self, arguments: Sequence[Any]) -> Any:
        """TVM tensors in and out."""
        return self._machine[ENTRY](*arguments)
