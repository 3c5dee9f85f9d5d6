# SPDX-License-Identifier: Apache-2.0
"""Which nodes of an ONNX model are supported, without compiling it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.errors import UnsupportedError
from gatewright.frontend.onnx.importing import opened, recording, sample_of
from gatewright.frontend.onnx.recorder import Options
from gatewright.frontend.onnx.register import lowerings
from gatewright.frontend.onnx.walk import refusals, unknown


@dataclass(frozen=True)
class Examined:
    """What the importer says of a model's nodes.

    Attributes:
        nodes: how many there are of each operator; functions that are spelled with several operators count once.
        refused: per operator the refusals of its nodes.
        judged: attributes and shapes were looked at; else operators alone.
    """

    nodes: Mapping[str, int]
    refused: Mapping[str, tuple[UnsupportedError, ...]]
    judged: bool

    @property
    def count(self) -> int:
        """Nodes that are refused."""
        return sum(len(r) for r in self.refused.values())


def examine(
    model: Any,
    calibration: Any = None,
    *,
    output: str | None = None,
    constants: Mapping[str, Any] | None = None,
    recalibrate: bool = False,
) -> Examined:
    """Judge every node of a model.

    Args:
        model, output, constants, recalibrate: as in `observe_onnx`.
        calibration: one item or more [N, ...]; without it operators are judged by their name alone.

    Raises:
        DataError, CalibrationError, UnsupportedError: file, input or data are not such that nodes could be judged.
    """
    whole, entry = opened(model, output, constants)
    if calibration is None:
        known = lowerings()
        found = [(n, unknown(n)) for n in whole.nodes if n.op not in known]
    else:
        found = refusals(recording(whole, sample_of(entry, calibration), Options(recalibrate)))
    refused: dict[str, list[UnsupportedError]] = {}
    for node, error in found:
        refused.setdefault(node.op, []).append(error)
    nodes = Counter(n.op for n in whole.nodes)
    return Examined(dict(sorted(nodes.items())), {k: tuple(v) for k, v in refused.items()}, calibration is not None)
