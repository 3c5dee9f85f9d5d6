# SPDX-License-Identifier: Apache-2.0
"""Resources of RTL, counted by Yosys: `yosys.synthesize` for one module, `report` for a whole design."""
