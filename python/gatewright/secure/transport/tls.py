# SPDX-License-Identifier: Apache-2.0
"""Connections: TLS 1.3, both sides with a certificate of the same authority, and the role that was expected."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
from collections.abc import Callable, Collection
from typing import Any

from gatewright.errors import DataError, LinkError
from gatewright.secure.transport.keys import PREFIX, Keys, PartyRole
from gatewright.secure.transport.link import TIMEOUT, Link, tls_reason

HANDSHAKE = 10.0
"""Most seconds of a TLS handshake: who connects and says nothing must not hold a place."""
HINT = "both parties need folders that one `gatewright secure keys` made, each that of its own role"


def context(keys: Keys, listening: bool) -> ssl.SSLContext:
    """TLS 1.3 alone, with the party's certificate, trusting the private authority and nobody else.

    Raises:
        DataError: the files are no matching key and certificate.
    """
    # Not `create_default_context`: that trusts the system's authorities and writes key logs where a variable says so.
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if listening else ssl.PROTOCOL_TLS_CLIENT)
    found.minimum_version = ssl.TLSVersion.TLSv1_3
    found.check_hostname = False
    found.verify_mode = ssl.CERT_REQUIRED
    found.verify_flags |= ssl.VERIFY_X509_STRICT
    if listening:
        found.num_tickets = 0
    try:
        found.load_verify_locations(keys.authority)
        found.load_cert_chain(keys.certificate, keys.key)
    except (ssl.SSLError, OSError) as error:
        reason = tls_reason(error) if isinstance(error, ssl.SSLError) else str(error.strerror)
        raise DataError(str(keys.folder), f"no usable key and certificate: {reason}", hint=HINT) from None
    return found


class Peer(Link):
    """A link whose other end has proven its role.

    Attributes:
        role: of the other end.
        identity: SHA-256 of its certificate, in hexadecimal.
    """

    def __init__(self, sock: ssl.SSLSocket, place: str, roles: Collection[PartyRole], timeout: float) -> None:
        self.role = _role(sock, place, roles)
        certificate = sock.getpeercert(binary_form=True)
        assert certificate is not None
        self.identity = hashlib.sha256(certificate).hexdigest()
        super().__init__(sock, place, timeout)


def connect(
    address: tuple[str, int],
    keys: Keys,
    role: PartyRole,
    timeout: float = TIMEOUT,
    secured: ssl.SSLContext | None = None,
) -> Peer:
    """A link to the party at `address`, which must have the role `role`.

    Raises:
        LinkError: nobody listens there, or it is another one.
    """
    place = f"{role.value} {shown(address)}"
    secured = secured or context(keys, listening=False)
    try:
        sock = socket.create_connection(address, timeout=timeout)
    except (OSError, OverflowError) as error:
        problem = f"cannot connect: {getattr(error, 'strerror', None) or error}"
        raise LinkError(place, problem, hint=f"start it first: gatewright secure {_command(role)}") from None
    return _wrapped(sock, place, [role], timeout, lambda: secured.wrap_socket(sock, server_hostname=None))


def accept(
    sock: socket.socket, secured: ssl.SSLContext, roles: Collection[PartyRole], timeout: float = TIMEOUT
) -> Peer:
    """A link over an accepted connection, whose other end must have one of these roles.

    Raises:
        LinkError: it has another one, or no certificate of ours.
    """
    try:
        place = f"caller {shown(sock.getpeername())}"
    except OSError:
        place = "a caller"
    return _wrapped(sock, place, roles, timeout, lambda: secured.wrap_socket(sock, server_side=True))


def listen(address: tuple[str, int]) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        LinkError: the address is taken, or not ours.
    """
    try:
        return socket.create_server(address, backlog=16)
    except (OSError, OverflowError) as error:
        problem = f"cannot listen: {getattr(error, 'strerror', None) or error}"
        raise LinkError(shown(address), problem, hint="choose another --listen, or end the process there") from None


def shown(address: tuple[object, ...]) -> str:
    """HOST:PORT."""
    return f"{address[0]}:{address[1]}"


def parsed(text: str, name: str) -> tuple[str, int]:
    """HOST:PORT as an address; the port alone is one of this machine.

    Raises:
        DataError: it is neither.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise DataError(name, f"{text!r}", "HOST:PORT or PORT, as 127.0.0.1:7100")
    return host.strip("[]") or "127.0.0.1", int(port)


def _wrapped(
    sock: socket.socket, place: str, roles: Collection[PartyRole], timeout: float, wrap: Callable[[], ssl.SSLSocket]
) -> Peer:
    sock.settimeout(min(HANDSHAKE, timeout))
    try:
        secured = wrap()
        try:
            return Peer(secured, place, roles, timeout)
        except LinkError:
            secured.close()
            raise
    except ssl.SSLError as error:
        problem = f"TLS handshake: {tls_reason(error)}"
    except OSError as error:
        problem = f"TLS handshake: {error.strerror or 'the other party closed it, or was silent'}"
    with contextlib.suppress(OSError):
        sock.close()
    raise LinkError(place, problem, "TLS 1.3 with a certificate of our authority", HINT)


def _role(sock: ssl.SSLSocket, place: str, roles: Collection[PartyRole]) -> PartyRole:
    certificate: Any = sock.getpeercert() or {}
    names = certificate.get("subjectAltName", ())
    uris = [value for kind, value in names if kind == "URI" and value.startswith(PREFIX)]
    for role in roles:
        if uris == [role.uri]:
            return role
    problem = f"its certificate is that of {', '.join(u.removeprefix(PREFIX) for u in uris) or 'no role'}"
    raise LinkError(place, problem, " or ".join(r.value for r in roles), HINT)


def _command(role: PartyRole) -> str:
    return {PartyRole.SERVER: "serve", PartyRole.DEALER: "dealer", PartyRole.CLIENT: "query"}[role]
