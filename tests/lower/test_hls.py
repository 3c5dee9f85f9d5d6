# SPDX-License-Identifier: Apache-2.0
"""The hls4ml project of a transformer encoder block and of a perceptron: compiles, equals golden, and its Tcl runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gatewright as gw
from gatewright.errors import UnsupportedError
from gatewright.lower.hls.builder import program
from gatewright.lower.hls.project import dequantized
from gatewright.nn import calibrate_selector
from gatewright.nn.bert import EncoderBlock
from gatewright.sim.csim import ap_types

pytest.importorskip("hls4ml", reason="the extra hls is not installed")

MOST = 9


class Stack(nn.Module):
    """Two encoder layers on [N, n, 8] and the mean over the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList(EncoderBlock(8, 16, 2, 1e-12, top=3, bits=4) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.layer:
            x = block(x)
        return x


@pytest.fixture(scope="module")
def items() -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(n, 8) for n in (5, 1, MOST, 2, 7)]


@pytest.fixture(scope="module")
def encoder(items: list[torch.Tensor]) -> gw.Design:
    """Two layers that share one piece of hardware, with a run-time length."""
    torch.manual_seed(0)
    net = Stack().eval()
    calibrate_selector(net, [i[None] for i in items])
    config = gw.QuantConfig.transformer(bits=8, tie=("layer.*",))
    return gw.compile(
        net, items[0][None], items, config=config, dynamic={"n": (1, MOST)}, ring=gw.Ring("layer"), name="encoder"
    )


@pytest.fixture(scope="module")
def compiled(encoder: gw.Design, items: list[torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The project, built by hls4ml's own `compile`."""
    model = encoder.hls(tmp_path_factory.mktemp("hls") / "encoder", samples=items)
    model.compile()
    return model


def folder(model: Any) -> Path:
    return Path(model.config.get_output_dir())


def golden(design: gw.Design, items: list[torch.Tensor]) -> np.ndarray:
    """Real golden results, padded with zeros."""
    found = np.zeros((len(items), MOST, 8))
    for row, one in zip(found, design.run(items), strict=True):
        row[: len(one)] = one
    return found


def test_c_simulation_with_bounded_streams_equals_golden(encoder: gw.Design, items: list[torch.Tensor]) -> None:
    """Two layers on one piece of hardware; `verify` finds the executor by itself."""
    found = encoder.verify(items, ["golden", "hls"]).check()
    assert {r.executor: r.mismatches for r in found.rows} == {"golden": 0, "hls": 0}


@pytest.mark.slow
def test_predict_of_hls4ml_equals_golden(compiled: Any, encoder: gw.Design, items: list[torch.Tensor]) -> None:
    """Sequences of other lengths than the longest are padded; what comes out behind them is zero."""
    made = program(encoder.graph, encoder.foldings)
    x, lengths = dequantized(made, encoder.imported.encode(items))
    assert lengths[:, 0].tolist() == [len(i) for i in items]
    found = compiled.predict([x, lengths]).reshape(-1, MOST, 8)
    assert np.array_equal(found, golden(encoder, items))
    # Padding is not read.
    x[0, len(items[0]) :] = 1.0
    assert np.array_equal(compiled.predict([x, lengths]).reshape(-1, MOST, 8), found)


@pytest.mark.slow
def test_a_length_out_of_range_counts_as_the_nearest(compiled: Any, encoder: gw.Design) -> None:
    made = program(encoder.graph, encoder.foldings)
    x, _ = dequantized(made, encoder.imported.encode([torch.ones(MOST, 8)]))
    ends = [compiled.predict([x, np.array([[float(n)]])]) for n in (0, 1, MOST, MOST + 1)]
    assert np.array_equal(ends[0], ends[1]) and np.array_equal(ends[2], ends[3])
    assert not np.array_equal(ends[1], ends[2])


@pytest.mark.slow
def test_the_project_is_an_ordinary_one(compiled: Any) -> None:
    """A layer per operator with its own types, depths from the program, weights in headers; for the board's FPGA."""
    top = (folder(compiled) / "firmware" / "encoder.cpp").read_text()
    assert "gatewright::loop<" in top and "gatewright::enter_length<" in top and "#pragma HLS DATAFLOW" in top
    parameters = (folder(compiled) / "firmware" / "parameters.h").read_text()
    for kernel in ("linear", "top_k_attention", "layer_norm", "pwl", "add", "fork"):
        assert f"gatewright::{kernel}<" in parameters, kernel
    assert "tokens ahead of the other input" in parameters
    assert 'set part "xcu200-fsgd2104-2-e"' in (folder(compiled) / "project.tcl").read_text()
    assert any((folder(compiled) / "firmware" / "weights").glob("ring_linear*_weight_*.h"))


def tcl(model: Any, *options: str) -> list[str]:
    """Run build_prj.tcl under tclsh with recorded Vitis commands; returns them."""
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("tclsh is not installed")
    names = ("reset", "csim", "synth", "cosim", "validation", "export", "vsynth", "fifo_opt")
    lines = [f"    {name} {int(name in options)}" for name in names]
    (folder(model) / "build_opt.tcl").write_text("\n".join(["array set opt {", *lines, "}", ""]))
    stub = Path(__file__).with_name("vitis_stub.tcl")
    done = subprocess.run(
        [tclsh, str(stub), str(ap_types())], cwd=folder(model), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.removeprefix("RECORDED ") for line in done.stdout.splitlines() if line.startswith("RECORDED ")]


@pytest.mark.slow
def test_its_tcl_runs_and_its_test_bench_equals_golden(
    compiled: Any, encoder: gw.Design, items: list[torch.Tensor]
) -> None:
    """Under g++ with the flags of the script, C++11 among them, not those of hls4ml's `compile`."""
    commands = tcl(compiled, "reset", "csim", "synth", "export")
    assert "set_top encoder" in commands and "csynth_design" in commands
    assert [c for c in commands if c.startswith("set_part")] == ["set_part xcu200-fsgd2104-2-e"]
    rows = (folder(compiled) / "tb_data" / "csim_results.log").read_text().splitlines()
    found = np.array([[float(v) for v in row.split()] for row in rows])
    # The log has six digits, which tell neighbours in the format apart.
    step = encoder.imported.output_type.fixed.ulp
    assert np.array_equal(np.rint(found.reshape(-1, MOST, 8) / step) * step, golden(encoder, items))


@pytest.mark.slow
def test_the_stub_sees_a_missing_file(compiled: Any, tmp_path: Path) -> None:
    shutil.copytree(folder(compiled), tmp_path / "copy", ignore=shutil.ignore_patterns("*.o", "*.so"))
    (tmp_path / "copy" / "firmware" / "encoder.cpp").unlink()
    stub = Path(__file__).with_name("vitis_stub.tcl")
    if shutil.which("tclsh") is None:
        pytest.skip("tclsh is not installed")
    done = subprocess.run(
        ["tclsh", str(stub), str(ap_types())], cwd=tmp_path / "copy", capture_output=True, text=True, check=False
    )
    assert done.returncode and "add_files firmware/encoder.cpp: no such file" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "Quartus"}, r"back end 'Quartus'(.|\n)*Vitis, Vivado"),
        ({"io_type": "io_parallel"}, "io_type = 'io_stream'"),
        ({"namespace": "mine"}, "no namespace"),
    ],
)
def test_refusals(encoder: gw.Design, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        encoder.hls(tmp_path, **options)
