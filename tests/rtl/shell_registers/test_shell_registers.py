# SPDX-License-Identifier: Apache-2.0
"""Bench of shell_registers against the register map, with the rules of every access written down a second time."""

import random
from collections.abc import Iterator
from typing import Any

import cocotb
import pytest

from gatewright.shell.decoder import parameter
from gatewright.shell.registers import IDENTITY, MAP, Access, Field, Group, Register, fields, signal
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, parameters, seed

INPUTS = {Access.RO: "", Access.POP: "", Access.START: "_clear", Access.CLEAR_ON_READ: "_set", Access.STICKY: "_set"}
"""Suffix of the input of a field."""
OUTPUTS = (Access.RW, Access.START, Access.PULSE, Access.STICKY)
CYCLES = 6000


def present(register: Register) -> bool:
    """Whether the shell under test has the register."""
    return register.group is Group.ALWAYS or bool(parameters().get(register.group.value, 1))


def inputs() -> Iterator[tuple[Register, Field, str]]:
    """Every input of the module that belongs to a field."""
    for register, field in fields():
        if field.access in INPUTS:
            yield register, field, signal(register, field) + INPUTS[field.access]


class Model:
    """What the registers hold."""

    def __init__(self) -> None:
        self.held = {signal(r, f): 0 for r, f in fields()}
        self.high = {r.name: 0 for r in MAP}

    def word(self, address: int, given: dict[str, int]) -> int | None:
        """What a read answers; None if nothing is there."""
        for register in MAP:
            if not register.offset <= address < register.offset + 4 * register.words or not present(register):
                continue
            if register.name == "identity":
                return IDENTITY
            index = (address - register.offset) // 4
            value = 0
            for field in register.fields:
                name = signal(register, field)
                if field.access in (Access.RO, Access.POP):
                    part = given[name]
                    if register.words > 1 and index:
                        part = self.high[register.name] << 32
                elif field.access is Access.CONSTANT:
                    part = int(str(parameters()[parameter(register, field)]).split("'h")[1], 16)
                elif field.access is Access.PULSE:
                    part = 0
                else:
                    part = self.held[name]
                value |= part << field.low
            return value >> 32 * index & 0xFFFFFFFF
        return None

    def step(self, write: tuple[int, int, int] | None, read: int | None, given: dict[str, int]) -> None:
        """One clock edge."""
        for register, field in fields():
            name = signal(register, field)
            ones = 0
            if write is not None and present(register):
                address, data, strobe = write
                mask = sum(0xFF << 8 * i for i in range(4) if strobe >> i & 1)
                index = (address - register.offset) // 4
                if 0 <= index < register.words and address % 4 == 0:
                    cut = ((1 << field.bits) - 1) << field.low
                    here, value = (mask << 32 * index) & cut, (data << 32 * index) & cut
                    ones = (value & here) >> field.low
                    if field.access is Access.RW:
                        self.held[name] = (self.held[name] & ~(here >> field.low)) | ones
            at_low = read == register.offset and present(register)
            if field.access is Access.PULSE:
                self.held[name] = ones
            elif field.access is Access.START:
                self.held[name] = 1 if ones else 0 if given[name + "_clear"] else self.held[name]
            elif field.access is Access.STICKY:
                self.held[name] = 1 if given[name + "_set"] else 0 if ones else self.held[name]
            elif field.access is Access.CLEAR_ON_READ:
                self.held[name] = 1 if given[name + "_set"] else 0 if at_low else self.held[name]
            elif field.access is Access.RO and register.words > 1 and at_low:
                self.high[register.name] = given[name] >> 32


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def every_access(dut: Any) -> None:
    bench, rng, model = Harness(dut), random.Random(seed()), Model()
    dut.write_valid.value = dut.read_valid.value = 0
    given = {name: 0 for _, _, name in inputs()}
    for name in given:
        getattr(dut, name).value = 0
    await bench.start()
    known = [r.offset + 4 * i for r in MAP for i in range(r.words)]
    # The high word of a counter means something only behind a read of the low one.
    for register in (r for r in MAP if r.words > 1 and r.fields[0].access is Access.RO):
        dut.read_valid.value, dut.read_address.value = 1, register.offset
        await bench.step()
        model.step(None, register.offset, given)
    seen = 0
    for _ in range(CYCLES):
        for _, field, name in inputs():
            wide = field.bits > 1
            if rng.random() < (0.3 if wide else 0.1) or (not wide and given[name]):
                given[name] = rng.getrandbits(field.bits) if wide else int(rng.random() < 0.1)
                getattr(dut, name).value = given[name]
        address = rng.choice(known) if rng.random() < 0.9 else rng.randrange(0, 256, 4)
        write = (address, rng.getrandbits(32), rng.choice((15, rng.getrandbits(4)))) if rng.random() < 0.4 else None
        read = rng.choice(known) if rng.random() < 0.8 else rng.randrange(0, 256, 4)
        reads = rng.random() < 0.4
        dut.write_valid.value, dut.read_valid.value, dut.read_address.value = int(write is not None), int(reads), read
        if write is not None:
            dut.write_address.value, dut.write_data.value, dut.write_strobe.value = write
        await bench.step()
        # At the edge the inputs above are seen, with the state from before it.
        wanted = model.word(read, given)
        assert int(dut.read_known.value) == (wanted is not None), f"read {read:#x}"
        if wanted is not None:
            assert int(dut.read_data.value) == wanted, f"read {read:#x}: {int(dut.read_data.value):#x}, not {wanted:#x}"
            seen += wanted != 0
        if write is not None:
            assert int(dut.write_known.value) == (model.word(write[0], given) is not None), f"write {write[0]:#x}"
        for register, field in fields():
            if field.access in OUTPUTS:
                name = signal(register, field)
                assert int(getattr(dut, name).value) == model.held[name], name
        pop = next(r for r in MAP if r.fields[0].access is Access.POP)
        assert int(getattr(dut, f"{pop.name}_pop").value) == (reads and read == pop.offset)
        model.step(write, read if reads else None, given)
    assert seen > CYCLES / 10


@pytest.mark.parametrize("sizes", [{}, {"Memory": 0, "Link": 0, "Direct": 0}])
def test_shell_registers(sizes: dict[str, int]) -> None:
    rng = random.Random(0)
    constants = {
        parameter(r, f): f"{f.bits}'h{rng.getrandbits(f.bits):x}"
        for r, f in fields()
        if f.access is Access.CONSTANT and r.name != "identity"
    }
    run_bench("shell_registers", __file__, sizes | constants)
