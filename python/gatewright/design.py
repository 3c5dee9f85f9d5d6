# SPDX-License-Identifier: Apache-2.0
"""A compiled network: graph, foldings, hardware, and everything a user asks of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright import boards
from gatewright.errors import DataError, FoldingError, MissingExtraError, NotExpressibleError, SimulationError
from gatewright.fixed import Floats, Ints
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.imported import Imported
from gatewright.frontend.roll import Ring, roll
from gatewright.graph import Folding, Graph, least_tokens
from gatewright.lower import timing
from gatewright.lower.rtl import RtlDesign, lower
from gatewright.schedule import all_nodes, evaluate, iterations, longest, plan, tokens_at
from gatewright.schedule.mixed import with_mixed
from gatewright.schedule.sparse import with_sparse
from gatewright.scheduler import policies
from gatewright.scheduler.cycles import Prediction
from gatewright.scheduler.lengths import Lengths
from gatewright.scheduler.objectives import Objective, Resources
from gatewright.scheduler.problem import Plan
from gatewright.scheduler.trace import Schedule
from gatewright.sim.executors import Job, Run, executors
from gatewright.verification import Row, Verification

if TYPE_CHECKING:
    from gatewright.bitstream import Built
    from gatewright.lower.tvm.compiled import Compiled
    from gatewright.synth.report import Report


@dataclass(frozen=True, eq=False)
class Design:
    """A network compiled for a board.

    Attributes:
        imported: graph with its way in and out.
        foldings: per node, how its hardware is folded; of nodes inside a loop as `{loop}.{node}`.
        board: what it is planned for.
        ring: layers that share one piece of hardware.
        lengths: that it is planned for; all the longest by default.
        solved: the scheduler's plan, if it chose the foldings; `plan` is there in any case.
        sparse: matrices with many zeros multiply kept weights only, where that pays; a number says at how many cycles
            per sequence.
        mixed: matrices whose channels need different widths are split by width, where that pays; a number as above.
    """

    imported: Imported
    foldings: Mapping[str, Folding]
    board: boards.Board
    ring: Ring | None = None
    lengths: Lengths | None = None
    solved: Plan | None = None
    sparse: bool | float = True
    mixed: bool | float = True

    @cached_property
    def graph(self) -> Graph:
        """The integer graph that is built."""
        return network(self.imported, self.ring, self.board, self.sparse, self.mixed)

    @cached_property
    def plan(self) -> Plan:
        """Foldings with their cycles and costs; `gatewright.schedule.table(plan, board)` shows it."""
        return self.solved or evaluate(self.graph, self.foldings, self.board, self.lengths)

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

    def schedule(
        self, lengths: Sequence[int], policy: str = "arrival", arrival: Sequence[int] = (), **options: Any
    ) -> Schedule:
        """Where every sequence of a batch is when, by the cycle model; `.gantt(path)` draws it.

        Args:
            lengths: input tokens of every sequence.
            policy: one of `gatewright.scheduler.policies`, which also says what options it has.
            arrival: cycles before which the sequences are not there; all there from the start by default.

        Raises:
            DataError: unknown policy, a batch that does not fit the design, or bad options.
        """
        most = longest(self.graph)
        # Options of padding and packing name lengths, too.
        wanted = [int(n) for n in (*lengths, *(options.get(k) for k in ("to", "size"))) if n]
        least = least_tokens(self.imported.input_type.tokens)
        if any(not least <= n <= most for n in wanted):
            problem = f"{min(wanted)} to {max(wanted)} tokens"
            raise DataError("lengths", problem, f"{least} to {most}, what the design takes")
        kinds = [(n,) for n in sorted(set(wanted))]
        machine = timing.machine(self.graph, self.foldings, self.rtl, kinds)
        return policies.schedule(machine, [int(n) for n in lengths], policy, arrival, **options)

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
            names: executors; by default all that can say the graph and are installed.
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
            try:
                result = self.execute(name, job)
            except (NotExpressibleError, MissingExtraError) as error:
                if names is not None:
                    raise
                rows.append(Row(name, 0, 0, 0, 0, 0.0, f"{error.place}: {error.problem}"))
                continue
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

    def tvm(self, target: str = "native") -> Compiled:
        """The network compiled by TVM for a processor: "native", "aarch64", "armv7", or an LLVM target."""
        from gatewright.lower.tvm.compiled import Compiled

        return Compiled.of(self.graph, target, self.imported)

    def resources(self, flow: str = "") -> Report:
        """Resources of every operator by Yosys, beside the analytic model and the board's budget."""
        from gatewright.synth.report import measure, part

        parts = []
        for name, (graph, node) in all_nodes(self.graph):
            if name in self.rtl.instances:
                cost = node.op.cost(self.foldings[name], *graph.input_types(node))
                parts.append(part(name, self.rtl.instances[name], cost))
        return measure(parts, self.board, flow)

    def qonnx(self, path: str | Path | None = None, length: int | None = None) -> Any:
        """The integer graph as a QONNX model, whose execution equals golden; in the layout of the source model.

        Args:
            path: file to write, if any.
            length: tokens where the number is known only at run time; the most by default.

        Returns:
            the `onnx.ModelProto`.

        Raises:
            NotExpressibleError: an operator has no exact spelling; names it.
            MissingExtraError: the extra `onnx` is not installed.
        """
        from gatewright.lower.qonnx import export

        found = export(self.graph, entry=self.imported.entry, exit=self.imported.exit, length=length)
        if path is not None:
            Path(path).write_bytes(found.SerializeToString())
        return found

    def build(self, folder: str | Path, seed: int = 1, tool: str = "") -> Built:
        """Build for the board in `folder`: a bitstream with the open tools, a complete project for a vendor's.

        The folder also holds the design (`Design.load`), its weights, and what a host needs. `str()` of the result is
        the table of resources and clocks.

        Args:
            seed: of placement, with the open tools.
            tool: flow to take instead of the board's own: "hls" is the other one of AMD's boards, "sim" writes only
                what the simulated device of `gatewright.Overlay` loads.

        Raises:
            BudgetError: the design does not fit the board, with the amounts; nothing is placed.
            BoardError: the board has no flow.
            MissingExtraError: the extra `bitstream` is not installed.
            ToolError: a tool failed, or the clock is not reached.
        """
        from gatewright import bitstream

        path = Path(folder)
        bitstream.refuse(self.board, self.plan.total, "cost model of the network")
        self.save(path)
        self._write_weights(path)
        return bitstream.build(bitstream.Job(self.rtl, self.board, path, seed, self.graph, self.foldings, tool))

    def verify_netlist(self, built: Built, batch: Any) -> Row:
        """Run a batch through the netlist of a build, over its simulated UART, and compare with golden."""
        from gatewright.bitstream.simulation import device, streams
        from gatewright.shell.accelerator import Accelerator
        from gatewright.sim.beats import as_bytes, from_bytes

        start = time.monotonic()
        sequences = self.imported.encode(batch)
        wanted = self.execute("golden", self.job(sequences)).outputs[0]
        (source,), (result,) = self.rtl.inputs, self.rtl.outputs
        with device(built) as port:
            accelerator = Accelerator(port, streams(built.files["host"].parent)[0])
            accelerator.load(self.rtl.memory.astype(np.uint32))
            found = [from_bytes(raw, result) for raw in accelerator.run([as_bytes(s, source) for s in sequences])]
            cycles, flags = port.cycles, accelerator.registers.errors()
        wrong = sum(int(np.sum(g != w)) if g.shape == w.shape else w.size for g, w in zip(found, wanted, strict=True))
        if flags:
            raise SimulationError("netlist", f"error flags are set: {', '.join(flags)}", "none")
        return Row("netlist", len(sequences), sum(map(len, sequences)), wrong, cycles, time.monotonic() - start)

    def write(self, folder: str | Path) -> list[Path]:
        """Write the RTL sources, and the weights as `weights.hex` (one word of the load chain per line)."""
        sources = self.rtl.write(Path(folder))
        self._write_weights(Path(folder))
        return sources

    def _write_weights(self, folder: Path) -> None:
        # The most significant part of a word comes first.
        words = np.ascontiguousarray(self.rtl.memory[:, ::-1], ">u4")
        (folder / "weights.hex").write_text("".join(word.tobytes().hex() + "\n" for word in words))

    def hls(
        self,
        folder: str | Path,
        backend: str = "Vitis",
        *,
        part: str | None = None,
        clock_period: float | None = None,
        samples: Any = None,
        **options: Any,
    ) -> Any:
        """The design as an hls4ml project in `folder`, with our kernels as extension layers.

        Returns hls4ml's `ModelGraph`: `compile()` and `predict(x)` simulate the C++, `build()` calls the vendor's tool.
        Inputs and outputs are described in `gatewright.lower.hls.project`.

        Args:
            backend: of hls4ml, "Vitis" or "Vivado".
            part, clock_period: FPGA and nanoseconds; the board's by default.
            samples: a batch for the project's test bench, with golden results to compare with.
            options: more for hls4ml's configuration, e.g. `clock_uncertainty="12%"`.

        Raises:
            MissingExtraError: the extra `hls` is not installed.
            UnsupportedError: another back end.
            NotExpressibleError: an operator has no kernel; names it.
        """
        from gatewright.lower.hls.builder import program
        from gatewright.lower.hls.project import project

        return project(
            program(self.graph, self.foldings),
            folder,
            backend=backend,
            part=part or self.board.part,
            clock_period=clock_period or round(1000 / self.board.clock_mhz, 3),
            bench=None if samples is None else (self.graph, self.imported.encode(samples)),
            **options,
        )

    def save(self, folder: str | Path) -> None:
        """Write graph, foldings and board name into `folder`."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        self.imported.save(path / "model.npz")
        foldings = {k: asdict(v) for k, v in self.foldings.items()}
        ring = None if self.ring is None else asdict(self.ring)
        lengths = None if self.lengths is None else self.lengths.as_json()
        data: dict[str, Any] = {"board": self.board.name, "foldings": foldings, "ring": ring, "lengths": lengths}
        data |= {"sparse": self.sparse, "mixed": self.mixed}
        text = json.dumps(data, indent=1)
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
        lengths = Lengths.of(data["lengths"]) if data.get("lengths") else None
        board = boards.load(data["board"])
        # Designs of before know nothing of it.
        options = {"sparse": data.get("sparse", True), "mixed": data.get("mixed", False)}
        return Design(Imported.load(path / "model.npz"), foldings, board, ring, lengths, **options)

    def __str__(self) -> str:
        lines = [str(self.graph), f"  on {self.board.title}"]
        lines += [
            f"  {name:<16} lanes {f.lanes}, SIMD {f.simd}, PE {f.pe}, tokens {f.tokens}"
            for name, f in self.foldings.items()
        ]
        return "\n".join(lines)


def compile(
    model: Any,
    example: Any = None,
    calibration: Any = None,
    *,
    board: str | Path = "u200",
    target: float | None = None,
    foldings: Mapping[str, Folding] | None = None,
    config: QuantConfig | None = None,
    dynamic: Mapping[str, tuple[int, int]] | None = None,
    ring: Ring | None = None,
    objective: str | Objective = "rate",
    lengths: Lengths | Mapping[int, float] | Iterable[int] | None = None,
    method: str = "fast",
    sparse: bool = True,
    mixed: bool = True,
    name: str = "model",
    **options: Any,
) -> Design:
    """Compile a trained model to hardware.

    Args:
        model: any `torch.nn.Module`, in evaluation mode; or one with layers of brevitas, or the path of an ONNX or
            QONNX file, or an `onnx.ModelProto`.
        example: one input [1, ...] of a `torch.nn.Module`.
        calibration: inputs [N, ...] that show the range of every value; not needed where an ONNX file's quantizers
            state every format as a power of two.
        board: name of a board, or path of a board description.
        target: cycles per sequence that are fast enough; the least hardware that keeps up is chosen. Short for
            `objective=Resources(target)`.
        foldings: choose some or all foldings by hand instead, by node name.
        config: widths and calibration method.
        dynamic: run-time length, e.g. `{"n": (1, 64)}`: symbol to smallest and largest number of tokens.
        ring: layers that are to share one physical layer, e.g. `gw.Ring("encoder.layers")`.
        objective: "rate" (the fastest plan that fits the board), "latency" (of one sequence alone), or
            `gw.Resources(cycles)`.
        lengths: numbers of tokens of the sequences that will come, as samples or as a histogram; cycles are expected
            ones over them. By default all are the longest.
        method: "fast", "exact" (proven optimum; needs the extra `schedule`) or "stages" (the greedy of Peng et al.).
        sparse: matrices with many zeros multiply kept weights only, where the cost model says that this pays.
        mixed: matrices whose channels need different widths become several narrower ones, where it says that this pays;
            none where foldings are chosen by hand.
        name: of the design; a Verilog identifier.
        options: `output`, `constants` and `recalibrate` for ONNX, see `gatewright.frontend.onnx.import_onnx`.

    Raises:
        UnsupportedError: a layer has no exact lowering; names module, attribute, value and what is supported.
        CalibrationError: the calibration data are empty, not finite or of the wrong shape.
        BudgetError: no folding fits the board.
    """
    from gatewright.frontend.source import import_any

    imported = import_any(model, example, calibration, config=config, dynamic=dynamic, name=name, **options)
    return fold(imported, boards.load(board), target, foldings, ring, objective, lengths, method, sparse, mixed)


def network(
    imported: Imported,
    ring: Ring | None,
    board: boards.Board,
    sparse: bool | float = True,
    mixed: bool | float = True,
) -> Graph:
    """The graph to build; `sparse` and `mixed` may be cycles per sequence that are fast enough."""
    graph = imported.graph if ring is None else roll(imported.graph, ring)
    if mixed:
        graph = with_mixed(graph, board, None if mixed is True else mixed)
    if sparse:
        graph = with_sparse(graph, board, None if sparse is True else sparse)
    return graph


def fold(
    imported: Imported,
    board: boards.Board,
    target: float | None = None,
    foldings: Mapping[str, Folding] | None = None,
    ring: Ring | None = None,
    objective: str | Objective = "rate",
    lengths: Lengths | Mapping[int, float] | Iterable[int] | None = None,
    method: str = "fast",
    sparse: bool = True,
    mixed: bool = True,
) -> Design:
    """Choose the foldings of an imported model; those given by hand are kept. Arguments as in `compile`.

    Raises:
        FoldingError: a given folding names no node, or does not divide its operator.
        BudgetError: no folding fits the board.
        GraphError: the layers of `ring` cannot share hardware.
    """
    wanted = objective if target is None else Resources(target)
    pace = wanted.cycles if isinstance(wanted, Resources) else True
    # Parts have other names than the whole: what is folded by hand stays whole.
    thin, split = sparse and pace, mixed and not foldings and pace
    graph = network(imported, ring, board, thin, split)
    given = dict(foldings or {})
    names = {name for name, _ in all_nodes(graph)}
    for key in given:
        if key not in names:
            raise FoldingError(f"folding of {key}", "no such node", ", ".join(sorted(names)))
    given = {k: replace(f, banks=iterations(graph, k)) for k, f in given.items()}
    seen = None if lengths is None else Lengths.of(lengths)
    if set(given) == names:
        return Design(imported, given, board, ring, seen, None, thin, split)
    solved = plan(graph, board, wanted, seen, method, given)
    return Design(imported, {k: c.key for k, c in solved.chosen.items()}, board, ring, seen, solved, thin, split)
