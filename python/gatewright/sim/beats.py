# SPDX-License-Identifier: Apache-2.0
"""Token sequences to the beats of a stream and back: lane 0 in the lowest bits, fields packed without gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gatewright.errors import SimulationError
from gatewright.fixed import Ints
from gatewright.graph import TensorType
from gatewright.lower.rtl import Port

Words = npt.NDArray[np.uint32]


def pack(sequence: Ints, lanes: int, kind: TensorType) -> Words:
    """[tokens, channels] integers to [beats, 32-bit words] of a stream with `lanes` channels per beat."""
    return pack_fields(sequence, lanes, kind.fixed.width)


def pack_fields(values: Ints, lanes: int, width: int) -> Words:
    """Integers modulo 2**width, `lanes` to a beat, to [beats, 32-bit words]; width is 1 to 64."""
    fields = np.asarray(values, np.int64).reshape(-1, lanes)
    bits = ((fields[..., None] >> np.arange(width)) & 1).astype(np.uint8).reshape(len(fields), -1)
    pad = -bits.shape[1] % 32
    packed = np.packbits(np.pad(bits, ((0, 0), (0, pad))), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4")


def unpack(beats: Words, lanes: int, kind: TensorType) -> Ints:
    """Inverse of `pack`: [tokens, channels] integers."""
    width = kind.fixed.width
    values = unpack_fields(beats, lanes, width)
    if kind.fixed.signed:
        values -= (values >> (width - 1)) << width
    return values.reshape(-1, kind.channels)


def unpack_fields(beats: Words, lanes: int, width: int) -> Ints:
    """Inverse of `pack_fields`: [elements] integers of the fields' bits; of 64, in two's complement."""
    bits = np.unpackbits(np.ascontiguousarray(beats).view(np.uint8), axis=1, bitorder="little")
    fields = bits[:, : lanes * width].reshape(-1, width).astype(np.int64)
    return (fields << np.arange(width)).sum(axis=1)


def as_bytes(sequence: Ints, port: Port) -> bytes:
    """[tokens, channels] integers to the bytes of a UART shell's stream, as `whole_bytes`."""
    return whole_bytes(pack(sequence, port.lanes, port.kind), port.bits)


def whole_bytes(beats: Words, bits: int) -> bytes:
    """Beats of `bits` bits [beats, 32-bit words], each padded to whole bytes, low bits first."""
    return beats.view(np.uint8)[:, : -(-bits // 8)].tobytes()


def from_bytes(raw: bytes, port: Port) -> Ints:
    """Inverse of `as_bytes`.

    Raises:
        SimulationError: the bytes are not whole tokens.
    """
    size = -(-port.bits // 8)
    if len(raw) % (size * port.kind.channels // port.lanes):
        raise SimulationError(f"output {port.value}", f"{len(raw)} bytes", f"beats of {size} bytes that make tokens")
    return unpack(from_whole_bytes(raw, port.bits), port.lanes, port.kind)


def from_whole_bytes(raw: bytes, bits: int) -> Words:
    """Inverse of `whole_bytes`."""
    size = -(-bits // 8)
    beats = np.zeros((len(raw) // size, 4 * -(-size // 4)), np.uint8)
    beats[:, :size] = np.frombuffer(raw, np.uint8).reshape(-1, size)
    return beats.view("<u4")


def cut(port: Port, beats: Words, lasts: Sequence[int] | Ints, lengths: Sequence[int]) -> list[Ints]:
    """The sequences of an output stream.

    Args:
        beats: everything that came, as `pack` makes it.
        lasts: indices of the beats that carried `last`.
        lengths: tokens of each sequence.

    Raises:
        SimulationError: `last` is not on the final beat of each sequence, and nowhere else.
    """
    ends = np.cumsum(lengths) * port.kind.channels // port.lanes - 1
    if not np.array_equal(lasts, ends):
        problem = f"`last` on beats {np.asarray(lasts)[:8].tolist()}.."
        raise SimulationError(f"output {port.value}", problem, f"beats {ends[:8].tolist()}..")
    return np.split(unpack(beats, port.lanes, port.kind), np.cumsum(lengths)[:-1])


def as_numbers(beats: Words) -> list[int]:
    """One Python integer per beat."""
    raw = np.ascontiguousarray(beats, dtype="<u4").view(np.uint8).reshape(len(beats), 4 * beats.shape[1])
    return [int.from_bytes(row.tobytes(), "little") for row in raw]


def from_numbers(numbers: list[int], bits: int) -> Words:
    """Inverse of `as_numbers` for beats of `bits` bits."""
    size = 4 * -(-bits // 32)
    raw = b"".join(n.to_bytes(size, "little") for n in numbers)
    return np.frombuffer(raw, "<u4").reshape(len(numbers), size // 4)
