# SPDX-License-Identifier: Apache-2.0
"""The two parties."""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """Who owns what: the server the model, the client the inputs and the outputs."""

    SERVER = 0
    CLIENT = 1

    @property
    def peer(self) -> Role:
        """The other one."""
        return Role(1 - self)
