# SPDX-License-Identifier: Apache-2.0
"""The server as a process: answers one client per call, batch by batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from gatewright.secure.party import Server
from gatewright.secure.program import Program, Secrets
from gatewright.secure.role import Role
from gatewright.secure.transport import tls
from gatewright.secure.transport.dealing import QUERIES_MOST, SMALL, open_session
from gatewright.secure.transport.frame import Kind
from gatewright.secure.transport.greeting import Offline, greet, send_program, whole
from gatewright.secure.transport.interface import Interface
from gatewright.secure.transport.keys import Keys, PartyRole
from gatewright.secure.transport.session import Session, Store
from gatewright.secure.transport.supply import Dealt, Supply, Transferred
from gatewright.secure.transport.tls import Peer

BATCH_MOST = 1024
"""Queries that a client may send at once: memory grows with them."""
IDLE = 600.0
"""Seconds that a client may be silent between its queries."""


@dataclass(frozen=True)
class Serving:
    """What a server has.

    Attributes:
        program, secrets: the model.
        interface: how the client encodes its data.
        offline: where randomness comes from.
        keys: of the server, to call the dealer with.
        store: of sessions.
        dealer: its address.
        log: told of every call.
        timeout: seconds that a message may take.
    """

    program: Program
    secrets: Secrets = field(repr=False)
    interface: Interface
    offline: Offline
    keys: Keys
    store: Store
    dealer: tuple[str, int] | None
    log: Callable[[str], None]
    timeout: float

    def handle(self, link: Peer) -> None:
        """Talk to one client."""
        greet(link, self.offline, self.program.fingerprint())
        send_program(link, self.program)
        link.send_json(self.interface.as_json(), Kind.PROGRAM)
        with contextlib.closing(self._supply(link)) as supply:
            server = Server(self.program, self.secrets, supply.material, link)
            link.at = lambda: server.side.step
            server.set_up()
            count = self._answer(link, server, supply)
        self.log(f"{link.place}: {count} queries answered")

    def _answer(self, link: Peer, server: Server, supply: Supply) -> int:
        """Batches until the client has had enough; how many queries."""
        total = 0
        while True:
            server.side.step = 0
            request = link.receive_json(SMALL, Kind.PREPARE, "first", "count", patience=IDLE)
            first, count = whole(link, request, "first", QUERIES_MOST), whole(link, request, "count", BATCH_MOST)
            if not count:
                return total
            queries = range(first, first + count)
            supply.burn(queries)
            supply.provide(queries)
            server.prepare(queries)
            server.side.step = 0
            link.send_json({}, Kind.READY)
            server.answer()
            total += count

    def _supply(self, link: Peer) -> Supply:
        if self.offline is Offline.OT:
            return Transferred(self.program, Role.SERVER, link)
        request = link.receive_json(SMALL, Kind.SESSION, "session")
        session = self._session(link, str(request["session"]))
        try:
            # The client goes on from here or from its own next index, whichever is larger; `burn` refuses less.
            facts = {"session": session.about.session, "queries": session.about.queries, "next": session.ledger.next}
            link.send_json(facts, Kind.SESSION)
            return Dealt(self.program, Role.SERVER, session)
        except BaseException:
            session.ledger.close()
            raise

    def _session(self, link: Peer, wanted: str) -> Session:
        """The one that the client wants to go on with, or a new one from the dealer."""
        fingerprint = self.program.fingerprint()
        found = self.store.find(fingerprint, link.identity, wanted) if wanted else None
        if found:
            return found
        assert self.dealer is not None
        self.store.purge(fingerprint, link.identity)
        with contextlib.closing(tls.connect(self.dealer, self.keys, PartyRole.DEALER, self.timeout)) as dealer:
            about, seed = open_session(dealer, self.program, link.identity)
        session = self.store.create(about, seed)
        session.complete()
        return session
