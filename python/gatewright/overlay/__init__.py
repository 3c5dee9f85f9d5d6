# SPDX-License-Identifier: Apache-2.0
"""Built designs on boards: Zynq through PYNQ, Alveo through XRT, small boards over a UART, and each of them simulated.

`folder` reads a build; a `machine` is a device that runs it (`dma`, `memory`, `xrt`, `uart`), `devices` chooses it;
`run` is a batch under way; `simulated/` is a board without a board.
"""

from gatewright.overlay.overlay import Overlay

__all__ = ["Overlay"]
