# SPDX-License-Identifier: Apache-2.0
"""Early exits: trained together, compiled apart, and what thresholds do to samples."""

import numpy as np
import pytest
import torch
from torch import nn

import gatewright as gw
from gatewright.compress.early_exit import EarlyExits, Said, joint, leave
from gatewright.compress.training import Training, reproducible, train
from gatewright.errors import DataError
from gatewright.examples.digits_mlp import load


def network() -> EarlyExits:
    blocks = [
        nn.Sequential(nn.Linear(64, 16), nn.ReLU()),
        nn.Sequential(nn.Linear(16, 32), nn.ReLU()),
        nn.Linear(32, 10),
    ]
    return EarlyExits(blocks, {0: nn.Linear(16, 10)})


def test_the_loss_is_the_weighted_sum() -> None:
    with reproducible(0):
        model, x, y = network(), torch.rand(5, 64), torch.arange(5)
    early, end = (nn.functional.cross_entropy(s, y) for s in model(x))
    assert torch.allclose(joint((1.0, 0.3))(model, x, y), early + 0.3 * end)
    with pytest.raises(DataError, match="1 weights"):
        joint((1.0,))(model, x, y)
    with pytest.raises(DataError, match=r"behind blocks \[2\]"):
        EarlyExits(list(model.blocks), {2: nn.Linear(32, 10)})


def test_thresholds_by_hand() -> None:
    early = Said(np.array([0.1, 0.5, 0.9, 0.2]), np.array([True, False, True, False]))
    end = Said(np.array([0.0, 0.0, 0.0, -1e-17]), np.array([True, True, False, True]))
    left = leave([early, end], [0.5])
    assert left.shares == (0.75, 0.25) and left.accuracy == 0.25
    assert leave([early, end], [-1.0]).accuracy == 0.75 and leave([early, end], [np.inf]).shares == (1.0, 0.0)
    with pytest.raises(DataError, match="2, one per exit|1, one per exit"):
        leave([early, end], [])
    scores = np.log([[0.5, 0.25, 0.25], [1 / 3] * 3])
    said = Said.of(scores, [0, 1])
    assert np.allclose(said.entropy, [1.5 * np.log(2), np.log(3)]) and said.right.tolist() == [True, False]
    assert said.exit("e", "b", (1.0,)).right == (True, False)


def test_most_samples_leave_a_trained_network_early() -> None:
    """The exit's hardware is a design of its own, and says what the float network says."""
    data = load()
    with reproducible(0):
        model = network()
    train(model, data.train_x, data.train_y, Training(12, 32, 1e-2), joint((1.0, 0.3)))
    short, whole = model.paths()
    design = gw.compile(short, data.train_x[:1], data.train_x[:200])
    said = [Said.of(np.asarray(design.run(data.test_x)), data.test_y)]
    with torch.no_grad():
        said.append(Said.of(whole(torch.from_numpy(data.test_x).float()), data.test_y))
    end = leave(said, [-1.0])
    left = leave(said, [0.3])
    assert end.accuracy > 0.9 and left.shares[0] > 0.3 and left.accuracy > end.accuracy - 0.03
