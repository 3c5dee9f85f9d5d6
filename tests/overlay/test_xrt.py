# SPDX-License-Identifier: Apache-2.0
"""Alveo through `pyxrt`, as far as that goes without a card: a stand-in for the module drives the Verilated kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from overlay.pyxrt_simulation import module
from overlay.tiny import ITEMS, built

import gatewright as gw
from gatewright.errors import DataError, DeviceError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("u50", tmp_path_factory.mktemp("memory"))


def test_a_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyxrt", module(readable=True))
    with pytest.raises(DataError, match=r"kernel\.xclbin: does not exist"):
        gw.Overlay(folder)
    (folder / "tiny_top_memory_kernel.xclbin").touch()
    with pytest.raises(DeviceError, match="no such device with index '1'"):
        gw.Overlay(folder, device=1)
    with gw.Overlay(folder) as accel:
        assert accel.device == "Alveo card 0"
        assert accel.verify(ITEMS).mismatches == 0 and accel.counters.sequences == len(ITEMS)
        accel.registers.bus.write(0x44, 1)
        with pytest.raises(DeviceError, match="not_loaded"):
            accel(ITEMS)
        accel.reset()
        assert accel.verify(ITEMS).mismatches == 0


def test_a_card_whose_registers_are_out_of_sight(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (folder / "tiny_top_memory_kernel.xclbin").touch()
    monkeypatch.setitem(sys.modules, "pyxrt", module(readable=False))
    with gw.Overlay(folder) as accel:
        assert accel.verify(ITEMS).mismatches == 0
        for read in (lambda: accel.counters, lambda: accel.registers):
            with pytest.raises(DeviceError, match="cannot read"):
                read()
        run = accel.start(ITEMS)
        with pytest.raises(DeviceError, match="has not ended after 0 s\n"):
            run.wait(timeout=0)
        run.wait()
    # A known answer stands in for the build id: here the weights of one network and the model of another.
    other = built("u50", tmp_path, sign=-1)
    (other / "tiny_top_memory_kernel.xclbin").touch()
    (other / "weights.hex").write_text((folder / "weights.hex").read_text())
    with pytest.raises(DeviceError, match="another result than the golden model"):
        gw.Overlay(other)
