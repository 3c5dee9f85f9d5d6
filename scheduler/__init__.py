# SPDX-License-Identifier: Apache-2.0
"""Resources to foldings, and cycles predicted. Plain data in and out; knows no RTL and no torch."""
