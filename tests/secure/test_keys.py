# SPDX-License-Identifier: Apache-2.0
"""Who may talk to whom: roles in certificates, TLS 1.3 alone, and somebody in the middle who changes records."""

from __future__ import annotations

import shutil
import socket
import ssl
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from secure.links import SHORT, Middle, greeted, together

from gatewright.errors import DataError, LinkError, MissingExtraError
from gatewright.secure.transport import tls
from gatewright.secure.transport.keys import Keys, PartyRole, make
from gatewright.secure.transport.tls import Peer

pytest.importorskip("cryptography")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make(folder)
    return folder


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of another authority."""
    folder = tmp_path_factory.mktemp("others")
    make(folder)
    return folder


def test_private_keys_are_private(keys: Path, tmp_path: Path) -> None:
    for key in keys.glob("*/key.pem"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600 and stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    shutil.copytree(keys / "client", tmp_path / "client")
    (tmp_path / "client/key.pem").chmod(0o640)
    with pytest.raises(DataError, match="others may read") as caught:
        Keys.load(tmp_path / "client")
    assert "chmod 600" in caught.value.hint
    (tmp_path / "client/cert.pem").unlink()
    with pytest.raises(DataError, match="not found"):
        Keys.load(tmp_path / "client")


def test_keys_are_not_overwritten_and_the_authority_is_kept(keys: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="already holds keys: server, client, dealer"):
        make(keys)
    shutil.copytree(keys, tmp_path / "k")
    authority = (tmp_path / "k/ca/ca.pem").read_bytes()
    shutil.rmtree(tmp_path / "k/client")
    make(tmp_path / "k", [PartyRole.CLIENT])
    assert (tmp_path / "k/client/ca.pem").read_bytes() == authority
    one, other = greeted(keys / "server", tmp_path / "k/client", PartyRole.SERVER, (PartyRole.CLIENT,))
    assert isinstance(one, Peer) and isinstance(other, Peer)


def test_parties_know_each_other(keys: Path) -> None:
    one, other = greeted(keys / "server", keys / "client", PartyRole.SERVER, (PartyRole.CLIENT,))
    assert isinstance(one, Peer) and isinstance(other, Peer)
    assert one.role is PartyRole.CLIENT and other.role is PartyRole.SERVER and one.identity != other.identity
    assert isinstance(other._sock, ssl.SSLSocket) and other._sock.version() == "TLSv1.3"
    one.send(b"hello")
    assert other.receive(5) == b"hello"


def test_bytes_of_tls_are_those_that_tcp_carries(keys: Path) -> None:
    one, other = greeted(keys / "server", keys / "client", PartyRole.SERVER, (PartyRole.CLIENT,))
    assert isinstance(one, Peer) and isinstance(other, Peer)

    def carried() -> int:
        info = one._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 216)
        return sum(struct.unpack_from("<Q", info, at)[0] for at in (128, 200))

    before = carried()
    for size in (0, 1, 16368, 16369, 100_000):
        together(lambda n=size: one.send(bytes(n)), lambda n=size: other.receive(n))
        other.send(b"thanks")
        one.receive(6)
    assert one.traffic.wire == other.traffic.wire == carried() - before > one.traffic.bytes


@pytest.mark.parametrize(
    ("listener", "caller", "expected", "roles", "problem"),
    [
        # A client's certificate may neither listen nor pass for the server, and a dealer never calls.
        ("client", "client", PartyRole.SERVER, (PartyRole.CLIENT,), "unsuitable certificate purpose"),
        ("dealer", "client", PartyRole.SERVER, (PartyRole.CLIENT,), "certificate is that of dealer"),
        ("server", "client", PartyRole.DEALER, (PartyRole.CLIENT,), "certificate is that of server"),
        ("server", "server", PartyRole.SERVER, (PartyRole.CLIENT,), "certificate is that of server"),
        ("server", "dealer", PartyRole.SERVER, (PartyRole.CLIENT,), "unsuitable certificate purpose"),
    ],
)
def test_a_role_is_refused(
    keys: Path, listener: str, caller: str, expected: PartyRole, roles: tuple[PartyRole, ...], problem: str
) -> None:
    found = greeted(keys / listener, keys / caller, expected, roles)
    errors = [f for f in found if isinstance(f, LinkError)]
    assert any(problem in str(e) for e in errors), found
    assert all("gatewright secure keys" in e.hint for e in errors)


@pytest.mark.parametrize("foreign", ["server", "client"])
def test_another_authority_is_refused(keys: Path, others: Path, foreign: str) -> None:
    folder = {"server": keys / "server", "client": keys / "client"} | {foreign: others / foreign}
    one, other = greeted(folder["server"], folder["client"], PartyRole.SERVER, (PartyRole.CLIENT,))
    assert isinstance(one, LinkError), one
    if isinstance(other, Peer):
        # TLS 1.3 tells a caller with its first message.
        with pytest.raises(LinkError, match="unknown ca"):
            other.receive(1)
    else:
        assert "certificate" in str(other)


def test_a_key_of_another_certificate_is_refused(keys: Path, tmp_path: Path) -> None:
    shutil.copytree(keys / "client", tmp_path / "c")
    shutil.copy(keys / "server/key.pem", tmp_path / "c/key.pem")
    with pytest.raises(DataError, match="key values mismatch"):
        tls.context(Keys.load(tmp_path / "c"), listening=False)


def test_old_tls_and_none_are_refused(keys: Path) -> None:
    server = tls.listen(("127.0.0.1", 0))
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode, old.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2

    def accept() -> Peer:
        return tls.accept(server.accept()[0], tls.context(Keys.load(keys / "server"), True), [PartyRole.CLIENT], 0.5)

    def outdated() -> object:
        with socket.create_connection(server.getsockname()) as sock:
            return old.wrap_socket(sock)

    def plain() -> bytes:
        with socket.create_connection(server.getsockname()) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            return sock.recv(1)

    def silent() -> bytes:
        with socket.create_connection(server.getsockname()) as sock:
            return sock.recv(1)

    for caller in (outdated, plain, silent):
        start = time.monotonic()
        assert isinstance(together(accept, caller)[0], LinkError)
        assert time.monotonic() - start < 2
    server.close()


def flipped(record: bytes) -> list[bytes]:
    return [record[:-3] + bytes([record[-3] ^ 1]) + record[-2:]]


def test_changes_on_the_way_end_in_an_error(keys: Path) -> None:
    """Repeated, cut, flipped, swapped and dropped TLS records."""
    kept: list[bytes] = []

    def swapped(record: bytes) -> list[bytes]:
        kept.append(record)
        return [] if len(kept) % 2 else kept[-1:-3:-1]

    changes: dict[str, Callable[[bytes], list[bytes]]] = {
        "flipped": flipped,
        "replayed": lambda r: [r, r],
        "truncated": lambda r: [r[:-5]],
        "swapped": swapped,
        "dropped": lambda r: [],
        "oversized": lambda r: [b"\x17\x03\x03\xff\xff" + bytes(0xFFFF)],
    }
    for name, change in changes.items():
        server = tls.listen(("127.0.0.1", 0))
        middle = Middle(server.getsockname())

        def accept(server: object = server) -> Peer:
            return tls.accept(
                server.accept()[0], tls.context(Keys.load(keys / "server"), True), [PartyRole.CLIENT], 0.5
            )  # type: ignore[attr-defined]

        def connect(middle: Middle = middle) -> Peer:
            return tls.connect(middle.address, Keys.load(keys / "client"), PartyRole.SERVER, SHORT)

        one, other = together(accept, connect)
        assert isinstance(one, Peer) and isinstance(other, Peer), (one, other)
        other.send(b"first")
        assert one.receive(5) == b"first"
        middle.change = change
        other.send(b"again")
        other.send(b"third")
        start = time.monotonic()
        with pytest.raises(LinkError, match="TLS: |no answer in|peer lost"):
            for _ in range(2):
                one.receive(5)
        assert time.monotonic() - start < 2, name
        for end in (one, other, server, middle.listener):
            end.close()


def test_a_key_log_is_not_written(keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL writes session keys where this variable says so, if it is let."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "log"))
    greeted(keys / "server", keys / "client", PartyRole.SERVER, (PartyRole.CLIENT,))
    assert not (tmp_path / "log").exists()


def test_addresses() -> None:
    assert tls.parsed("7100", "--listen") == ("127.0.0.1", 7100)
    assert tls.parsed("[::1]:7", "--listen") == ("::1", 7)
    for text in ("", "host", "host:", "host:x", "h:70000"):
        with pytest.raises(DataError, match="HOST:PORT"):
            tls.parsed(text, "--listen")
    with pytest.raises(LinkError, match="cannot listen"):
        tls.listen(("192.0.2.1", 1))


def test_nobody_there(keys: Path) -> None:
    with tls.listen(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    with pytest.raises(LinkError, match="cannot connect") as caught:
        tls.connect(address, Keys.load(keys / "client"), PartyRole.SERVER, SHORT)
    assert "gatewright secure serve" in caught.value.hint


def test_links_need_no_library_but_keys_do() -> None:
    code = "import sys, gatewright.secure.transport.tls, gatewright.secure.transport.keys\n"
    code += "sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_keys_without_the_library_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtraError, match=r"gatewright\[secure\]"):
        make(tmp_path / "k")
