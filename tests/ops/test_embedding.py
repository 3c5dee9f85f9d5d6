# SPDX-License-Identifier: Apache-2.0
"""Embedding: every executor equals golden, numbers beyond the table, the bound, the size of the memory image."""

import numpy as np
import pytest
from harness import check_operator, single

from gatewright.errors import GraphError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, Reference, TensorType, from_dict, to_dict
from gatewright.ops._matrix import chunks
from gatewright.ops.embedding import BLOCK, Embedding, packed

N = Length("n", 9)


def embedding(rows: int, positions: int, channels: int, output: Fixed) -> Embedding:
    rng = np.random.default_rng(rows)
    tables = (rng.integers(-(1 << b), 1 << b, (n, channels), dtype=np.int64) for b, n in ((7, rows), (9, positions)))
    return Embedding(*tables, 2, 0, output)


def ids(bits: int) -> Fixed:
    return Fixed(bits, 0, signed=False)


@pytest.mark.slow
def test_executors() -> None:
    op = embedding(21, 9, 6, Fixed(10, 3))
    folds = [Folding(pe=n) for n in (1, 2, 6)]
    check_operator(op, TensorType(N, 1, ids(5)), foldings=folds)


def test_meaning() -> None:
    """Entry shifted plus position shifted, saturated; numbers beyond the table are its last row."""
    table, positions = np.array([[1, -2], [30, 4], [5, 6]]), np.array([[10, 20], [-40, -50]])
    op = Embedding(table, positions, 2, 1, Fixed(7, 0))
    found = op.evaluate(np.array([[1], [3]]))
    assert found.tolist() == [[63, 56], [-60, -64]]
    assert np.array_equal(op.evaluate(np.array([[2]])), op.evaluate(np.array([[3]])))


def test_error_bound_is_the_entries_errors() -> None:
    rng = np.random.default_rng(0)
    real = {"table": rng.normal(0, 1, (21, 6)), "positions": rng.normal(0, 1, (9, 6))}
    form, output = Fixed(8, 5), Fixed(10, 6)
    integers = {n: form.quantize(v) for n, v in real.items()}
    op = Embedding(integers["table"], integers["positions"], 1, 1, output)
    reference = Reference(real, {n: np.abs(form.dequantize(integers[n]) - v) for n, v in real.items()})
    x = rng.integers(0, 21, (9, 1))
    result = output.dequantize(op.evaluate(x))
    value = x.astype(np.float64)
    bound = op.error_bound([(value, np.zeros_like(value))], result, reference)
    assert np.all(np.abs(op.real([value], reference) - result) <= bound + 1e-12)
    assert np.all(bound <= 2 * form.ulp)


def test_large_tables_are_packed_in_blocks() -> None:
    rows = np.random.default_rng(0).integers(-128, 128, (BLOCK // 16 + 77, 16))
    assert np.array_equal(packed(rows, 9), chunks(rows, 9))


def test_saved_and_loaded() -> None:
    op = embedding(21, 9, 6, Fixed(10, 3))
    again = from_dict(*to_dict(single(op, TensorType(N, 1, ids(5))))).nodes[0].op
    x = np.arange(9)[:, None]
    assert np.array_equal(again.evaluate(x), op.evaluate(x))


@pytest.mark.parametrize(
    ("op", "x", "words"),
    [
        (embedding(21, 9, 6, Fixed(8, 0)), TensorType(N, 1, ids(6)), "u5.0 for 21 rows"),
        (embedding(21, 9, 6, Fixed(8, 0)), TensorType(N, 1, Fixed(5, 0)), "u5.0 for 21 rows"),
        (embedding(21, 9, 6, Fixed(8, 0)), TensorType(N, 2, ids(5)), "2 channels"),
        (embedding(21, 8, 6, Fixed(8, 0)), TensorType(N, 1, ids(5)), "embedding.positions: 8"),
        (
            Embedding(np.zeros((2, 3), np.int64), np.zeros((0, 4), np.int64), 0, 0, Fixed(8, 0)),
            TensorType(N, 1, ids(1)),
            "table",
        ),
        (
            Embedding(np.zeros((2, 3), np.int64), np.zeros((0, 3), np.int64), -1, 0, Fixed(8, 0)),
            TensorType(N, 1, ids(1)),
            "table_shift",
        ),
    ],
)
def test_type_rule(op: Embedding, x: TensorType, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        op.infer(x)
