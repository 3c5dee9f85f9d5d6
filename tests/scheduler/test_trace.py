# SPDX-License-Identifier: Apache-2.0
"""Schedules as data and as pictures, of compiled designs and from the command line."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scheduler.test_policies import BATCH, MACHINES, encoder

from gatewright.commands.gantt import COMMAND
from gatewright.errors import DataError, ToolError
from gatewright.scheduler.policies import schedule
from gatewright.scheduler.trace import Flight, Schedule, from_json, steps
from gatewright.scheduler.trace_gantt import color


@pytest.mark.parametrize("name", MACHINES)
def test_json_both_ways(name: str, tmp_path: Path) -> None:
    found = schedule(MACHINES[name], BATCH, "sorted")
    found.save(tmp_path / "s.json")
    again = from_json(json.loads((tmp_path / "s.json").read_text()))
    assert again == found and isinstance(again, Schedule) and again.utilisation == found.utilisation
    data = found.as_json()
    del data["spans"][0]["end"]
    with pytest.raises(DataError, match=r"schedule.*end"):
        from_json(data)


def test_occupancy_is_what_came_less_what_left() -> None:
    assert steps([(5, 3, 1), (0, 2, 1), (5, -2, -1), (9, -3, -1)]) == (
        Flight(0, 2, 1), Flight(5, 3, 1), Flight(9, 0, 0),
    )  # fmt: skip
    found = schedule(MACHINES["pipeline"], BATCH)
    for flight in found.occupancy:
        inside = [v for v in found.visits if v.started <= flight.cycle < v.finished]
        assert (sum(v.tokens for v in inside), len(inside)) == (flight.tokens, flight.sequences)


def test_a_ring_counts_tokens_out_one_by_one() -> None:
    found = schedule(MACHINES["ring"], [8])
    assert [f.tokens for f in found.occupancy] == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert {f.sequences for f in found.occupancy[:-1]} == {1} and found.most == Flight(found.occupancy[0].cycle, 8, 1)


def test_the_picture_shows_every_block_sequence_and_pass(tmp_path: Path) -> None:
    """16 sequences; SVG text stays text, so that it can be read here."""
    rng = np.random.default_rng(3)
    lengths = rng.choice([3, 8, 20], 16).tolist()
    found = schedule(encoder((3, 8, 20)), lengths)
    text = found.gantt(tmp_path / "deep" / "a.svg").read_text()
    for block, share in found.utilisation.items():
        assert f"{block}  {share:4.0%}" in text
    for visit in found.visits:
        assert f"{visit.sequence} ({visit.tokens})" in text
    assert "cycles" in text and "pass 1 to 3" in text and "tokens" in text
    bars = 16 * 3 * len(found.blocks)
    (group,) = re.findall(r'id="PolyCollection_1".*?</g>', text, re.S)
    assert len(re.findall("<path", group)) == bars
    assert "microseconds at 250 MHz" in found.gantt(tmp_path / "b.svg", clock_mhz=250).read_text()
    assert found.gantt(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    again = found.gantt(tmp_path / "c.svg").read_text()
    assert again == text
    assert len({color(i) for i in range(16)}) == 16 and color(0, 0, 6) != color(0, 5, 6)


def test_what_cannot_be_drawn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = schedule(MACHINES["ring"], BATCH)
    with pytest.raises(DataError, match=r"suffix '.pdf'\s.*\.svg, \.png"):
        found.gantt(tmp_path / "a.pdf")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ToolError, match=r"matplotlib is not installed\s.*gatewright\[examples\]"):
        found.gantt(tmp_path / "a.svg")


def test_the_command_draws_an_example(tmp_path: Path) -> None:
    picture, data = tmp_path / "mlp.svg", tmp_path / "mlp.json"
    arguments = ["digits_mlp", "--lengths", "1,1,1", "-o", str(picture), "--json", str(data)]
    result = CliRunner().invoke(COMMAND, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "linear_2" in result.output and picture.exists()
    found = from_json(json.loads(data.read_text()))
    assert found.lengths == (1, 1, 1) and f"{found.cycles:,} cycles" in " ".join(result.output.split())
    assert "whole numbers" in CliRunner().invoke(COMMAND, ["digits_mlp", "--lengths", "1,x"]).output
    with pytest.raises(DataError, match="example nothing"):
        CliRunner().invoke(COMMAND, ["nothing"], catch_exceptions=False)
    assert "gatewright gantt minilm" in CliRunner().invoke(COMMAND, ["--help"]).output
