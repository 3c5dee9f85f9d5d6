# SPDX-License-Identifier: Apache-2.0
"""Messages over one connection: framed, counted, in order, bounded in size and in time."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gatewright.errors import LinkError
from gatewright.secure.transport import frame
from gatewright.secure.transport.frame import HEADER, MOST_MESSAGES, SIZE, Kind

Buffer = bytes | bytearray | memoryview

TIMEOUT = 30.0
"""Seconds that a message may take, sending or receiving, unless told otherwise."""
REFUSAL_MOST = 600
"""Bytes of the reason that a peer may give for ending."""
PIECE = 1 << 16
"""Bytes that are stored at a time where the length is the peer's word: memory follows what came, not what was said."""
HELD_MOST = 1 << 27
"""Bytes that are taken in while a long message goes out; beyond it the peer has to wait."""
RECORD, RECORD_MORE = 1 << 14, 22
"""Bytes that a record of TLS 1.3 holds at most, and those that it adds: header, type and tag."""


@dataclass(frozen=True)
class Traffic:
    """Bytes and messages of one end.

    Attributes:
        sent, received: bytes with headers, without TLS.
        messages: both directions.
        wire: bytes of both directions with TLS, as TCP carries them; its handshake left out.
    """

    sent: int = 0
    received: int = 0
    messages: int = 0
    wire: int = 0

    @property
    def bytes(self) -> int:
        """Both directions."""
        return self.sent + self.received

    def __sub__(self, other: Traffic) -> Traffic:
        return self + Traffic(-other.sent, -other.received, -other.messages, -other.wire)

    def __add__(self, other: Traffic) -> Traffic:
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Traffic(*(a + b for a, b in pairs))


class Link:
    """One end of a connection; a `Channel` for the protocols.

    The socket does not block: while a long message goes out, what the peer sends comes in, so that two parties may
    send to each other at the same time whatever their sizes. After an error the link is closed for good.

    Attributes:
        place: who is at the other end, for errors.
        at: gives the step of the program that this end is at; both ends must be at the same one.
        sent, received: bytes of payload so far.
        messages: sent so far.
    """

    def __init__(self, sock: socket.socket, place: str, timeout: float = TIMEOUT) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.place, self.timeout = place, timeout
        self.at: Callable[[], int] = lambda: 0
        self._sock = sock
        self._pending: Callable[[], int] = sock.pending if isinstance(sock, ssl.SSLSocket) else lambda: 0
        self._in, self._both = select.poll(), select.poll()
        self._in.register(sock, select.POLLIN)
        self._both.register(sock, select.POLLIN | select.POLLOUT)
        self._out, self._held = bytearray(PIECE), bytearray()
        self.sent = self.received = self.messages = self._came = self._records = 0
        self._encrypted = isinstance(sock, ssl.SSLSocket)

    @property
    def traffic(self) -> Traffic:
        """Of this end since it was opened."""
        sent, received = self.sent + SIZE * self.messages, self.received + SIZE * self._came
        return Traffic(sent, received, self.messages + self._came, sent + received + RECORD_MORE * self._records)

    def send(self, payload: Buffer, kind: Kind = Kind.DATA) -> None:
        """Send one message in one write.

        Raises:
            LinkError: the peer is gone, or does not take the message in time.
        """
        if self.messages >= MOST_MESSAGES:
            raise self._failed("all sequence numbers are used", "open a new connection")
        total = SIZE + len(payload)
        if total > len(self._out):
            self._out = bytearray(total)
        HEADER.pack_into(self._out, 0, frame.MAGIC, frame.VERSION, kind, self.at(), self.messages, len(payload))
        self._out[SIZE:total] = payload
        with memoryview(self._out) as whole:
            self._write(whole[:total])
        self.messages += 1
        self.sent += len(payload)
        self._records += -(-total // RECORD) if self._encrypted else 0

    def receive(self, size: int, kind: Kind = Kind.DATA) -> bytes:
        """The next message, which has exactly `size` bytes.

        Raises:
            LinkError: it does not come in time or at all, is another one, or has another length.
        """
        whole = memoryview(bytearray(SIZE + size))
        limit = time.monotonic() + self.timeout
        got = self._read(whole, 0, SIZE, limit)
        found, length = self._check(whole[:SIZE], kind)
        if found == Kind.REFUSAL:
            raise self._refused(length, whole[SIZE:got], limit)
        if length != size:
            raise self._failed(f"{kind.name} of {length:,} bytes", "end this connection", f"{size:,} bytes")
        self._read(whole, got, SIZE + size, limit)
        self._count(size)
        return bytes(whole[SIZE:])

    def receive_most(self, most: int, kind: Kind, patience: float = 0.0) -> bytes:
        """The next message, whose length is the peer's choice up to `most` bytes.

        Args:
            patience: seconds until it begins, where the peer may have other work first.

        Raises:
            LinkError: as `receive`; or it is longer.
        """
        header = memoryview(bytearray(SIZE))
        got = self._begun(header, patience) if patience else 0
        limit = time.monotonic() + self.timeout
        self._read(header, got, SIZE, limit)
        found, length = self._check(header, kind)
        if found == Kind.REFUSAL:
            raise self._refused(length, header[SIZE:], limit)
        if length > most:
            raise self._failed(f"{kind.name} of {length:,} bytes", "end this connection", f"at most {most:,} bytes")
        payload = self._pieces(length, b"", limit)
        self._count(length)
        return payload

    def _begun(self, header: memoryview, patience: float) -> int:
        kept, self.timeout = self.timeout, patience
        try:
            return self._read(header, 0, 1, time.monotonic() + patience)
        finally:
            self.timeout = kept

    def send_json(self, data: Any, kind: Kind) -> None:
        """Send a small public structure."""
        self.send(json.dumps(data).encode(), kind)

    def receive_json(self, most: int, kind: Kind, *keys: str, patience: float = 0.0) -> dict[str, Any]:
        """A structure with at least these keys, of at most `most` bytes.

        Raises:
            LinkError: as `receive_most`; or it is no such structure.
        """
        try:
            data = json.loads(self.receive_most(most, kind, patience))
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict) or any(k not in data for k in keys):
            raise self._failed(f"{kind.name} without {', '.join(keys)}", frame.NEXT, "one JSON object")
        return data

    def refuse(self, error: Exception) -> None:
        """Tell the peer why this end stops, as far as that still works, and close. Errors carry nothing secret."""
        reason = str(getattr(error, "problem", "an error at the other party"))
        with contextlib.suppress(LinkError):
            self.timeout = min(self.timeout, 1.0)
            self.send(reason.encode()[:REFUSAL_MOST], Kind.REFUSAL)
            self._drain()
        self.close()

    def _drain(self) -> None:
        """Let the peer close first for a moment: closing with unread data makes TCP drop the reason on its way."""
        with contextlib.suppress(OSError, ValueError):
            self._sock.shutdown(socket.SHUT_WR)
            limit = time.monotonic() + self.timeout
            while (left := limit - time.monotonic()) > 0 and self._in.poll(1e3 * left) and self._sock.recv(PIECE):
                pass

    def close(self) -> None:
        """End the connection; what the other party sends later is lost."""
        self._sock.close()

    def _check(self, header: memoryview, kind: Kind) -> tuple[Kind, int]:
        try:
            return frame.check(header, kind, self.at(), self._came, self.place)
        except LinkError:
            self.close()
            raise

    def _count(self, size: int) -> None:
        self._came += 1
        self.received += size
        self._records += -(-(SIZE + size) // RECORD) if self._encrypted else 0

    def _read(self, whole: memoryview, got: int, least: int, limit: float) -> int:
        """Fill `whole` from `got` until at least `least` bytes are there; the new count."""
        if self._held and got < len(whole):
            part = self._held[: len(whole) - got]
            whole[got : got + len(part)] = part
            del self._held[: len(part)]
            got += len(part)
        while got < least:
            if not self._pending():
                self._wait(self._in, limit, f"{got} of {len(whole):,} bytes came")
            got += self._try(lambda at=got: self._taken(self._sock.recv_into(whole[at:])))  # type: ignore[misc]
        return got

    def _pieces(self, length: int, begun: Buffer, limit: float) -> bytes:
        """`length` bytes that begin with `begun`, in memory that grows as they come."""
        found = bytearray(begun[:length])
        while len(found) < length:
            piece = memoryview(bytearray(min(PIECE, length - len(found))))
            found += piece[: self._read(piece, 0, 1, limit)]
        return bytes(found)

    def _write(self, view: memoryview) -> None:
        limit = 0.0
        while True:
            sent = self._try(lambda: self._sock.send(view))  # noqa: B023 called at once
            if sent == len(view):
                return
            view = view[sent:]
            limit = limit or time.monotonic() + self.timeout
            if not sent:
                self._make_room(limit)

    def _make_room(self, limit: float) -> None:
        """Wait until the socket takes more; meanwhile take in what the peer sends, lest both wait for ever."""
        if len(self._held) < HELD_MOST and self._wait(self._both, limit, "the peer takes nothing") & select.POLLIN:
            piece = bytearray(PIECE)
            self._held += piece[: self._try(lambda: self._taken(self._sock.recv_into(piece)))]
        elif len(self._held) >= HELD_MOST:
            raise self._failed("the peer sends without taking anything", "end this connection")

    def _try(self, call: Callable[[], int]) -> int:
        """A socket call's count of bytes, 0 if it would block."""
        try:
            return call()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except ssl.SSLError as error:
            raise self._failed(f"TLS: {tls_reason(error)}", "compare the keys of both parties, then the link") from None
        except (OSError, ValueError) as error:
            name = getattr(error, "strerror", None) or "the connection is closed"
            raise self._failed(f"peer lost: {name}", "see the other party's own error, then connect again") from None

    def _taken(self, count: int) -> int:
        if not count:
            raise self._failed("peer lost: it closed the connection", "see the other party's own error")
        return count

    def _wait(self, poll: select.poll, limit: float, state: str) -> int:
        left = limit - time.monotonic()
        found = poll.poll(max(0.0, 1e3 * left)) if left > 0 else []
        if not found:
            problem = f"no answer in {self.timeout:g} s; {state}"
            raise self._failed(problem, "see whether the other party lives, or allow more time")
        return found[0][1]

    def _refused(self, length: int, begun: Buffer, limit: float) -> LinkError:
        if length > REFUSAL_MOST:
            return self._failed(f"refusal of {length:,} bytes", "end this connection", f"at most {REFUSAL_MOST} bytes")
        text = self._pieces(length, begun, limit).decode(errors="replace")
        return self._failed(f"the peer refuses: {printable(text)}", "mend that, then connect again")

    def _failed(self, problem: str, hint: str, allowed: str = "") -> LinkError:
        self.close()
        return LinkError(self.place, problem, allowed, hint)


def printable(text: str) -> str:
    """A peer's text in one line that does nothing to a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def tls_reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason without its file and line."""
    reason = getattr(error, "verify_message", None) or error.reason or "the handshake failed"
    return str(reason).lower().replace("_", " ")
