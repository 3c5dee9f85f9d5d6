# SPDX-License-Identifier: Apache-2.0
"""The smallest part of a job that still fails, and a file of it: what a fuzzer hands to a person.

Greedy, as in delta debugging (Zeller and Hildebrandt, 2002): while some smaller job still fails, go on with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from gatewright.errors import DataError, GatewrightError
from gatewright.fixed import Ints
from gatewright.graph import Folding, Graph, Node, TensorType, from_dict, to_dict
from gatewright.sim.executors import Job, Run

Fails = Callable[[Job], bool]


def differs(run: Callable[[Job], Run], golden: Callable[[Job], Run]) -> Fails:
    """Whether an executor's integers differ from golden's, or it breaks down on a job that golden computes."""

    def fails(job: Job) -> bool:
        wanted = golden(job).outputs
        try:
            found = run(job).outputs
        except GatewrightError:
            return True
        pairs = [pair for g, w in zip(found, wanted, strict=True) for pair in zip(g, w, strict=True)]
        return any(g.shape != w.shape or bool(np.any(g != w)) for g, w in pairs)

    return fails


def shrink(job: Job, fails: Fails) -> Job:
    """A failing job from which nothing can be left out: no operator at either end, no sequence, no stall."""
    while (smaller := next((j for j in _smaller(job) if _still(fails, j)), None)) is not None:
        job = smaller
    return job


def _still(fails: Fails, job: Job) -> bool:
    try:
        return fails(job)
    except GatewrightError:
        # Not a legal job any more, so not this failure.
        return False


def _smaller(job: Job) -> Iterator[Job]:
    graph, values = job.graph, [job.graph.trace(dict(zip(job.graph.inputs, s, strict=True))) for s in _columns(job)]
    for node in graph.nodes:
        if graph.outputs != (node.name,):
            yield _part(job, _needed(graph.inputs, graph.nodes, (node.name,)), values)
    for node in graph.nodes:
        rest = _without(graph, node.name)
        if rest is not None:
            yield _part(job, rest, values)
    if len(values) > 1:
        for one in values:
            yield _part(job, graph, [one])
    if job.idle or job.stall:
        yield replace(job, idle=0.0, stall=0.0)


def _columns(job: Job) -> Iterator[tuple[Ints, ...]]:
    return zip(*job.inputs, strict=True)


def _needed(inputs: Mapping[str, TensorType], nodes: Sequence[Node], outputs: tuple[str, ...]) -> Graph:
    """The graph of what these outputs are computed from."""
    needed = set(outputs)
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(node.inputs)
    kept = tuple(n for n in nodes if n.name in needed)
    return Graph({k: t for k, t in inputs.items() if k in needed}, kept, outputs, "shrunk")


def _without(graph: Graph, name: str) -> Graph | None:
    """The graph that reads this value instead of computing it; None if nothing would be left."""
    nodes = [n for n in graph.nodes if n.name != name]
    outputs = tuple(o for o in graph.outputs if o != name)
    if not nodes or not outputs:
        return None
    return _needed({**graph.inputs, name: graph.types[name]}, nodes, outputs)


def _part(job: Job, graph: Graph, values: Sequence[Mapping[str, Ints]]) -> Job:
    """The job of a part of its graph, with the values that flowed there."""
    roots = {n.name for n in graph.nodes}
    foldings = {k: f for k, f in job.foldings.items() if k.split(".")[0] in roots}
    inputs = [[v[name] for v in values] for name in graph.inputs]
    lengths = {o: [len(v[o]) for v in values] for o in graph.outputs}
    return Job(graph, foldings, inputs, lengths, job.idle, job.stall, job.seed)


def save(job: Job, path: Path) -> None:
    """Write a job as one .npz file, which `load` reads."""
    data, arrays = to_dict(job.graph)
    more = {"foldings": {k: asdict(f) for k, f in job.foldings.items()}, "lengths": dict(job.lengths)}
    more |= {"idle": job.idle, "stall": job.stall, "seed": job.seed, "sequences": [len(s) for s in job.inputs]}
    streams = {f"input.{i}.{k}": s for i, stream in enumerate(job.inputs) for k, s in enumerate(stream)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, job=np.array(json.dumps({"graph": data, **more})), **arrays, **streams)


def load(path: Path) -> Job:
    """Inverse of `save`; nothing in the file is executed.

    Raises:
        DataError: the file is missing or was not written by `save`.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        data = json.loads(str(arrays.pop("job")))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(str(path), f"cannot be read: {error}", "a file written by gatewright.sim.shrink") from error
    inputs = [[arrays[f"input.{i}.{k}"] for k in range(n)] for i, n in enumerate(data["sequences"])]
    foldings = {k: Folding(**f) for k, f in data["foldings"].items()}
    graph = from_dict(data["graph"], arrays)
    return Job(graph, foldings, inputs, data["lengths"], data["idle"], data["stall"], data["seed"])
