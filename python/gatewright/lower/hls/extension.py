# SPDX-License-Identifier: Apache-2.0
"""Our kernels as hls4ml extension layers (hls4ml documentation, "Extension API").

One layer class per kernel of `hls/`. Its streams carry `gatewright::beat`, integers with `last`; `enter` and `leave`
stand between them and hls4ml's own streams, so that plain hls4ml layers may come before and after.
Import this module only where hls4ml is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gatewright.hls
from gatewright.errors import MissingExtraError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.graph import most_tokens
from gatewright.lower.hls import cpp
from gatewright.lower.hls.kernel import Table
from gatewright.lower.hls.program import Channel, Process, Program

try:
    from hls4ml.backends import get_backend
    from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
    from hls4ml.backends.vivado.vivado_types import VivadoStreamVariableDefinition
    from hls4ml.model.layers import Layer, register_layer
    from hls4ml.model.types import FixedPrecisionType, IntegerPrecisionType, NamedType, TensorVariable, WeightVariable
except ImportError as error:
    raise MissingExtraError("hls4ml", f"cannot be imported: {error}", hint="pip install 'gatewright[hls]'") from None

BACKENDS = ("Vitis", "Vivado")
"""hls4ml back ends with ap_int and hls::stream."""


def precision(fixed: Fixed) -> Any:
    """hls4ml's name for a format."""
    return FixedPrecisionType(fixed.width, fixed.width - fixed.frac, fixed.signed)


def entry_config(name: str, counts: Mapping[str, int], fixed: Fixed) -> str:
    """Parameters of `enter`: how many tokens come, and the format that they are rounded and saturated to."""
    kind = f"ap_{'' if fixed.signed else 'u'}fixed<{fixed.width}, {fixed.width - fixed.frac}, AP_RND, AP_SAT>"
    return cpp.config(name, counts).replace("};", f"    typedef {kind} fixed_t;\n}};")


class HLSBeatType(NamedType):
    """Type of a beat. hls4ml takes types whose name begins with HLS as converted already."""

    def __init__(self, name: str, channel: Channel) -> None:
        super().__init__(name, IntegerPrecisionType(channel.fixed.width, channel.fixed.signed))
        self.text = channel.beat

    def definition_cpp(self) -> str:
        """The type definition that goes into defines.h, which has no other place for the header."""
        return f'#include "nnet_utils/stream.hpp"\ntypedef {self.text} {self.name};\n'


class BeatVariable(TensorVariable, VivadoStreamVariableDefinition):
    """A stream of beats with the depth that the program has computed."""

    def __init__(self, name: str, kind: HLSBeatType, channel: Channel) -> None:
        super().__init__([channel.lanes], var_name=name, type_name=kind.name, precision=kind.precision)
        self.type = kind
        self.pragma = ("stream", channel.depth)


class IntegerTable(WeightVariable):
    """Constants. hls4ml would print them one by one, as floats: slow for an embedding, and exact below 2**53 only."""

    def __iter__(self) -> Iterator[str]:
        return map(str, self.data.tolist())


class Extension(Layer):
    """A process. Its attributes: `process`; `channels` by name of those it writes; `fixed` of `enter`."""

    def initialize(self) -> None:
        """Streams and tables."""
        channels: dict[str, Channel] = self.get_attr("channels")
        for k, name in enumerate(self.outputs):
            # Outputs of a fork share one type.
            kind = HLSBeatType(f"layer{self.index}_t", channels[name])
            self.set_attr(name, BeatVariable(f"layer{self.index}_out{k or ''}", kind, channels[name]))
        add_tables(self, self.tables())

    def tables(self) -> dict[str, Table]:
        """Every table by identifier, those of a loop's body included."""
        process: Process = self.get_attr("process")
        own = {process.table(n): t for n, t in process.kernel.tables.items()}
        return own | (process.body.tables() if process.body is not None else {})

    def config(self, name: str) -> str:
        """Text for parameters.h."""
        process: Process = self.get_attr("process")
        fixed: Fixed | None = self.get_attr("fixed")
        if fixed is not None:
            return entry_config(name, process.kernel.shape, fixed)
        own = cpp.config(name, process.kernel.parameters)
        if process.body is None:
            return own
        names = cpp.configs(process.body) | {process.name: name}
        inner = cpp.structures(process.body, names)
        return "\n".join([own, *inner, cpp.loops([process], names, symbols(self))])

    def call(self, config: str, streams: list[str]) -> str:
        """Text for the top function."""
        return cpp.call(self.get_attr("process"), config, symbols(self), streams)

    def headers(self) -> set[str]:
        """Headers by stem."""
        process: Process = self.get_attr("process")
        if self.get_attr("fixed") is not None:
            return {"boundary"}
        own = process.kernel.header
        inner = process.body.headers() if process.body is not None else set()
        return inner | {own.stem if own is not None else process.kernel.function}


class GatewrightLeave(Layer):
    """Back to hls4ml's streams. Its attributes: `fixed`, `shape`, `tokens`."""

    def initialize(self) -> None:
        """A plain hls4ml output."""
        self.add_output_variable(self.get_attr("shape"), precision=precision(self.get_attr("fixed")))

    def config(self, name: str) -> str:
        """Text for parameters.h."""
        return cpp.config(name, {"tokens": self.get_attr("tokens")})

    def call(self, config: str, streams: list[str]) -> str:
        """Text for the top function."""
        return f"gatewright::leave<{config}>({', '.join(streams)})"

    def headers(self) -> set[str]:
        """Headers by stem."""
        return {"boundary"}


class GatewrightNetwork(Layer):
    """A whole program of one input and one output between plain hls4ml layers. Its attributes: `program`, `shape`."""

    def initialize(self) -> None:
        """A plain hls4ml output, and tables."""
        if self.model.config.get_config_value("IOType") != "io_stream":
            raise UnsupportedError(f"layer {self.name}", "io_type = io_parallel", "io_type='io_stream'")
        program: Program = self.get_attr("program")
        (port,) = program.outputs
        self.add_output_variable(self.get_attr("shape"), precision=precision(port.kind.fixed))
        add_tables(self, program.tables())

    def config(self, name: str) -> str:
        """Text for parameters.h: the parameters of all kernels and the function that calls them."""
        program: Program = self.get_attr("program")
        (start,), (end,) = program.inputs, program.outputs
        # Two networks in one project may have processes of the same names.
        names = {k: f"{name}_{v}" for k, v in cpp.configs(program).items()}
        ends = (
            f'GATEWRIGHT_PROCESS("enter", gatewright::enter<{name}_enter>(in, {start.channel}));',
            f'GATEWRIGHT_PROCESS("leave", gatewright::leave<{name}_leave>({end.channel}, out));',
        )
        return "\n".join(
            [
                entry_config(f"{name}_enter", {"tokens": most_tokens(start.kind.tokens)}, start.kind.fixed),
                cpp.config(f"{name}_leave", {"tokens": most_tokens(end.kind.tokens)}),
                *cpp.structures(program, names),
                cpp.network(name, program, names, symbols(self), ends),
            ]
        )

    def call(self, config: str, streams: list[str]) -> str:
        """Text for the top function."""
        return f"{config}::run({', '.join(streams)})"

    def headers(self) -> set[str]:
        """Headers by stem."""
        program: Program = self.get_attr("program")
        return program.headers() | {"boundary"} | {p.kernel.header.stem for p in program.extra() if p.kernel.header}


def add_tables(node: Any, tables: dict[str, Table]) -> None:
    """Tables as hls4ml weights: arrays in headers, and in text files for its C simulation."""
    for name, one in tables.items():
        kind = IntegerPrecisionType(one.fixed.width, one.fixed.signed)
        names = {"var_name": f"{name}_{node.index}", "type_name": f"{name}_{node.index}_t"}
        node.set_attr(name, IntegerTable(**names, precision=kind, data=one.values.reshape(-1)))


def symbols(node: Any) -> dict[str, str]:
    """C++ name of every table."""
    return {name: weight.name for name, weight in node.weights.items()}


class ExtensionConfig(LayerConfigTemplate):
    """`config{index}` in parameters.h."""

    def __init__(self) -> None:
        super().__init__(layer_classes())

    def format(self, node: Any) -> str:
        """The layer says it."""
        return str(node.config(f"config{node.index}"))


class ExtensionCall(FunctionCallTemplate):
    """The call in the top function."""

    def __init__(self) -> None:
        super().__init__(layer_classes())

    def transform(self, model: Any, node: Any) -> Any:
        """Include what this layer needs only."""
        self.include_header = [f"nnet_utils/{stem}.hpp" for stem in sorted(node.headers())]
        return super().transform(model, node)

    def format(self, node: Any) -> str:
        """The layer says it."""
        streams = [node.get_input_variable(n).name for n in node.inputs]
        streams += [node.get_output_variable(n).name for n in node.outputs]
        return f"{node.call(f'config{node.index}', streams)};"


@cache
def _kernel_classes() -> dict[str, type]:
    """Layer class by kernel; headers that hold helpers only make classes that nobody asks for."""
    functions = {p.stem for p in gatewright.hls.ROOT.glob("*.hpp")} | {"enter", "enter_length", "external"}
    names = {f: "Gatewright" + "".join(w.capitalize() for w in f.split("_")) for f in sorted(functions)}
    return {f: type(name, (Extension,), {}) for f, name in names.items()}


def layer_classes() -> list[type]:
    """Every layer that we add to hls4ml."""
    return [*_kernel_classes().values(), GatewrightLeave, GatewrightNetwork]


def class_name(function: str) -> str:
    """Layer class of a kernel; those that are not in the library share one."""
    classes = _kernel_classes()
    return classes.get(function, classes["external"]).__name__


@cache
def register(backend: str) -> None:
    """Make layers, templates and headers known to a back end; once per process.

    Raises:
        UnsupportedError: a back end with other types.
    """
    if backend not in BACKENDS:
        raise UnsupportedError("hls", f"back end {backend!r}", ", ".join(BACKENDS))
    _register_layers()
    found = get_backend(backend)
    found.register_template(ExtensionConfig)
    found.register_template(ExtensionCall)
    for header in sorted(gatewright.hls.ROOT.glob("*.hpp")):
        found.register_source(header)


@cache
def _register_layers() -> None:
    for kind in layer_classes():
        register_layer(kind.__name__, kind)


def add_sources(backend: str, program: Program) -> None:
    """Have the headers of kernels from elsewhere copied into every project of the back end."""
    for process in program.extra():
        assert process.kernel.header is not None
        get_backend(backend).register_source(Path(process.kernel.header))
