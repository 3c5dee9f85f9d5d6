# SPDX-License-Identifier: Apache-2.0
"""One file per operator: `spell(emit, op, output, *inputs) -> Value` emits its kernels."""
