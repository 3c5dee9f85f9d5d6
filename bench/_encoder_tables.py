# SPDX-License-Identifier: Apache-2.0
"""Tables and sentences of the page on the compressed encoder, from what `compress_encoder.py` has measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from _encoder_variants import VARIANTS
from _points import MOVIE, Point

from gatewright.examples._texts import movie
from gatewright.graph import Cost
from gatewright.ops._memory_cost import weigh
from gatewright.synth.report import COLUMNS

GOLDEN = 500
"""Test sentences that go through the integers."""

ALIKE = 0.01
"""Cosines that differ by less say nothing, with one seed."""

Runs = dict[str, dict[str, Any]]
"""Figures by the name of the variant; the dense one is there."""


def total(run: dict[str, Any]) -> dict[str, float]:
    """Resources of all blocks."""
    return {k: sum(b[k] for b in run["blocks"].values()) for k in COLUMNS}


def accuracy_rows(runs: Runs) -> list[dict[str, object]]:
    """Before and after rounding to the hardware's integers."""
    rows = []
    for name, run in runs.items():
        real, integer = run["float"], run["golden"]
        rows.append(
            {
                "variant": VARIANTS[name].title,
                "accuracy in float, %": f"{100 * real['accuracy']:.1f}",
                f"of the first {GOLDEN}, %": f"{100 * run['same']['accuracy']:.1f}",
                "those in integers, %": f"{100 * integer['accuracy']:.1f}",
                "same label as dense, %": f"{100 * integer['agree']:.1f}",
                "cosine to dense in float": f"{real['cosine']:.3f}",
                "in integers": f"{integer['cosine']:.3f}",
                "integers to own float": f"{run['to float']:.3f}",
            }
        )
    return rows


def hardware_rows(runs: Runs) -> list[dict[str, object]]:
    """Sizes, cycles and resources, beside those of the dense encoder."""
    rows: list[dict[str, object]] = []
    first = runs["dense"]
    for name, run in runs.items():
        row: dict[str, object] = {"variant": VARIANTS[name].title}
        row["Mbit of weights"] = f"{run['bits'] / 1e6:.1f} ({run['bits'] / first['bits']:.0%})"
        row["million MACs per token"] = f"{run['macs'] / 1e6:.2f} ({run['macs'] / first['macs']:.0%})"
        row |= {"cycles per sentence": f"{run['cycles']:,.0f}", "of one alone": f"{run['alone']:,.0f}"}
        before = total(first)
        for key, value in total(run).items():
            row[COLUMNS[key]] = f"{value:,.0f} ({value / before[key]:.0%})" if before[key] else f"{value:,.0f}"
        all_, of_dense = weigh(Cost(**total(run))), weigh(Cost(**before))
        row["in all, as LUT"] = f"{all_:,.0f} ({all_ / of_dense:.0%})"
        equal = "equal" if run["mismatches"] == 0 else "DIFFERENT"
        row["RTL"] = f"{equal}, {run['simulated']:,} cycles ({run['predicted']:,} predicted)"
        rows.append(row)
    return rows


def block_rows(runs: Runs) -> list[dict[str, object]]:
    """Matrices of every variant: operator, folding, resources; then all other operators together."""
    rows: list[dict[str, object]] = []
    for name, run in runs.items():
        others = [b for b in run["blocks"].values() if not b["matrix"]]
        shown = [(b["path"], b["matrix"], b) for b in run["blocks"].values() if b["matrix"]]
        shown.append(("all others", f"{len(others)} operators", {k: sum(b[k] for b in others) for k in COLUMNS}))
        for k, (path, operator, amounts) in enumerate(shown):
            row: dict[str, object] = {"variant": "" if k else VARIANTS[name].title, "block": path, "operator": operator}
            rows.append(row | {COLUMNS[r]: f"{amounts[r]:,.0f}" for r in COLUMNS})
    return rows


def points(runs: Runs) -> list[Point]:
    """Every variant as it goes into the plots."""
    return [
        Point(
            MOVIE,
            VARIANTS[name].method,
            f"{VARIANTS[name].title}, compiled",
            run["golden"]["accuracy"],
            0.0,
            run["bits"],
            total(run)["dsp"] * run["cycles"],
        )
        for name, run in runs.items()
    ]


def verdict(runs: Runs) -> str:
    """Accuracy lost in integers, beside the error that the choice of test snippets makes."""
    before = runs["dense"]["golden"]["accuracy"]
    near, far = [], []
    for name, run in runs.items():
        if name != "dense":
            # Where the labels are the same, two encoders cannot differ.
            gain, error = run["golden"]["accuracy"] - before, float(np.sqrt((1 - run["golden"]["agree"]) / GOLDEN))
            said = f"{VARIANTS[name].title} ({100 * gain:+.1f} ± {100 * error:.1f})"
            (far if -gain > 2 * error else near).append(said)
    alone = 100 * float(np.sqrt(before * (1 - before) / GOLDEN))
    return (
        f"Standard error of an accuracy on {GOLDEN} snippets: {alone:.1f} points; of the difference between two "
        "encoders on the same snippets less, by the share of labels that change. Points beside the dense encoder, in "
        f"integers, within two such errors: {'; '.join(near) or 'none'}. Worse: {'; '.join(far) or 'none'}."
    )


def trial(runs: Runs) -> list[str]:
    """AE-BERT beside equal ratios of the same pattern, if both are there."""
    if not {"2:8", "ae_bert"} <= runs.keys():
        return []
    flat, found = runs["2:8"], runs["ae_bert"]
    cosines, accuracies = ([r["float"][k] for r in (found, flat)] for k in ("cosine", "accuracy"))
    error = float(np.sqrt(sum(a * (1 - a) for a in accuracies) / len(movie().test)))
    gain = accuracies[0] - accuracies[1]
    whole = [b["path"] for b in found["blocks"].values() if b["matrix"].startswith("linear")]
    stays = f" In it {' and '.join(whole)} keep so much that they are stored dense." if whole else ""
    nearer = "alike" if abs(cosines[0] - cosines[1]) < ALIKE else "better" if cosines[0] > cosines[1] else "worse"
    share = [r["macs"] / runs["dense"]["macs"] for r in (found, flat)]
    return [
        "Claim of AE-BERT: ratios per matrix found by trial are better than equal ones at the same budget; here a "
        "quarter of the weights, as 2:8 keeps in every matrix (rounded to eighths, the ratios found keep "
        f"{share[0]:.0%} of the products, 2:8 {share[1]:.0%}). Cosine to dense in float "
        f"{cosines[0]:.3f} beside {cosines[1]:.3f}, {nearer}; accuracy {100 * accuracies[0]:.1f} beside "
        f"{100 * accuracies[1]:.1f} %, {'within' if abs(gain) <= 2 * error else 'beyond'} two standard errors of "
        f"{100 * error:.1f} points. In "
        f"hardware {found['bits'] / flat['bits'] - 1:+.0%} bits and "
        f"{total(found)['dsp'] / total(flat)['dsp'] - 1:+.0%} DSP blocks.{stays}"
    ]
