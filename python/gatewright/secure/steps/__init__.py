# SPDX-License-Identifier: Apache-2.0
"""What two parties compute together, one step a file. Importing this package finds them all; no list to edit."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
