# SPDX-License-Identifier: Apache-2.0
"""What a party keeps on disk: private, complete or not there, deleted before it is used, and never used twice."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gatewright.errors import DataError, ReuseError
from gatewright.secure.transport.session import About, Session, Store, new_id

SEED = bytes(range(32))
ABOUT = About(new_id(), "f" * 64, "p" * 64, 4)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.of(tmp_path / "state")


def filled(store: Store, about: About = ABOUT) -> Session:
    session = store.create(about, SEED)
    for k in range(about.queries):
        session.keep(k, bytes([k]) * 10)
    session.complete()
    return session


def test_files_are_private(store: Store, tmp_path: Path) -> None:
    session = filled(store)
    for path in (store.folder, *store.folder.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    session.close()
    store.folder.chmod(0o755)
    with pytest.raises(DataError, match="others may enter"):
        Store.of(store.folder)


def test_corrections_are_gone_when_they_are_given(store: Store) -> None:
    session = filled(store)
    with pytest.raises(ReuseError, match="not burnt"):
        session.take(0)
    session.burn(0, 2)
    assert session.take(1) == b"\1" * 10
    with pytest.raises(ReuseError, match="taken before"):
        session.take(1)
    session.close()
    again = store.find(ABOUT.fingerprint, ABOUT.peer)
    assert again is not None and again.left == 2 and again.seed() == SEED
    with pytest.raises(ReuseError, match="all below 2"):
        again.burn(1, 1)
    with pytest.raises(ReuseError, match="2 to 4 of 4"):
        again.burn(2, 3)
    again.burn(2, 2)
    again.close()
    assert store.find(ABOUT.fingerprint, ABOUT.peer) is None and not list(store.folder.iterdir())


def test_a_session_is_found_by_peer_and_program(store: Store) -> None:
    filled(store).close()
    assert store.find("0" * 64, ABOUT.peer) is None and store.find(ABOUT.fingerprint, "0" * 64) is None
    assert store.find(ABOUT.fingerprint, ABOUT.peer, new_id()) is None
    found = store.find(ABOUT.fingerprint, ABOUT.peer, ABOUT.session)
    assert found is not None
    # It is locked now.
    assert store.find(ABOUT.fingerprint, ABOUT.peer) is None
    found.close()


@pytest.mark.parametrize("name", ["../../etc", "", "A" * 32, "0" * 31])
def test_a_name_cannot_leave_the_folder(store: Store, name: str) -> None:
    with pytest.raises(DataError, match="no identifier"):
        store.open(name)
    with pytest.raises(DataError, match="no identifier"):
        store.create(About(name, "", "", 1), SEED)


def test_what_the_peer_has_used_is_deleted(store: Store) -> None:
    """Also what a crash has left behind: burnt, and not taken."""
    session = filled(store)
    session.burn(0, 1)
    session.advance(0)
    assert {p.name for p in session.folder.iterdir() if p.name.isdecimal()} == {"1", "2", "3"}
    session.advance(3)
    assert {p.name for p in session.folder.iterdir() if p.name.isdecimal()} == {"3"} and session.left == 1
    session.close()


def test_what_was_not_completed_does_not_count(store: Store) -> None:
    store.create(ABOUT, SEED).ledger.close()
    assert store.find(ABOUT.fingerprint, ABOUT.peer) is None
    store.purge(ABOUT.fingerprint, ABOUT.peer)
    assert not list(store.folder.iterdir())


def test_no_secret_in_texts(store: Store) -> None:
    session = filled(store)
    assert SEED.hex() not in repr(session) and repr(SEED)[2:20] not in repr(session)
    session.close()
