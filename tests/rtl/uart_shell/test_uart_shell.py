# SPDX-License-Identifier: Apache-2.0
"""Bench of uart_shell, from its two wires and its network's streams: a network that turns every beat around.

Faults of the link are in tests/shell, at full speed; here are the line itself, the streams, and what is reported.
"""

from collections import deque
from typing import Any

import cocotb
from rtl.uart_lines import Listener, Talker

from gatewright.shell.packets import DONE, HEADER, Kind, Receiver, frame
from gatewright.shell.registers import IDENTITY, by_name
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, Sink, Source, parameters

LIMIT = 60_000
"""Cycles that an answer may take."""


class Shell:
    """The module with a host on its wires and a network on its streams."""

    def __init__(self, dut: Any, stall: float = 0.0) -> None:
        self.dut, self.bench = dut, Harness(dut)
        self.divisor = parameters()["Divisor"]
        self.talker, self.listener = Talker(dut.rx, self.divisor), Listener(dut.tx, self.divisor)
        self.receiver, self.number, self.heard = Receiver(), 0, 0
        self.inputs: Sink = self.bench.sink("s", stall, fields=("data", "tag", "last"))
        self.outputs: Source = self.bench.source("m", stall, ("data", "tag", "last"))
        self.words: Sink = self.bench.sink("w", stall)
        self.errors: Source = self.bench.source("e", 0.0, ("data",))
        self.echoed = 0
        self.echo = True

    async def step(self, cycles: int = 1) -> None:
        """Some cycles; the network answers every beat with its complement."""
        mask = (1 << parameters()["OutBits"]) - 1
        for _ in range(cycles):
            self.talker.step()
            await self.bench.step()
            self.listener.step()
            while self.echo and self.echoed < len(self.inputs.beats):
                data, tag, last = self.inputs.beats[self.echoed]
                self.outputs.send([(~data & mask, tag, last)])
                self.echoed += 1

    async def request(self, kind: int, a: int = 0, b: int = 0, data: bytes = b"") -> bytes:
        """The answer to a request."""
        self.number = (self.number + 1) % 256
        self.talker.send(frame(bytes([kind, self.number, a, b]) + data))
        for _ in range(LIMIT):
            await self.step()
            for body in self.receiver.feed(bytes(self.listener.data[self.heard :])):
                self.heard = len(self.listener.data)
                assert body[1] == self.number
                return body
            self.heard = len(self.listener.data)
        raise AssertionError(f"no answer to request {kind}")

    async def read(self, name: str) -> int:
        """A register's low word."""
        body = await self.request(Kind.READ, by_name()[name].offset)
        assert body[0] == Kind.READ | DONE
        return int.from_bytes(body[HEADER:], "little")

    async def write(self, name: str, value: int) -> None:
        """Write a register."""
        body = await self.request(Kind.WRITE, by_name()[name].offset, 0, value.to_bytes(4, "little"))
        assert body[0] == Kind.WRITE | DONE

    async def ready(self, sequences: int) -> list[int]:
        """Load the weights and start a run."""
        words = [self.bench.rng.getrandbits(32) for _ in range(parameters()["LoadWords"])]
        await self.request(Kind.LOAD, 0, 0, b"".join(w.to_bytes(4, "little") for w in words))
        await self.write("sequences", sequences)
        await self.write("control", 1)
        return words


def beats(shell: Shell, count: int) -> tuple[list[int], bytes]:
    """Random input beats, and their bytes."""
    size = -(-parameters()["InBits"] // 8)
    values = [shell.bench.rng.getrandbits(parameters()["InBits"]) for _ in range(count)]
    return values, b"".join(v.to_bytes(size, "little") for v in values)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.7])
async def sequences_go_round(dut: Any, stall: float) -> None:
    shell, mask = Shell(dut, stall), (1 << parameters()["OutBits"]) - 1
    await shell.bench.start()
    assert await shell.read("identity") == IDENTITY
    words = await shell.ready(3)
    assert shell.words.beats == [(w, int(i == len(words) - 1)) for i, w in enumerate(words)]
    size = -(-parameters()["OutBits"] // 8)
    wanted: deque[tuple[bytes, int]] = deque()
    for tag, count in ((5, 1), (6, 4), (7, 2)):
        values, data = beats(shell, count)
        body = await shell.request(Kind.PUSH, 1, tag, data)
        assert body[2] | body[3] << 8 == len(data)
        wanted.append((b"".join((~v & mask).to_bytes(size, "little") for v in values), tag))
    rest = b""
    while wanted:
        body = await shell.request(Kind.PULL)
        rest += body[HEADER:]
        if body[2]:
            assert (rest, body[3]) == wanted.popleft()
            rest = b""
    assert await shell.read("control") & 0b1110 == 0b1110, "done, idle, ready"
    assert await shell.read("control") & 0b1110 == 0b0100, "reading clears done and ready"
    assert await shell.read("finished") == 3 and await shell.read("errors") == 0 and await shell.read("cycles") > 7


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def input_waits_for_a_run(dut: Any) -> None:
    """Pushed beats stay where they are until a run admits them; a run admits no more than its sequences."""
    shell = Shell(dut)
    await shell.bench.start()
    for tag in (1, 2):
        await shell.request(Kind.PUSH, 1, tag, beats(shell, 2)[1])
    await shell.step(200)
    assert not shell.inputs.beats
    await shell.write("sequences", 1)
    await shell.write("control", 1)
    assert await shell.read("errors") == 1 << 6, "not loaded"
    assert not shell.inputs.beats
    await shell.ready(1)
    await shell.step(200)
    assert [beat[1] for beat in shell.inputs.beats] == [1, 1]
    await shell.write("control", 1)
    await shell.step(200)
    assert [beat[1] for beat in shell.inputs.beats] == [1, 1, 2, 2]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def rejections_are_kept_until_read(dut: Any) -> None:
    shell = Shell(dut)
    shell.echo = False
    await shell.bench.start()
    await shell.ready(20)
    bits = parameters()["TagBits"]
    shell.errors.send([((i % 4) << bits | i % (1 << bits),) for i in range(20)])
    await shell.step(60)
    assert not shell.errors.empty, "the network waits when nobody reads"
    assert await shell.read("errors") == 1 << 7
    found = [await shell.read("rejected") for _ in range(21)]
    assert found[:20] == [1 << 31 | (i % 4) << 8 | i % (1 << bits) for i in range(20)]
    assert not found[20] >> 31 and await shell.read("rejections") == 20
    assert await shell.read("control") & 2, "every sequence of the run was rejected: it is done"


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def the_line(dut: Any) -> None:
    """Breaks and broken characters cost one packet, and are told."""
    shell = Shell(dut)
    await shell.bench.start()
    shell.talker.level(0, 30)
    shell.talker.level(1, 2)
    shell.talker.send(frame(b"abcd")[:4])
    shell.talker.send(b"x", stop=0)
    shell.talker.level(1, 2)
    shell.talker.send(frame(b"abcd"))
    await shell.step(shell.divisor * 400)
    before = len(shell.listener.data)
    shell.heard, shell.receiver = before, Receiver()
    assert await shell.read("link_errors") == 1
    assert await shell.read("errors") == 1 << 9 | 1 << 12, "a broken frame, and a request that does not exist"
    assert int(dut.failed.value)
    await shell.write("errors", 0xFFFFFFFF)
    assert await shell.read("errors") == 0 and not int(dut.failed.value)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(cycles=[50, 700, 3000])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    shell = Shell(dut)
    await shell.bench.start()
    await shell.ready(1)
    shell.talker.send(frame(bytes([Kind.PUSH, 9, 1, 0]) + beats(shell, 4)[1]))
    await shell.step(cycles)
    shell.talker, shell.listener = Talker(dut.rx, shell.divisor), Listener(dut.tx, shell.divisor)
    shell.heard, shell.receiver = 0, Receiver()
    await shell.bench.reset(1)
    shell.echoed = 0
    assert await shell.read("status") == 0 and await shell.read("control") == 4
    await shell.ready(1)
    await shell.request(Kind.PUSH, 1, 3, beats(shell, 1)[1])
    body = await shell.request(Kind.PULL)
    assert body[2] == 1 and body[3] == 3


def test_uart_shell() -> None:
    sizes = {"Divisor": 4, "InBits": 12, "OutBits": 20, "LoadWords": 3, "InputBeats": 8, "OutputBeats": 8}
    run_bench("uart_shell", __file__, sizes | {"TagBits": 4, "PacketBytes": 32})
