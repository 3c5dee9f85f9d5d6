# SPDX-License-Identifier: Apache-2.0
"""Graph to C++ for high-level synthesis, and to hls4ml projects."""
