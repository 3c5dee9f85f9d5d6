# SPDX-License-Identifier: Apache-2.0
"""Token ids: integers from the input to the table that they index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from frontend.nets import noise, seeded
from torch import nn

from gatewright.errors import CalibrationError, DataError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend import Imported, import_model
from gatewright.nn.token_embedding import TokenEmbedding

ROWS, MOST = 70, 24


class Texts(nn.Module):
    """Ids [N, n] -> mean over the tokens of a layer on their vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.dense = TokenEmbedding(ROWS, MOST, 6), nn.Linear(6, 3)
        with torch.no_grad():
            self.embed.table.mul_(20)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.dense(self.embed(ids))).mean(1)


def texts(*lengths: int) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, ROWS, n) for n in lengths]


DATA = texts(1, 2, 9, MOST)


@pytest.fixture(scope="module")
def imported() -> Imported:
    return import_model(seeded(Texts), DATA[2][None], DATA, dynamic={"n": (1, MOST)})


def test_ids_of_run_time_length(imported: Imported) -> None:
    assert str(imported.input_type) == "[n, 1] u7.0"
    assert [n.op.name() for n in imported.graph.nodes] == ["embedding", "linear", "global_pool"]
    seen = imported.compare(DATA)
    assert seen.holds and seen.meaning < 1e-12
    with torch.no_grad():
        wanted = [seeded(Texts)(torch.from_numpy(d)[None])[0].numpy() for d in DATA]
    assert np.allclose(seen.real, wanted, atol=1e-5)
    assert np.max(np.abs(np.array(seen.golden) - wanted)) < 0.05


def test_ids_are_encoded_as_they_are(imported: Imported) -> None:
    for given in (DATA, [torch.from_numpy(d) for d in DATA], [d.astype(np.uint8) for d in DATA]):
        for ids, sequence in zip(DATA, imported.encode(given), strict=True):
            assert sequence.dtype == np.int64 and np.array_equal(sequence, ids[:, None])


def test_the_input_adds_nothing_to_the_bound(imported: Imported) -> None:
    """The bound of the first layer is what its table's rounding alone allows."""
    step = imported.graph.types["token_embedding"].fixed.ulp
    error, bound, _ = imported.compare(DATA).layers["token_embedding"]
    assert error <= bound <= 1.01 * step


def test_a_fixed_number_of_ids() -> None:
    batch = np.stack(texts(5, 5, 5))
    found = import_model(seeded(Texts), batch[:1], batch)
    assert str(found.input_type) == "[5, 1] u7.0" and found.compare(batch).holds


def test_plain_embedding() -> None:
    model = seeded(lambda: nn.Sequential(nn.Embedding(64, 4), nn.Linear(4, 2)))
    found = import_model(model, DATA[2][None] % 64, [d % 64 for d in DATA], dynamic={"n": (1, MOST)})
    assert found.input_type.fixed == Fixed(6, 0, signed=False) and found.compare([d % 64 for d in DATA]).holds


def test_file_round_trip(imported: Imported, tmp_path: Path) -> None:
    imported.save(tmp_path / "texts.npz")
    again = Imported.load(tmp_path / "texts.npz")
    assert np.array_equal(again.run(DATA), imported.run(DATA))
    with pytest.raises(DataError, match="id 70"):
        again.encode([np.array([3, 70])])


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (np.array([3, ROWS]), r"item 0: id 70\n  supported: integers from 0 to 69"),
        (np.array([-1, 3]), r"item 0: id -1\n  supported: integers from 0 to 69"),
        (np.array([1.0, 2.0]), r"item 0: dtype float64\n  supported: integers from 0 to 69"),
        (np.zeros(MOST + 1, np.int64), r"item 0: n = 25\n  supported: 1 to 24"),
        (np.zeros((1, 4), np.int64), r"item 0: shape \[1, 4\]\n  supported: \[n\] per item"),
        (np.zeros(0, np.int64), r"item 0: shape \[0\]"),
    ],
)
def test_wrong_ids_are_refused(imported: Imported, item: Any, text: str) -> None:
    with pytest.raises(DataError, match="batch " + text):
        imported.encode([item])
    with pytest.raises(DataError, match="batch " + text):
        imported.compare([item])
    with pytest.raises(CalibrationError, match="calibration " + text):
        import_model(seeded(Texts), DATA[2][None], [item], dynamic={"n": (1, MOST)})


def test_integers_for_a_model_of_real_numbers() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(9, 4), nn.ReLU()))
    data = np.random.default_rng(0).integers(0, 255, (20, 9))
    whole, real = (import_model(model, d[:1], d) for d in (data, data.astype(np.float32)))
    assert str(whole.graph) == str(real.graph) and whole.compare(data).holds
    assert np.array_equal(whole.run(data), real.run(data.astype(np.float64)))


def test_ids_that_are_calculated_with_are_refused() -> None:
    class Both(Texts):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return super().forward(ids) + ids.sum(1, keepdim=True)

    text = r"model \(aten.sum.dim_IntList\): input = integers\n  supported: integers that only look-ups in a table read"
    with pytest.raises(UnsupportedError, match=text):
        import_model(seeded(Both), DATA[2][None], DATA, dynamic={"n": (1, MOST)})


def test_run_time_length_of_a_vector_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"dynamic: n for an input of shape \[1, 4\]"):
        import_model(seeded(lambda: nn.Linear(4, 2)), noise(1, 4), noise(3, 4), dynamic={"n": (1, 9)})
