# SPDX-License-Identifier: Apache-2.0
"""Correlated randomness: what two parties must hold before a query, and where it comes from.

A correlation is one file: its fields, how a dealer completes them (`Correlation.deal`), how the two parties make them
by oblivious transfer without anybody else (`Correlation.transfer`). `material.py` keeps them, `dealer.py` and
`transfer.py` are the two sources.
"""
