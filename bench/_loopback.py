# SPDX-License-Identifier: Apache-2.0
"""Bytes over the loopback interface: the same scale for every framework, headers of TCP and IP included."""

from pathlib import Path


def loopback_bytes() -> int:
    """Sent since the machine started."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name.strip() == "lo":
            return int(rest.split()[8])
    return 0
