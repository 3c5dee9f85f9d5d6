# SPDX-License-Identifier: Apache-2.0
"""What one party keeps of a session with a dealer: a seed, which indices are used up, and corrections not yet used.

    STATE/<session>/about.json   public: who with, which program, how many queries
                    seed         32 bytes; the words of all queries come from it
                    ledger       the first unused index
                    <index>      client only: the corrections of one query, deleted before they are used

Folders have mode 0700 and files 0600. The server's seed is as secret as its weights, which it unmasks.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from gatewright.errors import DataError, ReuseError
from gatewright.secure.stream import SEED_BYTES
from gatewright.secure.transport.ledger import Ledger

ID_BYTES = 16
ABOUT, SEED, LEDGER = "about.json", "seed", "ledger"


@dataclass(frozen=True)
class About:
    """The public facts of a session.

    Attributes:
        session: 32 hexadecimal digits that the dealer chose.
        fingerprint: of the program.
        peer: SHA-256 of the other party's certificate.
        queries: that there is randomness for.
    """

    session: str
    fingerprint: str
    peer: str
    queries: int


@dataclass(frozen=True)
class Session:
    """One session on disk, locked by this process until `close`."""

    folder: Path
    about: About
    ledger: Ledger

    @property
    def left(self) -> int:
        """Queries that there is unused randomness for."""
        return max(0, self.about.queries - self.ledger.next)

    def seed(self) -> bytes:
        """The secret of all queries.

        Raises:
            DataError: it cannot be read.
        """
        found = _read(self.folder / SEED)
        if len(found) != SEED_BYTES:
            raise DataError(str(self.folder), "the seed is damaged", hint="begin a new session")
        return found

    def burn(self, first: int, count: int) -> None:
        """Use up indices, on disk, before their randomness is made.

        Raises:
            ReuseError: one may have been used before, or there are no so many.
        """
        if first + count > self.about.queries:
            problem = f"query indices {first} to {first + count - 1} of {self.about.queries}"
            raise ReuseError(str(self.folder), problem, "indices of the session", "begin a new session")
        self.ledger.burn(first, count)

    def take(self, index: int) -> bytes:
        """Corrections of a burnt index; their file is gone when this returns.

        Raises:
            ReuseError: the index is not burnt, or its corrections were taken before.
        """
        path = self.folder / str(index)
        if index >= self.ledger.next:
            raise ReuseError(str(path), "not burnt yet", "an index that the ledger has used up", "burn it first")
        try:
            found = _read(path)
            path.unlink()
        except (DataError, FileNotFoundError):
            raise ReuseError(
                str(path), "no corrections: taken before, or never fetched", hint="take the next"
            ) from None
        return found

    def advance(self, following: int) -> None:
        """Use up all indices below `following`, and delete what is left of those that are used up."""
        if following > self.ledger.next:
            self.ledger.burn(following - 1, 1)
        for path in self.folder.iterdir():
            if path.name.isdecimal() and int(path.name) < self.ledger.next:
                path.unlink()

    def complete(self) -> None:
        """All is there: from now on `Store.find` finds it."""
        write(self.folder / ABOUT, json.dumps(asdict(self.about)).encode())

    def keep(self, index: int, corrections: bytes | memoryview) -> None:
        """Store the corrections of a query."""
        write(self.folder / str(index), corrections)

    def close(self) -> None:
        """Release the lock; delete what is used up."""
        self.ledger.close() if self.left else self.end()

    def end(self) -> None:
        """Delete it all."""
        self.ledger.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Store:
    """The sessions of one party.

    Attributes:
        folder: nobody else may read it.
    """

    folder: Path

    @staticmethod
    def of(folder: str | Path) -> Store:
        """Make the folder if it is not there.

        Raises:
            DataError: others may read it.
        """
        path = Path(folder)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077:
            raise DataError(str(path), "others may enter this folder of secrets", "mode 0700", f"chmod 700 {path}")
        return Store(path)

    def create(self, about: About, seed: bytes) -> Session:
        """A new session with nothing used up; it counts from `Session.complete` on."""
        folder = self.folder / checked(about.session)
        folder.mkdir(mode=0o700)
        ledger = Ledger(folder / LEDGER)
        write(folder / SEED, seed)
        return Session(folder, about, ledger)

    def open(self, session: str) -> Session:
        """A session that was created before.

        Raises:
            DataError: it is not there, or damaged.
            ReuseError: another process uses it.
        """
        folder = self.folder / checked(session)
        try:
            about = About(**json.loads(_read(folder / ABOUT)))
        except (TypeError, ValueError):
            raise DataError(str(folder), "damaged", hint="begin a new session") from None
        return Session(folder, about, Ledger(folder / LEDGER))

    def find(self, fingerprint: str, peer: str, session: str = "") -> Session | None:
        """A session with this peer for this program that has queries left and that no other process uses.

        Args:
            session: this one and no other.
        """
        for path in sorted(self.folder.glob(f"{checked(session) if session else '*'}/{ABOUT}")):
            with contextlib.suppress(DataError, ReuseError):
                found = self.open(path.parent.name)
                if (found.about.fingerprint, found.about.peer) == (fingerprint, peer) and found.left:
                    return found
                found.ledger.close()
        return None

    def purge(self, fingerprint: str, peer: str) -> None:
        """Delete what no process uses: sessions with this peer for this program, and incomplete ones."""
        while found := self.find(fingerprint, peer):
            found.end()
        for path in self.folder.glob(f"*/{LEDGER}"):
            if not (path.parent / ABOUT).exists():
                with contextlib.suppress(DataError, ReuseError), Ledger(path):
                    shutil.rmtree(path.parent, ignore_errors=True)


def new_id() -> str:
    """An identifier that cannot be guessed."""
    return secrets.token_hex(ID_BYTES)


def checked(session: str) -> str:
    """The identifier, which becomes a folder's name.

    Raises:
        DataError: it is no identifier.
    """
    if len(session) != 2 * ID_BYTES or not set(session) <= set("0123456789abcdef"):
        raise DataError("session", "no identifier of a session", f"{2 * ID_BYTES} hexadecimal digits")
    return session


def write(path: Path, data: bytes | memoryview) -> None:
    """A whole file or none, for its owner alone."""
    part = path.with_name(f"{path.name}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    part.rename(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}", hint="begin a new session") from None
