# SPDX-License-Identifier: Apache-2.0
"""Front ends: a trained model becomes a calibrated fixed-point graph."""

from gatewright.frontend.config import QuantConfig
from gatewright.frontend.imported import Compared, Imported
from gatewright.frontend.torch_export import Observed, import_model, observe

__all__ = ["Compared", "Imported", "Observed", "QuantConfig", "import_model", "observe"]
