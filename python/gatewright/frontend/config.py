# SPDX-License-Identifier: Apache-2.0
"""What a user chooses about number formats."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from gatewright.errors import CalibrationError

BITS = range(1, 17)
METHODS = ("mse", "range")
CODEBOOKS = ("auto", "always", "never")
WIDTHS = ("activation_bits", "weight_bits")
OPTIONAL_WIDTHS = ("operand_bits", "argument_bits")


@dataclass(frozen=True)
class QuantConfig:
    """Widths and the rule that places the binary point.

    Attributes:
        activation_bits, weight_bits: 1 to 16.
        per_channel: one binary point per output channel of a weight instead of one per tensor.
        method: "range" takes the finest binary point that never saturates on the calibration data, "mse" the
            one with the least squared error, saturation included.
        overrides: other values of these attributes where a key matches; later entries win. A key is a glob of module
            paths, e.g. `{"features.*": {"weight_bits": 4}}`; the path of the model's input is "input", that of calls
            of the model itself is empty. Or it is `"glob:operator"`, e.g. `{"*:layer_norm": {"activation_bits": 16}}`,
            where an operator goes by its ATen name (`add`, `gelu`) or by that of the hardware (`pwl`,
            `top_k_attention`).
        operand_bits: a linear layer or convolution whose input is wider reads it rounded to this width; equal roundings
            are shared. An override holds for what a layer reads and else for what is made of its results: None for
            `"*:pwl"` lets layers read the results of tables as they are.
        argument_bits: width of the values that an operator reads, where no override states their own
            `activation_bits` and all their readers choose an `argument_bits`; the widest counts.
        tie: where the iterations of one piece of hardware are, e.g. `("encoder.layer.*",)`: module paths that differ
            only in the number at the `*`. Their widths must be equal, and so are the formats of values that are
            wired in hardware; binary points that an operator takes as data (`Op.free_points`) may differ. What
            enters an iteration has one format for all of them.
        codebook: where few vectors of a layer's weights differ, as after `compress.dkm`, all its channels have one
            binary point, and hardware may store indices into a codebook: "auto" where that is cheaper by the cost
            model, "always" where it needs fewer bits, "never".
    """

    activation_bits: int = 8
    weight_bits: int = 8
    per_channel: bool = True
    method: str = "mse"
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    operand_bits: int | None = None
    argument_bits: int | None = None
    tie: tuple[str, ...] = ()
    codebook: str = "auto"

    def __post_init__(self) -> None:
        for name in WIDTHS + OPTIONAL_WIDTHS:
            value = getattr(self, name)
            if value not in BITS and not (value is None and name in OPTIONAL_WIDTHS):
                raise CalibrationError(f"QuantConfig.{name}", f"{value!r}", "1 to 16 bits")
        if self.method not in METHODS:
            raise CalibrationError("QuantConfig.method", f"{self.method!r}", " or ".join(METHODS))
        if self.codebook not in CODEBOOKS:
            raise CalibrationError("QuantConfig.codebook", f"{self.codebook!r}", " or ".join(CODEBOOKS))
        for key, values in self.overrides.items():
            for name in values:
                if name not in OVERRIDABLE:
                    raise CalibrationError(f"QuantConfig.overrides[{key!r}]", f"{name!r}", ", ".join(OVERRIDABLE))
            self._replace(values)
        for pattern in self.tie:
            if pattern != "*" and not pattern.endswith(".*"):
                raise CalibrationError("QuantConfig.tie", f"{pattern!r}", "a path that ends in .*", "e.g. 'layer.*'")

    @classmethod
    def transformer(
        cls,
        bits: int = 10,
        residual: int = 16,
        weights: int = 8,
        *,
        operand: int | None = None,
        qkv: int | None = None,
        context: int | None = None,
        hidden: int | None = None,
        gelu: int | None = None,
        table: int = 10,
        method: str = "range",
        **choices: Any,
    ) -> QuantConfig:
        """Widths of an encoder: a wide residual stream with norms, narrow operands of everything that multiplies.

        Args:
            bits: of every class of tensors below that is not given.
            residual: embeddings, norms, sums, and what is added to them.
            weights: of matrices.
            operand: the residual stream as linear layers read it.
            qkv: queries, keys and values.
            context: results of attention.
            hidden: what the activation function reads.
            gelu: its results; one bit more than `bits` by default.
            table: of embeddings; an error there reaches every layer, and the table costs no multiplier.
            method: see the class; norms have channels that are far larger than the rest and matter, so nothing is to
                saturate. Tables of embeddings, whose outliers are rare tokens, have the least squared error.
            choices: `tie`, `per_channel`, and `overrides`, which come after those for the classes.
        """
        # The loss of an encoder is for the most part that of these operands: most are near 0, a few are far from it.
        gelu = min(bits + 1, BITS[-1]) if gelu is None else gelu
        given = (operand, qkv, context, hidden, gelu)
        operand, qkv, context, hidden, gelu = (bits if width is None else width for width in given)
        classes: dict[str, Mapping[str, Any]] = {
            "*:linear": {"argument_bits": operand},
            "*:top_k_attention": {"activation_bits": context, "argument_bits": qkv, "operand_bits": None},
            "*:pwl": {"activation_bits": gelu, "argument_bits": hidden, "operand_bits": None},
            "*:relu": {"activation_bits": gelu, "operand_bits": None},
            "*:embedding": {"method": "mse", "weight_bits": table},
        }
        for key, values in choices.pop("overrides", {}).items():
            classes[key] = {**classes.pop(key, {}), **values}
        return cls(residual, weights, method=method, overrides=classes, operand_bits=operand, **choices)

    def stated(self, path: str, operators: Collection[str] = ()) -> dict[str, Any]:
        """What overrides say about one call: its module path, and the names of its operator."""
        merged: dict[str, Any] = {}
        for key, values in self.overrides.items():
            glob, _, operator = key.partition(":")
            if fnmatchcase(path, glob) and (not operator or operator in operators):
                merged |= values
        return merged

    def at(self, path: str, operators: Collection[str] = ()) -> QuantConfig:
        """The choices for one call, without overrides."""
        return self._replace(self.stated(path, operators))

    def check(self, paths: Collection[str], operators: Collection[str]) -> None:
        """Raise CalibrationError for an override that matches no module, or names an unknown operator."""
        for key in self.overrides:
            glob, colon, operator = key.partition(":")
            place = f"QuantConfig.overrides[{key!r}]"
            if not any(fnmatchcase(p, glob) for p in paths):
                raise CalibrationError(place, "no module path matches", ", ".join(sorted(p for p in paths if p)))
            if colon and operator not in operators:
                raise CalibrationError(place, f"no operator {operator!r}", ", ".join(sorted(operators)))

    def _replace(self, values: Mapping[str, Any]) -> QuantConfig:
        return dataclasses.replace(self, overrides={}, tie=(), **values)


OVERRIDABLE = tuple(f.name for f in dataclasses.fields(QuantConfig) if f.name not in ("overrides", "tie"))
