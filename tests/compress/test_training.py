# SPDX-License-Identifier: Apache-2.0
"""The shared protocol: reproducible, judged right, checkpoints that load or say why not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compress.training import Training, batches, evaluate, load, moved, reproducible, save, train
from gatewright.errors import DataError


def blobs(count: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that a line separates."""
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 4)).astype(np.float32)
    return x, (x @ [1.0, -2.0, 0.5, 0.0] > 0).astype(np.int64)


def network() -> nn.Sequential:
    with reproducible(5):
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def test_it_learns_and_repeats_itself() -> None:
    x, y = blobs()
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    plan = Training(epochs=6, batch=32, rate=2e-2, seed=3)
    models = [network() for _ in range(3)]
    first, second = (train(m, x, y, plan) for m in models[:2])
    other = train(models[2], x, y, Training(epochs=6, batch=32, rate=2e-2, seed=4))
    assert first == second != other and len(first) == 6 and first[-1] < first[0] / 2
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)
    assert not models[0].training and evaluate(models[0], x, y).accuracy > 0.95


def test_frozen_parameters_and_clipped_gradients() -> None:
    x, y = blobs()
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    train(model, x, y, Training(epochs=1, batch=32, clip=1e-9, rate=1e-3))
    assert torch.equal(model[0].weight, before)
    with pytest.raises(DataError, match="loss nan\n  supported: a finite one\n  next step: train with a lower rate"):
        train(network(), x * np.inf, y, Training(epochs=1, batch=32))
    with pytest.raises(DataError, match="8 inputs, 8 labels\n.*a batch of 32"):
        train(network(), x[:8], y[:8], Training(epochs=1, batch=32))


def test_metrics_by_hand() -> None:
    scores = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    found = evaluate(nn.Identity(), scores, [0, 1, 0], batch=2)
    losses = [np.log1p(np.exp(-2.0)), np.log1p(np.exp(-1.0)), np.log1p(np.exp(3.0))]
    assert found.accuracy == 2 / 3 and found.loss == pytest.approx(np.mean(losses))


def test_batches_take_everything_once_per_pass() -> None:
    x = torch.arange(10.0)[:, None]
    with reproducible(0):
        feed = batches(x, x[:, 0].long(), 5)
        for _ in range(3):
            both = [next(feed) for _ in range(2)]
            assert sorted(torch.cat([b[0] for b in both]).flatten().tolist()) == list(range(10))
            assert all(torch.equal(a[:, 0].long(), b) for a, b in both)


def test_images_move_by_few_pixels() -> None:
    image = torch.zeros(1, 1, 7, 7)
    image[..., 3, 3] = 1
    with reproducible(0):
        places = {tuple((moved(image, 1) == 1).nonzero()[0, 2:].tolist()) for _ in range(100)}
    assert places == {(a, b) for a in (2, 3, 4) for b in (2, 3, 4)}
    assert moved(image, 0) is image


def test_checkpoints(tmp_path: Path) -> None:
    x, y = blobs()
    model = network()
    train(model, x, y, Training(epochs=1, batch=32))
    save(tmp_path / "a.npz", model, accuracy=0.5, seed=3)
    other = network().eval()
    assert load(tmp_path / "a.npz", other) == {"accuracy": 0.5, "seed": 3}
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))
    wider = nn.Sequential(nn.Linear(4, 9))
    with pytest.raises(DataError, match=r"9 tensors do not fit: 0.bias \(8,\) for \(9,\), .*\n.*this model"):
        load(tmp_path / "a.npz", wider)
    (tmp_path / "b.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="no checkpoint"):
        load(tmp_path / "b.npz", model)
    with pytest.raises(DataError, match="no checkpoint"):
        load(tmp_path / "c.npz", model)
