# SPDX-License-Identifier: Apache-2.0
"""Every notebook runs from top to bottom in an empty folder, on the simulated device, and its outputs are stored.

A notebook whose metadata say `"gatewright": {"nightly": true}` runs in `make nightly` only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbclient", reason="the extra `notebook` is not installed")

from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from notebooks.execution import execute, found, read


def cases() -> list[Any]:
    marks = {p: [pytest.mark.nightly] if read(p).metadata.get("gatewright", {}).get("nightly") else [] for p in found()}
    return [pytest.param(path, marks=[pytest.mark.slow, *more], id=path.stem) for path, more in marks.items()]


def kinds(cell: Any) -> set[str]:
    """What a cell put out, without what says how the run went."""
    return {o.output_type for o in cell.outputs if o.get("name") != "stderr"}


@pytest.mark.parametrize("path", cases())
def test_notebook(path: Path, tmp_path: Path) -> None:
    stored = [c for c in read(path).cells if c.cell_type == "code"]
    assert [c.execution_count for c in stored] == [*range(1, len(stored) + 1)], "run `make notebooks`"
    cells = [c for c in execute(read(path), tmp_path).cells if c.cell_type == "code"]
    for before, now in zip(stored, cells, strict=True):
        assert kinds(before) == kinds(now), f"run `make notebooks`: other outputs are stored for\n{now.source}"


def test_an_error_in_a_cell_is_one(tmp_path: Path) -> None:
    broken = new_notebook(cells=[new_code_cell("1 + 1"), new_code_cell("assert 1 + 1 == 3")])
    with pytest.raises(CellExecutionError, match="1 \\+ 1 == 3"):
        execute(broken, tmp_path)
    assert broken.cells[0].outputs[0]["data"]["text/plain"] == "2"
