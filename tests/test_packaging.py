# SPDX-License-Identifier: Apache-2.0
"""A wheel built from the tree works outside the checkout.

The wheel goes into an empty environment; a .pth line lends it the third-party packages of the running one.
Nested .pth files are not read, so an editable install of the checkout stays out of sight.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomllib

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"rtl": ("*.sv", "*.svh"), "hls": ("*.hpp", "*.h"), "boards": ("*.toml",), "scheduler": ("*.py",)}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of an environment that holds the wheel and nothing else of ours."""
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: setuptools would leave, and next time reuse, a build folder in the checkout.
    skip = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, folder / "tree", ignore=skip)
    run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
        + ["-w", str(folder), str(folder / "tree")],
        folder,
    )
    (wheel,) = folder.glob("*.whl")
    home = folder / "env"
    venv.create(home, with_pip=False)
    inside = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(inside), "install", "-q", "--no-deps", "--no-index"]
    run([*pip, str(wheel)], folder)
    site = Path(run([str(inside), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    shutil.rmtree(folder / "tree")
    return inside


def run(command: list[str], cwd: Path, code: int = 0) -> str:
    # PYTHONPATH or the checkout as working folder would hide a file that the wheel lacks.
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"COLUMNS": "200"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=800)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def package(python: Path, cwd: Path) -> Path:
    return Path(run([str(python), "-c", "import gatewright; print(gatewright.__path__[0])"], cwd).strip())


def test_every_file_of_the_package_is_in_the_wheel(python: Path, tmp_path: Path) -> None:
    installed = package(python, tmp_path)
    assert not installed.is_relative_to(ROOT) and installed.is_relative_to(python.parent.parent)
    inner = ROOT / "python" / "gatewright"
    wanted = {p.relative_to(inner) for p in inner.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    for room, patterns in ROOMS.items():
        wanted |= {p.relative_to(ROOT) for pattern in patterns for p in (ROOT / room).rglob(pattern)}
    missing = sorted(str(p) for p in wanted if not (installed / p).is_file())
    assert not missing, "not in the wheel: a folder without __init__.py, or an ending not in package-data"


def test_the_library_and_the_boards_are_found_from_elsewhere(python: Path, tmp_path: Path) -> None:
    code = (
        "from gatewright import boards; from gatewright.lower.sources import closure, library;"
        "print(len(library()), len(closure(library())), len([boards.load(n) for n in boards.names()]))"
    )
    modules, files, found = map(int, run([str(python), "-c", code], tmp_path).split())
    assert modules == files == len(list((ROOT / "rtl").rglob("*.sv")))
    assert found == len(list((ROOT / "boards").glob("*/board.toml"))) >= 10


def test_importing_is_light(python: Path, tmp_path: Path) -> None:
    code = (
        "import time; t = time.process_time(); import gatewright, sys; t = time.process_time() - t;"
        "print(t, *{'torch', 'tvm', 'onnx', 'hls4ml', 'pynq', 'cocotb', 'rich'} & set(sys.modules))"
    )
    seconds, *heavy = run([str(python), "-c", code], tmp_path).split()
    assert float(seconds) < 0.7 and not heavy


def test_the_command_works(python: Path, tmp_path: Path) -> None:
    command = str(python.parent / "gatewright")
    assert "Usage" in run([command, "--help"], tmp_path)
    listed = run([command, "boards"], tmp_path)
    assert all(name in listed for name in ("ulx3s-85f", "u200", "LFE5U-85F-6BG381C", "ecp5"))


def model(path: Path, quantized: bool) -> None:
    """An ONNX file: a linear layer of 8 x 6, between quantizers that state power-of-two formats or alone."""
    from frontend.onnx_models import made, node

    constants = {"w": np.random.default_rng(0).integers(-64, 64, (8, 6)).astype(np.float32) / 32}
    constants |= {"scale": np.float32(2.0**-4), "zero": np.int8(0)}
    names = ["x"]

    def pair(of: str) -> None:
        nodes.append(node("QuantizeLinear", [names[-1], "scale", "zero"], f"{of}_q"))
        nodes.append(node("DequantizeLinear", [f"{of}_q", "scale", "zero"], f"{of}_d"))
        names.append(f"{of}_d")

    nodes: list[Any] = []
    if quantized:
        pair("x")
    nodes.append(node("MatMul", [names[-1], "w"], "y"))
    names.append("y")
    if quantized:
        pair("y")
    path.write_bytes(made(nodes, constants, ["N", 8]).SerializeToString())


def test_a_file_that_needs_calibration_says_so_elsewhere(python: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("torch")
    model(tmp_path / "model.onnx", quantized=False)
    command = [str(python.parent / "gatewright"), "build", "--board", "ulx3s", "model.onnx"]
    said = run(command, tmp_path, code=1)
    assert said.startswith("error: y (") and "the model states no format for it" in said
    assert "next step: give inputs" in said and "--calibration x.npy" in said
    assert not (tmp_path / "build").exists()


@pytest.mark.nightly
def test_an_onnx_file_becomes_a_bitstream_elsewhere(python: Path, tmp_path: Path) -> None:
    """From a wheel, in an empty folder, without calibration: the file's quantizers state every format."""
    pytest.importorskip("onnx")
    pytest.importorskip("torch")
    assert package(python, tmp_path).is_relative_to(python.parent.parent)
    model(tmp_path / "model.onnx", quantized=True)
    command = [str(python.parent / "gatewright"), "build", "--board", "ulx3s", "model.onnx", "--check", "4"]
    said = run(command, tmp_path)
    assert "MHz needed" in said and "netlist: 4 sequences" in said and "equal golden" in said
    assert (tmp_path / "build" / "ulx3s-85f" / "top.bit").stat().st_size > 10_000


def test_constraints_name_every_dependency() -> None:
    """A dependency without a pinned version would make two installs differ."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [s for extra in project["optional-dependencies"].values() for s in extra] + project["dependencies"]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    }
    names = {"".join(c if c.isalnum() or c in "-_" else " " for c in s).split()[0] for s in lines}
    # tomli is for Pythons that the constraints are not made for.
    assert names - {"tomli"} <= pinned


def test_a_network_compiles_and_simulates_elsewhere(python: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "run.py").write_text(SMALL)
    out = run([str(python), "run.py"], tmp_path)
    assert "wrong 0 of 24" in out and "cycles" in out


SMALL = """
import numpy as np, torch, gatewright as gw
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).eval()
x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
design = gw.compile(model, x[:1], x, board="zcu104", target=12)
job = design.job(design.imported.encode(x))
golden, rtl = design.execute("golden", job), design.execute("rtl", job)
a, b = (np.concatenate(run.outputs[0]) for run in (golden, rtl))
print("wrong", int((a != b).sum()), "of", a.size, "cycles", rtl.cycles)
"""
