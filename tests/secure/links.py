# SPDX-License-Identifier: Apache-2.0
"""Links for tests: over a plain pair of sockets, over TLS, and over TLS with somebody in the middle."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from gatewright.secure.transport import tls
from gatewright.secure.transport.keys import Keys, PartyRole
from gatewright.secure.transport.link import Link
from gatewright.secure.transport.tls import Peer

SHORT = 2.0
"""Seconds that tests wait for a peer at most."""


@contextlib.contextmanager
def plain(timeout: float = SHORT) -> Iterator[tuple[Link, Link]]:
    """Two ends without TLS."""
    ends = [Link(s, name, timeout) for s, name in zip(socket.socketpair(), ("right", "left"), strict=True)]
    try:
        yield ends[0], ends[1]
    finally:
        for end in ends:
            end.close()


def together(*calls: Callable[[], object]) -> list[object]:
    """What the calls return or raise, each in a thread of its own."""
    found: list[object] = [None] * len(calls)

    def run(k: int) -> None:
        try:
            found[k] = calls[k]()
        except Exception as error:
            found[k] = error

    threads = [threading.Thread(target=run, args=(k,), daemon=True) for k in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "a party hangs"
    return found


def greeted(
    listener: Path, caller: Path, expected: PartyRole, roles: tuple[PartyRole, ...], port: int | None = None
) -> tuple[object, object]:
    """The listening and the calling end of a TLS connection, or what either raised."""
    server = tls.listen(("127.0.0.1", 0)) if port is None else None
    assert server is not None
    address = server.getsockname()

    def accept() -> Peer:
        sock, _ = server.accept()
        return tls.accept(sock, tls.context(Keys.load(listener), True), roles, SHORT)

    def connect() -> Peer:
        return tls.connect(address, Keys.load(caller), expected, SHORT)

    with contextlib.closing(server):
        one, other = together(accept, connect)
    return one, other


class Middle:
    """Passes records of TLS on in both directions; `change` may alter, drop, repeat or swap those of the caller."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.target = target
        self.change: Callable[[bytes], list[bytes]] | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        caller, _ = self.listener.accept()
        server = socket.create_connection(self.target)
        threading.Thread(target=self._pass, args=(server, caller, False), daemon=True).start()
        self._pass(caller, server, True)

    def _pass(self, source: socket.socket, sink: socket.socket, changing: bool) -> None:
        with contextlib.suppress(OSError), source.makefile("rb") as stream:
            while header := stream.read(5):
                record = header + stream.read(int.from_bytes(header[3:5], "big"))
                for each in self.change(record) if changing and self.change else [record]:
                    sink.sendall(each)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
