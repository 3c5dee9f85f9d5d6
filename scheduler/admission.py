# SPDX-License-Identifier: Apache-2.0
"""What a token ring lets in: one rule for the model and for the parameters of the generated hardware.

A sequence enters while its tokens and those in flight fit the slots of the return memory, and while fewer than
`sequences` are in flight (`rtl/ring/ring.sv`; docs/decisions/0008). So what the body gives out always has a place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.scheduler.link import History


@dataclass(frozen=True)
class Admission:
    """The limits of a ring.

    Attributes:
        slots: tokens in flight, at most.
        sequences: sequences in flight, at most.
        longest: tokens of the longest sequence.
    """

    slots: int
    sequences: int
    longest: int

    @staticmethod
    def usual_slots(longest: int) -> int:
        """One longest sequence at work while the next one comes in."""
        return 2 * longest

    @property
    def problem(self) -> tuple[str, str, str] | None:
        """(attribute, what is wrong, what is allowed), or None: sequences longer than the slots never enter."""
        if self.sequences < 1:
            return "sequences", f"{self.sequences}", "1 or more"
        if self.slots < 1:
            return "slots", f"{self.slots}", "1 or more"
        if self.longest > self.slots:
            problem = f"{self.slots} for a sequence of {self.longest} tokens, which would never be admitted"
            return "slots", problem, f"{self.longest} or more, at least the longest sequence"
        return None

    @property
    def passes(self) -> int:
        """Most passes between merge and exit: a sequence may enter again while its end is still in the body."""
        return self.sequences + 1

    def parameters(self) -> dict[str, int]:
        """Of `rtl/ring/ring.sv`, which computes `owed` with counters."""
        return {"Slots": self.slots, "MaxTokens": self.longest, "Sequences": self.sequences}

    def owed(self, tokens_in: int, sequences_in: int, tokens: int) -> tuple[int, int]:
        """How many tokens and sequences must have left before a sequence of `tokens` may enter (none below 1).

        Args:
            tokens_in, sequences_in: admitted so far.
        """
        return tokens_in + tokens - self.slots, sequences_in + 1 - self.sequences


@dataclass
class Credit:
    """What has been admitted so far, and when what has left was counted out."""

    rule: Admission
    tokens_in: int = 0
    sequences_in: int = 0
    tokens_out: History = field(default_factory=History)
    sequences_out: History = field(default_factory=History)

    def when(self, tokens: int) -> int | None:
        """From when on a sequence of `tokens` may enter; None while that depends on passes to come."""
        due = 0
        for out, owed in zip((self.tokens_out, self.sequences_out), self._owed(tokens), strict=True):
            if owed > 0:
                if owed > out.dropped + len(out.times):
                    return None
                due = max(due, out.times[owed - 1 - out.dropped])
        return due

    def _owed(self, tokens: int) -> tuple[int, int]:
        return self.rule.owed(self.tokens_in, self.sequences_in, tokens)

    def admit(self, tokens: int) -> None:
        """Count a sequence in."""
        self.tokens_in += tokens
        self.sequences_in += 1

    def leave(self, times: list[int]) -> None:
        """Count a sequence out whose tokens leave at `times`; what no later sequence can wait for is forgotten."""
        self.tokens_out.times += times
        self.sequences_out.times.append(times[-1])
        for out, owed in zip((self.tokens_out, self.sequences_out), self._owed(1), strict=True):
            if out.long:
                out.drop(max(0, min(owed - 1 - out.dropped, len(out.times) - 1)))
