# SPDX-License-Identifier: Apache-2.0
"""PyTorch models for hls4ml's own converter, with our layers in them.

hls4ml 1.3 traces a model with torch.fx and has a handler per layer class. `prepare` replaces chosen modules, such as
`gatewright.nn.TopKAttention`, by one that holds their integer graph and is an hls4ml extension layer. It refuses a
model in which other modules would stay that hls4ml converts without a word to something else.
"""

from __future__ import annotations

import copy
import dataclasses
import operator
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from gatewright.errors import CalibrationError, MissingExtraError, UnsupportedError
from gatewright.frontend.config import QuantConfig
from gatewright.graph import Folding, most_tokens
from gatewright.lower.hls.builder import program
from gatewright.schedule import all_nodes

if TYPE_CHECKING:
    import torch

    from gatewright.frontend.imported import Imported

NAME = "GatewrightModule"
"""Class name by which hls4ml's converter finds our handler."""

WRONG = {
    "Linear": "on a sequence its weights are not transposed, or its shape check fails, depending on channels_last",
    "Softmax": "it is taken over the whole tensor",
    "LayerNorm": "its table ends at variance 1",
    "einsum": "its result gets the shape of its first operand",
}
"""What hls4ml 1.3.0 converts to something else on [tokens, channels], without a warning."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A model for `hls4ml.converters.convert_from_pytorch_model`, with channels_last_conversion="off".

    Attributes:
        model: what to convert.
        parts: the integer graph of every replaced module by its path.
    """

    model: torch.nn.Module
    parts: dict[str, Imported]


def prepare(
    model: torch.nn.Module,
    calibration: torch.Tensor,
    take: Sequence[type] | None = None,
    config: QuantConfig | None = None,
    backend: str = "Vitis",
) -> Prepared:
    """A copy of a model in which every module of the classes `take` is an hls4ml extension layer.

    Args:
        model: in evaluation mode; it takes [N, tokens, channels], with a fixed number of tokens.
        calibration: inputs that show the range of every value.
        take: module classes; `TopKAttention` by default. Any module that `gatewright.compile` takes may be named.
        config: widths and calibration method of what is taken.
        backend: of hls4ml.

    Raises:
        UnsupportedError: nothing is taken, a module cannot be, or one that stays would be converted wrongly.
        MissingExtraError: hls4ml is not installed.
    """
    from gatewright.lower.hls import extension
    from gatewright.nn import TopKAttention

    classes = tuple(take or (TopKAttention,))
    model = copy.deepcopy(model).eval()
    found = _outermost(model, classes)
    if not found:
        raise UnsupportedError("prepare", "no module to take", ", ".join(c.__name__ for c in classes))
    _register(backend)
    extension.register(backend)
    parts = {}
    for path, seen in _inputs(model, found, calibration).items():
        parts[path] = _imported(model.get_submodule(path), seen, config, path)
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, _module()(parts[path]))
    return Prepared(_checked(model), parts)


def _outermost(model: torch.nn.Module, classes: tuple[type, ...]) -> list[str]:
    found: list[str] = []
    for path, module in model.named_modules():
        if isinstance(module, classes) and not any(path.startswith(f"{p}.") for p in found):
            if not path:
                raise UnsupportedError("prepare", "the model itself is a module to take", "a model that contains it")
            found.append(path)
    return found


def _inputs(model: torch.nn.Module, paths: Sequence[str], calibration: torch.Tensor) -> dict[str, torch.Tensor]:
    """What every module reads when the model runs on the calibration data."""
    import torch

    seen: dict[str, list[torch.Tensor]] = {p: [] for p in paths}

    def hook(path: str) -> Any:
        def note(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            if len(inputs) != 1:
                raise UnsupportedError(path, f"{len(inputs)} inputs", "one tensor")
            seen[path].append(inputs[0].detach())

        return note

    handles = [model.get_submodule(p).register_forward_pre_hook(hook(p)) for p in paths]
    with torch.no_grad():
        model(calibration)
    for handle in handles:
        handle.remove()
    for path, values in seen.items():
        if len(values) != 1:
            raise CalibrationError(path, f"called {len(values)} times", "once per forward pass")
    return {p: v[0] for p, v in seen.items()}


def _imported(module: torch.nn.Module, seen: torch.Tensor, config: QuantConfig | None, path: str) -> Imported:
    import torch

    from gatewright.frontend.torch_export import import_model

    class First(torch.nn.Module):
        """The result alone, of a module that also returns its (absent) weights."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result = self.inner(x)
            return result[0] if isinstance(result, tuple) else result

    name = "".join(c if c.isalnum() else "_" for c in path)
    return import_model(First().eval(), seen[:1], seen, config=config, name=f"m_{name}")


@cache
def _module() -> type[torch.nn.Module]:
    """The stand-in, a leaf for torch.fx; made late, because its base class imports hls4ml and torch."""
    import torch

    try:
        from hls4ml.utils.torch import HLS4MLModule
    except ImportError as error:
        raise MissingExtraError(
            "hls4ml", f"cannot be imported: {error}", hint="pip install 'gatewright[hls]'"
        ) from None

    class GatewrightModule(HLS4MLModule):
        """Computes the golden integers, as real numbers."""

        def __init__(self, imported: Imported) -> None:
            super().__init__()
            self.imported = imported

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(self.imported.run(x.detach().numpy())).to(x.dtype)

    assert GatewrightModule.__name__ == NAME
    return GatewrightModule


def _checked(model: torch.nn.Module) -> torch.nn.Module:
    """The traced model; picking the first result of a stand-in is dropped, since it has one only."""
    from hls4ml.utils.torch import CustomFXTracer

    graph = CustomFXTracer().trace(model)
    kinds = dict(model.named_modules())
    for node in list(graph.nodes):
        kind = type(kinds[node.target]).__name__ if node.op == "call_module" else getattr(node.target, "__name__", "")
        place = node.target if node.op == "call_module" else node.name
        if kind in WRONG:
            raise UnsupportedError(
                f"module {place} ({kind})",
                f"hls4ml would convert it to something else: {WRONG[kind]}",
                "layers that hls4ml computes as PyTorch does",
                "add its class to `take`, or a module around it, or use Design.hls for the whole model",
            )
        if kind == NAME:
            for user in list(node.users):
                if user.target is operator.getitem:
                    user.replace_all_uses_with(node)
                    graph.erase_node(user)
    return _converted()(model, graph)


@cache
def _converted() -> type[torch.nn.Module]:
    """A traced model under a name of our own."""
    import torch

    class Converted(torch.fx.GraphModule):
        """What `prepare` hands to hls4ml."""

    return Converted


@cache
def _register(backend: str) -> None:
    """Our handler in hls4ml's converter; once per process."""
    try:
        from hls4ml.converters import register_pytorch_layer_handler
    except ImportError as error:
        raise MissingExtraError(
            "hls4ml", f"cannot be imported: {error}", hint="pip install 'gatewright[hls]'"
        ) from None

    def parse(
        operation: str,
        layer_name: str,
        input_names: list[str],
        input_shapes: list[list[int]],
        node: Any,
        class_object: Any,
        data_reader: Any,
        config: Any,
    ) -> tuple[dict[str, Any], list[int]]:
        imported: Imported = class_object.imported
        graph, out = imported.graph, imported.output_type
        # One multiplier each: the smallest hardware, which a project may fold further.
        foldings: dict[str, Folding] = {
            name: next(iter(n.op.foldings(*g.input_types(n)))) for name, (g, n) in all_nodes(graph)
        }
        tokens = most_tokens(out.tokens)
        shape = [out.channels] if len(input_shapes[0]) == 2 else [tokens, out.channels]
        layer = {
            "class_name": "GatewrightNetwork",
            "name": layer_name,
            "inputs": list(input_names),
            "shape": shape,
            "program": program(graph, foldings),
        }
        return layer, [input_shapes[0][0], *shape]

    register_pytorch_layer_handler(NAME, parse)
    _show_in_yaml()


def _show_in_yaml() -> None:
    """hls4ml writes its whole configuration into the project, the PyTorch model included; of ours, its text."""
    import yaml  # type: ignore[import-untyped]

    from gatewright.frontend.imported import Imported

    yaml.add_representer(Imported, lambda dumper, one: dumper.represent_str(str(one.graph)))
    yaml.add_multi_representer(_converted(), lambda dumper, one: dumper.represent_str(str(one.graph)))
