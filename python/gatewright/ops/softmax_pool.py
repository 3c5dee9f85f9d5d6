# SPDX-License-Identifier: Apache-2.0
"""Softmax pooling: the tokens of a sequence become one, weighted by the softmax of a score each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ldexp, log2
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType, most_tokens
from gatewright.ops import _softmax as softmax
from gatewright.ops._attention_bound import Rows, moved_error, own_error, range_error
from gatewright.ops._attention_cost import ram
from gatewright.ops._matrix import sample_fixed
from gatewright.ops._memory_cost import memory
from gatewright.scheduler.pipeline import Memory

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

LATENCY = 15
"""Cycles from a sequence's last beat to its first result, without the passes over its tokens."""
RELEASE = 8
"""Cycles from a memory of tokens being free to the departure of the result that it made."""


@dataclass(frozen=True)
class SoftmaxPool(Op):
    """Per head h, with scores s[t, h] and values v[t, c] over all tokens t of a sequence:

        e[t] = 2**-((max s - s[t]) * scale)                  see `_softmax`
        y[0, c] = requantize((sum of e[t] v[t, c]) / (sum of e[t]))

    What is left of additive attention (Bahdanau et al., ICLR 2015) when the query is learned, as in hierarchical
    attention networks (Yang et al., NAACL 2016): scores come from a linear layer.

    Attributes:
        heads: scores per token; channels of the values are head-major.
        scale, scale_shift: octaves per step of the score, see `_softmax.octave_scale`.
        shift: binary point of the values minus that of the output.
        output: format of the result.
    """

    torch: ClassVar[tuple[str, ...]] = ("gatewright.softmax_pool.default",)
    arity: ClassVar[int | None] = 2

    heads: int
    scale: int
    scale_shift: int
    shift: int
    output: Fixed

    @classmethod
    def of(cls, scores: TensorType, values: TensorType, output: Fixed) -> SoftmaxPool:
        """The operator on inputs of these formats."""
        scale, scale_shift = softmax.octave_scale(ldexp(log2(np.e), -scores.fixed.frac))
        return cls(scores.channels, scale, scale_shift, values.fixed.frac - output.frac, output)

    def infer(self, *inputs: TensorType) -> TensorType:
        scores, values = inputs
        place = "softmax_pool"
        if scores.tokens != values.tokens:
            raise GraphError(place, f"{scores.tokens} scores for {values.tokens} values", "equal numbers of tokens")
        if self.heads < 1 or scores.channels != self.heads:
            raise GraphError(f"{place}.heads", f"{self.heads} for {scores.channels} scores per token", "as many")
        if values.channels % self.heads:
            raise GraphError(f"{place}.heads", f"{self.heads} on {values.channels} channels", "a divisor")
        if values.fixed.frac - self.shift != self.output.frac:
            problem = f"{self.shift} from {values.fixed} to {self.output}"
            raise GraphError(f"{place}.shift", problem, f"{values.fixed.frac - self.output.frac}")
        longest = most_tokens(scores.tokens)
        softmax.check(place, scores.fixed, values.fixed, longest, self.scale, self.scale_shift, self.shift)
        return TensorType(1, values.channels, self.output)

    def evaluate(self, *inputs: Ints) -> Ints:
        scores, values = inputs
        distance = scores.max(axis=0) - scores
        weight = softmax.exp2(softmax.octaves(distance, self.scale, self.scale_shift))
        total = weight.sum(axis=0)
        sums = np.einsum("th,thd->hd", weight, values.reshape(len(values), self.heads, -1))
        shift = softmax.EXP_BITS + softmax.exponent(total) + self.shift
        means = requantize(sums * softmax.reciprocal(total)[:, None], shift[:, None], self.output)
        return means.reshape(1, -1)

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return np.concatenate([_rows(s, v).result for s, v in self._by_head(*inputs)], axis=1)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        golden, errors = ([pair[i] for pair in inputs] for i in (0, 1))
        relative = float(reference.errors["scale"])
        ideal, own, spread = [], [], []
        for (s, v), (of_s, of_v) in zip(self._by_head(*golden), self._by_head(*errors), strict=True):
            found, kept = _rows(s, v), np.ones((1, len(s)), bool)
            ideal.append(found.result)
            own.append(own_error(found, v, relative))
            moved = moved_error(found, v, of_v, of_s[None], kept)
            spread.append(np.minimum(moved, range_error(found.result, v, of_v, slice(0, 1), False)))
        parts = [np.concatenate(p, axis=1) for p in (ideal, own, spread)]
        return reference.bound(self.output, parts[0], output, parts[1], parts[2])

    def _by_head(self, scores: Floats, values: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Scores [n] and values [n, channels] of each head."""
        yield from zip(scores.T, values.reshape(len(values), self.heads, -1).transpose(1, 0, 2), strict=True)

    @classmethod
    def from_torch(cls, call: TorchCall) -> SoftmaxPool:
        call.activations(2, "scores, values", "scores and values computed at run time")
        for name, value in zip(("scores", "values"), call.values, strict=True):
            view = value.view
            if len(view.dims) != 3 or view.dims[-1] != view.channels or view.dims[1] != view.tokens:
                call.refuse(name, f"a permuted tensor of shape {list(view.shape)}", "[1, n, C], one token per row")
        call.steps(final=True)
        scores, values = call.input(0), call.input(1)
        op = cls.of(scores, values, call.output)
        found = op.reference(scores)
        call.constants.update(found.constants)
        call.errors.update(found.errors)
        return op

    def reference(self, scores: TensorType) -> Reference:
        """The float operator behind this one: its scale is 1, and the integer one's relative error is known."""
        steps = ldexp(float(self.scale), scores.fixed.frac - self.scale_shift - softmax.FRACTION)
        return Reference({"scale": np.array(1.0)}, {"scale": np.array(abs(steps / log2(np.e) - 1))})

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> SoftmaxPool | None:
        scores, values = inputs
        if scores.tokens != values.tokens or values.channels % scores.channels:
            return None
        # Octaves per step such that a typical distance of scores is a few octaves.
        scale, scale_shift = softmax.octave_scale(ldexp(2.0 ** float(rng.uniform(0, 5)), -scores.fixed.width))
        output = sample_fixed(rng, values.fixed.frac - int(rng.integers(-2, 4)))
        return cls(scores.channels, scale, scale_shift, values.fixed.frac - output.frac, output)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        channels = inputs[1].channels
        dim = channels // self.heads
        for lanes in range(1, channels + 1):
            if channels % lanes == 0 and (dim % lanes == 0 or lanes % dim == 0):
                yield Folding(lanes=lanes)

    def _shape(self, folding: Folding, values: TensorType) -> tuple[int, int, int]:
        """Channels of a head, heads per beat, beats per token. Raises GraphError where the lanes do not fit."""
        lanes, dim = folding.lanes, values.channels // self.heads
        if lanes < 1 or values.channels % lanes or (dim % lanes and lanes % dim):
            allowed = f"a divisor of a head's {dim} channels, or whole heads that divide {values.channels} channels"
            raise GraphError("lanes", f"{lanes}", allowed)
        return dim, max(1, lanes // dim), values.channels // lanes

    def engines(self, folding: Folding, values: TensorType) -> int:
        """Heads per beat: lanes of the scores."""
        return self._shape(folding, values)[1]

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        # Those of the scores: the values' lanes are a multiple of them.
        return self.engines(folding, inputs[1]), folding.lanes

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        scores, values = inputs
        _, engines, beats = self._shape(folding, values)
        most, part = most_tokens(scores.tokens), folding.lanes // engines
        bits, sums = scores.fixed.width + 1, softmax.weighted(values.fixed, most).width
        total = Cost(lut=40, ff=40) + ram(folding.lanes * values.fixed.width, 2 * most * beats, False)
        # A product and a sum per channel; its product with the reciprocal, of which 27 bits go into a multiplier block.
        engine = Cost(
            lut=280 + bits + part * (4 * sums + self.output.width),
            ff=300 + part * (4 * sums + 4 * self.output.width),
            # Scale and exponential, the reciprocal's chord.
            dsp=3 + part * (2 if sums <= 27 else 3),
        )
        engine += memory(bits, 2 * most * self.heads // engines)
        for _ in range(engines):
            total += engine
        return total

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        _, _, beats = self._shape(folding, inputs[1])
        # What waits for a free memory is a token's first beat, and times are those of its last one.
        bank = Memory(2, most_tokens(inputs[1].tokens), 2, RELEASE - (beats - 1))
        passes = tokens * beats
        return [Stage(np.array([tokens - 1]), passes, LATENCY + passes, beats, memory=bank)]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        scores, values = inputs
        dim, engines, _ = self._shape(folding, values)
        parameters = {
            "Heads": self.heads,
            "Dim": dim,
            "Lanes": folding.lanes,
            "MaxTokens": most_tokens(scores.tokens),
            "ScoreWidth": scores.fixed.width,
            "ScoreSigned": int(scores.fixed.signed),
            "Scale": self.scale,
            "OctaveShift": self.scale_shift,
            "ValueWidth": values.fixed.width,
            "ValueSigned": int(values.fixed.signed),
            "Shift": self.shift,
            "OutWidth": self.output.width,
            "OutSigned": int(self.output.signed),
        }
        return Instance("softmax_pool", parameters, (engines, folding.lanes), folding.lanes)


def _rows(scores: Floats, values: Floats) -> Rows:
    """Softmax pooling of one head in real numbers: scores [n], values [n, channels]."""
    octaves = (scores.max() - scores)[None] * log2(np.e)
    power = 2.0**-octaves
    total = power.sum(axis=1, keepdims=True)
    weight = power / total
    return Rows(np.arange(len(scores))[None], octaves, weight, total, weight @ values)
