# SPDX-License-Identifier: Apache-2.0
"""How a client, which has no model, makes integers of its data and data of integers: formats and layouts, public."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gatewright.errors import CalibrationError, DataError
from gatewright.fixed import Fixed, Floats, Ints
from gatewright.frontend import calibrate, layout
from gatewright.frontend.imported import Imported
from gatewright.frontend.layout import View


@dataclass(frozen=True, eq=False)
class Interface:
    """Both ends of a network.

    Attributes:
        entry, exit: torch layouts.
        input, output: number formats.
        ids: None when the input holds real numbers; for integers, how many there are.
    """

    entry: View
    exit: View
    input: Fixed
    output: Fixed
    ids: int | None = None

    @staticmethod
    def of(imported: Imported) -> Interface:
        """That of an imported network."""
        formats = imported.input_type.fixed, imported.output_type.fixed
        return Interface(imported.entry, imported.exit, *formats, imported.ids)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Interface:
        """Inverse of `as_json`.

        Raises:
            DataError: it is none.
        """
        try:
            views = layout.from_json(data["entry"]), layout.from_json(data["exit"])
            return Interface(*views, Fixed(**data["input"]), Fixed(**data["output"]), data["ids"])
        except (KeyError, TypeError, ValueError, IndexError):
            raise DataError("interface", "not understood", "layouts and formats of both ends") from None

    def as_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        ends = {"entry": layout.as_json(self.entry), "exit": layout.as_json(self.exit)}
        return ends | {"input": asdict(self.input), "output": asdict(self.output), "ids": self.ids}

    def encode(self, batch: Any) -> Ints:
        """Integers [N, tokens, channels] of a batch [N, ...]; real numbers are rounded and saturated.

        Raises:
            DataError: an item has the wrong shape or is not finite.
        """
        try:
            items = calibrate.items(batch, self.entry.shape, "batch", self.ids)
        except CalibrationError as error:
            raise DataError(error.place, error.problem, error.allowed) from None
        streams = [layout.to_stream(self.entry, item) for item in items]
        kept = [self.input.quantize(s) if self.ids is None else s.astype(np.int64) for s in streams]
        return np.stack(kept)

    def decode(self, integers: Ints) -> Floats:
        """Real numbers [N, ...] in torch layout of integers [N, tokens, channels]."""
        return np.concatenate([layout.from_stream(self.exit, self.output.dequantize(i)) for i in integers])
