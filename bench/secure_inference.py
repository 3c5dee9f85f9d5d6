# SPDX-License-Identifier: Apache-2.0
"""Private inference by two processes on loopback, beside CrypTen and SPU on the same networks, in one run.

`python bench/secure_inference.py --repeats 3` is quicker and noisier; `--models`, `--batches` and `--sides` choose.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _secure_models as models
import numpy as np
from _secure_processes import PATIENCE, QUIET, query
from _table import environment, markdown, versions, write

from gatewright.frontend import QuantConfig, import_model

BITS = (8, 12)
"""Of our activations and weights; the peers have one width."""
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Measured:
    """One side on one network at one batch size.

    Attributes:
        seconds: online, per batch.
        size: bytes online per batch, both directions.
        rounds: of messages, as the side counts them.
        error: largest difference to the float network.
        offline: what our client needed before: seconds and bytes per query.
    """

    seconds: Sequence[float]
    size: int
    rounds: int
    error: float
    version: str = ""
    offline: tuple[float, float] | None = None


@dataclass(frozen=True)
class Case:
    """A network in a folder: net.npz for the peers, 8.npz and 12.npz for us, results of the float network."""

    name: str
    folder: Path
    inputs: Any
    real: Any


def case(name: str, count: int) -> Case:
    """Write the files of a network."""
    import torch

    folder = Path(tempfile.mkdtemp(prefix="secure_"))
    models.write(name, folder / "net.npz", count)
    network, inputs = models.module(folder / "net.npz"), np.load(folder / "net.npz")["x"]
    example = torch.from_numpy(inputs).float()
    for bits in BITS:
        config = QuantConfig(activation_bits=bits, weight_bits=bits)
        import_model(network, example[:1], example, config=config, name="network").save(folder / f"{bits}.npz")
    with torch.no_grad():
        real = network.double()(torch.from_numpy(inputs)).numpy()
    return Case(name, folder, inputs, real)


def ours(offline: str, bits: int) -> Callable[[Case, int, int], Measured]:
    """Both our processes, and the dealer where there is one, over mutual TLS; numbers of `bits` bits."""

    def run(this: Case, batch: int, repeats: int) -> Measured:
        count = batch * (repeats + 1)
        order = np.arange(count) % len(this.inputs)
        results, found = query(this.folder / f"{bits}.npz", this.inputs[order], batch, offline)
        phases = found["phases"]
        random = [phases[k] for k in ("dealer", "prepare") if k in phases]
        per_query = [sum(p[k] for p in random) / count for k in ("seconds", "wire")]
        # The first batch warms up.
        return Measured(
            found["online_seconds"][1:],
            round(phases["online"]["wire"] / (repeats + 1)),
            found["rounds"],
            float(np.max(np.abs(results - this.real[order]))),
            offline=(per_query[0], per_query[1]),
        )

    return run


def peer(script: str, python: Callable[[], Path]) -> Callable[[Case, int, int], Measured]:
    """Both parties of a peer, each a process in the peer's own environment."""

    def run(this: Case, batch: int, repeats: int) -> Measured:
        output, binary = this.folder / f"{script}.json", str(python())
        output.unlink(missing_ok=True)
        ports = free_ports(3)
        setting = {"WORLD_SIZE": "2", "RENDEZVOUS": f"tcp://127.0.0.1:{ports[0]}", "DISTRIBUTED_BACKEND": "gloo"}
        setting |= QUIET | {"GLOO_SOCKET_IFNAME": "lo"}
        arguments = [str(this.folder / "net.npz"), str(batch), str(repeats), str(output)]
        arguments += [f"127.0.0.1:{p}" for p in ports[1:]]
        logs = [this.folder / f"{script}{rank}.log" for rank in range(2)]
        parties = []
        for rank, log in enumerate(logs):
            with log.open("w") as file:
                command = [binary, str(HERE / f"{script}.py"), *arguments]
                env = os.environ | setting | {"RANK": str(rank)}
                parties.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=env))
        try:
            codes = [p.wait(PATIENCE) for p in parties]
        finally:
            for party in parties:
                party.kill()
        if any(codes) and not output.exists():
            raise RuntimeError(f"{script}: exit codes {codes}: {logs[0].read_text().strip().splitlines()[-1:]}")
        found = json.loads(output.read_text())
        rounds = found.get("rounds") or send_actions(logs[0].read_text())
        error = float(np.max(np.abs(np.reshape(found["result"], (batch, -1)) - this.real[:batch])))
        return Measured(found["seconds"], found["bytes"], rounds, error, found["version"])

    return run


def send_actions(log: str) -> int:
    """Messages that a party sent, from the last profile of SPU's log; the exchange of inputs and outputs adds two."""
    lines = [line for line in log.splitlines() if "Link details" in line]
    return int(lines[-1].split("send actions ")[1].split(",")[0]) + 2 if lines else 0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [s.getsockname()[1] for s in found]


def crypten() -> Path:
    """CrypTen's environment; its own requirements do not install, so it comes without them."""
    needs = ("torch==2.13.0", "numpy", "omegaconf", "onnx", "future", "pyyaml", "pandas", "scipy")
    return environment("crypten", *needs, alone=("crypten==0.4.1",))


def spu() -> Path:
    """SPU's environment."""
    return environment("spu", "spu==0.9.5")


OURS = ("gatewright, dealer, 8 bits", "gatewright, dealer, 12 bits", "gatewright, OT, 8 bits")
SIDES: dict[str, Callable[[Case, int, int], Measured]] = {
    OURS[0]: ours("dealer", BITS[0]),
    OURS[1]: ours("dealer", BITS[1]),
    OURS[2]: ours("ot", BITS[0]),
    "CrypTen TFP": peer("_crypten", crypten),
    "SPU SEMI2K": peer("_spu", spu),
}
Found = dict[tuple[str, int, str], Measured]


def measured(
    names: Sequence[str], batches: Sequence[int], sides: Sequence[str], repeats: int
) -> tuple[Found, set[str]]:
    """Every side on every network, and the reasons of those that are missing."""
    found: Found = {}
    missing: set[str] = set()
    for name in names:
        this = case(name, max(batches))
        for batch in batches:
            for side in sides:
                # Oblivious transfer takes its time, the same for every query of a batch.
                if side == OURS[2] and batch > min(batches):
                    continue
                try:
                    found[name, batch, side] = SIDES[side](this, batch, min(repeats, 2) if side == OURS[2] else repeats)
                except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                    reason = f"{side}, {name}, batch {batch}: {str(error).splitlines()[0][:200]}"
                    missing.add(reason)
                    print(f"skipped: {reason}", flush=True)
                    continue
                print(name, batch, side, found[name, batch, side], flush=True)
        shutil.rmtree(this.folder)
    return found, missing


def online(found: Found) -> list[dict[str, Any]]:
    """Rows of the main table."""
    return [
        {
            "network": name,
            "batch": batch,
            "side": side,
            "min ms": f"{1e3 * min(m.seconds):.2f}",
            "median ms": f"{1e3 * statistics.median(m.seconds):.2f}",
            "bytes": m.size,
            "rounds": m.rounds,
            "largest error": f"{m.error:.1e}",
        }
        for (name, batch, side), m in found.items()
    ]


def offline(found: Found) -> list[dict[str, Any]]:
    """Rows of the second table: batch 1 and larger ones differ only in how much is done at once."""
    return [
        {
            "network": name,
            "batch": batch,
            "source": side.removeprefix("gatewright, "),
            "ms per query": f"{1e3 * m.offline[0]:.1f}",
            "bytes per query": round(m.offline[1]),
        }
        for (name, batch, side), m in found.items()
        if m.offline
    ]


def ratios(found: Found) -> str:
    """How our sides with a dealer compare, network by network."""
    lines = []
    for (name, batch, side), mine in found.items():
        others = [(s, m) for (n, b, s), m in found.items() if (n, b) == (name, batch) and s not in OURS]
        if side in OURS[:2] and others:
            parts = [
                f"{min(m.seconds) / min(mine.seconds):.1f} times the speed and {m.size / mine.size:.1f} times fewer "
                f"bytes than {s}"
                for s, m in others
            ]
            lines.append(f"- {name}, batch {batch}, {side.split(', ')[2]}: {'; '.join(parts)}")
    return "\n".join(lines)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--models", nargs="*", default=list(models.MODELS), choices=list(models.MODELS))
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 32])
    parser.add_argument("--sides", nargs="*", default=list(SIDES), choices=list(SIDES))
    options = parser.parse_args()
    found, missing = measured(options.models, options.batches, options.sides, options.repeats)
    peers = sorted({f"{s} {m.version}" for (_, _, s), m in found.items() if m.version})
    parts = [
        "# Private inference by two parties",
        f"`python bench/secure_inference.py --repeats {options.repeats}` with "
        f"{versions('gatewright', 'numpy', 'cryptography')}, {', '.join(peers)}; {platform.machine()}, "
        f"{os.cpu_count()} cores, loopback, two processes, one thread each. Load average at the end "
        f"{os.getloadavg()[0]:.1f}.",
        "Online: from the client's input to its result. Weights and inputs are random (seed in the script), so errors "
        "compare arithmetic, not accuracy: gatewright runs fixed-point networks of 8 and 12 bits, the peers have 16 or "
        "18 bits behind the point. gatewright talks over mutual TLS 1.3, CrypTen and SPU in clear. Its bytes are those "
        "that TCP carries, TLS included; those of the peers are of the loopback interface, with the headers of TCP and "
        "IP. Rounds: CrypTen counts collectives, SPU what a party sends. Correlated randomness of CrypTen and SPU is "
        "made by a party that is trusted with everything (TFP), at no cost in bytes.",
        markdown(online(found)),
        "Minimum against minimum, with a dealer:\n\n" + ratios(found),
        "## Offline",
        "Correlated randomness of the client per query, before the inputs are there, without what is sent once per "
        "model. A dealer must be trusted not to side with a party; oblivious transfer needs none and costs more.",
        markdown(offline(found)) if offline(found) else "",
    ]
    if missing:
        parts.append("Not measured:\n\n" + "\n".join(f"- {m}" for m in sorted(missing)))
    write("secure_inference", *(p for p in parts if p))


if __name__ == "__main__":
    main()
