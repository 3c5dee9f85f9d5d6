# SPDX-License-Identifier: Apache-2.0
"""What top-k attention costs a pre-trained sentence encoder in accuracy: k, selector bits, fixed point; three sets.

MiniLM-L6 as published, nothing is trained but a logistic head on dense float embeddings, once per set.
`--keep` reuses what an earlier run measured; `--texts 30` takes fewer test texts.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from _sentences import CALIBRATION, Head, by_length, calibrated, cosines, figures, recall, vectors
from _table import RESULTS, ROOT, markdown, versions, write

from gatewright.examples._texts import SETS, Texts, minilm
from gatewright.frontend import QuantConfig, import_model
from gatewright.nn.bert import BertEncoder

KS, BITS = (8, 16, 30, 64), (1, 2, 4)
TOP, SELECTOR = 30, 4
LONGEST = 512
"""Tokens: all keys are kept from this k on."""
CACHE = ROOT / "build" / "attention_accuracy.json"
TITLES = {"movie": "movie snippets", "r8": "Reuters R8", "long": "snippets joined to 128-384 tokens"}


def float_part(model: BertEncoder, texts: Texts, head: Head, dense: np.ndarray) -> dict[str, Any]:
    """Figures of every k and selector width in float, keyed "k/bits"; "dense" is the model as published."""
    found = {"dense": figures(dense, dense, texts, head)}
    lengths = np.array([len(t) for t in texts.test])
    for bits in BITS:
        calibrated(model, texts, TOP, bits)
        for top in KS:
            model.keep(top)
            # Texts no longer than k stay dense.
            sparse, far = dense.copy(), np.flatnonzero(lengths > top)
            if len(far):
                sparse[far] = vectors(model, [texts.test[i] for i in far])
            run = figures(sparse, dense, texts, head)
            run["recall"] = recall(model, texts.test)
            found[f"{top}/{bits}"] = run
            print(texts.name, top, bits, run["accuracy"], run["cosine"], run["recall"], flush=True)
    return found


def golden_part(model: BertEncoder, texts: Texts, head: Head, dense: np.ndarray) -> dict[str, Any]:
    """Fixed point at the default formats beside float with the same k and selector, keyed "k/bits"."""
    found = {}
    sample = [np.asarray(i) for i in texts.train[:CALIBRATION]]
    # Texts no longer than k stay dense, and so does their fixed point: one dense run serves them all.
    everything = golden(model, LONGEST, SELECTOR, texts, sample, texts.test)
    lengths = np.array([len(t) for t in texts.test])
    for bits in BITS:
        for top in KS:
            integer, real = (part.copy() for part in everything)
            if len(far := np.flatnonzero(lengths > top)):
                integer[far], real[far] = golden(model, top, bits, texts, sample, [texts.test[i] for i in far])
            found[f"{top}/{bits}"] = run = beside(integer, real, dense, texts, head)
            print(texts.name, "golden", top, bits, run["accuracy"], run["to float"], flush=True)
    return found


def golden(
    model: BertEncoder, top: int, bits: int, texts: Texts, sample: list[np.ndarray], items: list[list[int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Fixed-point and float embeddings [N, D] of length 1."""
    calibrated(model, texts, TOP, bits)
    model.keep(top)
    config = QuantConfig.transformer(tie=("layer.*",))
    imported = import_model(model, sample[0][None], sample, config=config, dynamic={"n": (1, LONGEST)}, name="minilm")
    integer = np.stack([np.asarray(imported.run([np.asarray(i)])).reshape(-1) for i in items])
    # The head was trained on vectors of length 1.
    return integer / np.linalg.norm(integer, axis=1, keepdims=True), vectors(model, items)


def beside(integer: np.ndarray, real: np.ndarray, dense: np.ndarray, texts: Texts, head: Head) -> dict[str, Any]:
    """Figures of fixed point, and of float with the same selection."""
    same = cosines(integer, real)
    found = figures(integer, dense, texts, head)
    found |= {"to float": float(same.mean()), "to float p5": float(np.percentile(same, 5)), "least": float(same.min())}
    found["same buckets"] = by_length(same, np.array([len(t) for t in texts.test]))
    found["float"] = figures(real, dense, texts, head)
    return found


def accuracy_rows(found: Mapping[str, Any]) -> list[dict[str, object]]:
    """One row per set: dense, top-30, golden top-30."""
    rows = []
    for name, run in found.items():
        golden = run["golden"][f"{TOP}/{SELECTOR}"]
        rows.append(
            {
                "set": TITLES[name],
                "test texts": run["texts"],
                "tokens, mean": f"{run['tokens']:.1f}",
                "float dense": run["float"]["dense"]["accuracy"],
                "float top-30": golden["float"]["accuracy"],
                "golden top-30": golden["accuracy"],
                "agrees with float dense": golden["agree"],
                "cosine golden to float top-30": golden["to float"],
                "5th percentile": golden["to float p5"],
                "least": golden["least"],
            }
        )
    return rows


def sweep_rows(run: Mapping[str, Any]) -> list[dict[str, object]]:
    """One row per k and selector width."""
    rows = []
    for key, one in sorted(run["float"].items(), key=lambda pair: order(pair[0])):
        top, _, bits = key.partition("/")
        golden = run["golden"].get(key, {})
        rows.append(
            {
                "k": "all" if key == "dense" else top,
                "selector bits": bits,
                "accuracy, float": one["accuracy"],
                "golden": golden.get("accuracy", ""),
                "cosine, float to dense": one["cosine"],
                "golden to dense": golden.get("cosine", ""),
                "golden to float, same k": golden.get("to float", ""),
                "recall of the exact top-k": one.get("recall", ""),
            }
        )
    return [{k: rounded(v) for k, v in row.items()} for row in rows]


def bucket_rows(run: Mapping[str, Any]) -> list[dict[str, object]]:
    """Mean cosine to dense per bucket of lengths."""
    return [
        {"k / selector bits": key, **{b: rounded(c) for b, c in one["buckets"].items()}}
        for key, one in sorted(run["float"].items(), key=lambda pair: order(pair[0]))
        if key != "dense"
    ]


def golden_rows(run: Mapping[str, Any]) -> list[dict[str, object]]:
    """Mean cosine of golden to float with the same selection per bucket of lengths."""
    return [
        {"k / selector bits": key, **{b: rounded(c) for b, c in one["same buckets"].items()}}
        for key, one in sorted(run["golden"].items(), key=lambda pair: order(pair[0]))
    ]


def order(key: str) -> tuple[int, ...]:
    """Dense first, then by k and selector width."""
    return () if key == "dense" else tuple(int(part) for part in key.split("/"))


def rounded(value: object) -> object:
    """Four digits; a dash for what does not exist."""
    if isinstance(value, float):
        return "-" if np.isnan(value) else f"{value:.4f}"
    return value


def report(found: Mapping[str, Any]) -> None:
    """The Markdown page."""
    blocks = [
        "# Accuracy of top-k attention on a pre-trained sentence encoder",
        "`python bench/attention_accuracy.py`. all-MiniLM-L6-v2 (6 layers, 384 channels, 12 heads) as published; a "
        "logistic head trained once per set on dense float embeddings, used unchanged for all rows. Selector steps of "
        f"least squared error from the first {CALIBRATION} training texts, formats from the same. *Golden*: the "
        "integers that the hardware computes, formats `QuantConfig.transformer()`. Texts no longer than k stay dense. "
        "One split per set: binomial standard error of accuracy 1.4 points (movie), 1.2 (R8), 2.4 (joined).",
        versions("torch", "numpy", "scikit-learn", "tokenizers"),
        markdown([{k: rounded(v) for k, v in row.items()} for row in accuracy_rows(found)]),
        "![cosine by length, accuracy and recall](attention_accuracy.svg)",
    ]
    for name, run in found.items():
        blocks += [
            f"## {TITLES[name][0].upper()}{TITLES[name][1:]}",
            markdown(sweep_rows(run)),
            "Mean cosine of float to the dense embedding, by tokens:",
            markdown(bucket_rows(run)),
            "Mean cosine of golden to float with the same k and selector, by tokens:",
            markdown(golden_rows(run)),
        ]
    write("attention_accuracy", *blocks)


def plot(found: Mapping[str, Any]) -> None:
    """Cosine by length, accuracy and recall over k."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(14, 4.2), constrained_layout=True)
    colors = {top: f"C{i}" for i, top in enumerate(KS)}
    styles = {4: "-", 2: "--", 1: ":"}
    run = found["r8"]["float"]
    for top in KS:
        for bits in BITS:
            buckets = run[f"{top}/{bits}"]["buckets"]
            label = f"k = {top}" if bits == 4 else None
            left.plot(list(buckets), list(buckets.values()), styles[bits], color=colors[top], label=label)
    left.set(title="Reuters R8: cosine to dense", xlabel="tokens")
    left.tick_params(axis="x", rotation=45)
    for i, (name, run) in enumerate(found.items()):
        for bits in BITS:
            label = TITLES[name] if bits == 4 else None
            cells = [run["float"][f"{top}/{bits}"] for top in KS]
            middle.plot(KS, [c["accuracy"] for c in cells], styles[bits], color=f"C{i + 5}", label=label, marker=".")
            right.plot(KS, [c["recall"] for c in cells], styles[bits], color=f"C{i + 5}", label=label, marker=".")
        middle.axhline(run["float"]["dense"]["accuracy"], color=f"C{i + 5}", linewidth=0.6)
        stars = [run["golden"][f"{top}/{SELECTOR}"]["accuracy"] for top in KS]
        middle.plot(KS, stars, "*", color=f"C{i + 5}", markersize=9)
    middle.set(title="accuracy (thin line: dense; star: golden)", xlabel="k", xticks=KS)
    right.set(title="recall of the exact top-k", xlabel="k", xticks=KS)
    right.plot([], [], "k-", label="4 bits")
    right.plot([], [], "k--", label="2 bits")
    right.plot([], [], "k:", label="1 bit")
    for axis in (left, middle, right):
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    pyplot.rcParams["svg.hashsalt"] = "gatewright"
    figure.savefig(RESULTS / "attention_accuracy.svg", metadata={"Date": None})


def main() -> None:
    """Measure what is not kept, then write page and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="reuse measurements of an earlier run")
    parser.add_argument("--texts", type=int, help="test texts per set")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = json.loads(CACHE.read_text()) if options.keep and CACHE.exists() else {}
    model = minilm()
    for name, load in SETS.items():
        texts = load()
        texts = dataclasses.replace(
            texts, test=texts.test[: options.texts], test_labels=texts.test_labels[: options.texts]
        )
        run = found.setdefault(name, {})
        missing = {n: f for n, f in (("float", float_part), ("golden", golden_part)) if n not in run}
        if not missing:
            continue
        model.select(None, SELECTOR)
        head, dense = Head.fit(vectors(model, texts.train), texts.train_labels), vectors(model, texts.test)
        run |= {"texts": len(texts.test), "tokens": float(np.mean([len(t) for t in texts.test]))}
        for part, measure in missing.items():
            run[part] = measure(model, texts, head, dense)
            CACHE.parent.mkdir(parents=True, exist_ok=True)
            CACHE.write_text(json.dumps(found))
    report(found)
    plot(found)


if __name__ == "__main__":
    main()
