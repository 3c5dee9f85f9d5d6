# SPDX-License-Identifier: Apache-2.0
"""A dealer: gives each party a seed, and the client corrections; talks to nobody during a query.

The server expands everything from its seed. The client expands what is free to choose; for the rest the dealer, who
knows both seeds, sends the value that fulfils the correlation: about a word per output of a layer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gatewright.secure.correlated.correlation import Fields
from gatewright.secure.correlated.material import drawn_from, per_model, stored_size, to_stored
from gatewright.secure.program import Program
from gatewright.secure.role import Role


class Dealer:
    """Makes the client's corrections.

    Args:
        program: public description of the network.
        server_seed, client_seed: the parties' secret seeds, which the dealer has drawn and sent to them.
    """

    def __init__(self, program: Program, server_seed: bytes, client_seed: bytes) -> None:
        self.program = program
        self._server, self._client = server_seed, client_seed
        self.size = stored_size(program, Role.CLIENT, True)
        self._correlations = [step.correlations() for step in program.steps]
        for (step, name), fields in per_model(program, Role.SERVER, server_seed).items():
            self._correlations[step][name].fix(fields)

    def corrections(self, queries: range) -> bytes:
        """The client's stored bytes of these queries, `size` bytes each."""
        return self._rows(queries).tobytes()

    def _rows(self, queries: range) -> npt.NDArray[np.uint8]:
        server = drawn_from(self.program, Role.SERVER, True, self._server, queries, None)
        client = drawn_from(self.program, Role.CLIENT, True, self._client, queries, None)
        found: dict[tuple[int, str], Fields] = {}
        for step, correlations in enumerate(self._correlations):
            for name, correlation in correlations.items():
                found[step, name] = correlation.deal(server[step][name], client[step][name])
        return to_stored(self.program, Role.CLIENT, True, found, len(queries))
