# SPDX-License-Identifier: Apache-2.0
"""Unbounded proofs of the stream rules for the small blocks, by k-induction with Yosys and Yices."""

from pathlib import Path

import pytest
from rtl.formal.proof import model, solve

from gatewright.errors import ToolError

# Proof, block under proof, and one way to break the block that the proof must notice: (text, replacement).
PROOFS = [
    ("formal_stream_skid", "stream_skid", ("if (s_ready) spare_q", "spare_q")),
    ("formal_stream_fifo", "stream_fifo", ("ready_q <= count_d !=", "ready_q <= count_q !=")),
    ("formal_stream_fork", "stream_fork", ("done_q | m_ready", "m_ready")),
    ("formal_stream_width_up", "stream_width", ("!valid_q || m_ready;", "1'b1;")),
    ("formal_stream_width_down", "stream_width", ("last_q && final_part", "last_q")),
]
IDS = [proof for proof, _, _ in PROOFS]


@pytest.mark.parametrize(("proof", "block"), [(proof, block) for proof, block, _ in PROOFS], ids=IDS)
def test_rules_hold_forever(proof: str, block: str, tmp_path: Path) -> None:
    smt2 = model(proof, block, tmp_path)
    for mode in ((), ("-i",), ("-c",)):
        assert "Status: PASSED" in solve(smt2, *mode).splitlines()[-1]


@pytest.mark.parametrize(("proof", "block", "mutation"), PROOFS, ids=IDS)
def test_broken_block_is_refuted(proof: str, block: str, mutation: tuple[str, str], tmp_path: Path) -> None:
    """From the reset state, so that the counterexample is real and no matter of the invariants."""
    smt2 = model(proof, block, tmp_path, [(block, *mutation)])
    with pytest.raises(ToolError, match="Status: FAILED"):
        solve(smt2)
