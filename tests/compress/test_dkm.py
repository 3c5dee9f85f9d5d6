# SPDX-License-Identifier: Apache-2.0
"""Differentiable k-means: its equations, the library's, training, snapping, checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gatewright.compress import dkm, kmeans, training
from gatewright.compress.dkm import Clustering
from gatewright.errors import DataError, UnsupportedError


def small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4 * 4, 8)).eval()


def distinct(weight: torch.Tensor, length: int) -> int:
    """Different vectors of neighbouring outputs."""
    rows = weight.detach().reshape(len(weight) // length, length, -1).transpose(1, 2).reshape(-1, length)
    return len(torch.unique(rows, dim=0))


def test_one_iteration_by_hand() -> None:
    """Two weights, two centroids, tau 1: attention is a logistic function of the distances' difference."""
    w, c = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0]])
    near = torch.sigmoid(torch.tensor([4.0, 0.0]))
    found, moved = dkm.soft_means(w, c, 1.0, 1)
    low = (near * w[:, 0]).sum() / near.sum()
    high = ((1 - near) * w[:, 0]).sum() / (1 - near).sum()
    assert torch.allclose(moved[:, 0], torch.stack([low, high]))
    assert torch.allclose(found[:, 0], near * low + (1 - near) * high)


def test_gradients_flow_through_all_iterations() -> None:
    """Against finite differences in double precision; and they differ from those of the last iteration alone."""
    torch.manual_seed(0)
    w = torch.randn(12, 2, dtype=torch.float64, requires_grad=True)
    c = torch.randn(4, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: dkm.soft_means(v, c, 0.5, 3)[0], (w,))

    def gradient(start: torch.Tensor, iterations: int) -> torch.Tensor:
        found = dkm.soft_means(w, start, 0.5, iterations)[0]
        return torch.autograd.grad(found.square().sum(), w)[0]

    assert not torch.allclose(gradient(c, 3), gradient(dkm.soft_means(w, c, 0.5, 2)[1].detach(), 1))


def test_low_temperature_is_k_means() -> None:
    torch.manual_seed(1)
    w = torch.randn(200, 2)
    start = kmeans.plus_plus(w, 8)
    code = kmeans.assign(w, start)
    hard = kmeans.means(w, code, start, kmeans.distances(w, start))
    assert torch.allclose(dkm.soft_means(w, start, 1e-5, 1)[1], hard, atol=1e-3)


@pytest.mark.parametrize(("bits", "length"), [(3, 1), (2, 2)])
def test_equals_the_library(bits: int, length: int) -> None:
    """coremltools' implementation (that of the paper's authors) from the same centroids: weights and gradients."""
    pytest.importorskip("coremltools", reason="pip install coremltools==9.0: the authors' own implementation")
    from coremltools.optimize.torch.palettization.fake_palettize import FakePalettize
    from torch.ao.quantization import MinMaxObserver

    torch.manual_seed(2)
    weight, tau = torch.randn(16, 12), 0.05
    options = {
        "palett_tau": tau, "kmeans_max_iter": 3, "palett_epsilon": 0.0, "percentage_palett_enable": 1.0,
        "palett_batch_mode": False, "channel_axis": 0, "zero_threshold": 1e-12, "palett_max_mem": 1.0,
    }  # fmt: skip
    theirs: Any = FakePalettize(MinMaxObserver, bits, length, advanced_options=options, dtype=torch.qint8)
    theirs.enable_fake_palett()
    theirs.train()
    first = weight.clone().requires_grad_()
    theirs(first)
    start = kmeans.plus_plus(dkm._Vectors(Clustering(bits, length), weight.shape, "", 1).cut(weight), 1 << bits)
    theirs.centroids = [start.clone()]
    wanted = theirs(first)
    upstream = torch.randn_like(weight)
    wanted.backward(upstream)

    how = Clustering(bits, length, tau=tau / float(weight.var(correction=0)), iterations=3, tolerance=0.0)
    ours = dkm.DKM(how, weight)
    ours.centroids.copy_(start)
    second = weight.clone().requires_grad_()
    found = ours.train()(second)
    found.backward(upstream)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert first.grad is not None and second.grad is not None
    assert torch.allclose(second.grad, first.grad, atol=1e-4)


@pytest.mark.parametrize(("bits", "length"), [(1, 1), (3, 1), (3, 4)])
@pytest.mark.parametrize("train", dkm.TRAINED)
def test_trained_and_snapped(bits: int, length: int, train: str) -> None:
    """A step of training moves weights; the snapped model has few vectors and is the clustered one in evaluation."""
    torch.manual_seed(3)
    x, y = torch.randn(64, 2, 6, 6), torch.randint(0, 8, (64,))
    model = small()
    clustered = dkm.cluster(model, Clustering(bits, length, train=train))
    training.train(clustered, x, y, training.Training(epochs=2, batch=32, rate=1e-3))
    plain = dkm.snapped(clustered)
    assert torch.equal(plain(x), clustered(x))
    for path in ("0", "3"):
        assert distinct(plain.get_submodule(path).weight, length) <= 1 << bits  # type: ignore[arg-type]
    # Means are not centroids, and there are as many as vectors.
    vague = dkm.snapped(clustered, soft=True)
    assert (distinct(vague[3].weight, length) > 1 << bits) == (train == "weights")  # type: ignore[index]
    # The model that was given is as it was, and the clustered one still is.
    assert type(model[0]) is nn.Conv2d and not torch.equal(plain[3].weight, model[3].weight)  # type: ignore[index]
    assert torch.equal(plain(x), clustered(x))


def test_checkpoint(tmp_path: Path) -> None:
    """Centroids and weights come back; a model that is clustered otherwise is refused."""
    torch.manual_seed(4)
    x, y = torch.randn(32, 2, 6, 6), torch.randint(0, 8, (32,))
    one = dkm.cluster(small(), Clustering(2))
    training.train(one, x, y, training.Training(epochs=1, batch=32))
    training.save(tmp_path / "c.npz", one, epoch=1)
    other = dkm.cluster(small(5), Clustering(2))
    assert training.load(tmp_path / "c.npz", other) == {"epoch": 1}
    assert torch.equal(other.eval()(x), one(x))
    with pytest.raises(DataError, match="centroids"):
        training.load(tmp_path / "c.npz", dkm.cluster(small(), Clustering(3)))


def test_post_training_is_the_best_of_its_size() -> None:
    """Two bits of four clear clusters: k-means finds them exactly."""
    model = nn.Linear(8, 6)
    levels = torch.tensor([-0.9, -0.2, 0.3, 1.0])
    with torch.no_grad():
        model.weight.copy_(levels[torch.randint(0, 4, (6, 8), generator=torch.Generator().manual_seed(0))])
    found = dkm.post_training(model, Clustering(2))
    assert torch.allclose(found.weight, model.weight, atol=1e-6)  # type: ignore[arg-type]
    noisy = dkm.post_training(small(), {"0": Clustering(1), "3": Clustering(3, 4)})
    assert distinct(noisy[0].weight, 1) == 2 and distinct(noisy[3].weight, 4) == 8  # type: ignore[index]


def test_axes_cut_and_join() -> None:
    shape = torch.Size((8, 2, 3))
    weight = torch.arange(48.0).reshape(shape)
    for axis in dkm.AXES:
        cutter = dkm._Vectors(Clustering(2, 4, axis=axis), shape, "", 1)
        assert torch.equal(cutter.join(cutter.cut(weight)), weight)
    assert dkm._Vectors(Clustering(2, 2), shape, "", 1).cut(weight)[1].tolist() == [1, 7]


def test_refusals() -> None:
    with pytest.raises(UnsupportedError, match="0: vectors of 3 outputs on 8 of a group"):
        dkm.cluster(small(), Clustering(2, 3))
    with pytest.raises(UnsupportedError, match=r"keep 'head' matches no layer\s+supported: 0, 3"):
        dkm.cluster(small(), Clustering(2), keep=["head"])
    with pytest.raises(UnsupportedError, match="'fc' matches no layer"):
        dkm.cluster(small(), {"fc": Clustering(2)})
    with pytest.raises(UnsupportedError, match="no layer to compress"):
        dkm.post_training(nn.ReLU(), Clustering(2))
    with pytest.raises(DataError, match="bits = 9"):
        Clustering(9)
