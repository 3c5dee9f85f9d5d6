# SPDX-License-Identifier: Apache-2.0
"""Networks whose two parties are simulated in RTL with a link between them, beside the software parties."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright.examples._base import accuracy, float_scores

if TYPE_CHECKING:
    from gatewright.examples._base import Trained
    from gatewright.fixed import Ints
    from gatewright.lower.secure.pair import Line
    from gatewright.lower.secure.party import Wires
    from gatewright.sim.secure import Session


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoParty:
    """A trained network between two simulated datapaths.

    Attributes:
        name: of the example.
        network: its name among `gatewright.examples._secure.networks`.
        target: cycles per query that every block of the datapath is folded for.
        images: test images that are queried.
    """

    name: str
    network: str
    target: float
    images: int

    def trained(self) -> Trained:
        """The network and how it is trained."""
        from gatewright.examples._secure import network

        return network(self.network)

    def simulate(
        self,
        target: float | None = None,
        seed: int = 1,
        line: Line | None = None,
        wires: Wires | None = None,
        optimise: str = "-O2",
    ) -> dict[str, Any]:
        """Query images through both datapaths and compare all words with the software parties, labels with golden.

        Args:
            target: instead of the example's own.
            seed: of the session; no secret here.
            line: latency and pauses of the link.
            wires: of generators and link.
            optimise: for the C++ compiler; large designs with few cycles are done sooner with less of it.
        """
        from gatewright.lower.secure.cycles import interval
        from gatewright.lower.secure.design import lower_party
        from gatewright.lower.secure.foldings import choose
        from gatewright.lower.secure.pair import Line, pair
        from gatewright.secure.program import compile_program
        from gatewright.secure.role import Role
        from gatewright.sim.library import build
        from gatewright.sim.secure import differences, simulate
        from gatewright.sim.secure_parties import in_software

        example = self.trained()
        data = example.load()
        model = example.trained(data)
        imported = example.imported(model, data)
        images, labels = data.rtl_x[: self.images], data.rtl_y[: self.images]
        x = np.stack(list(imported.encode(images))).astype(np.int64)
        program, secrets = compile_program(imported.graph)
        session = self.session(seed)
        software, drawn, constants = in_software(program, secrets, session, x)
        foldings = choose(program, target or self.target)
        halves = [lower_party(program, role, foldings, constants[role], wires, taps=True) for role in Role]
        design = pair(halves[0], halves[1], line)
        library = build([design], optimise)
        start = time.monotonic()
        rtl = simulate(design, program, session, x, drawn, library=library)
        seconds = time.monotonic() - start
        golden = np.stack([imported.graph.evaluate(v)[0] for v in x])
        wrong = differences(rtl, software)
        changed = int(np.sum(_labels(rtl.outputs) != _labels(golden)))
        if changed:
            wrong.append(f"{changed} of {len(x)} labels are not golden's")
        return {
            "example": self.name,
            "samples": len(x),
            "cycles": rtl.cycles,
            "seconds": seconds,
            "interval": float(np.diff(rtl.finished).mean()) if rtl.finished is not None else 0.0,
            "predicted": max(interval(program, foldings, halves[0].wires, (line or Line()).latency).values()),
            "words": int(sum(s.size for s in rtl.shares.values())),
            "bytes": int(sum(m.size for m in rtl.messages.values())),
            "mismatches": len(wrong),
            "unit": int(np.abs(rtl.outputs - golden).max()),
            "problems": [f"{self.name}: {w}" for w in wrong],
            "quality": {
                "float": accuracy(float_scores(model, images), labels),
                "golden": accuracy(golden.reshape(len(x), -1), labels),
                "rtl": accuracy(rtl.outputs.reshape(len(x), -1), labels),
            },
        }

    @staticmethod
    def session(seed: int) -> Session:
        """Seeds of both parties and a first query index, from a number."""
        from gatewright.sim.secure import Session

        rng = random.Random(seed)
        return Session(rng.randbytes(32), rng.randbytes(32), rng.getrandbits(48))


def _labels(scores: Ints) -> Ints:
    return np.argmax(scores.reshape(len(scores), -1), axis=1)


TWO_PARTY = (TwoParty(name="secure_mlp", network="mlp", target=5000, images=100),)
