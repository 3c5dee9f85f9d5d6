# SPDX-License-Identifier: Apache-2.0
"""The packet link from host to network and back, with every fault that a line may have: nothing is lost silently."""

import os
import random
import threading
import tty
from collections.abc import Iterator

import numpy as np
import pytest

from gatewright.errors import BoardError, DataError, DeviceError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.lower.rtl import lower
from gatewright.ops.linear import Linear
from gatewright.shell.accelerator import Accelerator
from gatewright.shell.link import Link
from gatewright.shell.packets import END, ESCAPE, Kind, Receiver, frame
from gatewright.shell.serial import SerialPort
from gatewright.shell.wrap import UartDesign, divisor, uart
from gatewright.sim.beats import as_bytes, from_bytes
from gatewright.sim.faults import ANSWERS, REQUESTS, Damage, FaultyTransport
from gatewright.sim.uart import SimulatedPort, build

S8 = Fixed(8, 4)
TOKENS = Length("n", 4, 2)
RNG = np.random.default_rng(1)
SEQUENCES = [RNG.integers(-128, 128, (n, 8)) for n in (2, 3, 4, 2, 2, 4, 3) * 5]


def network(seed: int = 0) -> Graph:
    """A small network for sequences of 2 to 4 tokens."""
    weight = np.random.default_rng(seed).integers(-127, 128, (6, 8))
    op = Linear(weight, np.arange(6) * 11 - 40, np.full(6, 6), 8, S8)
    return Graph({"x": TensorType(TOKENS, 8, S8)}, (Node("y", op, ("x",)),), ("y",), "small")


GRAPH = network()
WANTED = [GRAPH.evaluate(s)[0] for s in SEQUENCES]


@pytest.fixture(scope="module")
def design() -> UartDesign:
    """The network behind the fastest UART."""
    return uart(lower(GRAPH, {"y": Folding(simd=4, pe=2)}), 4, 1_000_000)


@pytest.fixture
def port(design: UartDesign) -> Iterator[SimulatedPort]:
    """A device out of reset."""
    with SimulatedPort(build(design.name, design.files, design.sources, optimise="-O1"), design.divisor) as found:
        yield found


def loaded(transport: FaultyTransport | SimulatedPort, design: UartDesign) -> Accelerator:
    """The device with its weights."""
    accelerator = Accelerator(transport, design.streams)
    accelerator.load(design.network.memory.astype(np.uint32))
    return accelerator


def results(accelerator: Accelerator, design: UartDesign, sequences: list[Ints]) -> list[Ints]:
    """Integers in, integers out."""
    raw = accelerator.run([as_bytes(s, design.network.inputs[0]) for s in sequences])
    return [from_bytes(r, design.network.outputs[0]) for r in raw]


def equal(found: list[Ints], wanted: list[Ints]) -> bool:
    """Whether all results are those of the golden model."""
    return len(found) == len(wanted) and all(np.array_equal(f, w) for f, w in zip(found, wanted, strict=True))


def test_results_and_other_weights(port: SimulatedPort, design: UartDesign) -> None:
    accelerator = loaded(port, design)
    assert equal(results(accelerator, design, SEQUENCES), WANTED)
    assert not accelerator.registers.errors() and accelerator.cycles > sum(map(len, SEQUENCES))
    assert accelerator.registers.read("finished") == len(SEQUENCES)
    other = network(5)
    accelerator.load(lower(other, {"y": Folding(simd=4, pe=2)}).memory.astype(np.uint32))
    assert equal(results(accelerator, design, SEQUENCES[:5]), [other.evaluate(s)[0] for s in SEQUENCES[:5]])


FAULTS = [("request", *item) for item in REQUESTS.items()] + [("answer", *item) for item in ANSWERS.items()]


@pytest.mark.parametrize(("way", "name", "damage"), FAULTS, ids=[f"{w}-{n}" for w, n, _ in FAULTS])
def test_faults_of_the_line(port: SimulatedPort, design: UartDesign, way: str, name: str, damage: Damage) -> None:
    faulty = FaultyTransport(port, random.Random(name), chance=0.0)
    setattr(faulty, way, damage)
    accelerator = loaded(faulty, design)
    faulty.chance = 0.15
    found = results(accelerator, design, SEQUENCES)
    faulty.chance = 0.0
    assert equal(found, WANTED)
    assert faulty.injected >= 5
    told = accelerator.registers.read("link_errors")
    flags = set(accelerator.registers.errors())
    if way == "answer":
        assert not flags and not told
        assert accelerator.link.dropped or name in ("lost", "doubled")
    elif name == "unknown":
        assert flags == {"link_request"}
    elif name != "lost":
        assert told and flags and all(f.startswith("link_") for f in flags)


def test_a_reset_is_noticed_and_recovered_from(port: SimulatedPort, design: UartDesign) -> None:
    accelerator = loaded(port, design)
    count = 0
    push = accelerator.link.push

    def pushed(data: bytes, last: bool, tag: int = 0) -> int:
        nonlocal count
        count += 1
        if count == 7:
            port.reset()
        return push(data, last, tag)

    accelerator.link.push = pushed  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match="has lost its weights"):
        results(accelerator, design, SEQUENCES)
    assert equal(results(loaded(port, design), design, SEQUENCES), WANTED)


@pytest.mark.parametrize(("tokens", "cause"), [(1, "too short"), (5, "too long")])
def test_malformed_sequences(port: SimulatedPort, design: UartDesign, tokens: int, cause: str) -> None:
    accelerator = loaded(port, design)
    wrong = [*SEQUENCES[:3], np.zeros((tokens, 8), np.int64), *SEQUENCES[3:6]]
    with pytest.raises(DeviceError, match=f"sequence with tag 3: was rejected: {cause}"):
        results(accelerator, design, wrong)
    assert accelerator.registers.errors() == ["malformed"]
    assert equal(results(loaded(port, design), design, SEQUENCES[:6]), WANTED[:6])


def test_what_the_host_is_told(port: SimulatedPort, design: UartDesign) -> None:
    accelerator = Accelerator(port, design.streams)
    with pytest.raises(DeviceError, match="run: the device has no weights"):
        accelerator.run([b"\0" * 16])
    with pytest.raises(DataError, match="weights: 4 bytes"):
        accelerator.load(np.zeros((1, 1), np.uint32))
    with pytest.raises(DeviceError, match="READ was refused: no register"):
        accelerator.link.read(0x10)
    with pytest.raises(DeviceError, match="holds design"):
        Accelerator(port, type(design.streams)(**{**vars(design.streams), "build_id": 1}))
    silent = FaultyTransport(port, random.Random(0), REQUESTS["lost"], chance=1.0)
    with pytest.raises(DeviceError, match="no answer to HELLO number 1 in 8 tries"):
        Link(silent).hello()


def test_speeds() -> None:
    assert divisor(25, 1_000_000) == 25 and divisor(12, 115_200) == 104
    with pytest.raises(BoardError, match="3000000 baud at 12 MHz is 4.00|2.5 %"):
        divisor(10, 3_000_000)


def test_frames() -> None:
    rng = random.Random(3)
    receiver = Receiver()
    bodies = [
        bytes(rng.choice((END, ESCAPE, rng.getrandbits(8))) for _ in range(rng.randint(4, 40))) for _ in range(50)
    ]
    stream = b"".join(map(frame, bodies))
    found = [body for at in range(0, len(stream), 7) for body in receiver.feed(stream[at : at + 7])]
    assert found == bodies and not receiver.dropped
    assert list(receiver.feed(stream[:4] + bytes([END]))) == [] and receiver.dropped == 1


def test_a_serial_port(port: SimulatedPort, design: UartDesign) -> None:
    """The host on a real terminal device, and the simulated design at its other end."""
    host, device = os.openpty()
    tty.setraw(host)
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            data = os.read(host, 4096)
            if data == b"quit":
                return
            port.write(data)
            os.write(host, port.read())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with SerialPort(os.ttyname(device), 1_000_000) as serial:
        accelerator = loaded(serial, design)  # type: ignore[arg-type]
        assert equal(results(accelerator, design, SEQUENCES[:4]), WANTED[:4])
        serial.write(b"quit")
        thread.join(10)
    done.set()
    assert Kind.HELLO == 1
    with pytest.raises(DeviceError, match="12345 baud"):
        SerialPort(os.ttyname(device), 12345)
    with pytest.raises(DeviceError, match="cannot be opened"):
        SerialPort("no-such-port", 115_200)
