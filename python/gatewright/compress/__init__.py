# SPDX-License-Identifier: Apache-2.0
"""Trained modules become smaller or cheaper ones: torch.nn.Module in, torch.nn.Module out, one file per method.

Each file needs the extra `torch`; so nothing is imported here.
"""
