# SPDX-License-Identifier: Apache-2.0
"""`gatewright import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

    from gatewright.frontend.imported import Imported
    from gatewright.frontend.onnx import Examined


@click.command("import")
@click.argument("model", metavar="[MODEL.onnx]", required=False, type=click.Path(dir_okay=False))
@click.option("--calibration", type=click.Path(dir_okay=False), help="Inputs [N, ...] in a .npy file.")
@click.option("--output", help="Tensor or node where the design ends [default: the model's output].")
@click.option("--bits", default=8, show_default=True, help="Of activations and weights without a format of their own.")
@click.option("--recalibrate", is_flag=True, help="Choose formats anew where a quantizer's is no power of two.")
@click.option("--qonnx", "written", type=click.Path(dir_okay=False), help="Write the integer graph as QONNX.")
def COMMAND(
    model: str | None, calibration: str | None, output: str | None, bits: int, recalibrate: bool, written: str | None
) -> None:
    """Import an ONNX or QONNX model, or say which of its nodes are not supported.

    Without a model: the operators that are supported. Without calibration data: operators by name alone. With them:
    the integer graph, and how far its results are from the float model. Exit code 1 if a node is not supported.

    \b
    gatewright import
    gatewright import model.onnx
    gatewright import model.onnx --calibration x.npy --output /classifier/Gemm
    gatewright import model.onnx --calibration x.npy --qonnx integers.onnx
    """
    from gatewright.console import console as standard
    from gatewright.frontend.config import QuantConfig
    from gatewright.frontend.onnx import examine, import_onnx

    console = standard()
    if model is None:
        console.print(operators())
        return
    data = None if calibration is None else read(calibration)
    seen = examine(model, data, output=output, recalibrate=recalibrate)
    console.print(nodes(Path(model).name, seen))
    if seen.count:
        raise click.exceptions.Exit(1)
    if data is None:
        return
    config = QuantConfig(activation_bits=bits, weight_bits=bits)
    found = import_onnx(model, data, config=config, output=output, recalibrate=recalibrate)
    console.print(str(found.graph), markup=False, highlight=False)
    console.print(difference(found, data))
    if written:
        from gatewright.lower.qonnx import export

        exported = export(found.graph, entry=found.entry, exit=found.exit)
        Path(written).write_bytes(exported.SerializeToString())
        console.print(f"{written}: {len(exported.graph.node)} nodes")


def read(path: str) -> Any:
    """An array from a .npy file."""
    from gatewright.errors import DataError

    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(path, f"cannot be read: {error}", "a .npy file of inputs [N, ...]") from error


def operators() -> Table:
    """Everything that the importer knows."""
    from rich.table import Table

    from gatewright.frontend.onnx import supported

    table = Table(title="ONNX and QONNX operators")
    for column in ("operator", "supported"):
        table.add_column(column)
    for name, text in supported().items():
        table.add_row(name, text)
    return table


def nodes(name: str, seen: Examined) -> Table:
    """Operators of one model."""
    from rich.table import Table

    title = f"{name}: {sum(seen.nodes.values())} nodes, {seen.count} not supported"
    table = Table(title=title if seen.judged else f"{title}; judged by their operator alone")
    table.add_column("operator", no_wrap=True)
    table.add_column("nodes", justify="right")
    table.add_column("supported", justify="right")
    table.add_column("first reason")
    for op, count in seen.nodes.items():
        refused = seen.refused.get(op, ())
        table.add_row(op, str(count), str(count - len(refused)), str(refused[0]).splitlines()[0] if refused else "")
    return table


def difference(found: Imported, data: Any) -> str:
    """One line: golden beside the float model."""
    seen = found.compare(data)
    peak = max(float(np.max(np.abs(f))) for f in seen.real)
    verdict = "within" if seen.holds else "OUTSIDE"
    return f"golden to float: {seen.worst[0]:.3g} at most, of results up to {peak:.3g}; {verdict} the derived tolerance"
