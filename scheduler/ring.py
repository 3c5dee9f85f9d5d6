# SPDX-License-Identifier: Apache-2.0
"""Cycles of a token ring: one physical body through which every sequence goes several times.

A *pass* is one sequence going through the body once. Where a pass ends, the merge chooses the next one: the oldest
returned sequence when its first token is there, else a new one that is there and admitted, else whichever comes
first. A new sequence of n tokens is admitted while n and the tokens in flight fit the `slots`, and while fewer than
`sequences` are in flight; a token in flight counts until it has left for good. As nothing overtakes, later passes do
not change earlier ones: the passes known so far are advanced to the end, and the times found decide the next pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gatewright.errors import DataError
from gatewright.scheduler.admission import Admission
from gatewright.scheduler.cycles import check_order
from gatewright.scheduler.flow import Queue, Recorder, in_order
from gatewright.scheduler.pipeline import Pipeline
from gatewright.scheduler.ring_machine import Flight, Pass, RingMachine
from gatewright.scheduler.trace import Visit


@dataclass(frozen=True, eq=False)
class Ring:
    """A body in a ring, and the control around it.

    Attributes:
        body: one source, whose interval is the beats per token at the merge, and one output of equally many tokens.
        iterations: passes of every sequence.
        slots: tokens in flight, at most.
        sequences: sequences in flight, at most.
        merge: cycles from a token's arrival at the merge to its arrival at the body.
        back: cycles through exit and return FIFO.
        leave: cycles through the exit to whatever stands behind the ring.
        release: cycles from a token's last departure until its slot counts as free.
        trickle: cycles by which a returned token's first beat comes sooner than one beat per cycle before its last.
            The merge decides on first beats.
        prefix: of the names of the body's operators in a schedule, which also has those before and behind the ring.
    """

    body: Pipeline
    iterations: int
    slots: int
    sequences: int
    merge: int = 1
    back: int = 3
    leave: int = 1
    release: int = 1
    trickle: int = 0
    prefix: str = ""

    def __post_init__(self) -> None:
        if len(self.body.sources) != 1 or len(self.body.outputs) != 1:
            problem = f"{len(self.body.sources)} sources, {len(self.body.outputs)} outputs"
            raise DataError("ring.body", problem, "one of each")
        if self.iterations < 1:
            raise DataError("ring.iterations", f"{self.iterations}", "1 or more")
        if self.admission.problem:
            name, problem, allowed = self.admission.problem
            raise DataError(f"ring.{name}", problem, allowed)

    @property
    def admission(self) -> Admission:
        """What may be in flight."""
        return Admission(self.slots, self.sequences, max(self.body.sources[0].tokens))


@dataclass(frozen=True)
class RingPrediction:
    """What `simulate_ring` finds; cycles are counted from the first input beat to the last output beat, both included.

    Attributes:
        cycles: of the whole batch.
        finished: cycle in which each sequence has left.
        passes: in the order in which they entered the body.
        busy: share of `cycles` in which the slowest stage of each operator of the body was at work.
        peaks: most tokens on the link into each (operator, input) of the body.
        returned: most tokens in the return FIFO.
    """

    cycles: int
    finished: tuple[int, ...]
    passes: tuple[Pass, ...]
    busy: dict[str, float]
    peaks: dict[tuple[str, int], int]
    returned: int


def stream_ring(
    ring: Ring,
    queue: Queue,
    before: Pipeline | None = None,
    after: Pipeline | None = None,
    recorder: Recorder | None = None,
) -> Iterator[Visit]:
    """Sequences as they finish, which is the order of their admission.

    Args:
        queue, recorder: as in `flow.stream`.
        before, after: as in `simulate_ring`.

    Raises:
        as `simulate_ring`.
    """
    return _turns(RingMachine(ring, before, after, recorder), queue)


def _turns(machine: RingMachine, queue: Queue) -> Iterator[Visit]:
    """The merge at work: which pass comes next, as long as there is one."""
    lengths, beats = machine.ring.body.sources[0].tokens, machine.merge.interval
    new = queue(machine.door.free)
    if new is not None:
        machine.send(new)
    while machine.round or new is not None:
        returned = max(machine.free, machine.next_returned()) if machine.round else None
        credit = machine.credit.when(lengths[new.kind]) if new is not None else None
        due = credit + beats - 1 if credit else 0
        done = None
        if (
            new is not None
            and credit is not None
            and (returned is None or max(machine.free, due, machine.next_new()) < returned)
        ):
            tokens = lengths[new.kind]
            machine.credit.admit(tokens)
            done = machine.enter(Flight(new, tokens, machine.door.started), machine.fresh, due)
            machine.trim()
            new = queue(machine.door.free)
            if new is not None:
                machine.send(new)
        else:
            done = machine.enter(machine.round.popleft(), machine.back, 0)
        if done is not None:
            yield done
    if machine.recorder is not None:
        for section in (machine.door.section, machine.body, machine.after):
            if section is not None:
                machine.recorder.mark(section)


def simulate_ring(
    ring: Ring,
    order: Sequence[int],
    arrival: Sequence[int] | None = None,
    before: Pipeline | None = None,
    after: Pipeline | None = None,
) -> RingPrediction:
    """Every token of every pass.

    Args:
        order: kinds of the sequences, in the order in which they come.
        arrival: cycle before which each sequence does not come; by default the period of the sources.
        before: what stands before the ring, of the same kinds, with one output; without it, sequences come from the
            body's own source.
        after: what stands behind the ring, with one source and one output.

    Raises:
        SimulationError: the design deadlocks.
        DataError: stages and token counts do not fit together.
    """
    check_order(ring.body, order)
    recorder = Recorder()
    machine = RingMachine(ring, before, after, recorder)
    finished = tuple(v.finished for v in _turns(machine, in_order(order, arrival or ())))
    busy = {name: cycles / finished[-1] for name, cycles in machine.body.busy().items()}
    returned = machine.back.measure()
    return RingPrediction(finished[-1], finished, tuple(machine.passes), busy, machine.body.peaks(), returned)
