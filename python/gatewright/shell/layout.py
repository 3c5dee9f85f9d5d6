# SPDX-License-Identifier: Apache-2.0
"""How sequences, results and weights lie in memory beside a shell: what `rtl/shell/run_shell.sv` reads and writes.

A beat is padded to a power of two of bytes. In front of each input sequence stands its number of tokens, 32 bits,
low byte first, padded to whole beats. Results have no such header and follow each other without gaps: a host knows
their lengths, because a network makes of n tokens always as many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatewright.errors import DataError

HEADER = 4
"""Bytes of a number of tokens."""

Words = npt.NDArray[np.uint32]


def beat_bytes(bits: int) -> int:
    """Bytes of a beat of that many bits in memory."""
    return 1 << (-(-bits // 8) - 1).bit_length()


@dataclass(frozen=True)
class Layout:
    """Sizes of a design's data in memory.

    Attributes:
        input_bits, output_bits: of a beat.
        input_beats, output_beats: beats of a token.
        load_bits, load_words: of the load chain.
    """

    input_bits: int
    input_beats: int
    output_bits: int
    output_beats: int
    load_bits: int
    load_words: int

    def pack(self, sequences: Sequence[Words]) -> bytes:
        """Sequences of beats [tokens * input_beats, 32-bit words] as a run reads them.

        Raises:
            DataError: a sequence that does not consist of whole tokens.
        """
        size = beat_bytes(self.input_bits)
        found = []
        for index, beats in enumerate(sequences):
            tokens, rest = divmod(len(beats), self.input_beats)
            if rest:
                raise DataError(f"sequence {index}", f"{len(beats)} beats", f"a multiple of {self.input_beats}")
            head = tokens.to_bytes(HEADER, "little")
            found += [head.ljust(max(HEADER, size), b"\0"), _to_bytes(beats, self.input_bits)]
        return b"".join(found)

    def unpack(self, data: bytes, tokens: Sequence[int]) -> list[Words]:
        """Results of those numbers of tokens: beats [tokens * output_beats, 32-bit words] each.

        Raises:
            DataError: there are fewer bytes than the results have.
        """
        need = self.output_bytes(tokens)
        if len(data) < need:
            raise DataError("results", f"{len(data)} bytes", f"{need} bytes")
        size = beat_bytes(self.output_bits)
        raw = np.frombuffer(data[:need], np.uint8).reshape(-1, size)
        words = -(-self.output_bits // 32)
        beats = np.zeros((len(raw), 4 * words), np.uint8)
        beats[:, : min(size, 4 * words)] = raw[:, : 4 * words]
        cuts = np.cumsum([n * self.output_beats for n in tokens])[:-1]
        return [np.ascontiguousarray(part).view("<u4") for part in np.split(beats, cuts)]

    def output_bytes(self, tokens: Sequence[int]) -> int:
        """Bytes of results of those numbers of tokens."""
        return sum(tokens) * self.output_beats * beat_bytes(self.output_bits)

    def weights(self, memory: Words) -> bytes:
        """The load chain's words [load_words, load_bits / 32] as a run of weights reads them.

        Raises:
            DataError: another number of words than the design has.
        """
        if memory.shape != (self.load_words, self.load_bits // 32):
            allowed = f"{self.load_words} words of {self.load_bits} bits"
            raise DataError("weights", f"an array of shape {memory.shape}", allowed)
        return np.ascontiguousarray(memory, "<u4").tobytes()


def _to_bytes(beats: Words, bits: int) -> bytes:
    """Each beat cut or padded to its size in memory; what is cut are bits that no beat has."""
    raw = np.ascontiguousarray(beats, "<u4").view(np.uint8).reshape(len(beats), 4 * beats.shape[1])
    size = beat_bytes(bits)
    padded = np.zeros((len(raw), size), np.uint8)
    kept = min(size, raw.shape[1])
    padded[:, :kept] = raw[:, :kept]
    return padded.tobytes()
