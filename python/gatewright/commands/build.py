# SPDX-License-Identifier: Apache-2.0
"""`gatewright build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gatewright.design import Design

DEFAULT = "digits_mlp"


@click.command("build")
@click.argument("model", metavar="[EXAMPLE | FILE.onnx | FILE.npz]", default=DEFAULT)
@click.option("--board", required=True, help="Name of a board, or path of a board description.")
@click.option("--out", type=click.Path(file_okay=False), help="Folder [default: build/<board>].")
@click.option("--target", type=float, help="Cycles per sequence that are fast enough [default: the example's own].")
@click.option(
    "--calibration", type=click.Path(dir_okay=False), help="Inputs [N, ...] of an ONNX file [default: FILE.npy]."
)
@click.option("--check", default=0, metavar="N", help="Run N samples through the netlist and compare with golden.")
@click.option("--seed", default=1, show_default=True, help="Of placement.")
@click.option("--flow", default="", help="Tool flow instead of the board's own, e.g. hls on AMD's boards.")
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

    The model is an example, an ONNX or QONNX file, or a calibrated one that was saved (Imported.save). Without a
    target, a file gets the fastest plan that fits the board. Exit code 1: it does not fit, is too slow, or the netlist
    differs from golden; 3: the project is complete, but a vendor's tool is missing.

    \b
    gatewright build --board ulx3s
    gatewright build --board ulx3s digits_mlp --check 10
    gatewright build --board u200 minilm
    gatewright build --board u200 --flow hls
    gatewright build --board tang-nano-20k model.onnx --calibration x.npy --target 500
    """
    from gatewright import boards
    from gatewright.bitstream import NOT_BUILT
    from gatewright.console import console as standard

    console = standard()
    chosen = boards.load(board)
    design, samples = designed(model, chosen, target, calibration)
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


def designed(model: str, board: Any, target: float | None, calibration: str | None) -> tuple[Design, Any]:
    """The design of a model, and samples to check it with."""
    import numpy as np

    from gatewright.commands.import_onnx import read
    from gatewright.design import fold
    from gatewright.errors import CalibrationError, DataError
    from gatewright.examples import examples
    from gatewright.frontend.imported import Imported

    path = Path(model)
    if path.suffix == ".onnx":
        from gatewright.frontend.source import import_any

        data = Path(calibration) if calibration else path.with_suffix(".npy")
        if not data.is_file():
            raise CalibrationError(
                str(data),
                "does not exist",
                "inputs [N, ...] that show the range of every value",
                "give --calibration x.npy, or put them beside the model",
            )
        samples = read(str(data))
        return fold(import_any(path, None, samples, name=identifier(path.stem)), board, target), samples
    if path.suffix == ".npz":
        imported = Imported.load(path)
        samples = [] if calibration is None else read(calibration)
        return fold(imported, board, target), samples
    known = examples()
    if model not in known:
        raise DataError(f"model {model}", "not found", f"{', '.join(known)}, or a file .onnx or .npz")
    example = known[model]
    study = example.study()
    design = fold(study.imported, board, target or example.target, ring=example.ring)
    return design, np.asarray(study.samples) if isinstance(study.samples, np.ndarray) else study.samples


def identifier(name: str) -> str:
    """A Verilog identifier that looks like `name`."""
    found = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    return found if found[:1].isalpha() else f"m_{found}"
