# SPDX-License-Identifier: Apache-2.0
"""One party while it computes: channel, secrets, what was drawn for the queries at hand, and what is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.secure.channel import Channel
from gatewright.secure.correlated.correlation import Fields
from gatewright.secure.correlated.material import Drawn
from gatewright.secure.program import Program
from gatewright.secure.role import Role
from gatewright.secure.step import Secret

Trace = Callable[[int, str, "npt.NDArray[np.generic]"], None]
"""Called with a step's index, what it is, and the words or bytes.

"share" is the party's share of the step's result modulo 2**bits, [queries, tokens, channels]; "sent" and "received"
are the bytes of its messages, in order.
"""


class Side:
    """What a step sees of its party.

    Attributes:
        role: which party.
        program: what runs.
        model: per step, what `Step.set_up` keeps.
        rounds: of messages so far.
    """

    def __init__(
        self,
        role: Role,
        program: Program,
        channel: Channel,
        secrets: tuple[Secret, ...] | None,
        fixed: dict[tuple[int, str], Fields],
        trace: Trace | None = None,
    ) -> None:
        self.role, self.program, self.channel = role, program, channel
        self._secrets, self._fixed, self._trace = secrets, fixed, trace
        self.model: list[dict[str, Any]] = [{} for _ in program.steps]
        self.rounds = 0
        self.step = 0
        self.count = 0
        self.drawn: list[Drawn] = []

    @property
    def server(self) -> bool:
        """Whether this is the server."""
        return self.role is Role.SERVER

    @property
    def secret(self) -> Secret:
        """The server's integers of the step at hand."""
        assert self._secrets is not None
        return self._secrets[self.step]

    @property
    def kept(self) -> dict[str, Any]:
        """What `set_up` keeps for the step at hand."""
        return self.model[self.step]

    def fixed(self, correlation: str) -> Fields:
        """Arrays of the step at hand that are drawn once per model."""
        return self._fixed[self.step, correlation]

    def random(self, correlation: str) -> Fields:
        """Arrays of the step at hand, for the queries at hand."""
        return self.drawn[self.step][correlation]

    def send(self, payload: bytes) -> None:
        """A round in which only this party talks."""
        self.rounds += 1
        self._record("sent", payload)
        self.channel.send(payload)

    def receive(self, size: int) -> bytes:
        """A round in which only the peer talks."""
        self.rounds += 1
        payload = self.channel.receive(size)
        self._record("received", payload)
        return payload

    def exchange(self, payload: bytes) -> bytes:
        """A round in which both send messages of one size at the same time."""
        self.rounds += 1
        self._record("sent", payload)
        self.channel.send(payload)
        answer = self.channel.receive(len(payload))
        self._record("received", answer)
        return answer

    @property
    def tracing(self) -> bool:
        """Whether anything is recorded."""
        return self._trace is not None

    def record(self, name: str, words: npt.NDArray[np.generic]) -> None:
        """Tell the trace, if there is one."""
        if self._trace is not None:
            self._trace(self.step, name, words)

    def _record(self, name: str, payload: bytes) -> None:
        if self._trace is not None:
            self._trace(self.step, name, np.frombuffer(payload, np.uint8))
