# SPDX-License-Identifier: Apache-2.0
"""Generated networks in the shell beside memory, from bytes to bytes; and the outermost module that vendors see."""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from ops.test_loop import X, first_foldings, looped
from rtl.axi_bench import SIZE, Reader, Writer
from rtl.shell_bench import Host

from gatewright.errors import DataError, UnsupportedError
from gatewright.graph import Graph
from gatewright.lower.rtl import lower
from gatewright.shell.bus import DmaDesign, MemoryDesign
from gatewright.shell.layout import Layout, beat_bytes
from gatewright.sim import toolchain
from gatewright.sim.beats import pack, unpack
from gatewright.sim.bench import run_bench
from gatewright.sim.fuzz import random_sequence
from gatewright.sim.streams import Harness, Pace

PLAN = "GATEWRIGHT_PLAN"
MALFORMED = (10, 0)
"""Tokens of sequences that the network refuses; its most are 9."""
LENGTHS = (1, 9, 10, 2, 0, 5, 9)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pace=[Pace(), Pace(0.3, 0.5)])
async def equals_golden(dut: Any, pace: Pace) -> None:
    plan = {k: bytes.fromhex(v) for k, v in json.loads(Path(os.environ[PLAN]).read_text()).items()}
    bench = Harness(dut)
    reader, writer, host = Reader(bench, "gmem0", pace), Writer(bench, "gmem1", pace), Host(bench)
    await host.start()
    assert await host.read("build_id") == int.from_bytes(plan["build_id"], "big")
    # Neither lies at a whole word.
    weights, source, target = 3, 0x8005, 0x1FFF
    reader.write(weights, plan["weights"])
    reader.write(source, plan["input"])
    await host.write("weights_address", weights)
    await host.write("weights_bytes", len(plan["weights"]))
    await host.go(load=True)
    await host.done()
    assert await host.read("status.loaded") and not await host.errors()
    for name, value in (("input", source), ("output", target)):
        await host.write(f"{name}_address", value)
        await host.write(f"{name}_bytes", len(plan[name]))
    for _ in range(2):
        writer.write(0, bytes(SIZE))
        await host.go(sequences=len(LENGTHS))
        await host.done(4000)
        assert bytes(writer.read(target, len(plan["output"]))) == plan["output"]
        assert await host.errors() == {"malformed"}
        assert await host.read("finished") == len(LENGTHS) - len(MALFORMED)
        found = [await host.read("rejected") for _ in MALFORMED]
        assert [f & 0xFF for f in found] == [LENGTHS.index(n) for n in MALFORMED]


def untagged() -> Graph:
    """The layer in front of the loop alone: a network that does not look at its sequences itself."""
    graph = looped()
    return Graph(graph.inputs, graph.nodes[:1], ("before",), "plain")


@pytest.mark.slow
@pytest.mark.parametrize("graph", [looped(), untagged()], ids=["loop", "plain"])
def test_memory_design(graph: Graph, tmp_path: Path) -> None:
    design = MemoryDesign(lower(graph, first_foldings(graph)), 64, 4, 2)
    rng = np.random.default_rng(5)
    plan, source, result = design.layout, design.source, design.result
    items = [random_sequence(rng, X, n) for n in LENGTHS if n]
    golden = [graph.evaluate(x)[0] for x in items if len(x) not in MALFORMED]
    beats = [pack(x, source.lanes, source.kind) for x in items]
    beats.insert(LENGTHS.index(0), beats[0][:0])
    output = np.concatenate([pack(y, result.lanes, result.kind) for y in golden])
    data = {
        "build_id": design.build_id.to_bytes(8, "big"),
        "weights": plan.weights(design.network.memory.astype(np.uint32)),
        "input": plan.pack(beats),
        "output": b"".join(
            row.tobytes()[: beat_bytes(result.bits)].ljust(beat_bytes(result.bits), b"\0") for row in output
        ),
    }
    (tmp_path / "plan.json").write_text(json.dumps({k: v.hex() for k, v in data.items()}))
    # The layout's own way back agrees with golden too.
    tokens = [len(y) for y in golden]
    back = [unpack(b, result.lanes, result.kind) for b in plan.unpack(data["output"], tokens)]
    assert all(np.array_equal(a, b) for a, b in zip(back, golden, strict=True))
    sources = []
    for name, text in [*design.network.modules.items(), (design.name, design.text)]:
        (tmp_path / f"{name}.sv").write_text(text)
        sources.append(tmp_path / f"{name}.sv")
    run_bench(design.name, __file__, sources=sources, environment={PLAN: str(tmp_path / "plan.json")})


@pytest.mark.parametrize("kind", [MemoryDesign, DmaDesign])
def test_outermost_module(kind: type[MemoryDesign] | type[DmaDesign], tmp_path: Path) -> None:
    """Clean with everything below it, but for the vendor's word `interrupt`; its ports are grouped by their names."""
    graph = untagged()
    design = kind(lower(graph, first_foldings(graph)), 128)
    for name, text in design.files.items():
        (tmp_path / name).write_text(text)
    flags = ["--lint-only", "-Wall", "-Wno-SYMRSVDWORD", "--assert", "-I.", "--top-module", design.kernel]
    toolchain.run(["verilator_bin", *flags, *design.sources], tmp_path, "lint")
    assert {"s_axi_control", *design.interfaces} == {s.outer.rpartition("_")[0] for s in design.signals()[:-1]}
    assert f"ASSOCIATED_RESET {design.RESET}" in design.verilog


def test_layout() -> None:
    layout = Layout(10, 2, 40, 1, 32, 2)
    beats = np.array([[0x3FF], [1]], np.uint32)
    # A header is padded to whole beats, a beat to a power of two of bytes.
    assert layout.pack([beats, beats[:0]]).hex() == "01000000ff03010000000000"
    assert [beat_bytes(n) for n in (1, 8, 9, 17, 32, 33, 64, 65)] == [1, 1, 2, 4, 4, 8, 8, 16]
    (found,) = layout.unpack(bytes(range(8)), [1])
    assert found.tolist() == [[0x03020100, 0x07060504]]
    with pytest.raises(DataError, match="sequence 0: 1 beats\n  supported: a multiple of 2"):
        layout.pack([beats[:1]])
    with pytest.raises(DataError, match="results: 7 bytes\n  supported: 8 bytes"):
        layout.unpack(bytes(7), [1])
    with pytest.raises(DataError, match=r"shape \(1, 1\)\n  supported: 2 words of 32 bits"):
        layout.weights(np.zeros((1, 1), np.uint32))


def test_refusals() -> None:
    network = lower(untagged(), first_foldings(untagged()))
    with pytest.raises(UnsupportedError, match="a bus of 100 bits"):
        MemoryDesign(network, 100)
