# SPDX-License-Identifier: Apache-2.0
"""Distillation: its terms by hand, and a student that comes closer to its teacher."""

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compress.distill import Distillation, soft
from gatewright.compress.features import outputs
from gatewright.compress.knowledge import attention, cosine, gram, hint, relation
from gatewright.compress.polynomial import replace
from gatewright.compress.projectors import Projected
from gatewright.compress.training import Training, cross_entropy, evaluate, reproducible, train
from gatewright.errors import DataError, UnsupportedError
from gatewright.examples._mnist import load


def network() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 24), nn.ReLU(), nn.Linear(24, 10))


def test_terms_by_hand() -> None:
    teacher, student = torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[0.0, 3.0, 1.0]])
    p, q = (np.exp(v / 2) / np.exp(v / 2).sum() for v in (teacher.numpy()[0], student.numpy()[0]))
    assert float(soft(student, teacher, 2.0)) == pytest.approx(4 * float(np.sum(p * np.log(p / q))), rel=1e-5)
    assert float(soft(teacher, teacher, 3.0)) == pytest.approx(0, abs=1e-6)
    assert float(hint(student, teacher, "a", "b")) == pytest.approx((1 + 1 + 9) / (1 + 4 + 16))


def test_weights_of_the_terms() -> None:
    with reproducible(0):
        model, teacher = network(), network()
        x, y = torch.rand(6, 1, 28, 28), torch.arange(6)
    own, taught = model(x), teacher(x)
    parts = {
        "labels": cross_entropy(model, x, y),
        "logits": soft(own, taught, 4.0),
        "features": hint(model[:2](x), teacher[:2](x), "1", "1"),
    }
    for name, value in parts.items():
        only = {k: float(k == name) for k in parts}
        assert torch.allclose(Distillation(teacher, {"1": "1"}, **only)(model, x, y), value)
    assert torch.allclose(Distillation(teacher, {}, 1.0, 1.0)(model, x, y), parts["labels"] + parts["logits"])


def test_gradients_reach_the_student_only() -> None:
    with reproducible(0):
        model, teacher = network(), network().train()
    Distillation(teacher, {"1": "1"})(model, torch.rand(3, 1, 28, 28), torch.arange(3)).backward()
    assert all(p.grad is not None for p in model.parameters()) and all(p.grad is None for p in teacher.parameters())
    assert teacher.training and not any(m._forward_hooks for m in [*model.modules(), *teacher.modules()])


def test_a_student_comes_closer_to_its_teacher() -> None:
    data = load()
    x, y = data.train_x[:1500], data.train_y[:1500]
    with reproducible(0):
        teacher = network()
    train(teacher, x, y, Training(8, 64, 5e-3))
    plan = Training(4, 64, 2e-3, clip=1.0)
    students = {}
    for name, loss in (("alone", cross_entropy), ("taught", Distillation(teacher, {"1": "1", "3": "3"}, features=1.0))):
        students[name] = replace(teacher, x[:256], c=10.0, start="stpai")
        losses = train(students[name], x, y, plan, loss)
        assert losses[-1] < losses[0]
    seen = torch.from_numpy(data.test_x)
    with torch.no_grad():
        truth = teacher(seen)
        gaps = {n: float(soft(s(seen), truth, 4.0)) for n, s in students.items()}
    assert gaps["taught"] < 0.8 * gaps["alone"]
    wanted = evaluate(teacher, data.test_x, data.test_y).accuracy
    assert evaluate(students["taught"], data.test_x, data.test_y).accuracy > wanted - 0.03


def test_refusals() -> None:
    model = network()
    x = torch.rand(2, 1, 28, 28)
    with pytest.raises(DataError, match="module fc: not found\n  supported: 0, 1, 2, 3"):
        outputs(model, x, ("fc",))
    with pytest.raises(UnsupportedError, match=r"1: \[24\] against the teacher's \[10\] at 3\n.*equal shape"):
        Distillation(model, {"1": "3"})(network(), x, torch.arange(2))


def test_measures_by_hand() -> None:
    rng = np.random.default_rng(0)
    own, taught = (torch.from_numpy(rng.normal(size=(3, c, 2, 2))) for c in (4, 6))
    a, b = (t.numpy().reshape(3, -1, 4) for t in (own, taught))

    def rows(matrix: np.ndarray) -> np.ndarray:
        return matrix / np.linalg.norm(matrix, axis=-1, keepdims=True)

    alike = [rows(m.reshape(3, -1) @ m.reshape(3, -1).T) for m in (a, b)]
    assert float(gram(own, taught, "a", "b")) == pytest.approx(3 * np.square(alike[0] - alike[1]).mean())
    maps = [rows(np.square(m).sum(axis=1)) for m in (a, b)]
    assert float(attention(own, taught, "a", "b")) == pytest.approx(4 * np.square(maps[0] - maps[1]).mean())
    chances = []
    for m in (a, b):
        scores = m.transpose(0, 2, 1) @ m / np.sqrt(m.shape[1])
        chances.append(np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True))
    divergence = (chances[1] * np.log(chances[1] / chances[0])).sum(axis=2).mean()
    assert float(relation(own, taught, "a", "b")) == pytest.approx(divergence)
    same = taught.clone()
    for measure in (hint, cosine, gram, attention, relation):
        assert float(measure(same, taught, "a", "b")) == pytest.approx(0, abs=1e-9)
    with pytest.raises(UnsupportedError, match="the same places"):
        attention(own, taught[:, :, :1], "a", "b")


def test_a_projector_bridges_widths() -> None:
    """It learns with the student, whose own weights are all that is left of it."""
    with reproducible(0):
        teacher = nn.Sequential(nn.Flatten(), nn.Linear(784, 40), nn.ReLU(), nn.Linear(40, 10))
        student, x, y = network(), torch.rand(8, 1, 28, 28), torch.arange(8)
        taught = Projected(student, teacher, {"1": "1"}, x)
    loss = Distillation(teacher, {"1": "1"}, labels=0, logits=0, features=1.0)
    assert [tuple(p.shape) for p in taught.projectors.parameters()] == [(40, 24), (40,)]
    first = float(loss(taught, x, y).detach())
    train(taught, x, y, Training(40, 8, 1e-2), loss)
    assert float(loss(taught, x, y).detach()) < 0.2 * first
    assert torch.equal(taught(x), student(x)) and not any("projectors" in n for n, _ in student.named_parameters())
    with pytest.raises(UnsupportedError, match="features of equal shape"):
        loss(student, x, y)
