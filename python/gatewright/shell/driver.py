# SPDX-License-Identifier: Apache-2.0
"""Registers by name over any bus that reads and writes words: PYNQ's MMIO, XRT's registers, the UART link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gatewright.errors import DataError, DeviceError
from gatewright.shell.registers import IDENTITY, WORD, Field, Register, by_name


class Bus(Protocol):
    """What reads and writes words of 32 bits at byte addresses; `pynq.MMIO` is one."""

    def read(self, offset: int) -> int:
        """The word at `offset`."""

    def write(self, offset: int, value: int) -> None:
        """Write the word at `offset`."""


class Registers:
    """Accessors of one device.

    A name is that of a register, `"cycles"`, or of a field, `"control.done"`.

    Args:
        bus: reaches the registers.
    """

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._known = by_name()

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._known]

    def read(self, name: str) -> int:
        """Value of a register or of one of its fields."""
        register, field = self._find(name)
        words = [self.bus.read(register.offset + 4 * i) & 0xFFFFFFFF for i in range(register.words)]
        value = sum(word << WORD * i for i, word in enumerate(words))
        return value if field is None else value >> field.low & (1 << field.bits) - 1

    def fields(self, name: str) -> Mapping[str, int]:
        """All fields of a register, read at once."""
        register, value = self._find(name)[0], self.read(name)
        return {f.name or register.name: value >> f.low & (1 << f.bits) - 1 for f in register.fields}

    def write(self, name: str, value: int) -> None:
        """Write a register, or one field with zeros beside it.

        Raises:
            DataError: the value has too many bits.
        """
        register, field = self._find(name)
        bits, low = (register.bits, 0) if field is None else (field.bits, field.low)
        if not 0 <= value < 1 << bits:
            raise DataError(f"register {name}", f"value {value}", f"0 to {(1 << bits) - 1}")
        for i in range(register.words):
            self.bus.write(register.offset + 4 * i, value << low >> WORD * i & 0xFFFFFFFF)

    def _find(self, name: str) -> tuple[Register, Field | None]:
        head, _, tail = name.partition(".")
        register = self._known.get(head)
        if register is None:
            raise DataError(f"register {head}", "does not exist", ", ".join(self._known))
        if not tail:
            return register, None
        for field in register.fields:
            if field.name == tail:
                return register, field
        raise DataError(f"register {head}", f"has no field {tail}", ", ".join(f.name for f in register.fields))

    def check(self, build_id: int | None = None) -> None:
        """Make sure that a gatewright design answers, and that it is the one that is expected.

        Raises:
            DeviceError: it is something else.
        """
        found = self.read("identity")
        if found != IDENTITY:
            raise DeviceError(
                "register identity", f"reads {found:#010x}", f"{IDENTITY:#010x}", "load a bitstream of ours"
            )
        if build_id is not None and (seen := self.read("build_id")) != build_id:
            problem = f"the device holds design {seen:016x}"
            raise DeviceError("register build_id", problem, f"{build_id:016x}", "load the bitstream of this build")

    def errors(self) -> list[str]:
        """Names of the error flags that are set."""
        return [name for name, value in self.fields("errors").items() if value]

    def clear_errors(self) -> None:
        """Clear every error flag."""
        self.write("errors", (1 << WORD) - 1)
