# SPDX-License-Identifier: Apache-2.0
"""Simulation: Verilator builds, cocotb benches, and the executors that are compared with golden."""
