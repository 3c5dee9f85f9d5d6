# SPDX-License-Identifier: Apache-2.0
"""Builds an ONNX graph whose tensors hold the real values of integers, exactly.

Integers of at most 24 bits times a power of two are exact in float32, and so are sums that stay below 2**24 steps;
others are computed in float64, up to 53 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import NotExpressibleError
from gatewright.fixed import Fixed

Array = npt.NDArray[Any]

DOMAIN = "qonnx.custom_op.general"
SINGLE, DOUBLE = 24, 53
"""Bits that float32 and float64 hold exactly."""
FRACS = range(-100, 101)
"""Binary points at which no value leaves the range of float32."""


class Writer:
    """Nodes, constants and the shape and type of every tensor.

    Attributes:
        place: node of our graph that is being written, for messages and names.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.kinds: dict[str, Any] = {}
        self.place = ""
        self._count = 0

    def refuse(self, problem: str, allowed: str, hint: str = "") -> NotExpressibleError:
        """The error that names the node."""
        return NotExpressibleError(f"qonnx, {self.place}", problem, allowed, hint)

    def name(self, base: str) -> str:
        """A new name."""
        self._count += 1
        return f"{self.place}_{base}_{self._count}"

    def constant(self, array: Any, kind: Any = np.float32, base: str = "const") -> str:
        """A constant; real numbers must be exact in `kind`."""
        found = np.asarray(array).astype(kind)
        assert np.array_equal(found.astype(np.float64), np.asarray(array, np.float64)), (self.place, base)
        name = self.name(base)
        self.constants[name], self.shapes[name], self.kinds[name] = found, found.shape, found.dtype.type
        return name

    def node(
        self,
        op: str,
        inputs: Sequence[str],
        shape: Sequence[int],
        kind: Any = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node and return its output, of the first input's type unless `kind` says otherwise."""
        from onnx import helper

        name = self.name(op.lower())
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, domain=domain, **attributes))
        self.shapes[name], self.kinds[name] = tuple(shape), kind or self.kinds[inputs[0]]
        return name

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """`x` in another shape."""
        if tuple(shape) == self.shapes[x]:
            return x
        return self.node("Reshape", [x, self.constant(np.array(shape), np.int64, "shape")], shape)

    def transpose(self, x: str, order: Sequence[int]) -> str:
        """`x` with its dimensions reordered."""
        if list(order) == sorted(order):
            return x
        return self.node("Transpose", [x], [self.shapes[x][k] for k in order], perm=list(order))

    def cast(self, x: str, kind: Any) -> str:
        """`x` in another type."""
        from onnx.helper import np_dtype_to_tensor_dtype

        if self.kinds[x] is kind:
            return x
        return self.node("Cast", [x], self.shapes[x], kind, to=np_dtype_to_tensor_dtype(np.dtype(kind)))

    def binary(self, op: str, x: str, constant: Any) -> str:
        """`x op constant`, in the type of `x`."""
        return self.node(op, [x, self.constant(constant, self.kinds[x])], self.shapes[x])

    # Formats

    def kind(self, bits: int) -> Any:
        """Type that holds integers of so many bits.

        Raises:
            NotExpressibleError: none does.
        """
        if bits > DOUBLE:
            raise self.refuse(f"{bits}-bit values", f"at most {DOUBLE} bits", "use narrower weights or activations")
        return np.float32 if bits <= SINGLE else np.float64

    def quantize(self, x: str, form: Fixed, rounds: bool) -> str:
        """Round `x` half up, if it needs rounding, and saturate it to `form`.

        QONNX has no mode that rounds halves up for negative numbers, so half a step is added before rounding down.
        """
        if form.frac not in FRACS:
            raise self.refuse(f"a binary point at {form.frac}", f"{FRACS.start} to {FRACS.stop - 1}")
        if rounds:
            x = self.binary("Add", x, 2.0 ** -(form.frac + 1))
        if self.kind(form.width) is np.float64:
            return self._wide(x, form)
        found = self.quant(x, form, np.array(2.0**-form.frac))
        if form.signed and form.width == 1:
            ends = [self.constant(v) for v in (-(2.0**-form.frac), 0.0)]
            found = self.node("Clip", [found, *ends], self.shapes[found])
        return found

    def quant(self, x: str, form: Fixed, scale: Array) -> str:
        """A Quant node that rounds down, with its own scale or one for each channel; its results are float32."""
        # A signed bit means -1 or 1 to QONNX, and -1 or 0 here.
        bits = form.width + (form.signed and form.width == 1)
        numbers = {"scale": scale, "zero": np.zeros(()), "bits": np.array(bits)}
        inputs = [x, *(self.constant(v, self.kinds[x], n) for n, v in numbers.items())]
        attributes = {"signed": int(form.signed), "narrow": 0, "rounding_mode": "FLOOR"}
        return self.node("Quant", inputs, self.shapes[x], np.float32, DOMAIN, **attributes)

    def _wide(self, x: str, form: Fixed) -> str:
        """What a Quant node does, in float64."""
        steps = self.node("Floor", [self.binary("Mul", self.cast(x, np.float64), 2.0**form.frac)], self.shapes[x])
        ends = [self.constant(float(v), np.float64) for v in (form.lo, form.hi)]
        return self.binary("Mul", self.node("Clip", [steps, *ends], self.shapes[x]), 2.0**-form.frac)

    def narrowed(self, x: str, form: Fixed) -> str:
        """`x` in the type that values of `form` travel in."""
        return self.cast(x, self.kind(form.width))

    def looked_up(self, x: str, form: Fixed, rows: str) -> str:
        """The row of a table for every integer of `form`, the least one first."""
        steps = self.binary("Mul", x, 2.0**form.frac)
        index = self.cast(self.binary("Sub", steps, float(form.lo)), np.int64)
        return self.node("Gather", [rows, index], self.shapes[x], self.kinds[rows], axis=0)
