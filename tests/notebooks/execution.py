# SPDX-License-Identifier: Apache-2.0
"""Runs notebooks in a kernel of this environment; as a script, runs those of `notebooks/` and stores their outputs."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
SCRATCH = FOLDER.parent / "build" / "notebooks"
"""Where stored outputs are made; empty before each notebook, as a test's folder is."""
TIMEOUT = 900
"""Seconds for a cell; a cell that takes minutes belongs into a nightly notebook."""


def found() -> list[Path]:
    """Every notebook, by name."""
    return sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> Any:
    """A notebook, checked against its schema."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def execute(notebook: Any, folder: Path) -> Any:
    """The notebook with new outputs; what it writes goes to `folder`.

    Outputs that are nothing but a script are left out: PYNQ sends some on import, for cell magics.

    Raises:
        CellExecutionError: a cell raised an error; names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Times of every message would differ with every run and say nothing.
    client = NotebookClient(
        notebook, timeout=TIMEOUT, kernel_name="python3", record_timing=False, resources={"metadata": {"path": folder}}
    )
    done = client.execute()
    for cell in done.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if set(o.get("data", ["text"])) != {"application/javascript"}]
    return done


def main(names: list[str]) -> None:
    """Run those notebooks, by default all, and store what they put out."""
    for path in [FOLDER / n for n in names] or found():
        start = time.monotonic()
        shutil.rmtree(SCRATCH, ignore_errors=True)
        notebook = execute(read(path), SCRATCH)
        # The version of the interpreter that happened to be there is no part of a notebook.
        notebook.metadata.get("language_info", {}).pop("version", None)
        nbformat.write(notebook, path)
        print(f"{path.name}: {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
