# SPDX-License-Identifier: Apache-2.0
"""Whole encoders: imported, rolled into one physical layer, simulated; small ones here, the pre-trained one slowly."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from gatewright import boards
from gatewright.design import Design, fold
from gatewright.errors import GraphError
from gatewright.frontend import Imported, QuantConfig, import_model
from gatewright.frontend.roll import Ring, roll
from gatewright.nn.bert import BertEncoder
from gatewright.nn.convert import calibrate_selector

MOST = 24
RING = Ring("layer", sequences=6, group=1)


@pytest.fixture(scope="module")
def sentences() -> list[np.ndarray]:
    """Random ids; the shortest and the longest sequence are among the first."""
    rng = np.random.default_rng(0)
    lengths = [MOST, 1, 2, *rng.integers(1, MOST + 1, 25)]
    return [rng.integers(0, 50, int(n)) for n in lengths]


@pytest.fixture(scope="module")
def imported(sentences: list[np.ndarray]) -> Imported:
    """Three layers of 16 channels with random weights."""
    torch.manual_seed(0)
    model = BertEncoder(50, MOST, 16, 32, 3, 2, top=5, bits=4).eval()
    calibrate_selector(model, model.batches([i.tolist() for i in sentences]))
    config = QuantConfig.transformer(bits=8, tie=("layer.*",))
    first = torch.from_numpy(sentences[0])[None]
    return import_model(model, first, sentences, config=config, dynamic={"n": (1, MOST)}, name="encoder")


@pytest.fixture(scope="module")
def design(imported: Imported) -> Design:
    return fold(imported, boards.load("u200"), target=3 * 64 * MOST, ring=RING)


def test_rolled_equals_flat(imported: Imported, sentences: list[np.ndarray]) -> None:
    flat, rolled = imported.graph, roll(imported.graph, RING)
    assert len(rolled.nodes) < len(flat.nodes) / 2
    for ids in sentences[:6]:
        assert np.array_equal(flat.evaluate(ids[:, None])[0], rolled.evaluate(ids[:, None])[0])


@pytest.mark.nightly
def test_every_executor(design: Design, sentences: list[np.ndarray]) -> None:
    """Several sequences in flight, with random pauses on every port."""
    found = design.verify(sentences[:5], stall=0.3)
    assert found.check() is found and found.mismatches == 0


def test_cycles_without_pauses(design: Design, sentences: list[np.ndarray]) -> None:
    job = design.job(design.imported.encode(sentences))
    run = design.execute("rtl", job)
    predicted = design.predict([len(s) for s in sentences]).cycles
    assert abs(predicted / run.cycles - 1) < 0.05
    # Twelve and more sequences keep the widest operator busy: a barrier per layer and sequence would cost far more.
    work = 3 * 64 * sum(map(len, sentences))
    assert run.cycles < 1.35 * work


def test_saved_and_loaded(
    design: Design, sentences: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("design")
    design.save(folder)
    again = Design.load(folder)
    assert again.rtl.text == design.rtl.text and np.array_equal(again.rtl.memory, design.rtl.memory)
    assert np.array_equal(again.run(sentences[:3]), design.run(sentences[:3]))


def test_layers_that_cannot_share_hardware(imported: Imported) -> None:
    with pytest.raises(GraphError, match=r"ring.path block"):
        roll(imported.graph, dataclasses.replace(RING, path="block"))
    node = next(n for n in imported.graph.nodes if n.origin.startswith("layer.1"))
    stray = dataclasses.replace(node, origin="elsewhere")
    nodes = tuple(stray if n is node else n for n in imported.graph.nodes)
    with pytest.raises(GraphError, match=r"layer\.\d"):
        roll(dataclasses.replace(imported.graph, nodes=nodes), RING)


@pytest.mark.nightly
def test_minilm_under_cocotb() -> None:
    """A whole sentence through the pre-trained encoder, every cycle from Python, equal to golden."""
    from gatewright.examples import examples

    example = examples()["minilm"]
    study = example.study()
    assert study.quality(study.imported.run(study.samples)) > 0.99
    built = fold(study.imported, boards.load("u200"), example.target, ring=example.ring)
    found = built.verify(study.samples[:1], ["cocotb"], stall=0.1, compare=False)
    assert found.mismatches == 0
