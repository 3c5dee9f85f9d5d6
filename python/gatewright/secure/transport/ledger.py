# SPDX-License-Identifier: Apache-2.0
"""Which query indices are used up: on disk before anything of them is used, so that a crash cannot bring one back.

A mask that hides two values gives away their difference. So an index is *burnt* first: the file says so, flushed to the
disk, then its randomness may be made. What a crash leaves burnt and unused is lost, never used twice.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from gatewright.errors import DataError, ReuseError

MAGIC = b"GWLEDGER"
RECORD = struct.Struct("<8sQI")
"""Magic, first unused index, CRC-32 of both: 20 bytes, far less than the sector that a disk writes as one."""


class Ledger:
    """The first unused query index of one session and role, in a locked file.

    One process holds it at a time; the lock ends with the process, however that ends.
    """

    def __init__(self, path: Path, sync: Callable[[int], None] = os.fsync) -> None:
        """Open or create the file, and lock it.

        Args:
            sync: flushes a file to the disk.

        Raises:
            ReuseError: another process uses the session now.
            DataError: the file is damaged; then what is unused is not known, and the session is over.
        """
        self.path, self._sync = path, sync
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock()
            self.next = self._found()
        except BaseException:
            os.close(self._file)
            raise

    def burn(self, first: int, count: int) -> None:
        """Use up `count` indices from `first` on, and all before them; returns when the disk has it.

        Raises:
            ReuseError: one of them may have been used before.
        """
        if count < 1 or first < self.next:
            raise ReuseError(
                str(self.path),
                f"query indices {first} to {first + count - 1}; all below {self.next} are used up",
                f"indices from {self.next} on",
                "ask the other party for its next index, or begin a new session",
            )
        self._write(first + count)

    def close(self) -> None:
        """Release the lock."""
        os.close(self._file)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = "another process uses this session"
            raise ReuseError(str(self.path), problem, hint="wait for it, or begin a new session") from None

    def _found(self) -> int:
        data = os.pread(self._file, RECORD.size + 1, 0)
        if not data:
            self._write(0)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                self._sync(folder)
            finally:
                os.close(folder)
            return 0
        if len(data) == RECORD.size:
            magic, following, check = RECORD.unpack(data)
            if magic == MAGIC and check == _check(following):
                return int(following)
        raise DataError(str(self.path), "damaged: which indices are used up is not known", hint="begin a new session")

    def _write(self, following: int) -> None:
        if os.pwrite(self._file, RECORD.pack(MAGIC, following, _check(following)), 0) != RECORD.size:
            raise DataError(str(self.path), "the disk is full", hint="make room; the session goes on")
        self._sync(self._file)
        self.next = following


def _check(following: int) -> int:
    return zlib.crc32(MAGIC + following.to_bytes(8, "little"))
