# SPDX-License-Identifier: Apache-2.0
"""Parties as processes: frames over mutual TLS, keys, sessions with a dealer, and indices that are never used twice."""
