# SPDX-License-Identifier: Apache-2.0
"""Compile, verify, save, load, refuse: the calls of the README, on a small network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import gatewright as gw
from gatewright.errors import BudgetError, DataError, FoldingError, SimulationError
from gatewright.sim.executors import executors


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).eval()


@pytest.fixture(scope="module")
def samples() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(24, 8)


@pytest.fixture(scope="module")
def design(samples: torch.Tensor) -> gw.Design:
    return gw.compile(network(), samples[:1], samples, board="pynq-z2", target=12, name="tiny")


def test_every_executor_equals_golden_and_pytorch(design: gw.Design, samples: torch.Tensor) -> None:
    found = design.verify(samples, stall=0.3)
    assert {r.executor for r in found.rows} == set(executors()) >= {"golden", "rtl", "cocotb"}
    assert found.check() is found and found.mismatches == 0
    assert "derived tolerance" in str(found) and "cocotb" in str(found)


def test_a_mismatch_is_reported(design: gw.Design, samples: torch.Tensor) -> None:
    """Hardware with one wrong weight is found by `verify`."""
    from gatewright.sim.library import Simulator

    job = design.job(design.imported.encode(samples))
    broken = design.rtl.memory.copy()
    broken[0, 0] ^= 0x40
    golden = design.execute("golden", job)
    with Simulator(design.rtl) as simulator:
        simulator.load(broken)
        result = simulator.run(job.inputs, job.lengths)
    assert any(not np.array_equal(a, b) for a, b in zip(result.outputs[0], golden.outputs[0], strict=True))


def test_results_are_in_the_layout_of_the_model(design: gw.Design, samples: torch.Tensor) -> None:
    y = design.run(samples, "rtl")
    assert np.array_equal(y, design.run(samples))
    with torch.no_grad():
        real = network()(samples).numpy()
    assert np.max(np.abs(y - real)) <= design.imported.compare(samples).worst[1]


def test_prediction_is_close(design: gw.Design, samples: torch.Tensor) -> None:
    (row,) = [r for r in design.verify(samples, ["rtl"], compare=False).rows if r.executor == "rtl"]
    assert abs(design.predict([1] * len(samples)).cycles - row.cycles) <= max(3, 0.01 * row.cycles)


def test_a_schedule_is_the_prediction_in_detail(design: gw.Design, samples: torch.Tensor, tmp_path: Path) -> None:
    found = design.schedule([1] * len(samples))
    assert found.cycles == design.predict([1] * len(samples)).cycles and len(found.visits) == len(samples)
    assert {name.partition(".")[0] for name in found.blocks} <= set(design.foldings)
    assert found.gantt(tmp_path / "a.svg").exists()
    with pytest.raises(DataError, match=r"lengths: 7 to 7 tokens\s.*1 to 1"):
        design.schedule([7])
    with pytest.raises(DataError, match="policy"):
        design.schedule([1], policy="random")


def test_the_initiation_interval_is_exact(samples: torch.Tensor) -> None:
    """One matrix unit alone: (IN/SIMD) * (OUT/PE) cycles per token, without a bubble."""
    layer = nn.Linear(8, 6).eval()
    for simd, pe in ((1, 1), (2, 3), (4, 2), (8, 6)):
        one = gw.compile(layer, samples[:1], samples, foldings={"linear": gw.Folding(simd=simd, pe=pe)})
        finished = one.execute("rtl", one.job(one.imported.encode(samples))).finished
        assert set(np.diff(finished)) == {8 // simd * (6 // pe)}


def test_run_time_lengths(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv1d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    items = [torch.rand(3, n) for n in (5, 1, 17, 32, 2)]
    one = gw.compile(net, items[0][None], items, dynamic={"n": (1, 32)}, target=200, name="anylength")
    assert one.verify(items, ["rtl"], stall=0.2).check()


def test_save_and_load(design: gw.Design, samples: torch.Tensor, tmp_path: Path) -> None:
    design.save(tmp_path / "d")
    again = gw.Design.load(tmp_path / "d")
    assert again.rtl.text == design.rtl.text and np.array_equal(again.rtl.memory, design.rtl.memory)
    assert np.array_equal(again.run(samples), design.run(samples))
    with pytest.raises(DataError, match="Design.save"):
        gw.Design.load(tmp_path / "nothing")


def test_written_sources_are_complete(design: gw.Design, tmp_path: Path) -> None:
    """The folder alone passes Verilator's -Wall."""
    from gatewright.sim import toolchain

    sources = design.write(tmp_path / "rtl")
    toolchain.run(
        [
            "verilator_bin",
            "--lint-only",
            "-Wall",
            "--assert",
            "--top-module",
            "tiny_top",
            f"-I{tmp_path / 'rtl'}",
            *map(str, sources),
        ],
        tmp_path,
        "lint",
    )
    words = (tmp_path / "rtl" / "weights.hex").read_text().split()
    assert [int(w, 16) for w in words] == design.rtl.memory[:, 0].tolist()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"foldings": {"nonsense": gw.Folding()}}, FoldingError, "no such node"),
        ({"target": 0.5}, BudgetError, "at its fastest"),
        ({"board": "no-such-board"}, Exception, "u200"),
    ],
)
def test_refusals(samples: torch.Tensor, options: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        gw.compile(network(), samples[:1], samples, **options)  # type: ignore[arg-type]


def test_a_folding_must_divide(samples: torch.Tensor) -> None:
    names = {"linear": gw.Folding(simd=3), "linear_1": gw.Folding()}
    one = gw.compile(network(), samples[:1], samples, foldings=names)
    with pytest.raises(FoldingError, match="simd: 3 does not divide 8 inputs"):
        _ = one.rtl


def test_over_budget_names_the_resource(samples: torch.Tensor) -> None:
    """A layer whose weights alone are more than the board holds."""
    wide = nn.Linear(8, 20_000).eval()
    with pytest.raises(BudgetError, match=r"board tang-nano-20k: lut: .*needed.*short \(most of it in linear\)"):
        gw.compile(wide, samples[:1], samples, board="tang-nano-20k", target=100)


def test_a_stalled_design_is_an_error_not_a_hang(design: gw.Design, samples: torch.Tensor) -> None:
    """More results are waited for than can come: the harness gives up and says where every port stands."""
    from gatewright.sim.library import Simulator

    job = design.job(design.imported.encode(samples))
    with Simulator(design.rtl) as simulator:
        lengths = {k: [2] * len(v) for k, v in job.lengths.items()}
        with pytest.raises(SimulationError, match="stalled"):
            simulator.run(job.inputs, lengths, patience=500)


def test_import_is_light() -> None:
    import subprocess
    import sys

    code = (
        "import sys, gatewright, gatewright.cli; "
        "heavy = {'torch', 'tvm', 'hls4ml', 'pynq', 'matplotlib', 'cocotb'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
