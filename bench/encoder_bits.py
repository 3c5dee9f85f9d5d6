# SPDX-License-Identifier: Apache-2.0
"""The least bits per class of tensors at which fixed-point MiniLM-L6 stays within a cosine of float."""

from __future__ import annotations

import argparse

import numpy as np
import torch
from _sentences import calibrated
from _table import markdown, versions, write

from gatewright.examples._texts import minilm, movie, reuters
from gatewright.frontend import QuantConfig
from gatewright.frontend.search_bits import Bits, search_transformer
from gatewright.nn.bert import BertEncoder

WIDE = (12, 10, 9, 8, 7)
MEANING = {
    "residual": "embeddings, norms, sums",
    "operand": "operands of the query, key and value projections",
    "qkv": "queries, keys and values",
    "context": "operands of the output projection",
    "expand": "operands of the first linear layer after it",
    "hidden": "arguments of GELU",
    "gelu": "operands of the second linear layer",
}


def configure(bits: Bits) -> QuantConfig:
    """Formats of a choice, one for all iterations of the layer."""
    classes = {name: width for name, width in bits.items() if name != "expand"}
    own = {"layer.*.expand": {"operand_bits": bits["expand"]}}
    return QuantConfig.transformer(**classes, overrides=own, tie=("layer.*",))


def compact(model: BertEncoder, texts: list[list[int]]) -> list[np.ndarray]:
    """Leave only the embeddings that the texts use, and number the tokens anew: the formats are then found faster."""
    used = sorted({token for text in texts for token in text})
    model.embed.table = torch.nn.Parameter(model.embed.table[used].detach())
    return [np.searchsorted(used, text) for text in texts]


def main() -> None:
    """Search on a few texts of two sets and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=float, default=0.995, help="mean cosine of golden to float, top-30 both")
    parser.add_argument("--texts", type=int, default=24, help="test texts, half of each set")
    options = parser.parse_args()
    torch.set_num_threads(1)
    short, long = movie(), reuters()
    model = calibrated(minilm(), short, 30, 4)
    half = options.texts // 2
    seen = short.train[:16] + [t for t in long.train if len(t) <= 128][:8]
    tested = short.test[:half] + [t for t in long.test if 30 < len(t) <= 64][: options.texts - half]
    texts = compact(model, seen + tested)
    calibration, items = texts[: len(seen)], texts[len(seen) :]
    widths = {name: (16, 14, 12) if name == "residual" else WIDE for name in MEANING}
    found = search_transformer(model, calibration, items, options.target, widths, configure)
    write(
        "encoder_bits",
        "# Bits per class of tensors for MiniLM-L6",
        "`python bench/encoder_bits.py`. Mean cosine of golden to float with the same top-30 attention over "
        f"{len(items)} test texts (movie snippets, Reuters R8 of 31 to 64 tokens); target {options.target}. Each cell: "
        "one class at that width, all others at their widest. Cost: products times the width of the activation, per "
        "token.",
        versions("torch", "numpy"),
        markdown([{"class": name, "what it is": text} for name, text in MEANING.items()]),
        found.table(),
    )


if __name__ == "__main__":
    main()
