# SPDX-License-Identifier: Apache-2.0
"""The software parties on the same queries, in two threads of one process, with everything recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.fixed import Ints
from gatewright.lower.secure.place import Constants
from gatewright.secure.channel import pair
from gatewright.secure.correlated.dealer import Dealer
from gatewright.secure.correlated.material import Drawn, Material, per_model
from gatewright.secure.party import Client, Server
from gatewright.secure.program import Program, Secrets
from gatewright.secure.role import Role
from gatewright.secure.steps.product import Product
from gatewright.secure.words import reduced, to_words
from gatewright.sim.secure import Place, Session, Transcript


class Recorder:
    """A trace: what a party sees of its steps, see `gatewright.secure.side.Trace`."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.shares: dict[Place, npt.NDArray[Any]] = {}
        self.messages: dict[Place, npt.NDArray[np.uint8]] = {}

    def __call__(self, step: int, name: str, words: npt.NDArray[Any]) -> None:
        if name == "share":
            self.shares[self.role, step] = words.reshape(len(words), -1).astype(np.uint64)
        elif name == "sent":
            self.messages[self.role, step] = words


def in_software(
    program: Program, secrets: Secrets, session: Session, x: Ints
) -> tuple[Transcript, list[Drawn], tuple[Sequence[Constants], Sequence[Constants]]]:
    """A batch of queries between two software parties.

    Returns:
        What was seen; the client's randomness by step; what the server and the client keep of the model.
    """
    queries = range(session.first, session.first + len(x))
    dealer = Dealer(program, session.server, session.client)
    server_material = Material(program, Role.SERVER, session.server)
    materials = [Material(program, Role.CLIENT, session.client) for _ in range(2)]
    if dealer.size:
        corrections = dealer.corrections(queries)
        for material in materials:
            material.add(session.first, corrections)
    drawn = materials[1].take(queries)
    there, back = pair()
    traces = Recorder(Role.SERVER), Recorder(Role.CLIENT)
    server = Server(program, secrets, server_material, there, traces[0])
    client = Client(program, materials[0], back, traces[1])

    def serve() -> None:
        server.set_up()
        # Masked weights are no part of a query.
        traces[0].messages.clear()
        server.answer(queries)

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(serve)
        client.set_up()
        found = client.query(x, queries)
        answer.result()
    messages = {place: sent.reshape(len(x), -1) for t in traces for place, sent in t.messages.items()}
    shares = {place: words for t in traces for place, words in t.shares.items()}
    return Transcript(found, shares, messages), drawn, (secrets.steps, masked_weights(program, secrets, session.server))


def masked_weights(program: Program, secrets: Secrets, seed: bytes) -> list[Mapping[str, npt.NDArray[Any]]]:
    """What the server sends the client once per model: D = W - B of every product, by step."""
    fixed = per_model(program, Role.SERVER, seed)
    found: list[Mapping[str, npt.NDArray[Any]]] = []
    for index, (step, secret) in enumerate(zip(program.steps, secrets.steps, strict=True)):
        if isinstance(step, Product):
            masked = to_words(secret["weight"], program.word) - fixed[index, "triple"]["B"]
            found.append({"masked": reduced(masked, step.bits)})
        else:
            found.append({})
    return found
