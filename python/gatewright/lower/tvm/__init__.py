# SPDX-License-Identifier: Apache-2.0
"""Graph to TVM: kernels for processors that compute the same integers as everything else."""
