# SPDX-License-Identifier: Apache-2.0
"""Bench of x2act: each party's shares are the specification's, and together the polynomial of every value."""

import random

import pytest
from rtl.plan_bench import beats, check_streams, word

WORD = 64


def masks(rng: random.Random, width: int, q: int) -> list[list[int]]:
    """Shares of q, q**2, qs, qs**2, of the server and of the client."""
    signed = q - (1 << width if q >> width - 1 else 0)
    server = [rng.getrandbits(WORD) for _ in range(4)]
    return [server, [(v - s) % (1 << WORD) for v, s in zip((q, q * q, signed, signed * signed), server, strict=True)]]


def share(party: int, opened: int, words: list[int], polynomial: tuple[int, int, int], width: int) -> int:
    """One party's share of a x**2 + b x + c, as the specification has it: shares of x' and of its square first."""
    a, b, c = polynomial
    e = opened - (1 << width if opened >> width - 1 else 0)
    p, pp = words[:2] if opened >> width - 1 else words[2:]
    x, square = p, pp + 2 * e * p
    if party == 0:
        x, square = x + e, square + e * e
    half = 1 << width - 2
    # (x' - h)**2 = x'**2 - 2 h x' + h**2
    y = a * (square - 2 * half * x) + b * x
    return y + (a * half * half - b * half + c if party == 0 else 0)


def test_the_specification() -> None:
    """Every value and every mask of a ring of 6 bits."""
    rng, width, polynomial = random.Random(0), 6, (3, -17, 5)
    for q in range(1 << width):
        words = masks(rng, width, q)
        for x in range(-(1 << width - 2) + 1, 1 << width - 2):
            opened = (x + (1 << width - 2) - q) % (1 << width)
            y = sum(share(i, opened, words[i], polynomial, width) for i in (0, 1)) % (1 << WORD)
            assert y == (3 * x * x - 17 * x + 5) % (1 << WORD)


@pytest.mark.parametrize(("server", "width", "out", "lanes", "count"), [(1, 25, 40, 2, 3), (0, 31, 64, 1, 1)])
def test_x2act(server: int, width: int, out: int, lanes: int, count: int) -> None:
    """`count` beats per token, every channel with its polynomial; all that passes the ports of one party."""
    rng, party, half, square = random.Random(width), 1 - server, 1 << width - 2, 8
    polynomials = [
        (rng.randrange(-128, 128), rng.randrange(-(1 << 20), 1 << 20), rng.getrandbits(34))
        for _ in range(count * lanes)
    ]
    ports: dict[str, list[list[int]]] = {p: [] for p in "sqrem"}
    for tokens in (1, 2, 7):
        columns: dict[str, list[int]] = {p: [] for p in "srem"}
        sides: list[list[int]] = []
        for polynomial in polynomials * tokens:
            x = rng.choice((half - 1, 1 - half, rng.randrange(1 - half, half)))
            q, x0 = rng.getrandbits(width), rng.getrandbits(width)
            parts, words = (x0, x - x0), masks(rng, width, q)
            sent = [(parts[i] + (half if i == 0 else 0) - words[i][0]) % (1 << width) for i in (0, 1)]
            opened = sum(sent) % (1 << width)
            shares = [share(i, opened, words[i], polynomial, width) for i in (0, 1)]
            assert sum(shares) % (1 << WORD) == (polynomial[0] * x * x + polynomial[1] * x + polynomial[2]) % (
                1 << WORD
            )
            columns["s"].append(parts[party])
            columns["e"].append(sent[party])
            columns["r"].append(sent[1 - party])
            columns["m"].append(shares[party])
            sides.append(words[party])
        for port, values in columns.items():
            ports[port].append(beats(values, lanes, out if port == "m" else width))
        groups = [sides[i : i + lanes] for i in range(0, len(sides), lanes)]
        ports["q"].append([word([s[k] for k in range(4) for s in group], out) for group in groups])
    check_streams(
        "x2act",
        {
            "Width": width,
            "OutWidth": out,
            "Lanes": lanes,
            "Beats": count,
            "SquareWidth": square,
            "Server": server,
            "Flight": 4,
        },
        {p: ports[p] for p in "sqr"},
        {p: ports[p] for p in "em"},
        loads={"w": coefficients(polynomials, width, out, square, lanes, bool(server))},
        pace=("m", 1, 1),
    )


def coefficients(
    polynomials: list[tuple[int, int, int]], width: int, out: int, square: int, lanes: int, server: bool
) -> list[int]:
    """Rows of the load chain: per lane a, B = b - 2 a h, and at the server C = a h**2 - b h + c."""
    half, found = 1 << width - 2, []
    for i in range(0, len(polynomials), lanes):
        whole = bits = 0
        for a, b, c in polynomials[i : i + lanes]:
            fields = [(a, square), (b - 2 * a * half, out), (a * half * half - b * half + c, out)]
            for value, size in fields if server else fields[:2]:
                whole |= value % (1 << size) << bits
                bits += size
        found += [whole >> 32 * k & 0xFFFFFFFF for k in range(-(-bits // 32))]
    return found
