# SPDX-License-Identifier: Apache-2.0
"""The client as a process: fetches randomness, asks the server batch by batch, and measures."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.errors import DataError
from gatewright.fixed import Floats, Ints
from gatewright.progress import track
from gatewright.secure.party import Client
from gatewright.secure.program import Program
from gatewright.secure.role import Role
from gatewright.secure.transport import tls
from gatewright.secure.transport.dealing import QUERIES_MOST, SMALL, fetch
from gatewright.secure.transport.frame import Kind
from gatewright.secure.transport.greeting import PROGRAM_MOST, Offline, greet, receive_program, whole
from gatewright.secure.transport.interface import Interface
from gatewright.secure.transport.keys import Keys, PartyRole
from gatewright.secure.transport.phases import Phases
from gatewright.secure.transport.session import About, Session, Store
from gatewright.secure.transport.supply import Dealt, Supply, Transferred
from gatewright.secure.transport.tls import Peer


@dataclass(frozen=True, eq=False)
class Answer:
    """Results and what they took.

    Attributes:
        integers: [N, tokens, channels] in the output's format.
        real: the same as real numbers, in the layout of the model.
        program: what was run.
        phases: seconds and bytes of the client.
        batches: indices of the queries that went together.
    """

    integers: Ints
    real: Floats
    program: Program
    phases: Phases
    batches: list[range]


@dataclass(frozen=True)
class Querying:
    """Who to ask, and with what.

    Attributes:
        server: address.
        dealer: address; not needed for oblivious transfer.
        offline: where randomness comes from.
        keys: of the client.
        store: of sessions.
        fingerprint: the only program to accept; "" takes the server's.
        timeout: seconds that a message may take.
    """

    server: tuple[str, int]
    dealer: tuple[str, int] | None
    offline: Offline
    keys: Keys
    store: Store
    fingerprint: str
    timeout: float

    def ask(self, batch: Any, size: int) -> Answer:
        """The network on a batch [N, ...], `size` at a time; a session that runs out is followed by another.

        Raises:
            DataError: the batch does not fit the network.
            LinkError: a party is lost, or does not fit.
        """
        phases, found, batches = Phases(), [], []
        done, total = 0, None
        while total is None or done < total:
            with contextlib.closing(self._connected(phases)) as link:
                with phases.measure("program", link):
                    program, interface = self._program(link)
                values = interface.encode(batch)
                total = len(values)
                with contextlib.closing(self._supply(link, program, phases)) as supply:
                    rest = min(total - done, supply.left)
                    if not rest:
                        raise DataError("session", "the dealer gives no queries", hint="dealer --queries N")
                    first = supply.next
                    plan = [range(first + k, first + min(rest, k + size)) for k in range(0, rest, size)]
                    found += self._batches(link, program, supply, values[done : done + rest], plan, phases)
                    batches += plan
                done += rest
        integers = np.concatenate(found)
        return Answer(integers, interface.decode(integers), program, phases, batches)

    def _connected(self, phases: Phases) -> Peer:
        with phases.measure("connect"):
            return tls.connect(self.server, self.keys, PartyRole.SERVER, self.timeout)

    def _program(self, link: Peer) -> tuple[Program, Interface]:
        fingerprint = greet(link, self.offline, self.fingerprint)
        program = receive_program(link, fingerprint)
        return program, Interface.from_json(link.receive_json(PROGRAM_MOST, Kind.PROGRAM, "entry", "exit"))

    def _batches(
        self, link: Peer, program: Program, supply: Supply, values: Ints, plan: list[range], phases: Phases
    ) -> list[Ints]:
        client = Client(program, supply.material, link)
        link.at = lambda: client.side.step
        with phases.measure("masked weights", link):
            client.set_up()
        found, at = [], 0
        for queries in track(plan, "queries"):
            with phases.measure("prepare", link):
                client.side.step = 0
                supply.burn(queries)
                link.send_json({"first": queries.start, "count": len(queries)}, Kind.PREPARE)
                supply.provide(queries)
                client.prepare(queries)
                client.side.step = 0
                link.receive_json(SMALL, Kind.READY)
            with phases.measure("online", link, offline=False):
                found.append(client.query(values[at : at + len(queries)]))
            at += len(queries)
        client.side.step = 0
        link.send_json({"first": 0, "count": 0}, Kind.PREPARE)
        return found

    def _supply(self, link: Peer, program: Program, phases: Phases) -> Supply:
        if self.offline is Offline.OT:
            return Transferred(program, Role.CLIENT, link)
        fingerprint = program.fingerprint()
        session = self.store.find(fingerprint, link.identity)
        try:
            link.send_json({"session": session.about.session if session else ""}, Kind.SESSION)
            # A server that has no session to go on with asks the dealer first.
            answer = link.receive_json(SMALL, Kind.SESSION, "session", "next", "queries", patience=3 * self.timeout)
            following = whole(link, answer, "next", QUERIES_MOST)
            if session is None or answer["session"] != session.about.session:
                if session:
                    session.end()
                queries = whole(link, answer, "queries", QUERIES_MOST)
                about = About(str(answer["session"]), fingerprint, link.identity, queries)
                session = self._fetched(about, program, phases)
            # What the server has used up is used up here, too.
            session.advance(following)
            return Dealt(program, Role.CLIENT, session)
        except BaseException:
            if session:
                session.ledger.close()
            raise

    def _fetched(self, about: About, program: Program, phases: Phases) -> Session:
        if self.dealer is None:
            hint = "add --dealer HOST:PORT"
            raise DataError("query", "a new session needs the dealer", "the address that the server has", hint)
        self.store.purge(about.fingerprint, about.peer)
        made: list[Session] = []
        with phases.measure("dealer"):
            link = tls.connect(self.dealer, self.keys, PartyRole.DEALER, self.timeout)
            with contextlib.closing(link):
                fetch(
                    link,
                    program,
                    about.session,
                    lambda index, data: made[0].keep(index, data),
                    lambda seed: made.append(self.store.create(about, seed)),
                )
                phases.add("dealer", link)
        made[0].complete()
        return made[0]
