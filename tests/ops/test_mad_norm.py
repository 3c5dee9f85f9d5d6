# SPDX-License-Identifier: Apache-2.0
"""MadNorm: every executor equals golden, golden is near PyTorch, the bound holds, constant tokens give beta."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from harness import assert_equal, check_operator, job, single
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gatewright.errors import DataError, GraphError
from gatewright.fixed import Fixed
from gatewright.frontend import QuantConfig, import_model
from gatewright.graph import Folding, Length, Reference, TensorType
from gatewright.nn import MadNorm as Layer
from gatewright.ops import _softmax
from gatewright.ops.mad_norm import FRACTION, MadNorm, inverse, levels, quantized
from gatewright.sim.executors import executors

N = Length("n", 9)


def norm(channels: int, x: Fixed, output: Fixed, eps: float = 1e-5) -> tuple[MadNorm, Reference]:
    """An operator with random real constants, and those."""
    rng = np.random.default_rng(channels)
    gamma, beta = rng.normal(1, 0.3, channels), rng.normal(0, 0.3, channels)
    op, kept = quantized(gamma, beta, eps, TensorType(N, channels, x), output)
    return op, Reference({n: v for n, (v, _) in kept.items()}, {n: e for n, (_, e) in kept.items()})


@given(st.integers(1, (1 << 46) - 1), st.integers(1, 2000))
def test_inverse_of_any_number(deviation: int, channels: int) -> None:
    """2**(L + FRACTION) / deviation to within the stated relative error, but where d can only be 0."""
    (r,), (half,) = inverse(np.array([deviation]), channels)
    exact = Fraction(1 << (levels(channels) + FRACTION), deviation)
    if deviation >= 1 << levels(channels):
        assert abs(Fraction(int(r), 2 << int(half)) / exact - 1) <= _softmax.RECIPROCAL_RELATIVE
    assert half >= 0


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40))
def test_a_token_that_is_not_constant_has_room_for_its_shift(token: list[int]) -> None:
    """sum |C x - S| is 0 or at least 2**L, so that z is never shifted left."""
    total = sum(abs(len(token) * x - sum(token)) for x in token)
    assert total >= 1 << levels(len(token)) or len(set(token)) == 1


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 384])
def test_sums_are_exact(channels: int) -> None:
    """z against whole numbers: off by the reciprocal's error and half a step at most, at the extremes of s17."""
    x = Fixed(17, 4)
    op, _ = norm(channels, x, Fixed(16, 11), 0.0)
    op.infer(TensorType(N, channels, x))
    tokens = np.random.default_rng(0).choice([x.lo, x.hi, 0, 1], (40, channels))
    tokens[0], tokens[1], tokens[2:4] = x.lo, x.hi, 0
    tokens[2, 0], tokens[3, -1] = x.lo, 1
    z = op.normalised(tokens)
    for token, found in zip(tokens.tolist(), z.tolist(), strict=True):
        total = sum(token)
        deviation = sum(abs(channels * v - total) for v in token)
        for v, got in zip(token, found, strict=True):
            ideal = Fraction((channels * v - total) << (levels(channels) + FRACTION), max(deviation, 1))
            assert abs(got - ideal) <= abs(ideal) * Fraction(_softmax.RECIPROCAL_RELATIVE) + Fraction(1, 2)
            assert abs(got) <= op.peak(channels)
    # A single outlier reaches the bound.
    assert channels < 3 or np.abs(z).max() >= op.peak(channels) // 2 * 0.99
    assert not z[0].any() and not z[1].any()


def test_near_torch() -> None:
    """At 16 bits in and out, within two output steps of PyTorch; the reciprocal's error is common to a token."""
    x, output = Fixed(16, 11), Fixed(16, 11)
    op, reference = norm(384, x, output)
    integers = x.quantize(np.random.default_rng(0).normal(0.3, 1.5, (50, 384)))
    layer = Layer(384).double()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(reference.constants["gamma"]))
        layer.bias.copy_(torch.from_numpy(reference.constants["beta"]))
        wanted = layer(torch.from_numpy(x.dequantize(integers))).numpy()
    assert np.allclose(op.real([x.dequantize(integers)], reference), wanted, atol=1e-12)
    error = np.abs(output.dequantize(op.evaluate(integers)) - wanted) / output.ulp
    assert error.max() < 1.5 and error.mean() < 0.35


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.7])
@pytest.mark.parametrize(("x", "output"), [(Fixed(16, 10), Fixed(16, 11)), (Fixed(6, 3), Fixed(8, 5))])
def test_error_bound_holds(eps: float, x: Fixed, output: Fixed) -> None:
    """For inputs that are off by up to their stated error, constant tokens included; and it is no empty bound."""
    op, reference = norm(24, x, output, eps)
    rng = np.random.default_rng(2)
    tokens = rng.normal(0, 1, (60, 24)) * np.exp2(rng.integers(-9, 3, (60, 1))) + rng.normal(0, 1, (60, 1))
    integers = x.quantize(tokens)
    integers[0], integers[1] = 0, 7
    value = x.dequantize(integers)
    result = output.dequantize(op.evaluate(integers))
    for scale in (0.0, 0.01, 0.5):
        error = rng.uniform(0, scale, value.shape)
        bound = op.error_bound([(value, error)], result, reference)
        for _ in range(20):
            moved = value + error * rng.choice([-1, 1], value.shape) * rng.uniform(0, 1, value.shape) ** 0.2
            assert np.all(np.abs(op.real([moved], reference) - result) <= bound + 1e-9)
        if not scale and eps >= 1e-5 and x.width == 16:
            assert np.median(bound) < 1.5 * output.ulp


def test_error_bound_follows_the_deviation() -> None:
    """An exact outlier among channels that all move towards the mean, or all away from it: only the divisor changes."""
    x, output = Fixed(16, 10), Fixed(16, 10)
    op, reference = norm(24, x, output)
    value = np.random.default_rng(3).normal(0, 1, (40, 24))
    value[:, 0] = 8
    value = x.dequantize(x.quantize(value))
    result = output.dequantize(op.evaluate(x.quantize(value)))
    error = np.full(value.shape, 0.05)
    error[:, 0] = 0
    bound = op.error_bound([(value, error)], result, reference)
    away = np.sign(value - value.mean(axis=1, keepdims=True)) * error
    for moved in (value - away, value + away):
        found = np.abs(op.real([moved], reference) - result)
        assert np.all(found <= bound) and np.max(found[:, 0] / bound[:, 0]) > 0.4


@pytest.mark.parametrize("eps", [0.0, 1e-5])
def test_a_constant_token_gives_beta(eps: float) -> None:
    """Of every value; in golden, in PyTorch and in QONNX."""
    x, output = Fixed(5, 3), Fixed(12, 8)
    op, reference = norm(6, x, output, eps)
    kind = TensorType(32, 6, x)
    tokens = np.repeat(np.arange(x.lo, x.hi + 1)[:, None], 6, axis=1)
    beta = output.quantize(reference.constants["beta"])
    assert np.abs(op.evaluate(tokens) - beta).max() <= 1 and np.ptp(op.evaluate(tokens), axis=0).max() == 0
    layer = Layer(6, eps)
    assert not layer(torch.full((3, 6), 0.5)).any()
    one = job(single(op, kind), {}, [[tokens]])
    assert_equal(one, executors()["qonnx"](one), executors()["golden"](one), "qonnx")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "x", "output"), [(24, Fixed(16, 10), Fixed(16, 11)), (3, Fixed(1, 0), Fixed(12, 8))]
)
def test_executors(channels: int, x: Fixed, output: Fixed) -> None:
    check_operator(
        norm(channels, x, output, 1e-5 if channels == 24 else 0.0)[0],
        TensorType(N, channels, x),
        foldings=[Folding(lanes=8)] if channels == 24 else None,
        # The others run it in tests/hls, tests/lower and with random graphs.
        every_executor=False,
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 30))
def test_samples_are_legal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = TensorType(N, int(rng.integers(1, 13)), Fixed(int(rng.integers(1, 17)), 0, bool(rng.integers(2))))
    op = MadNorm.sample(rng, x)
    kind = op.infer(x)
    data = rng.integers(x.fixed.lo, x.fixed.hi + 1, (7, x.channels))
    data[0] = x.fixed.lo
    assert kind.fixed.contains(op.evaluate(data))
    z, widths = op.normalised(data), op.widths(x)
    assert Fixed(widths["z"], 0).contains(z) and Fixed(widths["sum"], 0).contains(z * op.gamma + op.rounded_beta)
    centre = x.channels * data - data.sum(axis=1, keepdims=True)
    deviation = np.abs(centre).sum(axis=1, keepdims=True) + op.epsilon
    assert Fixed(widths["deviation"], 0, signed=False).contains(deviation)
    r, half = inverse(np.maximum(deviation, 1), x.channels)
    assert Fixed(widths["scaled"], 0).contains(centre * r + (1 << half))


@pytest.mark.parametrize(
    ("op", "x", "words"),
    [
        (norm(8, Fixed(16, 10), Fixed(16, 11))[0], TensorType(N, 6, Fixed(16, 10)), "mad_norm.gamma"),
        (norm(8, Fixed(16, 10), Fixed(16, 11))[0], TensorType(N, 8, Fixed(50, 10)), "bit intermediates"),
        (norm(512, Fixed(16, 10), Fixed(16, 11))[0], TensorType(N, 512, Fixed(32, 10)), "a deviation of 49 bits"),
    ],
)
def test_type_rule(op: MadNorm, x: TensorType, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        op.infer(x)


def test_imported_from_torch() -> None:
    """With and without weights, 3 and 2 dimensions; channels in another order than the stream's."""
    torch.manual_seed(0)
    model = nn.Sequential(Layer(12), nn.Linear(12, 10), Layer(10, eps=0.1, elementwise_affine=False))
    with torch.no_grad():
        model[0].weight.normal_(1, 0.3)
        model[0].bias.normal_()
    for shape in ((30, 7, 12), (30, 12)):
        data = torch.randn(*shape)
        found = import_model(model.eval(), data[:1], data, config=QuantConfig(activation_bits=12))
        assert [n.op.name() for n in found.graph.nodes].count("mad_norm") == 2
        seen = found.compare(data)
        assert seen.holds and seen.meaning < 1e-6
        with torch.no_grad():
            assert np.abs(np.array(seen.golden) - model(data).numpy()).max() < 0.05


def test_gradients() -> None:
    torch.manual_seed(1)
    x, weight, bias = (torch.randn(*s, dtype=torch.float64, requires_grad=True) for s in ((4, 3, 6), (6,), (6,)))
    call = torch.ops.gatewright.mad_norm
    assert torch.autograd.gradcheck(lambda *a: call(*a, 0.1), (x, weight, bias))
    assert torch.autograd.gradcheck(lambda a: call(a), (x,))
    constant = torch.ones(2, 6, requires_grad=True)
    Layer(6, eps=0.0)(constant).sum().backward()
    assert not constant.grad.any()


def test_arguments_are_checked() -> None:
    with pytest.raises(DataError, match=r"MadNorm.normalized_shape: \[7, 12\]"):
        Layer([7, 12])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="MadNorm.eps: -1"):
        Layer(4, eps=-1)
    with pytest.raises(DataError, match="MadNorm: 5 features"):
        Layer(4)(torch.zeros(2, 5))
