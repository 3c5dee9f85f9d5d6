# SPDX-License-Identifier: Apache-2.0
"""Flows of AMD's tools: without the tools, with executables of their names that record their calls, and refused.

No vendor's tool has seen these projects; what is checked is spelling, consistency, and what our side makes of answers.
"""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from ops.test_loop import first_foldings, looped

import gatewright as gw
from gatewright import bitstream, boards
from gatewright.bitstream import _block_design, _kernel, _tcl, hls, vitis, vivado
from gatewright.commands.build import COMMAND
from gatewright.errors import BoardError, BudgetError, ToolError
from gatewright.graph import Graph
from gatewright.lower.rtl import lower
from gatewright.shell import kernel_xml
from gatewright.shell.bus import DmaDesign, MemoryDesign

AMD = [n for n in boards.names() if boards.load(n).flow.get("tool") in (vitis.NAME, vivado.NAME)]

UTILISATION = """
| CLB LUTs*                  | 5123 |     0 |          0 |   1182240 |  0.43 |
| CLB Registers              | 6001 |     0 |          0 |   2364480 |  0.25 |
| Block RAM Tile             | 15.5 |     0 |          0 |      2160 |  0.72 |
| URAM                       |    0 |     0 |          0 |       960 |  0.00 |
| DSPs                       |   36 |     0 |          0 |      6840 |  0.53 |
"""
TIMING = """
    WNS(ns)      TNS(ns)  TNS Failing Endpoints
    -------      -------  ---------------------
     {slack}        0.000                      0
"""

graph = looped()
plain = Graph(graph.inputs, graph.nodes[:1], ("before",), "plain")


def board(tmp_path: Path, like: str, **changes: str) -> boards.Board:
    """A board with a narrow bus, so that its shell is synthesized in seconds."""
    text = (boards.load(like).folder / "board.toml").read_text()
    for key, value in {"width": "64", **changes}.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1, key
    folder = tmp_path / "board"
    folder.mkdir(exist_ok=True)
    (folder / "board.toml").write_text(text)
    return boards.load(folder)


def job(tmp_path: Path, like: str, tool: str = "", **changes: str) -> bitstream.Job:
    folder = tmp_path / "build"
    folder.mkdir(exist_ok=True)
    foldings = first_foldings(plain)
    chosen = board(tmp_path, like, **changes)
    return bitstream.Job(lower(plain, foldings), chosen, folder, 1, plain, foldings, tool)


def tool(folder: Path, name: str, script: str) -> None:
    """An executable that writes its name and arguments to `calls`, and then does what `script` says."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> "$(dirname "$0")/calls"\n{script}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in front of the PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("XILINX_XRT", raising=False)
    return folder


def alveo_tools(folder: Path, slack: str = "0.333") -> None:
    """Both tools of an Alveo, as files see them."""
    (folder / "util.rpt").write_text(UTILISATION)
    (folder / "timing.rpt").write_text(TIMING.format(slack=slack))
    tool(folder, "vivado", "touch plain_top_memory_kernel.xo")
    copies = "mkdir -p _x/impl; cp {0}/util.rpt _x/impl/full_utilization_placed.rpt; "
    copies += "cp {0}/timing.rpt _x/impl/system_timing_summary_postroute_routed.rpt"
    tool(folder, "v++", copies.format(folder))


PACKAGE = "vivado -mode batch -nojournal -nolog -source package_kernel.tcl"
ALVEO = [
    PACKAGE,
    "v++ --link -t hw --config link.cfg -o plain_top_memory_kernel.link.xclbin plain_top_memory_kernel.xo",
    "v++ --package -t hw --platform xilinx_u200_gen3x16_xdma_2_202110_1 --package.out_dir package"
    " -o plain_top_memory_kernel.xclbin plain_top_memory_kernel.link.xclbin",
]


@pytest.mark.slow
def test_alveo_without_its_tools(tmp_path: Path) -> None:
    built = bitstream.build(job(tmp_path, "u200"))
    assert len(built.missing.splitlines()) == 3 and "vivado, v++" in built.missing and "./build.sh" in built.missing
    amounts = {u.resource: u.used for u in built.uses}
    assert amounts["lut"] > 1000 and amounts["dsp"] >= 1 and "bitstream" not in built.files
    found = {p.name for p in built.files["project"].iterdir()}
    assert {"package_kernel.tcl", "kernel.xml", "link.cfg", "build.sh", "host.cpp", "weights.bin", "rtl"} <= found
    assert "CLB LUTs" in str(built)
    weights = np.frombuffer((tmp_path / "build" / "weights.bin").read_bytes(), "<u4")
    assert np.array_equal(weights, lower(plain, first_foldings(plain)).memory.ravel())


@pytest.mark.slow
def test_alveo_with_tools_that_record(tmp_path: Path, tools: Path) -> None:
    alveo_tools(tools)
    built = bitstream.build(job(tmp_path, "u200"))
    assert calls(tools) == ALVEO
    assert not built.missing and built.files["bitstream"].name == "plain_top_memory_kernel.xclbin"
    assert {u.resource: u.used for u in built.uses} == {
        "lut": 5123,
        "ff": 6001,
        "bram36": 15.5,
        "uram288": 0,
        "dsp": 36,
    }
    assert built.clocks[0].reached == pytest.approx(1000 / (1000 / 300 - 0.333))
    assert set(built.seconds) == {"package", "link", "xclbin"}
    (tools / "calls").unlink()
    # The script for a machine without this package makes the same calls, and can emulate.
    tool(tools, "emconfigutil", "")
    subprocess.run(["./build.sh"], cwd=tmp_path / "build", check=True)
    assert calls(tools) == ALVEO
    subprocess.run(["./build.sh", "hw_emu"], cwd=tmp_path / "build", check=True)
    emulated = [c.replace("-t hw ", "-t hw_emu ") for c in ALVEO]
    emulated.append("emconfigutil --platform xilinx_u200_gen3x16_xdma_2_202110_1 --od .")
    assert calls(tools) == [*ALVEO, *emulated]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("ERROR: [Common 17-345] A valid license was not found", "licence does not cover"),
        ("ERROR: [Place 30-640] Place Check : this design requires more", "does not fit"),
        ("ERROR: nobody knows this one", "failed with exit code 7"),
    ],
)
def test_errors_of_a_tool_are_explained(tmp_path: Path, tools: Path, said: str, meaning: str) -> None:
    alveo_tools(tools)
    tool(tools, "v++", f'echo "{said}"; exit 7')
    with pytest.raises(ToolError) as error:
        bitstream.build(job(tmp_path, "u200"))
    assert meaning in str(error.value) and said in str(error.value) and "link.log" in str(error.value)
    assert len(calls(tools)) == 2


@pytest.mark.slow
def test_zynq_with_a_tool_that_records(tmp_path: Path, tools: Path) -> None:
    work = job(tmp_path, "pynq-z2")
    (tools / "util.rpt").write_text(UTILISATION.replace("CLB LUTs*", "Slice LUTs").replace("CLB Reg", "Slice Reg"))
    (tools / "timing.rpt").write_text(TIMING.format(slack="-1.0"))
    made = "project/gatewright.runs/impl_1/system_wrapper.bit project/gatewright.gen/sources_1/bd/system/system.hwh"
    script = f"for f in {made}; do mkdir -p $(dirname $f); echo made > $f; done; "
    tool(tools, "vivado", script + f"cp {tools}/util.rpt utilization.rpt; cp {tools}/timing.rpt timing.rpt")
    built = bitstream.build(work)
    assert calls(tools) == ["vivado -mode batch -nojournal -nolog -source build.tcl"]
    assert [built.files[k].name for k in ("bitstream", "hwh")] == ["gatewright.bit", "gatewright.hwh"]
    assert all(built.files[k].read_text() == "made\n" for k in ("bitstream", "hwh"))
    assert built.clocks[0].reached == pytest.approx(1000 / 11) and built.clocks[0].needed == 100
    tool(tools, "vivado", "exit 0")
    shutil.rmtree(work.folder / "project")
    with pytest.raises(ToolError, match=r"left no system_wrapper\.bit"):
        bitstream.build(work)


@pytest.mark.slow
def test_command_exits_with_3_and_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hls4ml")
    import torch

    torch.manual_seed(1)
    model = torch.nn.Linear(6, 4).eval()
    made = gw.compile(model, torch.rand(1, 6), torch.rand(20, 6), name="tiny")
    made.imported.save(tmp_path / "tiny.npz")
    chosen = board(tmp_path, "u200")
    monkeypatch.chdir(tmp_path)
    # The flow makes no difference to the command; this one needs no synthesis of a shell.
    arguments = ["tiny.npz", "--board", str(chosen.folder), "--out", "out", "--target", "64", "--flow", hls.NAME]
    done = CliRunner().invoke(COMMAND, arguments)
    assert done.exit_code == bitstream.NOT_BUILT, done.output
    assert "not on the PATH" in done.output and (tmp_path / "out" / "hls" / "build_prj.tcl").is_file()
    arguments[-1] = "nonsense"
    assert isinstance(CliRunner().invoke(COMMAND, arguments).exception, BoardError)


@pytest.mark.parametrize("name", AMD)
def test_projects_of_every_board(name: str, tmp_path: Path) -> None:
    """Written for each board as it ships, and every check of them is green."""
    foldings = first_foldings(plain)
    chosen = boards.load(name)
    work = bitstream.Job(lower(plain, foldings), chosen, tmp_path, 1, plain, foldings)
    flow = {vitis.NAME: vitis, vivado.NAME: vivado}[str(chosen.flow["tool"])]
    settings = boards.checked(name, flow.Settings, chosen.flow)
    if flow is vitis:
        vitis.write(work, settings, MemoryDesign(work.network, settings.width))
    else:
        vivado.write(work, settings, DmaDesign(work.network, settings.width))
    subprocess.run(["sh", "-n", "build.sh"], cwd=tmp_path, check=True)


def written(tmp_path: Path) -> tuple[bitstream.Job, MemoryDesign]:
    work = job(tmp_path, "u200")
    design = MemoryDesign(work.network, 64)
    vitis.write(work, boards.checked("board", vitis.Settings, work.board.flow), design)
    return work, design


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("ipx::add_field", "ipx::add_feild", 'invalid command name "ipx::add_feild"'),
        ("-import_files false", "", "no option -set_current|a value is missing|arguments"),
        ("-import_files", "-import_file", "has no option -import_file"),
        ("rtl/stream_fifo.sv", "rtl/stream_fifa.sv", r"rtl/stream_fifa\.sv: no such file"),
        ("-kernel_xml kernel.xml", "-kernel_xml kernal.xml", r"kernal\.xml: no such file"),
        (
            "set_property top plain_top_memory_kernel [current_fileset]",
            "set_property top [current_fileset]",
            "set_property",
        ),
        (
            "ipx::add_memory_map -quiet s_axi_control $core",
            "ipx::add_memory_map -quiet s_axi_control core2",
            "nobody made",
        ),
        ("-ip_directory packed/ip ", "-ip_directory packed/op ", "nobody made packed/op"),
    ],
)
def test_tcl_check_sees(old: str, new: str, problem: str, tmp_path: Path) -> None:
    work, _ = written(tmp_path)
    script = work.folder / "package_kernel.tcl"
    text = script.read_text()
    if old == "-import_files false":
        old, new = "-import_files -set_current false", "-import_files -set_current"
    assert old in text
    script.write_text(text.replace(old, new, 1))
    with pytest.raises(ToolError, match=problem):
        _tcl.check(script)


def test_kernel_and_link_checks_see(tmp_path: Path) -> None:
    _, design = written(tmp_path)
    xml = kernel_xml.text(design.kernel, design.width)
    _kernel.check_xml(xml, design)
    for old, new in (("0x18", "0x1C"), ('dataWidth="64"', 'dataWidth="32"'), ("m_axi_gmem1", "m_axi_gmem2")):
        assert old in xml
        with pytest.raises(ToolError, match=r"kernel\.xml"):
            _kernel.check_xml(xml.replace(old, new), design)
    link = _kernel.link_config(design, "p", "DDR[1]", "SLR1", 300)
    _kernel.check_config(link, design)
    for old, new in (("platform=p\n", ""), ("gmem0:DDR[1]", "gmem0:DRAM1"), ("m_axi_gmem1", "m_axi_gmem0")):
        with pytest.raises(ToolError, match=r"link\.cfg"):
            _kernel.check_config(link.replace(old, new), design)


def test_block_design_check_sees(tmp_path: Path) -> None:
    design = DmaDesign(lower(plain, first_foldings(plain)), 64)
    text = _block_design.script(design, "part", "board", "xc7", 100, "name")
    _block_design.check(text, design)
    for old, new in (("accel/s_axis]", "accel/s_axi]"), ("[get_bd_pins accel/aresetn]", "")):
        with pytest.raises(ToolError, match=r"build\.tcl"):
            _block_design.check(text.replace(old, new), design)


@pytest.mark.parametrize("like", ["u200", "zcu104"])
def test_over_budget_is_refused_first(like: str, tmp_path: Path) -> None:
    work = job(tmp_path, like, lut="10")
    with pytest.raises(BudgetError, match="lut .* of 10"):
        bitstream.build(work)
    assert not list(work.folder.iterdir())


@pytest.mark.slow
def test_hls_flow(tmp_path: Path, tools: Path) -> None:
    pytest.importorskip("hls4ml")
    work = job(tmp_path, "u200", hls.NAME)
    built = bitstream.build(work)
    assert len(built.missing.splitlines()) == 3 and "vitis-run" in built.missing
    report = "<profile><PerformanceEstimates><SummaryOfTimingAnalysis><EstimatedClockPeriod>2.5</EstimatedClockPeriod>"
    report += "</SummaryOfTimingAnalysis></PerformanceEstimates><AreaEstimates><Resources><LUT>700</LUT><FF>800</FF>"
    report += "<DSP>36</DSP><BRAM_18K>3</BRAM_18K><URAM>0</URAM></Resources></AreaEstimates></profile>"
    tool(tools, "vitis-run", f"mkdir -p prj/syn/report; echo '{report}' > prj/syn/report/csynth.xml")
    built = bitstream.build(work)
    assert calls(tools) == ["vitis-run --mode hls --tcl build_prj.tcl"]
    assert {u.resource: u.used for u in built.uses}["bram36"] == 1.5 and built.clocks[0].reached == 400
    with pytest.raises(BoardError, match="xcup, xc7"):
        bitstream.build(bitstream.Job(work.network, boards.load("ulx3s"), work.folder, 1, plain, work.foldings, "hls"))
