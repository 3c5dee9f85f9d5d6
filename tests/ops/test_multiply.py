# SPDX-License-Identifier: Apache-2.0
"""Products of two streams: the module equals golden; what cannot be multiplied is refused."""

import pytest
from harness import check_operator

from gatewright.errors import GraphError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.multiply import Multiply

N = Length("n", 9)
S8 = Fixed(8, 4)


@pytest.mark.parametrize(
    ("a", "b", "output"),
    [
        (S8, Fixed(8, 8, False), Fixed(8, 3)),
        # Left shift; the lowest by the lowest needs every bit of the product.
        (Fixed(6, 1), Fixed(7, 2), Fixed(12, 4, False)),
    ],
    ids=["gate", "left"],
)
def test_multiply(a: Fixed, b: Fixed, output: Fixed) -> None:
    check_operator(
        Multiply.of(a, b, output),
        TensorType(N, 6, a),
        TensorType(N, 6, b),
        foldings=[Folding(lanes=3)],
        every_executor=False,
    )


@pytest.mark.parametrize(
    ("op", "types", "words"),
    [
        (
            Multiply.of(S8, S8, S8),
            [TensorType(N, 3, S8), TensorType(1, 3, S8)],
            "(?s)equal shapes.*squeeze-and-excitation",
        ),
        (Multiply(3, S8), [TensorType(N, 3, S8), TensorType(N, 3, S8)], "multiply.shift"),
        (
            Multiply.of(Fixed(32, 0), Fixed(32, 0), S8),
            [TensorType(N, 3, Fixed(32, 0)), TensorType(N, 3, Fixed(32, 0))],
            "at most 62 bits",
        ),
    ],
)
def test_type_rules(op: Multiply, types: list[TensorType], words: str) -> None:
    with pytest.raises(GraphError, match=words):
        op.infer(*types)
