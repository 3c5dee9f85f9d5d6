# SPDX-License-Identifier: Apache-2.0
"""The open flows: boards and their files, what is refused before anything is placed, and one real bitstream."""

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gatewright import bitstream, boards
from gatewright.bitstream import _open, ecp5, gatemate, gowin, ice40
from gatewright.bitstream.simulation import device, streams
from gatewright.cli import cli
from gatewright.commands.build import drawn
from gatewright.errors import BoardError, BudgetError, DataError, ToolError
from gatewright.fixed import Fixed
from gatewright.frontend import layout
from gatewright.frontend.imported import Imported
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.lower.rtl import RtlDesign, lower
from gatewright.lower.sources import INCLUDE, closure
from gatewright.ops.linear import Linear
from gatewright.shell.accelerator import Accelerator
from gatewright.shell.wrap import uart
from gatewright.sim import toolchain
from gatewright.sim.beats import as_bytes, from_bytes

TOOLS = {t.name: t for t in (ecp5.TOOL, gowin.TOOL, gatemate.TOOL, ice40.TOOL)}
BOARDS = [name for name in boards.names() if boards.load(name).flow.get("tool") in TOOLS]
S8 = Fixed(8, 4)


def graph() -> Graph:
    """A network that leaves room for its shell on the smallest device."""
    weight = np.random.default_rng(0).integers(-127, 128, (6, 8))
    op = Linear(weight, np.arange(6) * 11 - 40, np.full(6, 6), 8, S8)
    return Graph({"x": TensorType(1, 8, S8)}, (Node("y", op, ("x",)),), ("y",), "tiny")


@pytest.fixture(scope="module")
def network() -> RtlDesign:
    """Its hardware."""
    return lower(graph(), {"y": Folding(simd=2, pe=1)})


def test_flows_are_found() -> None:
    assert set(TOOLS) <= set(bitstream.flows())
    assert {"ulx3s-85f", "tang-nano-20k", "gatemate-a1-evb", "icebreaker"} <= set(BOARDS)
    assert boards.load("ulx3s").name == "ulx3s-85f"


@pytest.mark.parametrize("name", BOARDS)
def test_files_of_a_board(name: str, network: RtlDesign, tmp_path: Path) -> None:
    """The wrapper lints, and every port of it has a pin."""
    board = boards.load(name)
    settings = _open.checked_settings(bitstream.Job(network, board, tmp_path))
    design = uart(network, board.clock_mhz, settings.baud)
    for file, text in design.files.items():
        (tmp_path / file).write_text(text)
    names = [*design.sources, *map(str, closure(["board_reset"])), str(board.folder / "board_top.sv")]
    flags = ["--lint-only", "-Wall", f"-I{INCLUDE}", f"+define+GATEWRIGHT_TOP={design.name}", "--top-module", _open.TOP]
    toolchain.run(["verilator_bin", *flags, *names], tmp_path, f"lint {name}")
    text = (board.folder / "board_top.sv").read_text()
    ports = re.findall(r"^ {4}(?:input  wire|output     ) logic (?:\[(\d+):0\] )?(\w+)", text, re.MULTILINE)
    pins = (board.folder / settings.constraints).read_text()
    assert {"clk", "rx", "tx"} <= {port for _, port in ports}
    for top, port in ports:
        for pin in [f"{port}[{i}]" for i in range(int(top) + 1)] if top else [port]:
            assert re.search(rf"(?<!\w){re.escape(pin)}(?!\w)", pins), f"{pin} has no pin in {settings.constraints}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('shell = "uart"', 'shell = "pcie"', "shell = 'pcie'"),
        ("baud = 1000000", "", "flow: baud is missing"),
        ("baud = 1000000", "baud = 1000000\nspeed = 1", "unknown key 'speed'"),
        ('constraints = "board.pcf"', 'constraints = "none.pcf"', "none.pcf does not exist"),
        ('device = ["--up5k", "--package", "sg48"]', "device = [1]", "a list of strings"),
        ('tool = "ice40"', 'tool = "ice41"', "flow.tool = 'ice41'.*\n.*ecp5"),
        ("baud = 1000000", "baud = 7000000", "1.71 cycles per bit"),
    ],
)
def test_wrong_settings(tmp_path: Path, network: RtlDesign, old: str, new: str, message: str) -> None:
    shutil.copytree(boards.ROOT / "icebreaker", tmp_path / "mine")
    file = tmp_path / "mine" / "board.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(BoardError, match=message):
        bitstream.build(bitstream.Job(network, boards.load(file), tmp_path))


def test_a_board_without_a_flow(network: RtlDesign, tmp_path: Path) -> None:
    board = dataclasses.replace(boards.load("icebreaker"), flow={})
    with pytest.raises(BoardError, match=r"there is no \[flow\]"):
        bitstream.build(bitstream.Job(network, board, tmp_path))


def test_a_router_without_end_is_ended(network: RtlDesign, tmp_path: Path) -> None:
    """After the minutes that the board states; the error says what to do."""
    board = boards.load("gatemate")
    job = bitstream.Job(network, dataclasses.replace(board, flow={**board.flow, "minutes": 0.01}), tmp_path)
    stuck = dataclasses.replace(gatemate.TOOL, runner="import time; time.sleep(100)")
    with pytest.raises(ToolError, match=r"nextpnr: python\S* ran longer than 1 s.*\n.*--target.*--seed.*minutes"):
        _open.place(stuck, job, _open.checked_settings(job), tmp_path)


def test_what_exceeds_the_budget_is_named() -> None:
    board = boards.load("icebreaker")
    bitstream.refuse(board, {"lut": 5280.0, "dsp": 8.0}, "netlist")
    with pytest.raises(BudgetError, match="icebreaker, netlist: needs lut 5,281 of 5,280, dsp 9 of 8"):
        bitstream.refuse(board, {"lut": 5281.0, "dsp": 9.0}, "netlist")


def test_a_report_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(ToolError, match="its report cannot be read"):
        _open.placed(ice40.TOOL, tmp_path)
    with pytest.raises(DataError, match="no build for a UART"):
        streams(tmp_path)


def test_the_command(tmp_path: Path) -> None:
    help_text = CliRunner().invoke(cli, ["build", "--help"]).output
    assert "gatewright build --board ulx3s" in help_text
    for arguments, kind, message in (
        (["nonsense", "--board", "ulx3s"], DataError, "model nonsense: not found"),
        (["--board", "ulx4s"], BoardError, "board ulx4s: not found"),
    ):
        result = CliRunner().invoke(cli, ["build", *arguments])
        assert isinstance(result.exception, kind) and message in str(result.exception)


def test_a_file_without_inputs_is_checked_with_random_ones() -> None:
    """Of the longest length, over the whole range of the input's format."""
    op = Linear(np.eye(6, dtype=np.int64), np.zeros(6, np.int64), np.zeros(6, np.int64), 2, S8)
    kinds = {"x": TensorType(Length("n", 9, 1), 6, S8)}
    view = layout.sequence(6, None, False)
    found = Imported(Graph(kinds, (Node("y", op, ("x",)),), ("y",), "tiny"), view, view, {})
    samples = drawn(found, 40)
    assert samples.shape == (40, 9, 6) and not np.array_equal(samples[0], samples[1])
    assert samples.min() == -8 and samples.max() == 127 / 16
    assert len(found.encode(samples)) == 40 and drawn(found, 0).shape == (0, 9, 6)


@pytest.mark.nightly
def test_a_netlist_over_budget_is_not_placed(network: RtlDesign, tmp_path: Path) -> None:
    board = boards.load("icebreaker")
    small = dataclasses.replace(board, budget=dataclasses.replace(board.budget, lut=300))
    with pytest.raises(BudgetError, match=r"netlist: needs lut [\d,]+ of 300"):
        bitstream.build(bitstream.Job(network, small, tmp_path))
    assert (tmp_path / "work" / "top.json").is_file() and not (tmp_path / "work" / "report.json").exists()


@pytest.mark.nightly
def test_a_bitstream(network: RtlDesign, tmp_path: Path) -> None:
    built = bitstream.build(bitstream.Job(network, boards.load("icebreaker"), tmp_path))
    image = built.files["bitstream"].read_bytes()
    # An iCE40 image has a comment and then its preamble.
    assert len(image) > 50_000 and b"\x7e\xaa\x99\x7e" in image[:200]
    (clock,) = built.clocks
    assert clock.reached >= clock.needed == 12
    assert {u.resource for u in built.uses} == {"lut", "dsp", "bram"} and all(u.used for u in built.uses)
    assert "MHz needed" in str(built) and (built.files["logs"] / "nextpnr.log").is_file()


@pytest.mark.parametrize(
    "name",
    [pytest.param("ulx3s", marks=pytest.mark.slow), pytest.param("tang-nano-20k", marks=pytest.mark.nightly)],
)
def test_a_netlist_equals_golden(name: str, network: RtlDesign, tmp_path: Path) -> None:
    """What Yosys made, behind the board's pins, over its UART; our models of memories and multipliers are in this."""
    job = bitstream.Job(network, boards.load(name), tmp_path)
    settings, work = _open.checked_settings(job), tmp_path / _open.WORK
    design = uart(network, job.board.clock_mhz, settings.baud)
    _open.prepare(job, settings, design, work)
    tool = TOOLS[settings.tool]
    _open.synthesize(tool, job, design, work)
    built = bitstream.Built(tool.name, job.board, {"netlist": work / "top.json"}, top=_open.TOP)
    sequences = [np.random.default_rng(i).integers(-128, 128, (1, 8)) for i in range(6)]
    with device(built) as port:
        accelerator = Accelerator(port, streams(tmp_path)[0])
        accelerator.load(network.memory.astype(np.uint32))
        results = accelerator.run([as_bytes(s, network.inputs[0]) for s in sequences])
    for raw, sequence in zip(results, sequences, strict=True):
        assert np.array_equal(from_bytes(raw, network.outputs[0]), graph().evaluate(sequence)[0])
