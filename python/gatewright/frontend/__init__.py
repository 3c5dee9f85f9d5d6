# SPDX-License-Identifier: Apache-2.0
"""Front ends: a trained model becomes a calibrated fixed-point graph."""

from gatewright.frontend.config import QuantConfig
from gatewright.frontend.imported import Compared, Imported
from gatewright.frontend.torch_export import import_model

__all__ = ["Compared", "Imported", "QuantConfig", "import_model"]
