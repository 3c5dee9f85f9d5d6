# SPDX-License-Identifier: Apache-2.0
"""Which device a build folder is opened on: the board itself, a card, a serial port, or a simulation of it."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

from gatewright.errors import BoardError, DataError, DeviceError, MissingExtraError
from gatewright.overlay.folder import Folder
from gatewright.overlay.machine import Machine

SIMULATED, AUTO = "sim", "auto"
BITSTREAM = "gatewright.bit"
ALLOWED = '"sim", "auto", None for the board itself, the number of a board or card, or the path of a serial port'


def open_machine(folder: Folder, device: str | int | None) -> Machine:
    """The device, loaded with the folder's design but not with its weights.

    Raises:
        DataError: the folder has not what the device loads.
        DeviceError: there is no such device, or it cannot be opened.
        MissingExtraError: the extra for it is not installed.
    """
    if device == AUTO:
        device = None if present(folder.shell) else SIMULATED
    if device == SIMULATED:
        return _simulated(folder)
    if folder.shell == "uart":
        from gatewright.overlay.uart import open_port

        return open_port(folder, device)
    if not (device is None or isinstance(device, int)):
        raise DeviceError("device", f"{device!r} for a design with the shell {folder.shell!r}", ALLOWED)
    if folder.shell == "memory":
        from gatewright.overlay.xrt import XrtMachine

        return XrtMachine(folder, device or 0)
    return _zynq(folder, device or 0)


def present(shell: str) -> bool:
    """Whether this machine has a board for designs with that shell; serial ports do not say what hangs on them."""
    if shell == "memory" and importlib.util.find_spec("pyxrt") is not None:
        return int(importlib.import_module("pyxrt").enumerate_devices()) > 0
    return shell == "dma" and importlib.util.find_spec("pynq") is not None and bool(boards())


def pynq() -> Any:
    """The module.

    Raises:
        MissingExtraError: it is not installed, or cannot be imported.
    """
    try:
        import pynq as found
    except ImportError as error:
        hint = "pip install 'gatewright[pynq]'; it needs Python 3.10 and up, and numpy below 2"
        raise MissingExtraError("pynq", f"cannot be imported: {error}", hint=hint) from error
    return found


def boards() -> list[Any]:
    """What PYNQ finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(pynq().Device.devices)


def _simulated(folder: Folder) -> Machine:
    if folder.shell == "uart":
        from gatewright.overlay.uart import simulated

        return simulated(folder)
    pynq()
    from gatewright.overlay.dma import DmaMachine
    from gatewright.overlay.memory import MemoryMachine
    from gatewright.overlay.simulated.load import load

    kinds: dict[str, type[DmaMachine] | type[MemoryMachine]] = {"dma": DmaMachine, "memory": MemoryMachine}
    if folder.shell not in kinds:
        raise BoardError(str(folder.path), f"shell {folder.shell!r}", ", ".join([*kinds, "uart"]))
    overlay, simulation = load(folder)
    title = f"{folder.facts.get('board', 'board')}, simulated"
    return kinds[folder.shell](title, folder, overlay, True, simulation.close)


def _zynq(folder: Folder, index: int) -> Machine:
    found = boards()
    if index >= len(found):
        problem = f"PYNQ finds {len(found)} boards on this machine, number {index} is wanted"
        raise DeviceError("device", problem, ALLOWED, 'run this on the board, or take device="sim"')
    path = folder.path / BITSTREAM
    if not path.is_file():
        raise DataError(str(path), "does not exist", "what Vivado makes", "run build.sh in the folder, where Vivado is")
    from gatewright.overlay.dma import DmaMachine

    overlay = pynq().Overlay(str(path), device=found[index])
    return DmaMachine(str(folder.facts.get("board", "Zynq board")), folder, overlay)
