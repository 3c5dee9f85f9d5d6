# SPDX-License-Identifier: Apache-2.0
"""Records ATen calls while an ONNX model is walked, running each on one sample to know its shape."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from gatewright.errors import UnsupportedError
from gatewright.frontend.fold import AFFINE
from gatewright.frontend.onnx.model import Array, Model, Node
from gatewright.frontend.onnx.tensor import Tensor
from gatewright.frontend.program import Program, Ref, Step

QUADRATIC = "gatewright.quadratic.default"


@dataclass(frozen=True)
class Options:
    """What an importer may do besides the exact thing.

    Attributes:
        recalibrate: formats that are no powers of two are chosen anew from the calibration data.
    """

    recalibrate: bool = False


class Recorder:
    """Values by ONNX tensor name, and the steps so far.

    Attributes:
        grids: constants that a quantizer made, by tensor name, with its bits.
        trained: module paths whose weights such a constant is, with the bits.
    """

    def __init__(self, model: Model, sample: Any, name: str, options: Options) -> None:
        self.model, self.options = model, options
        self.values: dict[str, Tensor | Array] = dict(model.constants)
        self.values[model.inputs[0].name] = Tensor(name, sample)
        self.steps: list[Step] = []
        self.grids: dict[str, int] = {}
        self.trained: dict[str, int] = {}
        self._input, self._shape = name, tuple(sample.shape)
        self._samples = {name: sample}
        self._count: Counter[str] = Counter()
        self.node = Node("", "", (), ())

    # Inputs of the node at hand

    def has(self, index: int) -> bool:
        """Whether the node has this input."""
        return index < len(self.node.inputs) and self.node.inputs[index] != ""

    def value(self, index: int) -> Tensor | Array:
        """An input, whatever it is."""
        return self.values[self.node.inputs[index]]

    def tensor(self, index: int = 0) -> Tensor:
        """An input that is computed at run time; real numbers, or token ids."""
        found = self.value(index)
        if not isinstance(found, Tensor):
            self.refuse(f"input {index} ({self.node.inputs[index]})", "a constant", "a run-time tensor")
        if found.form is not None:
            self.refuse(
                f"input {index} ({self.node.inputs[index]})",
                "integers of QuantizeLinear",
                "real numbers",
                "export with DequantizeLinear in front of every operator (QDQ), not with integer operators",
            )
        return found

    def constant(self, index: int, default: Any = None) -> Any:
        """An input that is constant, or the default if it is left out."""
        if not self.has(index):
            return default
        found = self.value(index)
        if isinstance(found, Tensor):
            self.refuse(f"input {index} ({self.node.inputs[index]})", "computed at run time", "a constant")
        return found

    def reals(self, index: int) -> Any:
        """A constant input in float64, or None."""
        found = self.constant(index)
        if found is None:
            return None
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            count = int(np.sum(~np.isfinite(found)))
            self.refuse(self.node.inputs[index], f"{count} values are NaN or infinite", "finite weights")
        return found.astype(np.float64)

    def refuse(self, attribute: str, value: object, supported: str, hint: str = "") -> NoReturn:
        """Raise the error that names node, attribute, value and what is supported."""
        raise UnsupportedError(self.node.place, f"{attribute} = {value}", supported, hint)

    def only(self, attribute: str, *allowed: Any) -> Any:
        """An attribute that must have one of these values; the first is its default."""
        found = self.node.get(attribute, allowed[0])
        if found not in allowed:
            self.refuse(attribute, found, " or ".join(map(str, allowed)))
        return found

    # Calls

    def call(self, target: str, args: Mapping[str, Any], function: Callable[..., Any] | None = None) -> Tensor:
        """Record a call of an ATen overload, e.g. "aten.relu.default"; arguments that are left out have defaults.

        Args:
            function: computes it where ATen cannot say it; takes `args`.
        """
        import torch

        if function is None:
            space, name, overload = target.split(".")
            function = getattr(getattr(getattr(torch.ops, space), name), overload)
        schema = getattr(function, "_schema", None)
        defaults = {a.name: a.default_value for a in schema.arguments if a.has_default_value()} if schema else {}
        given = dict(defaults) | dict(args)
        order = [a.name for a in schema.arguments] if schema else list(given)
        full = {name: self._plain(given[name]) for name in order}
        base = target.split(".")[1]
        name = base if not self._count[base] else f"{base}_{self._count[base]}"
        self._count[base] += 1
        step = Step(name, target, function, full, None, self.node.name)
        return self._add(step)

    def _add(self, step: Step, at: int | None = None) -> Tensor:
        import torch

        with torch.no_grad():
            found = step.function(**{k: _bound(v, self._samples) for k, v in step.args.items()})
        self._samples[step.name] = found
        step = dataclasses.replace(step, shape=tuple(found.shape))
        if at is None:
            self.steps.append(step)
        else:
            self.steps[at] = step
        return Tensor(step.name, found)

    def placed(self, array: Array) -> Tensor:
        """A value that no step makes: for judging what reads it, in a model that is refused anyway."""
        import torch

        name = f"refused_{len(self._samples)}"
        self._samples[name] = torch.from_numpy(np.array(array))
        return Tensor(name, self._samples[name])

    @staticmethod
    def _plain(value: Any) -> Any:
        if isinstance(value, Tensor):
            return Ref(value.name)
        return [Recorder._plain(v) for v in value] if isinstance(value, list | tuple) else value

    def straight(self, x: Tensor) -> Tensor:
        """`x` with its dimensions recorded as they are."""
        if x.axes is None:
            return x
        found, order = x.plain, [a for a in x.axes if a is not None]
        if order != sorted(order):
            found = self.call("aten.permute.default", {"self": found, "dims": order})
        for k, axis in enumerate(x.axes):
            if axis is None:
                found = self.call("aten.unsqueeze.default", {"self": found, "dim": k})
        return dataclasses.replace(found, form=x.form)

    def first(self, x: Tensor, what: str) -> Tensor:
        """`straight`, of a tensor that has its batch dimension in front; else refuse `what`."""
        self.batch_first(x, what)
        return self.straight(x)

    def batch_first(self, x: Tensor, what: str) -> None:
        """Refuse `what` unless its batch dimension is in front."""
        if x.batch != 0:
            self.refuse(
                what,
                f"a tensor of shape {list(x.shape)} with the batch as dimension {x.batch}",
                "the batch dimension first",
                "transpose it back before",
            )

    def affine(self, x: Tensor, scale: Array, shift: Array) -> Tensor:
        """`scale * x + shift` for constants that broadcast: part of the matrix in front where there is one."""
        rank = len(x.shape)
        scale, shift = (np.asarray(v, np.float64) for v in (scale, shift))
        for name, array in (("scale", scale), ("shift", shift)):
            if array.ndim > rank or np.broadcast_shapes(x.shape, array.shape) != x.shape:
                self.refuse(name, f"shape {list(array.shape)} on {list(x.shape)}", "one value per channel, or one")
        wide = [np.broadcast_to(v, (1,) * (rank - v.ndim) + v.shape) for v in (scale, shift)]
        source = next((k for k, s in enumerate(self.steps) if s.name == x.name), None)
        if source is not None and self._foldable(source, wide):
            return self._folded(source, wide)
        if source is not None and self.steps[source].target == QUADRATIC and self._alone(x.name):
            # scale * p(x) + shift is a polynomial, too.
            args = {n: self.steps[source].args[n] * scale for n in ("square", "slope", "constant")}
            args |= {"x": self.steps[source].args["x"], "constant": args["constant"] + shift}
            return self._add(dataclasses.replace(self.steps[source], args=args), source)
        if rank in (2, 4) and all(_only(v, 1) for v in wide):
            gain, offset = (np.broadcast_to(v.reshape(-1), (x.shape[1],)).copy() for v in wide)
            zero = np.zeros(x.shape[1])
            return self.call(
                "aten.batch_norm.default",
                {"input": x, "weight": gain, "bias": offset, "running_mean": zero, "running_var": zero + 1}
                | {"training": False, "momentum": 0.1, "eps": 0.0, "cudnn_enabled": False},
            )
        return self.quadratic(x, np.zeros(()), scale, shift)

    def quadratic(self, x: Tensor, square: Array, slope: Array, constant: Array) -> Tensor:
        """`square * x**2 + slope * x + constant` for constants that broadcast."""
        import gatewright.nn.quadratic  # noqa: F401 - registers the call

        parts = {"square": square, "slope": slope, "constant": constant}
        arrays = {k: np.atleast_1d(np.asarray(v, np.float64)) for k, v in parts.items()}
        return self.call(QUADRATIC, {"x": x} | arrays)

    def _foldable(self, at: int, wide: Sequence[Array]) -> bool:
        """Whether a scale and shift of step `at` can go into its constants."""
        step = self.steps[at]
        if step.target not in AFFINE or not isinstance(step.args["weight"], np.ndarray):
            return False
        rank = wide[0].ndim
        axis = rank - 1 if step.target == "aten.linear.default" else 1
        # A power of two keeps trained weights on their grid.
        trained = step.path in self.trained and not np.all(np.frexp(np.abs(wide[0]))[0] == 0.5)
        return self._alone(step.name) and not trained and all(_only(v, axis) for v in wide)

    def reordered(self, x: Tensor, order: Array) -> Tensor | None:
        """`x` with its channels in another order, if it is the result of a convolution that only this node reads.

        Args:
            order: for each new channel the old one.
        """
        at = next((k for k, s in enumerate(self.steps) if s.name == x.name), None)
        if at is None or self.steps[at].target not in AFFINE or "conv" not in self.steps[at].target:
            return None
        step = self.steps[at]
        if step.args["groups"] != 1 or not isinstance(step.args["weight"], np.ndarray) or not self._alone(x.name):
            return None
        bias = step.args["bias"]
        args = dict(step.args) | {"weight": step.args["weight"][order], "bias": None if bias is None else bias[order]}
        return self._add(dataclasses.replace(step, args=args), at)

    def _alone(self, name: str) -> bool:
        """Whether only the node at hand reads the value of a step."""
        tensors = [t for t, v in self.values.items() if isinstance(v, Tensor) and v.name == name]
        reads = [n for t in tensors for n in self.model.readers.get(t, []) if n is not self.node]
        # A node that hands the value on unchanged has made its own name for it.
        return not any(n.outputs[0] not in tensors for n in reads) and not set(tensors) & set(self.model.outputs)

    def _folded(self, at: int, wide: Sequence[Array]) -> Tensor:
        """a (W x + b) + c = (a W) x + (a b + c)."""
        step = self.steps[at]
        weight = step.args["weight"]
        scale, shift = (np.broadcast_to(v.reshape(-1), (len(weight),)) for v in wide)
        bias = step.args["bias"] if step.args.get("bias") is not None else np.zeros(len(weight))
        scaled = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        args = dict(step.args) | {"weight": scaled, "bias": bias * scale + shift}
        return self._add(dataclasses.replace(step, args=args), at)

    def program(self, output: str) -> Program:
        """What was recorded, with one output."""
        found = self.values[output]
        if not isinstance(found, Tensor):
            raise UnsupportedError("model", f"the output {output} is a constant", "an output that depends on the input")
        if found.form is not None:
            raise UnsupportedError(
                "model", f"the output {output} holds integers", "real numbers", "end with DequantizeLinear"
            )
        found = self.straight(found)
        return Program(self._input, self._shape, tuple(self.steps), found.name)


def _only(array: Array, axis: int) -> bool:
    """Whether an array has sizes other than 1 along one axis at most."""
    return all(n == 1 or k == axis for k, n in enumerate(array.shape))


def _bound(value: Any, samples: Mapping[str, Any]) -> Any:
    import torch

    if isinstance(value, Ref):
        return samples[value.name]
    if isinstance(value, np.ndarray):
        found = torch.from_numpy(np.ascontiguousarray(value))
        return found.float() if found.is_floating_point() else found
    return [_bound(v, samples) for v in value] if isinstance(value, list | tuple) else value
