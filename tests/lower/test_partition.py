# SPDX-License-Identifier: Apache-2.0
"""Host and accelerator together give the integers of the whole graph."""

from __future__ import annotations

import numpy as np
import pytest
from harness import single
from lower.test_tvm import encoder

from gatewright import boards
from gatewright.errors import DataError, GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Graph, TensorType
from gatewright.lower.partition import Site, partition
from gatewright.ops.relu import Relu
from gatewright.scheduler.objectives import Resources
from gatewright.sim.fuzz import random_job
from gatewright.sim.hybrid import Hybrid

BOARD = boards.load("u200")


def assert_golden(graph: Graph, inputs: list[list[Ints]], hybrid: Hybrid) -> None:
    """The joined results are golden's."""
    found = hybrid.run(*inputs)
    for k, sequences in enumerate(zip(*inputs, strict=True)):
        for got, want in zip(found, graph.evaluate(*sequences), strict=True):
            assert np.array_equal(got[k], want)


@pytest.mark.parametrize("executor", ["golden", "rtl"])
def test_embedding_and_head_on_the_host(executor: str) -> None:
    """Token numbers in, layers on the accelerator, mean on the host."""
    graph = encoder(1).graph
    parts = partition(graph, ("embedding", "global_pool"))
    assert [s.site for s in parts.segments] == [Site.HOST, Site.ACCELERATOR, Site.HOST]
    assert [n.op.name() for n in parts.segments[0].graph.nodes] == ["embedding"]
    assert [n.op.name() for n in parts.segments[2].graph.nodes] == ["global_pool"]
    rng = np.random.default_rng(0)
    inputs = [[rng.integers(0, 50, (n, 1)) for n in (1, 4, 24, 13)]]
    assert_golden(graph, inputs, Hybrid(parts, BOARD, executor, Resources(50_000)))


@pytest.mark.parametrize("seed", [1, 5, 10, 14, 18, 26, 31, 37])
def test_random_cuts(seed: int) -> None:
    """Random graphs cut at random: values that several segments read, several ends, derived lengths."""
    job, rng = random_job(seed), np.random.default_rng(seed)
    parts = partition(job.graph, [n.name for n in job.graph.nodes if rng.random() < 0.4])
    print(parts)
    assert_golden(job.graph, [list(one) for one in job.inputs], Hybrid(parts, BOARD, "golden"))
    sites = [s.site for s in parts.segments]
    assert all(a is not b for a, b in zip(sites, sites[1:], strict=False))


class _Unfolded(Relu):
    """A ReLU that nobody has built in hardware."""

    def foldings(self, *inputs: TensorType) -> list[Folding]:  # type: ignore[override]
        raise NotImplementedError("unfolded")


def test_what_has_no_folding_stays() -> None:
    graph = single(_Unfolded(), TensorType(4, 3, Fixed(8, 0)))
    parts = partition(graph)
    assert [s.site for s in parts.segments] == [Site.HOST]
    assert "no legal folding" in parts.reasons["y"] and "no legal folding" in str(parts)


def test_refusals() -> None:
    graph = single(Relu(), TensorType(4, 3, Fixed(8, 0)))
    with pytest.raises(GraphError, match=r"partition\.host: softmaks(.|\n)*relu"):
        partition(graph, ["softmaks"])
    with pytest.raises(DataError, match="1 lists of one sequence or more"):
        Hybrid(partition(graph), BOARD, "golden").run()
