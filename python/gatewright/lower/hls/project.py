# SPDX-License-Identifier: Apache-2.0
"""Program to hls4ml project: an ordinary `ModelGraph`, so `compile`, `predict` and `build` are hls4ml's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.errors import UnsupportedError
from gatewright.fixed import Floats, Ints
from gatewright.graph import Graph, Length, TensorType, least_tokens, most_tokens
from gatewright.lower.hls.kernel import Kernel
from gatewright.lower.hls.program import Port, Process, Program

LENGTH_BITS = 16
"""Of an input that says how many tokens count."""


def project(
    program: Program,
    folder: str | Path,
    *,
    part: str,
    clock_period: float,
    backend: str = "Vitis",
    bench: tuple[Graph, Sequence[Ints]] | None = None,
    **options: Any,
) -> Any:
    """The hls4ml `ModelGraph` of a program; nothing is written yet.

    Inputs are named `in_<value>`, of shape [tokens, channels] or, for a single token, [channels]. One with a run-time
    length has the greatest length and a second input `length_<value>`, the number of its first tokens that count.
    Outputs are padded with zeros behind the final token. Values are real numbers; any that lie in the formats, as
    dequantized integers do, go in and come out exactly as float64.

    Args:
        folder: of the project.
        backend: of hls4ml; one with `ap_int`.
        part: FPGA part number.
        clock_period: in nanoseconds.
        bench: the program's graph, of one input, and sequences for the project's own test bench.
        options: more for hls4ml's `create_config`, e.g. `clock_uncertainty`.

    Raises:
        MissingExtraError: hls4ml is not installed.
        UnsupportedError: another back end, or an option that our layers do not know.
    """
    if options.get("namespace") is not None or options.get("io_type", "io_stream") != "io_stream":
        raise UnsupportedError("hls", f"options {options}", "no namespace, and io_type = 'io_stream'")
    from gatewright.lower.hls import extension

    extension.register(backend)
    extension.add_sources(backend, program)
    from hls4ml.model import ModelGraph
    from hls4ml.utils.config import create_config

    layers, inputs, precisions = _entries(program)
    for process in program.processes:
        channels = {n: program.channels[n] for n in process.outputs}
        layers.append(_layer(process, channels=channels))
    for port in program.outputs:
        layers.append(_exit(port))
    config = create_config(
        output_dir=str(folder),
        project_name=program.name,
        backend=backend,
        part=part,
        clock_period=clock_period,
        **{"io_type": "io_stream", **options},
    )
    if bench is not None:
        config |= _bench(program, *bench, Path(folder))
    config["HLSConfig"] = {
        # The model's own precision is what hls4ml falls back to; no layer here does.
        "Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1},
        "LayerName": {name: {"Precision": {"result": text}} for name, text in precisions.items()},
    }
    return ModelGraph.from_layer_list(config, layers, inputs, [f"out_{p.value}" for p in program.outputs])


def shape(kind: TensorType) -> list[int]:
    """Shape of an input or output in hls4ml."""
    return [kind.channels] if kind.tokens == 1 else [most_tokens(kind.tokens), kind.channels]


def dequantized(program: Program, sequences: Sequence[Ints]) -> list[Floats]:
    """What `predict` takes for integer sequences of the only input: values, and lengths where they vary."""
    (port,) = program.inputs
    values = np.zeros((len(sequences), most_tokens(port.kind.tokens), port.kind.channels))
    for row, one in zip(values, sequences, strict=True):
        row[: len(one)] = port.kind.fixed.dequantize(one)
    found = [values.reshape(len(sequences), *shape(port.kind))]
    if isinstance(port.kind.tokens, Length):
        found.append(np.array([[len(s)] for s in sequences], np.float64))
    return found


def _bench(program: Program, graph: Graph, sequences: Sequence[Ints], folder: Path) -> dict[str, str]:
    """Stimulus and golden results, flat per sequence, as hls4ml's test bench reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = program.outputs
    wanted = np.zeros((len(sequences), most_tokens(port.kind.tokens), port.kind.channels))
    for row, one in zip(wanted, sequences, strict=True):
        (result,) = graph.evaluate(one)
        row[: len(result)] = port.kind.fixed.dequantize(result)
    flat = [a.reshape(len(sequences), -1) for a in dequantized(program, sequences)]
    files = {"InputData": np.concatenate(flat, axis=1), "OutputPredictions": wanted.reshape(len(sequences), -1)}
    for name, values in files.items():
        np.save(folder / f"{name}.npy", values)
    return {name: str(folder / f"{name}.npy") for name in files}


def _entries(program: Program) -> tuple[list[dict[str, Any]], list[str], dict[str, str]]:
    """Input layers and those that take over from them; names of the inputs; their precisions."""
    layers, inputs, precisions = [], [], {}
    for port in program.inputs:
        fixed, sources = port.kind.fixed, [f"in_{port.value}"]
        unsigned = "" if fixed.signed else "u"
        precisions[sources[0]] = f"{unsigned}fixed<{fixed.width},{fixed.width - fixed.frac},RND,SAT>"
        layers.append({"class_name": "InputLayer", "name": sources[0], "input_shape": shape(port.kind)})
        function = "enter"
        if isinstance(port.kind.tokens, Length):
            function, name = "enter_length", f"length_{port.value}"
            precisions[name] = f"uint<{LENGTH_BITS}>"
            layers.append({"class_name": "InputLayer", "name": name, "input_shape": [1]})
            sources.append(name)
        inputs += sources
        channel = program.channels[port.channel]
        counts = {"tokens": most_tokens(port.kind.tokens), "least": least_tokens(port.kind.tokens)}
        kernel = Kernel(function, counts, (), channel.lanes)
        process = Process(f"enter_{port.value}", kernel, tuple(sources), (port.channel,))
        layers.append(_layer(process, channels={port.channel: channel}, fixed=fixed))
    # hls4ml wants its inputs first.
    return sorted(layers, key=lambda d: d["class_name"] != "InputLayer"), inputs, precisions


def _layer(process: Process, **attributes: Any) -> dict[str, Any]:
    from gatewright.lower.hls import extension

    return {
        "class_name": extension.class_name(process.kernel.function),
        "name": process.name,
        "inputs": list(process.inputs),
        "outputs": list(process.outputs),
        "process": process,
        **attributes,
    }


def _exit(port: Port) -> dict[str, Any]:
    return {
        "class_name": "GatewrightLeave",
        "name": f"out_{port.value}",
        "inputs": [port.channel],
        "fixed": port.kind.fixed,
        "shape": shape(port.kind),
        "tokens": most_tokens(port.kind.tokens),
    }
