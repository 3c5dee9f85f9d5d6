# SPDX-License-Identifier: Apache-2.0
"""Inference by two parties on additive shares: neither sees the other's data (semi-honest; docs/security.md)."""
