# SPDX-License-Identifier: Apache-2.0
"""Boards as data: one folder each, with `board.toml`. Adding a board adds a folder and edits no list."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from gatewright.errors import BoardError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent

FAMILIES = ("xcup", "xc7", "ecp5", "gowin", "gatemate", "ice40")
"""Device families that `gatewright.synth` can map to."""


@dataclass(frozen=True)
class Dsp:
    """Hard multipliers.

    Attributes:
        unit: the vendor's name of one block.
        count: blocks on the device.
        pair_port: bits of the wide port when two narrow weights may share a block, else None.
    """

    unit: str
    count: int
    pair_port: int | None = None


@dataclass(frozen=True)
class Bram:
    """Block memories.

    Attributes:
        unit: the vendor's name of one block.
        count: blocks on the device.
        kbit: size of a block in units of 1024 bits, parity bits included.
    """

    unit: str
    count: int
    kbit: int


@dataclass(frozen=True)
class Budget:
    """Resources of a device, as its data sheet counts them.

    Attributes:
        lut: look-up tables, of the family's own number of inputs.
        ff: flip-flops.
        uram288: blocks of 288 Kbit, 0 where the family has none.
    """

    lut: int
    ff: int
    dsp: Dsp
    bram: Bram
    uram288: int = 0

    @property
    def bram36(self) -> float:
        """Block memory in units of 36 Kbit, the unit of the cost models."""
        return self.bram.count * self.bram.kbit / 36

    def amounts(self) -> dict[str, float]:
        """Amount of each resource, under the names that `gatewright.graph.Cost` uses."""
        return {
            "lut": self.lut,
            "ff": self.ff,
            "dsp": self.dsp.count,
            "bram36": self.bram36,
            "uram288": self.uram288,
        }


@dataclass(frozen=True)
class Board:
    """A board, as far as compiling for it needs to know.

    Attributes:
        name: the folder's name.
        title: the maker's name of the board.
        part: full ordering code of the device, as its vendor tool takes it.
        family: one of `FAMILIES`.
        source: documents that the figures come from.
        clock_mhz: clock that designs are planned for, unless the user says otherwise.
        budget: resources of the device.
        aliases: further names of the board.
        folder: where the board's files (constraints, shell) lie.
        flow: settings of the board's tool flow, which only that flow reads; `tool` names it.
    """

    name: str
    title: str
    part: str
    family: str
    source: str
    clock_mhz: float
    budget: Budget
    folder: Path
    aliases: tuple[str, ...] = ()
    flow: Mapping[str, Any] = field(default_factory=dict)


def names() -> list[str]:
    """Names of the boards that ship with the package."""
    return sorted(p.parent.name for p in ROOT.glob("*/board.toml"))


@cache
def _aliases() -> dict[str, str]:
    """Every name that a shipped board goes by, and its folder's.

    Raises:
        BoardError: two boards share a name.
    """
    found = {name: name for name in names()}
    for name in names():
        for alias in _read(ROOT / name / "board.toml").get("aliases", ()):
            if alias in found:
                raise BoardError(f"board {name}", f"alias {alias!r} is taken by {found[alias]}", "a name of its own")
            found[alias] = name
    return found


def load(board: str | Path) -> Board:
    """The board of that name, or the one described by a user's folder or TOML file.

    Raises:
        BoardError: no such board, or its description is incomplete or wrong.
    """
    path = Path(board)
    if str(board) in (known := _aliases()):
        path = ROOT / known[str(board)] / "board.toml"
    elif path.is_dir():
        path = path / "board.toml"
    if not path.is_file():
        raise BoardError(
            f"board {board}",
            "not found",
            ", ".join(names()),
            "give one of these names, or the path of a folder with a board.toml",
        )
    return _board(path, _read(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BoardError(str(path), f"not TOML: {error}") from None


def _board(path: Path, data: Mapping[str, Any]) -> Board:
    place = str(path)
    given = {"name": path.parent.resolve().name, "folder": path.parent.resolve(), **data}
    budget = dict(_table(place, "budget", given.get("budget")))
    for key, kind in (("dsp", Dsp), ("bram", Bram)):
        budget[key] = checked(f"{place}, budget.{key}", kind, _table(place, f"budget.{key}", budget.get(key)))
    given["budget"] = checked(f"{place}, budget", Budget, budget)
    board: Board = checked(place, Board, given)
    if board.family not in FAMILIES:
        raise BoardError(place, f"family = {board.family!r}", ", ".join(FAMILIES))
    return board


def _table(place: str, key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BoardError(place, f"{key} is {'missing' if value is None else 'not a table'}", "a table")
    return value


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "tuple[str, ...]": (tuple,),
    "int": (int,),
    "float": (int, float),
    "int | None": (int,),
    "Path": (Path,),
    "Mapping[str, Any]": (Mapping,),
    "Budget": (Budget,),
    "Dsp": (Dsp,),
    "Bram": (Bram,),
}


def checked(place: str, kind: type, data: Mapping[str, Any]) -> Any:
    """An instance of the dataclass `kind` from a table of a board.toml, checked against the declaration.

    Raises:
        BoardError: an unknown or missing key, or a value of the wrong type.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}
    given: dict[str, Any] = {}
    for key in data:
        if key not in fields:
            raise BoardError(place, f"unknown key {key!r}", ", ".join(fields))
    for key, one in fields.items():
        optional = one.default is not dataclasses.MISSING or one.default_factory is not dataclasses.MISSING
        if key not in data:
            if optional:
                continue
            raise BoardError(place, f"{key} is missing", str(one.type))
        value = tuple(data[key]) if isinstance(data[key], list) else data[key]
        if isinstance(value, tuple) and not all(isinstance(v, str) for v in value):
            raise BoardError(place, f"{key} = {data[key]!r}", "a list of strings")
        if not isinstance(value, _KINDS[str(one.type)]) or isinstance(value, bool):
            raise BoardError(place, f"{key} = {value!r}", str(one.type))
        if isinstance(value, int | float) and (value < 0 or (value == 0 and key != "uram288")):
            raise BoardError(place, f"{key} = {value!r}", "a positive number")
        given[key] = value
    return kind(**given)
