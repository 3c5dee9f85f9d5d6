# SPDX-License-Identifier: Apache-2.0
"""Bench of packet_receiver: sound packets are held, all others dropped with one error each, whatever comes.

The reference reads the same bytes with the rules written down a second time.
"""

import random
from collections import Counter
from typing import Any

import cocotb

from gatewright.shell.packets import CHECK, END, ESCAPE, HEADER, frame, sound, unstuffed
from gatewright.sim import faults
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, parameters, seed

ERRORS = ("bad_crc", "bad_frame", "bad_length", "overrun")


class Receiver:
    """The module, fed with bytes, and read like its server does."""

    def __init__(self, dut: Any) -> None:
        self.bench, self.dut = Harness(dut), dut
        self.rng = random.Random(seed())
        self.packets: list[bytes] = []
        self.errors: Counter[str] = Counter()

    async def start(self) -> None:
        """Reset with idle inputs."""
        for pin in (self.dut.valid, self.dut.broken, self.dut.take, self.dut.read_address):
            pin.value = 0
        await self.bench.start()

    async def step(self, value: int | None = None, broken: bool = False, take: bool = False) -> None:
        """One cycle with a byte, a broken character or neither; noise on idle data."""
        self.dut.valid.value = int(value is not None)
        self.dut.data.value = self.rng.getrandbits(8) if value is None else value
        self.dut.broken.value, self.dut.take.value = int(broken), int(take)
        await self.bench.step()
        # Combinational pulses: seen while their cause is on the inputs, that is at this edge.
        for name in ERRORS:
            self.errors[name] += int(getattr(self.dut, name).value)

    async def feed(self, data: bytes, take: bool = True) -> None:
        """Bytes one after another; a packet that is held is read and let go at once."""
        for value in data:
            await self.step(value)
            await self.idle(1)
            if take and int(self.dut.held.value):
                await self.read()

    async def idle(self, cycles: int) -> None:
        """No byte for some cycles."""
        for _ in range(cycles):
            await self.step()

    async def read(self) -> None:
        """Read the packet out and let it go."""
        found = bytearray()
        for address in range(int(self.dut.length.value)):
            self.dut.read_address.value = address
            await self.idle(2)
            found.append(int(self.dut.read_data.value))
        self.packets.append(bytes(found))
        await self.step(take=True)
        await self.idle(1)


def judge(raw: bytes, most: int) -> str:
    """What becomes of the bytes between two delimiters: "", "held" or the name of an error."""
    if not raw:
        return ""
    kept, escaped = 0, False
    for value in raw:
        if escaped and value not in (0xDC, 0xDD):
            return "bad_frame"
        if not escaped and value == ESCAPE:
            escaped = True
            continue
        escaped = False
        if kept == most + CHECK:
            return "bad_length"
        kept += 1
    if escaped:
        return "bad_frame"
    body = unstuffed(raw)
    assert body is not None
    if not body:
        return ""
    if len(body) < HEADER + CHECK:
        return "bad_length"
    return "held" if sound(body) else "bad_crc"


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def whatever_comes(dut: Any) -> None:
    """Sound packets of all lengths among damaged ones of all kinds and noise."""
    receiver = Receiver(dut)
    rng, most = receiver.rng, parameters()["Bytes"]
    await receiver.start()
    stream = bytearray([END])
    for _ in range(250):
        body = bytes(rng.choice((END, ESCAPE, rng.getrandbits(8))) for _ in range(rng.randint(HEADER, most)))
        data = frame(body)
        if rng.random() < 0.6:
            data = rng.choice(list(faults.REQUESTS.values()))(rng, data)
        stream += data
    stream += bytes([END])
    due = [(judge(raw, most), raw) for raw in bytes(stream).split(bytes([END]))]
    await receiver.feed(bytes(stream))
    wanted = Counter(what for what, _ in due if what not in ("", "held"))
    assert receiver.packets == [unstuffed(raw)[:-CHECK] for what, raw in due if what == "held"]  # type: ignore[index]
    assert +receiver.errors == wanted and len(wanted) == 3 and len(receiver.packets) > 50, (receiver.errors, wanted)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def a_packet_that_is_held_is_safe(dut: Any) -> None:
    """What comes meanwhile is dropped as one overrun per frame, and the next frame passes again."""
    receiver = Receiver(dut)
    await receiver.start()
    await receiver.feed(frame(b"first"), take=False)
    await receiver.feed(frame(b"second") + frame(b"third"), take=False)
    assert int(dut.held.value) and receiver.errors["overrun"] == 2
    # Let go in the middle of a frame: the rest of it is no packet.
    half = frame(b"fourth")
    await receiver.feed(half[:5], take=False)
    await receiver.read()
    await receiver.feed(half[5:])
    await receiver.feed(frame(b"fifth"))
    assert receiver.packets == [b"first", b"fifth"] and +receiver.errors == {"overrun": 3}


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def broken_characters_and_reset(dut: Any) -> None:
    receiver = Receiver(dut)
    await receiver.start()
    data = frame(b"broken")
    await receiver.feed(data[:4])
    await receiver.step(broken=True)
    await receiver.step(broken=True)
    await receiver.feed(data[4:] + frame(b"whole"))
    assert receiver.packets == [b"whole"] and +receiver.errors == {"bad_frame": 1}
    await receiver.feed(data[:6])
    await receiver.bench.reset(1)
    await receiver.feed(data[6:] + frame(b"again"))
    assert receiver.packets == [b"whole", b"again"] and +receiver.errors == {"bad_frame": 1}


def test_packet_receiver() -> None:
    run_bench("packet_receiver", __file__, {"Bytes": 20})
