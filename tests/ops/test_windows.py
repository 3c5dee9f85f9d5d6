# SPDX-License-Identifier: Apache-2.0
"""Golden meaning of the windowed operators against torch, and their type rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from harness import check_operator

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Graph, Length, Node, TensorType, from_dict, to_dict
from gatewright.ops._reciprocal import divider, fraction_bits, reciprocal
from gatewright.ops.average_pool import AveragePool
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.global_pool import GlobalPool, Kind
from gatewright.ops.max_pool import MaxPool

S8 = Fixed(8, 4)
WIDE = Fixed(40, 0)


def images(rng: np.random.Generator, height: int, width: int, channels: int, fixed: Fixed = S8) -> Ints:
    return rng.integers(fixed.lo, fixed.hi + 1, (height * width, channels), dtype=np.int64)


def as_torch(x: Ints, *shape: int) -> torch.Tensor:
    """[tokens, channels] -> [1, channels, ..] in float64, exact."""
    return torch.from_numpy(x.T.astype(np.float64)).reshape(1, x.shape[1], *shape)


def as_tokens(y: torch.Tensor) -> Ints:
    """Inverse of `as_torch`."""
    return y.reshape(y.shape[1], -1).T.numpy().astype(np.int64)


def constants(rng: np.random.Generator, *shape: int) -> dict[str, Any]:
    """Random weights and biases without rounding, so that torch is exact."""
    weight = rng.integers(-8, 8, shape, dtype=np.int64)
    bias = rng.integers(-99, 99, shape[0], dtype=np.int64)
    return {
        "weight": weight,
        "bias": bias,
        "shift": np.zeros(shape[0], np.int64),
        "weight_width": 4,
        "output": WIDE,
    }


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        ((3, 3), (1, 1), (1, 1), (1, 1)),
        ((1, 1), (1, 1), (0, 0), (1, 1)),
        ((2, 4), (2, 3), (0, 2), (1, 1)),
        ((3, 2), (1, 2), (3, 1), (2, 3)),
        ((5, 5), (3, 3), (2, 2), (1, 1)),
    ],
)
def test_conv2d_equals_torch(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    circular: bool,
) -> None:
    rng = np.random.default_rng(groups)
    height, width = 7, 8
    part = constants(rng, 12, 6 // groups, *kernel)
    op = Conv2d(
        **part,
        height=height,
        width=width,
        groups=groups,
        stride=stride,
        padding=padding,
        dilation=dilation,
        circular=circular,
    )
    x = images(rng, height, width, 6)
    mode = "circular" if circular else "zeros"
    layer = torch.nn.Conv2d(6, 12, kernel, stride, padding, dilation, groups, padding_mode=mode).double()
    layer.weight.data = torch.from_numpy(part["weight"]).double()
    layer.bias.data = torch.from_numpy(part["bias"]).double()
    want = as_tokens(layer(as_torch(x, height, width)).detach())
    got = op.evaluate(x)
    assert np.array_equal(got, want)
    assert op.infer(TensorType(height * width, 6, S8)).tokens == len(want)


@pytest.mark.parametrize("padding", [(0,), (3,), (4, 0), (1, 3)])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("circular", [False, True])
def test_conv1d_equals_torch_at_every_length(
    padding: tuple[int, ...], stride: int, dilation: int, circular: bool
) -> None:
    rng = np.random.default_rng(stride)
    op = Conv1d(
        **constants(rng, 6, 2, 3),
        groups=3,
        stride=(stride,),
        padding=padding,
        dilation=(dilation,),
        circular=circular,
    )
    tokens = op.infer(TensorType(Length("n", 30, 5), 6, S8)).tokens
    assert isinstance(tokens, Length)
    for n in (5, 6, 7, 8, 13, 30):
        x = images(rng, n, 1, 6)
        mode = "circular" if circular else "constant"
        around = torch.nn.functional.pad(as_torch(x, n), (padding[0], padding[-1]), mode=mode)
        want = as_tokens(
            torch.nn.functional.conv1d(
                around,
                torch.from_numpy(op.weight).double(),
                torch.from_numpy(op.bias).double(),
                stride,
                0,
                dilation,
                3,
            )
        )
        assert np.array_equal(op.evaluate(x), want)
        assert tokens.at(n) == len(want)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [((2, 2), (2, 2), (0, 0), (1, 1)), ((3, 2), (1, 2), (1, 1), (1, 2)), ((4, 4), (3, 1), (2, 0), (1, 1))],
)
def test_max_pool_equals_torch(
    kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]
) -> None:
    # Negative only: a padding of zero would win.
    x = images(np.random.default_rng(1), 6, 9, 3) // 2 - 64
    op = MaxPool(kernel, stride, padding, dilation, 6, 9)
    want = torch.nn.functional.max_pool2d(as_torch(x, 6, 9), kernel, stride, padding, dilation)
    assert np.array_equal(op.evaluate(x), as_tokens(want))
    assert op.infer(TensorType(54, 3, S8)) == TensorType(want.shape[2] * want.shape[3], 3, S8)


def test_max_pool_over_a_sequence() -> None:
    x = images(np.random.default_rng(2), 11, 1, 4)
    want = torch.nn.functional.max_pool1d(as_torch(x, 11), 3, 2, 1)
    assert np.array_equal(MaxPool((3,), (2,), (1,), (1,)).evaluate(x), as_tokens(want))


@pytest.mark.parametrize(("kernel", "exact"), [((2, 2), True), ((4, 2), True), ((3, 3), False), ((2, 3), False)])
def test_average_pool_is_near_torch(kernel: tuple[int, int], exact: bool) -> None:
    """With 8 more fraction bits, a power of two is exact and any other divisor within its stated error."""
    x = images(np.random.default_rng(3), 6, 9, 3, Fixed(16, 0))
    op = AveragePool(kernel, (1, 2), (1, 1), -8, WIDE, 6, 9)
    want = torch.nn.functional.avg_pool2d(as_torch(x, 6, 9), kernel, (1, 2), 1).numpy().reshape(3, -1).T
    error = np.abs(op.evaluate(x) / 256 - want)
    assert np.max(error) <= 2**-9 + (0 if exact else 2**15 * 2**-17)
    assert exact or np.max(error) > 0


@pytest.mark.parametrize("most", [1, 5, 64, 100])
def test_global_average_error(most: int) -> None:
    """Every length, with the largest sums there are, keeps the stated error; powers of two are exact."""
    op = GlobalPool(Kind.AVERAGE, most, -8, WIDE)
    for n in range(1, most + 1):
        for value in (-(1 << 15), (1 << 15) - 1):
            got = int(op.evaluate(np.full((n, 1), value))[0, 0]) / 256
            limit = 0 if n & (n - 1) == 0 else n / most * 2**15 * 2**-17 + 2**-9
            assert abs(got - value) <= limit


def test_global_max_equals_torch() -> None:
    x = images(np.random.default_rng(4), 5, 5, 3) - 200
    assert np.array_equal(GlobalPool(Kind.MAX, 25, 0, S8).evaluate(x), as_tokens(as_torch(x, 25).amax(2)[..., None]))


def test_reciprocals() -> None:
    assert [divider(n) for n in (1, 2, 64)] == [(1, 0), (1, 1), (1, 6)]
    for n in range(1, 3000):
        fraction = fraction_bits(n)
        r = reciprocal(n, fraction)
        assert r == math.floor(2**fraction / n + 0.5) and r.bit_length() <= 17


def test_stages_have_the_shape_of_the_result() -> None:
    """The chain of needs starts at the input, ends at the output, never falls, and reads no later token."""
    rng = np.random.default_rng(5)
    x = TensorType(56, 6, S8)
    for circular in (False, True):
        op = Conv2d(
            **constants(rng, 6, 2, 3, 2),
            height=7,
            width=8,
            groups=3,
            stride=(2, 1),
            padding=(1, 2),
            circular=circular,
        )
        for folding in (Folding(1, 1, 1), Folding(2, 12, 2), Folding(1, 6, 1)):
            needs = np.arange(56)
            for stage in op.stages(folding, 56, x):
                assert np.all(np.diff(stage.need) >= 0) and 0 <= stage.need[0] and stage.need[-1] < len(needs)
                needs = needs[stage.need]
            assert len(needs) == op.infer(x).tokens and needs[-1] == 55
            # The first position ends in the padding of the second row; a circular one needs the whole image.
            assert needs[0] == (55 if circular else 7)


def test_every_folding_is_legal_and_busy() -> None:
    op = Conv2d(**constants(np.random.default_rng(6), 4, 4, 3, 3), height=7, width=8)
    x = TensorType(56, 4, S8)
    found = list(op.foldings(x))
    assert len(set(found)) == len(found) > 20
    for folding in found:
        op.rtl(folding, x)
    fastest = found[-1]
    assert (fastest.simd, fastest.pe, fastest.lanes) == (36, 4, 4)


def test_saved_graph_comes_back() -> None:
    ops = [
        MaxPool((2,), (1,), (0,), (1,)),
        AveragePool((3,), (1,), (1,), 0, S8),
        GlobalPool(Kind.MAX, 9, 0, S8),
    ]
    nodes = tuple(Node(f"v{i}", op, (f"v{i - 1}" if i else "x",)) for i, op in enumerate(ops))
    graph = Graph({"x": TensorType(Length("n", 9, 2), 3, S8)}, nodes, ("v2",))
    data, arrays = to_dict(graph)
    data["nodes"][2]["op"]["fields"]["kind"] = "max"
    again = from_dict(data, arrays)
    assert [n.op for n in again.nodes] == ops


@pytest.mark.parametrize(
    ("op", "tokens", "place"),
    [
        (MaxPool((2, 2), (2, 2), (0, 0), (1, 1), 6, 9), 55, "max_pool.height"),
        (MaxPool((2, 2), (2, 2), (0, 0), (1, 1), 6, 9), Length("n", 54), "max_pool.height"),
        (MaxPool((7, 2), (2, 2), (0, 0), (1, 1), 6, 9), 54, "max_pool.kernel"),
        (MaxPool((2, 2), (0, 2), (0, 0), (1, 1), 6, 9), 54, "max_pool.stride"),
        (MaxPool((2, 2), (1, 1), (2, 0), (1, 1), 6, 9), 54, "max_pool.padding"),
        (MaxPool((3,), (1,), (0,), (1,)), Length("n", 9, 2), "length n"),
        (AveragePool((2,), (1,), (-1,), 0, S8), 9, "average_pool.padding"),
        (AveragePool((2,), (1,), (0,), 1, S8), 9, "average_pool.shift"),
        (GlobalPool(Kind.AVERAGE, 8, 0, S8), 9, "global_pool.most"),
        (GlobalPool(Kind.MAX, 9, 0, Fixed(9, 4)), 9, "global_pool.output"),
        (
            Conv1d(**constants(np.random.default_rng(0), 2, 3, 3), padding=(4,), circular=True),
            Length("n", 9, 3),
            "conv1d.padding",
        ),
        (Conv1d(**constants(np.random.default_rng(0), 2, 2, 3)), 9, "conv1d.weight"),
        (Conv1d(**constants(np.random.default_rng(0), 4, 1, 3), groups=3), 9, "conv1d.groups"),
    ],
)
def test_type_rule_names_the_attribute(op: Any, tokens: Any, place: str) -> None:
    with pytest.raises(GraphError) as caught:
        op.infer(TensorType(tokens, 3, S8))
    assert caught.value.place.startswith(place)


def test_wrong_number_of_axes() -> None:
    with pytest.raises(GraphError, match=r"max_pool\.stride"):
        MaxPool((2, 2), (2,), (0, 0), (1, 1), 4, 4)
    with pytest.raises(GraphError, match=r"conv1d\.weight"):
        Conv1d(**constants(np.random.default_rng(0), 2, 3, 3, 3))


@pytest.mark.parametrize(
    ("folding", "place"),
    [
        (Folding(lanes=4, simd=9), "lanes"),
        (Folding(lanes=2, simd=4), "simd"),
        (Folding(lanes=1, simd=27, pe=3), "pe"),
    ],
)
def test_illegal_folding(folding: Folding, place: str) -> None:
    op = Conv2d(**constants(np.random.default_rng(0), 4, 6, 3, 3), height=4, width=4)
    with pytest.raises(GraphError) as caught:
        op.rtl(folding, TensorType(16, 6, S8))
    assert caught.value.place == place


def test_every_executor() -> None:
    """A chain of window sizes through every executor, with a run-time length."""
    rng = np.random.default_rng(7)
    part = constants(rng, 4, 2, 3) | {"shift": np.full(4, 6), "output": S8}
    check_operator(Conv1d(**part, groups=2, padding=(2, 0), stride=(2,)), TensorType(Length("n", 17), 4, S8))
