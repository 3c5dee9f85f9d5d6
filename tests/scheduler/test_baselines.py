# SPDX-License-Identifier: Apache-2.0
"""The machines that the ring is compared with: small cases by hand, and the published figures of their bubbles."""

import numpy as np
import pytest

from gatewright.errors import DataError
from gatewright.scheduler.baselines import STAGES, ideal, padded, pass_cycles, rigid, slowest, windows
from gatewright.scheduler.pipeline import Operator, Pipeline, Source, Stage

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


def share(lengths: np.ndarray) -> float:
    """Cycles of the rigid pipeline, one per token and stage, over the sum of lengths."""
    return rigid(np.tile(lengths, (STAGES, 1)), LAYERS) / (LAYERS * lengths.sum())


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


def test_a_rigid_pipeline_by_hand() -> None:
    times = np.asarray([[5, 2, 9, 1]] * 3)
    # Steps hold 5, 52, 529, 291, 91 and 1.
    assert rigid(times, 1) == 5 + 5 + 9 + 9 + 9 + 1
    # Alone, a sequence leaves two stages of three idle.
    assert rigid(times[:, :1], 4) == 4 * 3 * 5
    # Two: 5, 52, 52, then the second layer of the first beside the last stage of the other, 52, 52, 52, 2.
    assert rigid(times[:, :2], 2) == 6 * 5 + 2
    assert rigid(np.asarray([[7, 1], [1, 1], [1, 8]]), 1) == 7 + 1 + 1 + 8


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
    assert padded(work, 1, 3, 2) == 2 * 3 * 500


def test_the_ideal_is_one_operator_at_work_all_the_time() -> None:
    work = {"a": np.asarray([9, 1]), "b": np.asarray([1, 9])}
    assert ideal(work, [0, 1], 1) == 10


def test_windows_are_filled_longest_first() -> None:
    assert windows([3, 7, 5, 2, 6], 10) == [[1, 0], [4, 3], [2]]
    assert windows([], 4) == []
    with pytest.raises(DataError, match=r"windows.*11 tokens\s.*at most 10"):
        windows([11], 10)
