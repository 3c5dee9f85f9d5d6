# SPDX-License-Identifier: Apache-2.0
"""The examples: found, reproducible, accurate in float and in integers, and within their bound."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from gatewright.examples import Trained, examples
from gatewright.examples._base import accuracy, float_accuracy

FLOOR = {"digits_mlp": 0.90, "mnist_lenet": 0.97, "mnist_resnet": 0.97}


def test_every_file_is_found() -> None:
    folder = Path(__file__).parents[1] / "python" / "gatewright" / "examples"
    files = {p.stem for p in folder.glob("*.py") if not p.name.startswith("_")}
    assert set(examples()) == files
    assert {name for name, example in examples().items() if isinstance(example, Trained)} == set(FLOOR)


@pytest.mark.parametrize("name", FLOOR)
def test_data_are_split_without_overlap(name: str) -> None:
    data = examples()[name].load()
    train = {x.tobytes() for x in data.train_x}
    shared = sum(x.tobytes() in train for x in data.test_x)
    assert shared == 0
    assert len(data.rtl_x) == len(data.rtl_y) >= (1000 if name == "digits_mlp" else 200)
    assert data.train_x.dtype == np.float32 and data.train_x.min() >= 0 and data.train_x.max() <= 1


def test_mnist_is_stratified() -> None:
    data = examples()["mnist_lenet"].load()
    assert (len(data.train_y), len(data.test_y)) == (4000, 1000)
    assert np.array_equal(np.bincount(data.test_y), [100] * 10)


def test_training_is_deterministic_and_leaves_torch_alone(tmp_path: Path) -> None:
    example = dataclasses.replace(examples()["mnist_lenet"], epochs=1)
    data = example.load()
    few = dataclasses.replace(data, train_x=data.train_x[:256], train_y=data.train_y[:256])
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    first, second = (example.train(few).state_dict() for _ in range(2))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)


def test_trained_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWRIGHT_CACHE", str(tmp_path))
    example = dataclasses.replace(examples()["digits_mlp"], epochs=1)
    first = example.trained()
    (entry,) = tmp_path.glob("example-digits_mlp/*/state.npz")
    stamp = entry.stat().st_mtime_ns
    second = example.trained()
    assert entry.stat().st_mtime_ns == stamp
    x = torch.from_numpy(example.load().test_x[:5])
    assert torch.equal(first(x), second(x)) and not second.training
    # Other data are another entry.
    data = example.load()
    example.trained(dataclasses.replace(data, train_x=data.train_x[:640], train_y=data.train_y[:640]))
    assert len(list(tmp_path.glob("example-digits_mlp/*/state.npz"))) == 2


@pytest.mark.parametrize(
    "name",
    [
        "digits_mlp",
        pytest.param("mnist_lenet", marks=pytest.mark.slow),
        pytest.param("mnist_resnet", marks=pytest.mark.slow),
    ],
)
def test_accuracy_and_bound(name: str) -> None:
    example = examples()[name]
    data = example.load()
    model = example.trained(data)
    found = example.imported(model, data)
    real = float_accuracy(model, data.test_x, data.test_y)
    golden = accuracy(found.run(data.test_x), data.test_y)
    assert real >= FLOOR[name]
    assert golden >= real - 0.01
    seen = found.compare(data.test_x[:10])
    assert seen.holds, (seen.worst, seen.layers, seen.meaning)


def test_no_trained_weights_are_in_the_tree() -> None:
    root = Path(__file__).parents[1]
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False).stdout.split()
    assert not [f for f in listed if f.endswith((".npz", ".pt", ".pth", ".safetensors"))]
