# SPDX-License-Identifier: Apache-2.0
"""How every method here trains, judges and keeps a network: the same seeds and data give the same weights."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gatewright.errors import DataError
from gatewright.frontend import files
from gatewright.progress import track

THREADS = 1
"""Fixed, because the order of float sums depends on it."""

METADATA = "__metadata__"
"""Name of the JSON text beside the tensors of a checkpoint."""

Loss = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
"""Model, inputs [N, ...] and labels [N] to a scalar."""


def cross_entropy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of the scores [N, classes]; a `Loss`."""
    return nn.functional.cross_entropy(model(x), y)


@dataclass(frozen=True)
class Training:
    """AdamW with a one-cycle learning rate.

    Attributes:
        epochs, batch: passes over the data; items per step. What is left of a pass is dropped.
        rate, decay: highest learning rate; weight decay.
        shift: images are moved by up to this many pixels, a batch alike; their margins are to be empty.
        seed: of all that is random.
        clip: most norm of all gradients together; None without limit.
    """

    epochs: int
    batch: int = 64
    rate: float = 1e-2
    decay: float = 1e-4
    shift: int = 0
    seed: int = 0
    clip: float | None = None


@dataclass(frozen=True)
class Metrics:
    """`accuracy`: share of right labels; `loss`: mean cross entropy in nats."""

    accuracy: float
    loss: float


@contextlib.contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Random numbers from `seed` and one thread inside; torch as it was outside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def train(
    model: nn.Module,
    x: Any,
    y: Any,
    training: Training,
    loss: Loss = cross_entropy,
    label: str = "training",
    seeded: bool = True,
) -> list[float]:
    """Train a model in place and leave it in evaluation mode.

    Args:
        x, y: inputs [N, ...] and integer labels [N], arrays or tensors.
        loss: what is minimised.
        label: of the progress bar.
        seeded: start from `training.seed`; False inside a `reproducible` of the caller, who also made the model there.

    Returns:
        Mean loss of each epoch.

    Raises:
        DataError: fewer items than one batch, or the loss is no longer finite.
    """
    with reproducible(training.seed) if seeded else contextlib.nullcontext():
        return _train(model, *tensors(x, y, training.batch), training, loss, label)


def _train(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, training: Training, loss: Loss, label: str
) -> list[float]:
    each = len(x) // training.batch
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=training.rate, weight_decay=training.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, training.rate, total_steps=training.epochs * each)
    found, total = [], 0.0
    model.train()
    feed = batches(x, y, training.batch, training.shift)
    for step in track(range(training.epochs * each), label):
        value = loss(model, *next(feed))
        optimizer.zero_grad()
        value.backward()
        if training.clip is not None:
            nn.utils.clip_grad_norm_(parameters, training.clip)
        optimizer.step()
        schedule.step()
        total += float(value.detach())
        if (step + 1) % each == 0:
            found.append(finite(total / each, label))
            total = 0.0
    model.eval()
    return found


def batches(x: torch.Tensor, y: torch.Tensor, size: int, shift: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless minibatches, every item once per pass but those that fill no batch."""
    order = torch.empty(0, dtype=torch.long)
    while True:
        if len(order) < size:
            order = torch.randperm(len(x))
        chosen, order = order[:size], order[size:]
        yield moved(x[chosen], shift), y[chosen]


def moved(images: torch.Tensor, shift: int) -> torch.Tensor:
    """Images [N, ..., H, W], rolled together by a random offset of up to `shift` pixels."""
    if not shift:
        return images
    down, right = torch.randint(-shift, shift + 1, (2,)).tolist()
    return torch.roll(images, (down, right), (-2, -1))


def tensors(x: Any, y: Any, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs as float and labels as long tensors.

    Raises:
        DataError: not one label per input, or fewer than `batch` items.
    """
    inputs, labels = torch.as_tensor(x).float(), torch.as_tensor(y).long()
    if len(inputs) != len(labels) or len(inputs) < batch:
        found = f"{len(inputs)} inputs, {len(labels)} labels"
        raise DataError("training data", found, f"as many of each, at least a batch of {batch}")
    return inputs, labels


def finite(value: float, label: str) -> float:
    """The mean loss of an epoch; raises DataError where training has diverged."""
    if not np.isfinite(value):
        raise DataError(label, f"loss {value}", "a finite one", "train with a lower rate, or with clip=1.0")
    return value


def evaluate(model: nn.Module, x: Any, y: Any, batch: int = 500) -> Metrics:
    """Judge a model in evaluation mode; it is left in the mode in which it was."""
    inputs, labels = tensors(x, y, 1)
    before, right, loss = model.training, 0, 0.0
    model.eval()
    with torch.no_grad():
        for start in range(0, len(inputs), batch):
            scores, wanted = model(inputs[start : start + batch]), labels[start : start + batch]
            right += int((scores.argmax(dim=1) == wanted).sum())
            loss += float(nn.functional.cross_entropy(scores, wanted, reduction="sum"))
    model.train(before)
    return Metrics(right / len(inputs), loss / len(inputs))


def save(path: str | Path, model: nn.Module, **metadata: Any) -> None:
    """Write parameters and buffers, and what JSON can say about them, to one .npz file."""
    arrays = {k: v.detach().cpu().numpy() for k, v in model.state_dict().items()}
    files.write(path, {**arrays, METADATA: np.asarray(json.dumps(metadata))})


def load(path: str | Path, model: nn.Module) -> dict[str, Any]:
    """Put a checkpoint into a model of the same structure; nothing in the file is executed.

    Returns:
        The metadata given to `save`.

    Raises:
        DataError: no checkpoint, or that of another model; names the tensors.
    """
    try:
        arrays = files.read(path)
        metadata: Mapping[str, Any] = json.loads(str(arrays.pop(METADATA)))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}", f"no checkpoint: {error}", "a file that `training.save` wrote") from None
    own = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    given = {k: v.shape for k, v in arrays.items()}
    wrong = sorted(k for k in own.keys() | given.keys() if own.get(k) != given.get(k))
    if wrong:
        shown = ", ".join(f"{k} {given.get(k, 'missing')} for {own.get(k, 'none')}" for k in wrong[:4])
        raise DataError(f"{path}", f"{len(wrong)} tensors do not fit: {shown}", "a checkpoint of this model")
    model.load_state_dict({k: torch.as_tensor(v) for k, v in arrays.items()})
    return dict(metadata)
