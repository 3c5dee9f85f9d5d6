# SPDX-License-Identifier: Apache-2.0
"""Trainings with few weights: the constant of DST-EE on held-out images, then methods over densities and layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from _kept import Kept
from _sparse_nets import NETS, held_out, run
from _table import spread

from gatewright.compress.dst_ee import DST_EE, METHODS, Exploration

SEEDS = (0, 1, 2)
MORE = {"mlp": (0, 1, 2, 3, 4), "digits": (0, 1, 2, 3, 4)}
"""Seeds at the density of the paper's middle row."""
HELD = (100, 101, 102, 103, 104, 105)
"""Seeds of the choice of c; of no other training."""
DENSITIES = (0.1, 0.05, 0.02)
MIDDLE = 0.05
CHOICE = (0.0, 0.3, 1.0, 3.0, 10.0)
"""Values of c; without a bonus it is RigL."""


def seeds(name: str, density: float) -> Sequence[int]:
    """Of a network at a density."""
    return MORE.get(name, SEEDS) if density in (MIDDLE, 1.0) else SEEDS


def figures(make: Callable[..., Any], seed: int) -> dict[str, float]:
    """Of one training."""
    found: dict[str, float] = make(seed=seed)[1]
    return found


def choice(kept: Kept) -> list[dict[str, object]]:
    """Accuracy on held-out training images over c, per network and on average, at the middle density."""
    rows = []
    for c in CHOICE:
        row: dict[str, object] = {"c": c}
        every = []
        for name in NETS:
            made = [kept.get(f"held/{name}/{c}/{s}", partial(held, name, c, s)) for s in HELD]
            row[NETS[name].title] = accuracy(made)
            every += [m["accuracy"] for m in made]
        rows.append(row | {"mean of all": f"{100 * np.mean(every):.2f}"})
    return rows


def chosen(kept: Kept) -> float:
    """The c > 0 with the best mean on held-out images."""
    return max((c for c in CHOICE if c), key=lambda c: float(_held_accuracies(kept, c).mean()))


def gain_held(kept: Kept) -> str:
    """What the chosen c gains over no bonus on held-out images, and its standard error."""
    gained = 100 * (_held_accuracies(kept, chosen(kept)) - _held_accuracies(kept, 0.0))
    return f"{np.mean(gained):+.2f} points with a standard error of {np.std(gained, ddof=1) / len(gained) ** 0.5:.2f}"


def _held_accuracies(kept: Kept, c: float) -> Any:
    return np.array([kept.found[f"held/{name}/{c}/{s}"]["accuracy"] for name in NETS for s in HELD])


def methods(kept: Kept) -> dict[str, Exploration]:
    """From static to DST-EE, with the chosen c."""
    return METHODS | {"DST-EE": replace(DST_EE, c=chosen(kept))}


def called(how: Exploration) -> str:
    """What results are kept under."""
    fixed = {v: k for k, v in METHODS.items()}
    return fixed.get(how, f"c={how.c}")


def held(name: str, c: float, seed: int) -> dict[str, float]:
    """One training for the choice."""
    found: dict[str, float] = run(held_out(NETS[name], seed), replace(DST_EE, c=c), MIDDLE, seed)[1]
    return found


def trained(kept: Kept, name: str, how: Exploration | None, density: float, erk: bool = True) -> list[dict[str, float]]:
    """What is known of one kind of training, dense without `how`, for every seed."""
    share, label = ("", "dense") if how is None else (f"{density}/", called(how))
    spoken = label if erk else f"uniform {label}"
    make = partial(run, NETS[name], how, density, pattern=None, erk=erk)
    return [kept.get(f"{name}/{share}{spoken}/{s}", partial(figures, make, s)) for s in seeds(name, density)]


def cases() -> Iterator[tuple[str, float]]:
    """Networks and densities."""
    return ((name, density) for name in NETS for density in DENSITIES)


def every_method(kept: Kept, name: str, density: float, erk: bool = True) -> dict[str, list[dict[str, float]]]:
    """All methods on one network, from static to DST-EE."""
    return {m: trained(kept, name, how, density, erk) for m, how in methods(kept).items()}


def accuracies(kept: Kept) -> list[dict[str, object]]:
    """Mean and spread of the test accuracy per network, density and method; and R."""
    rows = []
    for name, density in cases():
        row: dict[str, object] = {"network": NETS[name].title, "kept": f"{density:.0%}"}
        row["dense"] = accuracy(trained(kept, name, None, 1.0)[: len(seeds(name, density))])
        rows.append(row | methods_cells(every_method(kept, name, density)))
    return rows


def methods_cells(found: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    """Accuracy of every method, and their R."""
    explored = " / ".join(f"{np.mean([m['R'] for m in made]):.2f}" for made in found.values())
    return {**{m: accuracy(made) for m, made in found.items()}, "R": explored}


def bonuses(kept: Kept) -> list[dict[str, object]]:
    """Test accuracy and R over c at the middle density, which nothing was chosen by."""
    rows = []
    for c in sorted({0.0, 1.0, chosen(kept), 10.0, 30.0}):
        row: dict[str, object] = {"c": c}
        for name, net in NETS.items():
            # So much exploration is no longer worth the time of the larger networks.
            made = trained(kept, name, replace(DST_EE, c=c), MIDDLE) if c < 30 or name == "digits" else []
            row[net.title] = f"{accuracy(made)}, R {np.mean([m['R'] for m in made]):.2f}" if made else "-"
        rows.append(row)
    return rows


def layouts(kept: Kept) -> list[dict[str, object]]:
    """Densities of layers by ERK and all alike, at the middle density."""
    rows = []
    for name in ("mlp", "cnn"):
        for erk in (True, False):
            row: dict[str, object] = {"network": NETS[name].title, "densities": "ERK" if erk else "uniform"}
            rows.append(row | methods_cells(every_method(kept, name, MIDDLE, erk)))
    return rows


def steps(kept: Kept) -> list[dict[str, object]]:
    """What each method gains over the one before, with the same seed: same start, same first mask."""
    rows = []
    for name, density in cases():
        row: dict[str, object] = {"network": NETS[name].title, "kept": f"{density:.0%}"}
        for (before, method), gained in gains(kept, name, density).items():
            row[f"{method} - {before}"] = spread(gained, 100, 2)
        rows.append(row)
    return rows


def gains(kept: Kept, name: str, density: float) -> dict[tuple[str, str], list[float]]:
    """Differences of accuracy, seed by seed, of methods that are neighbours in the paper's order."""
    found = every_method(kept, name, density)
    order = list(found)
    return {
        (a, b): [y["accuracy"] - x["accuracy"] for x, y in zip(found[a], found[b], strict=True)]
        for a, b in zip(order, order[1:], strict=False)
    }


def claims(kept: Kept) -> str:
    """Of the paper's order, step by step: where it holds on average, and where beyond chance."""
    every: dict[tuple[str, str], list[list[float]]] = {}
    for name, density in cases():
        for step, gained in gains(kept, name, density).items():
            every.setdefault(step, []).append(gained)
    return "\n".join(said(step, found) for step, found in every.items())


def said(step: tuple[str, str], found: list[list[float]]) -> str:
    """One step over all cases; a difference is clear when it is more than two standard errors from 0."""
    before, method = step
    errors = [float(np.std(g, ddof=1)) / len(g) ** 0.5 for g in found]
    means = [float(np.mean(g)) for g in found]
    up, clear = sum(m >= 0 for m in means), sum(m > 2 * e for m, e in zip(means, errors, strict=True))
    down = sum(m < -2 * e for m, e in zip(means, errors, strict=True))
    # The mean over cases, each with the same weight, and its own error.
    all_of, error = float(np.mean(means)), float(np.linalg.norm(errors)) / len(found)
    verdict = "holds on average" if all_of > 2 * error else "FAILS" if all_of < -2 * error else "NOT BEYOND CHANCE"
    return (
        f"- {method} >= {before}: {verdict}. By the means in {up} of {len(found)} cases, clearly better in {clear}, "
        f"clearly worse in {down}; mean over the cases {100 * all_of:+.2f} ± {100 * error:.2f} points (standard error)"
    )


def accuracy(found: Sequence[dict[str, float]]) -> str:
    """Mean and standard deviation in percent."""
    return spread([f["accuracy"] for f in found], 100, 2)
