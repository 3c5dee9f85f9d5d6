# SPDX-License-Identifier: Apache-2.0
"""Bench of shell_control: runs begin and end as `ap_ctrl_hs` has them, counters count, nothing enters beyond a run."""

from typing import Any

import cocotb

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness

LEVELS = [
    *("start", "auto_restart", "load", "load_done", "loaded", "at_rest", "reject", "error"),
    *(f"{way}_{part}" for way in ("input", "output") for part in ("valid", "ready", "last")),
    *(f"interrupt_{kind}" for kind in ("global_enable", "enable_done", "enable_ready", "enable_error")),
    *(f"interrupt_status_{event}" for event in ("done", "ready", "error")),
]


class Control:
    """The module with idle inputs."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.bench = dut, Harness(dut)

    async def begin(self, sequences: int, **levels: int) -> None:
        """Reset, and hold some inputs."""
        for name in LEVELS:
            getattr(self.dut, name).value = levels.get(name, 0)
        self.dut.sequences.value = sequences
        await self.bench.start()

    def read(self, name: str) -> int:
        """A port's value."""
        return int(getattr(self.dut, name).value)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_run(dut: Any) -> None:
    control = Control(dut)
    await control.begin(3, loaded=1, start=1, at_rest=1, input_ready=1, output_ready=1)
    await control.bench.step(2)
    dut.start.value = 0
    assert control.read("running") and control.read("admit")
    for _ in range(3):
        await control.bench.pulse("input_valid", "input_last")
    await control.bench.step()
    assert control.read("running") and not control.read("admit"), "nothing enters beyond the run"
    await control.bench.pulse("output_valid", "output_last")
    await control.bench.pulse("output_valid")
    await control.bench.pulse("reject")
    await control.bench.step(5)
    assert control.read("running") and not control.read("done")
    assert control.read("finished") == 1 and control.read("rejections") == 1
    dut.at_rest.value = 0
    await control.bench.pulse("output_valid", "output_last")
    await control.bench.step(4)
    assert control.read("running"), "results are still on their way"
    dut.at_rest.value = 1
    await control.bench.step()
    assert control.read("done") and control.read("start_clear")
    await control.bench.step()
    assert not control.read("running") and not control.read("done")
    cycles = control.read("cycles")
    await control.bench.step(5)
    assert control.read("cycles") == cycles > 10 and control.read("finished") == 2


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def counters(dut: Any) -> None:
    control = Control(dut)
    await control.begin(1, loaded=1, start=1, at_rest=1)
    await control.bench.step(2)
    dut.start.value = 0
    dut.input_valid.value = dut.output_valid.value = 1
    await control.bench.step(7)
    dut.input_valid.value = dut.output_valid.value = 0
    await control.bench.step(4)
    assert control.read("input_stalls") == 7 and control.read("output_stalls") == 7
    # 2, 7 and 4 cycles, less the one in which the run began and the one that has only just passed.
    assert control.read("cycles") == 11


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def without_weights_nothing_runs(dut: Any) -> None:
    control = Control(dut)
    await control.begin(1, start=1)
    await control.bench.step()
    assert control.read("not_loaded") and control.read("done") and control.read("start_clear")
    dut.start.value = 0
    await control.bench.step(2)
    assert not control.read("running") and not control.read("not_loaded")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def loading_is_a_run(dut: Any) -> None:
    control = Control(dut)
    await control.begin(9, start=1, load=1)
    await control.bench.step(2)
    dut.start.value = 0
    assert control.read("running") and control.read("loading") and not control.read("admit")
    await control.bench.step(9)
    assert control.read("running")
    await control.bench.pulse("load_done")
    await control.bench.step()
    assert not control.read("running")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_run_of_none_and_auto_restart(dut: Any) -> None:
    control = Control(dut)
    await control.begin(0, start=1, auto_restart=1, loaded=1, at_rest=1)
    ends = 0
    for _ in range(40):
        await control.bench.step()
        ends += control.read("done")
        assert not control.read("start_clear")
    assert ends >= 10
    dut.auto_restart.value = 0
    for _ in range(4):
        await control.bench.step()
        if control.read("start_clear"):
            break
    else:
        raise AssertionError("start stays set")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def interrupts(dut: Any) -> None:
    """An event is kept only where it is enabled; the line is on while a kept one is there and all are let out."""
    control = Control(dut)
    for event in ("done", "ready", "error"):
        await control.begin(0, start=int(event != "error"), loaded=1, at_rest=1, **{f"interrupt_enable_{event}": 1})
        dut.error.value = int(event == "error")
        seen = dict.fromkeys(("done", "ready", "error"), 0)
        for _ in range(4):
            await control.bench.step()
            for name in seen:
                seen[name] |= control.read(f"interrupt_status_{name}_set")
        assert seen == {name: int(name == event) for name in seen}
        getattr(dut, f"interrupt_status_{event}").value = 1
        await control.bench.step()
        assert not control.read("interrupt_line")
        dut.interrupt_global_enable.value = 1
        await control.bench.step()
        assert control.read("interrupt_line")


def test_shell_control() -> None:
    run_bench("shell_control", __file__)
