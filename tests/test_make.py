# SPDX-License-Identifier: Apache-2.0
"""Targets of the Makefile, run by make itself in a folder that borrows the running environment.

The borrowed environment has the stamps of a finished one, so make installs nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bitstream.test_vendor_flows import board, plain

from gatewright import bitstream
from gatewright.frontend import layout
from gatewright.frontend.imported import Imported
from gatewright.graph import Reference

ROOT = Path(__file__).resolve().parent.parent
SMALL = ("ARGS=--target 1000",)
"""Folded as far as possible: the same shell as in the tests of the flows, which is synthesized once."""
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with the Makefile, an environment that counts as made, and an empty `bench`."""
    for name in ("pyproject.toml", "setup.py", "constraints.txt", "Makefile"):
        shutil.copyfile(ROOT / name, tmp_path / name)
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    for age, name in ((3, ".stamp"), (2, ".full")):
        (tmp_path / ".venv" / name).touch()
        os.utime(tmp_path / ".venv" / name, (time.time() - age,) * 2)
    (tmp_path / "bench").mkdir()
    return tmp_path


def make(house: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run make; what it prints is text of 200 columns."""
    # Variables of an outer make, such as its job server and what it was told, are not for this one.
    told = re.findall(r"^(\w+) \?=", (house / "Makefile").read_text(), re.MULTILINE)
    outer = {k for k in os.environ if k.startswith(("MAKE", "MFLAGS"))} | set(told)
    env = {k: v for k, v in os.environ.items() if k not in outer} | {"COLUMNS": "200"}
    return subprocess.run(["make", *words], cwd=house, env=env, capture_output=True, text=True, timeout=800)


def model(folder: Path) -> None:
    """One linear layer of 6 x 6 as `tiny.npz`."""
    view = layout.sequence(6, None, False)
    references = {name: Reference() for name in ("x", "before")}
    Imported(plain, view, view, references).save(folder / "tiny.npz")


def test_help_names_every_target(house: Path) -> None:
    said = make(house, "help").stdout
    phony = re.search(r"^\.PHONY: (.*)$", (house / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert [line.split()[0] for line in said.splitlines()] == phony[1].split()
    assert make(house).stdout == said


def test_bench_runs_all_and_fails_with_the_names_of_those_that_did(house: Path) -> None:
    for name, code in {"b": 0, "a": 3, "c": 1, "_shared": 9, "compress_z": 0, "compress_pareto": 0}.items():
        (house / "bench" / f"{name}.py").write_text(f"import sys; print('ran {name}', *sys.argv[1:]); sys.exit({code})")
    done = make(house, "bench", "ARGS=--quick")
    assert done.returncode != 0 and "failed: bench/a.py bench/c.py\n" in done.stderr
    assert re.findall(r"^ran (.*)$", done.stdout, re.MULTILINE) == [f"{n} --quick" for n in "abc"]
    done = make(house, "bench-compress")
    # What draws the others' results comes last.
    assert done.returncode == 0 and re.findall(r"^ran (.*)$", done.stdout, re.MULTILINE) == [
        "compress_z",
        "compress_pareto",
    ]
    done = make(house, "bench", "BENCH=b")
    assert done.returncode == 0 and re.findall(r"^ran (.*)$", done.stdout, re.MULTILINE) == ["b"]


def test_benches_are_those_that_can_be_run() -> None:
    """A script without a main part would count as measured."""
    scripts = [p for p in (ROOT / "bench").glob("*.py") if not p.name.startswith("_")]
    assert len(scripts) > 20
    assert not [p.name for p in scripts if '__name__ == "__main__"' not in p.read_text()]


@pytest.mark.slow
def test_bitstream_for_a_card_whose_tools_are_missing(house: Path) -> None:
    """The command exits with 3, which make shows and answers with 2, as it does every failure."""
    if shutil.which("v++"):
        pytest.skip("Vitis is installed")
    model(house)
    card = board(house, "u200")
    done = make(house, "bitstream", f"BOARD={card.folder}", "MODEL=tiny.npz", *SMALL)
    assert done.returncode == 2 and f"Error {bitstream.NOT_BUILT}" in done.stderr, done.stdout + done.stderr
    folder = house / "build" / card.name
    assert (folder / "package_kernel.tcl").is_file() and os.access(folder / "build.sh", os.X_OK)
    lines = done.stdout.splitlines()[-3:]
    assert lines[0] == "not on the PATH: vivado, v++ (AMD Vitis; for running, XRT too)"
    assert lines[1].startswith("complete and checked") and lines[2].startswith("go on there with ./build.sh, or here")
    assert re.search(r"lut +│ CLB LUTs +│ +[\d,]+ │ +1,182,240 │", done.stdout)


@pytest.mark.nightly
def test_bitstream_by_open_tools(house: Path) -> None:
    """Clock and shares after routing are shown, and the netlist equals golden."""
    model(house)
    done = make(house, "bitstream", "BOARD=ulx3s", "MODEL=tiny.npz", "CHECK=3", *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"clock +│ clk\w* +│ +[\d.]+ MHz │ 25 MHz needed", done.stdout)
    assert re.search(r"netlist: 3 sequences, [\d,]+ cycles, \d+ s: equal golden", done.stdout)
    assert (house / "build" / "ulx3s-85f" / "top.bit").stat().st_size > 10_000
