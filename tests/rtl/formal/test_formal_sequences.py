# SPDX-License-Identifier: Apache-2.0
"""Unbounded proofs of the sequence guard and its buffer: no right sequence is lost, no wrong one passes."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from rtl.formal.proof import model, solve

from gatewright.errors import ToolError

PROOFS = ["sequence_buffer", "sequence_guard"]

MUTATIONS = [
    ("sequence_buffer", "if (drop) write_at_q <= start_q;", ""),
    ("sequence_buffer", "held_d != CountBits'(Places)", "held_q != CountBits'(Places)"),
    ("sequence_buffer", ".m_ready({begin_ready, n_ready})", ".m_ready({begin_ready, 1'b1})"),
    ("sequence_guard", "if (wrong) reported_q <= 1'b1;", ""),
    ("sequence_guard", "assign take = room && !changed;", "assign take = room;"),
    ("sequence_guard", "(close_ready && tag_ready)", "close_ready"),
    ("sequence_guard", "tokens_q == LengthBits'(MaxTokens)", "tokens_q == LengthBits'(MaxTokens - 1)"),
    ("sequence_guard", "changed ? tag_q : tag", "tag"),
]


@pytest.mark.parametrize("sizes", [{}, {"Beats": 2, "Depth": 2}], ids=["one beat", "two beats"])
@pytest.mark.parametrize("block", PROOFS)
def test_holds_forever(block: str, sizes: Mapping[str, int], tmp_path: Path) -> None:
    smt2 = model(f"formal_{block}", block, tmp_path, parameters=sizes)
    for mode in ((), ("-i",), ("-c",)):
        assert "Status: PASSED" in solve(smt2, *mode, depth=18 if "-c" in mode else 6).splitlines()[-1]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[f"{block}-{i}" for i, (block, _, _) in enumerate(MUTATIONS)])
def test_broken_block_is_refuted(mutation: tuple[str, str, str], tmp_path: Path) -> None:
    """From the reset state, so that the counterexample is real and no matter of the invariants."""
    block = mutation[0]
    smt2 = model(f"formal_{block}", block, tmp_path, [mutation])
    with pytest.raises(ToolError, match="Status: FAILED"):
        solve(smt2, depth=10)
