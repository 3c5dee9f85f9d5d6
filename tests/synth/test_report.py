# SPDX-License-Identifier: Apache-2.0
"""The resource table of a small design, and what it does with equal parts and small boards."""

import dataclasses

import pytest

from gatewright import boards
from gatewright.graph import Cost
from gatewright.synth import report
from gatewright.synth.report import Part, measure, worst

FIFO = Part("queue", "stream_fifo", {"Width": 16}, estimate=Cost(lut=30, ff=32))
PARTS = [FIFO, dataclasses.replace(FIFO, name="again"), Part("skid", "stream_skid", {"Width": 16})]


def test_equal_parts_are_synthesized_once_and_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real = report.synthesize
    monkeypatch.setattr(report, "synthesize", lambda *a: (calls.append(a[0]), real(*a))[1])
    found = measure(PARTS, boards.load("ulx3s-85f"))
    assert calls == ["stream_fifo", "stream_skid"]
    first, second, third = found.rows
    assert first.measured == second.measured
    assert found.total == first.measured + second.measured + third.measured
    assert third.measured.ff >= 34


def test_the_table_shows_share_and_model() -> None:
    found = measure([FIFO], boards.load("u200"))
    lut, ff = (found.rows[0].measured.amounts()[k] for k in ("lut", "ff"))
    text = str(found)
    assert "AMD Alveo U200" in text and "total" in text
    assert f"{lut:g}" in text and f"{100 * lut / 1182240:.2f} %" in text
    assert f"(32 {100 * (32 - ff) / ff:+.0f} %)" in text
    assert found.rows[0].error("lut") == (30 - lut) / lut
    assert worst(found, ["lut"]) == abs(30 - lut) / lut
    assert found.as_json()["rows"][0]["model"]["ff"] == 32


def test_a_part_without_a_model_has_no_error_and_the_total_neither() -> None:
    found = measure(PARTS[2:], boards.load("u200"))
    assert found.rows[0].error("lut") is None and "(" not in str(found).split("total")[1]


def test_what_does_not_fit_is_named() -> None:
    board = boards.load("ulx3s-85f")
    small = dataclasses.replace(board, budget=dataclasses.replace(board.budget, lut=10))
    found = measure([FIFO], small)
    assert found.excess() == {"lut": found.total.amounts()["lut"] - 10}
    assert not measure([FIFO], board).excess()
