# SPDX-License-Identifier: Apache-2.0
"""Torch keeps to one thread: the nets are tiny."""

import torch

torch.set_num_threads(1)
