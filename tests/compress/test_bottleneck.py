# SPDX-License-Identifier: Apache-2.0
"""The bottleneck: what is sent, what comes back, and the gradient that passes by."""

import numpy as np
import pytest
import torch

import gatewright as gw
from gatewright.compress.bottleneck import Bottleneck, Jpeg
from gatewright.compress.training import reproducible
from gatewright.errors import DataError


def unit(**kwargs: object) -> tuple[Bottleneck, torch.Tensor]:
    with reproducible(0):
        made, x = Bottleneck(6, 2, **kwargs), torch.rand(5, 6, 8, 8)  # type: ignore[arg-type]
        made.calibrate(x)
    return made, x


def test_messages_are_the_bytes_that_hardware_gives() -> None:
    made, x = unit(stride=2)
    messages = made.messages(x)
    assert [len(m) for m in messages] == [2 * 4 * 4] * 5 and made(x).shape == x.shape
    exponent = int(np.log2(float(made.top)))
    assert float(made.top) == 2.0**exponent and float(made.reduce(x).detach().max()) <= float(made.top)
    design = gw.compile(made.reduce.eval(), x[:1].numpy(), x.numpy())
    sent = np.stack([np.frombuffer(m, np.uint8).reshape(2, 4, 4) for m in messages]) * float(made.top) / 256
    assert np.abs(np.asarray(design.run(x.numpy())) - sent).max() < 0.05


def test_the_gradient_passes_by() -> None:
    made, x = unit()
    made.zero_grad()
    x.requires_grad_()
    made(x).sum().backward()
    through = [p.grad.clone() for p in made.reduce.parameters() if p.grad is not None]
    made.zero_grad()
    # With the received values as constants, plus what the identity would give.
    reduced = made.reduce(x)
    made.restore(reduced + (made.received(reduced) - reduced).detach()).sum().backward()
    assert through and all(torch.equal(a, b.grad) for a, b in zip(through, made.reduce.parameters(), strict=True))


def test_a_lossy_codec() -> None:
    made, x = unit(codec=Jpeg(95))
    plain, _ = unit()
    reduced = made.reduce(x)
    error = (made.received(reduced) - plain.received(reduced)).abs().max()
    assert 0 < float(error) < 0.1 * float(made.top)
    assert all(m[:2] == b"\xff\xd8" for m in made.messages(x))


def test_a_dead_feature_is_refused() -> None:
    made, x = unit()
    with torch.no_grad():
        made.reduce[0].bias.fill_(-100.0)
    with pytest.raises(DataError, match="zero throughout"):
        made.calibrate(x)
