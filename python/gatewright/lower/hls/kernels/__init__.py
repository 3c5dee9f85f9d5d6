# SPDX-License-Identifier: Apache-2.0
"""How each operator calls its kernel of `hls/`; one file per operator, found by its name."""
