# SPDX-License-Identifier: Apache-2.0
"""torch.nn.Module -> Program through torch.export, functional ATen calls, nothing decomposed."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright.errors import FormatError, UnsupportedError
from gatewright.frontend.layout import Shape
from gatewright.frontend.program import Array, Program, Ref, Step

if TYPE_CHECKING:
    import torch

BATCH_NORM = "aten._native_batch_norm_legit_no_training.default"
"""What functionalization makes of an evaluation-mode batch-norm."""

ATTENTION = ("scaled_dot_product", "multi_head_attention", "transformer_encoder_layer", "matmul", "bmm")
"""Parts of the names of calls that attention is traced to."""


def trace(model: torch.nn.Module, example: torch.Tensor, dynamic: Mapping[int, tuple[int, int]]) -> Program:
    """Export `model` for a batch of one.

    Args:
        model: in evaluation mode, with one tensor in and one tensor out.
        example: one item, shape [1, ...].
        dynamic: (minimum, maximum) of every dimension whose size is known only at run time.

    Raises:
        UnsupportedError: it cannot be exported, mutates its state or input, or has other inputs or outputs.
        FormatError: a parameter is NaN or infinite.
    """
    if model.training:
        raise UnsupportedError("model", "training = True", "evaluation mode", "call model.eval() first")
    for name, value in model.state_dict().items():
        _finite(name, value)
    exported = _export(model, example, dynamic)
    signature = exported.graph_signature
    mutated = [*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]
    if mutated:
        raise UnsupportedError(
            f"{mutated[0]}",
            "in-place mutation of a buffer or an input",
            "operators that return new values",
            "remove the assignment, or keep the state outside the model",
        )
    if len(signature.user_inputs) != 1 or len(signature.user_outputs) != 1:
        raise UnsupportedError(
            "model",
            f"{len(signature.user_inputs)} inputs and {len(signature.user_outputs)} outputs",
            "one tensor in, one tensor out",
        )
    _refuse_attention(exported)
    return _program(exported)


def _refuse_attention(exported: torch.export.ExportedProgram) -> None:
    """Raise UnsupportedError for attention that is not one operator, before its other pieces are met."""
    active = set(exported.graph_signature.user_inputs)
    for node in exported.graph.nodes:
        if not any(n.name in active for n in node.all_input_nodes):
            continue
        active.add(node.name)
        reads = [a for a in (*node.args, *node.kwargs.values()) if getattr(a, "name", None) in active]
        if len(reads) > 1 and any(part in str(node.target) for part in ATTENTION):
            raise UnsupportedError(
                f"{module_path(node) or 'model'} ({node.target})",
                f"{node.target} is not supported",
                "attention as one call, gatewright.nn.TopKAttention",
                "convert the model with gatewright.nn.sparsify before importing it; a Hugging Face BERT with "
                "gatewright.load_bert",
            )


def _export(
    model: torch.nn.Module, example: torch.Tensor, dynamic: Mapping[int, tuple[int, int]]
) -> torch.export.ExportedProgram:
    import torch

    from gatewright.nn.recurrent import as_one_node

    shapes = {d: torch.export.Dim.AUTO(min=low, max=high) for d, (low, high) in dynamic.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with as_one_node():
                found = torch.export.export(model, (example,), dynamic_shapes=(shapes,) if shapes else None)
            if not any(_mutates(node) for node in found.graph.nodes):
                return found
            # An empty table decomposes nothing; what remains is functionalization of in-place calls.
            return found.run_decompositions({})
        except Exception as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise UnsupportedError(
                "model",
                f"torch.export failed: {reason}",
                "a model whose control flow does not depend on data",
            ) from error


def _mutates(node: torch.fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _program(exported: torch.export.ExportedProgram) -> Program:
    constants = _constants(exported)
    graph, user = exported.graph, exported.graph_signature.user_inputs[0]
    known: dict[str, Any] = {}
    steps: list[Step] = []
    shape: Shape = ()
    for node in graph.nodes:
        if node.op == "placeholder":
            if node.name == user:
                shape, known[node.name] = _shape(node) or (), Ref(node.name)
            else:
                known[node.name] = constants.get(node.name)
        elif node.op == "call_function":
            if node.target is operator.getitem:
                # Of several results only the first is a value; the others are indices and statistics.
                if node.args[1] != 0 and node.users:
                    raise UnsupportedError(
                        f"{module_path(node) or 'model'} ({node.args[0].target})",
                        f"result {node.args[1]} is used",
                        "its first result",
                        "take the last step with y[:, -1]" if "_layers" in str(node.args[0].target) else "",
                    )
                known[node.name] = known[node.args[0].name]
                continue
            step = _step(node, known)
            steps.append(step)
            known[node.name] = Ref(step.name)
    (result,) = graph.output_node().args[0]
    if not isinstance(known.get(result.name), Ref):
        raise UnsupportedError("model", "the output is a constant", "an output that depends on the input")
    return Program(user, shape, tuple(steps), known[result.name].name)


def _constants(exported: torch.export.ExportedProgram) -> dict[str, Array]:
    signature = exported.graph_signature
    named = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    stores = (exported.state_dict, exported.constants)
    return {name: _array(next(s[target] for s in stores if target in s)) for name, target in named.items()}


def _step(node: torch.fx.Node, known: Mapping[str, Any]) -> Step:
    """One call with every schema argument named."""
    import torch

    def plain(value: Any) -> Any:
        if isinstance(value, torch.fx.Node):
            return known[value.name]
        if isinstance(value, torch.Tensor):
            return _array(value)
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    target, schema = str(node.target), getattr(node.target, "_schema", None)
    if schema is None:
        name = getattr(node.target, "__name__", target)
        args = {str(i): plain(a) for i, a in enumerate(node.args)}
        return Step(node.name, name, _by_position(node.target), args, _shape(node), module_path(node))
    args = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    args |= {a.name: plain(v) for a, v in zip(schema.arguments, node.args, strict=False)}
    args |= {k: plain(v) for k, v in node.kwargs.items()}
    args = {a.name: args[a.name] for a in schema.arguments if a.name in args}
    name, function = node.name, node.target
    if target == BATCH_NORM:
        args |= {"training": False, "cudnn_enabled": False}
        function = torch.ops.aten.batch_norm.default
        name, target = name.removeprefix("_native_").replace("_legit_no_training", ""), str(function)
    elif len(schema.returns) > 1:
        function = _first(function)
    return Step(name, target, function, args, _shape(node), module_path(node))


def _by_position(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **args: function(*args.values())


def _first(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **args: function(**args)[0]


def module_path(node: torch.fx.Node) -> str:
    """Path of the innermost module that made the call."""
    stack = node.meta.get("nn_module_stack") or {}
    return str([path for path, _ in stack.values()][-1]) if stack else ""


def _shape(node: torch.fx.Node) -> Shape | None:
    value = node.meta.get("val")
    if isinstance(value, list | tuple):
        value = value[0]
    if not hasattr(value, "shape"):
        return None
    # A symbol that the model turned out to fix has become a number.
    return tuple(s if isinstance(s, int) else s.node.maybe_as_int() for s in value.shape)


def _array(value: torch.Tensor) -> Array:
    found = value.detach().cpu()
    return np.array((found.double() if found.is_floating_point() else found).numpy())


def _finite(name: str, value: torch.Tensor) -> None:
    if value.is_floating_point() and not bool(value.isfinite().all()):
        bad = int((~value.isfinite()).sum())
        raise FormatError(
            name,
            f"{bad} of {value.numel()} values are NaN or infinite",
            "finite weights",
            "look for a diverged training run",
        )


def tensors(program: Program) -> Iterator[Step]:
    """Steps whose result is a tensor; the others compute run-time sizes."""
    return (s for s in program.steps if s.shape is not None)
