# SPDX-License-Identifier: Apache-2.0
"""An imported model: the integer graph, the way in and out of it, and its derived tolerance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import gatewright.ops
from gatewright.errors import CalibrationError, DataError
from gatewright.fixed import Fixed, Floats, Ints
from gatewright.frontend import calibrate, files, layout
from gatewright.frontend.layout import View
from gatewright.frontend.passes import PASSES
from gatewright.frontend.program import Array, Program, runner
from gatewright.graph import Graph, Length, Reference, TensorType, apply, from_dict, to_dict
from gatewright.progress import track

assert gatewright.ops  # imported so that every operator can be loaded

SLACK = 2.0**-40
"""Relative allowance for the rounding of the float64 sums that bounds and reference values are made of."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Golden results beside the float model, per item and in torch layout.

    Attributes:
        golden: real values of the integer results.
        real: the float model in float64.
        bound: |golden - real| never exceeds it. Every layer's worst case adds up, so it grows with depth.
        layers: per node (error, bound, error / bound) of the golden integers against the float operator at
            the same golden inputs, at the worst place. This stays sharp at any depth.
        meaning: largest difference between the float model and the graph run in real numbers; float64
            rounding only, because both compute the same function.
    """

    golden: list[Floats]
    real: list[Floats]
    bound: list[Floats]
    layers: dict[str, tuple[float, float, float]]
    meaning: float

    @property
    def holds(self) -> bool:
        """True when every difference, of every layer and of the results, is within its bound."""
        ends = all(bool(np.all(np.abs(g - f) <= b)) for g, f, b in zip(self.golden, self.real, self.bound, strict=True))
        scale = max((float(np.max(np.abs(f))) for f in self.real), default=0.0)
        return ends and all(r <= 1 for _, _, r in self.layers.values()) and self.meaning <= 1e-9 * (1 + scale)

    @property
    def worst(self) -> tuple[float, float]:
        """Largest difference and largest bound of the results."""
        gaps = (float(np.max(np.abs(g - f))) for g, f in zip(self.golden, self.real, strict=True))
        return max(gaps), max(float(b.max()) for b in self.bound)


@dataclass(frozen=True, eq=False)
class Imported:
    """The result of a front end.

    Attributes:
        raw: the graph before the passes, node for node as the float model.
        entry, exit: torch layouts of the input and the output.
        references: float operator of every node of `raw`, and of the input.
        program: the float model; None when loaded from a file.
        ids: None when the input holds real numbers; for integers, how many there are: 0 to ids - 1.
    """

    raw: Graph
    entry: View
    exit: View
    references: Mapping[str, Reference]
    program: Program | None = None
    ids: int | None = None

    @cached_property
    def graph(self) -> Graph:
        """The graph to build: equal to `raw` bit for bit, without idle nodes."""
        return apply(self.raw, *PASSES)

    @property
    def input(self) -> str:
        """Name of the graph's input."""
        (name,) = self.raw.inputs
        return name

    @property
    def input_type(self) -> TensorType:
        """Type of the input stream."""
        return self.raw.inputs[self.input]

    @property
    def output_type(self) -> TensorType:
        """Type of the output stream."""
        return self.raw.types[self.raw.outputs[0]]

    def encode(self, batch: Any) -> list[Ints]:
        """Integer sequences [tokens, channels] of a batch [N, ...] or a list of items.

        Real numbers are rounded and saturated; integers are taken as they are.

        Raises:
            DataError: an item has the wrong shape or length, is not finite, or holds an integer out of range.
        """
        return [self._quantized(x) for x in self._streams(batch)]

    def decode(self, sequences: Sequence[Ints]) -> Floats | list[Floats]:
        """Float array [N, ...] in torch layout of integer output sequences; a list where lengths differ."""
        fixed = self.output_type.fixed
        return _stacked([self._item(fixed.dequantize(s)) for s in sequences])

    def run(self, batch: Any) -> Floats | list[Floats]:
        """Golden results of a batch, in torch layout."""
        return self.decode([self.graph.evaluate(s)[0] for s in track(self.encode(batch), "golden")])

    def compare(self, batch: Any) -> Compared:
        """Golden results, the float model's, and the bound of their difference.

        The bound comes from the golden run alone (see `Op.error_bound`); the float model only confirms it.

        Raises:
            DataError: an item has the wrong shape; or this was loaded from a file, without the float model.
        """
        if self.program is None:
            raise DataError(
                "compare",
                "the float model is not stored in the file",
                "a freshly imported model",
                "use bound() for golden values and bounds",
            )
        run, output = runner(self.program, wide=True), self.program.output
        golden, real, bound, meaning = [], [], [], 0.0
        layers: dict[str, tuple[float, float, float]] = {}
        for item in track(self._items(batch), "comparison"):
            stream = layout.to_stream(self.entry, item)
            wanted = run(item)[output][0]
            value, limit = self._bound(stream, layers)
            meaning = max(meaning, float(np.max(np.abs(self._item(self._real(stream)) - wanted))))
            golden.append(self._item(value))
            real.append(wanted)
            bound.append(self._item(limit))
        return Compared(golden, real, bound, layers, meaning)

    def bound(self, batch: Any) -> tuple[list[Floats], list[Floats]]:
        """Golden results and the bound of their distance to the float model, per item in torch layout."""
        found = [self._bound(real, {}) for real in track(self._streams(batch), "error bounds")]
        return [self._item(value) for value, _ in found], [self._item(limit) for _, limit in found]

    def _real(self, stream: Array) -> Floats:
        """The graph's float meaning on one input stream."""
        values = {self.input: self.references[self.input].then(stream.astype(np.float64))}
        for node in self.raw.nodes:
            reference = self.references[node.name]
            values[node.name] = reference.then(node.op.real([values[i] for i in node.inputs], reference))
        return values[self.raw.outputs[0]]

    def _bound(self, stream: Array, layers: dict[str, tuple[float, float, float]]) -> tuple[Floats, Floats]:
        """Golden output and its bound for one input stream; updates the worst of each layer."""
        types = self.raw.types
        trace = self.raw.trace({self.input: self._quantized(stream)})
        value = {n: types[n].fixed.dequantize(x) for n, x in trace.items()}
        bound = {self.input: self._entry_bound(stream, value[self.input])}
        for node in self.raw.nodes:
            reference, output = self.references[node.name], value[node.name]
            inputs = [value[i] for i in node.inputs]
            # Float64 rounds the sums that a bound and a reference value are made of.
            room = SLACK * (np.abs(output) + max(float(np.max(np.abs(v))) for v in inputs))
            whole = node.op.error_bound([(value[i], bound[i]) for i in node.inputs], output, reference)
            bound[node.name] = np.where(whole > 0, whole * (1 + SLACK) + room, 0.0)
            local = node.op.error_bound([(v, np.zeros_like(v)) for v in inputs], output, reference)
            error = np.abs(reference.then(node.op.real(inputs, reference)) - output)
            _worst(layers, node.name, error, local + room)
        (result,) = self.raw.outputs
        return value[result], bound[result]

    def _entry_bound(self, stream: Array, value: Floats) -> Floats:
        """Bound of what quantizing the input changes; integers are exact."""
        none = np.zeros(())
        if self.ids is not None:
            return np.zeros_like(value)
        real = stream.astype(np.float64)
        return self.references[self.input].bound(self.input_type.fixed, real, value, none, none)

    def _quantized(self, stream: Array) -> Ints:
        return self.input_type.fixed.quantize(stream) if self.ids is None else stream.astype(np.int64)

    def save(self, path: str | Path) -> None:
        """Write everything but the float model to one .npz file."""
        structure, integers = to_dict(self.raw)
        arrays: dict[str, Array] = dict(integers)
        references: dict[str, Any] = {}
        for name, reference in self.references.items():
            form = reference.rounded
            kept = {
                f"{kind}/{name}/{c}": a for kind in ("constants", "errors") for c, a in getattr(reference, kind).items()
            }
            arrays |= kept
            references[name] = {
                "keys": list(kept),
                "relu": reference.relu,
                "rounded": None if form is None else [form.width, form.frac, form.signed],
                "rounding": reference.rounding,
            }
        text = json.dumps(
            {
                "graph": structure,
                "entry": layout.as_json(self.entry),
                "exit": layout.as_json(self.exit),
                "ids": self.ids,
                "references": references,
            }
        )
        files.write(path, {"model": np.array(text), **arrays})

    @staticmethod
    def load(path: str | Path) -> Imported:
        """Inverse of `save`; nothing in the file is executed.

        Raises:
            DataError: the file is missing or was not written by `save`.
        """
        try:
            arrays = files.read(path)
            data = json.loads(str(arrays.pop("model")))
            raw = from_dict(data["graph"], arrays)
            references = {name: _reference(r, arrays) for name, r in data["references"].items()}
            entry, exit = layout.from_json(data["entry"]), layout.from_json(data["exit"])
            return Imported(raw, entry, exit, references, ids=data.get("ids"))
        except (OSError, KeyError, ValueError) as error:
            raise DataError(str(path), f"cannot be read: {error}", "a file written by Imported.save") from error

    def _items(self, batch: Any) -> list[Array]:
        try:
            tokens = self.input_type.tokens
            length = tokens if isinstance(tokens, Length) else None
            return calibrate.items(batch, self.entry.shape, "batch", self.ids, length)
        except CalibrationError as error:
            raise DataError(error.place, error.problem, error.allowed) from None

    def _streams(self, batch: Any) -> list[Array]:
        """[tokens, channels] of every item."""
        return [layout.to_stream(self.entry, item) for item in self._items(batch)]

    def _item(self, stream: Floats) -> Floats:
        """One output stream in torch layout, without the batch dimension."""
        return layout.from_stream(self.exit, stream)[0]


def _stacked(found: list[Floats]) -> Floats | list[Floats]:
    return np.stack(found) if len({f.shape for f in found}) == 1 else found


def _worst(layers: dict[str, tuple[float, float, float]], name: str, error: Floats, bound: Floats) -> None:
    """Keep the place where the error comes closest to its bound."""
    ratio = error / np.maximum(bound, np.finfo(np.float64).tiny)
    at = int(np.argmax(ratio))
    found = float(error.flat[at]), float(np.broadcast_to(bound, error.shape).flat[at]), float(ratio.flat[at])
    layers[name] = max(layers.get(name, found), found, key=lambda f: f[2])


def _reference(saved: Mapping[str, Any], arrays: Mapping[str, Any]) -> Reference:
    parts: dict[str, dict[str, Any]] = {"constants": {}, "errors": {}}
    for key in saved["keys"]:
        kind, _, attribute = key.split("/")
        parts[kind][attribute] = arrays[key]
    form = saved["rounded"]
    rounded = None if form is None else Fixed(*form)
    rounding = saved.get("rounding", "half_even")
    return Reference(parts["constants"], parts["errors"], saved["relu"], rounded, rounding)
