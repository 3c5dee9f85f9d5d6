# SPDX-License-Identifier: Apache-2.0
"""Any trained model -> calibrated fixed-point graph: a PyTorch module, a brevitas module, or an ONNX file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatewright.errors import CalibrationError, DataError
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.imported import Imported


def import_any(
    model: Any,
    example: Any,
    calibration: Any,
    *,
    config: QuantConfig | None = None,
    dynamic: Mapping[str, tuple[int, int]] | None = None,
    name: str = "model",
    **options: Any,
) -> Imported:
    """The fixed-point graph of a trained model.

    Args:
        model: a `torch.nn.Module`, one with brevitas layers, the path of an ONNX or QONNX file, or an
            `onnx.ModelProto`.
        example: of a PyTorch module, one input [1, ...]; not needed for the others.
        calibration: inputs [N, ...]; not needed for an ONNX model whose quantizers state every format.
        options: `output`, `constants` and `recalibrate` of `frontend.onnx.observe_onnx`, for models that come that way.

    Raises:
        UnsupportedError: a layer or node has no exact lowering.
        CalibrationError: the calibration data are empty, not finite or of the wrong shape.
        DataError: an option that the kind of model does not have.
    """
    common: dict[str, Any] = {"config": config, "dynamic": dynamic, "name": name}
    if isinstance(model, str | Path) or type(model).__name__ == "ModelProto":
        from gatewright.frontend.onnx import import_onnx

        return import_onnx(model, calibration, **common, **options)
    if calibration is None:
        raise CalibrationError("calibration", "not given", "inputs [N, ...] that show the range of every value")
    if _trained_by_brevitas(model):
        from gatewright.frontend.brevitas import import_brevitas

        return import_brevitas(model, calibration, **common, **options)
    if options:
        raise DataError("compile", f"option {', '.join(options)} with a PyTorch module", "ONNX or brevitas models")
    if example is None:
        raise CalibrationError("example", "not given", "one input [1, ...] of a PyTorch module")
    from gatewright.frontend.torch_export import import_model

    return import_model(model, example, calibration, **common)


def _trained_by_brevitas(model: Any) -> bool:
    """Whether a layer of brevitas is in a module; without brevitas there is none."""
    if "brevitas" not in sys.modules or not hasattr(model, "modules"):
        return False
    return any(type(m).__module__.startswith("brevitas.") for m in model.modules())
