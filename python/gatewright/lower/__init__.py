# SPDX-License-Identifier: Apache-2.0
"""Graph to sources, one file per target."""
