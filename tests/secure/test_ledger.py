# SPDX-License-Identifier: Apache-2.0
"""An index that is burnt stays burnt: after an error, a crash at any point, and beside another process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gatewright.errors import DataError, ReuseError
from gatewright.secure.transport.ledger import Ledger


def test_indices_go_up_only(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with Ledger(path) as ledger:
        assert ledger.next == 0 and stat.S_IMODE(path.stat().st_mode) == 0o600
        ledger.burn(0, 4)
        ledger.burn(6, 1)
        for first, count in ((6, 1), (0, 1), (4, 2), (5, 9), (7, 0)):
            with pytest.raises(ReuseError, match="all below 7 are used up"):
                ledger.burn(first, count)
        assert ledger.next == 7
    with Ledger(path) as ledger:
        assert ledger.next == 7


def test_the_disk_has_it_before_burn_returns(tmp_path: Path) -> None:
    """What `fsync` sees is the new index, and an index whose flush fails is not handed out."""
    seen: list[bytes] = []

    def sync(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode):
            seen.append(os.pread(file, 16, 0)[8:])
            if len(seen) == 3:
                raise OSError(5, "Input/output error")

    with Ledger(tmp_path / "ledger", sync) as ledger:
        ledger.burn(0, 5)
        assert seen == [bytes(8), (5).to_bytes(8, "little")]
        with pytest.raises(OSError):
            ledger.burn(5, 1)
        assert ledger.next == 5


def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    code = "import sys; from pathlib import Path; from gatewright.secure.transport.ledger import Ledger\n"
    code += "ledger = Ledger(Path(sys.argv[1])); ledger.burn(0, 3); print('burnt', flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"burnt\n"
    with pytest.raises(ReuseError, match="another process"):
        Ledger(path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Ledger(path) as ledger:
        assert ledger.next == 3


@pytest.mark.parametrize("damage", [b"x", b"", None])
def test_a_damaged_file_ends_the_session(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "ledger"
    with Ledger(path) as ledger:
        ledger.burn(0, 300)
    data = bytearray(path.read_bytes())
    if damage is None:
        data[9] ^= 1
    path.write_bytes(bytes(data) + damage if damage else bytes(data[: -1 if damage == b"" else None]))
    with pytest.raises(DataError, match="damaged"):
        Ledger(path)
