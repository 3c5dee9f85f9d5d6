# SPDX-License-Identifier: Apache-2.0
"""Masks, patterns, sparse training and ratio search on small models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from gatewright.compress import training  # noqa: E402
from gatewright.compress.ae_bert import Budget, candidates, search  # noqa: E402
from gatewright.compress.dst_ee import (  # noqa: E402
    DST_EE,
    METHODS,
    RIGL,
    SET,
    STATIC,
    Exploration,
    exploration,
    train_sparse,
    update,
)
from gatewright.compress.sparse import (  # noqa: E402
    Mask,
    Pattern,
    densities,
    finished,
    kept_share,
    masked,
    masks,
    top,
)
from gatewright.errors import DataError, UnsupportedError  # noqa: E402


def net(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 32), nn.ReLU(), nn.Linear(32, 4)
    )


def task(count: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Images whose label is the brightest channel."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 4, 8, 8)).astype(np.float32)
    y = rng.integers(0, 4, count)
    x[np.arange(count), y] += 0.7
    return x, y


@pytest.mark.parametrize("pattern", [Pattern(), Pattern(2), Pattern(1, "output"), Pattern(1, 4), Pattern(2, 4)])
def test_patterns_keep_what_they_say(pattern: Pattern) -> None:
    model = masked(net(), 0.25, pattern, distribution="uniform", keep=["5"], seed=3)
    assert set(masks(model)) == {"0", "3"}
    for mask in masks(model).values():
        # Stream order: outputs, then taps, then channels.
        rows = mask.mask.movedim(1, -1).flatten(1)
        assert abs(rows.float().mean() - 0.25) < 0.01
        assert torch.equal(rows[0 :: pattern.block], rows[pattern.block - 1 :: pattern.block])
        if pattern.group == "output":
            assert len(rows.sum(1).unique()) == 1
        if isinstance(pattern.group, int):
            assert bool((rows.reshape(len(rows), -1, pattern.group).sum(2) == 1).all())


def test_magnitude_masks_keep_the_largest() -> None:
    model = net()
    weight = model[3].weight.detach()
    pruned = masked(model, 0.1, distribution="uniform", keep=["0", "5"])
    kept = masks(pruned)["3"].mask
    assert float(weight[kept].abs().min()) >= float(weight[~kept].abs().max())
    assert int(kept.sum()) == round(0.1 * kept.numel())


def test_erk_meets_the_budget_and_favours_small_layers() -> None:
    layers = {"a": nn.Linear(1000, 100), "b": nn.Linear(100, 100), "c": nn.Linear(4, 3)}
    found = densities(layers, 0.05, "erk")
    sizes = {p: layer.weight.numel() for p, layer in layers.items()}
    assert sum(found[p] * sizes[p] for p in found) == pytest.approx(0.05 * sum(sizes.values()))
    assert found["c"] == 1.0 and found["b"] > found["a"]
    assert set(densities(layers, 0.05, "uniform").values()) == {0.05}


def test_checkpoints_hold_masks_and_export_sees_zeros(tmp_path: Path) -> None:
    model = masked(net(1), 0.2, seed=1)
    training.save(tmp_path / "m.npz", model)
    other = masked(net(2), 0.2, seed=2)
    assert not torch.equal(masks(other)["3"].mask, masks(model)["3"].mask)
    training.load(tmp_path / "m.npz", other)
    x = torch.as_tensor(task(4)[0])
    assert torch.equal(other(x), model(x)) and torch.equal(masks(other)["3"].mask, masks(model)["3"].mask)
    bare = finished(model)
    assert torch.equal(bare(x), model(x)) and not masks(bare)
    assert float((bare[3].weight != 0).float().mean()) == pytest.approx(float(masks(model)["3"].mask.float().mean()))
    # The original keeps its mask: torch shares the class of parametrised copies.
    assert model[3].weight is not None


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("pattern", [Pattern(), Pattern(2), Pattern(1, 4)])
def test_training_keeps_the_pattern(name: str, pattern: Pattern) -> None:
    x, y = task()
    model = masked(net(), 0.25, pattern, distribution="uniform", keep=["5"], seed=0)
    before = {p: (m.mask.clone(), kept_share(model)) for p, m in masks(model).items()}
    losses = train_sparse(
        model, x, y, training.Training(6, 32, 5e-3), Exploration(**{**vars(METHODS[name]), "every": 4})
    )
    assert losses[-1] < losses[0]
    for path, mask in masks(model).items():
        units = pattern.units(mask.mask)
        assert torch.equal(units.any(2), units.all(2))
        assert torch.equal(units[..., 0].sum(1), pattern.units(before[path][0])[..., 0].sum(1))
        assert torch.equal(mask.mask, before[path][0]) == (name == "static")
    assert (exploration(model) > kept_share(model)) == (name != "static")


def layer(gradient: list[float], active: list[int], kept: list[bool]) -> tuple[Any, Mask]:
    mask = Mask(torch.tensor([kept]), Pattern())
    mask.gradient, mask.active = torch.tensor([gradient]), torch.tensor([active], dtype=torch.int32)
    return torch.tensor([[5.0, 0.1, 9.0, 9.0]]), mask


def test_growth_is_the_formula() -> None:
    """Place 2 has the larger gradient, place 3 was tried less often: c decides."""
    for c, grown in ((0.0, 2), (1.0, 3)):
        weight, mask = layer([0.0, 0.0, 0.5, 0.4], [1, 1, 9, 0], [True, True, False, False])
        update(weight, mask, Exploration(c=c, relative=False), 10, 0.5)
        # S = 0.5 + c ln 10 / 10 against 0.4 + c ln 10 / 1.
        assert mask.mask.nonzero()[:, 1].tolist() == [0, grown]
        assert weight.tolist() == [[5.0, 0.0, 0.0, 0.0]]
        assert mask.active[0, grown] == [0, 0, 10, 1][grown]


def test_relative_c_is_in_mean_gradients() -> None:
    """The mean of 0.225 scales the bonus: 0.5 + 0.225 c ln 10 / 10 against 0.4 + 0.225 c ln 10."""
    for c, grown in ((0.1, 2), (0.3, 3)):
        weight, mask = layer([0.0, 0.0, 0.5, 0.4], [1, 1, 9, 0], [True, True, False, False])
        update(weight, mask, Exploration(c=c), 10, 0.5)
        assert mask.mask.nonzero()[:, 1].tolist() == [0, grown]


def test_special_cases() -> None:
    assert RIGL.c == 0 and DST_EE.c > 0 and SET.growth == "random" and STATIC.growth == "none"
    found = top(torch.tensor([[3.0, 5.0, 5.0], [1.0, 2.0, 3.0]]), torch.tensor([1, 2]))
    assert found.tolist() == [[False, True, False], [False, True, True]]


def test_candidates_meet_the_budget() -> None:
    sizes = {"a": 1000, "b": 300, "c": 500, "d": 50}
    budget = Budget(0.6, 0.3, 0.9, 20)
    found = candidates(sizes, budget, ties=[("a", "c")])
    assert len(found) == 20 and len({tuple(f.values()) for f in found}) == 20
    for ratios in found:
        assert sum(ratios[p] * sizes[p] for p in sizes) == pytest.approx(0.6 * 1850)
        assert ratios["a"] == ratios["c"] and 0 <= min(ratios.values()) <= max(ratios.values()) <= 0.9


def test_search_spares_what_matters() -> None:
    """One layer is made insensitive: its ratio rises, and the winner is judged better than equal ratios."""
    x, y = task()
    model = net()
    training.train(model, x, y, training.Training(6, 32, 5e-3))
    with torch.no_grad():
        model[3].weight[4:] = 0
    # All but a few rows of layer 3 are zero: pruning them is free.
    found = search(model, lambda m: -training.evaluate(m, x, y).loss, Budget(0.6, 0.4, 0.97, 12), keep=["5"])
    assert max(found.scores) > found.scores[0]
    assert found.ratios["3"] >= 0.6 >= found.ratios["0"]
    assert kept_share(found.model) == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: masked(net(), 0.1, Pattern(3)), "blocks of 3 on 8 outputs"),
        (lambda: masked(net(), 0.1, Pattern(1, 16)), "groups of 16 on 36 inputs"),
        (lambda: masked(net(), 0.1, keep=["9"]), "'9' matches no layer"),
    ],
)
def test_refusals(act: Any, text: str) -> None:
    with pytest.raises(UnsupportedError, match=text):
        act()


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: masked(net(), 1.5), "1.5"),
        (lambda: masked(net(), 0.1, distribution="normal"), "erk or uniform"),
        (lambda: Pattern(0), "block = 0"),
        (lambda: Exploration("upwards"), "upwards"),
        (lambda: train_sparse(net(), *task(), training.Training(1), RIGL), "no masks"),
        (lambda: Budget(0.99), "ratio = 0.99"),
    ],
)
def test_wrong_choices(act: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        act()
