# SPDX-License-Identifier: Apache-2.0
"""Bench of share_truncate: both parties' results together are the floor or one more, for every value and mask."""

import pytest
from rtl.plan_bench import beats, check_streams


def truncated(z: int, width: int, shift: int, server: bool) -> int:
    """The specification of one share."""
    return (z % (1 << width) >> shift) + server if shift > 0 else z << -shift


@pytest.mark.parametrize(("width", "shift"), [(9, 4), (9, 8)])
def test_the_specification(width: int, shift: int) -> None:
    """All values, all masks: shares modulo 2**(width - shift) of floor or floor + 1, and nothing else."""
    ring, found = 1 << width - shift, set()
    for value in range(1 << width):
        for mask in range(1 << width):
            parts = truncated(mask, width, shift, True), truncated(value - mask, width, shift, False)
            found.add((sum(parts) - (value >> shift)) % ring)
    assert found == {0, 1 % ring}


@pytest.mark.parametrize(("width", "shift", "server", "lanes"), [(64, 12, 1, 2), (20, -3, 0, 1)])
def test_share_truncate(width: int, shift: int, server: int, lanes: int) -> None:
    values = [v * 2654435761**3 % (1 << width) for v in range(lanes * 40)] + [0, (1 << width) - 1] * lanes
    out = width - max(shift, 0)
    expected = [truncated(v, width, shift, bool(server)) for v in values]
    check_streams(
        "share_truncate",
        {"InWidth": width, "Shift": shift, "Server": server, "Lanes": lanes},
        {"s": [beats(values, lanes, width)]},
        {"m": [beats(expected, lanes, out)]},
        pace=("m", 1, 1),
    )
