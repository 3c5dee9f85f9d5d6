# SPDX-License-Identifier: Apache-2.0
"""Two parties in one process, for tests: whole networks, and single steps on given shares."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gatewright.fixed import Fixed
from gatewright.graph import Graph
from gatewright.secure.channel import MemoryChannel, pair
from gatewright.secure.correlated.dealer import Dealer
from gatewright.secure.correlated.material import Drawn, Material
from gatewright.secure.correlated.transfer import Transfers, generate
from gatewright.secure.party import Client, Server
from gatewright.secure.program import Program, Secrets, compile_program
from gatewright.secure.role import Role
from gatewright.secure.side import Side, Trace
from gatewright.secure.step import Step
from gatewright.secure.stream import fresh_seed
from gatewright.secure.words import Words, reduced, signed, to_words

WIDE = Fixed(32, 0)


def both(server: Callable[[], Any], client: Callable[[], Any]) -> tuple[Any, Any]:
    """Results of two calls at the same time; the first error of either."""
    found: list[Any] = [None, None]
    errors: list[BaseException] = []

    def run(k: int, call: Callable[[], Any]) -> None:
        try:
            found[k] = call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, args=(0, server))
    thread.start()
    run(1, client)
    thread.join()
    if errors:
        raise errors[0]
    return found[0], found[1]


@dataclass(eq=False)
class Pair:
    """Both parties of a network, with randomness for some queries."""

    program: Program
    secrets: Secrets
    server: Server
    client: Client
    channels: tuple[MemoryChannel, MemoryChannel]
    offline: int

    def query(self, x: np.ndarray) -> np.ndarray:
        """The network on the next queries."""
        queries = range(self.client.material.next_query, self.client.material.next_query + len(x))
        _, found = both(lambda: self.server.answer(queries), lambda: self.client.query(x, queries))
        return found

    @property
    def sent(self) -> tuple[int, int]:
        """Bytes from the server and from the client, so far."""
        return self.channels[0].sent, self.channels[1].sent


def parties(
    graph: Graph,
    queries: int,
    dealer: bool = True,
    traces: tuple[Trace | None, Trace | None] = (None, None),
    **options: Any,
) -> Pair:
    """Two parties that are set up, with randomness for `queries` queries."""
    program, hidden = compile_program(graph, ride_along=dealer, **options)
    seeds = fresh_seed(), fresh_seed()
    material = tuple(Material(program, r, s, dealer) for r, s in zip(Role, seeds, strict=True))
    ends = pair(timeout=20)
    if dealer:
        stored = Dealer(program, *seeds).corrections(range(queries))
        material[1].add(0, stored)
        offline = len(stored)
    else:

        def make(role: Role) -> None:
            transfers = Transfers(role, ends[role])
            material[role].add(0, generate(program, transfers, seeds[role], range(queries)))

        both(lambda: make(Role.SERVER), lambda: make(Role.CLIENT))
        offline = ends[0].sent + ends[1].sent
    server = Server(program, hidden, material[0], ends[0], traces[0])
    client = Client(program, material[1], ends[1], traces[1])
    both(server.set_up, client.set_up)
    return Pair(program, hidden, server, client, ends, offline)


def run_step(
    step: Step,
    shares: tuple[tuple[Words, ...], tuple[Words, ...]],
    secret: Mapping[str, Any] | None = None,
    drawn: tuple[Drawn, Drawn] | None = None,
    dealer: bool = True,
) -> np.ndarray:
    """What both parties' results of one step add up to, modulo 2**bits, from 0 on.

    Args:
        shares: the server's inputs and the client's, [queries, tokens, channels] each.
        drawn: randomness instead of that of a fresh dealer or transfers.
    """
    step = replace(step, inputs=())
    program = Program("step", step.word, WIDE, WIDE, (step,))
    count = len(shares[0][0])
    ends = pair(timeout=20)
    seeds = fresh_seed(), fresh_seed()
    material = [Material(program, r, s, dealer) for r, s in zip(Role, seeds, strict=True)]
    if drawn is None and dealer and material[1].size:
        material[1].add(0, Dealer(program, *seeds).corrections(range(count)))

    def party(role: Role) -> Words:
        if drawn is None and not dealer:
            made = generate(program, Transfers(role, ends[role]), seeds[role], range(count))
            material[role].add(0, made)
        hidden = (secret or {},) if role is Role.SERVER else None
        side = Side(role, program, ends[role], hidden, material[role].per_model())
        side.count = count
        side.drawn = [drawn[role]] if drawn else material[role].take(range(count))
        step.set_up(side)
        # As in a network, what the client knows before the query is prepared from it.
        prepared = step.prepare(side, *(shares[role] if role is Role.CLIENT else [None] * len(shares[role])))
        return step.run(side, prepared, *shares[role])

    results = both(lambda: party(Role.SERVER), lambda: party(Role.CLIENT))
    assert ends[0].sent - step.per_model() == count * sum(e.down for e in step.exchanges()) or not dealer
    assert ends[1].sent == count * sum(e.up for e in step.exchanges()) or not dealer
    return reduced(results[0] + results[1], step.bits)


def shared(values: np.ndarray, bits: int, word: int) -> tuple[tuple[Words], tuple[Words]]:
    """Random shares modulo 2**bits of [queries, tokens, channels], with garbage above these bits."""
    noise = np.frombuffer(secrets.token_bytes(2 * values.size * word // 8), f"<u{word // 8}")
    first, garbage = noise.reshape(2, *values.shape)
    second = to_words(values, word) - first
    return (first,), (reduced(second, bits) + (garbage << garbage.dtype.type(bits) if bits < word else 0),)


def signed_result(words: np.ndarray, step: Step) -> np.ndarray:
    """Results of `run_step` as signed integers."""
    return signed(words, step.bits)
