# SPDX-License-Identifier: Apache-2.0
"""`gatewright secure`: inference by two parties, each a process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np

if TYPE_CHECKING:
    from gatewright.frontend.imported import Imported
    from gatewright.secure.transport.querying import Answer

F = TypeVar("F", bound=Callable[..., Any])

SERVER, DEALER = "127.0.0.1:7100", "127.0.0.1:7101"
SHOWN = 10
"""Results that are printed."""


@click.group("secure")
def COMMAND() -> None:
    """Two-party inference: the server keeps its weights to itself, the client its data.

    Semi-honest parties, mutual TLS; docs/security.md says what is protected and what is not.

    \b
    gatewright secure keys keys
    gatewright secure dealer --keys keys/dealer &
    gatewright secure serve mnist_lenet --keys keys/server &
    gatewright secure query mnist_lenet --keys keys/client --first 100
    """


def _keys(command: F) -> F:
    path = click.Path(file_okay=False)
    return click.option("--keys", "folder", required=True, type=path, help="Folder of this party's certificate.")(
        command
    )


def _timeout(command: F) -> F:
    number = click.FloatRange(0.1)
    return click.option("--timeout", default=30.0, show_default=True, type=number, help="Seconds per message.")(command)


def _offline(command: F) -> F:
    return click.option(
        "--offline",
        default="dealer",
        show_default=True,
        type=click.Choice(["dealer", "ot"]),
        help="Where correlated randomness comes from: a dealer, or oblivious transfer between the two parties.",
    )(command)


def _state(command: F) -> F:
    text = "Folder of sessions with a dealer [default: state in the folder of --keys]."
    return click.option("--state", type=click.Path(file_okay=False), help=text)(command)


@COMMAND.command("keys")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
@click.option("--days", default=365, show_default=True, type=click.IntRange(1), help="That certificates are valid.")
def keys(folder: str, days: int) -> None:
    """Make a private authority and a folder of keys for each party.

    A party gets its own folder of DIR and nothing else; DIR/ca stays with who makes keys, or is deleted.

    \b
    gatewright secure keys keys
    rm -r keys/client && gatewright secure keys keys      a new certificate for the client
    """
    from gatewright.secure.transport import keys as files

    roles = [r for r in files.PartyRole if not (Path(folder) / r.value).exists()]
    for made in files.make(folder, roles or list(files.PartyRole), days):
        click.echo(f"wrote {made}")


@COMMAND.command("dealer")
@_keys
@click.option("--listen", default=DEALER, show_default=True, help="HOST:PORT; port 0 takes a free one.")
@click.option("--queries", default=64, show_default=True, type=click.IntRange(1, 1 << 24), help="Of one session.")
@_timeout
@click.option("--calls", type=click.IntRange(1), help="End after so many calls [default: never].")
def dealer(folder: str, listen: str, queries: int, timeout: float, calls: int | None) -> None:
    """Give both parties correlated randomness before their queries.

    The dealer learns neither weights nor data, but must not side with a party: with its seeds, what the parties send
    to each other can be read.

    \b
    gatewright secure dealer --keys keys/dealer
    gatewright secure dealer --keys keys/dealer --listen 0.0.0.0:7101 --queries 1000
    """
    from gatewright.secure.transport import listening
    from gatewright.secure.transport.dealing import Dealing
    from gatewright.secure.transport.keys import Keys, PartyRole

    found = Dealing(queries, _log)
    listener = _listener("dealer", listen)
    listening.serve(
        listener, Keys.load(folder), [PartyRole.SERVER, PartyRole.CLIENT], found.handle, _log, timeout, calls
    )


@COMMAND.command("serve")
@click.argument("model", metavar="EXAMPLE|MODEL.npz")
@_keys
@click.option("--listen", default=SERVER, show_default=True, help="HOST:PORT; port 0 takes a free one.")
@_offline
@click.option("--dealer", "source", default=DEALER, show_default=True, help="HOST:PORT of the dealer.")
@click.option("--word", default="64", show_default=True, type=click.Choice(["32", "64"]), help="Bits of a share.")
@_state
@_timeout
@click.option("--calls", type=click.IntRange(1), help="End after so many calls [default: never].")
def serve(
    model: str,
    folder: str,
    listen: str,
    offline: str,
    source: str,
    word: str,
    state: str | None,
    timeout: float,
    calls: int | None,
) -> None:
    """Answer clients with a model that they do not see: an example, or a file of `Imported.save`.

    \b
    gatewright secure serve mnist_lenet --keys keys/server
    gatewright secure serve model.npz --keys keys/server --listen 0.0.0.0:7100 --dealer dealer.example:7101
    gatewright secure serve mnist_lenet --keys keys/server --offline ot
    """
    from gatewright.secure.program import compile_program
    from gatewright.secure.transport import listening, tls
    from gatewright.secure.transport.greeting import Offline
    from gatewright.secure.transport.interface import Interface
    from gatewright.secure.transport.keys import Keys, PartyRole
    from gatewright.secure.transport.serving import Serving
    from gatewright.secure.transport.session import Store

    own, imported, way = Keys.load(folder), _model(model), Offline(offline)
    program, secrets = compile_program(imported.graph, int(word), ride_along=way is Offline.DEALER)
    serving = Serving(
        program,
        secrets,
        Interface.of(imported),
        way,
        own,
        Store.of(state or Path(folder) / "state"),
        tls.parsed(source, "--dealer"),
        _log,
        timeout,
    )
    _log(f"{program.name}: {len(program.steps)} steps, {program.rounds} rounds, fingerprint {program.fingerprint()}")
    listening.serve(_listener("server", listen), own, [PartyRole.CLIENT], serving.handle, _log, timeout, calls)


@COMMAND.command("query")
@click.argument("data", metavar="EXAMPLE|DATA.npy")
@_keys
@click.option("--server", default=SERVER, show_default=True, help="HOST:PORT of the server.")
@_offline
@click.option("--dealer", "source", default=DEALER, show_default=True, help="HOST:PORT of the dealer.")
@click.option("--first", type=click.IntRange(1), help="So many of the data [default: all].")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1, 1024), help="Queries at a time.")
@click.option("--fingerprint", default="", help="Accept this program and no other [default: the server's].")
@_state
@_timeout
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write the results to this .npy file.")
@click.option("--json", "path", type=click.Path(dir_okay=False), help="Also write the figures to this file.")
def query(
    data: str,
    folder: str,
    server: str,
    offline: str,
    source: str,
    first: int | None,
    batch: int,
    fingerprint: str,
    state: str | None,
    timeout: float,
    output: str | None,
    path: str | None,
) -> None:
    """Ask a server about data that it does not see: test data of an example, or [N, ...] in a .npy file.

    \b
    gatewright secure query mnist_lenet --keys keys/client --first 100 --batch 10
    gatewright secure query images.npy --keys keys/client --server server.example:7100 -o scores.npy
    gatewright secure query images.npy --keys keys/client --offline ot --json figures.json
    """
    from gatewright.console import console
    from gatewright.secure.transport import tls
    from gatewright.secure.transport.greeting import Offline
    from gatewright.secure.transport.keys import Keys
    from gatewright.secure.transport.querying import Querying
    from gatewright.secure.transport.session import Store

    items, labels = _data(data)
    items, labels = items[:first], None if labels is None else labels[:first]
    asking = Querying(
        tls.parsed(server, "--server"),
        tls.parsed(source, "--dealer"),
        Offline(offline),
        Keys.load(folder),
        Store.of(state or Path(folder) / "state"),
        fingerprint,
        timeout,
    )
    answer = asking.ask(items, batch)
    figures = summary(answer, labels)
    if output:
        np.save(output, answer.real)
    if path:
        Path(path).write_text(json.dumps(figures, indent=1))
    for line in _results(answer, labels):
        click.echo(line)
    console().print(table(answer))
    if labels is not None:
        click.echo(f"labels right: {figures['right']} of {len(labels)}")


def summary(answer: Answer, labels: Any = None) -> dict[str, Any]:
    """The figures of an answer, for a file."""
    phases = answer.phases
    chosen = [int(k) for k in np.argmax(answer.real.reshape(len(answer.real), -1), axis=1)]
    return {
        "program": answer.program.name,
        "fingerprint": answer.program.fingerprint(),
        "queries": len(answer.integers),
        "batches": [[b.start, b.stop] for b in answer.batches],
        "rounds": answer.program.rounds,
        "largest": chosen,
        "right": None if labels is None else int(np.sum(np.asarray(chosen) == labels)),
        "online_seconds": phases.found["online"].seconds,
        "offline_seconds": phases.seconds(offline=True),
        "phases": {
            name: {
                "offline": p.offline,
                "turns": len(p.seconds),
                "seconds": sum(p.seconds),
                "sent": p.traffic.sent,
                "received": p.traffic.received,
                "messages": p.traffic.messages,
                "wire": p.traffic.wire,
            }
            for name, p in phases.found.items()
        },
    }


def table(answer: Answer) -> Any:
    """Phases of an answer: what they took, and what of it needs no inputs."""
    from rich.table import Table

    count, online = len(answer.integers), answer.phases.found["online"]
    rounds = len(answer.batches) * answer.program.rounds
    title = f"{answer.program.name}: {count} queries in {len(answer.batches)} batches, {rounds} rounds online"
    found = Table(title=title)
    columns = ("phase", "when", "turns", "ms", "ms / turn", "bytes sent", "received", "/ query", "with TLS", "messages")
    for column in columns:
        found.add_column(column, justify="left" if column in ("phase", "when") else "right")
    for name, phase in answer.phases.found.items():
        total = 1e3 * sum(phase.seconds)
        found.add_row(
            name,
            "offline" if phase.offline else "online",
            f"{len(phase.seconds)}",
            f"{total:,.1f}",
            f"{total / len(phase.seconds):,.2f}",
            f"{phase.traffic.sent:,}",
            f"{phase.traffic.received:,}",
            f"{phase.traffic.bytes / count:,.0f}",
            f"{phase.traffic.wire:,}",
            f"{phase.traffic.messages:,}",
            style="bold" if phase is online else "",
        )
    return found


def _results(answer: Answer, labels: Any) -> list[str]:
    """The first results, one line each."""
    lines = []
    for k, scores in enumerate(answer.real.reshape(len(answer.real), -1)[:SHOWN]):
        best = int(np.argmax(scores))
        known = "" if labels is None else f", label {int(labels[k])}"
        lines.append(f"{k}: largest of {scores.size} is {best} ({scores[best]:.4g}){known}")
    return lines + ([f"and {len(answer.real) - SHOWN} more"] if len(answer.real) > SHOWN else [])


def _listener(name: str, address: str) -> Any:
    from gatewright.secure.transport import tls

    found = tls.listen(tls.parsed(address, "--listen"))
    _log(f"{name} listens at {tls.shown(found.getsockname())}")
    return found


def _log(text: str) -> None:
    click.echo(text, err=True)


def _model(name: str) -> Imported:
    """An example, or a file of `Imported.save`."""
    from gatewright.errors import DataError
    from gatewright.examples import examples
    from gatewright.frontend.imported import Imported

    if name.endswith(".npz"):
        return Imported.load(name)
    known = examples()
    if name not in known:
        raise DataError(f"model {name}", "not found", f"MODEL.npz, {', '.join(known)}")
    return known[name].study().imported


def _data(name: str) -> tuple[Any, Any]:
    """Items and, of an example, their labels."""
    from gatewright.commands.import_onnx import read
    from gatewright.errors import DataError
    from gatewright.examples import Trained, examples

    if name.endswith(".npy"):
        return read(name), None
    known = {k: e for k, e in examples().items() if isinstance(e, Trained)}
    if name not in known:
        raise DataError(f"data {name}", "not found", f"DATA.npy, {', '.join(known)}")
    data = known[name].load()
    return data.test_x, data.test_y
