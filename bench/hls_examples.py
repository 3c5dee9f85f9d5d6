# SPDX-License-Identifier: Apache-2.0
"""The examples as HLS C++: compile time, C simulation with bounded streams, and hls4ml's own compile and predict.

Every integer is compared with golden. MiniLM runs as one encoder layer and with all six; its token table of 30,522 rows
stays on the host, as an hls4ml project would print it as text.
"""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import markdown, versions, write
from torch import nn

from gatewright import boards
from gatewright.design import Design, fold
from gatewright.examples import examples
from gatewright.examples._texts import minilm, movie
from gatewright.examples.minilm import CALIBRATION, EXAMPLE, MOST
from gatewright.frontend import import_model
from gatewright.lower.hls.builder import program
from gatewright.lower.hls.project import dequantized
from gatewright.nn import calibrate_selector
from gatewright.sim.csim import CSimulator, build
from gatewright.sim.toolchain import CACHE_VARIABLE

IMAGES, SENTENCES = 100, 8


class Layers(nn.Module):
    """The first encoder layers of MiniLM, on the sums that the embedding table gives."""

    def __init__(self, count: int) -> None:
        super().__init__()
        whole = minilm(EXAMPLE.top, EXAMPLE.bits).eval()
        self.embed, self.norm, self.layer = [whole.embed], whole.norm, whole.layer[:count]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, n, 384] -> the last layer's tokens."""
        x = self.norm(x)
        for block in self.layer:
            x = block(x)
        return x


def encoder(count: int) -> tuple[Design, list[Any]]:
    """`count` layers, on one piece of hardware when there are several, and movie-review sentences for them."""
    net, texts = Layers(count).eval(), movie()
    with torch.no_grad():
        seen, sent = (
            [net.embed[0](torch.tensor([ids]))[0] for ids in part]
            for part in (texts.train[:CALIBRATION], texts.test[:SENTENCES])
        )
        calibrate_selector(net, [x[None] for x in seen])
    config = EXAMPLE.config if count > 1 else replace(EXAMPLE.config, tie=())
    imported = import_model(net, seen[0][None], seen, config=config, dynamic={"n": (1, MOST)}, name=f"minilm_{count}")
    design = fold(imported, boards.load("u200"), count * 1152 * MOST, None, EXAMPLE.ring if count > 1 else None)
    return design, sent


def example(name: str) -> tuple[Design, Any]:
    """An example of the package as it is folded for the u200."""
    one = examples()[name]
    study = one.study()
    design = fold(study.imported, boards.load("u200"), one.target)
    return design, study.samples[:IMAGES]


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """Result and processor seconds, those of compilers included."""
    start = _processor()
    return action(), _processor() - start


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def row(name: str, design: Design, samples: Any) -> dict[str, object]:
    """Both ways to run the C++ of one design."""
    sequences = design.imported.encode(samples)
    made = program(design.graph, design.foldings)
    golden = [design.graph.evaluate(s)[0] for s in sequences]
    with tempfile.TemporaryDirectory() as folder:
        # Whatever was built before does not count.
        before = os.environ.get(CACHE_VARIABLE)
        os.environ[CACHE_VARIABLE] = folder
        library, building = timed(lambda: build([made]))
        simulator = CSimulator(made, library)
        del os.environ[CACHE_VARIABLE]
        if before is not None:
            os.environ[CACHE_VARIABLE] = before
    found, running = timed(lambda: [simulator.run([s], [len(g)])[0] for s, g in zip(sequences, golden, strict=True)])
    wrong = sum(int(np.sum(f != g)) for f, g in zip(found, golden, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        model = design.hls(Path(folder) / design.graph.name)
        _, compiling = timed(model.compile)
        values = dequantized(made, sequences)
        result, predicting = timed(lambda: model.predict(values[0] if len(values) == 1 else values))
    shown = np.asarray(result).reshape(len(sequences), -1, golden[0].shape[1])
    step = design.imported.output_type.fixed.ulp
    differ = sum(int(np.sum(y[: len(g)] / step != g)) for y, g in zip(shown, golden, strict=True))
    tokens = sum(len(s) for s in sequences)
    return {
        "network": name,
        "sequences": len(sequences),
        "tokens": tokens,
        "processes": len(made.processes),
        "g++ s": round(building, 1),
        "C simulation s": round(running, 1),
        "mismatches": wrong,
        "hls4ml compile s": round(compiling, 1),
        "hls4ml predict s": round(predicting, 1),
        "mismatches, hls4ml": differ,
    }


def main() -> None:
    """Write the page."""
    rows = [row(name, *example(name)) for name in ("digits_mlp", "mnist_lenet")]
    rows += [row(f"MiniLM, {count} layer{'s' * (count > 1)}", *encoder(count)) for count in (1, 6)]
    intro = f"`python bench/hls_examples.py` with gatewright, {versions('hls4ml', 'torch')}; one process."
    notes = (
        "C simulation: our scheduler, every FIFO as deep as in hardware, `g++ -O1`. hls4ml: the project of\n"
        "`design.hls` for the u200 (Vitis) through hls4ml's own `compile` (`-O3`, unbounded streams) and `predict`.\n"
        "Times are processor seconds. Mismatches are integers of all results that differ from golden.\n"
        "Processes include lane changes and forks; a loop over layers counts as one.\n"
        "Nothing here went through Vitis HLS: resources and clock are unknown."
    )
    write("hls_examples", "# The examples as HLS C++", intro, markdown(rows), notes)


if __name__ == "__main__":
    main()
