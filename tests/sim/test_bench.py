# SPDX-License-Identifier: Apache-2.0
"""The bench runner: a failure is never hidden, the cache holds builds only, and waves appear on request."""

from pathlib import Path

import pytest

from gatewright.errors import SimulationError, ToolError
from gatewright.sim import bench, toolchain

HEAD = """
import cocotb
from gatewright.sim.streams import Harness, parameters, seed
@cocotb.test(timeout_time=1, timeout_unit="ms")
async def one(dut):
    h = Harness(dut)
    source, sink = h.source(), h.sink()
    await h.start()
"""
PASSES = (
    HEAD
    + """
    source.send_sequence([1, 2, 3])
    await h.finish({sink: 3}, limit=20)
    assert sink.words == [1, 2, 3] and parameters() == {"Width": 8} and seed() == 7
"""
)
BROKEN = """// SPDX-License-Identifier: Apache-2.0
module broken (
    input  wire logic       clk,
    input  wire logic       rst,
    input  wire logic [7:0] s_data,
    input  wire logic       s_valid,
    input  wire logic       s_last,
    output      logic       s_ready,
    output      logic [7:0] m_data,
    output      logic       m_valid,
    output      logic       m_last,
    input  wire logic       m_ready
);
  logic [7:0] count_q;
  always_ff @(posedge clk) count_q <= rst ? 8'd0 : count_q + 8'd1;
  assign m_data = BODY;
  assign s_ready = m_ready;
  assign m_valid = s_valid && !rst;
  assign m_last = s_last;
endmodule
"""


def write(folder: Path, text: str, name: str = "cases.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_passes_and_prints_the_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = bench.run_bench("stream_skid", write(tmp_path, PASSES), {"Width": 8}, seed=7)
    assert result.tests == ("one",) and result.seed == 7 and result.waves is None
    assert "seed 7" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("    assert sink.words == [1]", r"1 of 1 tests failed: one\n(.*\n)*.*AssertionError"),
        ("    await h.until(lambda: False, 5)", r"no end after 5 cycles(.*\n)*.*source s: 0 taken, 0 queued"),
        ("    source.send_sequence([1])\n    await h.finish({sink: 2}, limit=9)", r"stream m: 1 beats"),
        ("    await h.step(1_000_000)", "1 of 1 tests failed: one"),
        ("    import time; time.sleep(100)", "out of time"),
        ("    import os; os._exit(0)", "no test ran"),
        ("    import os; os._exit(3)", "exit code 3"),
    ],
)
def test_every_kind_of_failure_is_reported(body: str, problem: str, tmp_path: Path) -> None:
    """The build comes from the cache each time; the verdict does not."""
    cases = write(tmp_path, HEAD + body)
    for _ in range(2):
        with pytest.raises(SimulationError, match=problem) as caught:
            bench.run_bench("stream_skid", cases, {"Width": 8}, seed=7, timeout=5 if "sleep" in body else 60)
        assert "GATEWRIGHT_SEED=7" in str(caught.value)


@pytest.mark.parametrize("text", ["import nothing_of_that_name", "x = 1"], ids=["import_error", "no_tests"])
def test_a_module_without_tests_fails(text: str, tmp_path: Path) -> None:
    with pytest.raises(SimulationError):
        bench.run_bench("stream_skid", write(tmp_path, text), {"Width": 8})


@pytest.mark.parametrize(
    ("rtl", "problem"),
    [
        ("count_q", r"stream m, cycle \d+: the stalled beat \(.*\) became"),
        ("s_data + 8'd1", "AssertionError"),
        ("s_data", None),
    ],
)
def test_sources_outside_the_library(rtl: str, problem: str | None, tmp_path: Path) -> None:
    """A file is found by its name; a changed file is built anew; the monitor sees a changing beat."""
    cases = write(
        tmp_path,
        HEAD
        + """
    source.send_sequence([5, 6])
    sink.stall = 0.7
    await h.finish({sink: 2}, limit=200)
    assert sink.words == [5, 6]
""",
    )
    source = write(tmp_path, BROKEN.replace("BODY", rtl), "broken.sv")
    if "count" not in rtl:
        text = source.read_text()
        source.write_text(text.replace("m_valid = s_valid", "m_valid = count_q != 8'd0 && s_valid"))
    if problem is None:
        bench.run_bench("broken", cases, sources=[source])
        return
    with pytest.raises(SimulationError, match=problem):
        bench.run_bench("broken", cases, sources=[source])


def test_lint_warnings_stop_the_build(tmp_path: Path) -> None:
    source = write(tmp_path, BROKEN.replace("BODY", "{count_q, 1'b0}"), "broken.sv")
    with pytest.raises(ToolError, match="WIDTHTRUNC"):
        bench.build("broken", {}, [source])


def test_build_is_cached_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(toolchain.CACHE_VARIABLE, str(tmp_path / "cache"))
    source = write(tmp_path, BROKEN.replace("BODY", "s_data ^ count_q"), "broken.sv")
    first = bench.build("broken", {}, [source])
    commands: list[str] = []
    run = toolchain.run

    def counted(command: list[str], *rest: object, **more: object) -> str:
        commands.append(command[0])
        return run(command, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(toolchain, "run", counted)
    assert bench.build("broken", {}, [source]) == first and not commands
    assert [p.name for p in first.parent.iterdir()] == ["simulation"]
    source.write_text(source.read_text() + "\n")
    assert bench.build("broken", {}, [source]) != first and commands == ["verilator_bin", "g++", "g++"]


def test_waves_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(bench.WAVES_VARIABLE, "1")
    result = bench.run_bench("stream_skid", write(tmp_path, PASSES), {"Width": 8}, seed=7)
    assert result.waves == tmp_path / "build" / "waves" / "stream_skid-7.fst"
    assert result.waves.stat().st_size > 100
    assert str(result.waves) in capsys.readouterr().out
    # A run that fails keeps its waves too: they are needed most then.
    result.waves.unlink()
    with pytest.raises(SimulationError):
        bench.run_bench("stream_skid", write(tmp_path, HEAD + "    assert False"), {"Width": 8}, seed=7)
    assert result.waves.stat().st_size > 100


def test_unknown_module_and_file() -> None:
    with pytest.raises(ToolError, match="module no_such_module: not found"):
        bench.run_bench("no_such_module", __file__)
    with pytest.raises(ToolError, match="no such file"):
        bench.run_bench("stream_skid", "missing.py")
