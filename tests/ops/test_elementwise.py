# SPDX-License-Identifier: Apache-2.0
"""Operators without a window: every executor equals golden, over widths, signs, foldings and stalls."""

import numpy as np
import pytest
from harness import check_operator

from gatewright.errors import GraphError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.add import Add
from gatewright.ops.concat import Concat
from gatewright.ops.linear import Linear
from gatewright.ops.quadratic import Quadratic
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.ops.reshape import Reshape

pytestmark = pytest.mark.slow

N = Length("n", 9)
S8 = Fixed(8, 4)


def linear(
    ins: int,
    outs: int,
    x: Fixed,
    weight_width: int = 8,
    output: Fixed = S8,
    groups: int = 1,
    spread: int = 3,
    extreme: bool = False,
) -> Linear:
    """A random linear operator whose sums use the output's range."""
    rng = np.random.default_rng(ins * outs)
    top = 1 << (weight_width - 1)
    weight = rng.integers(-top, top, (outs, ins // groups), dtype=np.int64)
    if extreme:
        weight[...] = -top
    shift = rng.integers(0, spread, outs, dtype=np.int64) + max(0, x.width + weight_width - output.width)
    bias = rng.integers(-(1 << (x.width + weight_width - 2)), 1 << (x.width + weight_width - 2), outs, dtype=np.int64)
    return Linear(weight, bias, shift, weight_width, output, groups)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("extreme", [True, False])
def test_linear_pairs(signed: bool, extreme: bool) -> None:
    """Eight-bit pairs in one multiplier, with the weights and inputs that overflow a careless field."""
    x = Fixed(8, 4, signed)
    check_operator(
        linear(32, 8, x, extreme=extreme),
        TensorType(N, 32, x),
        foldings=[Folding(simd=s, pe=p) for s, p in ((1, 2), (8, 4), (16, 8), (32, 2))],
        every_executor=False,
    )


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 11, 16])
def test_linear_widths(bits: int) -> None:
    x = Fixed(bits, 0)
    check_operator(linear(12, 6, x, bits, Fixed(bits, 0)), TensorType(N, 12, x), every_executor=bits == 16)


def test_linear_tokens_share_weights() -> None:
    """Groups of 2 and 4 tokens, with lengths that leave a part of a group."""
    check_operator(
        linear(16, 8, S8),
        TensorType(N, 16, S8),
        sequences=8,
        foldings=[Folding(simd=2, pe=1, tokens=4), Folding(simd=4, pe=2, tokens=2), Folding(simd=4, pe=2, tokens=4)],
    )


def test_linear_groups() -> None:
    check_operator(linear(12, 9, S8, groups=3), TensorType(N, 12, S8))


def test_linear_raw_accumulator() -> None:
    """Without bias and shift, the accumulator itself comes out."""
    op = Linear(np.full((4, 8), -128), np.zeros(4, np.int64), np.zeros(4, np.int64), 8, Fixed(19, 8))
    assert op.matrix(S8).plain
    check_operator(op, TensorType(N, 8, S8))


def test_linear_left_shift() -> None:
    op = Linear(np.array([[3, -2], [1, 1]]), np.array([5, -7]), np.array([-3, -1]), 4, Fixed(12, 6))
    check_operator(op, TensorType(N, 2, Fixed(4, 0)), every_executor=False)


@pytest.mark.parametrize("shift", [-3, 0, 1, 5, 20])
@pytest.mark.parametrize("signed", [True, False])
def test_requantize(shift: int, signed: bool) -> None:
    check_operator(
        Requantize(shift, Fixed(6, 8 - shift, not signed)),
        TensorType(N, 6, Fixed(13, 8, signed)),
        every_executor=shift == 5,
    )


@pytest.mark.parametrize("width", [1, 2, 8, 16])
def test_relu(width: int) -> None:
    check_operator(Relu(), TensorType(N, 6, Fixed(width, 2)), every_executor=width == 8)


@pytest.mark.parametrize(("a", "b"), [(S8, S8), (Fixed(5, 7, False), Fixed(9, 2)), (Fixed(1, 0), Fixed(16, 0, False))])
def test_add(a: Fixed, b: Fixed) -> None:
    check_operator(Add.of(a, b, Fixed(8, 3)), TensorType(N, 6, a), TensorType(N, 6, b), every_executor=a == b)


def test_concat() -> None:
    check_operator(Concat(), TensorType(N, 6, S8), TensorType(N, 4, S8))


@pytest.mark.parametrize("x", [Fixed(8, 4), Fixed(5, 3, False), Fixed(1, 0)])
def test_quadratic(x: Fixed) -> None:
    rng = np.random.default_rng(1)
    op = Quadratic(rng.integers(-20, 20, 6), rng.integers(-300, 300, 6), rng.integers(-9000, 9000, 6), 8, Fixed(8, 4))
    check_operator(op, TensorType(N, 6, x), every_executor=x.width == 8)


def test_reshape_is_wiring() -> None:
    check_operator(Reshape(12), TensorType(4, 3, S8), every_executor=False)
    check_operator(Reshape(2), TensorType(4, 6, S8), every_executor=False)


@pytest.mark.parametrize(
    ("op", "types", "words"),
    [
        (linear(8, 4, S8), [TensorType(N, 9, S8)], "9 channels"),
        (Relu(), [], "relu"),
        (Add.of(S8, S8, S8), [TensorType(N, 3, S8), TensorType(N, 4, S8)], "equal shapes"),
        (Add((1, 0), 0, S8), [TensorType(N, 3, S8), TensorType(N, 3, S8)], "left"),
        (Concat(), [TensorType(N, 3, S8), TensorType(N, 3, Fixed(8, 5))], "one format"),
        (Reshape(4), [TensorType(N, 2, S8)], "fixed number of tokens"),
        (Requantize(2, S8), [TensorType(N, 2, S8)], "requantize.shift"),
    ],
)
def test_type_rules(op: object, types: list[TensorType], words: str) -> None:
    """A wrong type is refused with the attribute and what is allowed."""
    if not types:
        return
    with pytest.raises(GraphError, match=words):
        op.infer(*types)  # type: ignore[attr-defined]
