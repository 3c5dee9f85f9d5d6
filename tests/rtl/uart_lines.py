# SPDX-License-Identifier: Apache-2.0
"""A UART line seen from outside a design: drives one, listens to one, one step per clock cycle."""

from typing import Any

START, STOP, BITS = 0, 1, 8


class Talker:
    """Drives a line.

    Attributes:
        line: the pin.
        divisor: clock cycles per bit; may differ a little from the design's.
    """

    def __init__(self, line: Any, divisor: float) -> None:
        self.line, self.divisor = line, divisor
        self._levels: list[int] = []
        self._at = 0.0
        line.value = 1

    def send(self, data: bytes, stop: int = STOP, gap: int = 0) -> None:
        """Queue characters, with `gap` idle bits behind each."""
        for value in data:
            self._levels += [START, *(value >> i & 1 for i in range(BITS)), stop, *[STOP] * gap]

    def level(self, level: int, bits: int) -> None:
        """Queue a level for some bits, e.g. a break."""
        self._levels += [level] * bits

    @property
    def empty(self) -> bool:
        """Nothing is under way."""
        return not self._levels

    def step(self) -> None:
        """One clock cycle."""
        if not self._levels:
            self.line.value = 1
            self._at = 0.0
            return
        self.line.value = self._levels[int(self._at)]
        self._at += 1 / self.divisor
        if self._at >= len(self._levels):
            self._levels, self._at = [], 0.0


class Listener:
    """Reads a line.

    Attributes:
        data: characters that came.
        broken: characters without a stop bit.
    """

    def __init__(self, line: Any, divisor: float) -> None:
        self.line, self.divisor = line, divisor
        self.data = bytearray()
        self.broken = 0
        self._count: int | None = None
        self._value = 0

    def step(self) -> None:
        """One clock cycle."""
        level = int(self.line.value)
        if self._count is None:
            if level == START:
                self._count, self._value = 0, 0
            return
        self._count += 1
        place, inside = divmod(self._count, self.divisor)
        if int(inside) != int(self.divisor / 2):
            return
        place = int(place)
        if 1 <= place <= BITS:
            self._value |= level << place - 1
        elif place > BITS:
            if level == STOP:
                self.data.append(self._value)
            else:
                self.broken += 1
            self._count = None
