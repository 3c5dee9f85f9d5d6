# SPDX-License-Identifier: Apache-2.0
"""Bench of link_server: every request, right and wrong, under back-pressure; what was done is never done twice."""

import random
from dataclasses import dataclass, field
from typing import Any

import cocotb
import pytest

from gatewright.shell.packets import DONE, HEADER, REFUSED, Kind, Reason
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, parameters, seed

KNOWN = range(0, 64, 4)


@dataclass
class Server:
    """The module with packet memories, registers and streams around it."""

    dut: Any
    number: int = 0
    written: list[tuple[int, int]] = field(default_factory=list)
    red: list[int] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        self.bench = Harness(self.dut)
        self.rng = random.Random(seed())
        self.ins = self.bench.sink("in", 0.3, fields=("data", "tag", "last"))
        self.loads = self.bench.sink("load", 0.3, fields=("data",))
        self.outs = self.bench.source("out", 0.3, ("data", "tag", "last"))
        self.answer = bytearray(512)
        for pin in ("held", "length", "read_byte", "busy", "running", "write_known", "read_known", "read_data"):
            getattr(self.dut, pin).value = 0

    async def request(
        self, kind: int, a: int = 0, b: int = 0, data: bytes = b"", value: int = 0, repeat: bool = False
    ) -> bytes:
        """Put a packet there and take the answer; `value` is what a register reads."""
        dut = self.dut
        self.number = (self.number + (not repeat)) % 256
        body = bytes([kind, self.number, a, b]) + data
        known = a | b << 8 in KNOWN
        dut.held.value, dut.length.value, dut.busy.value = 1, len(body), int(self.rng.random() < 0.3)
        dut.write_known.value, dut.read_known.value, dut.read_data.value = int(known), int(known), value
        for _ in range(20000):
            at = int(dut.read_at.value)
            await self.bench.step()
            at, taken = int(dut.read_at.value), int(dut.take.value)
            dut.read_byte.value = body[at] if at < len(body) else self.rng.getrandbits(8)
            if int(dut.answer_valid.value):
                self.answer[int(dut.answer_address.value)] = int(dut.answer_data.value)
            if int(dut.write_valid.value):
                self.written.append((int(dut.write_address.value), int(dut.write_data.value)))
            if int(dut.read_valid.value):
                self.red.append(int(dut.read_address.value))
            self.refused += int(dut.refused.value)
            if self.rng.random() < 0.3:
                dut.busy.value = 0
            if taken:
                assert int(dut.send.value)
                length = int(dut.send_length.value)
                dut.held.value = 0
                await self.bench.step()
                return bytes(self.answer[:length])
        raise AssertionError(f"no answer to {body!r}")

    def done(self, kind: int, a: int = 0, b: int = 0, data: bytes = b"") -> bytes:
        """The answer to a request that is done."""
        return bytes([kind | DONE, self.number, a, b]) + data

    def no(self, kind: int, reason: Reason) -> bytes:
        """The answer to a request that is refused."""
        return bytes([kind | REFUSED, self.number, reason, 0])


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def registers(dut: Any) -> None:
    server = Server(dut)
    await server.bench.start()
    rng = server.rng
    for _ in range(60):
        address, value = rng.choice((*KNOWN, 1, 66, 0x104, 200)), rng.getrandbits(32)
        a, b = address & 255, address >> 8
        reads, writes = len(server.red), len(server.written)
        if rng.random() < 0.5:
            wanted = server.done
            found = await server.request(Kind.READ, a, b, value=value)
            right = address in KNOWN
            due = wanted(Kind.READ, a, b, value.to_bytes(4, "little")) if right else b""
            assert server.red[reads:] == ([address] if right else [])
            kind = Kind.READ
        else:
            found = await server.request(Kind.WRITE, a, b, value.to_bytes(4, "little"))
            right = address in KNOWN
            due = server.done(Kind.WRITE, a, b)
            assert server.written[writes:] == ([(address, value)] if right else [])
            kind = Kind.WRITE
        assert found == (due if right else server.no(kind, Reason.NO_REGISTER))
        # The same number again: the same answer, and nothing is done.
        reads, writes = len(server.red), len(server.written)
        assert await server.request(kind, a, b, b"" if kind is Kind.READ else bytes(4), repeat=True) == found
        assert (reads, writes) == (len(server.red), len(server.written))


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def streams(dut: Any) -> None:
    """Beats in, words of weights, results out; each once, however often it is asked for."""
    server = Server(dut)
    await server.bench.start()
    rng, p = server.rng, parameters()
    pushed: list[tuple[int, int, int]] = []
    loaded: list[tuple[int]] = []
    for _ in range(25):
        tag, last = rng.getrandbits(p["TagBits"]), rng.getrandbits(1)
        data = rng.randbytes(p["InBytes"] * rng.randint(1, p["Bytes"] // p["InBytes"]))
        found = await server.request(Kind.PUSH, last, tag, data)
        assert found == server.done(Kind.PUSH, len(data) & 255, len(data) >> 8)
        assert await server.request(Kind.PUSH, last, tag, data, repeat=True) == found
        pushed += [(value, tag, int(last and i == len(data) - 1)) for i, value in enumerate(data)]
        data = rng.randbytes(p["LoadBytes"] * rng.randint(1, p["Bytes"] // p["LoadBytes"]))
        assert await server.request(Kind.LOAD, 0, 0, data) == server.done(Kind.LOAD, len(data) & 255, len(data) >> 8)
        loaded += [(value,) for value in data]
    assert server.ins.beats == pushed and server.loads.beats == loaded
    results = [(rng.randbytes(rng.choice((1, 5, p["Bytes"], p["Bytes"] + 9))), rng.getrandbits(4)) for _ in range(12)]
    for data, tag in results:
        server.outs.send([(value, tag, int(i == len(data) - 1)) for i, value in enumerate(data)])
    back: list[tuple[bytes, int]] = []
    rest = b""
    for _ in range(300):
        found = await server.request(Kind.PULL)
        assert found[0] == Kind.PULL | DONE and len(found) <= HEADER + p["Bytes"]
        rest += found[HEADER:]
        if found[2]:
            back.append((rest, found[3]))
            rest = b""
        assert await server.request(Kind.PULL, repeat=True) == found
    assert back == results and not rest


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def nothing_blocks(dut: Any) -> None:
    """A network that takes nothing, or gives nothing, is told by how much was moved."""
    server = Server(dut)
    await server.bench.start()
    p = parameters()
    server.ins.stall = server.loads.stall = 1.0
    await server.bench.step(2)
    assert await server.request(Kind.PUSH, 1, 0, bytes(p["InBytes"])) == server.done(Kind.PUSH)
    assert await server.request(Kind.LOAD, 0, 0, bytes(p["LoadBytes"])) == server.done(Kind.LOAD)
    assert await server.request(Kind.PULL) == server.done(Kind.PULL)
    assert not server.ins.beats and not server.loads.beats and server.refused == 0


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def wrong_requests(dut: Any) -> None:
    server = Server(dut)
    await server.bench.start()
    p = parameters()
    wrong: list[tuple[int, bytes, Reason]] = [(0, b"", Reason.UNKNOWN), (7, b"abc", Reason.UNKNOWN)]
    wrong += [(Kind.HELLO, b"x", Reason.WRONG_SIZE), (Kind.PULL, b"x", Reason.WRONG_SIZE)]
    wrong += [(Kind.READ, b"x", Reason.WRONG_SIZE), (Kind.WRITE, b"abc", Reason.WRONG_SIZE)]
    wrong += [(Kind.PUSH, b"", Reason.WRONG_SIZE), (Kind.LOAD, b"", Reason.WRONG_SIZE)]
    if p["InBytes"] > 1:
        wrong.append((Kind.PUSH, bytes(p["InBytes"] + 1), Reason.WRONG_SIZE))
    wrong.append((Kind.LOAD, bytes(p["LoadBytes"] + 1), Reason.WRONG_SIZE))
    for kind, data, reason in wrong:
        assert await server.request(kind, 0, 0, data) == server.no(kind, reason), (kind, data)
    assert server.refused == len(wrong)
    dut.running.value = 1
    assert await server.request(Kind.LOAD, 0, 0, bytes(p["LoadBytes"])) == server.no(Kind.LOAD, Reason.RUNNING)
    assert not server.ins.beats and not server.loads.beats and not server.written and not server.red


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def sessions(dut: Any) -> None:
    """A hello is done whatever its number; after a reset no number is known."""
    server = Server(dut)
    await server.bench.start()
    assert await server.request(Kind.WRITE, 8, 0, bytes(4)) == server.done(Kind.WRITE, 8)
    assert await server.request(Kind.HELLO, repeat=True) == server.done(Kind.HELLO)
    assert await server.request(Kind.WRITE, 8, 0, bytes(4), repeat=True) == server.done(Kind.HELLO)
    assert len(server.written) == 1
    await server.bench.reset(1)
    assert await server.request(Kind.WRITE, 8, 0, bytes(4), repeat=True) == server.done(Kind.WRITE, 8)
    assert len(server.written) == 2


@pytest.mark.parametrize("in_bytes", [1, 3])
def test_link_server(in_bytes: int) -> None:
    sizes = {"Bytes": 24, "InBytes": in_bytes, "LoadBytes": 4, "TagBits": 4, "Patience": 30}
    run_bench("link_server", __file__, sizes)
