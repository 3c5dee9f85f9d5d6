# SPDX-License-Identifier: Apache-2.0
"""Build a toplevel with Verilator and run a cocotb module on it; the build is cached, a result never is."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gatewright.errors import SimulationError, ToolError
from gatewright.lower.sources import INCLUDE, closure
from gatewright.sim import compiler, toolchain
from gatewright.sim.streams import PARAMETERS_VARIABLE, SEED_VARIABLE

WAVES_VARIABLE = "GATEWRIGHT_WAVES"

# Registers start at random values, so that a module that needs more than its reset is caught.
# --public-depth 1 shows cocotb the ports; the runner's usual --public-flat-rw would stop most optimisation.
VERILATE = (
    "--cc",
    "--vpi",
    "--no-timing",
    "--public-depth",
    "1",
    "-Wall",
    "--assert",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "--prefix",
    "Vtop",
)
START = ("+verilator+rand+reset+2",)
RUNTIME, HEADERS = ("verilated", "verilated_threads", "verilated_vpi"), ("verilated", "verilated_vpi")
SMALL, LARGE = "-O1", "-O2"
"""Optimisation: cocotb takes most of the time of a small module's bench, the compiler most of its build."""
COMPRESSION = Path(__file__).parent / "fst"
"""Headers that stand in for LZ4 and zlib, behind the system's own."""


@dataclass(frozen=True)
class BenchResult:
    """A simulation in which every test passed.

    Attributes:
        tests: names of the tests, in order.
        seconds: wall time of the simulation, without the build.
        seed: that the tests saw.
        waves: FST file, when one was asked for.
    """

    tests: tuple[str, ...]
    seconds: float
    seed: int
    waves: Path | None


def run_bench(
    toplevel: str,
    test_module: str | Path,
    parameters: Mapping[str, int | str] | None = None,
    *,
    sources: Iterable[Path] = (),
    environment: Mapping[str, str] | None = None,
    tests: str = "",
    waves: bool = False,
    seed: int | None = None,
    timeout: float = 300.0,
) -> BenchResult:
    """Simulate `toplevel` under the cocotb tests of `test_module`.

    Args:
        toplevel: module name, from the library or from `sources`.
        test_module: Python file with the tests (usually `__file__`), or the name of an importable module.
        parameters: of the toplevel; the tests read them with `streams.parameters()`.
        sources: SystemVerilog files outside the library, one module each, named as the file.
        environment: further variables for the tests, for example the path of a file with data.
        tests: regular expression; only the tests whose names it finds are run.
        waves: record an FST file; GATEWRIGHT_WAVES=1 does the same.
        seed: of every random choice; default GATEWRIGHT_SEED (a number, or "random"), or 0.
        timeout: wall time in seconds of the simulation.

    Raises:
        ToolError: the build failed.
        SimulationError: a test failed, none ran, or time ran out; with the end of the simulation's output.
    """
    waves = waves or os.environ.get(WAVES_VARIABLE, "0") not in ("", "0")
    seed = default_seed() if seed is None else seed
    program = build(toplevel, parameters or {}, sources, waves)
    module, folder = _module(test_module)
    with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as name:
        scratch = Path(name)
        env = _environment(toplevel, module, folder, scratch, seed) | dict(environment or {})
        if tests:
            env["COCOTB_TEST_FILTER"] = rf"\.(?:{tests})(?:$|/)"
        env[PARAMETERS_VARIABLE] = json.dumps(dict(parameters or {}))
        print(f"bench {toplevel} {dict(parameters or {})}: seed {seed}", flush=True)
        started = time.monotonic()
        command = [str(program), *START, f"+verilator+seed+{seed % (2**31 - 1) + 1}"]
        code, output = _simulate([*command, *(["--trace"] if waves else [])], scratch, env, timeout)
        seconds = time.monotonic() - started
        kept = _keep_waves(scratch, toplevel, seed) if waves else None
        passed = _verdict(scratch / "results.xml", code, output, toplevel, seed)
        return BenchResult(passed, seconds, seed, kept)


def build(
    toplevel: str, parameters: Mapping[str, int | str], sources: Iterable[Path] = (), waves: bool = False
) -> Path:
    """The cocotb simulation program of `toplevel`, from the cache when its content was built before.

    Raises:
        ToolError: Verilator refuses the sources, or the compiler fails.
    """
    import cocotb_tools.config as cocotb

    files = closure([toplevel], list(sources))
    libraries = Path(cocotb.libs_dir)
    options = [
        *VERILATE,
        *(["--trace-fst"] if waves else []),
        "--top-module",
        toplevel,
        *(f"-G{name}={int(value) if isinstance(value, bool) else value}" for name, value in sorted(parameters.items())),
    ]
    headers = sorted(INCLUDE.glob("*.svh"))
    key = toolchain.digest(
        [
            _versions(),
            SMALL,
            LARGE,
            str(libraries),
            *options,
            *(part for f in [*headers, *files] for part in (f.name, f.read_bytes())),
        ]
    )

    def make(folder: Path) -> None:
        work = folder / "work"
        command = ["verilator_bin", *options, "-Mdir", str(work), f"-I{INCLUDE}", *map(str, files)]
        toolchain.run(command, folder, f"build {toplevel}")
        _compile(work, Path(cocotb.share_dir) / "lib" / "verilator" / "verilator.cpp", libraries, waves)
        (work / "simulation").rename(folder / "simulation")
        shutil.rmtree(work)

    return toolchain.cached("cocotb", key, make) / "simulation"


def _compile(work: Path, main: Path, libraries: Path, waves: bool) -> None:
    """Make `simulation` of the generated C++ in `work` and cocotb's main program."""
    tracer = ["verilated_fst_c"] if waves else []
    models = sorted(work.glob("*.cpp"))
    flags = ["-DVERILATOR=1", f"-DVM_TRACE={int(waves)}", f"-DVM_TRACE_FST={int(waves)}", f"-idirafter{COMPRESSION}"]
    runtime = compiler.runtime([f"{name}.cpp" for name in (*RUNTIME, *tracer)], flags)
    flags = [*compiler.STANDARD, *flags, *compiler.includes()]
    if sum(p.stat().st_size for p in models) < compiler.LARGE:
        flags = [*flags, SMALL]
        text = "".join(f'#include "{name}.h"\n' for name in (*HEADERS, *tracer))
        head = compiler.headers(text, flags, [compiler.verilated()])
        (work / "all.cpp").write_text(compiler.together(work, models) + f'#include "{main}"\n')
        found = compiler.objects(work, [work / "all.cpp"], [*flags, *head, "-I."])
    else:
        found = compiler.objects(work, [main, *models], [*flags, LARGE, "-I."])
    link = [f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator", "-pthread"]
    link += _compression() if waves else []
    toolchain.run(["g++", *found, str(runtime), *link, "-o", "simulation"], work, "g++")


@cache
def _compression() -> list[str]:
    """Linker flags of the compression libraries whose headers the system has; the others are stood in for."""

    def has(header: str) -> bool:
        return not subprocess.run(
            ["c++", "-E", "-x", "c++", "-"], input=f"#include <{header}>\n", text=True, check=False, capture_output=True
        ).returncode

    return [flag for header, flag in (("lz4.h", "-llz4"), ("zlib.h", "-lz")) if has(header)]


@cache
def _versions() -> str:
    """Versions of the tools whose change makes a build stale."""
    from importlib.metadata import version

    return f"cocotb {version('cocotb')} verilator {version('verilator')} python {sys.version}"


def default_seed() -> int:
    """GATEWRIGHT_SEED as a number; a fresh one for "random"; 0 when it is not set."""
    chosen = os.environ.get(SEED_VARIABLE, "0")
    return random.SystemRandom().getrandbits(31) if chosen == "random" else int(chosen)


def _module(test_module: str | Path) -> tuple[str, Path | None]:
    """Name of the tests' module, and the folder that must be on the path for it."""
    path = Path(test_module)
    if path.suffix != ".py":
        return str(test_module), None
    if not path.is_file():
        raise ToolError(f"bench {path}", "no such file", "a Python file with cocotb tests")
    return path.stem, path.resolve().parent


def _environment(toplevel: str, module: str, folder: Path | None, scratch: Path, seed: int) -> dict[str, str]:
    """What cocotb reads from its environment, see its page on custom flows."""
    import cocotb_tools.config as cocotb
    import find_libpython

    env = toolchain.environment()
    env.pop("COCOTB_TEST_FILTER", None)
    library = find_libpython.find_libpython()
    if library is None:
        raise ToolError("cocotb", "libpython is missing", hint="install the shared library of your Python")
    env |= {
        "COCOTB_TOPLEVEL": toplevel,
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_TEST_MODULES": module,
        "COCOTB_RESULTS_FILE": str(scratch / "results.xml"),
        "COCOTB_RANDOM_SEED": str(seed),
        # Verilator's VPI writes are inertial, so cocotb need not delay them itself.
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "GPI_USERS": f"{library};{cocotb.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        # cocotb loads pytest for its messages alone; plugins would take as long as everything else.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": os.pathsep.join([*([str(folder)] if folder else []), *(p for p in sys.path if p)]),
        SEED_VARIABLE: str(seed),
    }
    return env


def _simulate(command: list[str], scratch: Path, env: dict[str, str], timeout: float) -> tuple[int | None, str]:
    """Exit code (None when time ran out) and output of the simulation."""
    with (scratch / "output.txt").open("w+") as log:
        try:
            code = subprocess.run(
                command, cwd=scratch, env=env, timeout=timeout, check=False, stdout=log, stderr=subprocess.STDOUT
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
        log.seek(0)
        return code, log.read()


def _verdict(results: Path, code: int | None, output: str, toplevel: str, seed: int) -> tuple[str, ...]:
    """Names of the tests, all of which passed.

    Raises:
        SimulationError: otherwise, or when the simulator itself did not end well.
    """
    cases = list(ElementTree.parse(results).iter("testcase")) if results.is_file() else []

    def named(*verdicts: str) -> list[str]:
        return [str(case.get("name")) for case in cases if any(case.find(v) is not None for v in verdicts)]

    failed, skipped = named("failure", "error"), named("skipped")
    passed = tuple(str(case.get("name")) for case in cases if str(case.get("name")) not in skipped)
    if code is None:
        problem = "the simulation ran out of time and was stopped"
    elif failed:
        problem = f"{len(failed)} of {len(cases)} tests failed: {', '.join(failed)}"
    elif code:
        # An assertion in the RTL ends the simulator at once, or shows in its exit code only.
        problem = f"the simulation ended with exit code {code}"
    elif not passed:
        problem = "no test ran"
    else:
        return passed
    raise SimulationError(
        f"bench {toplevel}",
        f"{problem}\n{_tail(output)}",
        hint=f"{SEED_VARIABLE}={seed} repeats it, {WAVES_VARIABLE}=1 records waves",
    )


def _tail(output: str, lines: int = 60) -> str:
    return "\n".join(output.splitlines()[-lines:])


def _keep_waves(scratch: Path, toplevel: str, seed: int) -> Path | None:
    """Move the waves to build/waves, and say where they are; a run that fails loses none of them."""
    recorded = scratch / "dump.fst"
    if not recorded.is_file():
        return None
    target = Path.cwd() / "build" / "waves" / f"{toplevel}-{seed}.fst"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(recorded, target)
    print(f"waves: {target} (open it with surfer or gtkwave)", flush=True)
    return target
