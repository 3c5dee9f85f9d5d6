# SPDX-License-Identifier: Apache-2.0
"""Hardware of steps, one kind a file. Importing this package finds them all; there is no list to edit."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
