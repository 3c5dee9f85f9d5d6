# SPDX-License-Identifier: Apache-2.0
"""Generated C++ to objects: many small files as one translation unit, large ones by themselves on all cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gatewright.sim import toolchain

LARGE = 1 << 20
"""Bytes of generated C++ from which on the files of a design are compiled by themselves."""
STANDARD = ("-std=gnu++17", "-w")
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
"""Of Verilator, what a library without tracing needs."""


def includes() -> list[str]:
    """Compiler flags for Verilator's own headers."""
    include = toolchain.verilator_root() / "include"
    return [f"-I{include}", f"-I{include / 'vltstd'}"]


def runtime(sources: Sequence[str], flags: Sequence[str]) -> Path:
    """Archive of these sources of Verilator's runtime, compiled once per version and flags."""
    include = toolchain.verilator_root() / "include"
    texts = ((include / name).read_text() for name in (*sources, "verilated.h"))
    key = toolchain.digest(["runtime 3", *STANDARD, *flags, *texts])

    def build(folder: Path) -> None:
        paths = [include / name for name in sources]
        made = objects(folder, paths, ["-O2", *STANDARD, *flags, *includes()], "verilator runtime")
        toolchain.run(["ar", "rcs", "all.a", *made], folder, "verilator runtime")

    return toolchain.cached("runtime", key, build) / "all.a"


def headers(text: str, flags: Sequence[str], depends: Sequence[str] = ()) -> list[str]:
    """Flags that include a header with this text, compiled beforehand for exactly these flags.

    Parsing headers is most of the work for a small module.

    Args:
        depends: content of what the text includes, as far as it may change.
    """
    key = toolchain.digest(["headers 2", text, *flags, *depends])

    def build(folder: Path) -> None:
        (folder / "all.h").write_text(text)
        command = ["g++", *flags, "-x", "c++-header", "all.h", "-o", "all.h.gch"]
        toolchain.run(command, folder, "compiling headers")

    return ["-include", str(toolchain.cached("headers", key, build) / "all.h")]


def verilated() -> str:
    """Verilator's main header."""
    return (toolchain.verilator_root() / "include" / "verilated.h").read_text()


def together(folder: Path, models: Sequence[Path]) -> str:
    """Text of one translation unit with all these generated files, relative to `folder`.

    Each model's header insists on being the only one of its kind there.
    """
    return "".join(f'#undef VL_PCH_INCLUDED\n#include "{p.relative_to(folder)}"\n' for p in models)


def objects(folder: Path, sources: Sequence[Path], flags: Sequence[str], place: str = "g++") -> list[str]:
    """Compile every source by itself, several at once; names of the objects in `folder`."""

    def one(source: Path) -> str:
        target = f"{source.stem}.o"
        # Constructors and the like run once.
        options = [*flags, "-O0"] if "__Slow" in source.stem else flags
        toolchain.run(["g++", *options, "-c", str(source), "-o", target], folder, place, timeout=1800)
        return target

    largest_first = sorted(sources, key=lambda p: -p.stat().st_size)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(one, largest_first))


def shared(folder: Path, glue: str, models: Sequence[Path], flags: Sequence[str], ahead: Sequence[Path] = ()) -> None:
    """Make `model.so` in `folder` of generated models and the C++ that calls them; what lies between is removed.

    Args:
        models: folders in `folder` with what Verilator has written.
        flags: for the compiler, `-fPIC` among them; `folder` and `models` are searched for headers too.
        ahead: harnesses that small models share, compiled beforehand; the folder of each is among the flags.
    """
    sources = [p for model in models for p in sorted(model.glob("*.cpp"))]
    text, head = glue, []
    if len(models) > 1 or sum(p.stat().st_size for p in sources) < LARGE:
        text += "\n" + together(folder, sources)
        sources = []
        if ahead:
            included = "".join(f'#include "{path.name}"\n' for path in ahead)
            head = headers(included, flags, [*(path.read_text() for path in ahead), verilated()])
    (folder / "all.cpp").write_text(text)
    found = objects(folder, [folder / "all.cpp", *sources], [*flags, *(f"-I{p}" for p in (folder, *models)), *head])
    archive = str(runtime(RUNTIME, ["-fPIC"]))
    toolchain.run(["g++", "-shared", *found, archive, "-lpthread", "-o", "model.so"], folder, "g++")
    for path in [*map(folder.joinpath, found), *(p for model in models for p in model.iterdir())]:
        path.unlink()
