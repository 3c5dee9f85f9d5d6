# SPDX-License-Identifier: Apache-2.0
"""Every shipped board reads, and a wrong description says what is wrong."""

import re
from pathlib import Path

import pytest

from gatewright import boards
from gatewright.commands.boards import markdown
from gatewright.errors import BoardError

GOOD = """
title = "Test board"
part = "xc7a35t"
family = "xc7"
source = "none"
clock_mhz = 100
[budget]
lut = 20800
ff = 41600
dsp = { unit = "DSP48E1", count = 90, pair_port = 25 }
bram = { unit = "RAMB36E1", count = 50, kbit = 36 }
"""


def test_the_expected_boards_are_found() -> None:
    expected = {"u200", "u250", "u280", "u50", "zcu104", "kv260", "pynq-z2", "ultra96v2", "ulx3s-85f"}
    assert expected | {"tang-nano-20k", "gatemate-a1-evb", "icebreaker"} <= set(boards.names())


@pytest.mark.parametrize("name", boards.names())
def test_board(name: str) -> None:
    board = boards.load(name)
    assert board.name == name and board.folder == boards.ROOT / name
    assert board.source and board.part
    amounts = board.budget.amounts()
    assert all(amounts[k] > 0 for k in ("lut", "ff", "dsp", "bram36"))
    assert board.budget.ff <= 2 * board.budget.lut
    ports = {"xcup": 27, "xc7": 25}
    assert board.budget.dsp.pair_port == ports.get(board.family)


def test_units_of_18_kbit_count_half() -> None:
    assert boards.load("ulx3s-85f").budget.bram36 == 104


def test_a_folder_or_a_file_of_the_user(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "board.toml").write_text(GOOD)
    board = boards.load(folder)
    assert board == boards.load(str(folder / "board.toml"))
    assert board.name == "mine" and board.budget.dsp.count == 90 and board.budget.uram288 == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('part = "xc7a35t"', "", "part is missing"),
        ("lut = 20800", 'lut = "many"', "lut = 'many'"),
        ("lut = 20800", "lut = true", "lut = True"),
        ("ff = 41600", "ff = -1", "ff = -1"),
        ("count = 90, ", "", "budget.dsp: count is missing"),
        ('family = "xc7"', 'family = "max10"', "family = 'max10'"),
        ("clock_mhz = 100", "clock_mhz = 100\nclock = 3", "unknown key 'clock'"),
        ("[budget]", "[budgets]", "budget is missing"),
        ("clock_mhz = 100", 'clock_mhz = 100\naliases = "a7"', "aliases = 'a7'"),
        ("clock_mhz = 100", "clock_mhz = 100\naliases = [1]", "a list of strings"),
        ("clock_mhz = 100", "clock_mhz = 100\nflow = 3", "flow = 3"),
        ("[budget]", "[budget", "not TOML"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "board.toml"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(BoardError, match=re.escape(message)) as error:
        boards.load(file)
    assert str(file) in str(error.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BoardError, match="u200.*zcu104"):
        boards.load("u2000")


def test_aliases() -> None:
    assert boards.load("ulx3s") == boards.load("ulx3s-85f")
    names = [alias for name in boards.names() for alias in boards.load(name).aliases]
    assert len(set(names) | set(boards.names())) == len(names) + len(boards.names())


def test_the_table_has_every_board_and_its_source() -> None:
    text = markdown()
    for name in boards.names():
        board = boards.load(name)
        (line,) = [x for x in text.splitlines() if x.startswith((f"| {name} |", f"| {name}, "))]
        assert board.title in line and board.source in line and f"{board.budget.lut:,}" in line


def test_the_readme_has_the_generated_table() -> None:
    readme = Path(__file__).resolve().parents[1] / "boards" / "README.md"
    assert markdown().strip() in readme.read_text(), "paste what `gatewright boards --markdown` prints"
