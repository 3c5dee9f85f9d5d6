# SPDX-License-Identifier: Apache-2.0
"""Bench of share_open: what leaves is the share less its mask; sum and side come back when the peer has answered."""

import random

import pytest
from rtl.plan_bench import beats, check_streams

LENGTHS = (1, 2, 1, 20, 3)


@pytest.mark.parametrize(("width", "lanes", "side", "offset", "flight"), [(25, 2, 70, 1 << 23, 2), (64, 1, 8, 0, 16)])
def test_share_open(width: int, lanes: int, side: int, offset: int, flight: int) -> None:
    rng = random.Random(width)
    ring = 1 << width
    ports: dict[str, list[list[object]]] = {p: [] for p in "sqrem"}
    for length in LENGTHS:
        x, mask, peer = ([rng.getrandbits(width) for _ in range(length * lanes)] for _ in range(3))
        extra = [rng.getrandbits(side) for _ in range(length)]
        own = [(a + offset - b) % ring for a, b in zip(x, mask, strict=True)]
        opened = beats([(a + b) % ring for a, b in zip(own, peer, strict=True)], lanes, width)
        ports["s"].append(beats(x, lanes, width))
        ports["q"].append([list(pair) for pair in zip(beats(mask, lanes, width), extra, strict=True)])
        ports["r"].append(beats(peer, lanes, width))
        ports["e"].append(beats(own, lanes, width))
        ports["m"].append([o | e << lanes * width for o, e in zip(opened, extra, strict=True)])
    check_streams(
        "share_open",
        {"Width": width, "Lanes": lanes, "Side": side, "Offset": f"64'h{offset:x}", "Flight": flight},
        {p: ports[p] for p in "sqr"},
        {p: ports[p] for p in "em"},
        fields={"q": ("mask", "data", "last")},
        pace=("m", 1, 1),
    )
