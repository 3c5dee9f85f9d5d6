# SPDX-License-Identifier: Apache-2.0
"""`gatewright build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gatewright.design import Design
    from gatewright.frontend.imported import Imported

DEFAULT = "digits_mlp"


@click.command("build")
@click.argument("model", metavar="[EXAMPLE | FILE.onnx | FILE.npz]", default=DEFAULT)
@click.option("--board", required=True, help="Name of a board, or path of a board description.")
@click.option("--out", type=click.Path(file_okay=False), help="Folder [default: build/<board>].")
@click.option("--target", type=float, help="Cycles per sequence that are fast enough [default: the example's own].")
@click.option("--calibration", type=click.Path(dir_okay=False), help="Inputs [N, ...] of a file [default: FILE.npy].")
@click.option("--check", default=0, metavar="N", help="Run N samples through the netlist and compare with golden.")
@click.option("--seed", default=1, show_default=True, help="Of placement.")
@click.option(
    "--flow",
    default="",
    help="Tool flow instead of the board's own: hls on AMD's boards, sim for the simulated device.",
)
def COMMAND(
    model: str,
    board: str,
    out: str | None,
    target: float | None,
    calibration: str | None,
    check: int,
    seed: int,
    flow: str,
) -> None:
    """Build a design for a board: from a trained model to a file that the board loads.

    The model is an example, an ONNX or QONNX file, or a calibrated one that was saved (Imported.save). An ONNX file
    needs inputs to calibrate with, unless its quantizers state every format as a power of two. Without a target, a file
    gets the fastest plan that fits the board. What is checked are those inputs, or random ones.

    Exit code 1: it does not fit, is too slow, or the netlist differs from golden; 3: the project is complete, but a
    vendor's tool is missing.

    \b
    gatewright build --board ulx3s
    gatewright build --board ulx3s digits_mlp --check 10
    gatewright build --board u200 minilm
    gatewright build --board u200 --flow hls
    gatewright build --board pynq-z2 --flow sim
    gatewright build --board tang-nano-20k model.onnx --calibration x.npy --target 500
    gatewright build --board ulx3s quantized.onnx --check 5
    """
    from gatewright import boards
    from gatewright.bitstream import NOT_BUILT
    from gatewright.console import console as standard

    console = standard()
    chosen = boards.load(board)
    design, samples = designed(model, chosen, target, calibration, check)
    console.print(str(design), markup=False, highlight=False)
    folder = Path(out) if out else Path("build") / chosen.name
    built = design.build(folder, seed, flow)
    console.print(built.table())
    for what, path in built.files.items():
        console.print(f"{what}: {path}", highlight=False)
    for step, seconds in built.seconds.items():
        console.print(f"{step}: {seconds:.0f} s", highlight=False)
    if built.missing:
        console.print(built.missing, markup=False)
        raise click.exceptions.Exit(NOT_BUILT)
    if check:
        row = design.verify_netlist(built, samples[:check])
        verdict = "equal golden" if not row.mismatches else f"{row.mismatches} INTEGERS DIFFER from golden"
        console.print(f"netlist: {row.sequences} sequences, {row.cycles:,} cycles, {row.seconds:.0f} s: {verdict}")
        if row.mismatches:
            raise click.exceptions.Exit(1)


def designed(
    model: str, board: Any, target: float | None = None, calibration: str | None = None, check: int = 0
) -> tuple[Design, Any]:
    """The design of a model, and at least `check` samples to check it with."""
    import numpy as np

    from gatewright.commands.import_onnx import read
    from gatewright.design import fold
    from gatewright.errors import DataError
    from gatewright.examples import examples
    from gatewright.frontend.imported import Imported

    path = Path(model)
    if path.suffix == ".onnx":
        from gatewright.frontend.source import import_any

        beside = path.with_suffix(".npy")
        data = calibration or (str(beside) if beside.is_file() else None)
        samples = None if data is None else read(data)
        imported = import_any(path, None, samples, name=identifier(path.stem))
        return fold(imported, board, target), drawn(imported, check) if samples is None else samples
    if path.suffix == ".npz":
        imported = Imported.load(path)
        return fold(imported, board, target), drawn(imported, check) if calibration is None else read(calibration)
    known = examples()
    if model not in known:
        raise DataError(f"model {model}", "not found", f"{', '.join(known)}, or a file .onnx or .npz")
    example = known[model]
    study = example.study()
    design = fold(study.imported, board, target or example.target, ring=example.ring)
    return design, np.asarray(study.samples) if isinstance(study.samples, np.ndarray) else study.samples


def drawn(imported: Imported, count: int) -> Any:
    """Random inputs [count, ...] over the whole range of the input's format, of the longest length."""
    import numpy as np

    tokens, fixed = imported.input_type.tokens, imported.input_type.fixed
    shape = [n or (tokens if isinstance(tokens, int) else tokens.maximum) for n in imported.entry.shape[1:]]
    low, high = (fixed.lo, fixed.hi + 1) if imported.ids is None else (0, imported.ids)
    raw = np.random.default_rng(0).integers(low, high, (count, *shape))
    return raw if imported.ids is not None else fixed.dequantize(raw)


def identifier(name: str) -> str:
    """A Verilog identifier that looks like `name`."""
    found = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    return found if found[:1].isalpha() else f"m_{found}"
