# SPDX-License-Identifier: Apache-2.0
"""A compiled network: graph, foldings, hardware, and everything a user asks of them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright import boards
from gatewright.errors import DataError, FoldingError
from gatewright.fixed import Floats, Ints
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.imported import Imported
from gatewright.frontend.roll import Ring, roll
from gatewright.graph import Folding, Graph
from gatewright.lower import timing
from gatewright.lower.rtl import RtlDesign, lower
from gatewright.schedule import all_nodes, iterations, plan, tokens_at
from gatewright.scheduler.cycles import Prediction
from gatewright.sim.executors import Job, Run, executors
from gatewright.verification import Row, Verification

if TYPE_CHECKING:
    from gatewright.synth.report import Report


@dataclass(frozen=True, eq=False)
class Design:
    """A network compiled for a board.

    Attributes:
        imported: graph with its way in and out.
        foldings: per node, how its hardware is folded; of nodes inside a loop as `{loop}.{node}`.
        board: what it is planned for.
        ring: layers that share one piece of hardware.
    """

    imported: Imported
    foldings: Mapping[str, Folding]
    board: boards.Board
    ring: Ring | None = None

    @cached_property
    def graph(self) -> Graph:
        """The integer graph that is built."""
        return network(self.imported, self.ring)

    @cached_property
    def rtl(self) -> RtlDesign:
        """The generated hardware."""
        return lower(self.graph, self.foldings)

    def job(self, sequences: Sequence[Ints], **options: Any) -> Job:
        """The job that runs integer sequences through this design; options as in `Job`."""
        if not sequences:
            raise DataError("samples", "no sequences", "at least one")
        (output,) = self.graph.outputs
        tokens = self.graph.types[output].tokens
        lengths = {output: [tokens_at(tokens, len(s)) for s in sequences]}
        return Job(self.graph, self.foldings, [list(sequences)], lengths, hardware=self.rtl, **options)

    def run(self, batch: Any, executor: str = "golden") -> Floats | list[Floats]:
        """Results of a batch [N, ...] in the layout of the model, computed by an executor.

        Raises:
            DataError: unknown executor, or a batch of the wrong shape.
        """
        return self.imported.decode(self.execute(executor, self.job(self.imported.encode(batch))).outputs[0])

    @staticmethod
    def execute(name: str, job: Job) -> Run:
        """Run a job in the executor called `name`."""
        known = executors()
        if name not in known:
            raise DataError("executor", f"{name!r}", ", ".join(known))
        return known[name](job)

    def predict(self, lengths: Sequence[int]) -> Prediction:
        """Predicted cycles of sequences of these numbers of input tokens, sent back to back."""
        return timing.cycles(self.graph, self.foldings, self.rtl, [(int(n),) for n in lengths])

    def verify(
        self,
        batch: Any,
        names: Sequence[str] | None = None,
        *,
        stall: float = 0.0,
        seed: int = 1,
        waves: bool = False,
        compare: bool = True,
    ) -> Verification:
        """Run a batch in every executor, compare with golden, and golden with the float model.

        Args:
            batch: samples [N, ...], or a list of items of different lengths.
            names: executors; all by default.
            stall: chance per cycle that a port pauses, on every port.
            compare: also compare golden with the float model, within the derived bound.

        Returns:
            The table, one row per executor; `.check()` raises if anything differs.
        """
        sequences = self.imported.encode(batch)
        job = self.job(sequences, idle=stall, stall=stall, seed=seed, waves=waves)
        tokens = [len(s) for s in sequences]
        rows = []
        golden: Run | None = None
        for name in dict.fromkeys(["golden", *(executors() if names is None else names)]):
            start = time.monotonic()
            result = self.execute(name, job)
            seconds = time.monotonic() - start
            golden = golden or result
            wrong = sum(
                int(np.sum(g != w)) if g.shape == w.shape else w.size
                for g, w in zip(result.outputs[0], golden.outputs[0], strict=True)
            )
            rows.append(Row(name, len(sequences), sum(tokens), wrong, result.cycles, seconds))
        predicted = self.predict(tokens).cycles if any(r.cycles for r in rows) else 0
        compared = self.imported.compare(batch) if compare and self.imported.program is not None else None
        return Verification(self.graph.name, tuple(rows), predicted, compared, stall)

    def resources(self, flow: str = "") -> Report:
        """Resources of every operator by Yosys, beside the analytic model and the board's budget."""
        from gatewright.synth.report import measure, part

        parts = []
        for name, (graph, node) in all_nodes(self.graph):
            if name in self.rtl.instances:
                cost = node.op.cost(self.foldings[name], *graph.input_types(node))
                parts.append(part(name, self.rtl.instances[name], cost))
        return measure(parts, self.board, flow)

    def write(self, folder: str | Path) -> list[Path]:
        """Write the RTL sources, and the weights as `weights.hex` (one word of the load chain per line)."""
        sources = self.rtl.write(Path(folder))
        words = "".join("".join(f"{int(w):08x}" for w in word[::-1]) + "\n" for word in self.rtl.memory)
        (Path(folder) / "weights.hex").write_text(words)
        return sources

    def save(self, folder: str | Path) -> None:
        """Write graph, foldings and board name into `folder`."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        self.imported.save(path / "model.npz")
        foldings = {k: asdict(v) for k, v in self.foldings.items()}
        ring = None if self.ring is None else asdict(self.ring)
        text = json.dumps({"board": self.board.name, "foldings": foldings, "ring": ring}, indent=1)
        (path / "design.json").write_text(text)

    @staticmethod
    def load(folder: str | Path) -> Design:
        """Inverse of `save`; the float model is not part of it."""
        path = Path(folder)
        try:
            data = json.loads((path / "design.json").read_text())
        except (OSError, ValueError) as error:
            raise DataError(str(path), f"cannot be read: {error}", "a folder written by Design.save") from error
        foldings = {k: Folding(**v) for k, v in data["foldings"].items()}
        ring = None if data["ring"] is None else Ring(**data["ring"])
        return Design(Imported.load(path / "model.npz"), foldings, boards.load(data["board"]), ring)

    def __str__(self) -> str:
        lines = [str(self.graph), f"  on {self.board.title}"]
        lines += [
            f"  {name:<16} lanes {f.lanes}, SIMD {f.simd}, PE {f.pe}, tokens {f.tokens}"
            for name, f in self.foldings.items()
        ]
        return "\n".join(lines)


def compile(
    model: Any,
    example: Any,
    calibration: Any,
    *,
    board: str | Path = "u200",
    target: float | None = None,
    foldings: Mapping[str, Folding] | None = None,
    config: QuantConfig | None = None,
    dynamic: Mapping[str, tuple[int, int]] | None = None,
    ring: Ring | None = None,
    name: str = "model",
) -> Design:
    """Compile a trained PyTorch module to hardware.

    Args:
        model: any `torch.nn.Module`, in evaluation mode.
        example: one input [1, ...].
        calibration: inputs [N, ...] that show the range of every value.
        board: name of a board, or path of a board description.
        target: cycles per sequence that are fast enough; the least hardware that keeps up is chosen. Without it,
            the fastest plan that fits the board.
        foldings: choose some or all foldings by hand instead, by node name.
        config: widths and calibration method.
        dynamic: run-time length, e.g. `{"n": (1, 64)}`: symbol to smallest and largest number of tokens.
        ring: layers that are to share one physical layer, e.g. `gw.Ring("encoder.layers")`.
        name: of the design; a Verilog identifier.

    Raises:
        UnsupportedError: a layer has no exact lowering; names module, attribute, value and what is supported.
        CalibrationError: the calibration data are empty, not finite or of the wrong shape.
        BudgetError: no folding fits the board.
    """
    from gatewright.frontend.torch_export import import_model

    imported = import_model(model, example, calibration, config=config, dynamic=dynamic, name=name)
    return fold(imported, boards.load(board), target, foldings, ring)


def network(imported: Imported, ring: Ring | None) -> Graph:
    """The graph to build."""
    return imported.graph if ring is None else roll(imported.graph, ring)


def fold(
    imported: Imported,
    board: boards.Board,
    target: float | None = None,
    foldings: Mapping[str, Folding] | None = None,
    ring: Ring | None = None,
) -> Design:
    """Choose the foldings of an imported model; those given by hand are kept.

    Raises:
        FoldingError: a given folding names no node, or does not divide its operator.
        BudgetError: no folding fits the board.
        GraphError: the layers of `ring` cannot share hardware.
    """
    graph = network(imported, ring)
    given = dict(foldings or {})
    names = {name for name, _ in all_nodes(graph)}
    for key in given:
        if key not in names:
            raise FoldingError(f"folding of {key}", "no such node", ", ".join(sorted(names)))
    given = {k: replace(f, banks=iterations(graph, k)) for k, f in given.items()}
    if set(given) == names:
        return Design(imported, given, board, ring)
    chosen = {k: c.key for k, c in plan(graph, board, target).chosen.items()}
    return Design(imported, chosen | given, board, ring)
