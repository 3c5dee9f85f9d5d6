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
    width = kind.fixed.width
    fields = np.asarray(sequence, np.int64).reshape(-1, lanes)
    bits = ((fields[..., None] >> np.arange(width)) & 1).astype(np.uint8).reshape(len(fields), -1)
    pad = -bits.shape[1] % 32
    packed = np.packbits(np.pad(bits, ((0, 0), (0, pad))), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4")


def unpack(beats: Words, lanes: int, kind: TensorType) -> Ints:
    """Inverse of `pack`: [tokens, channels] integers."""
    width = kind.fixed.width
    bits = np.unpackbits(np.ascontiguousarray(beats).view(np.uint8), axis=1, bitorder="little")
    fields = bits[:, : lanes * width].reshape(-1, width).astype(np.int64)
    values = (fields << np.arange(width)).sum(axis=1)
    if kind.fixed.signed:
        values -= (values >> (width - 1)) << width
    return values.reshape(-1, kind.channels)


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
    return np.frombuffer(raw, "<u4").reshape(len(numbers), -1)
