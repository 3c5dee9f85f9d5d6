# SPDX-License-Identifier: Apache-2.0
"""iRNN: LSTM and GRU networks trained in the integers that the hardware computes with.

Sari, Courville and Partovi Nia, "iRNN: Integer-only Recurrent Neural Network", ICPRAM 2022 (arXiv 2109.09828): weights,
preactivations, gates, cell state and hidden vector are rounded in every forward pass, sigmoid and tanh are the
piecewise-linear tables; gradients go through roundings, and through the slope of the table or of the function. Here
grids have powers of two as steps, knots have the least largest error (the paper removes them greedily), and formats of
activations are chosen once, from the float network; the binary points of weights follow them, see `quantize`.

    model = irnn.prepare(model, x[:256], QuantConfig(activation_bits=4, weight_bits=3))
    training.train(model, x, y, training.Training(3))
    design = gw.compile(quantize.finished(model), x[:1], x[:1])
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from gatewright.compress.matrices import matrices
from gatewright.compress.quantize import Quantized
from gatewright.errors import UnsupportedError
from gatewright.fixed import Fixed, as_integers, from_integers
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.imported import Imported
from gatewright.frontend.recurrent import in_order
from gatewright.frontend.torch_export import import_model
from gatewright.frontend.weights import GUARD
from gatewright.graph import Node
from gatewright.nn.fake_quantize import Rounding
from gatewright.nn.recurrence import Recurrence
from gatewright.ops._recurrent import Cell, Forms
from gatewright.ops.recurrent import Recurrent

CELLS: dict[type[nn.Module], Cell] = {nn.LSTM: Cell.LSTM, nn.GRU: Cell.GRU}
MANTISSA = 53
"""Bits in which sums inside a cell are exact."""


class Layer(nn.Module):
    """A linear layer for all steps, then what recurs; as the hardware has it."""

    def __init__(self, gates: nn.Linear, recurrence: Recurrence) -> None:
        super().__init__()
        self.gates, self.recurrence = gates, recurrence

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, L, C] to [N, L, hidden], or as the recurrence turns it."""
        found: torch.Tensor = self.recurrence(self.gates(x))
        return found


class Layers(nn.Module):
    """In the place of an nn.LSTM or nn.GRU; the second result, which the hardware does not have, is None."""

    def __init__(self, layers: list[Layer], batch_first: bool, dropout: float) -> None:
        super().__init__()
        self.layers, self.batch_first = nn.ModuleList(layers), batch_first
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, hx: None = None) -> tuple[torch.Tensor, None]:
        """[N, L, C], or [L, N, C] without `batch_first`."""
        if hx is not None or x.ndim != 3:
            raise UnsupportedError(
                "recurrent layer", "a first state" if hx is not None else f"shape {list(x.shape)}", "[N, L, C] alone"
            )
        x = x if self.batch_first else x.transpose(0, 1)
        for k, layer in enumerate(self.layers):
            x = layer(self.dropout(x) if k and self.dropout.p else x)
        return x, None


def prepare(
    model: nn.Module,
    calibration: Any,
    config: QuantConfig | None = None,
    *,
    slopes: str = "table",
    keep: Collection[str] = (),
    dynamic: Mapping[str, tuple[int, int]] | None = None,
) -> nn.Module:
    """A copy that computes in integers; it is to be trained, and then `quantize.finished`, which can be compiled.

    Every nn.LSTM and nn.GRU becomes `Layers`. Linear and convolutional layers get rounded weights, biases, inputs and
    results as well, at the widths of `config`; what else the network has stays as it is, and compiling chooses its
    formats. In evaluation mode recurrent layers give the very integers of the compiled design, and so do linear ones
    as long as their sums are exact: within 24 bits, or 53 after `model.double()`.

    Args:
        model: in evaluation mode, as for `gw.compile`.
        calibration: inputs [N, ...] that formats of activations are chosen for, or a list of them.
        config: widths and method of calibration.
        slopes: gradients of sigmoid and tanh, "table" or "function".
        keep: globs of linear and convolutional layers that stay as they are.
        dynamic: run-time length, as for `gw.compile`.

    Raises:
        UnsupportedError: no recurrent layer, one that cannot be lowered or is too wide, a layer that is called twice, a
            batch norm, or a glob that matches nothing.
        DataError: `slopes` is none.
        CalibrationError: the calibration data are empty, not finite or of the wrong shape.
    """
    config = config or QuantConfig()
    norms = [p for p, m in model.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if norms:
        hint = "torch.nn.utils.fuse_conv_bn_eval does it"
        raise UnsupportedError(norms[0], "a batch norm", "none: merged into the layer before it", hint)
    found = import_model(model, calibration[0][None], calibration, config=config, dynamic=dynamic)
    nodes: dict[str, list[Node]] = {}
    for node in found.raw.nodes:
        nodes.setdefault(node.origin, []).append(node)
    paths = [p for p, m in model.named_modules() if type(m) in CELLS]
    if not paths or "" in paths:
        raise UnsupportedError("irnn.prepare", "no recurrent layer", "a model that has nn.LSTM or nn.GRU inside")
    model = copy.deepcopy(model)
    linear = {p: n for p, n in nodes.items() if p not in paths}
    for path in paths:
        layers = _layers(path, model.get_submodule(path), found, nodes.get(path, []), slopes)
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, layers)
        for k, node in enumerate(n for n in nodes[path] if hasattr(n.op, "weight") and not isinstance(n.op, Recurrent)):
            linear[f"{path}.layers.{k}.gates"] = [node]
    return _quantized(model, found, linear, config, keep)


def _layers(path: str, module: Any, found: Imported, nodes: list[Node], slopes: str) -> Layers:
    """The layers of one module with the formats of their operators."""
    cell, made = CELLS[type(module)], []
    operators = [n for n in nodes if isinstance(n.op, Recurrent)]
    if len(operators) != module.num_layers:
        problem = f"called {len(operators) // module.num_layers} times"
        raise UnsupportedError(f"irnn.prepare {path!r}", problem, "once", "give every call a layer of its own")
    for k, (names, node) in enumerate(zip(module.all_weights, operators, strict=True)):
        op = node.op
        assert isinstance(op, Recurrent)
        form = found.raw.types[node.inputs[0]].fixed
        widest = max(op.width(form), op.unit(1).total_width)
        if widest > MANTISSA:
            place = f"irnn.prepare {path!r} layer {k}"
            raise UnsupportedError(place, f"sums of {widest} bits", f"at most {MANTISSA}", "use narrower activations")
        values = [p.detach().double().numpy() for p in names]
        weight, hidden, bias, own = (torch.from_numpy(v).to(names[0]) for v in in_order(cell, values))
        gates = nn.Linear(weight.shape[1], len(weight)).to(names[0])
        gates.weight, gates.bias = nn.Parameter(weight), nn.Parameter(bias)
        forms = Forms(form, op.gate, op.argument, op.state, op.output, op.activation)
        # The last one turns its result back itself: what reads its last step then reads a recurrence.
        first = module.batch_first or k < module.num_layers - 1
        made.append(Layer(gates, Recurrence(cell, hidden, own, forms, slopes, first)))
    return Layers(made, module.batch_first, module.dropout).train(module.training)


def _quantized(
    model: nn.Module, found: Imported, nodes: Mapping[str, list[Node]], config: QuantConfig, keep: Collection[str]
) -> nn.Module:
    """Put quantizers on the layers of a model that has its `Layers`; `nodes` by the paths of its matrices."""
    types = found.raw.types
    for path, layer in matrices(model, keep, "irnn.prepare").items():
        mine = [n for n in nodes.get(path, []) if hasattr(n.op, "weight")]
        if len(mine) != 1:
            problem = f"called {len(mine)} times"
            raise UnsupportedError(f"irnn.prepare {path!r}", problem, "once", "give every call a layer of its own")
        x, y = types[mine[0].inputs[0]].fixed, types[mine[0].name].fixed
        _on_grids(layer, path, config.at(mine[0].origin, (mine[0].op.name(),)), x, y)
        layer.entry, layer.exit = (Rounding(f).train(model.training) for f in (x, y))
        layer.register_forward_pre_hook(layer.entry.before)
        layer.register_forward_hook(layer.exit.behind)
    for path, layers in [(p, m) for p, m in model.named_modules() if isinstance(m, Layers)]:
        for k, one in enumerate(layers.layers):
            recurrence: Any = one.recurrence
            choice = config.at(path, (Recurrent.name(), recurrence.cell.value))
            _on_grids(recurrence, f"{path}.layers.{k}", choice, recurrence.forms.output, recurrence.forms.input)
    return model


def _on_grids(layer: Any, path: str, config: QuantConfig, x: Fixed, y: Fixed) -> None:
    """Parametrise weight and bias of what multiplies values of format `x` and rounds sums to `y`."""
    made = Quantized(config.weight_bits, len(layer.weight), config.method, path).train(layer.training)
    parametrize.register_parametrization(layer, "weight", made)
    if layer.bias is not None:
        parametrize.register_parametrization(layer, "bias", Offset(made, x, y))


class Offset(nn.Module):
    """The parametrisation of a bias: on the accumulator's grid, but not finer than compiling keeps it."""

    def __init__(self, weight: Quantized, x: Fixed, y: Fixed) -> None:
        super().__init__()
        # In a tuple it does not become a part of this module: its state is in the checkpoint already.
        self.weight, self.x, self.y = (weight,), x, y

    def forward(self, bias: torch.Tensor) -> torch.Tensor:
        """[out]; uses the binary points of the weight's last forward pass, which comes first."""
        frac = (self.x.frac + self.weight[0].frac).clamp(max=self.y.frac + GUARD).double()
        with torch.no_grad():
            found = (torch.floor(bias.double() * torch.exp2(frac) + 0.5) * torch.exp2(-frac)).to(bias)
        return found + (bias - bias.detach())

    def get_extra_state(self) -> torch.Tensor:
        """Formats, for checkpoints."""
        return torch.tensor(as_integers(self.x, self.y))

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Formats, from a checkpoint."""
        self.x, self.y = from_integers(state.tolist())
