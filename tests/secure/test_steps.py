# SPDX-License-Identifier: Apache-2.0
"""Every step against integers, exhaustively on small rings where that is possible."""

import numpy as np
import pytest
from secure.parties import run_step, shared, signed_result

from gatewright.ops._window import image_window
from gatewright.secure.geometry import Geometry
from gatewright.secure.step import Step
from gatewright.secure.steps.add import Sum
from gatewright.secure.steps.average_pool import WindowSum
from gatewright.secure.steps.concat import Join
from gatewright.secure.steps.extend import Extend
from gatewright.secure.steps.input import Input
from gatewright.secure.steps.max_pool import MaxPool
from gatewright.secure.steps.product import Product
from gatewright.secure.steps.relu import Relu
from gatewright.secure.steps.reshape import Reshape
from gatewright.secure.steps.reveal import Reveal
from gatewright.secure.steps.shift_left import ShiftLeft
from gatewright.secure.steps.truncate import Truncate
from gatewright.secure.steps.x2act import X2act
from gatewright.secure.steps.x2act_plain import X2actPlain
from gatewright.secure.words import reduced, signed, to_words

WORD = 64
RING = 6
TESTED = {
    Sum, WindowSum, Join, Extend, Input, MaxPool, Product, Relu, Reshape, Reveal, ShiftLeft, Truncate, X2act, X2actPlain
}  # fmt: skip


def test_no_step_is_left_out():
    assert set(Step.known.values()) == TESTED


def grid(low, high, masks):
    """Every x in [low, high) with every mask in [0, masks), flat, as one token: x, and the server's share."""
    x, mask = np.meshgrid(np.arange(low, high), np.arange(masks), indexing="ij")
    return x.reshape(1, 1, -1), mask.reshape(1, 1, -1)


def shares_of(x, first, bits, word=WORD):
    """Shares with given values at the server; garbage above `bits` at both."""
    noise = to_words(np.random.default_rng(3).integers(0, 2**31, (2, *x.shape)), word)
    kind = noise.dtype.type
    zero, one = to_words(first, word), reduced(to_words(x - first, word), bits)
    return (zero + (noise[0] << kind(bits)),), (one + (noise[1] << kind(bits)),)


@pytest.mark.parametrize("shift", [1, 3, 5])
@pytest.mark.parametrize("word", [32, 64])
def test_truncate_is_floor_or_one_more_for_every_value_and_share(shift, word):
    z, first = grid(-(2 ** (RING - 1)), 2 ** (RING - 1), 2**RING)
    step = Truncate((), 1, z.size, RING - shift, word, shift)
    found = run_step(step, shares_of(z, first, RING, word)).astype(np.int64)
    up = (found - (z >> shift)) % 2 ** (RING - shift)
    assert np.isin(up, (0, 1)).all()
    # Over all masks: up as often as the dropped part says, and once more.
    rate = up.reshape(2**RING, 2**RING).sum(axis=1)
    dropped = np.arange(-(2 ** (RING - 1)), 2 ** (RING - 1)) % 2**shift
    assert np.array_equal(rate, (dropped + 1) * 2 ** (RING - shift))


@pytest.mark.parametrize("bits", [RING + 1, 20, WORD])
def test_extend_is_exact_for_every_value_and_share(bits):
    quarter = 2 ** (RING - 2)
    x, first = grid(-quarter, quarter, 2**RING)
    step = Extend((), 1, x.size, bits, WORD, RING)
    assert np.array_equal(signed_result(run_step(step, shares_of(x, first, RING)), step), x)


@pytest.mark.parametrize("bits", [9, 30, WORD])
def test_x2act_is_exact_for_every_value_and_mask(bits):
    quarter = 2 ** (RING - 2)
    x, q = grid(-quarter, quarter, 2**RING)
    a, b, c = -3, 17, 5
    step = X2act((), 1, x.size, bits, WORD, RING, (a,), (b,))
    # The opened value is x - q for every q; shares of x and of the powers are random.
    low = signed(to_words(q, WORD), RING)
    values = {"u": q, "uu": q * q, "s": low, "ss": low * low}
    parts = {n: shared(v, WORD, WORD) for n, v in values.items()}
    drawn = [{"powers": {n: parts[n][k][0] for n in parts}} for k in range(2)]
    found = run_step(step, shared(x, RING, WORD), {"constant": np.full(x.size, c)}, (drawn[0], drawn[1]))
    assert np.array_equal(found, reduced(to_words(a * x * x + b * x + c, WORD), bits))


@pytest.mark.parametrize("word", [32, 64])
@pytest.mark.parametrize("kind", [X2act, X2actPlain])
def test_x2act_with_coefficients_per_channel(kind, word):
    rng = np.random.default_rng(4)
    x = rng.integers(-100, 101, (3, 5, 4))
    a, b, c = (rng.integers(-50, 51, 4) for _ in range(3))
    source = {"source": 9} if kind is X2act else {}
    step = kind((), 5, 4, 27, word, square=tuple(a.tolist()), slope=tuple(b.tolist()), **source)
    found = run_step(step, shared(x, 9 if source else 27, word), {"constant": c})
    assert np.array_equal(signed(found, 27), a * x * x + b * x + c)


@pytest.mark.parametrize("compare", [1, 2, 3, 5, RING])
@pytest.mark.parametrize("bits", [2, RING, RING + 1, 24, WORD])
def test_relu_is_exact_for_every_value_and_share(compare, bits):
    half = 2 ** (compare - 1)
    step = Relu((), 1, 1, bits, WORD, compare)
    (source,) = step.needs()
    x, first = grid(-half, half, 2 ** min(source, 8))
    step = Relu((), 1, x.size, bits, WORD, compare)
    found = run_step(step, shares_of(x, first, source))
    assert np.array_equal(found, reduced(to_words(np.maximum(x, 0), WORD), bits))


@pytest.mark.parametrize("word", [32, 64])
@pytest.mark.parametrize("ring", [32, 64])
def test_relu_takes_at_most_eighty_bytes_whatever_the_ring(word, ring):
    ring = min(word, ring)
    step = Relu((), 8, 125, ring, word, ring)
    size = sum(e.up + e.down for e in step.exchanges()) / step.count
    assert size <= 80
    x = np.random.default_rng(5).integers(-(2 ** (ring - 1)), 2 ** (ring - 1), (1, 8, 125))
    assert np.array_equal(signed_result(run_step(step, shared(x, ring, word)), step), np.maximum(x, 0))


WINDOWS = [
    image_window((2, 2), (2, 2), (0, 0), (1, 1), 4, 6),
    image_window((3, 3), (2, 1), (1, 1), (1, 1), 4, 6),
    image_window((1, 5), (1, 1), (0, 2), (1, 1), 4, 6),
]


@pytest.mark.parametrize("window", WINDOWS, ids=lambda w: f"{w.kernel}")
@pytest.mark.parametrize("bits", [5, 24])
def test_max_pool(window, bits):
    geometry = Geometry(24, 3, 3, 1, window)
    x = np.random.default_rng(6).integers(-8, 8, (2, 24, 3))
    x[0] = -8
    step = MaxPool((), geometry.positions, 3, bits, WORD, geometry, 5, -8)
    found = signed_result(run_step(step, shared(x, step.ring, WORD)), step)
    wanted = np.stack([window.patches(v, -(10**6)).max(axis=1) for v in x])
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("window", WINDOWS, ids=lambda w: f"{w.kernel}")
def test_window_sum(window):
    geometry = Geometry(24, 3, 3, 3, window)
    x = np.random.default_rng(7).integers(-100, 100, (2, 24, 3))
    step = WindowSum((), geometry.positions, 3, 30, 32, geometry, 77)
    found = signed_result(run_step(step, shared(x, 30, 32)), step)
    assert np.array_equal(found, 77 * np.stack([window.patches(v).sum(axis=1) for v in x]))


GEOMETRIES = [
    Geometry(2, 37, 5),
    Geometry(1, 12, 6, groups=3),
    Geometry(20, 2, 3, window=image_window((3, 2), (2, 1), (1, 0), (1, 1), 4, 5)),
    Geometry(12, 4, 8, groups=4, window=image_window((2, 2), (1, 1), (0, 1), (1, 2), 3, 4)),
]


@pytest.mark.parametrize("dealer", [True, False], ids=["dealer", "transfer"])
@pytest.mark.parametrize("bits,word", [(24, 64), (32, 32), (64, 64)])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: f"{g.tokens}x{g.inputs}")
def test_product(geometry, bits, word, dealer):
    rng = np.random.default_rng(8)
    x = rng.integers(-128, 128, (2, geometry.tokens, geometry.inputs))
    weight = rng.integers(-128, 128, geometry.weight_shape)
    bias = rng.integers(-1000, 1000, geometry.outputs)
    step = Product((), geometry.positions, geometry.outputs, bits, word, geometry)
    found = run_step(step, shared(x, bits, word), {"weight": weight, "bias": bias}, dealer=dealer)
    patches = geometry.patches(x)
    wanted = geometry.gathered(np.matmul(patches, weight), 2) + bias
    assert np.array_equal(signed_result(found, step), wanted)


@pytest.mark.parametrize("step", [Extend, Relu, X2actPlain, MaxPool], ids=lambda s: s.__name__)
def test_without_a_dealer(step):
    rng = np.random.default_rng(9)
    x = rng.integers(-60, 60, (2, 24, 3))
    if step is X2actPlain:
        made, source, wanted = step((), 24, 3, 21, 32, (7,), (-9,)), 21, 7 * x * x - 9 * x + 3
    elif step is Extend:
        made, source, wanted = step((), 24, 3, 30, 32, 8), 8, x
    elif step is Relu:
        made, source, wanted = step((), 24, 3, 30, 32, 7), 8, np.maximum(x, 0)
    else:
        geometry = Geometry(24, 3, 3, 1, WINDOWS[0])
        made, source = step((), 6, 3, 8, 32, geometry, 8, -64), 8
        wanted = np.stack([WINDOWS[0].patches(v).max(axis=1) for v in x])
    found = run_step(made, shared(x, source, 32), {"constant": np.full(3, 3)}, dealer=False)
    assert np.array_equal(signed_result(found, made), wanted)


def test_local_steps():
    rng = np.random.default_rng(10)
    x, y = rng.integers(-9, 9, (2, 2, 6, 4))
    a, b = shared(x, 12, 64), shared(y, 12, 64)
    two = (a[0] + b[0], a[1] + b[1])
    added = Sum((), 6, 4, 12, 64, (2, 0))
    assert np.array_equal(signed_result(run_step(added, two), added), 4 * x + y)
    joined = Join((), 6, 8, 12, 64)
    assert np.array_equal(signed_result(run_step(joined, two), joined), np.concatenate([x, y], axis=2))
    left = ShiftLeft((), 6, 4, 14, 64, 3)
    assert left.needs() == (11,)
    assert np.array_equal(signed_result(run_step(left, shared(x, 11, 64)), left), 8 * x)
    flat = Reshape((), 1, 24, 12, 64)
    assert np.array_equal(signed_result(run_step(flat, a), flat), x.reshape(2, 1, 24))
