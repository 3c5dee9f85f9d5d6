# SPDX-License-Identifier: Apache-2.0
"""Policies: orders on both machines, and in closed form small cases by hand and published figures of bubbles."""

from dataclasses import replace

import numpy as np
import pytest

from gatewright.errors import DataError
from gatewright.scheduler.machine import Looped, Machine, Streaming
from gatewright.scheduler.pipeline import Operator, Pipeline, Source, Stage
from gatewright.scheduler.policies import policies, schedule
from gatewright.scheduler.policies.packed import windows
from gatewright.scheduler.policies.rigid import STAGES, coarse, occupants
from gatewright.scheduler.ring import Ring, simulate_ring
from gatewright.scheduler.trace import Schedule, from_json
from gatewright.scheduler.work import ideal, pass_cycles, slowest

LAYERS = 12

# Mean and greatest length and log-sigma of a log-normal set, with its figures for batches of 16 over 12 layers (sum of
# lengths = 1): padded to the greatest, padded to the batch's greatest, arrival order, sorted, and sorted in 64s.
SETS = {
    "SQuAD": (177, 821, 0.42, (4.79, 1.94, 1.37, 1.18, 1.06)),
    "RTE": (68, 253, 0.55, (3.82, 2.34, 1.49, 1.24, 1.09)),
    "MRPC": (53, 86, 0.23, (1.65, 1.46, 1.20, 1.10, 1.03)),
}


def drawn(name: str, batch: int, count: int) -> np.ndarray:
    mean, most, sigma, _ = SETS[name]
    rng = np.random.default_rng(3)
    lengths = rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, (count, batch))
    return np.clip(np.rint(lengths), 1, most).astype(np.int64)


def per_token(tokens: tuple[int, ...], iterations: int, times: np.ndarray | None = None) -> Looped:
    """Three operators whose results take one cycle per token, or `times` [operators, kinds] in all."""
    operators = []
    for i in range(STAGES):
        stages = tuple(
            (Stage(np.arange(n), 1 if times is None else np.append(np.zeros(n - 1, int), times[i, k]), 1, 0),)
            for k, n in enumerate(tokens)
        )
        operators.append(Operator(f"n{i}", (f"n{i - 1}" if i else "x",), stages))
    body = Pipeline((Source("x", tokens),), tuple(operators), ("n2",))
    return Looped(Ring(body, iterations, 1 << 20, 1 << 20))


def rigid(lengths: np.ndarray, layers: int, stages: int = STAGES) -> int:
    """Cycles of the rigid pipeline as the sum of its steps, one cycle per token and stage, arrival order."""
    steps = occupants(len(lengths), layers, stages)
    return sum(max(int(lengths[index % len(lengths)]) for _, index in inside) for inside in steps)


def share(lengths: np.ndarray) -> float:
    """Cycles of the rigid pipeline over the sum of lengths."""
    return rigid(lengths, LAYERS) / (LAYERS * lengths.sum())


@pytest.mark.parametrize("name", SETS)
def test_figures_of_log_normal_sets(name: str) -> None:
    _, most, _, wanted = SETS[name]
    sixteen, many = drawn(name, 16, 300), drawn(name, 64, 100)
    full = np.full(16, most)
    found = (
        np.mean([share(full) * full.sum() / row.sum() for row in sixteen]),
        np.mean([share(np.full(16, row.max())) * 16 * row.max() / row.sum() for row in sixteen]),
        np.mean([share(row) for row in sixteen]),
        np.mean([share(np.sort(row)[::-1]) for row in sixteen]),
        np.mean([share(np.sort(row)[::-1]) for row in many]),
    )
    assert found == pytest.approx(wanted, rel=0.03)


def by_hand(times: list[list[int]], layers: int) -> Schedule:
    """The rigid pipeline in arrival order; `times` [stages, sequences]."""
    table = np.asarray(times)
    # One length per sequence, as that is what names its kind.
    lengths = tuple(range(1, table.shape[1] + 1))
    machine = per_token(lengths, layers, table)
    return schedule(machine, lengths, "rigid", stages=[["n0"], ["n1"], ["n2"]], descending=False)


def test_a_rigid_pipeline_by_hand() -> None:
    times = [[5, 2, 9, 1]] * 3
    # Steps hold 5, 52, 529, 291, 91 and 1.
    assert by_hand(times, 1).cycles == 5 + 5 + 9 + 9 + 9 + 1
    # Alone, a sequence leaves two stages of three idle.
    alone = by_hand([[5]] * 3, 4)
    assert alone.cycles == 4 * 3 * 5 and list(alone.utilisation.values()) == pytest.approx([1 / 3] * 3)
    # Two: 5, 52, 52, then the second layer of the first beside the last stage of the other, 52, 52, 52, 2.
    assert by_hand([[5, 2]] * 3, 2).cycles == 6 * 5 + 2
    assert by_hand([[7, 1], [1, 1], [1, 8]], 1).cycles == 7 + 1 + 1 + 8


def test_the_rigid_schedule_is_the_sum_of_its_steps() -> None:
    rng = np.random.default_rng(8)
    lengths = rng.integers(1, 50, 16)
    machine = per_token(tuple(sorted({int(n) for n in lengths})), LAYERS)
    stages = [["n0"], ["n1"], ["n2"]]
    found = schedule(machine, lengths.tolist(), "rigid", stages=stages, descending=False)
    assert found.cycles == rigid(lengths, LAYERS)
    down = schedule(machine, lengths.tolist(), "rigid", stages=stages)
    assert down.cycles == rigid(np.sort(lengths)[::-1], LAYERS) < found.cycles
    assert down.order[0] == int(np.argmax(lengths))


def layer(lengths: tuple[int, ...]) -> Pipeline:
    """A unit of 10 cycles per token, then one of n cycles per token that pools to one."""
    stages = [Stage(np.arange(n), 10, 12) for n in lengths]
    pool = [Stage(np.asarray([n - 1]), n, 3, 4) for n in lengths]
    operators = (
        Operator("a", ("x",), tuple((s,) for s in stages)),
        Operator("w", ("a",), tuple(() for _ in lengths)),
        Operator("b", ("w",), tuple((s,) for s in pool)),
    )
    return Pipeline((Source("x", lengths),), operators, ("b",))


def test_work_per_pass() -> None:
    work = pass_cycles(layer((3, 50)))
    assert {k: v.tolist() for k, v in work.items()} == {"a": [30, 500], "b": [12, 200]}
    assert slowest(work).tolist() == [30, 500] and slowest(work, ["b"]).tolist() == [12, 200]
    assert ideal(work, [0, 0, 1], 2) == 2 * 560


def test_the_ideal_is_one_operator_at_work_all_the_time() -> None:
    work = {"a": np.asarray([9, 1]), "b": np.asarray([1, 9])}
    assert ideal(work, [0, 1], 1) == 10


def test_windows_are_filled_longest_first() -> None:
    assert windows([3, 7, 5, 2, 6], 10) == [[1, 0], [4, 3], [2]]
    assert windows([], 4) == []
    with pytest.raises(DataError, match=r"windows.*11 tokens\s.*at most 10"):
        windows([11], 10)


def test_padding_and_packing_charge_nothing_but_what_is_empty() -> None:
    machine = Looped(replace(per_token((3, 7, 10), 2).ring))
    padded = schedule(machine, [3, 7, 3], "padding")
    assert padded.cycles == 2 * 3 * 7 and [v.finished for v in padded.visits] == [14, 28, 42]
    assert schedule(machine, [3, 7, 3], "padding", to=10).cycles == 2 * 3 * 10
    packed = schedule(machine, [3, 7, 3], "packed")
    # Windows of 7 + 3 and of 3 tokens.
    assert packed.cycles == 2 * 2 * 10 and packed.order == (1, 0, 2)
    assert packed.busy == {"slowest operator": 2 * 13}
    late = schedule(machine, [3, 7, 3], "padding", arrival=[0, 100, 0])
    assert [v.finished for v in late.visits] == [14, 114, 28]
    with pytest.raises(DataError, match=r"padding.*to 3 tokens.*\s.*7 or more"):
        schedule(machine, [3, 7], "padding", to=3)


def test_coarse_stages_begin_at_the_barrier() -> None:
    tokens = (4, 9)
    names = {"q": 10, "attention": 3, "o": 10, "up": 10}
    operators, last = [], "x"
    for name, pace in names.items():
        need = [np.full(n, n - 1) if name == "attention" else np.arange(n) for n in tokens]
        operators.append(Operator(name, (last,), tuple((Stage(w, pace, pace),) for w in need)))
        last = name
    assert coarse(Pipeline((Source("x", tokens),), tuple(operators), (last,))) == [["q"], ["attention"], ["o", "up"]]


def encoder(lengths: tuple[int, ...], iterations: int = 3) -> Looped:
    """Projection, barrier, slow matrix."""
    parts = (("p", "x", 20), ("a", "p", 9), ("f", "a", 20))
    operators = []
    for name, source, pace in parts:
        need = [np.full(n, n - 1) if name == "a" else np.arange(n) for n in lengths]
        ahead = [64 - n if name == "a" else 0 for n in lengths]
        stages = tuple((Stage(w, pace, pace + 5, 1, a),) for w, a in zip(need, ahead, strict=True))
        operators.append(Operator(name, (source,), stages))
    body = Pipeline((Source("x", lengths, 4),), tuple(operators), ("f",))
    return Looped(Ring(body, iterations, 48, 4))


MACHINES = {"pipeline": Streaming(encoder((3, 8, 20)).ring.body), "ring": encoder((3, 8, 20))}
BATCH = [8, 3, 20, 8, 20, 3, 3]


@pytest.mark.parametrize("name", MACHINES)
def test_orders(name: str) -> None:
    machine: Machine = MACHINES[name]
    orders = {policy: schedule(machine, BATCH, policy).order for policy in ("arrival", "sorted", "shortest")}
    assert orders["arrival"] == tuple(range(7))
    assert orders["sorted"] == (2, 4, 0, 3, 1, 5, 6)
    assert orders["shortest"] == (1, 5, 6, 0, 3, 2, 4)
    assert all(0 < share <= 1 for share in schedule(machine, BATCH).utilisation.values())


@pytest.mark.parametrize("name", MACHINES)
def test_an_order_knows_only_what_has_arrived(name: str) -> None:
    """The long one comes while the first short one enters, so it is second; the other short one is last."""
    found = schedule(MACHINES[name], [3, 3, 20], "sorted", arrival=[0, 0, 5])
    assert found.order == (0, 2, 1)
    idle = schedule(MACHINES[name], [3, 20], "sorted", arrival=[0, 10_000])
    assert idle.order == (0, 1) and idle.visits[1].started >= 10_000


def test_the_ring_schedule_is_the_ring_model() -> None:
    machine = MACHINES["ring"]
    assert isinstance(machine, Looped)
    found = schedule(machine, BATCH)
    model = simulate_ring(machine.ring, [machine.lengths.index(n) for n in BATCH])
    assert found.cycles == model.cycles and tuple(v.finished for v in found.visits) == model.finished
    assert {(m.block, m.port): m.peak for m in found.marks} == model.peaks
    assert found.utilisation == pytest.approx(model.busy)
    assert found.most.tokens <= 48 and found.most.sequences <= 4
    assert found.occupancy[-1].tokens == found.occupancy[-1].sequences == 0


@pytest.mark.parametrize("policy", policies())
@pytest.mark.parametrize("name", MACHINES)
def test_every_policy_on_every_machine(name: str, policy: str) -> None:
    machine = MACHINES[name]
    found = schedule(machine, BATCH, policy, arrival=[0, 0, 50, 50, 900, 900, 0])
    assert found.policy == policy and sorted(found.order) == list(range(7)) and found.lengths == tuple(BATCH)
    assert all(v.started >= v.arrival and v.finished <= found.cycles for v in found.visits)
    # No policy does more passes than there are, and none beats the operator with most to do.
    work = pass_cycles(machine.body)
    assert found.cycles >= ideal(work, [machine.lengths.index(n) for n in BATCH], machine.iterations)
    assert from_json(found.as_json()) == found


def test_wrong_batches_are_refused() -> None:
    machine = MACHINES["ring"]
    with pytest.raises(DataError, match=r"policy: 'fifo'\s.*arrival, packed, padding, rigid, shortest, sorted"):
        schedule(machine, [3], "fifo")
    with pytest.raises(DataError, match=r"lengths: 4 tokens\s.*3, 8, 20"):
        schedule(machine, [4])
    with pytest.raises(DataError, match="no sequences"):
        schedule(machine, [])
    with pytest.raises(DataError, match=r"1 times.*2 sequences"):
        schedule(machine, [3, 3], arrival=[0])
    with pytest.raises(DataError, match=r"stages: z\s.*p, a, f"):
        schedule(machine, [3], "rigid", stages=[["z"]])
