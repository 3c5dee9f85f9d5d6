# SPDX-License-Identifier: Apache-2.0
"""Bench of shell_core: registers reach the run, events reach their flags, and malformed sequences wait to be read."""

from typing import Any

import cocotb
import pytest

from gatewright.shell.registers import by_name
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, parameters

EVENTS = [
    *(f"{name}_{cause}" for cause in ("bus", "length") for name in ("input", "output", "weights")),
    *(f"link_{cause}" for cause in ("crc", "frame", "length", "overrun", "request")),
]
LEVELS = [
    "load_done",
    "loaded",
    "at_rest",
    "result",
    *(f"{s}_{pin}" for s in "sm" for pin in ("valid", "ready", "last")),
]
PLACES = 16
"""Malformed sequences that can wait."""


class Core:
    """The module with a bus that acts at once."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.bench = dut, Harness(dut)

    async def begin(self) -> None:
        """Reset, with the weights loaded and nothing going on."""
        for name in ("write_valid", "read_valid", "e_valid", "e_data", *LEVELS, *EVENTS):
            getattr(self.dut, name).value = int(name in ("loaded", "at_rest"))
        self.dut.write_strobe.value = 15
        await self.bench.start()

    async def write(self, name: str, value: int) -> None:
        """Write the low word of a register."""
        self.dut.write_address.value, self.dut.write_data.value = by_name()[name].offset, value
        await self.bench.pulse("write_valid")

    async def read(self, name: str) -> dict[str, int]:
        """Fields of the low word of a register, as they were before the clock edge."""
        register = by_name()[name]
        self.dut.read_address.value = register.offset
        await self.bench.pulse("read_valid")
        assert int(self.dut.read_known.value)
        word = int(self.dut.read_data.value)
        return {f.name: word >> f.low & ((1 << f.bits) - 1) for f in register.fields}


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_run(dut: Any) -> None:
    core = Core(dut)
    await core.begin()
    await core.write("interrupt_global", 1)
    await core.write("interrupt_enable", 1)
    await core.write("sequences", 2)
    await core.write("control", 1)
    await core.bench.step(2)
    assert (await core.read("status"))["running"] and int(dut.admit.value)
    for _ in range(2):
        await core.bench.pulse("s_valid", "s_ready", "s_last")
    await core.bench.step()
    assert not int(dut.admit.value) and not int(dut.all_out.value)
    for _ in range(2):
        await core.bench.pulse("m_valid", "m_ready", "m_last")
    await core.bench.step(3)
    assert int(dut.all_out.value) and int(dut.interrupt_line.value) and not int(dut.failed.value)
    assert (await core.read("control")) == {"start": 0, "done": 1, "idle": 1, "ready": 1, "auto_restart": 0}
    assert (await core.read("finished"))[""] == 2
    await core.write("interrupt_status", 1)
    await core.bench.step()
    assert not int(dut.interrupt_line.value)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def every_event_has_its_flag(dut: Any) -> None:
    core = Core(dut)
    await core.begin()
    await core.write("interrupt_enable", 4)
    dropped = 0
    for event in EVENTS:
        await core.bench.pulse(event)
        assert [name for name, value in (await core.read("errors")).items() if value] == [event]
        assert int(dut.failed.value) and (await core.read("interrupt_status"))["error"]
        await core.write("errors", 0xFFFFFFFF)
        await core.write("interrupt_status", 4)
        await core.bench.step()
        assert not int(dut.failed.value)
        dropped += event.startswith("link_") and event != "link_request"
    if parameters()["Link"]:
        assert (await core.read("link_errors"))[""] == dropped


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def malformed_sequences_wait_to_be_read(dut: Any) -> None:
    """More come than there are places: a link holds them back, beside memory they are only counted."""
    core, more, waits = Core(dut), PLACES + 3, bool(parameters()["Link"])
    await core.begin()
    await core.write("sequences", more)
    await core.write("control", 1)
    await core.bench.step(2)
    taken = 0
    for i in range(more):
        dut.e_data.value = (i % 4) << parameters()["TagBits"] | i % 16
        await core.bench.pulse("e_valid")
        taken += int(dut.e_ready.value)
    await core.bench.step(2)
    assert (taken < more) == waits and bool(int(dut.running.value)) == waits
    assert (await core.read("rejections"))[""] == taken and (await core.read("errors"))["malformed"]
    kept = []
    while (entry := await core.read("rejected"))["valid"]:
        kept.append((entry["tag"], entry["cause"]))
    assert kept == [(i % 16, i % 4) for i in range(len(kept))] and PLACES <= len(kept) < more
    assert len(kept) == taken or not waits


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_reset_forgets_the_run_and_keeps_registers(dut: Any) -> None:
    core = Core(dut)
    await core.begin()
    await core.write("sequences", 7)
    await core.write("control", 1)
    await core.bench.pulse("e_valid")
    await core.bench.step(2)
    assert int(dut.running.value)
    await core.write("command", 1)
    assert not int(dut.reset.value)
    await core.bench.step(1)
    assert int(dut.reset.value)
    await core.bench.step(2)
    assert not int(dut.running.value) and not (await core.read("status"))["rejected"]
    assert not (await core.read("control"))["start"] and (await core.read("sequences"))[""] == 7


@pytest.mark.parametrize("link", [0, 1])
def test_shell_core(link: int) -> None:
    """Beside memory, and behind a link."""
    shell = {"Memory": 1 - link, "Direct": 1 - link, "Link": link, "PacketBytes": 64 * link}
    run_bench("shell_core", __file__, shell | {"TagBits": 4})
