# SPDX-License-Identifier: Apache-2.0
"""The two parties: each runs the program's steps on its own shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gatewright.errors import DataError, ReuseError
from gatewright.fixed import Ints
from gatewright.secure.channel import Channel
from gatewright.secure.correlated.material import Material
from gatewright.secure.program import Program, Secrets
from gatewright.secure.role import Role
from gatewright.secure.side import Side, Trace
from gatewright.secure.step import Prepared
from gatewright.secure.words import Words, reduced, signed, to_words


class Party:
    """What both parties have in common: `set_up` once, then `prepare` and a query in turns.

    `set_up` and every query are calls that both parties make at the same time; `prepare` talks to nobody.
    """

    role: Role

    def __init__(
        self,
        program: Program,
        material: Material,
        channel: Channel,
        secrets: Secrets | None = None,
        trace: Trace | None = None,
    ) -> None:
        if material.role is not self.role:
            raise DataError("material", f"the {material.role.name.lower()}'s", f"the {self.role.name.lower()}'s")
        if material.program.fingerprint() != program.fingerprint():
            raise DataError("material", "of another program", "randomness that was made for this program")
        self.program, self.material = program, material
        steps = secrets.steps if secrets else None
        self.side = Side(self.role, program, channel, steps, material.per_model(), trace)
        self._prepared: list[Prepared] = []
        self._queries = range(0)

    @property
    def rounds(self) -> int:
        """Rounds of messages so far."""
        return self.side.rounds

    def set_up(self) -> None:
        """Exchange what is used by every query: masked weights, from the server to the client."""
        for index, step in enumerate(self.program.steps):
            self.side.step = index
            step.set_up(self.side)

    def prepare(self, queries: range) -> None:
        """Take the randomness of consecutive queries and compute all that does not depend on them.

        Raises:
            ReuseError: a query may have been used, or has no randomness.
        """
        self.side.drawn, self.side.count = self.material.take(queries), len(queries)
        self._queries, self._prepared = queries, []
        for index, step in enumerate(self.program.steps):
            self.side.step = index
            self._prepared.append(step.prepare(self.side, *(self._prepared[i].result for i in step.inputs)))

    def _run(self, x: Words | None) -> Words:
        prepared, self._prepared = self._prepared, []
        if not prepared:
            raise ReuseError("party", "a query without preparation", "`prepare` before every query")
        if x is not None:
            prepared[0].data["x"] = x
        shares: list[Words] = []
        for index, step in enumerate(self.program.steps):
            self.side.step = index
            share = step.run(self.side, prepared[index], *[shares[i] for i in step.inputs])
            shares.append(share)
            if self.side.tracing:
                self.side.record("share", reduced(share, step.bits))
        self.side.drawn = []
        return shares[-1]


class Server(Party):
    """The party that owns the model.

    Args:
        program: public description of the network, the same at both parties.
        secrets: weights and biases.
        material: the server's correlated randomness.
        channel: to the client.
        trace: records shares and messages.
    """

    role = Role.SERVER

    def __init__(
        self, program: Program, secrets: Secrets, material: Material, channel: Channel, trace: Trace | None = None
    ) -> None:
        super().__init__(program, material, channel, secrets, trace)

    def answer(self, queries: range | None = None) -> None:
        """Take part in one batch of queries, prepared or given here."""
        if queries is not None:
            self.prepare(queries)
        self._run(None)


class Client(Party):
    """The party that owns the inputs, and alone learns the outputs.

    Args:
        program: public description of the network, the same at both parties.
        material: the client's correlated randomness.
        channel: to the server.
        trace: records shares and messages.
    """

    role = Role.CLIENT

    def __init__(self, program: Program, material: Material, channel: Channel, trace: Trace | None = None) -> None:
        super().__init__(program, material, channel, None, trace)

    def query(self, x: npt.ArrayLike, queries: range | None = None) -> Ints:
        """The network on one batch.

        Args:
            x: [N, tokens, channels] integers in the input's format.
            queries: indices of the N queries, if they have not been prepared.

        Returns:
            [N, tokens, channels] integers in the output's format: golden's up to one unit per truncation.

        Raises:
            DataError: shape or range does not fit the program.
        """
        if queries is not None:
            self.prepare(queries)
        values = self._checked(x)
        last = self.program.steps[-1]
        found = signed(self._run(to_words(values, self.program.word)), last.bits)
        form = self.program.output
        return np.clip(found, form.lo, form.hi)

    def _checked(self, x: npt.ArrayLike) -> Ints:
        values, first = np.asarray(x), self.program.steps[0]
        shape = (len(self._queries), first.tokens, first.channels)
        if values.shape != shape or values.dtype.kind not in "iu":
            raise DataError("query", f"{values.dtype} {list(values.shape)}", f"integers {list(shape)}")
        form = self.program.input
        if not form.contains(values):
            raise DataError("query", "values outside the input's format", f"[{form.lo}, {form.hi}] ({form})")
        return values.astype(np.int64)
