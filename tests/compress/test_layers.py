# SPDX-License-Identifier: Apache-2.0
"""Which layers listen to which: the rules, the distances of blocks, and the blocks that stand for all."""

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compress.layers import RULES, apart, cca, hint_points, linear_cka, matched, rbf_cka, representations
from gatewright.errors import DataError

OWN, TAUGHT = ["a", "b"], ["p", "q", "r", "s", "t", "u"]


def test_rules() -> None:
    found = {rule: dict(matched(OWN, TAUGHT, rule)) for rule in RULES}
    assert found == {
        "first": {"a": "p"},
        "last": {"b": "u"},
        "first_k": {"a": "p", "b": "q"},
        "last_k": {"a": "t", "b": "u"},
        "gap": {"a": "r", "b": "u"},
    }
    with pytest.raises(DataError, match="rule 'middle'"):
        matched(OWN, TAUGHT, "middle")
    with pytest.raises(DataError, match="6 blocks of the student, 2 of the teacher"):
        matched(TAUGHT, OWN)


@pytest.mark.parametrize("distance", [cca, linear_cka, rbf_cka])
def test_distances(distance: "object") -> None:
    """Zero to itself, turned or scaled; near one between what has nothing to do with each other."""
    assert callable(distance)
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(400, 8)) for _ in range(2))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    assert distance(a, a) == pytest.approx(0, abs=1e-9)
    assert distance(a, 3 * a @ turn) == pytest.approx(0, abs=1e-9)
    assert distance(a, b) > 0.8
    assert distance(a, a + 0.3 * b) < 0.3


def test_canonical_correlation_sees_through_any_linear_map() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(300, 5))
    a -= a.mean(axis=0)
    mixed = a @ np.diag([100.0, 10, 1, 0.1, 0.01]) @ rng.normal(size=(5, 9))
    assert cca(a, mixed) == pytest.approx(0, abs=1e-9) and linear_cka(a, mixed) > 0.3


def test_representations_are_averaged_over_places() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(12, 5))
    x = torch.rand(7, 1, 4, 4)
    conv, linear = representations(model, x, ["0", "2"])
    wanted = model[0](x).mean(dim=(2, 3)).detach().double().numpy()
    assert np.allclose(conv, wanted - wanted.mean(axis=0)) and linear.shape == (7, 5)


def test_hint_points() -> None:
    """Blocks in three groups: one of each is found, in the middle of its group."""
    group = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2])
    distances = (group[:, None] != group).astype(float) + 0.01 * (1 - np.eye(len(group)))
    assert hint_points(distances, 3) == [1, 5, 8]
    assert hint_points(distances, 1) == [4] and hint_points(distances, 9) == list(range(9))
    with pytest.raises(DataError, match="10 clusters of 9 blocks"):
        hint_points(distances, 10)
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(50, 4)) for _ in range(3)]
    assert np.allclose(apart(features, "linear_cka"), apart(features, "linear_cka").T)
    with pytest.raises(DataError, match="distance 'far'"):
        apart(features, "far")
