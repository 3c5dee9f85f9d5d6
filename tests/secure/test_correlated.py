# SPDX-License-Identifier: Apache-2.0
"""Correlated randomness: equations hold from both sources, streams lie where they must, nothing comes twice."""

import numpy as np
import pytest
from secure.parties import WIDE, both

from gatewright.errors import LinkError, ReuseError, RingError
from gatewright.ops._window import image_window
from gatewright.secure.beaver import multiply, multiply_matrices
from gatewright.secure.channel import pair
from gatewright.secure.correlated import base_transfer
from gatewright.secure.correlated.carry import Carry
from gatewright.secure.correlated.choose import Choose
from gatewright.secure.correlated.cross import Cross
from gatewright.secure.correlated.dealer import Dealer
from gatewright.secure.correlated.extension import Hash, Receiver, Sender, transposed
from gatewright.secure.correlated.material import Material, places
from gatewright.secure.correlated.merge import Merge
from gatewright.secure.correlated.powers import Powers
from gatewright.secure.correlated.product import Product
from gatewright.secure.correlated.square import Square
from gatewright.secure.correlated.transfer import Transfers
from gatewright.secure.correlated.triple import MatrixTriple, Triple
from gatewright.secure.geometry import Geometry
from gatewright.secure.program import Program
from gatewright.secure.role import Role
from gatewright.secure.shares import reconstruct, share
from gatewright.secure.step import Step
from gatewright.secure.steps.relu import Relu
from gatewright.secure.steps.x2act import X2act
from gatewright.secure.stream import fresh_seed, keystream, random_words
from gatewright.secure.words import from_plane, reduced, signed, to_words, word_type

COUNT = 21


def randomly(correlation, role, count, rng, wanted):
    """Random arrays for the fields that `wanted` accepts."""
    found = {}
    for field in correlation.fields(role):
        if wanted(field):
            shape = field.stored if field.model else (count, *field.stored)
            kind = np.uint8 if field.planes else word_type(correlation.word)
            found[field.name] = rng.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    return found


def made(correlation, source, count=3):
    """Both parties' arrays, words modulo the ring that they are needed in."""
    rng = np.random.default_rng(11)
    if source == "dealer":
        server = randomly(correlation, Role.SERVER, count, rng, lambda f: f.kind is not None)
        client = randomly(correlation, Role.CLIENT, count, rng, lambda f: f.kind is not None)
        fixed = {f.name: server[f.name] for f in correlation.fields(Role.SERVER) if f.model}
        if fixed:
            correlation.fix(fixed)
        return server, client | correlation.deal(server, client)
    ends = pair(timeout=20)
    own = [randomly(correlation, r, count, rng, lambda f: f.own) for r in Role]

    def run(role):
        fixed = {f.name: own[role][f.name] for f in correlation.fields(role) if f.model}
        if fixed:
            correlation.fix(fixed)
        return own[role] | correlation.transfer(role, Transfers(role, ends[role]), own[role], count)

    return both(lambda: run(Role.SERVER), lambda: run(Role.CLIENT))


SOURCES = pytest.mark.parametrize("source", ["dealer", "transfer"])
BITS = pytest.mark.parametrize("bits,word", [(1, 32), (13, 64), (32, 32), (64, 64)])


def checked_fields(correlation, server, client):
    for role, arrays in zip(Role, (server, client), strict=True):
        for field in correlation.fields(role):
            shape = arrays[field.name].shape
            assert shape == (field.stored if field.model else (3, *field.stored)), field


def bits_of(arrays, *names, count=COUNT):
    return (from_plane(arrays[n], count, 64) for n in names)


@SOURCES
def test_cross(source):
    one = Cross(4, COUNT)
    one.word = 64
    server, client = made(one, source)
    checked_fields(one, server, client)
    (r0, t0), (r1, t1) = bits_of(server, "r", "t"), bits_of(client, "r", "t")
    assert np.array_equal(t0 ^ t1, r0 & r1) and 0 < r0.mean() < 1 and 0 < r1.mean() < 1


@SOURCES
@pytest.mark.parametrize("pairs", [1, 4])
def test_merge(source, pairs):
    one = Merge(pairs, COUNT)
    one.word = 64
    server, client = made(one, source)
    checked_fields(one, server, client)
    a, b, bb, c, cc = (
        x ^ y for x, y in zip(*(bits_of(p, "a", "b", "bb", "c", "cc") for p in (server, client)), strict=True)
    )
    assert np.array_equal(c, a & b) and np.array_equal(cc, a[:, 1:] & bb)
    assert 0.2 < a.mean() < 0.8 and 0.2 < b.mean() < 0.8


@SOURCES
@BITS
def test_carry(source, bits, word):
    one = Carry(COUNT, bits, word)
    server, client = made(one, source)
    checked_fields(one, server, client)
    (r0,), (r1,) = (bits_of(p, "r") for p in (server, client))
    assert np.array_equal(reduced(server["g"] + client["g"], bits), r0 & r1)


@SOURCES
@BITS
@pytest.mark.parametrize("receiver", Role)
def test_choose(source, bits, word, receiver):
    one = Choose(COUNT, bits, word, receiver)
    server, client = made(one, source)
    checked_fields(one, server, client)
    sender, taker = (server, client) if receiver is Role.CLIENT else (client, server)
    r = from_plane(taker["r"], COUNT, word)
    assert np.array_equal(reduced(taker["w"], bits), reduced(sender["v"] + r * sender["a"], bits))


@SOURCES
@BITS
def test_square(source, bits, word):
    one = Square(3, 7, bits, word)
    server, client = made(one, source)
    checked_fields(one, server, client)
    q = server["q"] + client["q"]
    assert np.array_equal(reduced(server["qq"] + client["qq"], bits), reduced(q * q, bits))


@BITS
def test_powers(bits, word):
    source = min(6, bits)
    one = Powers(1, 4000, source, bits, word)
    server, client = made(one, "dealer", 1)
    u, uu, s, ss = (reduced(server[n] + client[n], bits) for n in ("u", "uu", "s", "ss"))
    assert np.array_equal(np.unique(u), np.arange(2**source)), "q takes all values of the small ring"
    low = to_words(signed(u, source), word)
    for found, wanted in ((uu, u * u), (s, low), (ss, low * low)):
        assert np.array_equal(found, reduced(wanted, bits))
    with pytest.raises(RingError, match="ride_along=False"):
        one.transfer(Role.SERVER, None, {}, 1)


GEOMETRIES = [Geometry(3, 8, 5, 1), Geometry(20, 4, 6, 2, image_window((3, 2), (2, 1), (1, 0), (1, 1), 4, 5))]


@SOURCES
@BITS
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=["linear", "convolution"])
def test_product(source, bits, word, geometry):
    one = Product(geometry, bits, word)
    server, client = made(one, source)
    checked_fields(one, server, client)
    patches = geometry.patches(client["A"].astype(object))
    sums = np.stack([p.dot(m) for p, m in zip(patches, server["B"].astype(object), strict=True)])
    wanted = geometry.gathered(sums, 3) % 2**bits
    assert np.array_equal(reduced(server["C"] + client["C"], bits).astype(object), wanted)


@SOURCES
@BITS
@pytest.mark.parametrize("matrices", [False, True], ids=["elements", "matrices"])
def test_beaver_products_of_shared_values(source, bits, word, matrices):
    rng, ends = np.random.default_rng(12), pair()
    if matrices:
        triple, product, plain = MatrixTriple(2, 5, 4, bits, word), multiply_matrices, np.matmul
        x, y = rng.integers(-50, 50, (3, 2, 5)), rng.integers(-50, 50, (3, 5, 4))
    else:
        triple, product, plain = Triple(COUNT, bits, word), multiply, np.multiply
        x, y = rng.integers(-50, 50, (2, 3, COUNT))
    drawn = made(triple, source)
    checked_fields(triple, *drawn)
    xs, ys = share(x, word), share(y, word)
    results = both(
        lambda: product(Role.SERVER, ends[0], xs[0], ys[0], drawn[0], bits),
        lambda: product(Role.CLIENT, ends[1], xs[1], ys[1], drawn[1], bits),
    )
    assert np.array_equal(reconstruct(*results, bits), signed(to_words(plain(x, y), word), bits))


def test_base_transfers():
    choices = np.array([0, 1, 1, 0, 1], np.uint8)
    ends = pair()
    offered, taken = both(lambda: base_transfer.send(ends[0], 5), lambda: base_transfer.receive(ends[1], choices))
    assert [two[c] for two, c in zip(offered, choices, strict=True)] == taken
    assert len({s for two in offered for s in two}) == 10


def test_a_point_off_the_curve_is_refused():
    ends = pair()
    ends[1].send(b"\x02" + b"\xff" * 32 + base_transfer.random_point())
    with pytest.raises(LinkError, match="no point of the curve"):
        base_transfer.send(ends[0], 1)


def test_extension():
    ends = pair()
    sender, receiver = both(lambda: Sender(ends[0]), lambda: Receiver(ends[1]))
    rng = np.random.default_rng(13)
    seen = []
    for count in (1, 8, 1000):
        choices = rng.integers(0, 2, count, np.uint8)
        before = ends[1].sent
        offered, taken = both(lambda n=count: sender.offer(n), lambda c=choices: receiver.take(c))
        assert ends[1].sent - before == 128 * -(-count // 8)
        for size in (1, 16, 45):
            zero, one = offered.pads(slice(0, count), size)
            own = taken.pads(slice(0, count), size)
            assert np.array_equal(own, np.where(choices[:, None] == 1, one, zero))
        seen += [*map(bytes, zero), *map(bytes, one)]
        part = slice(count // 2, count)
        assert np.array_equal(taken.pads(part, 45), own[part])
    assert len(set(seen)) == len(seen), "pads of different transfers, also of different batches, differ"


def test_transposition_and_hash():
    bits = np.random.default_rng(14).integers(0, 2, (128, 40), np.uint8)
    columns = np.packbits(bits, axis=1, bitorder="little")
    assert np.array_equal(np.unpackbits(transposed(columns), axis=1, bitorder="little"), bits.T)
    rows = np.zeros((3, 16), np.uint8)
    one = Hash(bytes(16))
    assert len({bytes(r) for r in one(rows, 5, 16)}) == 3, "equal rows of different transfers"
    assert np.array_equal(one(rows, 5, 16)[1:], one(rows[1:], 6, 16))


def program_of(*steps):
    return Program("test", steps[0].word, WIDE, WIDE, steps)


def test_streams_lie_where_hardware_expects_them():
    act = X2act((), 2, 3, 30, 32, 8, (1,), (0,))
    program = program_of(act, act)
    seed = fresh_seed()
    drawn = Material(program, Role.SERVER, seed).take(range(9, 11))
    for step in (0, 1):
        for name, kind in (("u", 3), ("uu", 4), ("s", 5), ("ss", 6)):
            for k, query in enumerate((9, 10)):
                wanted = random_words(seed, step * 8 + kind, query, (2, 3), 32)
                assert np.array_equal(drawn[step]["powers"][name][k], wanted)


def test_fields_of_one_stream_follow_each_other_from_whole_words():
    relu = Relu((), 1, COUNT, 40, 64, 5)
    program, seed = program_of(relu), fresh_seed()
    found = [p for p in places(program, Role.SERVER, True) if p.seeded]
    assert [p.start % 8 for p in found] == [0] * len(found)
    drawn = Material(program, Role.SERVER, seed).take(range(1))[0]
    stream = keystream(seed, 7, 0, 10000)
    for place in found:
        array = drawn[place.correlation][place.field.name]
        assert array.tobytes() == stream[place.start : place.start + array.nbytes]
    ends = [p.start + p.field.count * (1 if p.field.planes else 8) for p in found]
    assert all(0 <= b.start - a < 8 for a, b in zip(ends, found[1:], strict=False))


@pytest.mark.parametrize("dealer", [True, False])
def test_randomness_is_taken_once(dealer):
    program = program_of(Relu((), 1, COUNT, 20, 32, 5))
    seeds = fresh_seed(), fresh_seed()
    material = Material(program, Role.CLIENT, seeds[1], dealer)
    if dealer:
        material.add(0, Dealer(program, *seeds).corrections(range(6)))
    else:
        material.add(0, bytes(6 * material.size))
    material.take(range(1, 3))
    for gone in (range(1), range(2, 4)):
        with pytest.raises(ReuseError, match="3 and up"):
            material.take(gone)
    with pytest.raises(ReuseError, match="none for query 6"):
        material.take(range(5, 8))
    with pytest.raises(ReuseError, match="consecutive"):
        material.take(range(3, 3))
    material.take(range(3, 6))
    assert material.next_query == 6 and not material._stored
    with pytest.raises(LinkError, match="multiple of"):
        material.add(9, bytes(material.size + 1))


def test_a_seed_is_all_that_the_server_needs_from_a_dealer():
    for kind in (X2act((), 2, 3, 30, 32, 8, (1,), (0,)), Relu((), 1, COUNT, 20, 32, 5)):
        assert Material(program_of(kind), Role.SERVER, fresh_seed()).size == 0
    assert Step.known
