# SPDX-License-Identifier: Apache-2.0
"""Modules trained with brevitas: every quantized layer becomes plain PyTorch with constants and fake quantizers.

A layer of brevitas is its quantizers around a layer of PyTorch: weights and bias are read as brevitas quantizes them,
in their scales, and quantizers of activations become calls that the PyTorch front end takes as formats.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright.errors import UnsupportedError
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.imported import Imported
from gatewright.frontend.torch_export import observe
from gatewright.frontend.trained import TrainedWeights

if TYPE_CHECKING:
    import torch

ROUNDINGS = {"RoundSte": "half_even", "RoundHalfUp": "half_up"}
"""Rounding of a quantizer by the class of its `float_to_int_impl`."""


def import_brevitas(
    model: torch.nn.Module,
    calibration: Any,
    *,
    config: QuantConfig | None = None,
    dynamic: Mapping[str, tuple[int, int]] | None = None,
    recalibrate: bool = False,
    name: str = "model",
) -> Imported:
    """The fixed-point graph of a module with brevitas layers.

    Power-of-two scales are taken exactly. Brevitas rounds halves to even and the hardware rounds them up: results
    differ where a sum lies exactly between two steps, and nowhere else; with `gatewright.nn.fake_quantize.RoundHalfUp`
    in the quantizers they do not differ at all.

    Args:
        model: in evaluation mode.
        calibration: inputs [N, ...], for values without a quantizer.
        config, dynamic, name: as in `import_model`.
        recalibrate: choose formats anew where a quantizer's is no fixed-point format; else they are refused.

    Raises:
        UnsupportedError: layers or scales have no exact lowering; names all of them.
        CalibrationError: the calibration data are empty, not finite or of the wrong shape.
    """
    import torch

    batch = calibration if isinstance(calibration, torch.Tensor) else torch.from_numpy(np.stack(list(calibration)))
    example = batch[:1].float() if batch.is_floating_point() else batch[:1]
    plain, trained = unquantized(model, example, recalibrate)
    observed = observe(plain, example, calibration, dynamic=dynamic)
    weights = TrainedWeights({} if recalibrate else trained)
    return weights.checked(observed.quantized(weights.configured(config or QuantConfig()), name))


def unquantized(
    model: torch.nn.Module, example: torch.Tensor, recalibrate: bool = False
) -> tuple[torch.nn.Module, dict[str, int]]:
    """The model in plain PyTorch, and per module path the bits of its weights.

    Raises:
        UnsupportedError: see `import_brevitas`.
    """
    if model.training:
        raise UnsupportedError("model", "training = True", "evaluation mode", "call model.eval() first")
    biases = _biases(model, example)
    reader = _Reader(recalibrate, biases)
    found = copy.deepcopy(model)
    for path, module in list(model.named_modules()):
        if not _is_layer(module):
            continue
        parent, _, child = path.rpartition(".")
        try:
            setattr(found.get_submodule(parent), child, reader.layer(path, module))
        except UnsupportedError as error:
            reader.problems.append(error)
    if reader.problems:
        raise _all(reader.problems)
    return found.eval(), reader.bits


def _is_layer(module: torch.nn.Module) -> bool:
    return type(module).__module__.startswith("brevitas.nn.") and hasattr(type(module), "forward")


def _biases(model: torch.nn.Module, example: torch.Tensor) -> dict[str, Any]:
    """Quantized biases: their scale is that of the input by that of the weight, so the model has to run once."""
    import torch

    found: dict[str, Any] = {}
    hooks = []
    for path, module in model.named_modules():
        if _is_layer(module) and getattr(module, "bias", None) is not None and hasattr(module, "bias_quant"):
            hooks.append(module.bias_quant.register_forward_hook(_keeper(found, path)))
    try:
        with torch.no_grad():
            model(example)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _keeper(found: dict[str, Any], path: str) -> Callable[[Any, Any, Any], None]:
    def keep(module: Any, inputs: Any, output: Any) -> None:
        found[path] = _real(output)

    return keep


def _real(value: Any) -> Any:
    """The tensor of a quantized tensor."""
    return getattr(value, "value", value).detach().clone()


def _all(problems: list[UnsupportedError]) -> UnsupportedError:
    if len(problems) == 1:
        return problems[0]
    lines = "".join(f"\n    {e.place}: {e.problem} (supported: {e.allowed})" for e in problems)
    hint = next((e.hint for e in problems if e.hint), "")
    return UnsupportedError("model", f"{len(problems)} layers are not supported:{lines}", "", hint)


MATRICES = ("QuantLinear", "QuantConv1d", "QuantConv2d")
FUNCTIONS = {"QuantIdentity": "Identity", "QuantReLU": "ReLU", "QuantSigmoid": "Sigmoid", "QuantTanh": "Tanh"}
"""Layers without weights, and their functions in `torch.nn`."""


class _Reader:
    """Reads layers.

    Attributes:
        bits: widths of weights by module path.
        problems: refusals so far.
    """

    def __init__(self, recalibrate: bool, biases: Mapping[str, Any]) -> None:
        self.recalibrate, self.biases = recalibrate, biases
        self.bits: dict[str, int] = {}
        self.problems: list[UnsupportedError] = []

    def layer(self, path: str, module: Any) -> torch.nn.Module:
        """One layer in plain PyTorch."""
        from torch import nn

        place = f"{path} ({type(module).__name__})"
        kind = type(module).__name__
        if kind in MATRICES:
            parts = [self.quantizer(module.input_quant, place), self.matrix(path, module, place)]
            return nn.Sequential(*parts, self.quantizer(module.output_quant, place))
        if kind in FUNCTIONS:
            function = getattr(nn, FUNCTIONS[kind])()
            return nn.Sequential(
                self.quantizer(module.input_quant, place), function, self.quantizer(module.act_quant, place)
            )
        if kind == "QuantEltwiseAdd":
            return summed(self.quantizer(module.input_quant, place), self.quantizer(module.output_quant, place))
        raise UnsupportedError(
            place, f"layer {kind} is not supported", ", ".join((*MATRICES, *FUNCTIONS, "QuantEltwiseAdd"))
        )

    def matrix(self, path: str, module: Any, place: str) -> torch.nn.Module:
        """A linear layer or convolution with constants as they are used."""
        import torch
        from torch import nn

        base: Any = next(b for b in type(module).__mro__ if b in (nn.Linear, nn.Conv1d, nn.Conv2d))
        plain = base.__new__(base)
        nn.Module.__init__(plain)
        # What the layer of PyTorch says about itself; parameters and quantizers lie elsewhere.
        for name, value in vars(module).items():
            if name in base.__constants__ or name in ("transposed", "_reversed_padding_repeated_twice"):
                setattr(plain, name, value)
        with torch.no_grad():
            weight = module.quant_weight()
        if module.weight_quant.is_quant_enabled:
            scale = np.asarray(weight.scale.detach().numpy(), np.float64)
            if np.all(np.frexp(scale)[0] == 0.5):
                # The last part of the layer's Sequential is its quantizer, the middle one the matrix.
                self.bits[f"{path}.1"] = int(weight.bit_width)
            elif not self.recalibrate:
                raise _scale(place, "weight_quant", float(scale.reshape(-1)[np.frexp(scale.reshape(-1))[0] != 0.5][0]))
        plain.weight = nn.Parameter(_real(weight), requires_grad=False)
        bias = self.biases.get(path)
        if bias is None and module.bias is not None:
            bias = module.bias.detach().clone()
        plain.register_parameter("bias", None if bias is None else nn.Parameter(bias, requires_grad=False))
        found: torch.nn.Module = plain
        return found

    def quantizer(self, proxy: Any, place: str) -> torch.nn.Module:
        """The quantizer of an activation."""
        from torch import nn

        if not proxy.is_quant_enabled:
            return nn.Identity()
        stated = [v().detach().reshape(-1) for v in (proxy.scale, proxy.zero_point, proxy.bit_width)]
        scale, point, bits = (float(v[0]) for v in stated)
        signed, narrow = bool(proxy.is_signed), bool(proxy.is_narrow_range)
        name = type(proxy).__name__
        problems = []
        if stated[0].numel() != 1:
            problems.append(UnsupportedError(place, f"{name}: one scale per channel", "one for all channels"))
        elif np.frexp(scale)[0] != 0.5:
            problems.append(_scale(place, name, scale))
        if point != 0 or narrow:
            problem = f"{name}: zero_point = {point:g}, narrow range = {narrow}"
            problems.append(UnsupportedError(place, problem, "zero point 0, the full range (narrow_range = False)"))
        if problems and not self.recalibrate:
            raise problems[0]
        if problems:
            return nn.Identity()
        low = -(1 << int(bits) - 1) if signed else 0
        high = (1 << int(bits) - signed) - 1
        return rounded(scale, low, high, self.rounding(proxy, place))

    def rounding(self, proxy: Any, place: str) -> str:
        """How a quantizer rounds."""
        kinds = {type(m).__name__ for m in proxy.modules()}
        found = [r for k, r in ROUNDINGS.items() if k in kinds]
        if len(found) != 1:
            mode = getattr(proxy, "rounding_mode", "unknown")
            raise UnsupportedError(place, f"rounding_mode = {mode}", "ROUND, or float_to_int_impl = RoundHalfUp")
        return found[0]


def _scale(place: str, name: str, scale: float) -> UnsupportedError:
    return UnsupportedError(
        place,
        f"{name}: scale = {scale:.6g}",
        "a power of two",
        "train with restrict_scaling_type = RestrictValueType.POWER_OF_TWO, or pass recalibrate=True",
    )


def rounded(scale: float, low: int, high: int, rounding: str) -> torch.nn.Module:
    """A module that rounds to multiples of `scale` from `low` to `high` of them."""
    import torch

    import gatewright.nn.fake_quantize  # noqa: F401 - registers the call

    class Rounded(torch.nn.Module):
        """Calls the operator, so that it stays one in the exported graph."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = torch.ops.gatewright.fake_quantize(x, scale, 0, low, high, rounding)
            return found

    return Rounded()


def summed(before: torch.nn.Module, after: torch.nn.Module) -> torch.nn.Module:
    """A module that adds two tensors, quantized before and after."""
    import torch

    class Summed(torch.nn.Module):
        """The quantizers are shared as they are in brevitas."""

        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = before, after

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.after(self.before(a) + self.before(b))
            return found

    return Summed()
