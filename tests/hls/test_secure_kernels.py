# SPDX-License-Identifier: Apache-2.0
"""The HLS kernels of the two-party datapath in C simulation, against the software parties' own functions."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from gatewright.secure.stream import random_words
from gatewright.sim.csim import compiled

WORDS = npt.NDArray[np.uint64]

TEXT = """
#include "secure_linear.hpp"
#include "secure_random.hpp"
#include "secure_truncate.hpp"
#include "secure_x2act.hpp"
using namespace gatewright;
typedef unsigned long long u64;

template <class B> void fill(hls::stream<B> &s, const u64 *x, int n) {
    for (int i = 0; i < n; i += B::size) {
        B b;
        for (unsigned l = 0; l < B::size; ++l) b.data[l] = x[i + l];
        b.last = i + int(B::size) == n;
        s.write(b);
    }
}
template <class B> int drain(hls::stream<B> &s, u64 *y) {
    int n = 0;
    bool last = false;
    while (!s.empty()) {
        const B b = s.read();
        for (unsigned l = 0; l < B::size; ++l) y[n++] = b.data[l].to_uint64();
        last = b.last;
    }
    return last ? n : -n;
}
template <int S> struct shifts { static const int shift = S; static const bool server = S != 8; };
template <int S, int IN, int OUT> int cut(const u64 *x, u64 *y, int n) {
    hls::stream<beat<ap_uint<IN>, 2> > a("a");
    hls::stream<beat<ap_uint<OUT>, 2> > b("b");
    fill(a, x, n);
    secure_truncate<shifts<S> >(a, b);
    return drain(b, y);
}
struct product { static const unsigned groups = 2, ins = 6, outs = 4; };
template <int W>
int multiply(const u64 *x, const u64 *addend, const long long *w, const u64 *bias, u64 *y, int tokens) {
    static ap_int<W> weight[48];
    static ap_uint<41> offset[8];
    for (int i = 0; i < 48; ++i) weight[i] = w[i];
    for (int i = 0; i < 8; ++i) offset[i] = bias[i];
    hls::stream<beat<ap_uint<41>, 3> > a("a");
    hls::stream<beat<ap_uint<41>, 2> > c("c"), b("b");
    fill(a, x, 12 * tokens);
    fill(c, addend, 8 * tokens);
    secure_linear<product>(a, c, b, weight, offset);
    return drain(b, y);
}
template <bool S> struct party { static const unsigned channels = 4; static const bool server = S; };
template <bool S>
int activate(const u64 *x, const u64 *q, const u64 *answer, const u64 *table, u64 *sent, u64 *y, int n) {
    static ap_int<8> square[4];
    static ap_uint<50> slope[4], constant[4];
    for (int i = 0; i < 4; ++i) {
        square[i] = (long long)table[i];
        slope[i] = table[4 + i];
        constant[i] = table[8 + i];
    }
    typedef beat<ap_uint<21>, 2> small;
    hls::stream<small> a("a"), r("r"), peer("peer"), own("own");
    hls::stream<beat<ap_uint<50>, 8> > powers("powers"), kept("kept");
    hls::stream<beat<ap_uint<50>, 2> > b("b");
    fill(a, x, n);
    fill(powers, q, 4 * n);
    fill(r, answer, n);
    secure_mask<party<S> >(a, powers, peer, own, kept);
    secure_square<party<S> >(own, kept, r, b, square, slope, constant);
    drain(peer, sent);
    return drain(b, y);
}
template <int W> int expand(const u64 *key, u64 stream, u64 query, u64 *y, int n) {
    chacha_word k[8];
    for (int i = 0; i < 8; ++i) k[i] = key[i];
    hls::stream<beat<ap_uint<W>, 1> > b("b");
    secure_random(k, stream, query, n, b);
    return drain(b, y);
}
extern "C" {
int cut_right(const u64 *x, u64 *y, int n) { return cut<5, 13, 8>(x, y, n); }
int cut_client(const u64 *x, u64 *y, int n) { return cut<8, 64, 56>(x, y, n); }
int cut_left(const u64 *x, u64 *y, int n) { return cut<-3, 20, 20>(x, y, n); }
int multiply_narrow(const u64 *x, const u64 *a, const long long *w, const u64 *b, u64 *y, int t) {
    return multiply<8>(x, a, w, b, y, t);
}
int multiply_wide(const u64 *x, const u64 *a, const long long *w, const u64 *b, u64 *y, int t) {
    return multiply<41>(x, a, w, b, y, t);
}
int activate_server(const u64 *x, const u64 *q, const u64 *r, const u64 *t, u64 *s, u64 *y, int n) {
    return activate<true>(x, q, r, t, s, y, n);
}
int activate_client(const u64 *x, const u64 *q, const u64 *r, const u64 *t, u64 *s, u64 *y, int n) {
    return activate<false>(x, q, r, t, s, y, n);
}
int expand_64(const u64 *k, u64 s, u64 q, u64 *y, int n) { return expand<64>(k, s, q, y, n); }
int expand_32(const u64 *k, u64 s, u64 q, u64 *y, int n) { return expand<32>(k, s, q, y, n); }
}
"""


@cache
def library() -> ctypes.CDLL:
    return ctypes.CDLL(str(compiled(TEXT, "the kernels of two parties")))


def call(name: str, *arguments: object, size: int) -> WORDS:
    """Run a kernel whose result has `size` words and ends with `last`; arrays go as pointers."""
    out = np.zeros(size, np.uint64)
    given = [
        ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else ctypes.c_uint64(int(str(a))) for a in arguments
    ]
    last = ctypes.c_int(size)
    if name.startswith("multiply"):
        last = ctypes.c_int(size // 8)
    count = getattr(library(), name)(*given, ctypes.c_void_p(out.ctypes.data), last)
    assert count == size
    return out


def words(rng: np.random.Generator, bits: int, count: int) -> WORDS:
    found = rng.integers(0, 1 << 63, count, dtype=np.uint64) * np.uint64(2) + rng.integers(0, 2, count, dtype=np.uint64)
    found[:2] = 0, (1 << 64) - 1
    return found & np.uint64((1 << bits) - 1)


@pytest.mark.parametrize(
    ("name", "width", "shift", "server"), [("cut_right", 13, 5, 1), ("cut_client", 64, 8, 0), ("cut_left", 20, -3, 1)]
)
def test_truncate(name: str, width: int, shift: int, server: int) -> None:
    z = words(np.random.default_rng(width), width, 40)
    ring = 1 << (width - max(shift, 0))
    expected = [((int(v) >> shift) + server if shift > 0 else int(v) << -shift) % ring for v in z]
    assert call(name, z, size=40).tolist() == expected


@pytest.mark.parametrize(("name", "bits"), [("multiply_narrow", 8), ("multiply_wide", 41)])
def test_linear(name: str, bits: int) -> None:
    rng, ring, tokens = np.random.default_rng(bits), 1 << 41, 3
    weight = rng.integers(-(1 << bits - 1), 1 << bits - 1, (2, 4, 6))
    x, addend, bias = (words(rng, 41, n) for n in (12 * tokens, 8 * tokens, 8))
    # Group, fold, step, output, input: two outputs and three inputs at a time.
    rows = np.ascontiguousarray(weight.reshape(2, 2, 2, 2, 3).transpose(0, 1, 3, 2, 4))
    y = np.einsum("tgi,goi->tgo", x.astype(object).reshape(tokens, 2, 6), weight.astype(object)).reshape(tokens, 8)
    y = (y + addend.astype(object).reshape(tokens, 8) + bias.astype(object)) % ring
    assert call(name, x, addend, rows, bias, size=8 * tokens).tolist() == y.reshape(-1).tolist()


def test_x2act() -> None:
    """Both parties' kernels give shares of the polynomial, and what they send is what the other expects."""
    rng, ring, count, width = np.random.default_rng(0), 1 << 50, 24, 21
    half = 1 << (width - 2)
    a, b, c = (rng.integers(-100, 100, 4), rng.integers(-(1 << 20), 1 << 20, 4), rng.integers(0, 1 << 34, 4))
    x = rng.integers(1 - half, half, count).astype(object)
    x[:2] = 1 - half, half - 1
    q = words(rng, width, count).astype(object)
    signed = np.array([v - (1 << width if v >> (width - 1) else 0) for v in q], object)
    masks = [words(rng, 50, count).astype(object) for _ in range(4)]
    own = {"server": words(rng, width, count).astype(object), "client": None}
    own["client"] = (x - own["server"]) % (1 << width)
    powers = {
        "server": masks,
        "client": [(v - m) % ring for v, m in zip((q, q * q, signed, signed * signed), masks, strict=True)],
    }
    sent = {n: (own[n] - powers[n][0] + (half if n == "server" else 0)) % (1 << width) for n in ("server", "client")}
    table = np.array(
        [
            *(int(v) & (1 << 64) - 1 for v in a),
            *((b - 2 * a * half) % ring),
            *((a * half * half - b * half + c) % ring),
        ],
        np.uint64,
    )
    total = np.zeros(count, object)
    for name, peer in (("server", "client"), ("client", "server")):
        side = np.stack([p.reshape(-1, 2) for p in powers[name]], axis=1).reshape(-1).astype(np.uint64)
        shown = np.zeros(count, np.uint64)
        y = call(
            f"activate_{name}",
            own[name].astype(np.uint64),
            side,
            sent[peer].astype(np.uint64),
            table,
            shown,
            size=count,
        )
        assert shown.tolist() == sent[name].tolist()
        total = total + y.astype(object)
    channel = np.arange(count) % 4
    assert (total % ring).tolist() == ((a[channel] * x * x + b[channel] * x + c[channel]) % ring).tolist()


@pytest.mark.parametrize("bits", [32, 64])
def test_random_words(bits: int) -> None:
    """The words of the software parties, which are checked against RFC 8439."""
    seed, stream, query = bytes(range(32)), 77, (1 << 40) + 3
    key = np.frombuffer(seed, "<u4").astype(np.uint64)
    expected = random_words(seed, stream, query, (37,), bits)
    assert call(f"expand_{bits}", key, stream, query, size=37).tolist() == expected.tolist()
