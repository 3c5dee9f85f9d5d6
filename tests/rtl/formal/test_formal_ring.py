# SPDX-License-Identifier: Apache-2.0
"""Unbounded proofs of the token ring: credit, order, no deadlock; and what happens without the admission check."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from rtl.formal.proof import Mutation, model, solve

from gatewright.errors import ToolError

# Induction needs the cycles of one way through the return memory.
DEPTH = 6

# New sequences before returned ones. Only then does the ring fill up without a check: in the order that it has, a
# new sequence enters only while nothing waits to go round, which bounds what is in flight by luck of the latencies.
NEW_FIRST: Mutation = ("ring_merge", "r_valid && i_valid;", "r_valid && i_valid && !(open && n_valid && s_valid);")
NO_ADMISSION: Mutation = ("ring", "wire logic open = fits && sequences_q", "wire logic open = 1'b1 || sequences_q")
NO_TOKEN_CHECK: Mutation = ("ring", "wire logic fits = ", "wire logic fits = 1'b1 || ")


@pytest.mark.parametrize(
    ("sizes", "mutations"),
    [
        pytest.param({}, [], id="the ring"),
        pytest.param({"Iterations": 3, "Slots": 2}, [], id="three iterations, one long sequence at a time"),
        pytest.param({}, [NEW_FIRST], id="with new sequences first"),
    ],
)
def test_ring_holds_forever(sizes: Mapping[str, int], mutations: list[Mutation], tmp_path: Path) -> None:
    """The invariants and `goes_on`, whichever pass goes first."""
    smt2 = model("formal_ring", "ring", tmp_path, mutations, sizes)
    for mode in ((), ("-i",)):
        assert "Status: PASSED" in solve(smt2, *mode, depth=DEPTH).splitlines()[-1]


def test_states_of_interest_are_reached(tmp_path: Path) -> None:
    """Full, a sequence that enters again before its end is out, and a result."""
    smt2 = model("formal_ring", "ring", tmp_path, parameters={"Eager": 1})
    assert "Status: PASSED" in solve(smt2, "-c", depth=14).splitlines()[-1]


@pytest.mark.parametrize(
    ("sizes", "mutations"),
    [
        pytest.param({}, [NEW_FIRST, NO_ADMISSION], id="no admission check"),
        pytest.param({"Sequences": 7}, [NEW_FIRST, NO_TOKEN_CHECK], id="no check of the tokens"),
        pytest.param({"Capacity": 1}, [], id="body smaller than a sequence"),
    ],
)
def test_deadlock_is_found(sizes: Mapping[str, int], mutations: list[Mutation], tmp_path: Path) -> None:
    """From the reset state `goes_on` alone fails, so the counterexample is a run into a deadlock."""
    smt2 = model("formal_ring", "ring", tmp_path, mutations, {"Rules": 0, "Eager": 1, **sizes})
    with pytest.raises(ToolError, match=r"Assert failed in formal_ring: goes_on(?s:.)*Status: FAILED"):
        solve(smt2, depth=30)


@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param(NO_TOKEN_CHECK, id="tokens without credit"),
        pytest.param(("ring_router", "iteration + 1'b1", "iteration"), id="iterations not counted"),
        pytest.param(("ring_memory", "count_q != '0 && (shift", "(shift"), id="empty memory read"),
        pytest.param(("ring_merge", "left == LengthBits'(1)", "left <= LengthBits'(2)"), id="passes cut short"),
    ],
)
def test_broken_ring_is_refuted(mutation: Mutation, tmp_path: Path) -> None:
    smt2 = model("formal_ring", "ring", tmp_path, [mutation], {"Eager": 1})
    with pytest.raises(ToolError, match="Status: FAILED"):
        solve(smt2, depth=14)
