# SPDX-License-Identifier: Apache-2.0
"""What lies between a generated network and its host: one register map, the link over a UART, and the top around both.

`registers.MAP` describes every register once; `decoder` (RTL), `c_header`, `markdown` and `kernel_xml` are written from
it, and `driver.Registers` reads and writes by its names.
"""
