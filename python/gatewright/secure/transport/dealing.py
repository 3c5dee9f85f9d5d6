# SPDX-License-Identifier: Apache-2.0
"""The dealer as a process, and what the parties ask of it. All of it happens before a query; none of it during one.

A server opens a session: it sends the public program and says which client it is for; it gets its seed. The client
calls with the session's name and gets its seed and the corrections of all queries, batch by batch. What was given is
forgotten, and when the client's call ends, however it ends, so are both seeds: a session is given once.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gatewright.errors import DataError, ReuseError
from gatewright.progress import track
from gatewright.secure.correlated.dealer import Dealer
from gatewright.secure.correlated.material import stored_size
from gatewright.secure.program import Program
from gatewright.secure.role import Role
from gatewright.secure.stream import SEED_BYTES
from gatewright.secure.transport.frame import Kind
from gatewright.secure.transport.greeting import Offline, greet, receive_program, send_program, whole
from gatewright.secure.transport.keys import PartyRole
from gatewright.secure.transport.link import Link
from gatewright.secure.transport.session import About, checked, new_id
from gatewright.secure.transport.tls import Peer

QUERIES = 64
"""That a session has randomness for, unless told otherwise."""
QUERIES_MOST = 1 << 24
"""Of one session: what a peer may say."""
BATCH_BYTES = 4 << 20
"""Of corrections at a time; at least one query's."""
QUERY_MOST = 256 << 20
"""Bytes of corrections of one query that a dealer computes; larger programs are refused."""
WAITING_MOST = 64
"""Sessions that clients have not called for."""
PATIENCE = 600.0
"""Seconds that a client has to call."""
SMALL = 1024
"""Bytes of a request."""


@dataclass
class Waiting:
    """A session whose client has not called."""

    program: Program
    client: str
    seeds: tuple[bytes, bytes] = field(repr=False)
    until: float


class Dealing:
    """What a dealer knows: sessions that are waiting, for `PATIENCE` seconds each.

    Args:
        queries: per session.
        log: told of every session.
    """

    def __init__(self, queries: int, log: Callable[[str], None]) -> None:
        self._queries, self._log = queries, log
        self._waiting: dict[str, Waiting] = {}
        self._lock = threading.Lock()

    def handle(self, link: Peer) -> None:
        """Talk to one caller."""
        fingerprint = greet(link, Offline.DEALER)
        if link.role is PartyRole.SERVER:
            self._open(link, fingerprint)
        else:
            self._give(link, fingerprint)

    def _open(self, link: Peer, fingerprint: str) -> None:
        program = receive_program(link, fingerprint)
        size = stored_size(program, Role.CLIENT, True)
        if size > QUERY_MOST:
            raise DataError("program", f"{size:,} bytes of corrections a query", f"up to {QUERY_MOST:,}")
        request = link.receive_json(SMALL, Kind.SESSION, "client")
        session, seeds = new_id(), (secrets.token_bytes(SEED_BYTES), secrets.token_bytes(SEED_BYTES))
        now = time.monotonic()
        with self._lock:
            self._waiting = {k: w for k, w in self._waiting.items() if w.until > now}
            if len(self._waiting) >= WAITING_MOST:
                problem = f"{WAITING_MOST} sessions wait for their clients"
                raise DataError("dealer", problem, hint="wait until they have called, or some minutes")
            self._waiting[session] = Waiting(program, str(request["client"]), seeds, now + PATIENCE)
        link.send_json({"session": session, "queries": self._queries}, Kind.SESSION)
        link.send(seeds[Role.SERVER])
        self._log(f"{link.place}: session {session[:8]} of {self._queries} queries of {program.name}")

    def _give(self, link: Peer, fingerprint: str) -> None:
        request = link.receive_json(SMALL, Kind.SESSION, "session")
        with self._lock:
            waiting = self._waiting.get(str(request["session"]))
            if waiting is None or waiting.client != link.identity or waiting.until < time.monotonic():
                hint = "begin a new session: query again"
                raise ReuseError("session", "not known to the dealer, or given already", "a session of yours", hint)
            del self._waiting[str(request["session"])]
        if waiting.program.fingerprint() != fingerprint:
            raise DataError("program", "another one than that of the session", hint="begin a new session")
        link.send_json({"queries": self._queries}, Kind.SESSION)
        link.send(waiting.seeds[Role.CLIENT])
        dealer = Dealer(waiting.program, *waiting.seeds)
        for batch in batches(self._queries, dealer.size):
            link.receive_json(SMALL, Kind.FETCH)
            link.send(dealer.corrections(batch))
        self._log(f"{link.place}: session {str(request['session'])[:8]} given, forgotten")


def open_session(link: Link, program: Program, peer: str) -> tuple[About, bytes]:
    """The server's side: facts of a new session with the client of identity `peer`, and the server's seed.

    Raises:
        LinkError: the dealer refuses, or is lost.
    """
    greet(link, Offline.DEALER, program.fingerprint())
    send_program(link, program)
    link.send_json({"client": peer}, Kind.SESSION)
    answer = link.receive_json(SMALL, Kind.SESSION, "session", "queries")
    queries, seed = whole(link, answer, "queries", QUERIES_MOST), link.receive(SEED_BYTES)
    return About(checked(str(answer["session"])), program.fingerprint(), peer, queries), seed


def fetch(
    link: Link, program: Program, session: str, keep: Callable[[int, bytes], None], begin: Callable[[bytes], None]
) -> None:
    """The client's side: `begin` gets the seed, then `keep` the corrections of one query after the other.

    Raises:
        LinkError: the dealer refuses, or is lost.
    """
    greet(link, Offline.DEALER, program.fingerprint())
    link.send_json({"session": session}, Kind.SESSION)
    queries = whole(link, link.receive_json(SMALL, Kind.SESSION, "queries"), "queries", QUERIES_MOST)
    begin(link.receive(SEED_BYTES))
    size = stored_size(program, Role.CLIENT, True)
    for batch in track(batches(queries, size), "corrections from the dealer"):
        link.send_json({}, Kind.FETCH)
        payload = memoryview(link.receive(len(batch) * size))
        for k, index in enumerate(batch):
            keep(index, bytes(payload[k * size : (k + 1) * size]))


def batches(queries: int, size: int) -> list[range]:
    """Consecutive queries, about `BATCH_BYTES` each, given `size` bytes a query."""
    step = max(1, BATCH_BYTES // max(1, size))
    return [range(k, min(queries, k + step)) for k in range(0, queries, step)]
