# SPDX-License-Identifier: Apache-2.0
"""Attention over the k best keys of every query, chosen by low-bit scores (Peng et al., DAC 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, ldexp, log2
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints, accumulator, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType, most_tokens
from gatewright.ops import _attention_rtl as hardware
from gatewright.ops import _softmax as softmax
from gatewright.ops._attention_bound import attention_bound, attention_real
from gatewright.ops._attention_cost import attention_cost
from gatewright.ops._matrix import sample_fixed
from gatewright.ops._selector import LEVELS, blocks, by_head, choose, code

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall


@dataclass(frozen=True)
class TopKAttention(Op):
    """Per head, with `a` the product of low-bit codes and `s` the exact one:

        chosen = the min(top, allowed) keys of greatest (a, -index)
        e_j = 2**-((max s - s_j) * scale)                    see `_softmax`
        y = requantize((sum of e_j v_j) / (sum of e_j))

    Attributes:
        heads: divides the channels, which are head-major.
        top: keys per query.
        bits: of the selector's codes, 1 to 4.
        causal: query i sees keys 0..i.
        q_thresholds, k_thresholds: LEVELS[bits] rising integers, compared with |x|.
        scale, scale_shift: octaves per step of the score, see `_softmax.octave_scale`.
        shift: binary point of v minus that of the output.
        output: format of the result.
    """

    torch: ClassVar[tuple[str, ...]] = ("gatewright.topk_attention.default",)
    arity: ClassVar[int | None] = 3
    free_points: ClassVar[bool] = True

    heads: int
    top: int
    bits: int
    causal: bool
    q_thresholds: tuple[int, ...]
    k_thresholds: tuple[int, ...]
    scale: int
    scale_shift: int
    shift: int
    output: Fixed

    @classmethod
    def of(
        cls,
        inputs: Sequence[TensorType],
        output: Fixed,
        *,
        heads: int,
        top: int,
        bits: int,
        causal: bool = False,
        q_thresholds: npt.ArrayLike = (),
        k_thresholds: npt.ArrayLike = (),
    ) -> TopKAttention:
        """The operator on inputs of these formats, for real thresholds and the scale 1 / sqrt(d)."""
        q, k, v = inputs
        if heads < 1 or q.channels % heads:
            raise GraphError("top_k_attention.heads", f"{heads} on {q.channels} channels", "a divisor")
        octave = log2(np.e) / np.sqrt(q.channels // heads)
        scale, shift = softmax.octave_scale(ldexp(octave, -(q.fixed.frac + k.fixed.frac)))
        of_q, of_k = _integers(q_thresholds, q.fixed), _integers(k_thresholds, k.fixed)
        return cls(heads, top, bits, causal, of_q, of_k, scale, shift, v.fixed.frac - output.frac, output)

    def infer(self, *inputs: TensorType) -> TensorType:
        q, k, v = inputs
        place = "top_k_attention"
        if len({(x.tokens, x.channels) for x in inputs}) > 1:
            shapes = ", ".join(f"[{x.tokens}, {x.channels}]" for x in inputs)
            raise GraphError(place, f"q, k, v of shapes {shapes}", "equal shapes")
        if self.heads < 1 or q.channels % self.heads:
            raise GraphError(f"{place}.heads", f"{self.heads} on {q.channels} channels", "a divisor")
        if self.top < 1:
            raise GraphError(f"{place}.top", f"{self.top}", "1 or more")
        if self.bits not in LEVELS:
            raise GraphError(f"{place}.bits", f"{self.bits}", "1, 2, 3 or 4")
        for name, x in (("q_thresholds", q), ("k_thresholds", k)):
            self._check_thresholds(f"{place}.{name}", getattr(self, name), x.fixed)
        if v.fixed.frac - self.shift != self.output.frac:
            raise GraphError(
                f"{place}.shift", f"{self.shift} from {v.fixed} to {self.output}", f"{v.fixed.frac - self.output.frac}"
            )
        longest = min(self.top, most_tokens(q.tokens))
        softmax.check(place, self.score(q, k), v.fixed, longest, self.scale, self.scale_shift, self.shift)
        return TensorType(q.tokens, q.channels, self.output)

    def _check_thresholds(self, place: str, thresholds: tuple[int, ...], x: Fixed) -> None:
        rising = all(a <= b for a, b in zip(thresholds, thresholds[1:], strict=False))
        if len(thresholds) != LEVELS[self.bits] or not rising:
            raise GraphError(place, f"{thresholds}", f"{LEVELS[self.bits]} rising integers for {self.bits} bits")
        if thresholds and not 0 <= thresholds[0] <= thresholds[-1] <= unreachable(x):
            raise GraphError(place, f"{thresholds}", f"0 to {unreachable(x)} for {x}")

    def score(self, q: TensorType, k: TensorType) -> Fixed:
        """Format of an exact score."""
        return accumulator(q.fixed, k.fixed, q.channels // self.heads)

    def evaluate(self, *inputs: Ints) -> Ints:
        q, k, v = (by_head(x, self.heads) for x in inputs)
        codes = (code(x, t, self.bits) for x, t in ((q, self.q_thresholds), (k, self.k_thresholds)))
        result = np.empty_like(v)
        for head, (a, b) in enumerate(zip(*codes, strict=True)):
            for rows in blocks(len(a), len(b)):
                index, kept = choose(a[rows], b, rows.start, self.top, self.causal)
                result[head, rows] = self._rows(q[head, rows], k[head], v[head], index, kept)
        return result.transpose(1, 0, 2).reshape(inputs[0].shape)

    def _rows(self, q: Ints, k: Ints, v: Ints, index: Ints, kept: npt.NDArray[np.bool_]) -> Ints:
        """Exact attention of some queries [m, d] of one head over the chosen keys [m, count]."""
        # float64 products are exact: every sum is below 2**53.
        scores = np.take_along_axis(q.astype(np.float64) @ k.T.astype(np.float64), index, 1).astype(np.int64)
        lowest = np.iinfo(np.int64).min
        peak = np.where(kept, scores, lowest).max(axis=1, keepdims=True)
        distance = np.where(kept, peak - scores, 0)
        weight = np.where(kept, softmax.exp2(softmax.octaves(distance, self.scale, self.scale_shift)), 0)
        total = weight.sum(axis=1, keepdims=True)
        spread = np.zeros((len(q), len(k)))
        np.put_along_axis(spread, index, weight.astype(np.float64), 1)
        sums = (spread @ v.astype(np.float64)).astype(np.int64)
        shift = softmax.EXP_BITS + softmax.exponent(total) + self.shift
        return requantize(sums * softmax.reciprocal(total), shift, self.output)

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return attention_real(self.heads, self.top, self.bits, self.causal, inputs, reference)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        found = attention_bound(self.heads, self.top, self.bits, self.causal, inputs, reference)
        return reference.bound(self.output, found.ideal, output, found.own, found.spread)

    @classmethod
    def from_torch(cls, call: TorchCall) -> TopKAttention:
        call.activations(3, "q, k, v", "queries, keys and values computed at run time, thresholds that are constant")
        view = call.values[0].view
        if len(view.dims) != 3 or view.dims[-1] != view.channels or view.dims[1] != view.tokens:
            call.refuse("q", f"a permuted tensor of shape {list(view.shape)}", "[1, n, D] tensors, one token per row")
        inputs, output = [call.input(i) for i in range(3)], call.output
        limits = [np.asarray(call.arg(n), np.float64).reshape(-1) for n in ("q_thresholds", "k_thresholds")]
        op = cls.of(
            inputs,
            output,
            heads=int(call.arg("heads")),
            top=int(call.arg("top")),
            bits=int(call.arg("bits")),
            causal=bool(call.arg("causal")),
            q_thresholds=limits[0],
            k_thresholds=limits[1],
        )
        found = op.reference(inputs, *limits)
        call.constants.update(found.constants)
        call.errors.update(found.errors)
        return op

    def reference(
        self, inputs: Sequence[TensorType], q_thresholds: npt.ArrayLike = (), k_thresholds: npt.ArrayLike = ()
    ) -> Reference:
        """The float operator behind this one: real thresholds, and the scale 1 / sqrt(d) of its scores."""
        q, k, _ = inputs
        scale = 1 / np.sqrt(q.channels // self.heads)
        steps = ldexp(float(self.scale), q.fixed.frac + k.fixed.frac - self.scale_shift - softmax.FRACTION)
        limits = {"q_thresholds": q_thresholds, "k_thresholds": k_thresholds}
        constants = {n: np.asarray(t, np.float64).reshape(-1) for n, t in limits.items()}
        # Comparing a multiple of the step with t or with the next multiple above t is the same.
        errors = {n: np.zeros_like(t) for n, t in constants.items()}
        error = abs(steps / log2(np.e) - scale)
        return Reference(constants | {"scale": np.array(scale)}, errors | {"scale": np.array(error)})

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> TopKAttention | None:
        q, k, v = inputs
        if len({(x.tokens, x.channels) for x in inputs}) > 1:
            return None
        heads = int(rng.choice([h for h in range(1, q.channels + 1) if q.channels % h == 0]))
        bits = int(rng.integers(1, 5))
        of_q, of_k = (
            tuple(int(t) for t in np.sort(rng.integers(0, unreachable(x.fixed) + 1, LEVELS[bits]))) for x in (q, k)
        )
        # Octaves per step such that a typical distance of scores is a few octaves.
        spread = ldexp(1.0, -(q.fixed.width + k.fixed.width)) * 2.0 ** float(rng.uniform(0, 5))
        scale, scale_shift = softmax.octave_scale(spread)
        output = sample_fixed(rng, v.fixed.frac - int(rng.integers(-2, 4)))
        return cls(
            heads,
            int(rng.integers(1, 9)),
            bits,
            bool(rng.random() < 0.3),
            of_q,
            of_k,
            scale,
            scale_shift,
            v.fixed.frac - output.frac,
            output,
        )

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return hardware.foldings(self, inputs[0])

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        return attention_cost(self, folding, *inputs)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        return hardware.stages(self, folding, tokens, inputs[0])

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        lanes = folding.pe * (inputs[0].channels // self.heads)
        return lanes, lanes

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        return hardware.spell(folding, [self], [inputs])

    @classmethod
    def rtl_banked(
        cls, folding: Folding, ops: Sequence[TopKAttention], inputs: Sequence[tuple[TensorType, ...]]
    ) -> Instance:
        return hardware.spell(folding, ops, inputs)


def unreachable(x: Fixed) -> int:
    """Least integer above every |x|."""
    return max(x.hi, -x.lo) + 1


def _integers(thresholds: npt.ArrayLike, x: Fixed) -> tuple[int, ...]:
    """Least integers whose values are not below real thresholds; one beyond the format when it has none."""
    real = np.asarray(thresholds, np.float64).reshape(-1)
    return tuple(min(max(ceil(t), 0), unreachable(x)) for t in np.ldexp(real, x.frac).tolist())
