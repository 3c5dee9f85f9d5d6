# SPDX-License-Identifier: Apache-2.0
"""The simulated device under PYNQ's own classes alone, as a user of PYNQ writes it: nothing of ours but the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from overlay.tiny import ITEMS, built

from gatewright.errors import DeviceError
from gatewright.shell.registers import by_name
from gatewright.sim.beats import pack, unpack

pynq = pytest.importorskip("pynq", reason="the extra `pynq` is not installed")

from gatewright.overlay.folder import Folder  # noqa: E402
from gatewright.overlay.simulated.load import load  # noqa: E402

pytestmark = pytest.mark.slow


def at(name: str) -> int:
    return by_name()[name].offset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder.read(built("pynq-z2", tmp_path_factory.mktemp("dma")))


@pytest.fixture(scope="module")
def loaded(folder: Folder) -> Any:
    return load(folder)


def packed(folder: Folder, items: list[Any]) -> bytes:
    beats = [pack(s, folder.lanes[0], folder.ports[0]) for s in folder.imported.encode(items)]
    return folder.layout.pack(beats)


def sent(overlay: Any, data: bytes, mode: int) -> Any:
    """A buffer with the data, on its way."""
    buffer = pynq.allocate((len(data),), dtype=np.uint8, target=overlay.device)
    buffer[:] = np.frombuffer(data, np.uint8)
    overlay.accel.write(at("mode"), mode)
    overlay.dma.sendchannel.transfer(buffer)
    return buffer


def test_overlay_dma_allocate_mmio(folder: Folder, loaded: Any) -> None:
    overlay, device = loaded
    assert type(overlay) is pynq.Overlay and overlay.is_loaded()
    assert type(overlay.dma) is pynq.lib.DMA and type(overlay.accel) is pynq.DefaultIP
    assert isinstance(device, pynq.Device) and {"accel", "dma"} <= set(overlay.ip_dict)
    assert overlay.accel.read(at("identity")) >> 16 == int.from_bytes(b"GW", "big")
    assert overlay.accel.mmio.read(at("build_id"), length=8) == folder.build_id
    assert int(overlay.accel.mmio.array[at("load_words") // 4]) == folder.fact("load_words")

    sent(overlay, folder.layout.weights(folder.memory), mode=1)
    overlay.accel.write(0, 1)
    overlay.dma.sendchannel.wait()
    while not overlay.accel.read(0) & 4:
        pass
    output = pynq.allocate((4096,), dtype=np.uint8, target=device)
    overlay.dma.recvchannel.transfer(output)
    overlay.accel.write(at("sequences"), len(ITEMS))
    sent(overlay, packed(folder, ITEMS), mode=0)
    overlay.accel.write(0, 1)
    overlay.dma.sendchannel.wait()
    overlay.dma.recvchannel.wait()
    tokens = [len(s) for s in ITEMS]
    assert overlay.dma.recvchannel.transferred == folder.layout.output_bytes(tokens)
    beats = folder.layout.unpack(bytes(output), tokens)
    for item, found in zip(ITEMS, beats, strict=True):
        (sequence,) = folder.imported.encode([item])
        assert np.array_equal(unpack(found, folder.lanes[1], folder.ports[1]), folder.golden(sequence))


def test_buffers_are_copies(loaded: Any) -> None:
    _, device = loaded
    before = device.default_memory.used
    with pynq.allocate((2, 5), dtype="i2", target=device) as buffer:
        assert buffer.shape == (2, 5) and buffer.dtype == np.int16 and not buffer.device_address % 4096
        buffer[:] = 7
        buffer.sync_to_device()
        buffer[1, 2] = 9
        part = buffer[1]
        part.sync_from_device()
        # Only what was synchronized has come back: the first row was not asked for.
        assert buffer[1, 2] == 7
        buffer[0, 0] = 9
        buffer[1].sync_from_device()
        assert buffer[0, 0] == 9
        assert device.default_memory.used > before
    del buffer, part
    assert device.default_memory.used == before


def test_what_does_not_exist(loaded: Any) -> None:
    overlay, device = loaded
    for place, problem in ((0x34, "register 0x34: the bus answers SLVERR"), (0x1000, "register 0x1000")):
        with pytest.raises(DeviceError, match=problem):
            overlay.accel.read(place)
        with pytest.raises(DeviceError, match=problem):
            overlay.accel.write(place, 0)
    with pytest.raises(DeviceError, match="register 0x10 of the DMA: does not exist"):
        overlay.dma.read(0x10)
    with pytest.raises(DeviceError, match="address 0xb0000000: nothing lies there"):
        pynq.MMIO(0xB000_0000, 16, device=device).read(0)


def test_errors_of_the_dma(folder: Folder, loaded: Any) -> None:
    """Memory that is gone, and a packet that is longer than the room for it, are said by the DMA's status."""
    overlay, device = loaded
    gone = pynq.allocate((64,), dtype=np.uint8, target=device)
    address = gone.device_address
    del gone
    overlay.dma.write(0x18, address)
    overlay.dma.write(0x1C, 0)
    overlay.dma.write(0x28, 64)
    assert overlay.dma.sendchannel.error and overlay.dma.read(4) & 0x40, "decode error"
    with pytest.raises(RuntimeError, match="DMA channel not started"):
        overlay.dma.sendchannel.wait()
    overlay.dma.write(0, 4)
    for channel in (overlay.dma.sendchannel, overlay.dma.recvchannel):
        channel.start()
    assert not overlay.dma.sendchannel.error
    output = pynq.allocate((4,), dtype=np.uint8, target=device)
    overlay.dma.recvchannel.transfer(output)
    overlay.accel.write(at("sequences"), 1)
    sent(overlay, packed(folder, ITEMS[:1]), mode=0)
    overlay.accel.write(0, 1)
    with pytest.raises(RuntimeError, match="DMA Internal Error"):
        overlay.dma.recvchannel.wait()
