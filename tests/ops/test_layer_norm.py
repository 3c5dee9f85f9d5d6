# SPDX-License-Identifier: Apache-2.0
"""Layer normalisation: every executor equals golden, golden is near PyTorch, the bound holds, types are checked."""

from math import isqrt

import numpy as np
import pytest
import torch
from harness import check_operator, single
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gatewright.errors import GraphError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend import QuantConfig, import_model
from gatewright.graph import Folding, Length, Reference, TensorType, from_dict, to_dict
from gatewright.ops import _rsqrt
from gatewright.ops.layer_norm import FRACTION, LayerNorm, quantized

N = Length("n", 9)


def norm(
    channels: int, x: Fixed, output: Fixed, eps: float = 1e-5, centred: bool = True
) -> tuple[LayerNorm, Reference]:
    """An operator with random real constants, and those."""
    rng = np.random.default_rng(channels)
    gamma, beta = rng.normal(1, 0.3, channels), rng.normal(0, 0.3, channels)
    op, kept = quantized(gamma, beta, eps, TensorType(N, channels, x), output, centred)
    return op, Reference({n: v for n, (v, _) in kept.items()}, {n: e for n, (_, e) in kept.items()})


def test_root_of_every_chord() -> None:
    """The stated relative error holds for every chord and tail, with nothing and with all ones cut off below."""
    top = np.arange(1 << 17, 1 << 18, dtype=np.int64)
    for length in (10, 11, 30, 31):
        for rest in (0, (1 << length) - 1):
            v = top << length | rest
            found = _rsqrt.real(v) * np.sqrt(v.astype(np.float64))
            assert np.abs(found - 1).max() < _rsqrt.RELATIVE_ERROR
    r, _ = _rsqrt.rsqrt(top)
    assert r.min() >= 1 << 16 and r.max() < 1 << 17


@given(st.integers(0, (1 << 62) - 1))
def test_root_of_any_number(v: int) -> None:
    (r,), (half,) = _rsqrt.rsqrt(np.array([v]))
    assert half == (max(v, 1).bit_length() - 1) // 2
    # r**2 v = 2**(34 + 2 half) to within twice the relative error, in whole numbers.
    exact = isqrt((1 << (2 * (_rsqrt.FRACTION + int(half)) + 40)) // max(v, 1))
    assert abs((int(r) << 20) - exact) <= exact * _rsqrt.RELATIVE_ERROR + 1


def test_sums_are_exact_where_the_formula_allows_it() -> None:
    """z against arbitrary precision: off by the root's error and half a step at most, at the extremes of s17."""
    x = Fixed(17, 4)
    op, _ = norm(384, x, Fixed(16, 11))
    rng = np.random.default_rng(0)
    tokens = rng.choice([x.lo, x.hi], (40, 384))
    tokens[0] = x.lo
    tokens[1] = [x.hi, *[x.lo] * 383]
    z = op.normalised(tokens)
    for token, found in zip(tokens.tolist(), z, strict=True):
        total = sum(token)
        variance = 384 * sum(v * v for v in token) - total * total + op.epsilon
        ideal = [(384 * v - total) * 2**FRACTION / max(variance, 1) ** 0.5 for v in token]
        assert np.all(np.abs(found - ideal) <= np.abs(ideal) * _rsqrt.RELATIVE_ERROR + 0.51)
    assert not z[0].any()
    assert op.infer(TensorType(N, 384, x)).channels == 384


@pytest.mark.parametrize("centred", [True, False])
def test_near_torch(centred: bool) -> None:
    """At 16 bits in and out, golden is within two output steps of PyTorch."""
    x, output = Fixed(16, 11), Fixed(16, 11)
    op, reference = norm(384, x, output, 1e-5, centred)
    tokens = np.random.default_rng(0).normal(0.3, 1.5, (50, 384))
    integers = x.quantize(tokens)
    real = torch.from_numpy(x.dequantize(integers))
    gamma, beta = (torch.from_numpy(reference.constants[n]) for n in ("gamma", "beta"))
    if centred:
        wanted = torch.nn.functional.layer_norm(real, [384], gamma, beta, 1e-5)
    else:
        wanted = torch.nn.functional.rms_norm(real, [384], gamma, 1e-5) + beta
    assert np.allclose(op.real([x.dequantize(integers)], reference), wanted.numpy(), atol=1e-12)
    error = np.abs(output.dequantize(op.evaluate(integers)) - wanted.numpy()) / output.ulp
    assert error.max() < 1.2 and error.mean() < 0.35


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.7])
@pytest.mark.parametrize(("x", "output"), [(Fixed(16, 10), Fixed(16, 11)), (Fixed(6, 3), Fixed(8, 5))])
def test_error_bound_holds(centred: bool, eps: float, x: Fixed, output: Fixed) -> None:
    """For inputs that are off by up to their stated error, tokens of no variance included; and it is no empty bound."""
    op, reference = norm(24, x, output, eps, centred)
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "x", "output", "centred"),
    [
        (24, Fixed(16, 10), Fixed(16, 11), True),
        (6, Fixed(5, 1, False), Fixed(6, 3, False), True),
        (4, Fixed(1, 0), Fixed(12, 8), False),
    ],
)
def test_executors(channels: int, x: Fixed, output: Fixed, centred: bool) -> None:
    check_operator(
        norm(channels, x, output, centred=centred)[0],
        TensorType(N, channels, x),
        foldings=[Folding(lanes=n) for n in (1, channels // 2, channels)],
        every_executor=channels == 24,
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 30))
def test_samples_are_legal_or_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = TensorType(N, int(rng.integers(1, 13)), Fixed(int(rng.integers(1, 17)), 0, bool(rng.integers(2))))
    op = LayerNorm.sample(rng, x)
    kind = op.infer(x)
    data = rng.integers(x.fixed.lo, x.fixed.hi + 1, (7, x.channels))
    data[0] = x.fixed.lo
    assert kind.fixed.contains(op.evaluate(data))
    z = op.normalised(data)
    widths = op.widths(x)
    assert Fixed(widths["z"], 0).contains(z) and Fixed(widths["sum"], 0).contains(z * op.gamma + op.rounded_beta)


def test_saved_and_loaded() -> None:
    op, _ = norm(8, Fixed(16, 10), Fixed(16, 11))
    again = from_dict(*to_dict(single(op, TensorType(N, 8, Fixed(16, 10))))).nodes[0].op
    x = np.arange(24).reshape(3, 8) ** 2
    assert np.array_equal(again.evaluate(x), op.evaluate(x)) and "gamma=int[8]" in op.describe()


def test_iterations_must_agree() -> None:
    op, _ = norm(8, Fixed(16, 10), Fixed(16, 11))
    x = TensorType(N, 8, Fixed(16, 10))
    other, _ = norm(8, Fixed(16, 9), Fixed(16, 8), centred=False)
    with pytest.raises(GraphError, match="layer_norm.centred: False in iteration 1"):
        LayerNorm.rtl_banked(Folding(lanes=2), [op, other], [(x,), (x,)])
    with pytest.raises(GraphError, match="layer_norm.x: .*12.* in iteration 1"):
        LayerNorm.rtl_banked(Folding(lanes=2), [op, op], [(x,), (TensorType(N, 8, Fixed(12, 9)),)])


@pytest.mark.parametrize(
    ("op", "x", "words"),
    [
        (norm(8, Fixed(16, 10), Fixed(16, 11))[0], TensorType(N, 6, Fixed(16, 10)), "layer_norm.gamma"),
        (
            LayerNorm(np.ones(4, np.int64), np.zeros(4, np.int64), -1, 3, Fixed(8, 0)),
            TensorType(N, 4, Fixed(8, 0)),
            "epsilon",
        ),
        (
            LayerNorm(np.ones(4, np.int64), np.zeros(4, np.int64), 1, -3, Fixed(8, 0)),
            TensorType(N, 4, Fixed(8, 0)),
            "shift",
        ),
        (norm(8, Fixed(16, 10), Fixed(16, 11))[0], TensorType(N, 8, Fixed(40, 10)), "bit intermediates"),
    ],
)
def test_type_rule(op: LayerNorm, x: TensorType, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        op.infer(x)


@pytest.mark.parametrize("eps", [None, 1e-3])
def test_imported_from_torch(eps: float | None) -> None:
    """Both norms, with and without weights; PyTorch's default epsilon of the second one too."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.LayerNorm(12, **({} if eps is None else {"eps": eps})),
        nn.Linear(12, 8),
        nn.RMSNorm(8, eps=eps),
        nn.Linear(8, 10),
        nn.LayerNorm(10, elementwise_affine=False),
    )
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight.normal_(1, 0.3)
        model[0].bias.normal_()
    data = torch.randn(30, 7, 12)
    found = import_model(model.eval(), data[:1], data, config=QuantConfig(activation_bits=12))
    assert [n.op.centred for n in found.graph.nodes if isinstance(n.op, LayerNorm)] == [True, False, True]
    seen = found.compare(data)
    assert seen.holds and seen.meaning < 1e-6
    with torch.no_grad():
        assert np.abs(np.array(seen.golden) - model(data).numpy()).max() < 0.05


def test_norm_of_several_dimensions_is_refused() -> None:
    data = torch.randn(3, 7, 12)
    with pytest.raises(
        UnsupportedError, match=r"normalized_shape = \[7, 12\]\n  supported: the last dimension, \[12\]"
    ):
        import_model(nn.Sequential(nn.Linear(12, 12), nn.LayerNorm([7, 12])).eval(), data[:1], data)
