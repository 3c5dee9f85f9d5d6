# SPDX-License-Identifier: Apache-2.0
"""The choice of cuts and exit thresholds against brute force over samples, and the messages."""

import itertools
import json
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from gatewright.errors import BudgetError, DataError
from gatewright.scheduler.early_exit import outcomes
from gatewright.scheduler.series import Node, series
from gatewright.scheduler.sites import Block, Exit, Link, Network
from gatewright.scheduler.split import Limits, Measure, Split, choose_split, evaluate, front
from gatewright.scheduler.split_json import network_as_json, network_from_json, split_as_json

LATENCY, ACCURACY, BYTES = Measure.LATENCY, Measure.ACCURACY, Measure.BYTES


def network(seed: int) -> Network:
    """Later sites are faster, exits quick; few entropies, so that ties are common; every fourth without exits."""
    random = np.random.default_rng(seed)
    sites, count, size = 1 + seed % 3, int(random.integers(1, 5)) if seed % 2 else 4, int(random.integers(1, 8))

    def numbers(most: int) -> tuple[float, ...]:
        return tuple(float(random.integers(most // (1 + s) ** 2 + 1)) for s in range(sites))

    def some() -> float:
        return float(random.integers(1, 10))

    def labels(chance: float) -> tuple[bool, ...]:
        return tuple((random.random(size) < chance).tolist())

    def entropies() -> tuple[float, ...]:
        return tuple((random.integers(0, 5, size) / 4).tolist())

    blocks = tuple(Block(f"b{i}", numbers(30), some()) for i in range(count))
    links = tuple(Link(some(), some() / 2) for _ in range(sites - 1))
    places = range(count - 1) if seed % 4 else ()
    exits = tuple(Exit(f"e{i}", f"b{i}", numbers(3), entropies(), labels(0.6)) for i in places)
    answer = None if seed % 5 == 0 else 2.0
    return Network(("device", "edge", "host")[:sites], links, blocks, some(), labels(0.8), exits, answer)


def one_sample(net: Network, cuts: tuple[int, ...], limits: dict[str, float], k: int) -> tuple[float, bool, float]:
    """Walk of one sample: seconds, right, bytes over the first link. Shares no code with what is tested."""
    here, seconds, sent, carried = 0, 0.0, 0.0, net.input_bytes
    right = net.right[k]
    for i, block in enumerate(net.blocks):
        while here < len(cuts) and cuts[here] <= i:
            seconds += net.links[here].delay + carried / net.links[here].bandwidth
            sent += carried if here == 0 else 0
            here += 1
        seconds += block.seconds[here]
        carried = block.bytes
        leaving = [e for e in net.exits if e.after == block.name and e.name in limits]
        if leaving:
            seconds += leaving[0].seconds[here]
            if leaving[0].entropy[k] <= limits[leaving[0].name]:
                right = leaving[0].right[k]
                break
    if net.answer_bytes is not None and here:
        seconds += sum(link.delay + net.answer_bytes / link.bandwidth for link in net.links[:here])
        sent += net.answer_bytes
    return seconds, right, sent


@cache
def everything(net: Network) -> list[tuple[float, float, float]]:
    """Latency, accuracy and bytes of all cuts with all thresholds that differ."""
    found = []
    ends = range(len(net.blocks) + 1)
    ways = [c for c in itertools.product(ends, repeat=len(net.links)) if list(c) == sorted(c)]
    steps = [[None, *sorted(set(e.entropy))] for e in net.exits]
    for cuts, thresholds in itertools.product(ways, itertools.product(*steps)):
        limits = {e.name: t for e, t in zip(net.exits, thresholds, strict=True) if t is not None}
        samples = [one_sample(net, cuts, limits, k) for k in range(len(net.right))]
        found.append(tuple(float(np.mean(column)) for column in zip(*samples, strict=True)))
    return found


VALUE = {LATENCY: 0, ACCURACY: 1, BYTES: 2}


def meets(point: tuple[float, ...], limits: Limits) -> bool:
    return all(
        point[VALUE[m]] >= v - 1e-9 if m is ACCURACY else point[VALUE[m]] <= v + 1e-9 * max(1, v)
        for m, v in limits.items()
    )


def measured(found: Split) -> tuple[float, float, float]:
    return found.latency, found.accuracy, found.bytes


SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_to_brute_force(seed: int) -> None:
    net, random = network(seed), np.random.default_rng(seed)
    points = everything(net)
    for objective, limited in itertools.product(Measure, itertools.product([False, True], repeat=2)):
        others = [m for m in Measure if m is not objective]
        # Limits that something just meets, so that rounding the wrong way shows.
        limits = {
            m: points[random.integers(len(points))][VALUE[m]] for m, on in zip(others, limited, strict=True) if on
        }
        check(net, points, objective, limits)


def check(net: Network, points: list[tuple[float, float, float]], objective: Measure, limits: Limits) -> None:
    """The choice is as good as the best of all points."""
    good = [p for p in points if meets(p, limits)]
    if not good:
        with pytest.raises(BudgetError, match="wanted"):
            choose_split(net, objective, limits)
        return
    found = choose_split(net, objective, limits)
    best = (max if objective is ACCURACY else min)(p[VALUE[objective]] for p in good)
    assert measured(found)[VALUE[objective]] == pytest.approx(best)
    assert meets(measured(found), limits)
    walked = [one_sample(net, found.cuts, found.thresholds, k) for k in range(len(net.right))]
    assert measured(found) == pytest.approx(tuple(np.mean(column) for column in zip(*walked, strict=True)))
    assert measured(evaluate(net, found.cuts, found.thresholds)) == pytest.approx(measured(found))


@pytest.mark.parametrize("seed", SEEDS)
def test_front_is_what_nothing_beats(seed: int) -> None:
    net = network(seed)
    points = everything(net)
    wanted = []
    for accuracy in sorted({p[1] for p in points}):
        fastest = min(p[0] for p in points if p[1] >= accuracy)
        more = [p[0] for p in points if p[1] > accuracy]
        if not more or fastest < min(more) - 1e-9:
            wanted.append((fastest, accuracy))
    found = [(f.latency, f.accuracy) for f in front(net)]
    assert np.asarray(found) == pytest.approx(np.asarray(wanted))


def realistic(samples: int, exits: int, seed: int = 1) -> Network:
    """Exits that grow better, and more certain of what they get right."""
    random = np.random.default_rng(seed)
    hardness = random.random(samples)
    found = []
    for k in range(exits):
        right = hardness < 0.8 + 0.05 * k + 0.1 * random.normal(size=samples)
        entropy = np.clip(np.where(right, 0.3, 0.9) + 0.3 * random.normal(size=samples), 0, None)
        found.append(Exit(f"e{k}", f"b{k}", (1.0, 0.2, 0.1), tuple(entropy), tuple(right)))
    blocks = tuple(Block(f"b{i}", (10.0, 2.0, 0.5), 100 / (i + 1)) for i in range(8))
    links = (Link(20, 1.0), Link(200, 2.0))
    return Network(("device", "edge", "host"), links, blocks, 300, tuple(hardness < 0.97), tuple(found), 1)


def test_three_exits_of_a_thousand_samples_are_exact_and_fast() -> None:
    net = realistic(1000, 3)
    best = choose_split(net, LATENCY, {ACCURACY: 0.93, BYTES: 60})
    assert best.accuracy >= 0.93 and best.bytes <= 60
    # No threshold of a random sample of sets is better.
    random = np.random.default_rng(2)
    for _ in range(300):
        thresholds = {e.name: float(random.choice(e.entropy)) for e in net.exits if random.random() < 0.8}
        other = evaluate(net, best.cuts, thresholds)
        assert other.accuracy < 0.93 or other.bytes > 60 or other.latency >= best.latency - 1e-9
    assert choose_split(net, ACCURACY, {LATENCY: best.latency}).accuracy >= best.accuracy


@pytest.mark.parametrize("exits", [0, 1, 2, 3, 4])
def test_sets_of_thresholds_are_counted_right(exits: int) -> None:
    random = np.random.default_rng(exits)
    entropy, right = random.integers(0, 8, (exits, 30)) / 8, random.random((exits + 1, 30)) < 0.8
    found = outcomes(entropy, right)
    for thresholds, counts, correct in zip(found.thresholds, found.counts, found.right, strict=True):
        leaves = [next((e for e in range(exits) if entropy[e, k] <= thresholds[e]), exits) for k in range(30)]
        assert counts.tolist() == [leaves.count(e) for e in range(exits + 1)]
        assert correct == sum(right[e, k] for k, e in enumerate(leaves))


def test_thresholds_lie_between_samples() -> None:
    """New samples then fall on the side of the nearer calibration sample."""
    found = outcomes(np.array([[0.1, 0.3, 0.5]]), np.array([[1, 0, 1], [1, 1, 1]], bool))
    assert found.thresholds.tolist() == [[math.inf], [0.2]]
    assert found.counts.tolist() == [[3, 0], [1, 2]] and found.right.tolist() == [2, 3]


def test_messages_name_the_limit_and_what_would_do() -> None:
    net = replace(realistic(100, 1), answer_bytes=None)
    top = max(front(net), key=lambda f: f.accuracy)
    with pytest.raises(BudgetError) as caught:
        choose_split(net, LATENCY, {ACCURACY: 0.999})
    assert f"accuracy >= 0.999 wanted, {top.accuracy:.6g} is the best" in caught.value.problem
    assert f"accept accuracy >= {top.accuracy:.6g}" in caught.value.hint
    slowest = choose_split(net, LATENCY, {ACCURACY: top.accuracy}).latency
    between = (slowest + choose_split(net, LATENCY, {}).latency) / 2
    with pytest.raises(BudgetError) as caught:
        choose_split(net, BYTES, {ACCURACY: top.accuracy, LATENCY: between})
    assert f"latency <= {between:.6g} s wanted, {slowest:.6g} is the best with accuracy" in caught.value.problem
    assert "or latency <=" in caught.value.hint and "faster link" in caught.value.hint
    # What the hint says is enough.
    assert choose_split(net, BYTES, {ACCURACY: top.accuracy, LATENCY: slowest}).latency <= slowest + 1e-9


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"links": ()}, "one fewer than sites"),
        ({"right": ()}, "no samples"),
        ({"blocks": (Block("a", (1, 1), 4), Block("a", (1, 1), 4))}, "different names"),
        ({"exits": (Exit("e", "b", (0, 0), (0.1,), (True,)),)}, "after 'b'"),
        ({"exits": (Exit("e", "a", (0, 0), (0.1, 0.2), (True, True)),)}, "2 entropies, 2 labels"),
        ({"exits": (Exit("e", "a", (0, 0), (math.nan,), (True,)),)}, "not finite"),
        ({"links": (Link(0.0),)}, "positive bandwidth"),
        ({"blocks": (Block("a", (1,), 4),)}, "one per site"),
        ({"input_bytes": -1}, "finite, 0 or more"),
    ],
)
def test_a_wrong_network_is_refused(change: dict[str, object], text: str) -> None:
    good = Network(("x", "y"), (Link(1.0),), (Block("a", (1, 1), 4), Block("b", (1, 1), 4)), 4, (True,))
    with pytest.raises(DataError, match=text):
        replace(good, **change)


def test_wrong_questions_are_refused() -> None:
    net = realistic(20, 1)
    with pytest.raises(DataError, match="one of the two"):
        choose_split(net, LATENCY, {LATENCY: 1})
    with pytest.raises(DataError, match="supported: e0"):
        evaluate(net, (1, 1), {"e7": 0.5})
    with pytest.raises(DataError, match="lets every block run"):
        choose_split(replace(net, blocks=(Block("a", (math.inf,) * 3, 1),), exits=()), LATENCY, {})
    random = np.random.default_rng(0)
    with pytest.raises(DataError, match="fewer samples"):
        outcomes(random.random((4, 1000)), np.vstack([random.random((4, 1000)) < 0.5, np.ones((1, 1000))]) > 0)


def test_blocks_stay_where_they_can_run() -> None:
    blocks = (Block("sensor", (1, math.inf), 8), Block("large", (math.inf, 1), 8))
    net = Network(("device", "host"), (Link(8.0, 1.0),), blocks, 8, (True,))
    assert choose_split(net, LATENCY, {}).placed(net) == {"sensor": "device", "large": "host"}


def test_a_graph_is_cut_at_articulation_points() -> None:
    """A residual block, and a branch that reads the sample itself."""
    nodes = [
        Node("conv1", (1,), 10, ("input",)),
        Node("conv2", (2,), 11, ("conv1",)),
        Node("conv3", (4,), 12, ("conv2",)),
        Node("add", (8,), 13, ("conv3", "conv1")),
        Node("head", (16,), 1, ("add",)),
    ]
    assert series(nodes) == (Block("conv1", (1,), 10), Block("add", (14,), 13), Block("head", (16,), 1))
    nodes[3] = replace(nodes[3], inputs=("conv3", "input"))
    assert series(nodes) == (Block("add", (15,), 13), Block("head", (16,), 1))
    with pytest.raises(DataError, match="nobody reads"):
        series([*nodes[:-1], replace(nodes[-1], inputs=("input",))])
    with pytest.raises(DataError, match="reads 'late'"):
        series([Node("a", (1,), 1, ("late",))])


def test_json_there_and_back() -> None:
    net = replace(realistic(20, 2), blocks=(Block("b0", (1, math.inf, 2), 3), *realistic(20, 2).blocks[1:]))
    text = json.dumps(network_as_json(net), allow_nan=False)
    assert network_from_json(json.loads(text)) == net
    found = split_as_json(choose_split(net, LATENCY, {}))
    assert json.loads(json.dumps(found, allow_nan=False))["thresholds"] == found["thresholds"]
    with pytest.raises(DataError, match="input_bytes"):
        network_from_json({**network_as_json(net), "colour": 1})
    with pytest.raises(DataError, match="bandwidth"):
        network_from_json({**network_as_json(net), "links": [{}, {}]})
