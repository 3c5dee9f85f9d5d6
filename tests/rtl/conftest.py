# SPDX-License-Identifier: Apache-2.0
"""Every bench builds a simulator: `make quick` leaves them out, and keeps the checks of the library as a whole."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the benches of single modules as slow."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.path.parent != here:
            item.add_marker(pytest.mark.slow)
