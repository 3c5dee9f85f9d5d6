# SPDX-License-Identifier: Apache-2.0
"""A two-party program to SystemVerilog: one top per party, and both with a link between them for simulation."""
