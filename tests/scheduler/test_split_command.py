# SPDX-License-Identifier: Apache-2.0
"""`gatewright split` on the example that its help names."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatewright.cli import cli
from gatewright.errors import BudgetError, DataError
from gatewright.scheduler.split import Measure, choose_split, front
from gatewright.scheduler.split_json import network_from_json, split_as_json

EXAMPLE = Path(__file__).resolve().parents[2] / "bench" / "split_mnist.json"


def called(*arguments: str) -> Result:
    found = CliRunner().invoke(cli, ["split", *arguments])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def test_tables_show_the_choice() -> None:
    data = json.loads(EXAMPLE.read_text())
    chosen = choose_split(network_from_json(data["network"]), Measure.LATENCY, {Measure.ACCURACY: 0.98})
    text = called(str(EXAMPLE), "--accuracy", "0.98").output
    assert f"{chosen.latency * 1e3:.4g}" in text and f"{chosen.accuracy:.2%}" in text and "Offloading" in text
    assert all(name in text for name in ("device", "edge", "host", *chosen.thresholds))


def test_json_is_the_choice() -> None:
    network = network_from_json(json.loads(EXAMPLE.read_text())["network"])
    found = json.loads(called(str(EXAMPLE), "--objective", "accuracy", "--latency", "0.0015", "--json").output)
    wanted = split_as_json(choose_split(network, Measure.ACCURACY, {Measure.LATENCY: 0.0015}))
    assert found["split"] == json.loads(json.dumps(wanted)) and found["split"]["latency"] <= 0.0015
    whole = json.loads(called(str(EXAMPLE), "--front", "--bytes", "100", "--json").output)["split"]
    assert [s["latency"] for s in whole] == [s.latency for s in front(network, {Measure.BYTES: 100})]


def test_a_target_out_of_reach_names_it() -> None:
    with pytest.raises(BudgetError, match="accuracy >= 0.9999 wanted"):
        called(str(EXAMPLE), "--accuracy", "0.9999")


@pytest.mark.parametrize(
    ("text", "match"),
    [("{", "not JSON"), ("[]", "nothing to choose"), ('{"network": {"sites": ["a"]}}', "blocks")],
)
def test_a_wrong_file_is_refused(text: str, match: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text(text)
    with pytest.raises(DataError, match=match):
        called(str(tmp_path / "wrong.json"))
