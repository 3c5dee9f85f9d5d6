# SPDX-License-Identifier: Apache-2.0
"""One traced ATen call as an operator's `from_torch` sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np

from gatewright.errors import UnsupportedError
from gatewright.fixed import Fixed, Floats, Ints
from gatewright.frontend import calibrate, layout, weights
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.layout import Axis, View
from gatewright.frontend.program import Ref, Step
from gatewright.graph import Op, TensorType
from gatewright.ops import _codebook
from gatewright.ops.requantize import Requantize
from gatewright.ops.reshape import Reshape


@dataclass(frozen=True)
class Pad:
    """Padding that a convolution is to absorb.

    Attributes:
        amounts: (before, after) of every torch dimension.
        circular: wrap around instead of filling with zeros.
    """

    amounts: tuple[tuple[int, int], ...]
    circular: bool


@dataclass(frozen=True)
class Value:
    """A torch value: the stream that carries it and how it lies there."""

    stream: str
    type: TensorType
    view: View
    pad: Pad | None = None
    rounded: Fixed | None = None
    """Set when the value already is what a fake-quantize to this format would make of it."""


class Emit(Protocol):
    """Appends a node that prepares an input, and returns its stream and type; equal nodes are shared."""

    def __call__(self, op: Op, *inputs: Value) -> tuple[str, TensorType]: ...


class TorchCall:
    """Arguments, formats and layout of one call.

    An operator that works element by element need not say anything about layout. Others call one of `features`,
    `vectors`, `image`, `sequence`, `reduce`, `look_up` or `concat`, which arrange the input and lay out the result.

    Attributes:
        step: the traced call.
        values: its activations in argument order.
        view: lays out the result, given its type; set by the arranging methods.
        constants, errors: real weights by operator attribute, and what quantization changed in them.
        took_output: whether `output` was read.
    """

    def __init__(
        self,
        step: Step,
        values: Sequence[Value],
        output: Fixed,
        config: QuantConfig,
        emit: Emit,
        stats: Mapping[str, calibrate.Stats],
    ) -> None:
        self.step = step
        self.values = list(values)
        self.config = config
        self.constants: dict[str, Floats] = {}
        self.errors: dict[str, Floats] = {}
        self.took_output = False
        self.view: Callable[[TensorType], View] = self._elementwise
        self._output, self.emit, self._stats = output, emit, stats
        self._took_padding = False

    @property
    def target(self) -> str:
        """ATen overload."""
        return self.step.target

    def arg(self, name: str) -> Any:
        """An argument by its schema name: a plain value or a constant tensor as an array."""
        value = self.step.args[name]
        if isinstance(value, Ref):
            self.refuse(name, "computed at run time", "a constant")
        return value

    def ints(self, name: str, rank: int, empty: tuple[int, ...] = ()) -> tuple[int, ...]:
        """A list argument with one number per axis; a single number counts for all, `empty` for none."""
        value = self.arg(name)
        found = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not found:
            return empty
        return found * rank if len(found) == 1 else found

    def input(self, index: int = 0) -> TensorType:
        """Type of an activation, as arranged so far."""
        return self.values[index].type

    @property
    def shape(self) -> layout.Shape:
        """Torch shape of the result."""
        assert self.step.shape is not None
        return self.step.shape

    @property
    def output(self) -> Fixed:
        """Format that calibration chose for the result."""
        self.took_output = True
        return self._output

    def inner(self, name: str, bits: int, limit: float = np.inf) -> Fixed:
        """Signed format of `bits` for something inside the operator, see `Step.inner`; "" is its result.

        Args:
            limit: values beyond it in either direction may saturate.
        """
        found = self._stats[f"{self.step.name}.{name}" if name else self.step.name]
        low, high = (float(np.clip(v, -limit, limit)) for v in (found.low, found.high))
        stats = calibrate.Stats(low, high, np.clip(found.sample, -limit, limit))
        return calibrate.choose(stats, bits, self.config.method, signed=True)

    def refuse(self, attribute: str, value: object, supported: str, hint: str = "") -> NoReturn:
        """Raise the error that names the module path, the attribute, its value and what is supported."""
        raise UnsupportedError(self.step.place, f"{attribute} = {value}", supported, hint)

    def activations(self, count: int, attribute: str, supported: str) -> None:
        """Refuse unless exactly `count` arguments are activations."""
        if len(self.values) != count:
            self.refuse(attribute, f"{len(self.values)} run-time tensors", supported)

    # Layout

    def features(self) -> Ints:
        """Arrange the last torch dimension as the channels.

        Returns:
            for each channel of the stream its index in that dimension.
        """
        dim = self.values[0].view.dims[-1]
        self._arrange(dim, "the last dimension")
        value = self.values[0]
        found = layout.order(value.view.dims[-1], value.view.channels)
        assert found is not None

        def result(kind: TensorType) -> View:
            view = value.view
            out = layout.axes(("c", kind.channels))
            return View((*view.dims[:-1], out), view.tokens, out)

        self.view = result
        return found

    def vectors(self) -> Ints:
        """Arrange as `features` does, for a result whose channels are those of the input, in the stream's order."""
        order = self.features()
        view = self.values[0].view
        self.view = lambda kind: view
        return order

    def image(self) -> tuple[int, int]:
        """Arrange [N, C, H, W] as pixels in raster order; so is the result. Returns (height, width)."""
        view = self._spatial(4, "an image [N, C, H, W]")
        self.view = lambda kind: layout.image(kind.channels, *self._sizes(2))
        height, width = view.shape[2:]
        if height is None or width is None:
            self.refuse("input", "a run-time height or width", "images of a fixed size")
        return height, width

    def sequence(self) -> tuple[None, None]:
        """Arrange [N, C, L] as a sequence of steps; so is the result. Returns no height and no width."""
        self._spatial(3, "a sequence [N, C, L]")
        self.view = lambda kind: layout.sequence(kind.channels, self.shape[2], channels_first=True)
        return None, None

    def steps(self, final: bool) -> None:
        """Arrange [N, L, C] as a sequence of steps; the result is one too, or [N, C] of the `final` step alone."""
        self.features()
        view = self.values[0].view
        if len(view.dims) != 3 or view.dims[0] or view.dims[1] != view.tokens:
            self.refuse("input", f"shape {list(view.shape)}", "a sequence [N, L, C]", "permute it before this layer")
        if final:
            self.view = lambda kind: layout.vector(kind.channels)

    def reduce(self, dims: Sequence[int]) -> None:
        """Say that the operator makes one token of all tokens, by reducing these torch dimensions."""
        rank = len(self.values[0].view.dims)
        gone = {d % rank for d in dims}
        kept = [a for i, d in enumerate(self.values[0].view.dims) if i not in gone for a in d]
        self._arrange(tuple(kept), "what is not reduced")
        view = self.values[0].view
        if tuple(kept) != view.channels:
            self.refuse("input", "permuted channels", "channels in the order of the stream")
        keep = len(self.shape) == rank
        groups = [() if i in gone else d for i, d in enumerate(view.dims) if keep or i not in gone]
        self.view = lambda kind: View(tuple(groups), (), view.channels)

    def look_up(self) -> None:
        """Say that every element is a token of its own and becomes a vector: the result has one dimension more."""
        view = self.values[0].view
        if view.channels:
            self.refuse("input", f"shape {list(view.shape)} with several elements per token", "token ids [N, L]")

        def result(kind: TensorType) -> View:
            out = layout.axes(("c", kind.channels))
            return View((*view.dims, out), view.tokens, out)

        self.view = result

    def concat(self, dim: int, op: Op) -> None:
        """Join all inputs along the channels, two at a time, in one format; two are left for `op` itself."""
        rank = len(self.values[0].view.dims)
        formats = {v.type.fixed for v in self.values}
        for k, value in enumerate(self.values):
            if value.view.dims[dim % rank] != value.view.channels:
                self.refuse("dim", dim, "the channel dimension", "flatten or permute after the concatenation")
            if layout.normal(_without(value.view, dim % rank)) != layout.normal(
                _without(self.values[0].view, dim % rank)
            ):
                self.refuse("tensors", "different layouts", "inputs that were made alike")
            if len(formats) > 1:
                self.values[k] = self._requantized(value, self.output)
        while len(self.values) > 2:
            first, second, *rest = self.values
            stream, kind = self.emit(op, first, second)
            self.values = [Value(stream, kind, _joined(first.view, dim % rank, kind.channels)), *rest]
        view = self.values[0].view
        self.view = lambda kind: _joined(view, dim % rank, kind.channels)

    def per_channel(self, attribute: str, array: Any) -> Floats:
        """A constant that broadcasts against the input, as one value per channel of the stream."""
        view = self.values[0].view
        shape = [s or 1 for s in view.shape]
        try:
            full = np.broadcast_to(np.asarray(array, np.float64), shape)
        except ValueError:
            self.refuse(attribute, f"shape {list(np.shape(array))}", f"a shape that broadcasts to {shape}")
        fixed = View(view.dims, view.tokens, view.channels)
        rows = layout.to_stream(fixed, full)
        if np.any(rows != rows[0]):
            self.refuse(attribute, "a constant that differs between tokens", "one value per channel")
        return np.array(rows[0])

    @property
    def padding(self) -> Pad | None:
        """Padding in front of this call, which the operator now absorbs."""
        self._took_padding = True
        return self.values[0].pad

    # Weights

    def weights(self, weight: Floats, bias: Floats | None, x: Fixed, output: Fixed) -> tuple[Ints, Ints, Ints, int]:
        """Choose the formats of a matrix unit's constants.

        Args:
            weight: [out, ...] real weights, in the shape and order of the operator's `weight`.
            bias: [out], or None.
            x, output: formats of the input and the result.

        Returns:
            weight and bias integers, right shift per output channel, weight width.
        """
        real = np.zeros(len(weight)) if bias is None else bias
        found = weights.matrix(weight, real, x, output, self.config, self.step.place)
        ints, offsets, shift, _ = found
        frac = shift + output.frac - x.frac
        tall = frac.reshape(-1, *[1] * (weight.ndim - 1))
        self._keep("weight", weight, np.ldexp(ints.astype(np.float64), -tall))
        self._keep("bias", real, np.ldexp(offsets.astype(np.float64), -(frac + x.frac)))
        return found

    def storage(self, weight: Ints, width: int, groups: int = 1) -> dict[str, Any]:
        """Keyword arguments that say how weights are stored: a codebook, if it needs fewer bits.

        Args:
            weight: [out, ...] integers of `width` bits.
            groups: of output channels.
        """
        if self.config.codebook == "never":
            return {}
        found = _codebook.find(weight.reshape(groups, len(weight) // groups, -1), width)
        return {} if found is None else {"codebook": found, "coded": self.config.codebook == "always"}

    def table(self, attribute: str, rows: Floats, bits: int) -> tuple[Ints, int]:
        """Integers of a table that is added up to the result, and their left shift to the result's binary point."""
        form = calibrate.choose_weight(rows, bits, self.config.method)
        # Finer entries than the result would only be rounded.
        form = Fixed(bits, min(form.frac, self.output.frac))
        integers = form.quantize(rows)
        self._keep(attribute, rows, form.dequantize(integers))
        return integers, self.output.frac - form.frac

    def polynomial(self, square: Floats, slope: Floats, constant: Floats) -> tuple[Ints, Ints, Ints, int]:
        """Integers of the coefficients of a quadratic, and the binary point of `square`."""
        x = self.input().fixed.frac
        a, b, c, frac = weights.polynomial(
            square, slope, constant, self.input().fixed, self.config.weight_bits, self.config.method
        )
        self._keep("square", square, np.ldexp(a.astype(np.float64), -frac))
        self._keep("slope", slope, np.ldexp(b.astype(np.float64), -frac - x))
        self._keep("constant", constant, np.ldexp(c.astype(np.float64), -frac - 2 * x))
        return a, b, c, frac

    def _keep(self, name: str, real: Floats, quantized: Floats) -> None:
        self.constants[name], self.errors[name] = np.array(real), np.abs(quantized - real)

    # Internals

    def check(self) -> None:
        """Refuse padding that the operator did not absorb."""
        if any(v.pad for v in self.values) and not self._took_padding:
            self.refuse("input", "padded by aten.pad", "padding directly before a convolution")

    def _elementwise(self, kind: TensorType) -> View:
        first = self.values[0].view
        for other in self.values[1:]:
            if layout.normal(other.view) != layout.normal(first):
                self.refuse(
                    "input",
                    f"layouts of {list(first.shape)} and {list(other.view.shape)} that differ",
                    "tensors of one shape that were flattened and permuted alike",
                )
        return first

    def _sizes(self, count: int) -> list[int]:
        return [s if s is not None else -1 for s in self.shape[-count:]]

    def _spatial(self, rank: int, kind: str) -> View:
        view = self.values[0].view
        if len(view.dims) != rank or view.dims[0]:
            self.refuse("input", f"shape {list(view.shape)}", kind)
        self._arrange(view.dims[1], "dimension 1")
        view = self.values[0].view
        spatial = tuple(a for d in view.dims[2:] for a in d)
        if view.channels != view.dims[1] or view.tokens != spatial:
            self.refuse(
                "input",
                f"a permuted tensor of shape {list(view.shape)}",
                kind,
                "permute it back before this layer",
            )
        return view

    def _arrange(self, channels: tuple[Axis, ...], what: str) -> None:
        """Regroup the stream of input 0 so that `channels`, in any order, are its channels."""
        value = self.values[0]
        stream, count = value.view.stream, len(channels)
        inner = stream[len(stream) - count :]
        if set(inner) != set(channels):
            self.refuse(
                "input",
                f"{what} of shape {list(value.view.shape)} is not the channels",
                "[N, F], [N, C, H, W], [N, C, L] or [N, L, C]",
                "flatten or transpose before this layer",
            )
        if inner == value.view.channels:
            return
        wide = layout.size(inner)
        view = View(value.view.dims, stream[: len(stream) - count], inner)
        if wide is None or any(a.size is None for a in value.view.tokens):
            self.refuse(
                "input",
                "a run-time number of tokens flattened into channels",
                "a fixed number of tokens",
                "pool over the tokens first",
            )
        stream_name, kind = self.emit(Reshape(wide), value)
        self.values[0] = Value(stream_name, kind, view, value.pad)

    def _requantized(self, value: Value, to: Fixed) -> Value:
        if value.type.fixed == to:
            return value
        stream, kind = self.emit(Requantize(value.type.fixed.frac - to.frac, to), value)
        return Value(stream, kind, value.view)


def _without(view: View, dim: int) -> View:
    """The view with its channels, dimension `dim`, replaced by one common axis."""
    one = (Axis("c", 2),)
    return View(tuple(one if i == dim else d for i, d in enumerate(view.dims)), view.tokens, one)


def _joined(view: View, dim: int, channels: int) -> View:
    out = layout.axes(("c", channels))
    return View(tuple(out if i == dim else d for i, d in enumerate(view.dims)), view.tokens, out)
