# SPDX-License-Identifier: Apache-2.0
"""The graph as a QONNX model, run by the reference execution of QONNX (onnxruntime node by node, Quant in NumPy)."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from gatewright.errors import MissingExtraError
from gatewright.fixed import Fixed, Floats, Ints
from gatewright.graph import Graph
from gatewright.lower.qonnx import export, sources_of
from gatewright.sim.executors import Job, Run

NAME = "qonnx"


def run(job: Job) -> Run:
    """Sequences of equal length are one batch.

    Raises:
        NotExpressibleError: an operator of the graph has no exact QONNX spelling.
        MissingExtraError: the extra `onnx` is not installed.
    """
    columns = list(zip(*job.inputs, strict=True))
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for k, sequences in enumerate(columns):
        alike[tuple(len(s) for s in sequences)].append(k)
    results: list[list[Ints]] = [[] for _ in columns]
    for lengths, members in alike.items():
        streams = [np.stack([columns[k][i] for k in members]) for i in range(len(lengths))]
        found = _batch(job.graph, streams)
        for place, k in enumerate(members):
            results[k] = [f[place] for f in found]
    return Run(tuple([r[o] for r in results] for o in range(len(job.graph.outputs))))


def _batch(graph: Graph, streams: list[Ints]) -> list[Ints]:
    """Integer outputs [N, tokens, channels] for integer inputs [N, tokens, channels]."""
    model = export(graph, batch=len(streams[0]), length=streams[0].shape[1])
    try:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError("qonnx", "not installed", "", "pip install 'gatewright[onnx]'") from error
    wrapper = ModelWrapper(model)
    kinds = {i.name: np.float32 if i.type.tensor_type.elem_type == 1 else np.float64 for i in model.graph.input}
    inputs = {
        name: kind.fixed.dequantize(stream).astype(kinds[name])
        for (name, kind), stream in zip(graph.inputs.items(), streams, strict=True)
    }
    found = execute_onnx(wrapper, inputs)
    return [_integers(found[n], graph.types[o].fixed) for n, o in zip(sources_of(graph), graph.outputs, strict=True)]


def _integers(values: Floats, form: Fixed) -> Ints:
    steps = np.ldexp(values.astype(np.float64), form.frac)
    # A value between two steps must show as a difference from golden, not be rounded away.
    return np.where(steps == np.rint(steps), steps, form.hi + 1.0).astype(np.int64)
