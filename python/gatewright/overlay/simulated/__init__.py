# SPDX-License-Identifier: Apache-2.0
"""A board without a board: PYNQ's own classes on top of the Verilated kernel, in this process.

`device` is the `pynq.Device`, `dma` the registers of a vendor's AXI DMA, `memory` what lies behind its buffers, `hwh`
the description that PYNQ reads, `load` puts them together for a build folder.
"""
