# SPDX-License-Identifier: Apache-2.0
"""What a user chooses about number formats."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from gatewright.errors import CalibrationError

BITS = range(1, 17)
METHODS = ("mse", "range")


@dataclass(frozen=True)
class QuantConfig:
    """Widths and the rule that places the binary point.

    Attributes:
        activation_bits, weight_bits: 1 to 16.
        per_channel: one binary point per output channel of a weight instead of one per tensor.
        method: "range" takes the finest binary point that never saturates on the calibration data, "mse" the
            one with the least squared error, saturation included.
        overrides: other values of these attributes for modules whose path matches a glob, e.g.
            `{"features.*": {"weight_bits": 4}}`; the path of the model's input is "input".
            Later entries win.
    """

    activation_bits: int = 8
    weight_bits: int = 8
    per_channel: bool = True
    method: str = "mse"
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("activation_bits", "weight_bits"):
            if getattr(self, name) not in BITS:
                raise CalibrationError(f"QuantConfig.{name}", f"{getattr(self, name)!r}", "1 to 16 bits")
        if self.method not in METHODS:
            raise CalibrationError("QuantConfig.method", f"{self.method!r}", " or ".join(METHODS))
        for glob, values in self.overrides.items():
            for key in values:
                if key not in OVERRIDABLE:
                    raise CalibrationError(f"QuantConfig.overrides[{glob!r}]", f"{key!r}", ", ".join(OVERRIDABLE))
            self._replace(values)

    def at(self, path: str) -> QuantConfig:
        """The choices for one module, without overrides."""
        merged: dict[str, Any] = {}
        for glob, values in self.overrides.items():
            if fnmatchcase(path, glob):
                merged |= values
        return self._replace(merged)

    def bits_of(self, path: str) -> int | None:
        """Activation width that an override states for `path`; None without one."""
        stated = [
            v["activation_bits"]
            for glob, v in self.overrides.items()
            if "activation_bits" in v and fnmatchcase(path, glob)
        ]
        return stated[-1] if stated else None

    def check_paths(self, paths: set[str]) -> None:
        """Raise CalibrationError for an override that matches no module."""
        for glob in self.overrides:
            if not any(fnmatchcase(p, glob) for p in paths):
                raise CalibrationError(
                    f"QuantConfig.overrides[{glob!r}]",
                    "no module path matches",
                    ", ".join(sorted(p for p in paths if p)),
                )

    def _replace(self, values: Mapping[str, Any]) -> QuantConfig:
        return dataclasses.replace(self, overrides={}, **values)


OVERRIDABLE = tuple(f.name for f in dataclasses.fields(QuantConfig) if f.name != "overrides")
