# SPDX-License-Identifier: Apache-2.0
"""Dealer, server and client as processes that talk over TLS, that are killed, and that do not fit together."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shutil
import signal
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from secure.processes import Listening, ask, listening, start
from torch import nn

from gatewright.errors import DataError, LinkError
from gatewright.frontend import Imported, import_model
from gatewright.nn import Quadratic
from gatewright.secure.program import compile_program
from gatewright.secure.transport import tls
from gatewright.secure.transport.dealing import fetch, open_session
from gatewright.secure.transport.greeting import Offline
from gatewright.secure.transport.keys import Keys, PartyRole, make
from gatewright.secure.transport.ledger import Ledger
from gatewright.secure.transport.querying import Querying
from gatewright.secure.transport.session import Store
from gatewright.secure.transport.tls import parsed

pytest.importorskip("cryptography")

QUERIES = 300
UNITS = 4
"""Of the output's last place: golden rounds half up, two parties one way or the other, at each of three layers."""


class House:
    """Keys, a model and data in one folder."""

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(5)
        network = nn.Sequential(nn.Linear(20, 16), Quadratic(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 6)).eval()
        data = torch.rand(40, 20)
        self.imported: Imported = import_model(network, data[:1], data, name="small")
        self.imported.save(folder / "model.npz")
        self.data = data.numpy()
        np.save(folder / "x.npy", self.data)
        self.golden = np.asarray(self.imported.run(self.data))
        self.folder, self.keys = folder, folder / "keys"
        make(self.keys)

    def near(self, found: np.ndarray, items: int) -> bool:
        gap = np.abs(found - self.golden[:items]).max() / self.imported.output_type.fixed.ulp
        return found.shape == self.golden[:items].shape and bool(gap <= UNITS)

    def path(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("house"))


@pytest.fixture
def state(house: House) -> Iterator[Path]:
    """Folders of both parties' sessions, empty."""
    folders = [house.keys / role / "state" for role in ("server", "client")]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    yield house.keys


@pytest.fixture(scope="module")
def dealer(house: House) -> Iterator[Listening]:
    with listening(house.folder / "dealer.log", "dealer", "--keys", house.path("keys/dealer"), "--queries", "300") as d:
        yield d


def server(house: House, dealer: Listening, *more: str, keys: str = "keys/server", model: str = "model.npz") -> object:
    arguments = [house.path(model), "--keys", house.path(keys), "--dealer", dealer.address, *more]
    return listening(house.folder / "server.log", "serve", *arguments)


def asked(house: House, listener: Listening, dealer: Listening, *more: str, keys: str = "keys/client") -> list[str]:
    data = [house.path("x.npy"), "--keys", house.path(keys)]
    return [*data, "--server", listener.address, "--dealer", dealer.address, *more]


def querying(house: House, listener: Listening, dealer: Listening) -> Querying:
    """A client in this process."""
    keys, store = Keys.load(house.keys / "client"), Store.of(house.keys / "client/state")
    addresses = parsed(listener.address, ""), parsed(dealer.address, "")
    return Querying(*addresses, Offline.DEALER, keys, store, fingerprint="", timeout=20.0)


def used(house: House, role: str) -> int:
    """The first index that a party has not burnt."""
    (path,) = (house.keys / role / "state").glob("*/ledger")
    with Ledger(path) as ledger:
        return ledger.next


def test_two_processes_and_a_dealer(house: House, state: Path, dealer: Listening) -> None:
    """Results are golden's, a second client goes on with the session, and nobody needs the dealer for that."""
    with server(house, dealer) as listener:
        first = ask(house.folder, *asked(house, listener, dealer, "--first", "10", "--batch", "4"))
        assert first.code == 0 and house.near(first.results, 10), first.text
        # A dealer whose address nobody listens at.
        gone = asked(house, listener, dealer, "--first", "5")
        gone[gone.index("--dealer") + 1] = "127.0.0.1:1"
        second = ask(house.folder, *gone)
        assert second.code == 0 and house.near(second.results, 5), second.text
    assert first.figures["batches"] == [[0, 4], [4, 8], [8, 10]]
    assert second.figures["batches"] == [[k, k + 1] for k in range(10, 15)]
    assert "dealer" in first.figures["phases"] and "dealer" not in second.figures["phases"]
    assert used(house, "server") == used(house, "client") == 15
    left = {int(p.name) for p in (house.keys / "client/state").glob("*/*") if p.name.isdecimal()}
    assert left == set(range(15, QUERIES))
    online = second.figures["phases"]["online"]
    assert online["turns"] == 5 and online["sent"] > 0 and "online" in second.text
    no_secret(house, dealer.text, (house.folder / "server.log").read_text(), first.text, second.text)


def no_secret(house: House, *texts: str) -> None:
    """Neither seeds nor keys nor corrections, as text in any of the usual spellings."""
    whole = "\n".join(texts)
    secrets = [p.read_bytes() for p in house.keys.glob("*/state/*/seed")]
    secrets += [base64.b64decode("".join(p.read_text().split("\n")[1:-2])) for p in house.keys.glob("*/key.pem")]
    secrets += [p.read_bytes() for p in house.keys.glob("client/state/*/2*")]
    assert len(secrets) > 10
    for secret in secrets:
        for k in range(0, len(secret) - 8, 8):
            part = secret[k : k + 8]
            if len(set(part)) > 2:
                shown = (part.hex(), base64.b64encode(part[:6]).decode(), repr(part)[2:-1], str(list(part))[1:-1])
                assert not any(s in whole for s in shown)


def test_two_processes_alone(house: House, state: Path, dealer: Listening) -> None:
    """Oblivious transfer: no dealer, nothing on disk."""
    with server(house, dealer, "--offline", "ot") as listener:
        found = ask(house.folder, *asked(house, listener, dealer, "--first", "3", "--batch", "2", "--offline", "ot"))
    assert found.code == 0 and house.near(found.results, 3), found.text
    assert not list(house.keys.glob("*/state/*")) and found.figures["phases"]["prepare"]["received"] > 1000


@pytest.mark.parametrize("victim", ["server", "client"])
def test_a_killed_party_reuses_nothing(house: House, state: Path, dealer: Listening, victim: str) -> None:
    """kill -9 in the middle of queries: the other one ends cleanly, and all indices of before stay burnt."""
    many = ["--first", "40", "--batch", "1"]
    with server(house, dealer) as listener:
        client = start(house.folder, *asked(house, listener, dealer, *many))
        end = time.monotonic() + 30
        while not list((house.keys / "server/state").glob("*/ledger")) or burnt(house, "server") < 5:
            assert time.monotonic() < end and client.poll() is None, (house.folder / "out.txt").read_text()
            time.sleep(0.002)
        if victim == "server":
            listener.kill()
            assert client.wait(15) == 1
            assert "peer lost" in (house.folder / "out.txt").read_text()
        else:
            client.send_signal(signal.SIGKILL)
            client.wait()
            wait_for(listener, "peer lost")
    before = max(used(house, "server"), used(house, "client"))
    assert 5 <= before < QUERIES
    with server(house, dealer) as listener:
        found = ask(house.folder, *asked(house, listener, dealer, "--first", "4"))
    assert found.code == 0 and house.near(found.results, 4), found.text
    assert found.figures["batches"][0][0] == before and "dealer" not in found.figures["phases"]


def burnt(house: House, role: str) -> int:
    """As `used`, of a file that its owner has locked."""
    (path,) = (house.keys / role / "state").glob("*/ledger")
    return int.from_bytes(path.read_bytes()[8:16], "little")


def wait_for(listener: Listening, text: str) -> None:
    end = time.monotonic() + 15
    while text not in listener.text:
        assert time.monotonic() < end, listener.text
        time.sleep(0.02)


@pytest.mark.parametrize("role", ["server", "client"])
def test_a_party_that_was_set_back_is_brought_forward(
    house: House, state: Path, dealer: Listening, tmp_path: Path, role: str
) -> None:
    """Its folder comes from a backup: the other party remembers, and what was used is not used again."""
    with server(house, dealer) as listener:
        asking, own = querying(house, listener, dealer), house.keys / role / "state"
        asking.ask(house.data[:2], 1)
        shutil.copytree(own, tmp_path / "backup")
        asking.ask(house.data[:7], 1)
        shutil.rmtree(own)
        shutil.copytree(tmp_path / "backup", own)
        assert used(house, role) == 2
        found = asking.ask(house.data[:1], 1)
    assert found.batches == [range(9, 10)] and house.near(found.real, 1)


def test_sessions_that_run_out_are_followed_by_others(house: House, state: Path) -> None:
    small = ["--keys", house.path("keys/dealer"), "--queries", "3"]
    with (
        listening(house.folder / "few.log", "dealer", *small) as dealer,
        server(house, dealer) as listener,
    ):
        found = querying(house, listener, dealer).ask(house.data[:8], 2)
    assert house.near(found.real, 8)
    assert found.batches == [range(2), range(2, 3), range(2), range(2, 3), range(2)]
    assert dealer.text.count("given, forgotten") == 3


def test_parties_that_do_not_fit_end_cleanly(house: House, state: Path, dealer: Listening, tmp_path: Path) -> None:
    """Soon, with a typed error that says where and what next; the server goes on with the next caller."""
    make(tmp_path / "keys")
    with server(house, dealer) as listener:
        asking = querying(house, listener, dealer)
        wrong = {
            "certificate": replace(asking, keys=Keys.load(tmp_path / "keys/client")),
            "its certificate is that of server|the peer refuses|peer lost": replace(
                asking, keys=Keys.load(house.keys / "server")
            ),
            "fingerprint": replace(asking, fingerprint="0" * 64),
            "offline is": replace(asking, offline=Offline.OT),
            "its certificate is that of dealer": replace(asking, server=parsed(dealer.address, "")),
            "cannot connect": replace(asking, server=("127.0.0.1", 1)),
        }
        for problem, each in wrong.items():
            begun = time.monotonic()
            with pytest.raises(LinkError, match=problem) as caught:
                each.ask(house.data[:2], 1)
            assert time.monotonic() - begun < 8 and caught.value.hint, problem
        with pytest.raises(DataError, match=r"\[20\] per item"):
            asking.ask(np.zeros((2, 21)), 1)
        assert house.near(asking.ask(house.data[:2], 1).real, 2)
        assert "Traceback" not in listener.text and "defect" not in listener.text
        for problem in ("unknown ca|self-signed", "that of server", "fingerprint", "offline is"):
            assert any(p in listener.text for p in problem.split("|")), (problem, listener.text)
    no_secret(house, listener.text)


def test_a_session_is_given_once_and_to_its_client_alone(house: House, state: Path, dealer: Listening) -> None:
    program, _ = compile_program(house.imported.graph)
    keys = {role: Keys.load(house.keys / role.value) for role in PartyRole}
    address = parsed(dealer.address, "")

    def call(role: PartyRole) -> tls.Peer:
        return tls.connect(address, keys[role], PartyRole.DEALER, 20.0)

    def given(session: str) -> int:
        with contextlib.closing(call(PartyRole.CLIENT)) as link:
            kept: list[int] = []
            fetch(link, program, session, lambda index, _: kept.append(index), lambda _: None)
            return len(kept)

    identity = hashlib.sha256(ssl.PEM_cert_to_DER_cert((house.keys / "client/cert.pem").read_text())).hexdigest()
    with contextlib.closing(call(PartyRole.SERVER)) as link:
        about, seed = open_session(link, program, identity)
    with contextlib.closing(call(PartyRole.SERVER)) as link:
        other, another = open_session(link, program, "f" * 64)
    assert seed != another and about.session != other.session
    assert given(about.session) == QUERIES
    for session in (about.session, other.session, "0" * 32):
        with pytest.raises(LinkError, match="not known to the dealer, or given already"):
            given(session)


def test_a_client_cannot_serve(house: House, dealer: Listening) -> None:
    """Its certificate is no server's: whoever calls it refuses."""
    with server(house, dealer, keys="keys/client") as listener:
        found = ask(house.folder, *asked(house, listener, dealer, "--first", "1"))
    assert found.code == 1 and "unsuitable certificate purpose" in found.text, found.text


def test_ctrl_c_is_clean(house: House, dealer: Listening) -> None:
    with server(house, dealer) as listener:
        listener.process.send_signal(signal.SIGINT)
        assert listener.process.wait(10) == 130
    assert "interrupted" in listener.text and "Traceback" not in listener.text
