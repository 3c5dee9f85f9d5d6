# SPDX-License-Identifier: Apache-2.0
"""One bench for every operator's module: `check_module` in pytest, and the cocotb tests that it starts.

The reference is the operator's own `evaluate`; a case is one operator, its input types and a folding.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatewright.fixed import Ints
from gatewright.graph import Folding, Instance, Op, TensorType
from gatewright.sim.beats import as_numbers, pack
from gatewright.sim.bench import default_seed, run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, Source

PLAN = "GATEWRIGHT_PLAN"


def check_module(
    op: Op,
    *types: TensorType,
    folding: Folding,
    lengths: tuple[int, ...] = (1, 2, 1, 5, 9),
    other: Op | None = None,
    banks: Sequence[Op] = (),
    pace: tuple[int, int] | None = None,
    seed: int | None = None,
) -> None:
    """Simulate `op`'s module: integrity over all paces, reset in the middle, reload, pace of the output.

    Args:
        types: of the inputs.
        lengths: tokens of each sequence.
        other: the same operator with other constants, loaded over the first ones.
        banks: operators that share the module; every sequence says which of them it is for.
        pace: (tokens, cycles): at full speed the output must go on by so many tokens in so many cycles.
        seed: of data and stalls; default GATEWRIGHT_SEED.
    """
    seed = default_seed() if seed is None else seed
    rng = np.random.default_rng(seed)
    ops = tuple(banks) or (op,)
    instance = spelled(ops, folding, types)
    plan: dict[str, Any] = {"parts": [part(rng, ops, instance, types, lengths)], "banked": instance.banked}
    if other is not None:
        second = spelled((other,), folding, types)
        assert second.parameters == instance.parameters, "the other constants need another module"
        plan["parts"].append(part(rng, (other,), second, types, lengths))
    if pace:
        group, cycles = pace
        plan["speed"] = part(rng, ops, instance, types, (group * 12,)) | {"group": group, "cycles": cycles}
    with tempfile.TemporaryDirectory(prefix="gatewright-plan-") as folder:
        path = Path(folder) / "plan.json"
        path.write_text(json.dumps(plan))
        run_bench(
            instance.module,
            __file__,
            instance.parameters,
            sources=instance.sources,
            seed=seed,
            environment={PLAN: str(path)},
        )


def spelled(ops: Sequence[Op], folding: Folding, types: tuple[TensorType, ...]) -> Instance:
    """The module that `ops` share."""
    instance = type(ops[0]).rtl_banked(folding, ops, [types] * len(ops))
    assert instance is not None, f"{ops[0].name()} is wiring only"
    return instance


def part(
    rng: np.random.Generator,
    ops: Sequence[Op],
    instance: Instance,
    types: tuple[TensorType, ...],
    lengths: tuple[int, ...],
) -> dict[str, Any]:
    """Words to load, beats to send per input and sequence, beats to expect per sequence."""
    data = [[tokens(rng, kind, n) for n in lengths] for kind in types]
    banks = [int(b) for b in rng.integers(0, len(ops), len(lengths))]
    expected = [ops[b].evaluate(*inputs) for b, inputs in zip(banks, zip(*data, strict=True), strict=True)]
    result = ops[0].infer(*types)
    return {
        "banks": banks,
        "memory": [int(w) for rows in instance.memory for w in rows.reshape(-1)],
        "inputs": [
            [as_numbers(pack(s, lanes, kind)) for s in sequences]
            for sequences, lanes, kind in zip(data, instance.in_lanes, types, strict=True)
        ],
        "outputs": [as_numbers(pack(s, instance.out_lanes, result)) for s in expected],
    }


def tokens(rng: np.random.Generator, kind: TensorType, count: int) -> Ints:
    """Random tokens; one in four has only extreme channels, one in sixteen is all lowest."""
    fixed = kind.fixed
    x = rng.integers(fixed.lo, fixed.hi + 1, (count, kind.channels), dtype=np.int64)
    extreme = rng.choice(np.array([fixed.lo, fixed.hi]), x.shape)
    choice = rng.integers(0, 16, (count, 1))
    return np.where(choice == 0, fixed.lo, np.where(choice < 4, extreme, x))


class Ports:
    """The operator's module with a source per input, the load chain and the output."""

    def __init__(self, dut: Any, pace: Pace = PACES[0]) -> None:
        self.plan = json.loads(Path(os.environ[PLAN]).read_text())
        self.bench = Harness(dut)
        count = len(self.plan["parts"][0]["inputs"])
        names = ["s"] if count == 1 else [f"s{i}" for i in range(count)]
        self.sources: list[Source] = [self.bench.source(name, pace.idle) for name in names]
        self.sink: Sink = self.bench.sink("m", pace.stall, pace.patient)
        self.loader = self.chain = self.banks = None
        if self.plan["banked"]:
            # With a single bank this says what the lowering ties: bank 0, always.
            self.banks = self.bench.source("b", fields=("data",))
        if self.plan["parts"][0]["memory"]:
            self.loader = self.bench.source("w", pace.idle)
            self.chain = self.bench.sink("x")

    async def load(self, part: dict[str, Any]) -> None:
        """Load to the end: tokens that come while old constants are replaced would still see some of them."""
        if self.loader is not None:
            self.loader.send_sequence(part["memory"])
            await self.bench.until(lambda: self.loader.empty, 2000 + 50 * len(part["memory"]))
            await self.bench.step(20)

    def send(self, part: dict[str, Any]) -> None:
        """Queue the sequences and their banks."""
        if self.banks is not None:
            self.banks.send([(bank,) for bank in part["banks"]])
        for source, sequences in zip(self.sources, part["inputs"], strict=True):
            for words in sequences:
                source.send_sequence(words)

    async def finish(self, part: dict[str, Any]) -> None:
        """Every result came, in order and with its `last`; nothing else came, also out of the load chain."""
        beats = sum(map(len, part["outputs"]))
        sent = len(part["memory"]) + sum(len(w) for sequences in part["inputs"] for w in sequences)
        await self.bench.finish({self.sink: beats}, limit=2000 + 200 * (beats + sent), settle=40)
        assert self.sink.sequences() == part["outputs"]
        assert self.chain is None or not self.chain.beats
        self.sink.reset()


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    """Every part of the plan in turn: tokens wait for the first load; the second one replaces it."""
    ports = Ports(dut, pace)
    await ports.bench.start()
    for i, part in enumerate(ports.plan["parts"]):
        ports.sink.stall, ports.sink.patient = pace.stall, pace.patient
        if i == 0:
            ports.send(part)
        await ports.load(part)
        if i > 0:
            ports.send(part)
        await ports.finish(part)


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 5, 50, 150])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    """Reset forgets tokens and load; what follows is as after power-up."""
    ports = Ports(dut, Pace(0.1, 0.3))
    await ports.bench.start()
    first, final = ports.plan["parts"][0], ports.plan["parts"][-1]
    ports.send(first)
    if ports.loader is not None and cycles < 10:
        ports.loader.send_sequence(first["memory"])
    else:
        await ports.load(first)
    await ports.bench.step(cycles)
    await ports.bench.reset(1)
    ports.send(final)
    await ports.load(final)
    await ports.finish(final)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def full_speed(dut: Any) -> None:
    """The final beats of groups of tokens leave at exactly the promised distance."""
    ports = Ports(dut)
    speed = ports.plan.get("speed")
    if speed is None:
        return
    await ports.bench.start()
    await ports.load(speed)
    ports.send(speed)
    cycles = ports.sink.cycles
    beats = len(speed["outputs"][0])
    await ports.bench.until(lambda: len(cycles) == beats, 1000 + 12 * 2 * speed["cycles"])
    ends = cycles[beats // 12 - 1 :: beats // 12]
    assert {b - a for a, b in zip(ends, ends[1:], strict=False)} == {speed["cycles"]}
    await ports.finish(speed)
