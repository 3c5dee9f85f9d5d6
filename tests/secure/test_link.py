# SPDX-License-Identifier: Apache-2.0
"""Frames over a plain pair of sockets: whatever comes, a link ends with an error, soon, and without eating memory."""

from __future__ import annotations

import resource
import socket
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from secure.links import plain, together

from gatewright.errors import LinkError
from gatewright.secure.transport.frame import HEADER, MAGIC, SIZE, VERSION, Kind
from gatewright.secure.transport.link import REFUSAL_MOST, Link

PAYLOAD = bytes(range(64))


def framed(payload: bytes = PAYLOAD, **changes: int) -> bytes:
    fields = {"version": VERSION, "kind": Kind.DATA, "step": 0, "sequence": 0, "length": len(payload)} | changes
    return HEADER.pack(MAGIC, *fields.values()) + payload


def received(stream: bytes, *sizes: int, timeout: float = 0.3) -> list[bytes]:
    """What a link makes of raw bytes that then end."""
    one, other = socket.socketpair()
    with other:
        link = Link(one, "test peer", timeout)
        # Short enough for the socket to take it at once.
        other.sendall(stream)
        other.shutdown(socket.SHUT_WR)
        try:
            return [bytes(link.receive(s)) for s in sizes]
        finally:
            link.close()


def test_messages_come_whole_and_are_counted() -> None:
    with plain() as (one, other):
        one.send(PAYLOAD)
        one.send(b"")
        other.send(memoryview(b"x" * 10))
        assert other.receive(64) == PAYLOAD and other.receive(0) == b"" and one.receive(10) == b"x" * 10
        assert one.traffic == type(one.traffic)(2 * SIZE + 64, SIZE + 10, 3, 3 * SIZE + 74)
        assert other.traffic.bytes == one.traffic.bytes


def test_both_may_send_much_at_the_same_time() -> None:
    """Far more than a socket holds; blocking sends on both sides would wait for each other for ever."""
    size = 12 << 20
    with plain(10.0) as (one, other):
        found = together(
            *(lambda e=e, b=b: (e.send(bytes([b]) * size), e.receive(size))[1] for e, b in ((one, 1), (other, 2)))
        )
        assert [bytes(f[:3]) + bytes(f[-1:]) for f in found] == [b"\2" * 4, b"\1" * 4]


@pytest.mark.parametrize(
    ("stream", "wanted"),
    [
        (framed()[:-1], "63 of|closed"),
        (framed()[: SIZE - 1], "closed"),
        (b"", "closed"),
        (framed(length=63), "63 bytes"),
        (framed(length=65) + b"z", "65 bytes"),
        (framed(length=2**32 - 1), "4,294,967,295 bytes"),
        (framed(sequence=1), "message 1 came where 0 was due"),
        (framed(step=3), "for step 3"),
        (framed(kind=Kind.READY), "kind READY"),
        (framed(kind=99), "kind 99"),
        (framed(version=VERSION + 1), f"version {VERSION + 1}"),
        (b"GET / HTTP/1.1\r\nHost: example\r\n\r\n" + bytes(80), "not a message"),
        (framed(kind=Kind.REFUSAL, length=2**31), "refusal of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_the_expected_message_ends_in_an_error(stream: bytes, wanted: str) -> None:
    start = time.monotonic()
    with pytest.raises(LinkError, match=wanted) as caught:
        received(stream, 64)
    assert time.monotonic() - start < 2
    assert caught.value.place == "test peer" and caught.value.hint


def test_replay_and_reorder_end_in_an_error() -> None:
    first, second = framed(), framed(sequence=1)
    assert received(first + second, 64, 64) == [PAYLOAD, PAYLOAD]
    with pytest.raises(LinkError, match="message 0 came where 1 was due"):
        received(first + first, 64, 64)
    with pytest.raises(LinkError, match="message 1 came where 0 was due"):
        received(second + first, 64, 64)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 8 * SIZE - 1))
def test_every_flipped_bit_of_a_header_is_noticed(bit: int) -> None:
    stream = bytearray(framed())
    stream[bit // 8] ^= 1 << bit % 8
    with pytest.raises(LinkError):
        received(bytes(stream), 64)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_noise_ends_in_an_error(noise: bytes) -> None:
    with pytest.raises(LinkError):
        received(noise, 64)


def test_silence_and_dripping_end_in_time() -> None:
    one, other = socket.socketpair()
    link = Link(one, "slow", 0.3)
    stop = threading.Event()

    def drip() -> None:
        for byte in framed():
            if stop.wait(0.1):
                return
            other.send(bytes([byte]))

    thread = threading.Thread(target=drip)
    thread.start()
    start = time.monotonic()
    with pytest.raises(LinkError, match="no answer in 0.3 s"):
        link.receive(64)
    assert time.monotonic() - start < 1
    stop.set()
    thread.join()
    other.close()


def test_a_peer_that_takes_nothing_ends_in_time() -> None:
    with plain(0.3) as (one, _), pytest.raises(LinkError, match="no answer in 0.3 s"):
        one.send(bytes(32 << 20))


def test_a_hostile_length_takes_no_memory() -> None:
    """A peer announces 1 GiB and sends 1 MiB; the address space would not hold what it announced."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    one, other = socket.socketpair()
    link = Link(one, "liar", 0.5)
    stream = framed(b"", length=1 << 30, kind=Kind.PROGRAM) + bytes(1 << 20)
    threading.Thread(target=lambda: (other.sendall(stream), other.close()), daemon=True).start()
    with pytest.raises(LinkError, match="closed"):
        link.receive_most(1 << 30, Kind.PROGRAM)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 << 10, f"{grown} KiB more"


def test_a_variable_message_has_a_limit() -> None:
    with plain() as (one, other):
        one.send(b"{}" + b" " * 99, Kind.HELLO)
        with pytest.raises(LinkError, match="HELLO of 101 bytes"):
            other.receive_most(100, Kind.HELLO)


@pytest.mark.parametrize("text", [b"[1]", b"{", b"\xff", b'{"b": 1}', b"[" * 4000])
def test_a_structure_is_checked(text: bytes) -> None:
    with plain() as (one, other):
        one.send(text, Kind.HELLO)
        with pytest.raises(LinkError, match="without a"):
            other.receive_json(5000, Kind.HELLO, "a")


def test_a_refusal_is_told_and_cannot_harm_a_terminal() -> None:
    with plain() as (one, other):
        error = LinkError("here", "\x1b[2Jthe program differs" + "." * 2 * REFUSAL_MOST)
        found = together(lambda: one.refuse(error), lambda: other.receive(5))[1]
        assert isinstance(found, LinkError) and "the program differs" in str(found) and "\x1b" not in str(found)


def test_after_an_error_a_link_stays_closed() -> None:
    with plain() as (one, other):
        one.send(b"abc")
        with pytest.raises(LinkError):
            other.receive(4)
        with pytest.raises(LinkError, match="peer lost"):
            other.receive(4)
