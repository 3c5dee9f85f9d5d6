# SPDX-License-Identifier: Apache-2.0
"""Bench of beaver_multiply: both parties' shares are the formula's, and together the product."""

import random

import pytest
from rtl.plan_bench import check_streams, word


@pytest.mark.parametrize(("server", "width", "lanes"), [(1, 64, 1), (0, 32, 2)])
def test_beaver_multiply(server: int, width: int, lanes: int) -> None:
    rng, ring, party = random.Random(width), 1 << width, 1 - server
    ports: dict[str, list[list[int]]] = {p: [] for p in "sqrem"}

    def split(value: int) -> tuple[int, int]:
        first = rng.getrandbits(width)
        return first, (value - first) % ring

    for length in (1, 2, 1, 12):
        found: dict[str, list[int]] = {p: [] for p in "sqrem"}
        for _ in range(length):
            columns: dict[str, list[tuple[int, ...]]] = {p: [] for p in "sqrem"}
            for _ in range(lanes):
                x, y, a, b = (rng.getrandbits(width) for _ in range(4))
                xs, ys, triple = split(x), split(y), (split(a), split(b), split(a * b % ring))
                sent = [((xs[i] - triple[0][i]) % ring, (ys[i] - triple[1][i]) % ring) for i in (0, 1)]
                e, f = (x - a) % ring, (y - b) % ring
                z = [triple[2][i] + e * triple[1][i] + f * triple[0][i] + (e * f if i == 0 else 0) for i in (0, 1)]
                assert sum(z) % ring == x * y % ring
                columns["s"].append((xs[party], ys[party]))
                columns["q"].append(tuple(t[party] for t in triple))
                columns["e"].append(sent[party])
                columns["r"].append(sent[1 - party])
                columns["m"].append((z[party],))
            for port, values in columns.items():
                # All of the first kind, then all of the second.
                found[port].append(word([v for kind in zip(*values, strict=True) for v in kind], width))
        for port, sequence in found.items():
            ports[port].append(sequence)
    check_streams(
        "beaver_multiply",
        {"Width": width, "Lanes": lanes, "Server": server, "Flight": 4},
        {p: ports[p] for p in "sqr"},
        {p: ports[p] for p in "em"},
        pace=("m", 1, 1),
    )
