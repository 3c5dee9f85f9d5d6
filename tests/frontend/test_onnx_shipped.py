# SPDX-License-Identifier: Apache-2.0
"""A network that others exported, from its ONNX file to RTL; and the command that imports files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import qonnx
from click.testing import CliRunner, Result
from frontend.nets import noise, seeded
from frontend.onnx_models import exported, onnxruntime, reference
from torch import nn

import gatewright as gw
from gatewright.cli import cli
from gatewright.errors import DataError
from gatewright.examples import _mnist
from gatewright.frontend.onnx import examine

MNIST = Path(qonnx.__file__).parent / "data/onnx/mnist-conv/model.onnx"


@pytest.mark.slow
def test_the_mnist_network_of_the_qonnx_package() -> None:
    data = _mnist.load()
    design = gw.compile(MNIST, calibration=data.train_x[:100], target=4000)
    images, labels = data.test_x[:200], data.test_y[:200]
    assert np.mean(np.asarray(design.run(images)).argmax(1) == labels) > 0.97
    found = design.verify(images[:3], ["rtl", "qonnx"]).check()
    assert {r.executor: r.mismatches for r in found.rows} == {"golden": 0, "rtl": 0, "qonnx": 0}
    real = np.stack(found.compared.real)  # type: ignore[union-attr]
    assert np.allclose(real, onnxruntime(onnx.load(MNIST), images[:3]), atol=1e-4)


def invoke(arguments: Sequence[object]) -> Result:
    return CliRunner().invoke(cli, ["import", *map(str, arguments)])


def test_import_command(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", noise(20, 4).numpy())
    onnx.save(exported(seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU())), noise(1, 4)), tmp_path / "good.onnx")
    onnx.save(exported(seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.ELU())), noise(1, 4)), tmp_path / "bad.onnx")
    listed = invoke([])
    assert listed.exit_code == 0 and "LayerNormalization" in listed.output
    options = ["--calibration", tmp_path / "x.npy", "--qonnx", tmp_path / "out.onnx"]
    good = invoke([tmp_path / "good.onnx", *options])
    assert good.exit_code == 0, good.output
    for part in ("0 not supported", "linear(", "within the derived tolerance"):
        assert part in good.output
    assert reference(onnx.load(tmp_path / "out.onnx"), noise(2, 4).numpy()).shape == (2, 3)
    for more in ([], options):
        bad = invoke([tmp_path / "bad.onnx", *more])
        assert bad.exit_code == 1
        assert "1 not supported" in bad.output and "operator Elu is not supported" in bad.output
        assert ("by their operator alone" in bad.output) == (not more)
    missing = invoke([tmp_path / "good.onnx", "--calibration", tmp_path / "none.npy"])
    assert isinstance(missing.exception, DataError)
    assert "gatewright import model.onnx --calibration x.npy" in invoke(["--help"]).output


def test_examine_judges_what_comes_behind_a_refused_node() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.ELU(), nn.Linear(3, 2), nn.Softmax(1), nn.Linear(2, 2))
    found = examine(exported(seeded(lambda: module), noise(1, 4)), noise(2, 4))
    assert found.judged and found.count == 2 and set(found.refused) == {"Elu", "Softmax"}
    assert found.nodes == {"Elu": 1, "Gemm": 3, "Softmax": 1}
