# SPDX-License-Identifier: Apache-2.0
"""Examples of two parties: named beside the others, and known to `gatewright sim` (which runs them)."""

from __future__ import annotations

from click.testing import CliRunner

from gatewright.commands.sim import COMMAND, summary_of_pairs
from gatewright.console import rendered
from gatewright.examples import examples, two_party
from gatewright.examples._secure import networks


def test_names() -> None:
    assert two_party() and not set(two_party()) & set(examples())
    assert all(e.network in networks() and e.images >= 100 for e in two_party().values())


def test_an_unknown_name_lists_both_kinds() -> None:
    result = CliRunner().invoke(COMMAND, ["nothing"])
    assert result.exit_code and "secure_mlp" in str(result.exception) and "digits_mlp" in str(result.exception)


def test_sessions_differ_by_seed() -> None:
    example = next(iter(two_party().values()))
    assert example.session(1) == example.session(1)
    assert example.session(1).server != example.session(2).server
    assert example.session(1).server != example.session(1).client


def test_the_table_shows_what_was_compared() -> None:
    quality = {"float": 1.0, "golden": 0.99, "rtl": 0.98}
    row = {"example": "e", "samples": 3, "cycles": 4000, "interval": 1000.0, "predicted": 1010, "words": 7, "bytes": 8}
    text = rendered(summary_of_pairs([row | {"mismatches": 5, "quality": quality}]))
    assert all(part in text for part in ("4,000", "+1.00%", "0.9800", "5"))
